"""A Dask cluster of processes of their own, which tests start, kill and cut off."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
STARTED_SECONDS = 40
# What Dask would wait for much longer.
SOON = {
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "12s",
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "10",
    "DASK_FASTCONV__SCHEDULER_SILENCE": "8s",
    "DASK_FASTCONV__WAIT_FOR_WORKERS": "30s",
    "MALLOC_TRIM_THRESHOLD_": "65536",
}


def environment(more: dict[str, str] | None = None) -> dict[str, str]:
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, **SOON, "PYTHONPATH": os.pathsep.join(paths), **(more or {})}


class Dask:
    """``within``: words that stand before every command, as `ip netns exec NAME`."""

    def __init__(self, folder: Path, host: str = "127.0.0.1", within: Sequence[str] = ()) -> None:
        self._folder, self._host, self._within = folder, host, list(within)
        self.processes: list[subprocess.Popen[bytes]] = []
        self.scheduler: subprocess.Popen[bytes]
        self.address = ""

    def __enter__(self) -> Dask:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _start(
        self, words: Sequence[str], within: Sequence[str] | None, env: dict[str, str] | None
    ) -> tuple[subprocess.Popen[bytes], Path]:
        log = self._folder / f"log-{len(self.processes)}"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [*(self._within if within is None else within), sys.executable, "-m", *words],
                cwd=self._folder,
                env=environment(env),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self.processes.append(process)
        return process, log

    def start(self, port: int = 0, env: dict[str, str] | None = None) -> Dask:
        """The scheduler."""
        words = ["distributed.cli.dask_scheduler", "--host", self._host, "--port", str(port)]
        words += ["--no-dashboard", "--dashboard-address", "127.0.0.1:0"]  # else 8787 for all
        self.scheduler, log = self._start(words, None, env)
        self.address = _said(log, rb"Scheduler at:\s+(tcp://\S+)", self.scheduler)
        return self

    def work(
        self,
        threads: int = 1,
        nanny: bool = False,
        env: dict[str, str] | None = None,
        within: Sequence[str] | None = None,
        wait: bool = True,
    ) -> subprocess.Popen[bytes]:
        """A worker more."""
        process, log = self._start(
            [
                *("distributed.cli.dask_worker", self.address, "--nthreads", str(threads)),
                *("--nanny" if nanny else "--no-nanny", "--no-dashboard", "--memory-limit", "0"),
                *("--local-directory", str(self._folder / "scratch")),
            ],
            within,
            env,
        )
        if wait:
            _said(log, rb"(Registered to)", process)
        return process


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _said(log: Path, pattern: bytes, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + STARTED_SECONDS
    while not (found := re.search(pattern, log.read_bytes())):
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    return found[1].decode()


def children_of(process: subprocess.Popen[bytes]) -> list[int]:
    """The processes that it started: a nanny's worker, last."""
    tasks = Path(f"/proc/{process.pid}/task").iterdir()
    return sorted(int(pid) for task in tasks for pid in (task / "children").read_text().split())


class Client:
    """A fastconv command that runs."""

    def __init__(
        self,
        words: Sequence[object],
        log: Path,
        env: dict[str, str] | None = None,
        within: Sequence[str] = (),
    ) -> None:
        self.log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [*within, sys.executable, "-m", "fastconv", *map(str, words)],
                cwd=log.parent,
                env=environment(env),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )

    def end(self, seconds: float = 60) -> tuple[int, str]:
        """Its exit code and what it said."""
        try:
            code = self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"it hangs: {self.log.read_text()}") from None
        return code, self.log.read_text()

    def until(self, out: Path, shards: int, seconds: float = 40) -> None:
        """Until so many shards are done."""
        deadline = time.monotonic() + seconds
        while len(done(out)) < shards:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.01)

    def until_said(self, text: str, seconds: float = 40) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)


def done(out: Path) -> list[Path]:
    return list((out / "data_dir").glob("*")) if (out / "data_dir").exists() else []
