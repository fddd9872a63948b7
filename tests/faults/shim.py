"""The shim of shim.c: compiled, told which call is to fail, and asked what was called."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PATH_BYTES = 4096
OUT, SOURCE = 0, 1  # the roots
ROOT_NAMES = ("out", "source")
KINDS = (
    *("open", "read", "write", "sync", "range", "rename", "unlink", "mkdir", "truncate"),
    *("allocate", "close", "list", "stat", "lock"),
)
WHENS = ("once", "from then on", "every other")
FAULTS = ("none", "errno", "short", "dead", "torn", "done")
DEATHS = ("dead", "torn", "done")


class State(ctypes.Structure):
    """`struct state` of shim.c."""

    _fields_ = (
        ("root", ctypes.c_char * PATH_BYTES * 2),
        ("count", ctypes.c_int64 * len(KINDS) * 2),
        *((name, ctypes.c_int64) for name in ("in_root", "kind", "k", "when", "fault", "error")),
        ("match", ctypes.c_char * PATH_BYTES),
        ("matched", ctypes.c_int64),
        ("fired", ctypes.c_int64),
        ("fired_at", ctypes.c_char * PATH_BYTES),
    )


@dataclass(frozen=True, slots=True)
class Fault:
    """What the k-th call of a kind (from 1) below a root meets: an errno's name, "short", or a
    death: before the call ("dead"), in the middle of it ("torn"), or behind it ("done"). With
    `match`, only calls whose path holds that are counted."""

    root: int
    kind: str
    k: int
    what: str
    when: str = "once"
    match: str = ""

    def __str__(self) -> str:
        where = f"{ROOT_NAMES[self.root]}{self.match and ', '}{self.match}"
        return f"{self.what} at {self.kind} {self.k} of {where}, {self.when}"

    @property
    def said(self) -> str:
        """What the system calls it."""
        return os.strerror(getattr(errno, self.what))


@dataclass(frozen=True, slots=True)
class Seen:
    """What a job called: counts by root and kind; how often the fault was met, first at which
    path; and, where that was asked for, a line (process, root, kind, path) for each call."""

    count: tuple[dict[str, int], dict[str, int]]
    fired: int
    fired_at: str
    calls: tuple[tuple[int, int, str, str], ...]


def compiler() -> str | None:
    """A C compiler, if there is one."""
    asked = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    for name in (asked.split()[0], "cc", "gcc", "clang"):
        if found := shutil.which(name):
            return found
    return None


def build(folder: Path) -> Path:
    """Compile the shim into a folder, which is made."""
    folder.mkdir()
    flags = ("-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-U_FORTIFY_SOURCE")
    words = [str(compiler()), *flags, "-o", str(folder / "shim.so"), str(HERE / "shim.c"), "-ldl"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "shim.so"


class Shim:
    """One job's fault, and its account of calls."""

    def __init__(self, state: State, env: dict[str, str], log: Path | None) -> None:
        self._state, self.env, self._log = state, env, log

    def seen(self) -> Seen:
        out, source = (dict(zip(KINDS, row, strict=True)) for row in self._state.count)
        calls = []
        if self._log is not None and self._log.exists():
            for line in self._log.read_text().splitlines():
                process, root, kind, path = line.split(" ", 3)
                calls.append((int(process), int(root), kind, path))
        state = self._state
        return Seen((out, source), state.fired, os.fsdecode(state.fired_at), tuple(calls))


@contextmanager
def shim(
    library: Path, folder: Path, roots: tuple[Path, Path], fault: Fault | None, log: bool = False
) -> Iterator[Shim]:
    """The environment variables for a job that meets `fault`; its files go into `folder`."""
    place, log_file = folder / "fault.state", folder / "fault.log"
    log_file.unlink(missing_ok=True)
    place.write_bytes(bytes(ctypes.sizeof(State)))
    with place.open("r+b") as file:
        memory = mmap.mmap(file.fileno(), 0)
    state = State.from_buffer(memory)
    for number, root in enumerate(roots):
        state.root[number].value = os.fsencode(os.path.realpath(root))
    if fault is not None:
        state.in_root, state.kind = fault.root, KINDS.index(fault.kind)
        state.k, state.when = fault.k, WHENS.index(fault.when)
        state.match = os.fsencode(fault.match)
        what = fault.what if fault.what in FAULTS else "errno"
        state.fault = FAULTS.index(what)
        state.error = getattr(errno, fault.what) if what == "errno" else 0
    env = {"LD_PRELOAD": str(library), "FAULT_STATE": str(place)}
    if log:
        env["FAULT_LOG"] = str(log_file)
    try:
        yield Shim(state, env, log_file if log else None)
    finally:
        del state
