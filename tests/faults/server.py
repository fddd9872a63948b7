"""Runs of the fastconv command, each in a fork of a process that has its modules loaded.

    LD_PRELOAD=shim.so python server.py

Starting an interpreter and loading NumPy is most of what a small job takes. So thousands of them
are forked from here: a line of JSON on standard input names the words, the environment and where
standard error goes, and its answer is the exit code, or minus the signal's number. Workers are
fresh interpreters, as ever.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from typing import Any, NoReturn


def forked(task: dict[str, Any]) -> NoReturn:
    from fastconv import cli

    os.environ.update(task["env"])
    errors = os.open(task["errors"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.dup2(errors, 2)
    os.closerange(3, 100)
    sys.argv = ["fastconv", *task["words"]]
    ctypes.CDLL(None).fault_attach()
    cli.main()


def main() -> None:
    import fastconv.conversion
    import fastconv.display
    import fastconv.tables  # noqa: F401

    for line in sys.stdin:
        task = json.loads(line)
        pid = os.fork()
        if pid == 0:
            forked(task)
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
