"""What a comparison came to, for programs and for people."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from fastconv.errors import FOUND_WRONG


@dataclass(frozen=True, slots=True)
class Place:
    """A file by its name below its side, and in it a record, counted from 0, and its offset in
    bytes; both None where the whole file is meant."""

    file: str
    record: int | None = None
    offset: int | None = None

    def __str__(self) -> str:
        return self.file if self.record is None else f"{self.file} record {self.record}"


@dataclass(frozen=True, slots=True)
class FeatureDifference:
    """A feature, and in words what each side has; None where a side does not have it."""

    feature: str
    a: str | None
    b: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference.

    ``kind``: "record" (features differ), "bytes" (the same features in another wire form, or what
    is no Example), "only in A" and "only in B" (a record), "file" (on one side alone), "damaged",
    "index" or "labels". ``a`` and ``b``: where; None where that side has nothing. ``key_a`` and
    ``key_b``: what each side's record is known by, in words. ``features``: those that differ;
    ``text``: what else there is to say.
    """

    kind: str
    a: Place | None
    b: Place | None
    key_a: str = ""
    key_b: str = ""
    features: tuple[FeatureDifference, ...] = ()
    text: str = ""


@dataclass(slots=True)
class Tally:
    """Counts of all, and the first ``limit`` differences."""

    limit: int
    equal_files: int = 0
    records: int = 0
    other_bytes: int = 0
    elsewhere: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    features: Counter[str] = field(default_factory=Counter)
    first: list[Difference] = field(default_factory=list)

    @property
    def full(self) -> bool:
        """Whether another difference would not be shown, and so needs no words."""
        return len(self.first) >= self.limit

    def found(self, difference: Difference) -> None:
        self.kinds[difference.kind] += 1
        self.features.update(one.feature for one in difference.features)
        if not self.full:
            self.first.append(difference)

    def add(self, other: Tally) -> None:
        self.equal_files += other.equal_files
        self.records += other.records
        self.other_bytes += other.other_bytes
        self.elsewhere += other.elsewhere
        self.kinds.update(other.kinds)
        self.features.update(other.features)
        self.first += other.first[: self.limit - len(self.first)]


@dataclass(frozen=True, slots=True)
class DiffReport:
    """What fastconv.diff returns.

    ``files_a``, ``files_b``: record files of each side; ``equal_files``: pairs of them with the
    same bytes, whose records were not looked at one by one. ``records``: pairs of records compared
    in the others; of them ``other_bytes`` have the same features in another wire form, and
    ``elsewhere`` stand at other places (with any_order). ``counts``: of all differences by
    kind, and ``features``: in how many records each feature differs. ``differences``: the first of
    them. ``notes``: what is good to know and no difference. ``seconds``: of it all.
    """

    a: str
    b: str
    files_a: int
    files_b: int
    equal_files: int
    records: int
    other_bytes: int
    elsewhere: int
    counts: dict[str, int]
    features: dict[str, int]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    workers: int
    seconds: float

    @property
    def total(self) -> int:
        """All differences, those that are not in ``differences`` among them."""
        return sum(self.counts.values())

    @property
    def same(self) -> bool:
        return self.total == 0

    @property
    def exit_code(self) -> int:
        """0, or 5 where the two are not the same dataset."""
        return 0 if self.same else FOUND_WRONG

    def as_dict(self) -> dict[str, Any]:
        """All of it as values that JSON knows."""
        return {
            "same": self.same,
            "exit_code": self.exit_code,
            **asdict(self),
            "total": self.total,
            "seconds": round(self.seconds, 3),
        }
