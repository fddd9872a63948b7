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
        from fastconv.job import ShardResult
        from fastconv.manifest import dump
        from fastconv.options import Options
        from fastconv.outline import Outline
        from fastconv.planfile import PlanFile, plan_segment
        from fastconv.prepare import prepare
        from fastconv.progress import Watch
        from fastconv.summary import class_counts, facts, make_manifest, make_report

        options = Options(source=source, out=out)
    watch = Watch(None)
    with steps.step("prepare"):
        prepared = prepare(options, watch)
        watch.phase("done")
    with steps.step("facts"):
        header = facts(prepared)
    with steps.step("share"):
        fd = plan_segment(prepared, header)
        plan_bytes = os.fstat(fd).st_size
    with steps.step("outline"):
        outline = Outline.of(prepared)
    tasks = outline.tasks
    images = sum(len(plan.order) for plan in prepared.plans)
    found: dict[str, Any] = {}
    if accounts:
        results = [ShardResult(task, task.stop - task.start, 1, 1, 1) for task in tasks]
        header["files"] = []
        with steps.step("counts"):
            counts = class_counts(outline, results)
        with steps.step("report"):
            report = make_report(outline, options.places, results, counts, Path(out), 1)
        with steps.step("manifest"):
            manifest = make_manifest(header, report, results, counts)
        with steps.step("dump"):
            found["manifest_bytes"] = len(dump(manifest))
    del prepared, outline
    # What a worker does that has the plan as a file: it reads the small tables, and a shard's rows.
    read_bytes = 0

    def read(start: int, stop: int) -> bytes:
        nonlocal read_bytes
        read_bytes += stop - start
        return os.pread(fd, stop - start, start)

    with steps.step("worker's first shard"):
        plan = PlanFile(read, plan_bytes, "the plan")
        plan.job_of(tasks[0])
    first_bytes, read_bytes = read_bytes, 0
    with steps.step("worker's next shard"):
        plan.job_of(tasks[-1])
    found |= {"first_shard_bytes": first_bytes, "next_shard_bytes": read_bytes}
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
