"""The tables that a person reads before and after a job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from fastconv.display import duration, size
from fastconv.manifest import removable
from fastconv.options import PARTS
from fastconv.preflight import Need, Room, Shortage, need_of, room_at, shortage
from fastconv.prepare import Prepared
from fastconv.remote.path import RemotePath
from fastconv.report import Report, classes_without_images
from fastconv.schema import SLIM
from fastconv.sources.assemble import Dataset
from fastconv.sources.published import size_note, sizes

NOTES_SHOWN = 5
NO_INDEXES = (
    "the shards are compressed with GZIP, and so have no indexes: what reads by offset, such as "
    "DALI, cannot read them"
)


def source_lines(dataset: Dataset, checked: Sequence[str]) -> list[str]:
    """What the source turned out to be, a line a part, and what the check of its archives did."""
    found = dataset.found
    lines = [f"source: {found.kind}"]
    for name in PARTS:
        path = getattr(found, name)
        if path is not None:
            note = size_note(path)
            lines.append(f"  {name.replace('_', ' ')}: {path}{f' ({note})' if note else ''}")
    lines.append(f"  classes: {dataset.classes.origin} ({len(dataset.classes)})")
    return [*lines, *(f"  {line}" for line in checked)]


@dataclass(frozen=True, slots=True)
class _Disk:
    """What an output needs, what there is, and ``replaced``, (bytes, files) that make way."""

    need: Need
    room: Room
    replaced: tuple[int, int]
    shortage: Shortage | None

    @classmethod
    def of(cls, prepared: Prepared) -> _Disk:
        options = prepared.options
        out = options.out_path
        need = need_of(prepared.plans, options.recipe, (), options.places.compressed)
        replaced = (0, 0)
        if options.overwrite and not isinstance(out, RemotePath):
            replaced = removable(out)
        missing = shortage(out, need.bytes, need.files, need.exact, replaced)
        return cls(need, room_at(out), replaced, missing)


def warning_lines(prepared: Prepared) -> list[str]:
    """What a person may want to know before a job of hours begins, a line each."""
    lines = [f"note: {archive}" for archive in prepared.dataset.cut]
    missing = _Disk.of(prepared).shortage if prepared.options.space_check else None
    if missing is not None and not missing.sure:
        lines.append(f"note: {missing.text}")
    return lines


def plan_dict(prepared: Prepared) -> dict[str, Any]:
    """The plan as values that JSON knows."""
    options, dataset = prepared.options, prepared.dataset
    out = options.out_path
    disk = _Disk.of(prepared)
    return {
        "out": str(out),
        "layout": options.places.as_facts(),
        "schema": options.record_schema.as_facts(),
        "columns": prepared.added.facts,
        "label_offset": options.first_label,
        "source": {
            "kind": dataset.found.kind,
            "train": str(dataset.found.train) if dataset.found.train else None,
            "validation": str(dataset.found.validation) if dataset.found.validation else None,
            "boxes": str(dataset.found.boxes) if dataset.found.boxes else None,
            "sizes": {
                split: {"bytes": both[0], "published_bytes": both[1]}
                for split in options.splits
                if (path := dataset.found.images_of(split)) and (both := sizes(path))
            },
            "checked": list(prepared.checked),
            "cut_archives": [asdict(archive) for archive in dataset.cut],
            "fingerprint": prepared.fingerprint,
        },
        "classes": len(dataset.classes),
        "splits": [
            {
                "split": plan.catalog.split,
                "images": len(plan.order),
                "boxes": len(plan.catalog.boxes),
                "shards": plan.shard_count,
                "slim_threads": plan.threads,
                "bytes": plan.output_bytes,
                "unlabelled": len(plan.catalog.unlabelled),
                "left_out": plan.catalog.left_out,
            }
            for plan in prepared.plans
        ],
        "bytes_needed": disk.need.bytes,
        "bytes_free": disk.room.bytes,
        "files_needed": disk.need.files,
        "files_free": disk.room.files,
        "fits": disk.shortage is None,
    }


def plan_table(prepared: Prepared) -> tuple[Table, list[str]]:
    """The plan as a table, and what there is to say about it, a line each."""
    options = prepared.options
    table = Table()
    table.add_column("split")
    for name in ("images", "classes", "boxes", "shards", "images a shard", "bytes"):
        table.add_column(name, justify="right")
    notes: list[str] = []
    for plan in prepared.plans:
        catalog = plan.catalog
        sizes = plan.bounds[1:] - plan.bounds[:-1]
        spread = f"{sizes.min():,}" if sizes.min() == sizes.max() else (
            f"{sizes.min():,} to {sizes.max():,}"
        )  # fmt: skip
        counts = catalog.class_counts(len(prepared.dataset.classes))
        table.add_row(
            catalog.split,
            f"{len(catalog):,}",
            f"{(counts > 0).sum():,} of {len(counts):,}",
            f"{len(catalog.boxes):,}",
            f"{plan.shard_count:,}",
            spread,
            size(plan.output_bytes),
        )
        if plan.threads == options.slim_threads:
            notes.append(f"{catalog.split}: cut as slim's {plan.threads} threads do")
        else:
            notes.append(
                f"{catalog.split}: a count of {plan.shard_count} shards is not divisible by "
                f"{options.slim_threads} slim threads, so they are cut evenly, as one part (T = 1)"
            )
        if catalog.unlabelled:
            notes.append(f"{catalog.split}: images without a label: {len(catalog.unlabelled):,}")
        notes += [f"{catalog.split}: {reason}: {n:,}" for reason, n in catalog.left_out.items()]
    notes += _form_lines(prepared)
    notes += classes_without_images(prepared.plans, prepared.dataset.classes)
    notes += map(str, prepared.dataset.cut)
    return table, [*notes, _disk_line(prepared)]


def _form_lines(prepared: Prepared) -> list[str]:
    """What records and files are like, where that is not slim's."""
    options = prepared.options
    places, schema = options.places, options.record_schema
    lines = []
    if places.kind == "tfds":
        lines.append(f"layout: TensorFlow Datasets', of {places.name} {places.version}")
    if places.compressed:
        lines.append(NO_INDEXES)
    if schema.features != SLIM.features or schema.columns:
        lines.append(f"features: {', '.join(schema.features.values())}")
    for name, told in prepared.added.facts.items():
        lines.append(f"added: {name}, {'one' if told['single'] else 'a list of'} {told['kind']}")
    if prepared.added.unused:
        lines.append(f"columns: rows that no image took: {prepared.added.unused:,}")
    return lines


