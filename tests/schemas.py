"""Small class trees, tables beside them, and what a schema makes of both, in this process."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

import fastconv
from fastconv.board import Board
from fastconv.goal import Goal
from fastconv.job import shard_tasks, share_plans
from fastconv.manifest import PARTIAL
from fastconv.prepare import Prepared, prepare
from fastconv.progress import Watch
from fastconv.records import class_entries, column_entries, loop_keys
from fastconv.shard import open_job


def jpeg(width: int, height: int, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (width, height), 70).save(buffer, "JPEG", quality=10)
    return buffer.getvalue()


def tree(folder: Path, names: Iterable[str]) -> Path:
    """Small JPEGs, each of other sides, at these paths below a folder, which is returned."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(3 + number % 50, 2 + number % 40))
    return folder


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def options(source: Path, out: Path, **more: Any) -> fastconv.Options:
    return fastconv.Options(source=source, out=out, **{"train_shards": 1, "workers": 1, **more})


def prepared(source: Path, **more: Any) -> Prepared:
    return prepare(options(source, source.parent / "none", **more), Watch(None), to_write=False)


def written(job: Prepared, out: Path) -> list[bytes]:
    """The shards of a job, written here and not by processes."""
    schema, first = job.options.record_schema, job.options.first_label
    fd = share_plans(
        list(job.plans),
        job.dataset.classes,
        first,
        loop_keys(schema),
        class_entries(job.dataset.classes, schema, first),
        column_entries(job.added),
    )
    board = Board.create(1)
    places = job.options.places
    for folder in (*places.folders, PARTIAL):
        (out / folder).mkdir(parents=True, exist_ok=True)
    try:
        write = open_job(fd, board.fd, 0, Goal(str(out), places), False, job.options.recipe)
        tasks = shard_tasks(list(job.plans))
        for task in tasks:
            write(task)
        return [(out / places.shard_file(task.name)).read_bytes() for task in tasks]
    finally:
        os.close(fd)
        os.close(board.fd)


def features(shard: Path) -> list[dict[str, list[Any]]]:
    """Every record of a shard: its features' values by their names."""
    return [
        {name: values.tolist() for name, values in fastconv.parse_example(payload).items()}
        for payload in fastconv.read_records(shard)
    ]
