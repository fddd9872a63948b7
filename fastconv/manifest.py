"""What was written, with counts and checksums: the file that says what an output holds.

While a job runs, ``manifest.journal`` (fastconv.journal) grows where the manifest will be.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fastconv.atomic import output_error, write_file
from fastconv.errors import InputError, OutputError
from fastconv.layout import DATA, INDEXES, NAME, VERSION
from fastconv.planned import PLANNED, SHARES, planned_files
from fastconv.regular import content
from fastconv.remote.path import Place
from fastconv.version import __version__

FORMAT = 2
TOOL = f"fastconv {__version__}"
MANIFEST = "manifest.json"
JOURNAL = "manifest.journal"
LABELS = "labels.txt"
RUNS = "runs.json"
PARTIAL = ".fastconv-partial"
FOLDERS = (DATA, INDEXES)
# In PARTIAL, folders of files: `fastconv raw`'s, and of jobs whose workers are not ours to end.
PART = re.compile(r"part-\d+")
JOB = re.compile(r"job-[0-9a-f]{16}(\.gone-[0-9a-f]{8})?")
# What an output is, where its manifest says so; shards' manifests do not.
RAW = "raw"
CALLED = {None: "shards, by `fastconv shards`", RAW: "class folders, by `fastconv raw`"}
OURS = re.compile(
    r"(data_dir|idx_dir)/[^/\0]+(?<!/\.)(?<!/\.\.)|labels\.txt|runs\.json|manifest\.(json|journal)"
    r"|[a-z][a-z0-9_]*-[a-z]+\.tfrecord-\d{5}-of-\d{5}"
    r"|dataset_info\.json|features\.json|[^/\0]+\.labels\.txt|plan|shares/[^/\0]+\.journal"
)
# What a file system or its administrator puts into a folder that counts as empty all the same.
NOT_CONTENT = ("lost+found",)


def contents(out: Path) -> list[str]:
    """Names in `out` that make it more than an empty folder; OutputError if it is none. Folders
    of an output that are empty, as a job leaves them that ended before its journal, are nothing.
    """
    try:
        names = sorted(entry.name for entry in out.iterdir())
        return [name for name in names if not _is_nothing(out, name)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise output_error(error.filename or out, error) from None


def root_of(named: Path) -> Path:
    """The folder with the manifest of the output that a person names: that folder, the one above
    its data_dir, or, of the layout of TensorFlow Datasets, the one of a version in the one of a
    dataset in it. `named` itself where no manifest is found. Raises InputError where there are
    several."""

    def has_manifest(folder: Path) -> bool:
        return any((folder / name).is_file() for name in (MANIFEST, JOURNAL))

    with contextlib.suppress(OSError):
        if not named.is_dir() or has_manifest(named) or (named / DATA).is_dir():
            return named
        if named.name == DATA:
            return named.absolute().parent
        found = [path for path in versions_in(named) if has_manifest(path)]
        if len(found) > 1:
            shown = ", ".join(map(str, found[:4])) + (", …" if found[4:] else "")
            raise InputError(f"{named}: holds several outputs ({shown}); name one of them")
        return found[0] if found else named
    return named


def versions_in(folder: Path) -> list[Path]:
    """Folders below this one that are named as those of a dataset's version, in their dataset's
    folder or without it: of the layout of TensorFlow Datasets."""
    try:
        datasets = sorted(path for path in folder.iterdir() if NAME.fullmatch(path.name))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [
        version
        for dataset in (folder, *datasets)
        if dataset.is_dir()
        for version in sorted(dataset.iterdir())
        if VERSION.fullmatch(version.name) and version.is_dir()
    ]


def is_there(path: Path) -> bool:
    """Whether there is anything under this name. OSError where that cannot be found out, which
    os.path.lexists takes for a no."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _is_nothing(out: Path, name: str) -> bool:
    if name in NOT_CONTENT or name.startswith("."):
        return True
    return name in (*FOLDERS, SHARES) and (out / name).is_dir() and not any((out / name).iterdir())


def _written_before(out: Path) -> Iterator[str]:
    """Files below `out` that a manifest or journal there says are ours, as relative paths."""
    for name in (MANIFEST, JOURNAL):
        try:
            data = content(out / name)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise output_error(out / name, error) from None
        if name == JOURNAL:
            data, _, _ = data.partition(b"\n")
        if data or name == MANIFEST:
            facts = parse(out / name, data)
            yield from facts.get("files", [])
            if facts.get(PLANNED):
                yield from planned_files(out)


