"""A conversion is killed at any instant, and the same command goes on: nothing is lost.

Right after each kill everything under a final name is whole, and the journal claims no more than
is there; in the end every byte is that of a run that nothing happened to. A few kills are tried
here; `make torture` tries 200.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from conftest import made_once
from faults.jobs import (
    ROOT,
    Files,
    Job,
    claimed_and_false,
    differences,
    environment,
    files,
)

import fastconv
from fastconv.sample import make_sample

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="workers are found in /proc"
)

ROUNDS_MAX = 3  # so often may one job be killed
SHARDS = ("--train-shards", "16", "--validation-shards", "1")
# Work enough for an instant to be hit: every image is decoded and encoded.
IMAGES = ("--resize", "128", "--reencode-all", "--quality", "80")
INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Undisturbed:
    job: Job
    right: Files
    seconds: float


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    source = made_once(
        tmp_path_factory,
        "killed",
        lambda path: make_sample(path, classes=4, train_images=80, validation_images=4, seed=5),
    )
    job = Job(source, (str(source), *SHARDS, *IMAGES))
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    began = time.monotonic()
    running = start(job, out, 2)
    running.finish(0)
    return Undisturbed(job, files(out), time.monotonic() - began)


@dataclass(slots=True)
class Running:
    """A conversion under way."""

    process: subprocess.Popen[bytes]
    out: Path
    errors: Path

    def over(self) -> bool:
        return self.process.poll() is not None

    def workers(self) -> list[int]:
        place = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        try:
            return [int(pid) for pid in place.read_text().split()]
        except OSError:  # it is over
            return []

    def finish(self, *codes: int) -> int:
        try:
            code = self.process.wait(timeout=100)
        finally:
            self.process.kill()
        said = self.errors.read_text()
        if 130 in codes and code in (1, -signal.SIGINT) and "KeyboardInterrupt" in said:
            assert "fastconv/cli" not in said, said  # it was the interpreter that was starting
            return code
        assert code in codes, (code, said)
        assert "Traceback" not in said
        return code


def start(job: Job, out: Path, workers: int) -> Running:
    errors = out.with_name(f"{out.name}.errors")
    with errors.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "fastconv", *job.command(out, workers)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=file,
            cwd=ROOT,
            env=environment(),
        )
    return Running(process, out, errors)


def send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


# ---- whom it meets: each returns the exit codes that may follow ---------------------------------


def parent(job: Running, chance: random.Random) -> tuple[int, ...]:
    job.process.kill()
    return (-signal.SIGKILL,)


def one_worker(job: Running, chance: random.Random) -> tuple[int, ...]:
    if workers := job.workers():
        send(chance.choice(workers), signal.SIGKILL)
    return (4,)


def all_at_once(job: Running, chance: random.Random) -> tuple[int, ...]:
    pids = [job.process.pid, *job.workers()]
    chance.shuffle(pids)
    for pid in pids:
        send(pid, signal.SIGKILL)
    return (-signal.SIGKILL,)


def asked_to_end(job: Running, chance: random.Random) -> tuple[int, ...]:
    # An interpreter that is only starting has not taken the signal over yet.
    number = chance.choice(INTERRUPTS)
    send(job.process.pid, number)
    return (130, -number)


VICTIMS = (parent, parent, one_worker, all_at_once, asked_to_end)

# ---- when: an instant of the job's time, or the moment at which something is on disk ------------


def names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))  # noqa: PTH208
    except OSError:
        return set()


def size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def journal_begins(out: Path) -> bool:
    return size(out / "manifest.journal") >= 0


def labels_are_there(out: Path) -> bool:
    return "labels.txt" in names(out)


def manifest_is_written(out: Path) -> bool:
    return "manifest.json" in names(out / ".fastconv-partial")


def manifest_is_there(out: Path) -> bool:
    return "manifest.json" in names(out)


def journal_goes(out: Path) -> bool:
    return manifest_is_there(out) and not journal_begins(out)


MOMENTS = (
    journal_begins,
    labels_are_there,
    manifest_is_written,
    manifest_is_there,
    journal_goes,
)


def changes(path: Path) -> Callable[[Path], bool]:
    """A condition: the file's size is another one than when it was asked first."""
    seen: list[int] = []

    def changed(_out: Path) -> bool:
        seen.append(size(path))
        return seen[-1] != seen[0]

    return changed


