"""What an earlier run left of class folders, and whether this one may go on from there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastconv.atomic import output_error
from fastconv.differences import differences
from fastconv.errors import OutputError
from fastconv.folders.part import Part, encoded, open_folder
from fastconv.manifest import JOURNAL, MANIFEST, RAW, is_there, parse, refuse_occupied
from fastconv.regular import content
from fastconv.sources.kinds import text

FORMAT = 1  # of these manifests
Key = tuple[str, str, int]
FACTS = {"options": dict, "plan": list, "source": dict}


@dataclass(frozen=True, slots=True)
class Past:
    """``facts``: of the job, as manifest or journal say them; ``done``: the parts that it says are
    whole, by their keys; ``is_finished``: whether it is the manifest."""

    facts: dict[str, Any]
    done: frozenset[Key]
    is_finished: bool


def look_back(out: Path, facts: dict[str, Any], resume: bool) -> Past | None:
    """What there is to go on from; None where `out` is empty. ``facts`` are those of the job that
    is to be done, all of them or those that are known so far.

    Raises OutputError where `out` holds anything else, or what another job wrote, naming the
    difference.
    """
    past = _read(out) if resume else None
    if past is None:
        refuse_occupied(out, "choose a folder that is new or empty")
        return None
    found = differences(past.facts, facts)
    if found:
        raise OutputError(
            f"{out}: holds what another job wrote: {'; '.join(found)}. Go on with the same options "
            f"and source, remove the folder yourself, or choose another with --out"
        )
    return past


def _read(out: Path) -> Past | None:
    path = out / JOURNAL
    try:
        finished = not is_there(path)
        if finished:
            path = out / MANIFEST
        data = content(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise output_error(path, error) from None
    first, _, rest = (data, b"", b"") if finished else data.partition(b"\n")
    facts = parse(path, first, RAW)
    if facts.get("format") != FORMAT:  # by which differences() refuses it
        return Past(facts, frozenset(), finished)
    try:
        if not all(isinstance(facts.get(name), form) for name, form in FACTS.items()):
            raise ValueError
        parts = facts["parts"] if finished else _of_journal(rest)
        done = frozenset((part["split"], part["class"], part["part"]) for part in parts)
    except (KeyError, TypeError, ValueError):
        raise OutputError(
            f"{path}: is damaged, so that nothing is known of the folders here; remove {out} "
            f"yourself, or choose another folder with --out"
        ) from None
    return Past(facts, done, finished)


def _of_journal(lines: bytes) -> list[dict[str, Any]]:
    """A line that was cut off while it was written ends what is known."""
    parts = []
    for line in lines.splitlines():
        try:
            part = json.loads(line)["part"]
            part["split"], part["class"], part["part"]
        except (ValueError, KeyError, TypeError):
            break
        parts.append(part)
    return parts


# A file by its size, or a link by where it leads.
Form = int | bytes
Due = Mapping[bytes, Form]
ABSENT = "absent"


def what_is_amiss(out: Path, parts: Sequence[Part], due: Callable[[Part], Due]) -> dict[int, str]:
    """Which of the `parts`, all of a job, are not whole in `out` by the names and sizes of their
    files, or by where their links lead, with the reasons, by number. ``due`` says what there must
    be.

    Raises OutputError for what is in a class folder, or beside one, and is none of the job's:
    readers would take it for an image, or for a class.
    """
    amiss: dict[int, str] = {}
    by_split: dict[str, dict[str, list[Part]]] = {}
    for part in parts:
        by_split.setdefault(part.split, {}).setdefault(part.klass, []).append(part)
    for split, classes in by_split.items():
        try:
            inside = open_folder(out / split, str(out / split))
        except FileNotFoundError:
            amiss.update((part.number, "is not there") for part in parts if part.split == split)
            continue
        try:
            _refuse(out / split, _names(inside) - set(map(encoded, classes)))
            for klass, own in classes.items():
                found = _found(out / split / klass, klass, inside)
                for part in own:
                    reason = _first_amiss(due(part), found)
                    if reason:
                        amiss[part.number] = reason
                _refuse(out / split / klass, found)
        finally:
            os.close(inside)
    return amiss


def _names(folder: int) -> set[bytes]:
    with os.scandir(folder) as entries:
        return {os.fsencode(entry.name) for entry in entries}


def _refuse(folder: Path, strangers: Collection[bytes]) -> None:
    shown = [name for name in strangers if not name.startswith(b".")]
    if shown:
        raise OutputError(
            f"{folder / text(min(shown))}: is none of this job's, and who reads the class "
            f"folders would take it for an image or a class; move it away"
        )


def _found(path: Path, name: str, inside: int) -> dict[bytes, Form | None]:
    """What a class folder holds, by name; None for what is neither file nor link."""
    try:
        folder = open_folder(path, name, inside)
    except FileNotFoundError:
        return {}
    found: dict[bytes, Form | None] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                form: Form | None = None
                if entry.is_symlink():
                    form = os.fsencode(os.readlink(entry.name, dir_fd=folder))
                elif entry.is_file():
                    form = entry.stat(follow_symlinks=False).st_size
                found[os.fsencode(entry.name)] = form
    except OSError as error:
        raise output_error(path, error) from None
    finally:
        os.close(folder)
    return found


def _first_amiss(due: Due, found: dict[bytes, Form | None]) -> str:
    """Why not all that is due was found; what is due is taken out of `found`."""
    reason = ""
    for name, right in due.items():
        form: Form | str | None = found.pop(name, ABSENT)
        if form != right and not reason:
            reason = f"{text(name)} {_said(form, right)}"
    return reason


def _said(form: Form | str | None, right: Form) -> str:
    if form == ABSENT:
        return "is not there"
    if isinstance(form, int) and isinstance(right, int):
        return f"has {form:,} bytes, not {right:,}"
    if isinstance(form, bytes) and isinstance(right, bytes):
        return f"leads to {text(form)}, not to {text(right)}"
    return "is no file" if isinstance(right, int) else "is no link"
