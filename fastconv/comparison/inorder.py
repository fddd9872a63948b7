"""Two files: by their bytes, and where these differ, record k of one with record k of the other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from fastconv.comparison.features import Rules, described, differing, key_text, parsed, summary
from fastconv.comparison.report import Difference, Place, Tally
from fastconv.errors import InputError, RecordError
from fastconv.reader import FRAME_BYTES, read_records
from fastconv.regular import regular

BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Side:
    """One file: its name below its side, and its path."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Two files that are compared; ``bytes`` are both files' together."""

    a: Side
    b: Side
    bytes: int


class Records:
    """A file's payloads, until its end or a damage; ``place`` is that of the payload in hand, and
    after the last one of the end, or the damage."""

    def __init__(self, side: Side) -> None:
        self.side, self.record, self.offset = side, 0, 0
        self.damage = ""

    @property
    def place(self) -> Place:
        return Place(self.side.name, self.record, self.offset)

    def __iter__(self) -> Iterator[bytes]:
        try:
            for payload in read_records(self.side.path):
                yield payload
                self.record += 1
                self.offset += len(payload) + FRAME_BYTES
        except RecordError as error:
            self.damage = str(error)
        except OSError as error:
            raise unreadable(self.side.path, error) from None


def unreadable(path: str, error: OSError) -> InputError:
    return InputError(f"{path}: cannot be read: {error.strerror or error}")


def equal_bytes(a: str, b: str) -> bool:
    """Whether two files have the same bytes; InputError where one cannot be read."""
    path = a
    try:
        with open(a, "rb", buffering=0, opener=regular) as left:
            path = b
            with open(b, "rb", buffering=0, opener=regular) as right:
                if os.fstat(left.fileno()).st_size != os.fstat(right.fileno()).st_size:
                    return False
                blocks = bytearray(BLOCK_BYTES), bytearray(BLOCK_BYTES)
                while True:
                    path = a
                    got = left.readinto(blocks[0])
                    path = b
                    other = right.readinto(blocks[1])
                    # A block that is shorter on one side: a file that changes while it is read.
                    # Behind what was read, both hold what the blocks before held: the same.
                    if got != other or blocks[0] != blocks[1]:
                        return False
                    if not got:
                        return True
    except OSError as error:
        raise unreadable(path, error) from None


def compare_files(pair: Pair, rules: Rules, limit: int) -> Tally:
    """What differs between two files. Raises InputError where one cannot be read."""
    tally = Tally(limit)
    if equal_bytes(pair.a.path, pair.b.path):
        tally.equal_files = 1
        return tally
    a, b = Records(pair.a), Records(pair.b)
    left, right = iter(a), iter(b)
    while True:
        ours, others = next(left, None), next(right, None)
        if a.damage or b.damage or (ours is None and others is None):
            break
        if others is None and ours is not None:
            tally.found(alone(ours, a.place, "A", rules, tally.full))
        elif ours is None and others is not None:
            tally.found(alone(others, b.place, "B", rules, tally.full))
        elif ours is not None and others is not None:
            tally.records += 1
            if ours != others:
                compare_records(ours, others, a.place, b.place, rules, tally)
    for records, is_a in ((a, True), (b, False)):
        if records.damage:
            tally.found(damaged(records, is_a))
    return tally


def damaged(records: Records, is_a: bool) -> Difference:
    place = records.place
    a, b = (place, None) if is_a else (None, place)
    return Difference("damaged", a, b, text=records.damage)


def alone(payload: bytes, place: Place, side: str, rules: Rules, silent: bool) -> Difference:
    """A record that only one side has."""
    key = "" if silent else key_text(parsed(payload), rules.key)
    if side == "A":
        return Difference("only in A", place, None, key_a=key)
    return Difference("only in B", None, place, key_b=key)


def compare_records(
    ours: bytes, others: bytes, a: Place, b: Place, rules: Rules, tally: Tally
) -> None:
    """Two payloads that are not the same bytes."""
    left, right = parsed(ours), parsed(others)
    keys = key_text(left, rules.key), key_text(right, rules.key)
    if left is None or right is None:
        sides = [
            f"{name} has {'no Example: ' if features is None else 'an Example: '}{summary(data)}"
            for name, features, data in (("A", left, ours), ("B", right, others))
        ]
        tally.found(Difference("bytes", a, b, *keys, text="; ".join(sides)))
        return
    names = differing(left, right, rules)
    if names:
        # Words cost a digest of each image: only for what is shown.
        tolerance = rules.tolerance
        shown = described(names, left, right, tolerance) if not tally.full else ()
        if not shown:
            tally.features.update(names)
        tally.found(Difference("record", a, b, *keys, shown))
    elif rules.same_bytes:
        tally.found(Difference("bytes", a, b, *keys, text="the same features in other bytes"))
    else:
        tally.other_bytes += 1
