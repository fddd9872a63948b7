"""What there is to be shown at a path: which shards, how to read them, and which of their records.

Shown are records, one after the other; see fastconv.pictures for how they look.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastconv.atomic import ANEW, output_error
from fastconv.comparison.sides import holds_records, open_side
from fastconv.errors import InputError, OutputError, RecordError, UsageError
from fastconv.layout import DATA, INDEXES, refuse_among
from fastconv.manifest import FORMAT, LABELS
from fastconv.past import Past, read_past
from fastconv.pictures.pick import Picker
from fastconv.pictures.places import Place
from fastconv.pictures.shown import NO_CLASSES, Classes
from fastconv.regular import content
from fastconv.schema import stored_names

LIMIT = 20
TFDS_LABELS = "label.labels.txt"
# Without indexes, records of so many bytes are counted by their frames, which for more takes long
# on a disk that has to look for each.
COUNTED_BYTES = 4_000_000_000
NEAR = 3  # names that are offered for one that is not there


@dataclass(frozen=True, slots=True)
class Looked:
    """``path``: what was named; ``single``: whether that is one file; ``sizes``: bytes of the
    shards, in the picker's order; ``passed_over``: names of files beside them without records, or
    that the manifest does not name; ``is_output``: whether a manifest says what they are."""

    path: Path
    single: bool
    picker: Picker
    sizes: tuple[int, ...]
    passed_over: tuple[str, ...] = ()
    is_output: bool = False

    @property
    def bytes(self) -> int:
        return sum(self.sizes)

    def records(self) -> int | None:
        """How many records there are; None where counting them would take long. Raises RecordError
        where a shard is damaged, and InputError where it cannot be read."""
        if self.bytes > COUNTED_BYTES and self.picker.indexes is None:
            return None
        return sum(self.picker.counts())


@dataclass(frozen=True, slots=True)
class Picked:
    """``places``: the records; ``what``: which they are, in words."""

    places: list[Place]
    what: str


def look(given: str | Path) -> Looked:
    """What is at a path: a shard, an output of fastconv's, its folder of shards, or a folder of
    anybody's TFRecord files. Raises InputError where there is nothing with records."""
    named = Path(given).expanduser()
    side = open_side(named)
    every = tuple(Path(file.path) for file in side.files)
    folder = every[0].parent
    past = _past(folder)
    shards = every if side.single else tuple(path for path in every if _is_shard(path, past))
    if not shards:
        raise InputError(f"{folder}: holds no TFRecord files, or none that its manifest names")
    passed_over = () if past else side.passed_over
    passed_over = (*passed_over, *(path.name for path in every if path not in set(shards)))
    indexes = next(
        (place for place in (folder / INDEXES, folder.parent / INDEXES) if place.is_dir()), None
    )
    picker = Picker(
        shards, indexes, stored_names(past.facts if past else None), _classes(past, folder)
    )
    sizes = tuple(side.sizes[shard.name] for shard in shards)
    return Looked(named, side.single, picker, sizes, passed_over, past is not None)


def _is_shard(path: Path, past: Past | None) -> bool:
    """Whether a file beside shards is one: a manifest names them all, a journal those that it knew
    of; else its content says it."""
    if past is not None and (past.is_finished or path.name in past.shards):
        return path.name in past.shards
    return holds_records(path)


def refuse_sheet(sheet: Path, looked: Looked) -> None:
    """UsageError where a sheet would lie among the shards or the indexes of an output, of this one
    or of another. Beside TFRecord files that nobody's readers find by their folder, it may lie."""
    try:
        here, folder = sheet.parent.resolve(), looked.picker.shards[0].parent
        taken = [folder] if looked.is_output or folder.resolve().name == DATA else []
        if looked.picker.indexes is not None:
            taken.append(looked.picker.indexes)
        of = (here.parent, here.parent / DATA) if here.name == INDEXES else (here,)
        if any(map(_past, of)):
            taken.append(here)
        refuse_among(sheet, "--sheet", taken)
    except OSError as error:
        raise output_error(sheet, error, ANEW) from None


