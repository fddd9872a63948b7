"""What stands beside the shards of an output: indexes, labels and manifest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fastconv.comparison.features import summary
from fastconv.comparison.inorder import unreadable
from fastconv.comparison.report import Difference, Place, Tally
from fastconv.comparison.sides import Dataset
from fastconv.layout import INDEXES
from fastconv.manifest import JOURNAL, LABELS, MANIFEST
from fastconv.regular import content

OPTION_GROUPS = ("tool", "options")


def _bytes_of(path: Path) -> bytes | None:
    try:
        return content(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise unreadable(str(path), error) from None


def _first_line(a: bytes, b: bytes) -> str:
    """Where two texts that are not the same begin to differ."""
    left, right = a.split(b"\n"), b.split(b"\n")
    at = next((i for i, (x, y) in enumerate(zip(left, right, strict=False)) if x != y), -1)
    if at < 0:
        at = min(len(left), len(right)) - 1
    sides = (summary(x[at]) if at < len(x) else "nothing" for x in (left, right))
    return f"line {at + 1}: {' | '.join(sides)}"


def compare_labels(a: Dataset, b: Dataset, tally: Tally) -> list[str]:
    """labels.txt, where both sides have it; returns notes."""
    found = [None if side.single else _bytes_of(side.root / LABELS) for side in (a, b)]
    if found[0] is None or found[1] is None:
        return [
            f"{LABELS}: only {mine} has it"
            for mine, data in zip("AB", found, strict=True)
            if data is not None
        ]
    if found[0] != found[1]:
        place = Place(LABELS)
        tally.found(Difference("labels", place, place, text=_first_line(found[0], found[1])))
    return []


def compare_indexes(a: Dataset, b: Dataset, equal: set[str], tally: Tally) -> list[str]:
    """Index files, where both sides have a folder of them; returns notes.

    Those of shards whose bytes are the same (`equal`) must be the same: in others, the same records
    can stand at other offsets.
    """
    if a.indexes is None or b.indexes is None:
        return [
            f"{INDEXES}: only {mine} has it"
            for mine, side in (("A", a), ("B", b))
            if side.indexes is not None
        ]
    shards_of_both = a.sizes.keys() & b.sizes.keys()
    for name in sorted(a.indexes ^ b.indexes):
        if name in shards_of_both:
            place = Place(f"{INDEXES}/{name}")
            places = (place, None) if name in a.indexes else (None, place)
            tally.found(Difference("index", *places))
    for name in sorted(a.indexes & b.indexes & equal):
        left, right = (_bytes_of(side.root / INDEXES / name) or b"" for side in (a, b))
        if left != right:
            place = Place(f"{INDEXES}/{name}")
            tally.found(Difference("index", place, place, text=_first_line(left, right)))
    return []


def manifest_notes(a: Dataset, b: Dataset) -> list[str]:
    """How the two were made, where that differs: no difference of the records by itself."""
    flat = []
    notes = []
    for mine, side in (("A", a), ("B", b)):
        manifest, why = (None, "") if side.single else _manifest(side.root)
        notes += [f"{mine}: {why}"] if why else []
        if manifest is not None:
            flat.append(_flat({k: manifest[k] for k in OPTION_GROUPS if k in manifest}))
    if len(flat) < 2:
        return notes
    for name in sorted(flat[0].keys() | flat[1].keys()):
        sides = [json.dumps(f[name], ensure_ascii=True) if name in f else "none" for f in flat]
        if sides[0] != sides[1]:
            notes.append(f"{name}: A {sides[0]}, B {sides[1]}")
    return notes


def _flat(values: dict[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{before}{name}.")
        else:
            flat[f"{before}{name}"] = value
    return flat


def _manifest(root: Path) -> tuple[dict[str, Any] | None, str]:
    """The manifest of an output, if it has one, and what is to be said about it."""
    data = _bytes_of(root / MANIFEST)
    if data is None:
        if _bytes_of(root / JOURNAL) is None:
            return None, ""
        return None, f"the job that wrote it did not end: {JOURNAL} is there, {MANIFEST} is not"
    try:
        manifest = json.loads(data)
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict):
        return None, f"{MANIFEST} cannot be understood"
    return manifest, ""
