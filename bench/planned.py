"""Plan a dataset and account for it as a conversion does, with nothing written in between.

    python -m bench.planned SOURCE [--accounts]

Prints one line of JSON: seconds and peak of resident memory of each step, and sizes. With
--accounts the results of all shards are made up, as if each had been written, and the manifest is
made of them.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Steps:
    """Seconds, those of processors, and peaks by step. The kernel's high-water mark is set back
    before each."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.cpu_seconds: dict[str, float] = {}
        self.peaks: dict[str, int] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        began, spent = time.perf_counter(), time.process_time()
        yield
        self.seconds[name] = time.perf_counter() - began
        self.cpu_seconds[name] = time.process_time() - spent
        status = Path("/proc/self/status").read_text(encoding="ascii")
        self.peaks[name] = 1024 * int(status.partition("VmHWM:")[2].split()[0])


def planned(source: str, out: str, accounts: bool) -> dict[str, Any]:
    steps = Steps()
    with steps.step("start"):
        from fastconv.job import ShardResult, shard_tasks, share_plans
        from fastconv.manifest import dump
        from fastconv.options import Options
        from fastconv.prepare import prepare
        from fastconv.progress import Watch
        from fastconv.records import class_entries, column_entries, loop_keys
        from fastconv.summary import class_counts, facts, make_manifest, make_report

        options = Options(source=source, out=out)
    watch = Watch(None)
    with steps.step("prepare"):
        prepared = prepare(options, watch)
        watch.phase("done")
    with steps.step("facts"):
        header = facts(prepared)
    with steps.step("share"):
        schema, first = options.record_schema, options.first_label
        fd = share_plans(
            list(prepared.plans),
            prepared.dataset.classes,
            first,
            loop_keys(schema),
            class_entries(prepared.dataset.classes, schema, first),
            column_entries(prepared.added),
        )
        plan_bytes = os.fstat(fd).st_size
    tasks = shard_tasks(list(prepared.plans))
    images = sum(len(plan.order) for plan in prepared.plans)
    found: dict[str, Any] = {}
    if accounts:
        results = [ShardResult(task, task.stop - task.start, 1, 1, 1) for task in tasks]
        header["files"] = []
        with steps.step("counts"):
            counts = class_counts(prepared, results)
        with steps.step("report"):
            report = make_report(prepared, results, counts, Path(out), 1)
        with steps.step("manifest"):
            manifest = make_manifest(prepared, header, report, results, counts)
        with steps.step("dump"):
            found["manifest_bytes"] = len(dump(manifest))
    return {
        "seconds": sum(steps.seconds.values()),
        "images": images,
        "shards": len(tasks),
        "plan_bytes": plan_bytes,
        **found,
        "phases": watch.phases,
        "steps": steps.seconds,
        "cpu_steps": steps.cpu_seconds,
        "peaks": steps.peaks,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("--out", default="no-such-output")
    parser.add_argument("--accounts", action="store_true")
    given = parser.parse_args()
    print(json.dumps(planned(given.source, given.out, given.accounts)))


if __name__ == "__main__":
    main()
