"""The table of a finished job that is run again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.commands import IMAGENET_SHARDS, ROOT, Bench, copy, fastconv
from bench.groups import Group, Row
from bench.measure import Command, MeasureError, Run, difference, remove, run_once
from bench.scale_corpus import build_validation

VALIDATION_SHARDS = 128  # as slim cuts ImageNet's
CACHES = (("cold", "no cache"), ("warm", "with the cache"))
SECONDS = 3  # beyond the plan, that are aimed at

Stamp = tuple[int, int, int]


def files_of(folder: Path) -> dict[str, Stamp]:
    """Each file below it with its size, its time in nanoseconds, and its number on the disk: a file
    that is written again differs, though its bytes may be the same."""
    found = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        if not path.is_dir():
            stamp = (status.st_size, status.st_mtime_ns, status.st_ino)
            found[str(path.relative_to(folder))] = stamp
    return found


def nothing_was_written(
    runs: Sequence[Run], shards: int, before: dict[str, Stamp], after: dict[str, Stamp]
) -> None:
    """MeasureError where a run that says what it kept kept fewer shards than there are, or where
    the output's files are not what they were."""
    for run in runs:
        if run.printed.get("kept_shards", shards) != shards:
            raise MeasureError(f"{run.name}: kept {run.printed['kept_shards']} of {shards} shards")
    touched = sorted(name for name, _ in before.items() ^ after.items())
    if touched:
        raise MeasureError(f"the finished output was written to: {touched[0]}")


def add_figures(group: Group, runs: Sequence[Run]) -> None:
    for name, label in CACHES:
        group.add_figure(
            f"seconds beyond `--dry-run`, {label}",
            difference(runs, f"again {name}", f"plan {name}"),
            at_most=SECONDS,
            unit="s",
        )


def resume(bench: Bench) -> Group:
    part = bench.sizes.parts[-1]
    source = bench.scale(part)
    validation = build_validation(bench.storage, part, bench.seed)
    train_shards, validation_shards = (
        max(8, number // part) for number in (IMAGENET_SHARDS, VALIDATION_SHARDS)
    )
    shards = train_shards + validation_shards
    images = source.images + validation.images
    group = Group(
        "resume",
        "A finished job, run again",
        f"`fastconv shards`, once more with the same words, where its {shards:,} shards of "
        f"{images:,} tiny images and {source.annotated:,} annotation files are whole: it lists and "
        "plans as `--dry-run` does, finds nothing to write, and leaves every file as it is. Sizes "
        "are looked at and indexes are read, so that it does not matter here how large images are. "
        "Cold is without a cache of fastconv's; all files are in memory either way.",
    )
    finished, kept = bench.storage / "finished", bench.storage / "cache-kept"

    def job(name: str, cache: Path, *more: str) -> Command:
        return Command(
            name,
            (
                *(*fastconv(), "shards", str(source.path), "--validation", str(validation.path)),
                *("--out", str(finished), "--workers", "2", "--train-shards", str(train_shards)),
                *("--validation-shards", str(validation_shards), "--quiet", "--json", *more),
            ),
            outputs=(cache,) if cache == bench.cache else (),
            env={"FASTCONV_CACHE": str(cache)},
            warm_ups=1,
        )

    for folder in (finished, kept):
        remove(folder)
    bench.tell(f"writing {shards:,} shards of {images:,} images")
    first = run_once(job("first", kept), -1, ROOT)
    if first.printed["written"] != images:
        raise MeasureError(f"first: wrote {first.printed['written']} of {images} images")
    before = files_of(finished)
    caches = {"cold": bench.cache, "warm": kept}
    commands = [copy(bench, "cat", source.archive)]
    rows = [Row("cat", "`cat archive > file`, of the train images", source.images, source.bytes)]
    for name, label in CACHES:
        commands += [
            job(f"plan {name}", caches[name], "--dry-run"),
            job(f"again {name}", caches[name]),
        ]
        rows += [
            Row(f"plan {name}", f"`--dry-run`, {label}", images),
            Row(f"again {name}", f"the whole command, {label}", images),
        ]
    runs = bench.run(commands)
    for run in runs:
        if run.name.startswith("again") and "kept_shards" not in run.printed:
            raise MeasureError(f"{run.name}: does not say what it kept")
    nothing_was_written(runs, shards, before, files_of(finished))
    if not any(kept.glob("*.npz")):
        group.notes.append("So few images are listed so fast that fastconv's cache stayed empty.")
    for folder in (finished, kept):
        remove(folder)
    group.add_rows(rows, runs)
    add_figures(group, runs)
    return group
