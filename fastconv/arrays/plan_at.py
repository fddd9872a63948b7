"""The plan that a person names: where it is, whether it is that of its folder, or done already."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from fastconv.atomic import output_error
from fastconv.errors import InputError, UsageError
from fastconv.manifest import JOURNAL, MANIFEST, is_there, root_of
from fastconv.options import PathLike, clean_path
from fastconv.planfile import PlanFile
from fastconv.planned import PLAN, PLANNED
from fastconv.regular import content
from fastconv.remote.path import is_remote

AGAIN = "the same options, or others with --overwrite"


def plan_path(named: PathLike) -> Path:
    """The plan that a person names: by its file, or by its output's folder; of the layout of
    TensorFlow Datasets also by OUT, or as OUT/plan."""
    path = local_path(named, "--plan")
    if path.is_dir():
        return root_of(path) / PLAN
    if path.name == PLAN and not path.exists() and path.parent.is_dir():
        return root_of(path.parent) / PLAN
    return path


def local_path(named: PathLike, option: str) -> Path:
    """The path that a person means. UsageError for one in an object store."""
    if is_remote(named):
        raise UsageError(f"{option}: plans and shares are in folders, and this is a URL")
    return clean_path(named, option, absolute=False)


def is_finished(root: Path) -> bool:
    """Whether the manifest is there, and no plan any more: a journal that names one is left by a
    finish that ended right after that."""
    try:
        if is_there(root / PLAN) or not is_there(root / MANIFEST):
            return False
        return not is_there(root / JOURNAL) or bool(_identity_at(root))
    except OSError as error:
        raise output_error(error.filename or root, error) from None


def _identity_at(root: Path) -> str | None:
    """The identity of the plan that the journal in a folder names."""
    try:
        data = content(root / JOURNAL)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InputError(f"{root / JOURNAL}: cannot be read: {error.strerror}") from None
    with suppress(ValueError, RecursionError):
        told = json.loads(data.partition(b"\n")[0])
        if isinstance(told, dict) and isinstance(told.get(PLANNED), str):
            return str(told[PLANNED])
    return None


def opened(path: Path) -> PlanFile:
    """A plan. Raises InputError where there is none, or where it is not that of the folder it is
    in."""
    root = path.parent
    if not path.exists():
        raise InputError(
            f"{path}: there is no plan; write one with fastconv plan SOURCE --out {root}"
        )
    plan = PlanFile.at(path)
    if not plan.identity or plan.identity != _identity_at(root):
        raise InputError(
            f"{path}: is not the plan of the folder it is in, whose {JOURNAL} does not name it: a "
            f"plan stays where fastconv plan wrote it; run fastconv plan again, with {AGAIN}"
        )
    return plan
