"""Job arrays as tests run them: commands of their own, and what an output holds."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from faults.jobs import ROOT, environment

import fastconv


@dataclass(slots=True)
class Command:
    """A fastconv command under way."""

    process: subprocess.Popen[bytes]
    errors: Path

    def workers(self) -> list[int]:
        place = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        try:
            return [int(pid) for pid in place.read_text().split()]
        except OSError:  # it is over
            return []

    def send(self, number: signal.Signals, workers: bool = True) -> None:
        for pid in [self.process.pid, *(self.workers() if workers else [])]:
            self.send_to(pid, number)

    @staticmethod
    def send_to(pid: int, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def end(self) -> tuple[int, str]:
        """(exit code, standard error)."""
        try:
            code = self.process.wait(timeout=60)
        finally:
            self.process.kill()
        said = self.errors.read_text()
        assert "fastconv/cli" not in said, said
        return code, said


def start(errors: Path, *words: object) -> Command:
    with errors.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "fastconv", *map(str, words), "--quiet"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=file,
            cwd=ROOT,
            env=environment(),
        )
    return Command(process, errors)


def share(errors: Path, out: Path, only: str, workers: int) -> Command:
    plan = out / "plan"
    return start(errors, "shards", "--plan", plan, "--only", only, "--workers", workers)


def tree(out: Path) -> dict[str, bytes]:
    """Everything below a folder by its relative path; what differs from run to run left out."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != "runs.json"
    }


def whole_names(out: Path) -> set[str]:
    return {str(path.relative_to(out)) for path in out.rglob("*")}


def unfinished(out: Path) -> list[Path]:
    """Shards that are being written."""
    return list((out / ".fastconv-partial").glob("job-*/*.shard"))


def wait_for_writing(out: Path, command: Command, bytes_min: int = 0) -> None:
    """Until a shard is being written, and has so many bytes."""

    def begun() -> bool:
        with contextlib.suppress(FileNotFoundError):
            return any(path.stat().st_size >= bytes_min for path in unfinished(out))
        return False

    deadline = time.monotonic() + 60
    while not begun():
        assert command.process.poll() is None, command.errors.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.001)


def planned(options: fastconv.Options) -> Path:
    """The folder of a plan that was just written."""
    return fastconv.write_plan(options).path.parent


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def copy(out: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(out, to)
    return to
