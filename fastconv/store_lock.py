"""A lock on an output in an object store: one object, written again and again while a job runs.

Stores have no locks. What they have, the newer ones, is a write that fails where an object is there
already, and every one says which version of it is there. Whoever finds the object of a process that
cannot be looked at watches it for a while: a job that runs writes it again.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from fastconv.atomic import output_error
from fastconv.errors import OutputError
from fastconv.remote.path import RemotePath
from fastconv.remote.store import Store, open_store

LOCK = ".fastconv-lock"
BEAT_SECONDS = 10.0
SILENCE_SECONDS = 35.0  # after which a job that cannot be looked at is taken for dead


def _here() -> str:
    """The machine, since it was started, and what its processes' numbers are of."""
    boot = ""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        boot += f" {os.stat('/proc/self/ns/pid').st_ino}"  # noqa: PTH116
    return boot


def _began(pid: int) -> str:
    """When a process began, so that a number that is given out again is not taken for it."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return ""


@contextlib.contextmanager
def locked(
    out: RemotePath, tell: Callable[[str], None] = lambda _: None
) -> Iterator[Callable[[], None]]:
    """Keep other jobs from `out` meanwhile. Yields what raises OutputError when another one took
    the place over, as it may where this one was not heard of for long. ``tell`` hears when another
    job's lock is watched, which takes a while."""
    lock = _Lock(out, tell)
    try:
        lock.take()
        beat = threading.Thread(target=lock.keep, name="lock", daemon=True)
        beat.start()
    except OSError as error:
        raise output_error(out, error, "run the same command again") from None
    try:
        yield lock.must_be_ours
    finally:
        lock.ended.set()
        beat.join(timeout=1)  # it may wait for a store that hangs
        lock.release()


class _Lock:
    def __init__(self, out: RemotePath, tell: Callable[[str], None]) -> None:
        self._out, self._tell = out, tell
        self._store: Store = open_store(out)
        self._key = (out / LOCK).key
        self._owner = {
            "machine": _here(),
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "began": _began(os.getpid()),
            "token": os.urandom(8).hex(),
        }
        self._beats = 0
        self._lost = ""
        self.ended = threading.Event()

    def take(self) -> None:
        """OSError where the store refuses, OutputError where another job is at work."""
        found = self._read()
        if found is not None:
            self._refuse_if_alive(found)
            self._store.put(self._key, self._text())
        else:
            # FileExistsError: another one was quicker; of stores that heed it.
            with contextlib.suppress(FileExistsError):
                self._store.put(self._key, self._text(), create=True)
        now = self._read()
        if now is None or now.get("token") != self._owner["token"]:
            raise self._occupied(now or {})

    def keep(self) -> None:
        """Write it again and again, until the job ends, or another one has taken it."""
        while not self.ended.wait(BEAT_SECONDS):
            with contextlib.suppress(OSError):  # the job itself will hear of it
                found = self._read()
                if found is None or found.get("token") != self._owner["token"]:
                    self._lost = str((found or {}).get("host", "nobody"))
                    return
                self._beats += 1
                if self.ended.is_set():
                    return
                self._store.put(self._key, self._text())

    def must_be_ours(self) -> None:
        if self._lost:
            raise OutputError(
                f"{self._out}: was taken over by another fastconv (on {self._lost}), as this one "
                f"was not heard of for too long; see which of them is to go on, and run it again"
            )

    def release(self) -> None:
        with contextlib.suppress(OSError):
            found = self._read()
            if found is not None and found.get("token") == self._owner["token"]:
                self._store.delete([self._key])

    def _text(self) -> bytes:
        return json.dumps({**self._owner, "beats": self._beats}).encode() + b"\n"

    def _read(self) -> dict[str, object] | None:
        try:
            said = json.loads(self._store.read(self._key))
        except FileNotFoundError as error:
            if "there is no" in str(error.strerror):
                raise
            return None
        except ValueError:
            return {}
        return said if isinstance(said, dict) else {}

    def _refuse_if_alive(self, found: dict[str, object]) -> None:
        """Where its process can be looked at, by that; else by whether it is written again."""
        pid = found.get("pid")
        if found.get("machine") == self._owner["machine"] != "" and isinstance(pid, int):
            if _began(pid) == found.get("began") != "":
                raise self._occupied(found)
            return
        self._tell(f"waiting for another fastconv's lock (at most {SILENCE_SECONDS:.0f} s)")
        deadline = time.monotonic() + SILENCE_SECONDS
        while time.monotonic() < deadline:
            time.sleep(min(1.0, SILENCE_SECONDS / 5))
            now = self._read()
            if now is None:
                return
            if now != found:
                raise self._occupied(now)

    def _occupied(self, found: dict[str, object]) -> OutputError:
        who = f" (process {found.get('pid')} on {found.get('host')})" if found else ""
        return OutputError(
            f"{self._out}: another fastconv is writing here{who}; wait until it ends, or choose "
            f"another place with --out"
        )
