"""Whole processes, measured: wall clock, CPU and peak memory, taken in turns.

Commands run as A B C A B C …, so that a machine that slows down slows all of them. A ratio is of
two runs of one round, and the figure is the median of the rounds.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Peaks are read from the kernel's own high-water marks, so a sample only has to come after the
# peak, not at it. Short runs are looked at more often.
SAMPLE_SECONDS_SHORT, SAMPLE_SECONDS_LONG = 0.005, 0.05
SHORT_SECONDS = 0.2
LIMIT_SECONDS = 3600
MESSAGE_CHARACTERS = 3000

Numbers = Mapping[str, float]


class MeasureError(Exception):
    """A command that was to be measured failed; the message ends with what it said."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to run. ``outputs`` are removed before and after each run, outside its time;
    ``stdin`` is a file that it reads, ``warm_ups`` are runs before the first that counts."""

    name: str
    argv: tuple[str, ...]
    outputs: tuple[Path, ...] = ()
    stdin: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    warm_ups: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """One run. CPU counts the process and all that it waited for; peaks are of resident memory,
    ``parent_bytes`` of the process itself, ``worker_bytes`` of the largest below it (0: none) and
    ``*_private_bytes`` without the pages of files and of shared memory. ``printed`` is the JSON
    on the last line of standard output, if that is what it is."""

    name: str
    round: int
    wall_seconds: float
    user_seconds: float
    system_seconds: float
    parent_bytes: int
    worker_bytes: int
    parent_private_bytes: int
    worker_private_bytes: int
    processes: int
    printed: dict[str, Any]

    @property
    def cpu_seconds(self) -> float:
        return self.user_seconds + self.system_seconds


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


class Peaks:
    """The high-water marks of a process and of all below it."""

    def __init__(self, pid: int) -> None:
        self._root = pid
        self._peaks: dict[int, tuple[int, int]] = {}

    def sample(self) -> None:
        pending = [self._root]
        while pending:
            pid = pending.pop()
            # A process that ends meanwhile takes its files with it.
            with suppress(OSError):
                self._note(pid, Path(f"/proc/{pid}/status").read_bytes())
                for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
                    children = Path(f"/proc/{pid}/task/{task}/children").read_bytes()
                    pending += map(int, children.split())

    def _note(self, pid: int, status: bytes) -> None:
        values = {}
        for line in status.splitlines():
            key, _, value = line.partition(b":")
            if key in (b"VmHWM", b"RssAnon"):
                values[key] = int(value.split()[0]) * 1024
        peak, private = self._peaks.get(pid, (0, 0))
        self._peaks[pid] = (
            max(peak, values.get(b"VmHWM", 0)),
            max(private, values.get(b"RssAnon", 0)),
        )

    @property
    def processes(self) -> int:
        return len(self._peaks)

    def parent(self) -> tuple[int, int]:
        """(peak, private peak) in bytes of the process itself."""
        return self._peaks.get(self._root, (0, 0))

    def worker(self) -> tuple[int, int]:
        """The same of the largest process below it; the two may be of different ones."""
        below = [peaks for pid, peaks in self._peaks.items() if pid != self._root]
        return max((p for p, _ in below), default=0), max((q for _, q in below), default=0)


def run_once(command: Command, round_number: int, folder: Path | None = None) -> Run:
    """Run the command to its end. Raises MeasureError if it fails."""
    for path in command.outputs:
        remove(path)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        stdin = command.stdin.open("rb") if command.stdin else None
        try:
            began = time.perf_counter()
            process = subprocess.Popen(
                command.argv,
                stdin=stdin if stdin is not None else subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=folder,
                env={**os.environ, **command.env},
            )
            peaks = Peaks(process.pid)
            try:
                _watch(process.pid, began, peaks)
            except BaseException:
                process.kill()
                process.wait()
                raise
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            if stdin is not None:
                stdin.close()
        if process.returncode:
            err.seek(0)
            out.seek(0)
            said = (out.read() + err.read()).decode(errors="replace")[-MESSAGE_CHARACTERS:]
            raise MeasureError(f"{command.name}: exit code {process.returncode}\n{said}")
        out.seek(0)
        printed = _last_json(out.read())
    for path in command.outputs:
        remove(path)
    (parent, parent_private), (worker, worker_private) = peaks.parent(), peaks.worker()
    return Run(
        command.name,
        round_number,
        wall,
        usage.ru_utime,
        usage.ru_stime,
        parent,
        worker,
        parent_private,
        worker_private,
        peaks.processes,
        printed,
    )


def _watch(pid: int, began: float, peaks: Peaks) -> None:
    """Sample until the process has ended; it is not waited for."""
    descriptor = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while True:
            peaks.sample()
            elapsed = time.perf_counter() - began
            if elapsed > LIMIT_SECONDS:
                raise MeasureError(f"process {pid} was not done after {LIMIT_SECONDS} seconds")
            short = elapsed < SHORT_SECONDS
            if poll.poll(1000 * (SAMPLE_SECONDS_SHORT if short else SAMPLE_SECONDS_LONG)):
                return
    finally:
        os.close(descriptor)


def _last_json(out: bytes) -> dict[str, Any]:
    lines = out.strip().splitlines()
    if lines and lines[-1].startswith(b"{"):
        with suppress(ValueError):
            value = json.loads(lines[-1])
            return value if isinstance(value, dict) else {}
    return {}


def measure(
    commands: Sequence[Command],
    rounds: int,
    tell: Callable[[str], None] = lambda _line: None,
    folder: Path | None = None,
    before: Callable[[], None] = lambda: None,
) -> list[Run]:
    """Run all commands in turns, ``rounds`` times, each after a call of ``before``; the runs in
    the order they were made."""
    for command in commands:
        for _ in range(command.warm_ups):
            run_once(command, -1, folder)
    runs = []
    for number in range(rounds):
        for command in commands:
            before()
            run = run_once(command, number, folder)
            runs.append(run)
            tell(f"round {number + 1} of {rounds}: {command.name}: {run.wall_seconds:.2f} s")
    return runs


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and most."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def of(runs: Sequence[Run], name: str) -> dict[int, Run]:
    """The runs of one command by their round."""
    return {run.round: run for run in runs if run.name == name}


def ratio(
    runs: Sequence[Run],
    above: str,
    below: str,
    value: Callable[[Run], float | None] = lambda run: run.wall_seconds,
    value_below: Callable[[Run], float | None] | None = None,
) -> dict[str, float] | None:
    """The spread over the rounds of ``above`` by ``below``; None where a value is missing."""
    ups, downs = of(runs, above), of(runs, below)
    quotients = []
    for number in sorted(ups.keys() & downs.keys()):
        up, down = value(ups[number]), (value_below or value)(downs[number])
        if up is None or not down:
            return None
        quotients.append(up / down)
    return spread(quotients) if quotients else None


def difference(runs: Sequence[Run], more: str, less: str) -> dict[str, float] | None:
    """The spread over the rounds of the seconds that ``more`` takes longer than ``less``."""
    mores, lesses = of(runs, more), of(runs, less)
    found = [
        mores[number].wall_seconds - lesses[number].wall_seconds
        for number in sorted(mores.keys() & lesses.keys())
    ]
    return spread(found) if found else None
