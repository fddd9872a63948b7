"""A plan in a file: its parts are the whole, and a damaged one is named."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fastconv import Options
from fastconv.errors import InputError
from fastconv.goal import Goal
from fastconv.image_options import ImageOptions
from fastconv.job import Job
from fastconv.outline import Outline
from fastconv.planfile import LISTS, ROWS, PlanFile, plan_segment, write_planned
from fastconv.prepare import Prepared, prepare
from fastconv.progress import Watch
from fastconv.rows import RowWriter
from fastconv.shard import write_shard
from fastconv.summary import facts


@pytest.fixture(scope="module")
def prepared(sample: Path) -> Prepared:
    options = Options(
        source=sample, out="out", train_shards=5, validation_shards=3, resize=64, on_error="skip"
    )
    return prepare(options, Watch(None), to_write=False)


@pytest.fixture(scope="module")
def file(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("planned") / "plan"
    fd = plan_segment(prepared, facts(prepared))
    path.write_bytes(os.pread(fd, os.fstat(fd).st_size, 0))
    os.close(fd)
    return path


@pytest.fixture
def whole(file: Path) -> Iterator[Job]:
    fd = os.open(file, os.O_RDONLY)
    try:
        yield Job.attached(fd)
    finally:
        os.close(fd)


def test_a_shards_part_is_its_rows(file: Path, prepared: Prepared, whole: Job) -> None:
    plan = PlanFile.at(file)
    tasks = plan.outline().tasks
    assert len(tasks) == 8
    for task in tasks:
        part = plan.job_of(task)
        rows = task.stop - task.start
        assert part.facts == {key: whole.facts[key] for key in part.facts}
        for name in ROWS:
            assert part.columns[name] == whole.columns[name][task.start : task.stop]
        for row in (0, rows // 2, rows - 1):
            assert part.describe(row) == whole.describe(task.start + row)
            assert part.name(row) == whole.name(task.start + row)
            np.testing.assert_array_equal(part.boxes(row), whole.boxes(task.start + row))
        lists = {name for name in LISTS if name in part.columns}
        own = {*ROWS, *lists, *(f"{name}_start" for name in lists)}
        for name in part.columns.keys() - own:
            assert part.columns[name] == whole.columns[name], name
        assert part.columns.keys() == whole.columns.keys()


def test_what_it_says_of_the_job(file: Path, prepared: Prepared) -> None:
    plan, made = PlanFile.at(file), Outline.of(prepared)
    read = plan.outline()
    assert (read.classes, read.odd, read.bad_boxes) == (made.classes, made.odd, made.bad_boxes)
    assert read.tasks == made.tasks and read.has_boxes
    for a, b in zip(read.splits, made.splits, strict=True):
        assert (a.split, a.stem, a.unlabelled) == (b.split, b.stem, b.unlabelled)
        for name in ("bounds", "klass", "box_count"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert plan.recipe == prepared.options.recipe != ImageOptions().recipe
    assert plan.layout == prepared.options.places and plan.skip_bad
    assert plan.header == facts(prepared)


def test_a_shard_written_from_its_part(
    file: Path, prepared: Prepared, whole: Job, tmp_path: Path
) -> None:
    """Rows counted from 0, and of the plan again in what is said of them."""
    for name in ("data_dir", "idx_dir", ".fastconv-partial"):
        (tmp_path / "whole" / name).mkdir(parents=True)
        (tmp_path / "part" / name).mkdir(parents=True)
    plan, recipe = PlanFile.at(file), prepared.options.recipe
    results = []
    for task in plan.outline().tasks[::3]:
        board = memoryview(bytearray(64)).cast("q")
        goal = Goal(str(tmp_path / "whole"), plan.layout)
        usual = write_shard(whole, task, goal, board, RowWriter(whole, board, True, recipe))
        goal = Goal(str(tmp_path / "part"), plan.layout, tag="a.")
        result = write_planned(plan, task, goal, board)
        assert result == usual
        results.append(result)
        for folder in ("data_dir", "idx_dir"):
            a, b = (tmp_path / side / folder / task.name for side in ("whole", "part"))
            assert a.read_bytes() == b.read_bytes()
    assert any(result.repaired for result in results)


def test_damaged_plans_are_named(file: Path, tmp_path: Path) -> None:
    data, path = file.read_bytes(), tmp_path / "plan"
    for end in (0, 7, 8, 100, len(data) // 2, len(data) - 65):
        path.write_bytes(data[:end])
        with pytest.raises(InputError, match=f"{path}: is no plan .* write it anew"):
            PlanFile.at(path).outline()
    choose = random.Random(1)
    head = 8 + int.from_bytes(data[:8], "little")
    for _ in range(300):  # whatever it makes of it, it says so, or reads on
        bad = bytearray(data)
        at = choose.randrange(head)
        bad[at] ^= 1 << choose.randrange(8)
        path.write_bytes(bad)
        try:
            plan = PlanFile.at(path)
            for task in plan.outline().tasks:
                plan.job_of(task)
        except InputError:
            pass
    with pytest.raises(InputError, match="cannot be opened: No such file"):
        PlanFile.at(tmp_path / "none")
    with pytest.raises(InputError, match="cannot be opened: Is a directory"):
        PlanFile.at(tmp_path)


def test_another_version_is_named(file: Path, tmp_path: Path) -> None:
    path = tmp_path / "plan"
    data = file.read_bytes()
    at = data.index(b'"tool": "fastconv ') + len(b'"tool": "fastconv ')
    path.write_bytes(data[:at] + b"9" + data[at + 1 :])
    with pytest.raises(InputError, match=r"was written by fastconv 9.*must be of one version"):
        PlanFile.at(path)
