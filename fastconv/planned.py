"""What an output has beside its journal while a job array writes it: the plan, and a journal for
each share of its shards."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastconv.regular import content

PLAN = "plan"
SHARES = "shares"
ENDING = ".journal"
PLANNED = "planned"  # the plan's identity, in the first lines of journals
IDENTITY = re.compile("[0-9a-f]{16}")


def job_folder(identity: str) -> str:
    """The folder of the shares' unfinished files, below that of all unfinished files."""
    return f"job-{identity}"


def planned_files(out: Path) -> list[str]:
    """Those of them that are in `out`, as relative paths. OSError where it cannot be read."""
    files = [PLAN] if (out / PLAN).is_file() else []
    with suppress(FileNotFoundError, NotADirectoryError):
        names = sorted(entry.name for entry in (out / SHARES).iterdir())
        files += [f"{SHARES}/{name}" for name in names if name.endswith(ENDING)]
    return files


def share_journals(
    out: Path, identity: str | None = None
) -> Iterator[tuple[dict[str, Any], bytes]]:
    """The first line and the others of each share's journal that is of this plan, or of any.
    OSError where one cannot be read."""
    for name in planned_files(out):
        if name == PLAN:
            continue
        with suppress(FileNotFoundError):  # removed meanwhile
            first, _, rest = content(out / name).partition(b"\n")
            with suppress(ValueError, RecursionError):
                facts = json.loads(first)
                if isinstance(facts, dict) and identity in (None, facts.get(PLANNED)):
                    yield facts, rest


def share_runs(out: Path) -> list[Any]:
    """What shares say of how they went, unchecked. OSError where a journal cannot be read."""
    runs = []
    for _, lines in share_journals(out):
        for line in lines.splitlines():
            with suppress(ValueError, RecursionError):
                told = json.loads(line)
                if isinstance(told, dict) and "run" in told:
                    runs.append(told["run"])
    return runs


def remove_planned(out: Path) -> None:
    """Take these files away, the plan first: without it no share begins any more."""
    for name in planned_files(out):
        (out / name).unlink(missing_ok=True)
    with suppress(OSError):  # it is not there, or holds what is not ours
        (out / SHARES).rmdir()
