"""How many nodes are worth it? A small model of a cluster: SIMULATED, not measured on one.

    python -m bench.cluster_model [--figure FILE] [--nodes 1 2 4 …] [--cores 48] …

What an image, a shard and a plan take of a core is measured (bench/cluster_constants.py, on the
machine that its file names). What the cluster gives is assumed, and every assumption is an option.
Shards go to workers as these are free. A shard takes a worker its core's time and its own stream's
time, one after the other, as if nothing were read ahead; and all workers of a node share the node's
network, all nodes the file system, or the object store: each gets an equal part of what there is.
A formula beside the simulation is a check of it.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.cluster_constants import STORED, Constants
from bench.simulated import SHAPES
from fastconv.sources.archives import INDEX_THREADS

SHARD_BYTES = 128 * 1024 * 1024
MEAN_IMAGE_BYTES = 110_000.0
GIGA = 1e9
NODES = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Bandwidths in bytes a second. ``stream``: what one process reads or writes alone;
    ``node``: a node's network, each way; ``read``, ``write``: all that the storage gives, and
    ``seeks``: how many images a second it finds, at places in no order. ``wait_seconds``: an image
    is waited for, besides its bytes; ``header_seconds``: the same of a member's header, when the
    plan is made, ``header_threads`` at once. ``start_seconds``: from the job's start to a worker
    that is ready."""

    cores: int
    stream: float
    node: float
    read: float
    write: float
    seeks: float
    wait_seconds: float
    header_seconds: float
    header_threads: int
    start_seconds: float


@dataclass(frozen=True, slots=True)
class Work:
    """A conversion: images, shards, and what a shard takes."""

    name: str
    images: int
    shards: int
    core_seconds: float
    read_bytes: float
    write_bytes: float
    images_each: float

    @classmethod
    def of(cls, name: str, constants: Constants, resize: bool) -> Work:
        shape = SHAPES[name]
        # The share of an image's time that goes with its bytes is not told apart: photographs of
        # the measurement have about as many bytes as ImageNet's.
        share = constants.resized_share if resize else 1.0
        stored = MEAN_IMAGE_BYTES * share
        shards = 1024 if name == "imagenet" else math.ceil(shape.images * stored / SHARD_BYTES)
        each = shape.images / shards
        seconds = constants.resize_seconds if resize else constants.keep_seconds
        return cls(
            name,
            shape.images,
            shards,
            each * seconds + constants.shard_seconds,
            each * MEAN_IMAGE_BYTES,
            each * stored,
            each,
        )


def alone(work: Work, cluster: Cluster) -> float:
    """Seconds that a worker takes for a shard when nobody is in its way."""
    bytes_moved = work.read_bytes + work.write_bytes
    return (
        work.core_seconds + work.images_each * cluster.wait_seconds + bytes_moved / cluster.stream
    )


def limits(work: Work, cluster: Cluster) -> tuple[float, float]:
    """Shards a second that a node's network, and that the storage, can move."""
    node = cluster.node / max(work.read_bytes, work.write_bytes)
    moved = min(cluster.read / work.read_bytes, cluster.write / work.write_bytes)
    return node, min(moved, cluster.seeks / work.images_each)


def rates(counts: Any, single: float, node: float, storage: float) -> Any:
    """Shards a second of a worker on each node, float64 (nodes,): of equal parts of what is there.
    ``counts``: workers at work on each."""
    each = np.minimum(single, node / np.maximum(counts, 1))
    if float((counts * each).sum()) <= storage:
        return each
    # Fill all up to one level, below which those stay whose own limit is lower.
    for at in np.argsort(each, kind="stable"):
        below = each < each[at]
        level = (storage - float((counts * each)[below].sum())) / float(counts[~below].sum())
        if level <= each[at]:
            return np.minimum(each, level)
    return each


def simulated(work: Work, cluster: Cluster, nodes: int, seed: int = 1) -> float:
    """Seconds from the first shard's begin to the last one's end: list scheduling, in events."""
    workers = nodes * cluster.cores
    sizes = np.random.default_rng(seed).normal(1.0, 0.02, work.shards).clip(0.9, 1.1)
    left = np.zeros(workers)
    # Shards go round the nodes, as a scheduler that minds the load gives them out.
    node_of = np.arange(workers) % nodes
    given = min(workers, work.shards)
    left[:given] = sizes[:given]
    busy = np.arange(workers) < given
    single = 1 / alone(work, cluster)
    node, storage = limits(work, cluster)
    now = 0.0
    while busy.any():
        counts = np.bincount(node_of[busy], minlength=nodes)
        rate = rates(counts, single, node, storage)[node_of]
        at_work = np.flatnonzero(busy)
        times = left[at_work] / rate[at_work]
        step = float(times.min())
        now += step
        left[at_work] -= step * rate[at_work]
        for worker in at_work[times <= step * (1 + 1e-9)].tolist():
            if given < work.shards:
                left[worker], given = sizes[given], given + 1
            else:
                busy[worker] = False
    return now


