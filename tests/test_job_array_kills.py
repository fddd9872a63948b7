"""Plan, shares and finish of a job array are killed at any instant, and repeated: nothing is lost.

In the end every byte is that of one machine. A few kills are tried here; `make torture` tries 50.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import made_once
from faults.jobs import claimed_and_false, differences, files
from job_arrays import Command, start

import fastconv
from fastconv.planfile import PlanFile
from fastconv.sample import make_sample

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="workers are found in /proc"
)

SHARDS = ("--train-shards", "8", "--validation-shards", "1")
IMAGES = ("--resize", "128", "--reencode-all", "--quality", "80")  # work for an instant to be hit
STEPS = ("plan", "1/2", "2/2", "finish")


class Array:
    """A job array in a folder: its steps, each as often as it is asked for."""

    def __init__(self, source: Path, folder: Path, chance: random.Random) -> None:
        self.source, self.out, self._chance = source, folder / "out", chance
        self._folder, self._count = folder, 0
        self.killed: list[str] = []

    def begin(self, step: str) -> Command:
        self._count += 1
        errors = self._folder / f"errors{self._count}"
        if step == "plan":
            return start(errors, "plan", self.source, "--out", self.out, *SHARDS, *IMAGES)
        if step == "finish":
            return start(errors, "finish", self.out)
        workers = self._chance.choice((1, 2))
        words = ("--plan", self.out / "plan", "--only", step, "--workers", workers)
        return start(errors, "shards", *words)

    def do(self, step: str) -> None:
        code, said = self.begin(step).end()
        assert code == 0, (step, said)

    def kill(self, step: str, seconds: float) -> None:
        """Begin a step, and kill it, or a worker of it, at any instant of so many seconds."""
        command = self.begin(step)
        deadline = time.monotonic() + seconds * self._chance.uniform(0.2, 1)
        while time.monotonic() < deadline and command.process.poll() is None:
            time.sleep(0.002)
        workers = command.workers()
        codes: tuple[int, ...] = (0, 4)
        if workers and self._chance.random() < 0.3:
            number = signal.SIGKILL
            for pid in self._chance.sample(workers, 1):
                Command.send_to(pid, number)
        else:
            number = self._chance.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))
            command.send(number, workers=False)
            codes = (0, -number, 130) if number == signal.SIGTERM else (0, -number)
        code, said = command.end()
        assert code in codes, (step, code, said)
        if code:
            self.killed.append(step)


def check_what_is_there(out: Path, right: dict[str, bytes]) -> None:
    if (out / "plan").exists():
        PlanFile.at(out / "plan").outline()
    if (out / "manifest.json").exists() or not out.exists():
        return
    false = claimed_and_false(out, right)
    assert [one for one in false if not one.startswith(("plan: has", "shares/"))] == []


def killed_and_repeated(
    source: Path, right: dict[str, bytes], folder: Path, chance: random.Random, kills: int
) -> list[str]:
    """One job array, with so many kills spread over its steps. Returns the steps that were."""
    folder.mkdir()
    array = Array(source, folder, chance)
    victims = [chance.choice(STEPS) for _ in range(kills)]
    seconds = {"plan": 0.7, "1/2": 1.0, "2/2": 1.0, "finish": 0.5}
    for step in STEPS:
        for _ in range(victims.count(step)):
            array.kill(step, seconds[step])
            check_what_is_there(array.out, right)
        array.do(step)
        check_what_is_there(array.out, right)
    array.do("finish")
    assert differences(array.out, right) == []
    assert fastconv.verify(array.out, workers=1).findings == ()
    return array.killed


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(
        tmp_path_factory,
        "working",
        lambda path: make_sample(path, classes=4, train_images=80, validation_images=4, seed=5),
    )


@pytest.fixture(scope="module")
def right(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("right") / "out"
    words = (source, "--out", out, *SHARDS, *IMAGES)
    assert start(out.parent / "errors", "shards", *words).end() == (0, "")
    return dict(files(out))


@pytest.mark.parametrize("seed", range(1))
def test_some_kills(source: Path, right: dict[str, bytes], tmp_path: Path, seed: int) -> None:
    killed_and_repeated(source, right, tmp_path / "array", random.Random(seed), 3)


@pytest.mark.torture
@pytest.mark.timeout(1200)
def test_many_kills(
    source: Path,
    right: dict[str, bytes],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    chance = random.Random(77)
    killed: list[str] = []
    while len(killed) < 50:
        folder = tmp_path / f"array{len(list(tmp_path.iterdir()))}"
        killed += killed_and_repeated(source, right, folder, chance, 5)
    for step in STEPS:
        record_property(step, killed.count(step))
