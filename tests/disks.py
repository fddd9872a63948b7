"""The command line on a small file system of its own."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

UNSHARE = ("unshare", "--mount", "--map-root-user")  # so that mounting needs no privilege
ROOT = Path(__file__).resolve().parent.parent


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "fastconv", *map(str, words)]


def on_its_own_disk(
    options: str, folder: Path, *words: object, before: Sequence[object] = ()
) -> subprocess.CompletedProcess[str]:
    """Run fastconv with a small file system of its own mounted at `folder`, and list it after.
    `before`: the words of another run that comes first, and must succeed."""
    first = shlex.join(command(*before)) if before else ":"
    script = (
        f'mount -t tmpfs -o "$1" tmpfs "$2" || exit 99; shift 2; {first} || exit 98; '
        '"$@"; code=$?; echo; find "$OUT" -type f; exit $code'
    )
    folder.mkdir()
    return subprocess.run(
        [*UNSHARE, "sh", "-c", script, "sh", options, str(folder), *command(*words)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "OUT": str(folder)},
        timeout=60,
    )
