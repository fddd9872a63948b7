"""What most tests share: samples, made once a run, and ways to look at an output."""

from __future__ import annotations

import hashlib
import io
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image

from fastconv.progress import Progress
from fastconv.sample import make_sample

ROOT = Path(__file__).resolve().parent.parent

# Tests send these. Started in a shell's background or by nohup, they would be ignored, and so they
# would be by what tests start.
for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(
            _number,
            signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL,
        )


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first test process to come makes, and the others wait for."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, lock, done = base / name, base / f"{name}.lock", base / f"{name}.done"
    try:
        lock.mkdir()
    except FileExistsError:
        deadline = time.monotonic() + 100
        while not done.exists():
            assert time.monotonic() < deadline, f"{name} was not made"
            time.sleep(0.1)
        return folder
    make(folder)
    done.touch()
    return folder


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 classes, 2,000 train and 200 validation images with every odd kind; archives and tree."""
    return made_once(
        tmp_path_factory,
        "sample",
        lambda out: make_sample(
            out, classes=20, train_images=2000, validation_images=200, seed=1, tree=True
        ),
    )


@pytest.fixture(scope="session")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 classes, 60 train and 20 validation images; archives and tree."""
    return made_once(
        tmp_path_factory,
        "mini",
        lambda out: make_sample(
            out, classes=3, train_images=60, validation_images=20, seed=2, tree=True
        ),
    )


@pytest.fixture(scope="session")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class tree that takes a worker some ten seconds: every image must be re-encoded."""
    tree = tmp_path_factory.mktemp("slow")
    buffer = io.BytesIO()
    Image.effect_noise((1000, 800), 80).convert("RGB").save(buffer, "PNG", compress_level=1)
    first = tree / "a" / "0000.png"
    for number in range(400):
        path = tree / "ab"[number % 2] / f"{number:04d}.png"
        path.parent.mkdir(exist_ok=True)
        if number == 0:
            first.write_bytes(buffer.getvalue())
        else:
            os.link(first, path)
    return tree


class WhenWriting:
    """A progress function that does something once, as the writing begins."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act: Callable[[], object] | None = act

    def __call__(self, progress: Progress) -> None:
        if progress.phase == "writing" and self._act:
            act, self._act = self._act, None
            act()


def shown_on_a_terminal(
    words: Sequence[object], parts: Sequence[bytes], within_seconds: float
) -> bytes:
    """What fastconv shows on a terminal until all of `parts` were seen; then it is interrupted,
    which must end it."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "fastconv", *map(str, words)],
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(theirs)
    shown, deadline = b"", time.monotonic() + within_seconds
    while not all(part in shown for part in parts):
        assert time.monotonic() < deadline, shown
        shown += os.read(ours, 65536)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130
    os.close(ours)
    return shown


def digests(out: Path, *folders: str) -> dict[str, str]:
    """SHA-256 of every file below the output's data_dir and idx_dir (or other folders), by name."""
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in (folders or ("data_dir", "idx_dir"))
        for path in sorted((out / folder).rglob("*"))
        if path.is_file()
    }


def leftovers(out: Path) -> list[str]:
    """Everything in an output that has not its final name."""
    return [
        str(path.relative_to(out))
        for path in (sorted(out.rglob("*")) if out.exists() else [])
        if "partial" in path.name or path.name.endswith((".shard", ".index"))
    ]


# What stays for a session, and is no test's own: multiprocessing's, that of injected faults, and
# the stores' servers.
THAT_STAY = (b"resource_tracker", b"faults/server.py", b"juicefs", b"azurite")


def children() -> list[str]:
    """Processes that this one started and that are still there, but for those that stay."""
    found = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [pid for pid in found if not any(word in _command_line(pid) for word in THAT_STAY)]


def _command_line(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.fixture
def no_children() -> Iterator[None]:
    """No process that the test started may outlive it."""
    yield
    deadline = time.monotonic() + 30  # one that syncs to a slow disk cannot be killed
    while left := children():
        told = {pid: _command_line(pid) for pid in left}
        assert time.monotonic() < deadline, f"processes are still there: {told}"
        time.sleep(0.05)
