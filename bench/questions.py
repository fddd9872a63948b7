"""What is measured: a function for each table, in the order of the page."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from bench.bench_raw import raw
from bench.bench_remote import remote
from bench.bench_resize import resize
from bench.bench_resume import resume
from bench.bench_verify import verify
from bench.commands import (
    IMAGENET_SHARDS,
    PEERS,
    Bench,
    convert,
    copy,
    copy_tree,
    fastconv,
    shards_of,
    walls,
)
from bench.groups import Group, Row, inside, phase_of
from bench.measure import Command, Run, of, ratio, remove, spread
from bench.peer_questions import against_peers, against_peers_large, index


def from_tar(bench: Bench) -> Group:
    source = bench.archive()
    shards = shards_of(source.bytes)
    group = Group(
        "tar",
        "From the archive, against a copy of it",
        f"A tar of tars of {source.images:,} images ({source.bytes / 1e9:.2f} GB) to {shards} "
        "shards with indexes. Nothing is remembered from an earlier run.",
    )
    halves = Command(
        "halves",
        ("sh", str(PEERS / "cat_halves.sh"), str(source.archive), str(bench.out)),
        (bench.out,),
    )
    words = ("dd", f"if={source.archive}", f"of={bench.out}", "bs=1M", "status=none")
    one = Command("dd", words, (bench.out,), warm_ups=1)
    runs = bench.run(
        [
            copy(bench, "cat", source.archive),
            convert(bench, "1", source.path, 1, shards),
            convert(bench, "2", source.path, 2, shards),
            halves,
            one,
        ],
        fill_bytes=source.bytes,
    )
    whole = (source.images, source.bytes)
    group.add_rows(
        [
            Row("cat", "`cat archive > file`", *whole),
            Row(
                "halves", "two copies at once, of half each (`dd`)", *whole, "two copies at once", 2
            ),
            Row("dd", "one copy, read and written (`dd bs=1M`)", *whole),
            Row("1", "fastconv, 1 worker", *whole, "fastconv"),
            Row("2", "fastconv, 2 workers", *whole, "fastconv", 2),
        ],
        runs,
    )
    writing = phase_of("writing")
    group.add_figure("1 worker, speed of `cat`", ratio(runs, "cat", "1"), at_least=0.7)
    group.add_figure(
        "1 worker, writing alone, speed of `cat`",
        ratio(runs, "cat", "1", lambda run: run.wall_seconds, writing),
        at_least=0.85,
    )
    group.add_figure("2 workers against 1", ratio(runs, "1", "2"), at_least=1.7)
    group.add_figure(
        "1 worker, writing alone, speed of `dd bs=1M`",
        ratio(runs, "dd", "1", lambda run: run.wall_seconds, writing),
    )
    group.add_figure("2 workers against 1, writing alone", ratio(runs, "1", "2", writing))
    group.add_figure("two copies at once against `cat`", ratio(runs, "cat", "halves"))
    group.add_figure("2 workers, speed of two copies at once", ratio(runs, "halves", "2"))
    return group


def from_tree(bench: Bench) -> Group:
    source = bench.tree()
    shards = shards_of(source.bytes)
    group = Group(
        "tree",
        "From class folders, against `xargs cat`",
        f"The same {source.images:,} images as files of their own, to {shards} shards.",
    )
    runs = bench.run(
        [
            copy_tree(bench, "cat", source.path),
            convert(bench, "1", source.path, 1, shards),
            convert(bench, "2", source.path, 2, shards),
        ],
        fill_bytes=source.bytes,
    )
    whole = (source.images, source.bytes)
    group.add_rows(
        [
            Row("cat", "`xargs cat` of the files, in order", *whole),
            Row("1", "fastconv, 1 worker", *whole, "fastconv"),
            Row("2", "fastconv, 2 workers", *whole, "fastconv", 2),
        ],
        runs,
    )
    group.add_figure("1 worker, speed of `xargs cat`", ratio(runs, "cat", "1"), at_least=0.7)
    group.add_figure(
        "1 worker, writing alone, speed of `xargs cat`",
        ratio(runs, "cat", "1", lambda run: run.wall_seconds, phase_of("writing")),
    )
    group.add_figure("2 workers against 1", ratio(runs, "1", "2"))
    return group


def listing(bench: Bench) -> Group:
    source = bench.scale(bench.sizes.parts[-1])
    group = Group(
        "listing",
        "Listing the archive",
        f"{source.images:,} members in 1,000 inner archives, on one core, by one thread. Python's "
        "tarfile reads each inner archive where it lies, and keeps nothing of a member.",
    )
    pinned = ("taskset", "-c", "0", sys.executable, "-m", "bench.listing")
    runs = bench.run(
        [
            copy(bench, "cat", source.archive),
            Command("fastconv", (*pinned, "fastconv", str(source.archive)), warm_ups=1),
            Command("tarfile", (*pinned, "tarfile", str(source.archive))),
        ],
        max(1, min(3, bench.rounds)),
    )
    group.add_rows(
        [
            Row("cat", "`cat archive > file`", source.images, source.bytes),
            Row("fastconv", "fastconv's listing", source.images, source.bytes),
            Row("tarfile", "Python's `tarfile`", source.images, source.bytes),
        ],
        runs,
    )
    for run in runs:
        if run.printed.get("members", source.images) != source.images:
            raise ValueError(f"{run.name}: {run.printed['members']} members listed")
    group.add_figure("against `tarfile`", ratio(runs, "tarfile", "fastconv"), at_least=15)
    group.add_figure("the same, starts left out", ratio(runs, "tarfile", "fastconv", inside))
    return group


def planning(bench: Bench) -> Group:
    source = bench.scale(bench.sizes.parts[-1])
    group = Group(
        "planning",
        "Before the first record: the plan at full scale",
        f"`fastconv shards --dry-run` of {source.images:,} images with {source.annotated:,} "
        "annotation files: listing, boxes, shuffle and shards. Cold is without a cache of "
        "fastconv's; the archives are in memory either way.",
    )

    def dry(name: str, cache: Path, cold: bool) -> Command:
        words = (*fastconv(), "shards", str(source.path), "--out", str(bench.out))
        outputs = (bench.out, cache) if cold else (bench.out,)
        return Command(
            name,
            (*words, "--dry-run", "--quiet", "--json"),
            outputs,
            env={"FASTCONV_CACHE": str(cache)},
            warm_ups=1,
        )

    kept = bench.storage / "cache-kept"
    remove(kept)
    runs = bench.run(
        [
            copy(bench, "cat", source.archive),
            dry("cold", bench.cache, True),
            dry("warm", kept, False),
        ]
    )
    remove(kept)
    group.add_rows(
        [
            Row("cat", "`cat archive > file`", source.images, source.bytes),
            Row("cold", "plan, no cache", source.images, source.bytes),
            Row("warm", "plan, with the cache", source.images, source.bytes),
        ],
        runs,
    )
    group.add_figure("no cache", walls(runs, "cold"), at_most=20, unit="s")
    group.add_figure("with the cache", walls(runs, "warm"), at_most=5, unit="s")
    for name, label in (("cold", "no cache"), ("warm", "with the cache")):
        peaks = [run.parent_bytes / 1e6 for run in of(runs, name).values()]
        group.add_figure(f"parent's peak, {label}", spread(peaks), at_most=700, unit="MB")
    return group


def growth(bench: Bench) -> Group:
    least, middle, full = bench.sizes.parts
    group = Group(
        "scale",
        "Growth with the number of images",
        "Whole conversions of tiny images with their boxes by 2 workers, with shards of as many "
        "images each, so that only the number of images and shards grows.",
    )
    commands, rows, counts = [], [], {}
    for part in (least, middle, full):
        source = bench.scale(part)
        shards = max(8, IMAGENET_SHARDS // part)
        name = f"1/{part}"
        counts[name] = source.images
        commands += [
            copy(bench, f"cat {name}", source.archive),
            convert(bench, name, source.path, 2, shards),
        ]
        rows += [
            Row(f"cat {name}", f"`cat`, {source.images:,} images", source.images, source.bytes),
            Row(name, f"fastconv, {source.images:,} images", source.images, source.bytes),
        ]
    runs = bench.run(commands)
    group.add_rows(rows, runs)
    small, large = f"1/{least}", f"1/{full}"

    def an_image(name: str, value: Callable[[Run], float | None]) -> Callable[[Run], float | None]:
        def each(run: Run) -> float | None:
            found = value(run)
            return None if found is None else found / counts[name]

        return each

    def wall(run: Run) -> float:
        return run.wall_seconds

    for name in (f"1/{middle}", large):
        group.add_figure(
            f"time an image, {counts[name]:,} images against {counts[small]:,}",
            ratio(runs, name, small, an_image(name, wall), an_image(small, wall)),
            at_most=1.1,
        )
    for phase in ("listing", "reading", "planning", "writing"):
        value = phase_of(phase)
        group.add_figure(
            f"the same for the whole of it, {phase} alone",
            ratio(runs, large, small, an_image(large, value), an_image(small, value)),
        )
    largest = [run.parent_bytes / 1e6 for run in of(runs, large).values()]
    workers = [run.worker_bytes / 1e6 for run in of(runs, large).values()]
    group.add_figure("parent's peak", spread(largest), at_most=700, unit="MB")
    group.add_figure("largest worker's peak", spread(workers), at_most=250, unit="MB")
    group.add_figure(
        f"largest worker's peak, against that at {counts[small]:,} images",
        ratio(runs, large, small, lambda run: run.worker_bytes),
        at_most=1.1,
    )
    group.add_figure(
        "the same without the pages of files and of shared memory",
        ratio(runs, large, small, lambda run: run.worker_private_bytes),
    )
    return group


def start(bench: Bench) -> Group:
    group = Group("help", "The start of the command", "Whole processes.")
    runs = bench.run(
        [
            Command("pass", (sys.executable, "-c", "pass"), warm_ups=2),
            Command("help", (*fastconv(), "--help"), warm_ups=2),
        ],
        4 * bench.rounds,
    )
    group.add_rows(
        [Row("pass", "`python -c pass`"), Row("help", "`fastconv --help`")],
        runs,
    )
    seconds, times = walls(runs, "help"), ratio(runs, "help", "pass")
    group.add_figure("`fastconv --help`", seconds, at_most=0.15, unit="s")
    group.add_figure("against `python -c pass`", times, at_most=6)
    if any(figure["met"] for figure in group.figures):
        group.notes.append("One of the two is enough.")
        for figure in group.figures:
            figure["met"] = figure["met"] or None
    return group


QUESTIONS: dict[str, tuple[Callable[[Bench], Group], tuple[str, ...]]] = {
    # with the corpora that each needs beside the base
    "help": (start, ()),
    "tar": (from_tar, ("archive",)),
    "tree": (from_tree, ("tree",)),
    "index": (index, ("tree", "foreign")),
    "peers": (against_peers, ()),
    "peers-large": (against_peers_large, ("tree",)),
    "resize": (resize, ("part",)),
    "listing": (listing, ("scale",)),
    "planning": (planning, ("scale",)),
    "scale": (growth, ("scale",)),
    "verify": (verify, ("archive",)),
    "resume": (resume, ("scale",)),
    "raw": (raw, ("archive", "raw")),
    "remote": (remote, ()),
}
