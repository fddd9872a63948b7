"""Plan, share and finish meet a file system that refuses a call, or die at one.

Whatever happens: an exit code and a message, nothing that is not whole under a final name, and the
same commands run again give the bytes of one machine. A sample of the calls is tried here; `make
torture` tries more of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import made_once
from faults.jobs import (
    Files,
    Server,
    claimed_and_false,
    copied,
    differences,
    environment,
    files,
    server,
)
from faults.shim import DEATHS, OUT, Fault, Seen, build, compiler, shim
from test_injected_faults import ENDED, INTERRUPTED, REFUSED, a_few, in_turn

from fastconv.planfile import PlanFile
from fastconv.sample import make_sample

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the shim is for glibc"),
    pytest.mark.skipif(compiler() is None, reason="there is no C compiler"),
]

STEPS = ("plan", "share", "finish")
TABLES = {"refused": REFUSED, "ended": ENDED, "interrupted": INTERRUPTED}


def command(step: str, source: Path, out: Path) -> list[str]:
    return {
        "one": [*SHARDS, str(source), "--out", str(out), "--workers", "1", "--quiet"],
        "plan": ["plan", *SHARDS[1:], str(source), "--out", str(out), "--quiet"],
        "share": ["shards", "--plan", f"{out}/plan", "--workers", "1", "--quiet"],
        "finish": ["finish", str(out), "--quiet"],
    }[step]


SHARDS = ("shards", "--train-shards", "2", "--validation-shards", "1")


@dataclass(frozen=True, slots=True)
class Ground:
    """``right``: what one machine writes."""

    library: Path
    source: Path
    folder: Path
    right: Files

    def before(self, step: str) -> Path:
        return self.folder / f"before {step}"


def make_ground(folder: Path) -> None:
    folder.mkdir()
    library, source = build(folder / "shim"), folder / "in"
    make_sample(source, classes=2, train_images=14, validation_images=3, seed=4)
    with server(library, folder) as jobs:
        for step, out in (
            ("one", folder / "one"),
            ("plan", folder / "before share"),
            ("plan", folder / "before finish"),
            ("share", folder / "before finish"),
        ):
            assert jobs.run(command(step, source, out), environment()) == (0, "")


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    folder = made_once(tmp_path_factory, "array-ground", make_ground)
    return Ground(folder / "shim" / "shim.so", folder / "in", folder, files(folder / "one"))


@pytest.fixture(scope="module")
def jobs(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(ground.library, tmp_path_factory.mktemp("server")) as running:
        yield running


class Trial:
    """One step, with one fault after another, each from the same beginning."""

    def __init__(self, ground: Ground, jobs: Server, step: str, folder: Path) -> None:
        self.ground, self.jobs, self.step, self.folder = ground, jobs, step, folder
        self.out = folder / "out"
        self.problems: list[str] = []

    def attempt(self, fault: Fault | None) -> tuple[int, str, Seen]:
        copied(self.ground.before(self.step), self.out)
        roots = (self.out, self.ground.source)
        words = command(self.step, self.ground.source, self.out)
        with shim(self.ground.library, self.folder, roots, fault) as rig:
            code, errors = self.jobs.run(words, rig.env)
            return code, errors, rig.seen()

    def meets(self, fault: Fault) -> None:
        code, errors, seen = self.attempt(fault)
        problems = list(self._of_the_end(fault, code, errors, seen))
        problems += self._false()
        for step in STEPS[STEPS.index(self.step) :]:
            again, said = self.jobs.run(command(step, self.ground.source, self.out), {})
            if again:
                problems.append(f"{step} after that ended with {again}: {said}")
        problems += differences(self.out, self.ground.right)
        self.problems += [f"{fault} ({seen.fired_at}): {problem}" for problem in problems]

    def _of_the_end(self, fault: Fault, code: int, errors: str, seen: Seen) -> Iterator[str]:
        if "Traceback" in errors or code == 70:
            yield f"a traceback: {errors}"
        if fault.what in INTERRUPTED.get(fault.kind, ()) or not seen.fired:
            expected = {0}
        elif fault.what in DEATHS:
            expected = {-9, 4}  # this process, or a worker
        else:
            expected = {0, 3, 4}
        if code not in expected:
            yield f"ended with {code}: {errors}"
        if code in (3, 4) and fault.what not in DEATHS:
            # Of a folder that is removed, the system's tool tells what it met next.
            removed = fault.kind == "close" and ".gone-" in str(seen.fired_at)
            said = "" if removed else fault.said
            if not errors.startswith("fastconv: ") or said not in errors:
                yield f"does not say {fault.said!r}: {errors}"
            if str(self.out) not in errors:
                yield f"names no file: {errors}"

    def _false(self) -> Iterator[str]:
        if (self.out / "plan").exists():
            PlanFile.at(self.out / "plan").outline()
        if (self.out / "manifest.json").exists():  # finished, if only the rest were gone
            return
        ours = ("plan: has", "shares/")
        for problem in claimed_and_false(self.out, self.ground.right):
            if not problem.startswith(ours):
                yield problem


Draw = Callable[[Seen, int, dict[str, list[str]]], Iterator[Fault]]


def tried(trial: Trial, draw: Draw, group: str, each: int = 1) -> int:
    code, errors, seen = trial.attempt(None)
    assert (code, errors) == (0, "")
    faults = list(draw(seen, OUT, TABLES[group]))[::each]
    for fault in faults:
        trial.meets(fault)
    assert not trial.problems, "\n".join(trial.problems)
    return len(faults)


@pytest.mark.parametrize(
    ("step", "group"),
    [
        ("plan", "refused"),
        ("plan", "ended"),
        ("share", "refused"),
        ("share", "ended"),
        ("finish", "refused"),
        ("finish", "ended"),
        ("finish", "interrupted"),
    ],
)
def test_some_calls(ground: Ground, jobs: Server, tmp_path: Path, step: str, group: str) -> None:
    assert tried(Trial(ground, jobs, step, tmp_path), a_few, group, each=12) > 0


@pytest.mark.torture
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("group", TABLES)
@pytest.mark.parametrize("step", STEPS)
def test_every_call(
    ground: Ground,
    jobs: Server,
    tmp_path: Path,
    step: str,
    group: str,
    record_property: Callable[[str, object], None],
) -> None:
    count = tried(Trial(ground, jobs, step, tmp_path), in_turn, group)
    record_property("faults", count)
    assert count
