"""What a share of a job's shards came to, for programs and for people."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fastconv.job import ShardResult
from fastconv.progress import Watch
from fastconv.report import WRITTEN_WITH_SKIPS, ImageNote
from fastconv.summary import notes_of


@dataclass(frozen=True, slots=True)
class ShareReport:
    """What fastconv.write_share returns. Share ``share`` of ``shares`` has ``shards`` shards, of
    which ``kept_shards`` were whole already; ``written`` records and ``bytes`` are those of all of
    them. ``rewritten``: shards that had been done, but were not whole any more, each with the
    reason. ``finished``: whether the whole job was finished already, or was while this share was
    at work, so that there was nothing to be done and the counts are 0."""

    out: Path
    share: int
    shares: int
    shards: int
    kept_shards: int
    written: int
    bytes: int
    repaired: tuple[ImageNote, ...]
    skipped: tuple[ImageNote, ...]
    rewritten: tuple[tuple[str, str], ...]
    workers: int
    seconds: float
    phases: dict[str, float]
    finished: bool = False
    written_now: int = 0
    bytes_now: int = 0

    @property
    def exit_code(self) -> int:
        """0, or 1 where images of this share were skipped."""
        return WRITTEN_WITH_SKIPS if self.skipped else 0

    def as_dict(self) -> dict[str, Any]:
        """All of it as values that JSON knows."""
        told = asdict(self)
        return {
            **told,
            "out": str(self.out),
            "exit_code": self.exit_code,
            "seconds": round(self.seconds, 3),
            "phases": {kind: round(spent, 3) for kind, spent in self.phases.items()},
        }


def share_report(
    place: tuple[Path, int, int],
    results: list[ShardResult],
    kept: list[ShardResult],
    rewritten: tuple[tuple[str, str], ...],
    workers: int,
    finished: bool,
    watch: Watch,
) -> ShareReport:
    """The report of a share, (out, k, n), from its shards' results, those that were ``kept`` among
    them."""
    records, total = (sum(getattr(r, what) for r in results) for what in ("records", "bytes"))
    return ShareReport(
        *place,
        len(results),
        len(kept),
        records,
        total,
        tuple(note for result in results for note in notes_of(result, "repaired")),
        tuple(note for result in results for note in notes_of(result, "skipped")),
        rewritten,
        workers,
        watch.seconds,
        dict(watch.phases),
        finished,
        records - sum(result.records for result in kept),
        total - sum(result.bytes for result in kept),
    )