def _are_ours(names: object) -> bool:
    """Whether this is a list of files that fastconv writes."""
    return isinstance(names, list) and all(
        isinstance(name, str) and OURS.fullmatch(name) for name in names
    )


def kind_of(out: Path) -> str | None:
    """What kind of output the journal or the manifest in `out` says that it holds; None for shards,
    and where nothing is known."""
    for name in (JOURNAL, MANIFEST):
        with contextlib.suppress(OSError, ValueError, RecursionError):
            data = content(out / name)
            value = json.loads(data.partition(b"\n")[0] if name == JOURNAL else data)
            if isinstance(value, dict) and isinstance(value.get("kind"), str):
                return str(value["kind"])
    return None


def refuse_class_folders(root: Path) -> None:
    """InputError where shards are looked for in an output of class folders."""
    if kind_of(root) == RAW:
        raise InputError(
            f"{root}: holds class folders, by `fastconv raw`, and no shards; the same command, run "
            f"again, checks the names and sizes of their files"
        )


def parse(path: Place, data: bytes, kind: str | None = None) -> dict[str, Any]:
    """A manifest, or a journal's first line, of an output of this kind. OutputError where it is
    none of fastconv's, or of an output of another kind."""
    try:
        try:
            value: dict[str, Any] = json.loads(data)
        except RecursionError:
            raise ValueError("it is nested without end") from None
        ours = isinstance(value, dict) and str(value.get("tool", "")).startswith("fastconv ")
        if not ours or not _are_ours(value.get("files", [])):
            raise ValueError("it is no manifest of fastconv's")
    except ValueError as error:
        raise OutputError(
            f"{path}: cannot be understood ({error}), so nothing here is overwritten; remove the "
            f"folder yourself, or choose another with --out"
        ) from None
    if value.get("kind") != kind:
        held = CALLED.get(value.get("kind"), f"an output of kind {value.get('kind')}")
        raise OutputError(
            f"{path}: says that this folder holds {held}, which is not replaced; remove the folder "
            f"yourself, or choose another with --out"
        )
    return value


def refuse_occupied(
    out: Path,
    advice: str = "choose an empty folder, or replace what fastconv wrote there with --overwrite",
) -> None:
    """OutputError where `out` already holds anything."""
    names = contents(out)
    if names:
        shown = ", ".join(names[:4]) + (", …" if names[4:] else "")
        raise OutputError(f"{out}: already holds something ({shown}); {advice}")


def removable(out: Path) -> tuple[int, int]:
    """(bytes on disk, files) that a job which overwrites `out` removes there."""
    space = files = 0
    with contextlib.suppress(OSError, OutputError):  # clear_for says what is wrong
        ours = [out / name for name in set(_written_before(out))]
        partial = out / PARTIAL
        for path in [*ours, *(partial.iterdir() if partial.is_dir() else ())]:
            with contextlib.suppress(FileNotFoundError):
                status = path.lstat()
                if status.st_nlink == 1:
                    space += 512 * status.st_blocks
                    files += 1
    return space, files


def clear_for(out: Path, files: Iterable[str]) -> None:
    """Make way for `files` (relative paths) in `out`: what an earlier run wrote there is removed,
    and nothing else. Raises OutputError, with nothing removed, where a file that is not fastconv's
    own is in the way.
    """
    if not contents(out):
        return
    ours = set(_written_before(out))
    try:
        _clear(out, files, ours)
    except OSError as error:
        raise output_error(error.filename or out, error) from None


