"""An output checked, from its files' names to the last record."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fastconv.checking.findings import Finding, ShardFindings, VerifyReport
from fastconv.checking.outputs import Output, look_at
from fastconv.checking.rules import Expected
from fastconv.checking.shards import ShardToCheck
from fastconv.errors import InputError, UsageError
from fastconv.image_options import check_whole
from fastconv.job import shard_tasks, share_plans
from fastconv.layout import INDEXES
from fastconv.manifest import MANIFEST
from fastconv.options import PathLike, clean_path
from fastconv.past import Past, differences
from fastconv.progress import OnProgress, Watch
from fastconv.recruits import Recruits
from fastconv.schema import BASES, stored_names
from fastconv.workers import Crew, usable_cores

if TYPE_CHECKING:  # what a source needs is not loaded where none is looked at
    from fastconv.prepare import Prepared

MODULE = "fastconv.checking.shards"


def verify(
    out: PathLike,
    *,
    decode: bool = False,
    against_source: bool = False,
    workers: int | None = None,
    on_progress: OnProgress | None = None,
    recruits: Recruits | None = None,
    **source: PathLike | None,
) -> VerifyReport:
    """Check an output, or anybody's TFRecord files: a folder of them, or one.

    Every frame and checksum, every Example, indexes, and, where there is a manifest, counts and
    checksums of whole files, labels and slim's schema. ``decode``: every image is decoded.
    ``against_source``: every record is compared with the source that the manifest remembers;
    ``source``, ``train``, ``validation``, ``boxes``, ``validation_labels``, ``synsets`` and
    ``synset_text`` say where it is now. ``recruits``: workers that were started ahead.

    What is wrong is in the report. Raises InputError where there is nothing to check or the source
    is not the one it was, and UsageError.
    """
    watch = Watch(on_progress)
    output = look_at(clean_path(out, "OUT", absolute=False))
    prepared = prepared_again(output, watch, workers, source) if against_source else None
    if prepared is None and any(source.values()):
        raise UsageError("where the source is says nothing without --against-source or --repair")
    checked = check(output, watch, workers, decode=decode, prepared=prepared, recruits=recruits)
    held_to = what_for(output, decode, against_source)
    return replace(report_of(output, checked, held_to), seconds=watch.seconds)


def prepared_again(
    output: Output, watch: Watch, workers: int | None, source: dict[str, PathLike | None]
) -> Prepared:
    """The job that wrote an output, ready to be done again. InputError where its source is not what
    it was."""
    from fastconv.prepare import prepare
    from fastconv.remembered import remembered_options
    from fastconv.summary import facts

    past = output.past
    if past is None:
        raise InputError(
            f"{output.root}: has no {MANIFEST} that says where its records come from, so that they "
            f"cannot be compared with their source or written again"
        )
    options = remembered_options(past.facts, output.root, source, workers)
    prepared = prepare(options, watch, to_write=False)
    found = differences(past.facts, {k: v for k, v in facts(prepared).items() if k != "tool"})
    if found:
        raise InputError(
            f"{output.root}: its source is not what it was: {'; '.join(found)}. Say where its "
            f"parts are now, with --source, --train, --validation, --boxes and the like"
        )
    return prepared


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in each shard, by its name, by so many workers."""

    shards: dict[str, ShardFindings]
    workers: int


def check(
    output: Output,
    watch: Watch,
    workers: int | None,
    *,
    decode: bool = False,
    prepared: Prepared | None = None,
    only: Iterable[str] | None = None,
    recruits: Recruits | None = None,
) -> Checked:
    """Check shards and indexes, all or ``only`` those of these names. ``prepared``: the job to
    compare records with, if any."""
    if workers is not None:
        check_whole("workers", workers, 1, 99_999)
    past = output.past
    expected = _expected(past, output.labels)
    names = sorted(output.shards if only is None else only)
    shards = [shard_to_check(output, name) for name in names]
    sizes = {shard.name: _size(shard.path) for shard in shards}
    count = min(workers or usable_cores(), max(len(shards), 1))
    watch.phase("verifying" if only is None else "verifying what was repaired")
    results: dict[str, ShardFindings] = {}
    with ExitStack() as stack:
        fds: tuple[int, ...] = ()
        source = None
        if prepared is not None:
            plan_fd = share_plans(
                list(prepared.plans),
                prepared.dataset.classes,
                prepared.options.first_label,
                [],
                [b""],
            )
            stack.callback(os.close, plan_fd)
            fds = (plan_fd,)
            from fastconv.checking.against import arguments

            source = arguments(prepared, shard_tasks(list(prepared.plans)), output.said)
        crew = stack.enter_context(
            Crew(
                count,
                (MODULE, "open_checker"),
                lambda _worker: (expected, decode, source),
                fds,
                lambda _worker, shard: f" with {shard.shown} in hand" if shard else "",
                recruits,
            )
        )
        if recruits is not None:
            recruits.dismiss()
        total = sum(sizes.values())

        def on_tick() -> None:
            watch.reading(sum(sizes[name] for name in results), total)

        for shard, found in crew.run(shards, on_tick):
            results[shard.name] = found
    return Checked(results, count)


