"""What a check found, and what it came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fastconv.errors import FOUND_WRONG

# Of one shard, so many findings are told in words; the others are counted.
TOLD_AT_MOST = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be: the file, as a path in the output; the record, counted
    from 0, and its offset in bytes, where it is about one; and what is wrong."""

    file: str
    what: str
    record: int | None = None
    offset: int | None = None

    def __str__(self) -> str:
        where = self.file
        if self.record is not None:
            where += f": record {self.record}"
        if self.offset is not None:
            where += f" at offset {self.offset}"
        return f"{where}: {self.what}"


@dataclass(slots=True)
class ShardFindings:
    """Of one shard and its index. ``boxes``: None where they were not counted. ``count`` is of all
    findings, also those beyond ``findings``."""

    name: str
    records: int = 0
    bytes: int = 0
    boxes: int | None = None
    findings: list[Finding] = field(default_factory=list)
    count: int = 0
    is_bad: bool = False
    is_index_bad: bool = False

    def add(self, finding: Finding, index: bool = False) -> None:
        self.count += 1
        if index:
            self.is_index_bad = True
        else:
            self.is_bad = True
        if len(self.findings) < TOLD_AT_MOST:
            self.findings.append(finding)


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What fastconv.verify returns. ``findings``: in the order of the files, of each shard the
    first 100; ``found``: how many there are in all. ``bad_shards``, ``bad_indexes``: the names of
    those that a repair would write anew. ``checked``: what the shards were held to, in words.
    ``repaired``: the files that were written anew."""

    out: str
    shards: int
    records: int
    bytes: int
    findings: tuple[Finding, ...]
    found: int
    bad_shards: tuple[str, ...]
    bad_indexes: tuple[str, ...]
    checked: tuple[str, ...]
    workers: int
    seconds: float = 0.0
    repaired: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0, or 5 where anything was found."""
        return FOUND_WRONG if self.found else 0

    def as_dict(self) -> dict[str, Any]:
        """All of it as values that JSON knows."""
        return {
            "out": self.out,
            "exit_code": self.exit_code,
            "shards": self.shards,
            "records": self.records,
            "bytes": self.bytes,
            "found": self.found,
            "findings": [
                {name: getattr(finding, name) for name in Finding.__slots__}
                for finding in self.findings
            ],
            "bad_shards": list(self.bad_shards),
            "bad_indexes": list(self.bad_indexes),
            "repaired": list(self.repaired),
            "checked": list(self.checked),
            "workers": self.workers,
            "seconds": round(self.seconds, 3),
        }
