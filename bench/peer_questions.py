"""The tables in which other tools stand."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from bench.commands import (
    ROOT,
    Bench,
    convert,
    copy_tree,
    fastconv,
    insides,
    shards_of,
    walls,
)
from bench.corpus import Corpus
from bench.groups import Group, Row, inside
from bench.measure import Command, of, ratio, remove, run_once


@dataclass(frozen=True, slots=True)
class Peer:
    """``slim``: it is the TensorFlow way; ``counts``: the target is set against it."""

    module: str
    package: str
    label: str
    slim: bool = False
    env: tuple[tuple[str, str], ...] = ()
    counts: bool = True


ALL_PEERS = (
    Peer("slim_tensorflow", "tensorflow", "TensorFlow as slim does it", slim=True),
    Peer(
        "slim_tensorflow",
        "tensorflow",
        "TensorFlow, eager, in processes",
        slim=True,
        env=(("BENCH_PROCESSES", "1"),),
        counts=False,
    ),
    Peer("tf_writer", "tensorflow", "TensorFlow's TFRecordWriter, no decoding"),
    Peer("webdataset_writer", "webdataset", "webdataset's ShardWriter"),
    Peer("tfrecord_writer", "tfrecord", "tfrecord's TFRecordWriter"),
    Peer("litdata_optimize", "litdata", "LitData's optimize"),
)


def available(peers: tuple[Peer, ...]) -> list[Peer]:
    return [peer for peer in peers if importlib.util.find_spec(peer.package)]


def peer_command(
    bench: Bench, peer: Peer, name: str, tree: Path, workers: int, shards: int
) -> Command:
    return Command(
        name,
        (
            *(sys.executable, "-m", f"bench.peers.{peer.module}", "--tree", str(tree / "train")),
            *("--out", str(bench.out), "--workers", str(workers), "--shards", str(shards)),
        ),
        (bench.out,),
        env={"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3", **dict(peer.env)},
    )


def _against_peers(bench: Bench, source: Corpus, group: Group, rounds: int) -> Group:
    peers = available(ALL_PEERS)
    missing = sorted({peer.package for peer in ALL_PEERS} - {peer.package for peer in peers})
    if missing:
        group.notes.append(f"Not installed, and so not measured: {', '.join(missing)}.")
    shards = shards_of(source.bytes)
    commands = [copy_tree(bench, "cat", source.path)]
    rows = [Row("cat", "`xargs cat` of the files", source.images, source.bytes)]
    whole = (source.images, source.bytes)
    for workers in (1, 2):
        word = "worker" if workers == 1 else "workers"
        own = f"fastconv {workers}"
        commands.append(convert(bench, own, source.path, workers, shards))
        rows.append(Row(own, f"fastconv, {workers} {word}", *whole, "fastconv", workers))
        for number, peer in enumerate(peers):
            name = f"{number} {workers}"
            commands.append(peer_command(bench, peer, name, source.path, workers, shards))
            rows.append(Row(name, f"{peer.label}, {workers}", *whole, peer.label, workers))
    for peer in {peer.package: peer for peer in peers}.values():
        # Its files are read once, as those of the others are by their warm-ups.
        run_once(Command(peer.package, (sys.executable, "-c", f"import {peer.package}")), -1)
    runs = bench.run(commands, rounds, fill_bytes=source.bytes)
    for name in (command.name for command in commands):
        for run in of(runs, name).values():
            written = run.printed.get("written", source.images)
            if written != source.images:
                raise ValueError(f"{name}: wrote {written} of {source.images} images")
    group.add_rows(rows, runs)
    for workers in (1, 2):
        own = f"fastconv {workers}"
        others: list[tuple[float, int]] = []
        for number, peer in enumerate(peers):
            name = f"{number} {workers}"
            if not peer.slim:
                others.append((walls(runs, name)["median"], number))
                continue
            group.add_figure(
                f"against {peer.label}, {workers} each",
                ratio(runs, name, own),
                at_least=40 if peer.counts else None,
            )
            group.add_figure(
                f"against {peer.label}, {workers} each, starts left out",
                ratio(runs, name, own, inside),
            )
        if others:
            _, best = min(others)
            name = f"{best} {workers}"
            label = f"against the best other ({peers[best].label}), {workers} each"
            group.add_figure(label, ratio(runs, name, own), at_least=8)
            quick = [(insides(runs, f"{n} {workers}")["median"], n) for _, n in others]
            _, best = min(quick)
            group.add_figure(
                f"against the best other with starts left out ({peers[best].label}), "
                f"{workers} each",
                ratio(runs, f"{best} {workers}", own, inside),
            )
    return group


def against_peers(bench: Bench) -> Group:
    source = bench.base()
    group = Group(
        "peers",
        "Other tools, at the same distinct images",
        f"{source.images:,} images ({source.bytes / 1e9:.2f} GB) from class folders, written once "
        "by each tool, by as many processes as fastconv has workers. Whole processes: the start "
        "of an interpreter and its imports count, and are shown left out as well.",
    )
    return _against_peers(bench, source, group, bench.rounds)


def against_peers_large(bench: Bench) -> Group:
    source = bench.tree()
    group = Group(
        "peers-large",
        "Other tools, at so many images that their start counts little",
        f"The same with {source.images:,} images ({source.bytes / 1e9:.2f} GB).",
    )
    return _against_peers(bench, source, group, max(1, min(3, bench.rounds)))


def index(bench: Bench) -> Group:
    group = Group("index", "Indexes of foreign shards", "")
    shards = bench.storage / "foreign"
    remove(shards)
    if importlib.util.find_spec("tensorflow"):
        source = bench.tree()
        number = shards_of(source.bytes)
        writer = peer_command(bench, ALL_PEERS[2], "foreign", source.path, 2, number)
        words = [str(shards) if word == str(bench.out) else word for word in writer.argv]
        run_once(Command("foreign", tuple(words), env=writer.env), -1, ROOT)
        by = "TensorFlow's TFRecordWriter"
    else:
        source = bench.archive()
        number = shards_of(source.bytes)
        command = convert(bench, "foreign", source.path, 2, number)
        run_once(replace(command, outputs=()), -1, ROOT)
        (bench.out / "data_dir").rename(shards)
        by = "fastconv"
    size = sum(path.stat().st_size for path in shards.iterdir())
    group.text = f"{number} shards ({size / 1e9:.2f} GB) that {by} wrote."
    listed = sorted(str(path) for path in shards.iterdir())
    whole = (source.images, size)
    commands = [
        Command(
            "cat",
            ("sh", "-c", 'out=$1; shift; cat "$@" > "$out"', "sh", str(bench.out), *listed),
            (bench.out,),
            warm_ups=1,
        ),
        Command(
            "fastconv",
            (*fastconv(), "index", *listed, "--out", str(bench.out), "--quiet"),
            (bench.out,),
            warm_ups=1,
        ),
    ]
    rows = [
        Row("cat", "`cat shards > file`", *whole),
        Row("fastconv", "`fastconv index`", *whole),
    ]
    if Path(sys.executable).with_name("tfrecord2idx").exists():
        words = [sys.executable, "-m", "bench.peers.dali_index", "--shards", str(shards)]
        commands.append(
            Command("dali", (*words, "--out", str(bench.out)), (bench.out,), warm_ups=1)
        )
        rows.append(Row("dali", "DALI's `tfrecord2idx`, a process a shard", *whole))
    else:
        group.notes.append("DALI is not installed, and so its `tfrecord2idx` was not measured.")
    runs = bench.run(commands)
    remove(shards)
    group.add_rows(rows, runs)
    if len(commands) > 2:
        group.add_figure("against `tfrecord2idx`", ratio(runs, "dali", "fastconv"), at_least=5)
    return group