def _clear(out: Path, files: Iterable[str], ours: set[str]) -> None:
    in_the_way = [name for name in files if name not in ours and is_there(out / name)]
    if in_the_way:
        raise OutputError(
            f"{out / in_the_way[0]}: is in the way, and no manifest says that fastconv wrote it; "
            f"move it away, or choose another folder with --out"
        )
    folders = [name for name in ours if (out / name).is_dir() and not (out / name).is_symlink()]
    if folders:
        raise OutputError(f"{out / folders[0]}: is a folder where a file should be; move it away")
    # Should this end half-way, the next run must know all the same what is ours.
    remove_partial(out)  # what an earlier job's workers still write gets no final name from here on
    (out / PARTIAL).mkdir(exist_ok=True)
    line = json.dumps({"tool": TOOL, "files": sorted(ours)}).encode() + b"\n"
    write_file(out / JOURNAL, line, out / PARTIAL / JOURNAL)
    # The manifest goes first, for it must never claim what is gone; the journal, which only says
    # what is ours, goes last.
    for name in (MANIFEST, *sorted(ours - {MANIFEST, JOURNAL}), JOURNAL):
        (out / name).unlink(missing_ok=True)
    remove_partial(out)
    for folder in (*FOLDERS, SHARES):
        if not any(name.startswith(f"{folder}/") for name in files):
            with contextlib.suppress(OSError):  # it is not there, or holds what is not ours
                (out / folder).rmdir()


def refuse_mixture(out: Path, root: Path) -> None:
    """OutputError where `out` holds an output of another layout than the one whose manifest will be
    in `root`: each would be in the other's way, and --overwrite would replace neither."""
    kind, folders = ("slim", [out]) if root != out else ("tfds", [])
    try:
        folders = folders or versions_in(out)
        there = (p for p in folders for name in (MANIFEST, JOURNAL) if is_there(p / name))
        other = next(there, None)
    except OSError as error:
        raise output_error(error.filename or out, error) from None
    if other is not None:
        held = "class folders" if kind_of(other) == RAW else f"shards of --layout {kind}"
        raise OutputError(
            f"{other}: holds what fastconv wrote before, {held}, and one folder is for one kind of "
            f"output; choose another with --out, or remove it first"
        )


def make_room(out: Path) -> None:
    """Remove what a killed job left unfinished. OutputError where that cannot be."""
    try:
        remove_partial(out)
    except OSError as error:
        raise output_error(error.filename or out, error) from None


def remove_partial(out: Path) -> None:
    """Remove unfinished files, and folders of them, ours by their folder's name."""
    folder = out / PARTIAL
    with contextlib.suppress(FileNotFoundError):
        if folder.is_symlink():  # what it leads to is not ours
            folder.unlink()
            return
        held = False
        for entry in folder.iterdir():
            is_folder = entry.is_dir() and not entry.is_symlink()
            if is_folder and JOB.fullmatch(entry.name):
                held |= not _removed(entry)
            elif is_folder and PART.fullmatch(entry.name):
                shutil.rmtree(entry)
            else:
                entry.unlink()
        if not held:
            folder.rmdir()


def _removed(folder: Path) -> bool:
    """Whether the folder of an earlier job is gone for good. It goes by another name first: workers
    that are still at it find their files no more. On a network disk what they hold open may keep
    the folder itself a while; the next job tries again."""
    if ".gone-" not in folder.name:
        folder = folder.rename(folder.with_name(f"{folder.name}.gone-{secrets.token_hex(4)}"))
    try:
        shutil.rmtree(folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EBUSY, errno.ENOENT):
            raise
        return not is_there(folder)
    return True


def dump(manifest: dict[str, Any]) -> bytes:
    """The manifest as JSON with a line for each of its values and for each item of its lists, so
    that it can be read with eyes, grep and diff."""
    lines = []
    for key, value in manifest.items():
        if isinstance(value, list) and value:
            items = ",\n  ".join(json.dumps(item) for item in value)
            lines.append(f"{json.dumps(key)}: [\n  {items}\n ]")
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(value)}")
    return ("{\n " + ",\n ".join(lines) + "\n}\n").encode()


@contextlib.contextmanager
def locked(out: Path, shared: bool = False) -> Iterator[None]:
    """Make the folder `out`, and keep other jobs of fastconv from it meanwhile; those that take a
    ``shared`` lock, only from the others.

    Raises OutputError where one is at work there. The lock ends with its process, however that
    ends; a file system without locks goes without.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        fd = os.open(out, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise output_error(out, error) from None
    try:
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(
                f"{out}: another fastconv is writing here; wait until it ends, or choose another "
                f"folder with --out"
            ) from None
        except OSError:
            pass  # no locks here
        yield
    finally:
        with contextlib.suppress(OSError):  # nothing was written by it
            os.close(fd)