def _expected(past: Past | None, labels: tuple[str, ...] | None) -> Expected:
    if past is None:
        return Expected(strict=False, labels=labels)
    added = past.facts.get("columns") or {}
    return Expected(
        strict=True,
        labels=labels,
        first_label=past.facts["options"]["label_offset"],
        features=stored_names(past.facts),
        added={name: (told["kind"], told["single"]) for name, told in added.items()},
    )


def report_of(output: Output, checked: Checked, held_to: tuple[str, ...]) -> VerifyReport:
    """What it came to: of all shards, and of what files' names and the manifest show."""
    in_order = [checked.shards[name] for name in sorted(checked.shards)]
    general = [*output.findings, *_totals(output, in_order)]
    return VerifyReport(
        str(output.named),
        len(in_order),
        sum(found.records for found in in_order),
        sum(found.bytes for found in in_order),
        (*general, *(finding for found in in_order for finding in found.findings)),
        len(general) + sum(found.count for found in in_order),
        tuple(found.name for found in in_order if found.is_bad),
        tuple(found.name for found in in_order if found.is_index_bad),
        held_to,
        checked.workers,
    )


def shard_to_check(output: Output, name: str) -> ShardToCheck:
    """A shard of an output, as a worker is told of it."""
    path, index = output.shards[name], output.indexes.get(name)
    return ShardToCheck(
        name,
        output.shard_file(name),
        str(path) if path else None,
        str(index) if index else None,
        output.shown(index) if index else f"{INDEXES}/{name}",
        bool(output.indexes) and (path is not None or output.past is not None),
        output.said.get(name),
    )


def _size(path: str | None) -> int:
    try:
        return os.stat(path).st_size if path else 0  # noqa: PTH116
    except OSError:
        return 0


def _totals(output: Output, found: list[ShardFindings]) -> list[Finding]:
    """What the manifest says of everything and of splits, against what it says of each shard, and
    against the boxes that are there."""
    past = output.past
    if past is None or not past.is_finished:
        return []
    facts = past.facts
    said = list(output.said.values())
    shards: dict[str, list[dict[str, Any]]] = {}
    for shard in said:
        shards.setdefault(shard["split"], []).append(shard)
    findings = [
        Finding(MANIFEST, f"{where} say {told.get(name)} {name}, but the shards come to {value}")
        for where, told, own in (
            ("totals", facts["totals"], said),
            *(
                (
                    f"splits, of {split.get('split')},",
                    split,
                    shards.get(str(split.get("split")), []),
                )
                for split in facts["splits"]
                if isinstance(split, dict)
            ),
        )
        for name, value in (
            ("written", sum(shard["records"] for shard in own)),
            ("bytes", sum(shard["bytes"] for shard in own)),
        )
        if told.get(name) != value
    ]
    boxes = [shard.boxes for shard in found if shard.boxes is not None]
    if len(boxes) == len(found) and facts["totals"].get("boxes") != sum(boxes):
        what = f"totals say {facts['totals'].get('boxes')} boxes, but there are {sum(boxes)}"
        findings.append(Finding(MANIFEST, what))
    listed = len(facts["shards"])
    if output.said.keys() != output.shards.keys() or listed != len(said):
        what = f"tells of {listed:,} shards, but names {len(output.shards):,} files"
        findings.append(Finding(MANIFEST, what))
    return findings


def _schema_in_words(past: Past) -> str:
    features = stored_names(past.facts)
    base = next((name for name, known in BASES.items() if known.features == features), None)
    if base is None or past.facts.get("columns"):
        return "its schema"
    return {"slim": "slim's schema", "tfds": "the schema of TensorFlow Datasets"}[base]


def what_for(output: Output, decode: bool, against_source: bool) -> tuple[str, ...]:
    """What shards are held to, in words."""
    held = ["both checksums of every record", "every Example", "images' headers"]
    if output.indexes:
        held.append("index files")
    if output.past:
        held += [f"counts and checksums of {output.past.path.name}", _schema_in_words(output.past)]
    if decode:
        held.append("every image decoded")
    if against_source:
        held.append("every record's source")
    return tuple(held)
