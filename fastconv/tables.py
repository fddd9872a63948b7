"""The tables that a person reads before and after a job."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from rich.table import Table

from fastconv.display import duration, size
from fastconv.prepare import Prepared
from fastconv.report import Report, classes_without_images

NOTES_SHOWN = 5


def source_lines(prepared: Prepared) -> list[str]:
    """What the source turned out to be, a line a part."""
    found, dataset = prepared.dataset.found, prepared.dataset
    lines = [f"source: {found.kind}"]
    for name in ("train", "validation", "boxes", "validation_labels", "synsets", "synset_text"):
        path = getattr(found, name)
        if path is not None:
            lines.append(f"  {name.replace('_', ' ')}: {path}")
    lines.append(f"  classes: {dataset.classes.origin} ({len(dataset.classes)})")
    return lines


def plan_dict(prepared: Prepared) -> dict[str, Any]:
    """The plan as values that JSON knows."""
    options, dataset = prepared.options, prepared.dataset
    out = options.out_path
    return {
        "out": str(out),
        "source": {
            "kind": dataset.found.kind,
            "train": str(dataset.found.train) if dataset.found.train else None,
            "validation": str(dataset.found.validation) if dataset.found.validation else None,
            "boxes": str(dataset.found.boxes) if dataset.found.boxes else None,
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
        "bytes_needed": prepared.output_bytes,
        "bytes_free": free_bytes(out),
    }


def free_bytes(out: Path) -> int:
    """Free space where `out` is, or will be."""
    there = out.absolute()
    while not there.exists():
        there = there.parent
    return shutil.disk_usage(there).free


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
    notes += classes_without_images(prepared.plans, prepared.dataset.classes)
    out = options.out_path
    need, free = prepared.output_bytes, free_bytes(out)
    verdict = "" if need <= free else "; THIS DOES NOT FIT"
    notes.append(f"disk at {out}: about {size(need)} needed, {size(free)} free{verdict}")
    return table, notes


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
        return [
            f"{report.out}: all {shards:,} shards were there, whole {why}; none had to be written"
        ]
    lines = [f"resumed: {report.kept_shards:,} of {shards:,} shards kept, whole {why}"]
    lines += [f"rewritten: {name} {why}" for name, why in report.rewritten[:NOTES_SHOWN]]
    if len(report.rewritten) > NOTES_SHOWN:
        lines.append(f"rewritten: and {len(report.rewritten) - NOTES_SHOWN:,} more")
    return lines
