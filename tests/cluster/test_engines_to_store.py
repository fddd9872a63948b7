"""Engines whose output is an object store: the plan goes there, too, and away again."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

import fastconv
from cluster.conftest import Server
from cluster.store_jobs import SHARDS, objects
from cluster.test_store_output import folder, source, uploads
from fastconv.engines.task import write_one
from fastconv.goal import Goal
from fastconv.manifest import TOOL

__all__ = ["folder", "source"]  # fixtures
pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("no_children")]


def pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(2, multiprocessing.get_context("spawn"))


def test_a_pool_writes_what_one_machine_does(
    server: Server, bucket: str, source: Path, folder: dict[str, bytes]
) -> None:
    options = fastconv.Options(source=source, out=f"s3://{bucket}/set", **SHARDS)
    with pool() as engine:
        report = fastconv.convert(options, engine=engine)
    assert report.exit_code == 0
    found = objects(server, bucket)
    assert found.keys() == folder.keys()
    assert {name for name in found if found[name] != folder[name]} <= {"runs.json"}
    assert uploads(server, bucket) == []


def test_a_worker_of_a_job_that_is_gone_writes_nothing(
    server: Server, bucket: str, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that opened a plan, and goes on when another job has taken it away."""
    from fastconv import shard
    from fastconv.engine import Order
    from fastconv.engines.flow import laid_out
    from fastconv.outline import Outline
    from fastconv.prepare import prepare
    from fastconv.progress import Watch
    from fastconv.remote.path import remote_path
    from fastconv.remote.store import open_store
    from fastconv.runs import Samples
    from fastconv.summary import facts

    out = f"s3://{bucket}/set"
    options = fastconv.Options(source=source, out=out, **SHARDS)
    prepared = prepare(options, Watch(None))
    task = Outline.of(prepared).tasks[0]
    plain = shard._write_plain
    watch = Watch(None)
    order = Order(prepared, facts(prepared), [task], watch, Samples(watch))
    with laid_out(order) as arguments:
        _, _, job = arguments
        plan = Goal(out, options.places, job).plan
        here = remote_path(str(plan), "--out")

        def interrupted(*given: object, **more: object) -> bytes:
            lines = plain(*given, **more)  # type: ignore[arg-type]
            open_store(here).delete([here.key])
            return lines

        monkeypatch.setattr(shard, "_write_plain", interrupted)
        kind, _, name, text = write_one(*arguments, (task.name, task.split, task.start, task.stop))
        assert (kind, name) == ("refused", "OutputError") and task.name in text
        assert {name for name in objects(server, bucket) if "data_dir" in name} == set()
        assert uploads(server, bucket) == []
        kind, _, name, text = write_one(TOOL, out, "job-" + "0" * 16, (task.name, "", 0, 1))
        assert (kind, name) == ("refused", "InputError") and "cannot be read" in text