def _disk_line(prepared: Prepared) -> str:
    disk = _Disk.of(prepared)
    free = "an unknown space" if disk.room.bytes is None else size(disk.room.bytes)
    line = f"disk at {prepared.options.out_path}: about {size(disk.need.bytes)} needed, {free} free"
    if disk.replaced[0]:
        line += f", and {size(disk.replaced[0])} of what is replaced"
    if disk.shortage is not None:
        line += f"; THIS {'DOES' if disk.shortage.sure else 'MAY'} NOT FIT: {disk.shortage.text}"
    return line


def report_table(report: Report) -> tuple[Table, list[str]]:
    """The outcome as a table, and what there is to say about it, a line each."""
    table = Table()
    table.add_column("split")
    for name in ("shards", "found", "written", "repaired", "skipped", "boxes", "bytes"):
        table.add_column(name, justify="right")
    for split in report.splits:
        table.add_row(
            split.split,
            f"{split.shards:,}",
            f"{split.found:,}",
            f"{split.written:,}",
            f"{split.repaired:,}",
            f"{split.skipped:,}",
            f"{split.boxes:,}",
            size(split.bytes),
        )
    lines = _resumed(report)
    if report.compression == "gzip":
        lines.append(f"{report.out}: {NO_INDEXES}")
    images = report.written - report.kept_records
    if report.kept_shards < sum(split.shards for split in report.splits):
        rate = images / max(report.seconds, 1e-9)
        speed = size((report.bytes - report.kept_bytes) / max(report.seconds, 1e-9))
        workers = f"{report.workers} worker{'s' if report.workers > 1 else ''}"
        lines.append(
            f"{report.out}: {images:,} images in {duration(report.seconds)} with {workers}: "
            f"{rate:,.0f} images/s, {speed}/s"
        )
    for split in report.splits:
        if split.changes:
            kinds = ", ".join(f"{count:,} {kind}" for kind, count in split.changes.items())
            lines.append(f"images, {split.split}: {kinds}")
        if split.worst_mix:
            share, shard, name = split.worst_mix
            lines.append(
                f"label mix, {split.split}: the least even shard is {shard}, "
                f"{share:.1%} of it {name}"
            )
    lines += [f"odd: {text}" for text in report.odd]
    for kind, notes in (("repaired", report.repaired), ("skipped", report.skipped)):
        lines += [f"{kind}: {note.image} ({note.reason})" for note in notes[:NOTES_SHOWN]]
        if len(notes) > NOTES_SHOWN:
            lines.append(f"{kind}: and {len(notes) - NOTES_SHOWN} more, all in manifest.json")
    return table, lines


def _resumed(report: Report) -> list[str]:
    """What was kept of an earlier run, and why."""
    if not report.kept_shards and not report.rewritten:
        return []
    shards = sum(split.shards for split in report.splits)
    why = "by their records in the manifest or journal, sizes and indexes"
    if report.kept_shards == shards:
        lines = [
            f"{report.out}: all {shards:,} shards were there, whole {why}; none had to be written"
        ]
    else:
        lines = [f"resumed: {report.kept_shards:,} of {shards:,} shards kept, whole {why}"]
    lines += [f"rewritten: {name} {why}" for name, why in report.rewritten[:NOTES_SHOWN]]
    if len(report.rewritten) > NOTES_SHOWN:
        lines.append(f"rewritten: and {len(report.rewritten) - NOTES_SHOWN:,} more")
    return lines
