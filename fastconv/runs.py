"""``runs.json``: how fast each run of a conversion was, over time and by worker.

It stands beside the manifest, which says nothing that differs from run to run.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import Any

from fastconv.atomic import write_file
from fastconv.board import BYTES, RECORDS, Board
from fastconv.manifest import PARTIAL, RUNS, TOOL
from fastconv.planned import share_runs
from fastconv.progress import Watch
from fastconv.regular import content

RUNS_FORMAT = 1
# Of one run. A long one gets as many, further apart.
SAMPLES_MAX = 200
# Of one output: the last ones.
RUNS_MAX = 100


class Samples:
    """What a board showed from time to time: for each worker the images that it was through with
    until then, skipped ones among them, and the bytes that it had written.

    `take` may be called as often as one likes. When there are SAMPLES_MAX, each second one goes,
    and the time between them doubles.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._step = self._next = 0.0
        self.seconds: list[float] = []  # since the job began
        self.records: list[list[int]] = []  # of each sample, by worker
        self.bytes: list[list[int]] = []

    def take(self, board: Board, last: bool = False) -> None:
        """Look at the board, if it is time; the ``last`` time in any case."""
        now = self._watch.seconds
        if now < self._next and not last:
            return
        if len(self.seconds) >= SAMPLES_MAX:
            for column in (self.seconds, self.records, self.bytes):
                del column[1::2]
            # Where they stand now; the first step is whatever the caller's was.
            self._step = (self.seconds[-1] - self.seconds[0]) / (len(self.seconds) - 1)
        self._next = now + self._step
        workers = [board.of(worker) for worker in range(board.workers)]
        self.seconds.append(round(now, 3))
        self.records.append([slots[RECORDS] for slots in workers])
        self.bytes.append([slots[BYTES] for slots in workers])

    def as_dict(self) -> dict[str, Any]:
        """``records`` and ``bytes``: for each worker a list as long as ``seconds``; 0 in it until
        the worker came."""
        return {
            "seconds": self.seconds,
            "records": [list(worker) for worker in zip_longest(*self.records, fillvalue=0)],
            "bytes": [list(worker) for worker in zip_longest(*self.bytes, fillvalue=0)],
        }


def run_facts(
    watch: Watch,
    samples: Samples,
    finished: bool,
    workers: int,
    shards_written: int,
    shards_kept: int,
) -> dict[str, Any]:
    """One run of a job, up to now."""
    return {
        "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(watch.began_at)),
        "finished": finished,
        "seconds": round(watch.seconds, 3),
        "workers": workers,
        "phases": {kind: round(spent, 3) for kind, spent in watch.phases.items()},
        "shards_written": shards_written,
        "shards_kept": shards_kept,
        "samples": samples.as_dict(),
    }


def read_runs(out: Path) -> list[dict[str, Any]]:
    """The runs that `out` remembers, the first one first; none where the file is missing, cannot
    be read, or is not of this form. Nothing depends on it."""
    try:
        return runs_of(content(out / RUNS))
    except OSError:
        return []


def runs_of(data: bytes) -> list[dict[str, Any]]:
    """The same of what the file holds."""
    try:
        told = json.loads(data)
        if told["format"] == RUNS_FORMAT:
            return [run for run in told["runs"] if _is_whole(run)]
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    return []


def read_all_runs(out: Path) -> list[dict[str, Any]]:
    """These, and those of a job array's shares that are not among them."""
    runs = read_runs(out)
    more = []
    with suppress(OSError):
        more = [run for run in share_runs(out) if _is_whole(run) and run not in runs]
    return [*runs, *sorted(more, key=lambda run: str(run["began"]))]


def _is_whole(run: Any) -> bool:
    """Whether a run has all that run_facts says, each of its type."""
    if not isinstance(run, dict) or not isinstance(run.get("began"), str):
        return False
    if not isinstance(run.get("finished"), bool):
        return False
    numbers = [run.get(name) for name in ("seconds", "workers", "shards_written", "shards_kept")]
    phases, samples = run.get("phases"), run.get("samples")
    if not isinstance(phases, dict) or not isinstance(samples, dict):
        return False
    times = samples.get("seconds")
    if not isinstance(times, list):
        return False
    numbers += [*phases.values(), *times]
    columns: list[list[Any]] = []
    for name in ("records", "bytes"):
        if not isinstance(workers := samples.get(name), list):
            return False
        columns.append(workers)
    if len(columns[0]) != len(columns[1]):
        return False
    for worker in (*columns[0], *columns[1]):
        if not isinstance(worker, list) or len(worker) != len(times):
            return False
        numbers += worker
    return all(isinstance(n, int | float) and 0 <= n < 1e18 for n in numbers)


def write_runs(out: Path, runs: list[dict[str, Any]]) -> None:
    """Write runs.json whole. Raises OutputError."""
    write_file(out / RUNS, runs_bytes(runs), out / PARTIAL / RUNS)


def runs_bytes(runs: list[dict[str, Any]]) -> bytes:
    """What the file holds: a line a run, of the last ones."""
    lines = ",\n  ".join(json.dumps(run) for run in runs[-RUNS_MAX:])
    head = f'"format": {RUNS_FORMAT},\n "tool": {json.dumps(TOOL)}'
    return f'{{\n {head},\n "runs": [\n  {lines}\n ]\n}}\n'.encode()
