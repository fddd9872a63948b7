"""From what the workers wrote to what a person and the manifest are told."""

from __future__ import annotations

from collections import Counter
from typing import Any

import crc32c
import numpy as np

from fastconv import manifest as files
from fastconv.errors import OutputError
from fastconv.job import ShardResult, ShardTask
from fastconv.journal import labels_text
from fastconv.layout import Layout
from fastconv.options import PARTS, clean_source
from fastconv.outline import Outline
from fastconv.past import NOTES
from fastconv.prepare import Prepared
from fastconv.remote.path import Place, RemotePath
from fastconv.report import (
    ClassCounts,
    ImageNote,
    Report,
    SplitReport,
    label_mix,
)
from fastconv.sources.detect import Found


def shard_line(result: ShardResult) -> dict[str, Any]:
    return {
        "name": result.task.name,
        "split": result.task.split,
        "records": result.records,
        "bytes": result.bytes,
        "crc32c": f"{result.crc32c:08x}",
        "index_crc32c": f"{result.index_crc32c:08x}",
        "changes": dict(sorted(result.changes.items())),
        "boxes_lost": result.boxes_lost,
    }


def journal_line(result: ShardResult) -> dict[str, Any]:
    """All that is known of a shard: result_of gives it back."""
    first = result.task.start
    notes = {
        kind: [[row - first, image, why] for row, image, why in getattr(result, kind)]
        for kind in NOTES
    }
    return {"shard": {**shard_line(result), **notes}}


def result_of(task: ShardTask, line: dict[str, Any]) -> ShardResult:
    """A shard's result from what a journal or a manifest said of it (fastconv.past)."""
    repaired, skipped = (
        [(row + task.start, image, why) for row, image, why in line[kind]] for kind in NOTES
    )
    return ShardResult(
        task,
        line["records"],
        line["bytes"],
        int(line["crc32c"], 16),
        int(line["index_crc32c"], 16),
        repaired,
        skipped,
        line["changes"],
        line["boxes_lost"],
    )


def facts(prepared: Prepared) -> dict[str, Any]:
    """What a manifest says before anything is written. Nothing that differs from run to run, such
    as a clock or the number of workers, stands in it."""
    table = prepared.options.record_schema.table
    return {
        "format": files.FORMAT,
        "tool": files.TOOL,
        "options": prepared.options.as_facts(),
        "plan": [
            {
                "split": plan.catalog.split,
                "images": len(plan.order),
                "shards": plan.shard_count,
                "slim_threads": plan.threads,
            }
            for plan in prepared.plans
        ],
        "source": source_facts(
            prepared.dataset.found,
            prepared.fingerprint,
            {"columns": clean_source(table.file, "--columns") if table else None},
        ),
        "columns": prepared.added.facts,
        "classes": len(prepared.dataset.classes),
        "labels_crc32c": f"{crc32c.crc32c(labels_text(prepared.dataset.classes.names)):08x}",
    }


def source_facts(
    found: Found, fingerprint: str, more: dict[str, Place | None] | None = None
) -> dict[str, Any]:
    """Where a job's source is, by its parts and by ``more`` of them, and what it holds."""
    return {
        "kind": found.kind,
        **{name: _source_file(getattr(found, name)) for name in PARTS},
        **{name: _source_file(path) for name, path in (more or {}).items()},
        "fingerprint": fingerprint,
    }


def _source_file(path: Place | None) -> dict[str, Any] | None:
    if path is None:
        return None
    if isinstance(path, RemotePath):
        from fastconv.sources.buckets import Bucket

        facts = Bucket.of(path).head(path)
        told = {"bytes": facts[0], "version": facts[1]} if facts else {}
        return {"path": str(path), **told}
    status = path.stat()
    size = {} if path.is_dir() else {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns}
    return {"path": str(path), **size}


def class_counts(outline: Outline, results: list[ShardResult]) -> dict[str, ClassCounts]:
    """Records of each class in each shard, by the shard's name."""
    counts, first = {}, 0
    by_name = {result.task.name: result for result in results}
    for split in outline.splits:
        for name in split.shard_names:
            result = by_name[name]
            start, stop = result.task.start - first, result.task.stop - first
            written = split.klass[start:stop]
            if result.skipped:
                rows = [row - result.task.start for row, _, _ in result.skipped]
                written = np.delete(written, rows)
            counts[name] = np.unique(written, return_counts=True)
        first += len(split.klass)
    return counts


def make_report(
    outline: Outline,
    places: Layout,
    results: list[ShardResult],
    counts: dict[str, ClassCounts],
    out: Place,
    workers: int,
) -> Report:
    repaired, skipped, splits = [], [], []
    first = 0
    for split in outline.splits:
        own = [result for result in results if result.task.split == split.split]
        mended = [note for result in own for note in _notes(result, "repaired")]
        bad = [note for result in own for note in _notes(result, "skipped")]
        bad += [ImageNote(split.split, image, "has no label") for image in split.unlabelled]
        lost = [row - first for r in own for row, _, _ in r.skipped]
        boxes = outline.has_boxes * (
            int(split.box_count.sum())
            - int(split.box_count[lost].sum())
            - sum(result.boxes_lost for result in own)
        )
        found = len(split.klass) + len(split.unlabelled)
        written = sum(result.records for result in own)
        if found != written + len(bad):
            raise OutputError(
                f"{out}: {found} {split.split} images were found, but {written} written and "
                f"{len(bad)} skipped. This is an error of fastconv's own; do not use this output"
            )
        names = split.shard_names
        mix = label_mix(names, [counts[name] for name in names], outline.classes)
        splits.append(
            SplitReport(split.split, len(names), found, written, len(mended), len(bad),
                        boxes, sum(r.bytes for r in own), _changes(own), mix)
        )  # fmt: skip
        repaired += mended
        skipped += bad
        first += len(split.klass)
    return Report(
        out,
        tuple(splits),
        tuple(repaired),
        tuple(skipped),
        outline.bad_boxes,
        outline.odd,
        workers,
        cut_archives=outline.cut,
        compression="gzip" if places.compressed else "none",
    )


def _notes(result: ShardResult, kind: str) -> list[ImageNote]:
    task = result.task
    return [
        ImageNote(task.split, image, why, task.name, row - task.start)
        for row, image, why in getattr(result, kind)
    ]


def _changes(results: list[ShardResult]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for result in results:
        counts.update(result.changes)
    return dict(sorted(counts.items()))


def make_manifest(
    header: dict[str, Any],
    report: Report,
    results: list[ShardResult],
    counts: dict[str, ClassCounts],
) -> dict[str, Any]:
    offset = header["options"]["label_offset"]
    # One object a label: of 12,000 shards of 21,841 classes there would be 14 million.
    labels = [str(label) for label in range(offset, offset + header["classes"])]
    shards = []
    for result in results:
        classes, count = (column.tolist() for column in counts[result.task.name])
        by_label = dict(zip(map(labels.__getitem__, classes), count, strict=True))
        shards.append({**shard_line(result), "images_per_label": by_label})
    data = report.as_dict()
    return {
        **{key: value for key, value in header.items() if key != "files"},
        "totals": report.totals(),
        "splits": data["splits"],
        "odd": data["odd"],
        "repaired": data["repaired_images"],
        "skipped": data["skipped_images"],
        "bad_boxes": data["bad_boxes"],
        "cut_archives": data["cut_archives"],
        "shards": shards,
        "files": header["files"],
    }
