"""One shard and its index, checked: what a worker does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import crc32c

from fastconv import _verify
from fastconv.checking.findings import Finding, ShardFindings
from fastconv.checking.inflated import inflated
from fastconv.checking.rules import Expected
from fastconv.errors import BadImageError
from fastconv.regular import regular
from fastconv.schema import LABEL

if TYPE_CHECKING:
    from fastconv.checking.against import Against

INDEX_MAX = 256 << 20  # of ten million records: more of an index is not asked for the way on


@dataclass(frozen=True, slots=True)
class ShardToCheck:
    """A shard by its name and how it is shown; its path and its index's, None where they are
    missing; whether it should have an index; what the manifest says of it."""

    name: str
    shown: str
    path: str | None
    index: str | None
    index_shown: str
    needs_index: bool
    said: dict[str, Any] | None = None


@dataclass(slots=True)
class Checker:
    """Checks shards, each like the others. ``decode``: every image is decoded; ``against``: where
    records are compared with their source."""

    expected: Expected
    decode: bool = False
    against: Against | None = None
    _rules: _verify.Rules | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._rules = self.expected.native()

    def __call__(self, shard: ShardToCheck) -> ShardFindings:
        found = ShardFindings(shard.name)
        if shard.path is None:
            found.add(Finding(shard.shown, "is missing"))
        else:
            self._shard(shard, shard.path, found)
        return found

    def _shard(self, shard: ShardToCheck, path: str, found: ShardFindings) -> None:
        try:
            fd = regular(path, os.O_RDONLY)
        except OSError as error:
            found.add(Finding(shard.shown, f"cannot be opened: {error.strerror}"))
            return
        try:
            self.expected.kinds = {}
            with inflated(fd) as content:
                walk = self._walked(content.fd, shard, found)
        finally:
            os.close(fd)
        if content.problem:
            found.add(Finding(shard.shown, content.problem))
        size, crc = walk.end, walk.crc32c
        if content.bytes is not None:
            size, crc = content.bytes, content.crc32c
        found.records, found.bytes = walk.record, size
        is_framed = walk.at == walk.end and walk.leaps == 0
        if shard.said:
            _compare(shard, walk, size, crc, found)
            if self._rules is not None and not found.is_bad:
                labels, found.boxes = self._rules.taken()
                if LABEL in self.expected.features:
                    _compare_labels(shard, labels, found)
        if shard.needs_index:
            _check_index(shard, walk.index if is_framed else None, found)

    def _walked(self, fd: int, shard: ShardToCheck, found: ShardFindings) -> _verify.Walk:
        if self._rules is not None:
            self._rules.taken()  # of a shard before
        against = self.against.shard(shard.name) if self.against else None

        def on_record(record: int, offset: int, payload: memoryview, holds: bool) -> None:
            problems = self._problems(payload, holds)
            if against is not None:
                problems += against(record, payload)
            for problem in problems:
                found.add(Finding(shard.shown, problem, record, offset))

        def on_damage(record: int, offset: int, size: int) -> None:
            what = f"the checksum of its {size} bytes is wrong"
            if size > _verify.PAYLOAD_MAX:
                what = f"has {size} bytes, more than an Example can have"
            found.add(Finding(shard.shown, what, record, offset))

        end = os.fstat(fd).st_size
        every = self.decode or against is not None
        walk = _verify.Walk(fd, end, self._rules, every, on_record, on_damage)
        while (why := walk.run()) != _verify.WHOLE:
            what = _told(why, walk)
            found.add(Finding(shard.shown, what, walk.record, walk.at))
            onwards = None if why == _verify.READ else _next_by_index(shard, walk)
            if onwards is None:
                break
            walk.go_to(*onwards)
        if against is not None and walk.at == end and not found.is_bad:
            for problem in against.missing(walk.record):
                found.add(Finding(shard.shown, problem))
        return walk

    def _problems(self, payload: memoryview, holds: bool) -> list[str]:
        if not holds:
            problems = self.expected.problems(payload)
            if problems:
                return problems
            if self._rules is not None:
                return ["does not hold what it must; why could not be found out, which is an error "
                        "of fastconv's own"]  # fmt: skip
        return list(_undecodable(payload, self.expected.image_keys)) if self.decode else []


def _undecodable(payload: memoryview, names: tuple[str, ...]) -> Iterator[str]:
    from fastconv.checking import decode
    from fastconv.reader import parse_example

    features = parse_example(payload)
    key = next((key for key in names if key in features), None)
    if key is not None and len(features[key]) == 1 and features[key].dtype == object:
        try:
            decode.check(features[key][0])
        except BadImageError as error:
            yield f"{key} cannot be decoded: {error}"


def _told(why: int, walk: _verify.Walk) -> str:
    if why == _verify.READ:
        return f"cannot be read: {os.strerror(walk.error)}"
    if why == _verify.SHRUNK:
        return "the file became shorter while it was read"
    if why == _verify.HEAD_WRONG:
        return "the checksum of its length is wrong"
    return f"is cut off; the file ends at {walk.end}"


def _next_by_index(shard: ShardToCheck, walk: _verify.Walk) -> tuple[int, int] | None:
    """Where the record after the one at hand begins, as its index has it: (offset, record). None
    where the index does not tell, or only what cannot be."""
    try:
        with open(shard.index or "", "rb", opener=regular) as file:
            lines = file.read(INDEX_MAX).splitlines()
        if int(lines[walk.record].split()[0]) != walk.at:
            return None
        onwards = int(lines[walk.record + 1].split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return (onwards, walk.record + 1) if walk.at < onwards < walk.end else None


def _compare(
    shard: ShardToCheck, walk: _verify.Walk, size: int, crc: int, found: ShardFindings
) -> None:
    """``size`` and ``crc`` are of the file, the walk is through its content."""
    said = shard.said or {}
    if size != said["bytes"]:
        what = f"has {size:,} bytes, but the manifest says {said['bytes']:,}"
        found.add(Finding(shard.shown, what))
    elif walk.at == walk.end and walk.record != said["records"]:
        what = f"has {walk.record:,} records, but the manifest says {said['records']:,}"
        found.add(Finding(shard.shown, what))
    elif not found.is_bad and f"{crc:08x}" != said["crc32c"]:
        what = (
            f"every record is whole, but the file is not the one that was written: its CRC32C is "
            f"{crc:08x}, not {said['crc32c']}"
        )
        found.add(Finding(shard.shown, what))


def _compare_labels(shard: ShardToCheck, taken: dict[int, int], found: ShardFindings) -> None:
    said = (shard.said or {}).get("images_per_label")
    if said is not None and {int(label): count for label, count in said.items()} != taken:
        found.add(Finding(shard.shown, "has other labels than the manifest says"))


def _check_index(shard: ShardToCheck, expected: bytes | None, found: ShardFindings) -> None:
    """``expected`` is None where the shard's own damage hides what its index should be."""
    if shard.index is None:
        found.add(Finding(shard.index_shown, "is missing"), index=True)
        return
    try:
        with open(shard.index, "rb", opener=regular) as file:
            lines = file.read(max(1 << 20, 2 * len(expected or b"")) + 1)
    except OSError as error:
        found.add(Finding(shard.index_shown, f"cannot be read: {error.strerror}"), index=True)
        return
    said = (shard.said or {}).get("index_crc32c")
    if expected is None:
        if said and f"{crc32c.crc32c(lines):08x}" != said:
            found.add(Finding(shard.index_shown, "is not the one that was written"), index=True)
        return
    if lines == expected:
        return
    theirs, ours = lines.split(b"\n"), expected.split(b"\n")
    number = next(
        (n for n, (a, b) in enumerate(zip(theirs, ours, strict=False)) if a != b),
        min(len(theirs), len(ours)),
    )
    is_there, is_right = (
        rows[number].decode("ascii", "replace") if number < len(rows) else "nothing"
        for rows in (theirs, ours)
    )
    what = f"has {is_there[:60]!r} in line {number + 1}, but the shard says {is_right!r}"
    found.add(Finding(shard.index_shown, what, number), index=True)


def open_checker(
    *fds_and_options: Any,
) -> Callable[[ShardToCheck], ShardFindings]:
    """What a worker process calls once: the function that it calls for each shard. The arguments:
    the shared plan's open file where the source is compared with, then Expected, whether to
    decode, and what Against needs, or None."""
    *fds, expected, decode, source = fds_and_options
    against = None
    if source is not None:
        from fastconv.checking.against import Against

        against = Against(fds[0], *source)
    return Checker(expected, decode, against)
