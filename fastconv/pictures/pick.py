"""Which records are looked at: the first, some at random, those of a class."""

from __future__ import annotations

import itertools
import random
import sys
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastconv.pictures.places import Facts, Place, count, places
from fastconv.pictures.shown import (
    NO_CLASSES,
    Classes,
    Shown,
    class_of,
    parsed,
    shown_of,
)
from fastconv.reader import FRAME_BYTES, read_record, read_records

NAMES_KEPT = 20_000  # classes' names that are remembered, to tell which are near


@dataclass(frozen=True, slots=True)
class Picker:
    """Finds records in shards, and reads those alone.

    ``shards``: TFRecord files, in order; ``indexes``: the folder of their indexes, where there is
    one; ``stored``: what slim's features are called here, where they are called otherwise;
    ``classes``: names of labels, where they are known.

    Its methods raise InputError where a file cannot be read, and RecordError, naming the shard,
    the record and its offset, where one is damaged.
    """

    shards: Sequence[Path]
    indexes: Path | None = None
    stored: Mapping[str, str] = field(default_factory=dict)
    classes: Classes = NO_CLASSES

    def counts(self) -> list[int]:
        """How many records each shard has: lines of its index, or else its frames."""
        return [count(shard, self._index(shard)) for shard in self.shards]

    def at(self, record: int) -> Place | None:
        """Record `record` of the first shard; None where it has no such record."""
        record = min(record, sys.maxsize)  # see _at_most
        return next(itertools.islice(self._places(self.shards[0]), record, None), None)

    def first(self, limit: int) -> list[Place]:
        """The first `limit` records; no more is read than they need."""
        every = itertools.chain.from_iterable(map(self._places, self.shards))
        return _at_most(limit, every)

    def at_random(self, limit: int, seed: int = 0) -> list[Place]:
        """`limit` records at random, the same ones for a seed, in the order that they stand in."""
        counts = self.counts()
        total = sum(counts)
        numbers = sorted(random.Random(seed).sample(range(total), min(limit, total)))
        picked, begin = [], 0
        for shard, records in zip(self.shards, counts, strict=True):
            here = numbers[bisect_left(numbers, begin) : bisect_left(numbers, begin + records)]
            wanted = {number - begin for number in here}
            if wanted:
                last = max(wanted) + 1
                picked += [
                    place
                    for place in itertools.islice(self._places(shard), last)
                    if place.record in wanted
                ]
            begin += records
        return picked

    def of_class(
        self, name: str, limit: int, seed: int | None = None
    ) -> tuple[list[Place], set[str]]:
        """(the first `limit` records of a class, names of classes that were seen on the way); with
        a seed, `limit` of all of them at random, in the order that they stand in.

        ``name`` is a class as records name it, a label's number, or a class's whole text. Records'
        images are passed over.
        """
        wanted = Wanted(name, self.stored, self.classes)
        matching = (place for place, facts in self._facts() if wanted.is_met_by(facts))
        if seed is None:
            return _at_most(limit, matching), wanted.seen
        rng, kept = random.Random(seed), []
        for number, place in enumerate(matching):  # each of them is kept with the same chance
            if number < limit:
                kept.append((number, place))
            elif (slot := rng.randrange(number + 1)) < limit:
                kept[slot] = (number, place)
        return [place for _, place in sorted(kept, key=lambda one: one[0])], wanted.seen

    def payloads(self, picked: Iterable[Place]) -> Iterator[tuple[Place, bytes]]:
        """What is in records, one after the other, checksums checked."""
        for shard, group in itertools.groupby(picked, key=lambda place: place.shard):
            compressed: Iterator[tuple[int, bytes]] | None = None
            for place in group:
                if place.offset is not None:
                    yield place, read_record(shard, place.record, place.offset)
                    continue
                compressed = compressed or enumerate(read_records(shard))
                yield place, next(data for n, data in compressed if n == place.record)

    def shown(self, picked: Iterable[Place]) -> Iterator[Shown]:
        """Records as they are shown, each read when it is asked for."""
        for place, payload in self.payloads(picked):
            features = parsed(payload, where(place))
            yield shown_of(features, *_row(place), self.stored, self.classes)

    def _facts(self) -> Iterator[tuple[Place, Mapping[str, Any]]]:
        for shard in self.shards:
            compressed = False
            with Facts(shard) as facts:
                for place in self._places(shard):
                    if place.offset is None:
                        compressed = True
                        break
                    payload = facts.payload(place.offset, place.size)
                    if payload is None:
                        payload = read_record(shard, place.record, place.offset)
                    yield place, parsed(payload, where(place))
            if compressed:
                for record, payload in enumerate(read_records(shard)):
                    place = Place(shard, record, None, len(payload) + FRAME_BYTES)
                    yield place, parsed(payload, where(place))

    def _index(self, shard: Path) -> Path | None:
        return self.indexes / shard.name if self.indexes is not None else None

    def _places(self, shard: Path) -> Iterator[Place]:
        return places(shard, self._index(shard))


class Wanted:
    """A class that was asked for, and the names of those that were seen instead."""

    def __init__(self, name: str, stored: Mapping[str, str], classes: Classes) -> None:
        self._name, self._stored, self._classes = name, stored, classes
        is_number = name.isascii() and name.removeprefix("-").isdigit() and len(name) < 20
        self._number = int(name) if is_number else None
        self.seen: set[str] = set()

    def is_met_by(self, features: Mapping[str, Any]) -> bool:
        label, synset, text = class_of(features, self._stored, self._classes)
        names = [str(one) for one in (synset, text) if one]
        if isinstance(label, str):
            names.append(label)
        if self._name in names:
            return True
        # Where classes have numbers for names, a number is a name, not a label.
        numbered = synset is not None and synset.isdigit()
        if self._number is not None and label == self._number and not numbered:
            return True
        if len(self.seen) < NAMES_KEPT:
            self.seen.update(names or ([str(label)] if label is not None else []))
        return False


def _at_most(limit: int, every: Iterable[Place]) -> list[Place]:
    return list(itertools.islice(every, min(limit, sys.maxsize)))  # more islice does not take


def where(place: Place) -> str:
    at = "" if place.offset is None else f" at offset {place.offset}"
    return f"{place.shard}: record {place.record}{at}"


def _row(place: Place) -> tuple[str, int, int | None, int]:
    return place.shard.name, place.record, place.offset, place.size
