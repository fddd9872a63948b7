"""What the model of a cluster needs to know of fastconv, measured on this machine.

    python -m bench.cluster_constants --storage DIR [--images 3000] [--out FILE]

One worker, source and output in memory, photographs of ImageNet's sizes. Seconds are processor's
time, so that what else the machine does counts little; those of a start are by the clock. A shard's
overhead is the slope of the time over the number of shards. What is done before the first record
and after the last is taken of a simulated ImageNet, which has only headers. Medians of the rounds.
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.commands import ROOT, fastconv
from bench.corpus import Corpus, build_base
from bench.machine import machine
from bench.measure import Command, measure, of
from bench.simulated import build_simulated

FEW, MANY = 8, 200  # shards, for the overhead of one
BEFORE, AFTER = ("prepare", "facts", "share"), ("counts", "report", "manifest", "dump")
STORED = Path(__file__).with_name("cluster_constants.json")


@dataclass(frozen=True, slots=True)
class Constants:
    """Seconds of one core for an image that is kept, and for one made smaller (``--resize 256``),
    of ``image_bytes`` bytes; what share of its bytes is then stored; seconds for a shard besides
    its images; for an image before the first record and after the last; for a start."""

    keep_seconds: float
    resize_seconds: float
    image_bytes: float
    resized_share: float
    shard_seconds: float
    plan_seconds: float
    finish_seconds: float
    start_seconds: float
    cpu: str = ""
    date: str = ""

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> Constants:
        return cls(**{name: facts[name] for name in cls.__slots__ if name in facts})


def writing(bench_out: Path, corpus: Corpus, name: str, shards: int, *more: str) -> Command:
    words = (*fastconv(), "shards", str(corpus.path), "--out", str(bench_out), "--workers", "1")
    return Command(
        name,
        (*words, "--train-shards", str(shards), "--split", "train", "--json", "--quiet", *more),
        (bench_out,),
        warm_ups=1,
    )


def measured(storage: Path, images: int, rounds: int) -> Constants:
    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    corpus = build_base(storage, images, tell=tell)
    simulated = build_simulated(storage, "imagenet", "archives")
    out = storage / "out"
    plan = (sys.executable, "-m", "bench.planned", str(simulated.path), "--accounts")
    runs = measure(
        [
            writing(out, corpus, "start", FEW, "--dry-run"),
            writing(out, corpus, "few", FEW),
            writing(out, corpus, "many", MANY),
            writing(out, corpus, "resize", FEW, "--resize", "256"),
            Command("plan", plan),
        ],
        rounds,
        tell,
        ROOT,
    )

    def cpu(name: str) -> float:
        return statistics.median(run.cpu_seconds for run in of(runs, name).values())

    def steps(names: tuple[str, ...]) -> float:
        each: list[float] = [
            sum(r.printed["cpu_steps"][n] for n in names) for r in of(runs, "plan").values()
        ]
        return statistics.median(each) / simulated.images

    shard = max(0.0, (cpu("many") - cpu("few")) / (MANY - FEW))
    start = statistics.median(run.wall_seconds for run in of(runs, "start").values())
    about = machine(storage)
    first = next(iter(of(runs, "resize").values()))
    return Constants(
        keep_seconds=(cpu("few") - cpu("start") - FEW * shard) / images,
        resize_seconds=(cpu("resize") - cpu("start") - FEW * shard) / images,
        image_bytes=corpus.bytes / images,
        resized_share=first.printed["bytes"] / corpus.bytes,
        shard_seconds=shard,
        plan_seconds=steps(BEFORE),
        finish_seconds=steps(AFTER),
        start_seconds=start,
        cpu=str(about["cpu"]),
        date=datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what the model of a cluster needs.")
    parser.add_argument("--storage", type=Path, required=True)
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=STORED)
    given = parser.parse_args()
    text = json.dumps(asdict(measured(given.storage, given.images, given.rounds)), indent=1)
    given.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