@dataclass(slots=True)
class Kill:
    """One kill, as drawn: at a part of the job's time, or at a moment."""

    victim: Callable[[Running, random.Random], tuple[int, ...]]
    part: float
    moment: Callable[[Path], bool] | None

    @property
    def name(self) -> str:
        when = "at an instant" if self.moment is None else "at a moment"
        return f"{self.victim.__name__} {when}"

    def wait(self, job: Running, seconds: float) -> None:
        deadline = time.monotonic() + self.part * seconds
        if self.moment is None:
            while time.monotonic() < deadline and not job.over():
                time.sleep(min(0.01, max(0.0, deadline - time.monotonic())))
            return
        while not self.moment(job.out) and not job.over():
            pass


@dataclass(slots=True)
class Tally:
    """Kills that ended a job, by name; those that came when it was over; and jobs."""

    kills: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    jobs: int = 0


def drawn(chance: random.Random, out: Path) -> Kill:
    moments = (*MOMENTS, changes(out / "manifest.journal"))
    moment = chance.choice(moments) if chance.random() < 0.4 else None
    return Kill(chance.choice(VICTIMS), chance.uniform(0, 1.05), moment)


def killed_and_gone_on(
    undisturbed: Undisturbed, out: Path, chance: random.Random, kills: Iterator[Kill], tally: Tally
) -> None:
    """One job, killed once or more, and then left alone."""
    tally.jobs += 1
    job, right = undisturbed.job, undisturbed.right
    left = undisturbed.seconds
    for kill in kills:
        running = start(job, out, chance.choice((1, 2)))
        began = time.monotonic()
        kill.wait(running, left)
        codes = kill.victim(running, chance)
        if running.finish(0, *codes):
            tally.kills[kill.name] += 1
        else:
            tally.missed += 1
        wrong = claimed_and_false(out, right) if out.exists() else []
        assert wrong == [], kill
        if names(out / "data_dir"):
            found = fastconv.verify(out, workers=1).findings
            assert [one for one in found if one.file.startswith("data_dir")] == [], kill
        left = max(left - (time.monotonic() - began), undisturbed.seconds / 4)
    start(job, out, 2).finish(0)
    assert differences(out, right) == []
    assert fastconv.verify(out, workers=1).findings == ()


@pytest.mark.parametrize("seed", range(3))
def test_some_kills(undisturbed: Undisturbed, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    out, tally = tmp_path / "out", Tally()
    moment = (labels_are_there, manifest_is_there, changes(out / "manifest.journal"))[seed]
    kills = [
        Kill((parent, one_worker, all_at_once)[seed], chance.uniform(0.3, 0.8), None),
        Kill((all_at_once, parent, asked_to_end)[seed], 1.0, moment),
    ]
    killed_and_gone_on(undisturbed, out, chance, iter(kills), tally)
    assert tally.kills.total() + tally.missed == 2


@pytest.mark.torture
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", range(10))
def test_many_kills(
    undisturbed: Undisturbed,
    tmp_path: Path,
    part: int,
    record_property: Callable[[str, object], None],
) -> None:
    chance = random.Random(1000 + part)
    tally = Tally()
    while tally.kills.total() < 20:
        out = tmp_path / f"out{tally.jobs}"
        rounds = min(chance.choice((1, 1, 1, 2, ROUNDS_MAX)), 20 - tally.kills.total())
        kills = (drawn(chance, out) for _ in range(rounds))
        killed_and_gone_on(undisturbed, out, chance, kills, tally)
    tally.kills["missed"] = tally.missed
    for name, count in tally.kills.items():
        record_property(name, count)


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_while_compressing(undisturbed: Undisturbed, tmp_path: Path, workers: int) -> None:
    job = Job(undisturbed.job.source, (*undisturbed.job.words, "--compression", "gzip"))
    start(job, tmp_path / "right", 2).finish(0)
    right, out = files(tmp_path / "right"), tmp_path / "out"
    running = start(job, out, workers)
    while not any(size(path) > 0 for path in (out / ".fastconv-partial").glob("*.shard")):
        assert not running.over()
    all_at_once(running, random.Random(1))
    running.finish(-signal.SIGKILL)
    assert claimed_and_false(out, right) == []
    start(job, out, 3 - workers).finish(0)
    assert differences(out, right) == []