def _past(folder: Path) -> Past | None:
    """What a manifest or journal says of these shards, beside them or one folder above. One that
    cannot be understood is for verify to find."""
    for root in (folder, folder.parent):
        try:
            past = read_past(root)
        except OutputError:
            continue
        if past is not None and past.facts.get("format") == FORMAT and "options" in past.facts:
            at = root / past.layout.data
            return past if at.resolve() == folder.resolve() else None
    return None


def _classes(past: Past | None, folder: Path) -> Classes:
    """The names of labels, where they are known."""
    if past is not None:
        first, path = past.facts["options"]["label_offset"], Path(str(past.path)).with_name(LABELS)
    else:
        first, path = 0, folder / TFDS_LABELS
    try:
        text = content(path).decode("utf-8", "surrogateescape")
    except OSError:
        return NO_CLASSES
    return Classes(tuple(text.split("\n")[:-1]), first)


def pick(
    looked: Looked,
    *,
    limit: int | None = None,
    of_class: str | None = None,
    at_random: int | None = None,
    seed: int = 0,
) -> Picked:
    """The records to be shown: the first `limit` (20), or `at_random` of all, of one class where
    one is named. Raises UsageError where both numbers are given, InputError where no record is of
    the class, and what reading raises."""
    if limit is not None and at_random is not None:
        raise UsageError("--limit is of the first records, --random of others; give one of them")
    count = at_random or limit or LIMIT
    drawn = f"at random, seed {seed}"
    if of_class is None:
        if at_random is None:
            places = looked.picker.first(count)
            return Picked(places, f"the first {len(places):,}")
        places = looked.picker.at_random(count, seed)
        return Picked(places, f"{len(places):,} {drawn}")
    places, seen = looked.picker.of_class(of_class, count, None if at_random is None else seed)
    if not places:
        raise InputError(f"{looked.path}: {_none_of(of_class, seen, looked.picker.classes.names)}")
    ranked = "the first " if at_random is None and len(places) == count else ""
    end = f", {drawn}" if at_random is not None else ""
    return Picked(places, f"{ranked}{len(places):,} of class {of_class}{end}")


def _none_of(name: str, seen: set[str], known: Sequence[str]) -> str:
    if name in known:
        return f"no record is of class {name}, though {LABELS} has it"
    if not seen:
        return f"no record is of class {name}; none says of what class it is"
    names = {one.casefold(): one for one in sorted(seen)}
    near = [names[one] for one in difflib.get_close_matches(name.casefold(), names, NEAR, 0.5)]
    near += [one for one in sorted(seen) if name.casefold() in one.casefold()]
    if near:
        found = ", ".join(dict.fromkeys(near[:NEAR]))
        return f"no record is of class {name}; there is {found}"
    some = ", ".join(sorted(seen)[:NEAR])
    return f"no record is of class {name}; there are others, such as {some}"


def one(looked: Looked, record: int) -> tuple[Place, bytes]:
    """Record `record` of the only shard, and what is in it. Raises UsageError where there is no
    such record, or more than one shard; and what reading raises."""
    shards = looked.picker.shards
    if len(shards) > 1:
        raise UsageError(
            f"--record {record}: {looked.path} holds {len(shards):,} shards; name one of them, "
            f"such as {shards[0]}"
        )
    place = looked.picker.at(record)
    if place is None:
        count = looked.picker.counts()[0]
        there = f"0 to {count - 1:,}" if count else "none"
        raise UsageError(
            f"--record {record}: {shards[0]} has {count:,} record{'' if count == 1 else 's'}: "
            f"{there}"
        )
    return next(looked.picker.payloads([place]))


def damage(looked: Looked) -> tuple[int | None, RecordError | None]:
    """(how many records there are, where that is known; what is damaged about a shard)."""
    try:
        return looked.records(), None
    except RecordError as error:
        return None, error


def totals(looked: Looked, records: int | None) -> dict[str, Any]:
    """What there is, as values that JSON knows."""
    return {
        "path": str(looked.path),
        "shards": len(looked.sizes),
        "records": records,
        "bytes": looked.bytes,
        "passed_over": list(looked.passed_over),
    }
