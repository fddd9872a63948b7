"""The table of shards that are checked."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.commands import ROOT, Bench, convert, fastconv, insides, shards_of, walls
from bench.groups import Group, Row, inside
from bench.measure import Command, MeasureError, Run, ratio, remove, run_once

CAT = 0.4  # the share of its speed that is aimed at
TENSORFLOW = 10


@dataclass(frozen=True, slots=True)
class Way:
    """How TensorFlow parses: so many records at once, 0 for one by one."""

    name: str
    label: str
    batch: int

    def of(self, threads: int) -> str:
        return f"{self.label}, {threads} thread{'s' if threads > 1 else ''}"


WAYS = (
    Way("tf", "TensorFlow, one by one", 0),
    Way("tf batch", "TensorFlow, in batches of 64", 64),
)


def installed() -> tuple[Way, ...]:
    return WAYS if importlib.util.find_spec("tensorflow") else ()


def reading(name: str, parts: Sequence[Sequence[Path]]) -> Command:
    """A ``cat`` for each part of the files, all at once, into nothing; it fails if one does."""
    *others, last = [f"cat {shlex.join(map(str, part))} >/dev/null" for part in parts]
    begun = "".join(f"{cat} & pid{n}=$!; " for n, cat in enumerate(others))
    awaited = "".join(f"; wait $pid{n}" for n in range(len(others)))
    return Command(name, ("sh", "-ec", begun + last + awaited), warm_ups=1)


def checking(name: str, out: Path, workers: int) -> Command:
    words = ("verify", str(out), "--workers", str(workers), "--quiet", "--json")
    return Command(name, (*fastconv(), *words), warm_ups=1)


def parsing(way: Way, shards: Path, workers: int) -> Command:
    module = (sys.executable, "-m", "bench.peers.verify_tensorflow", "--shards", str(shards))
    return Command(
        f"{way.name} {workers}",
        (*module, "--workers", str(workers), "--batch", str(way.batch)),
        env={"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


def all_were_read(runs: Sequence[Run], records: int) -> None:
    """MeasureError where a run saw another number of records, or anything wrong in them."""
    for run in runs:
        seen = run.printed.get("records", records)
        if seen != records or run.printed.get("found"):
            raise MeasureError(f"{run.name}: saw {seen} records of {records}, {run.printed}")


def add_figures(group: Group, runs: Sequence[Run], ways: Sequence[Way]) -> None:
    runs = list(runs)

    def wall(run: Run) -> float:
        return run.wall_seconds

    for workers, floor, label in ((1, "cat", "`cat`"), (2, "cats", "two `cat`s at once")):
        own, aim = str(workers), CAT if workers == 1 else None
        label = f"{workers} worker{'s' if workers > 1 else ''}, speed of {label}"
        group.add_figure(label, ratio(runs, floor, own), at_least=aim)
        group.add_figure(
            f"{label}, start left out", ratio(runs, floor, own, wall, inside), at_least=aim
        )
    group.add_figure("2 workers against 1", ratio(runs, "1", "2"))
    group.add_figure("2 workers against 1, starts left out", ratio(runs, "1", "2", inside))
    if not ways:
        return
    # One worker stands against TensorFlow's best, two against its best with two threads.
    for workers, threads in ((1, (1, 2)), (2, (2,))):
        own = f"{workers} worker{'s' if workers > 1 else ''}"
        theirs = [(f"{way.name} {n}", way.of(n)) for way in ways for n in threads]
        best, label = min(theirs, key=lambda each: walls(runs, each[0])["median"])
        group.add_figure(
            f"{own} against {label}", ratio(runs, best, str(workers)), at_least=TENSORFLOW
        )
        best, label = min(theirs, key=lambda each: insides(runs, each[0])["median"])
        group.add_figure(
            f"{own} against {label}, starts left out",
            ratio(runs, best, str(workers), inside),
            at_least=TENSORFLOW,
        )


def verify(bench: Bench) -> Group:
    source = bench.archive()
    shards = shards_of(source.bytes)
    ways = installed()
    remove(bench.out)
    made = convert(bench, "made", source.path, 2, shards)
    run_once(replace(made, outputs=(bench.cache,)), -1, ROOT)
    folder = bench.out / "data_dir"
    paths = sorted(folder.iterdir())
    size = sum(path.stat().st_size for path in paths)
    group = Group(
        "verify",
        "Shards checked, against reading them",
        f"{shards} shards of {source.images:,} records ({size / 1e9:.2f} GB) that `fastconv "
        "shards` wrote. `cat` reads them into nothing. `fastconv verify` holds them to all that it "
        "checks without options: checksums, Examples, slim's schema, images' headers, indexes, and "
        "the manifest's counts and checksums. TensorFlow compares the checksums and parses the "
        "Examples with slim's features, and looks at nothing else. Of fastconv's start the "
        "interpreter and its imports are left out, of TensorFlow's also its threads and kernels; "
        "the start of fastconv's workers counts either way.",
    )
    if not ways:
        group.notes.append("Not installed, and so not measured: tensorflow.")
    whole = (source.images, size)
    half = len(paths) // 2
    commands = [
        reading("cat", [paths]),
        checking("1", bench.out, 1),
        checking("2", bench.out, 2),
        reading("cats", [paths[:half], paths[half:]]),
    ]
    rows = [
        Row("cat", "`cat shards > /dev/null`", *whole),
        Row("cats", "two `cat`s at once, of half the shards each", *whole, "two `cat`s", 2),
        Row("1", "fastconv, 1 worker", *whole, "fastconv"),
        Row("2", "fastconv, 2 workers", *whole, "fastconv", 2),
    ]
    for way in ways:
        for workers in (1, 2):
            commands.append(parsing(way, folder, workers))
            name = f"{way.name} {workers}"
            rows.append(Row(name, way.of(workers), *whole, way.label, workers))
    if ways:  # its files are read once, as those of fastconv are by its warm-up
        run_once(replace(commands[-1], name="tensorflow"), -1, ROOT)
    runs = bench.run(commands)
    remove(bench.out)
    all_were_read(runs, source.images)
    group.add_rows(rows, runs)
    add_figures(group, runs, ways)
    return group