def by_formula(work: Work, cluster: Cluster, nodes: int) -> float:
    """About the same: in rounds of as many shards as workers, or as fast as the narrowest way."""
    workers = nodes * cluster.cores
    node, storage = limits(work, cluster)
    rounds = math.ceil(work.shards / workers) * alone(work, cluster)
    return max(rounds, work.shards / min(nodes * node, storage))


def before(work: Work, cluster: Cluster, constants: Constants) -> float:
    """Seconds of the plan, which one node makes."""
    waits = cluster.header_seconds / cluster.header_threads
    return work.images * (constants.plan_seconds + waits)


def table(work: Work, cluster: Cluster, constants: Constants, nodes: list[int]) -> dict[str, Any]:
    """Of each number of nodes: seconds of the writing and of all, by simulation and by formula."""
    plan, end = before(work, cluster, constants), work.images * constants.finish_seconds
    rows = []
    for count in nodes:
        writing = simulated(work, cluster, count)
        total = plan + cluster.start_seconds + writing + end
        rows.append(
            {
                "nodes": count,
                "writing": writing,
                "formula": by_formula(work, cluster, count),
                "total": total,
                "node_hours": count * (cluster.start_seconds + writing) / 3600,
            }
        )
    for row in rows:
        row["speed_up"] = rows[0]["total"] * nodes[0] / row["total"]
        row["efficiency"] = rows[0]["node_hours"] / row["node_hours"]
    return {"plan": plan, "finish": end, "shards": work.shards, "rows": rows}


def span(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes, hours = seconds / 60, seconds / 3600
    if minutes < 10:
        return f"{minutes:.1f} min"
    return f"{minutes:.0f} min" if minutes < 100 else f"{hours:.1f} h"


def lines(title: str, found: dict[str, Any]) -> list[str]:
    shown = [
        f"{title}: {found['shards']:,} shards, the plan {span(found['plan'])}, "
        f"finishing {span(found['finish'])}",
        "",
        "| nodes | writing | by formula | all of it | speed-up | node hours | well used |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in found["rows"]:
        shown.append(
            f"| {row['nodes']} | {span(row['writing'])} | {span(row['formula'])} | "
            f"{span(row['total'])} | {row['speed_up']:.1f} | {row['node_hours']:.1f} | "
            f"{100 * row['efficiency']:.0f} % |"
        )
    return [*shown, ""]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="A model of a cluster: simulated.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--nodes", type=int, nargs="+", default=list(NODES), help="how many")
    for name, value, text in (
        ("cores", 48, "workers on a node, one a core"),
        ("stream", 0.5, "GB/s of one process alone"),
        ("node", 12.5, "GB/s of a node's network"),
        ("osts", 64, "OSTs of a Lustre file system"),
        ("stripes", 16, "OSTs that ImageNet's one archive is on"),
        ("ost", 2.0, "GB/s of an OST"),
        ("seeks", 2000, "images a second that an OST finds, in no order"),
        ("wait", 1.0, "ms that a worker waits for an image, besides its bytes"),
        ("header", 0.5, "ms for a member's header, when the plan is made"),
        ("threads", INDEX_THREADS, "headers that are waited for at once"),
        ("start", 20.0, "s from a job's start until its workers are ready"),
    ):
        parser.add_argument(f"--{name}", type=type(value), default=value, help=text)
    parser.add_argument(
        "--store", type=float, help="an object store of so many GB/s, in place of Lustre"
    )
    parser.add_argument("--constants", type=Path, default=STORED, help="what was measured")
    parser.add_argument("--figure", type=Path, help="draw a PNG of it")
    return parser.parse_args()


def cluster_of(given: argparse.Namespace, work: Work) -> Cluster:
    # ImageNet is one archive, on as many OSTs as it is striped over; of one a class, all are read.
    osts = min(given.stripes, given.osts) if work.name == "imagenet" else given.osts
    store = given.store
    return Cluster(
        cores=given.cores,
        stream=given.stream * GIGA,
        node=given.node * GIGA,
        read=(osts * given.ost if store is None else store) * GIGA,
        write=(given.osts * given.ost if store is None else store) * GIGA,
        seeks=osts * given.seeks if store is None else math.inf,
        wait_seconds=given.wait / 1e3,
        header_seconds=given.header / 1e3,
        header_threads=given.threads,
        start_seconds=given.start,
    )


def main() -> None:
    given = arguments()
    facts = json.loads(given.constants.read_text(encoding="utf-8"))
    constants = Constants.of_facts(facts)
    print("SIMULATED: a model, of constants measured on one machine and of assumptions.\n")
    found = {}
    for name in SHAPES:
        for resize in (False, True):
            work = Work.of(name, constants, resize)
            title = f"{name}, {'--resize 256' if resize else 'bytes kept'}"
            found[title] = table(work, cluster_of(given, work), constants, given.nodes)
            print("\n".join(lines(title, found[title])), flush=True)
    if given.figure is not None:
        from bench.cluster_figure import draw

        draw(found, given.figure)


if __name__ == "__main__":
    main()
