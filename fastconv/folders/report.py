"""What writing class folders came to, for programs and for people."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fastconv.catalog import CutArchive
from fastconv.folders.part import Part
from fastconv.report import WRITTEN_WITH_SKIPS, ImageNote


@dataclass(frozen=True, slots=True)
class SplitFolders:
    """One split: its classes that have images; images found; files (or links) that its class
    folders hold; images left out; boxes of its images; bytes of its images."""

    split: str
    classes: int
    found: int
    written: int
    skipped: int
    boxes: int
    bytes: int


@dataclass(frozen=True, slots=True)
class FolderReport:
    """What fastconv.write_folders returns. ``links``: links were made in the place of files;
    ``boxes``: lines of boxes.csv; ``bad_boxes``: annotation files, and images whose boxes a CSV
    cannot hold, with the reasons; ``odd``: what a person may want to look at, in words; ``seconds``
    and ``phases`` are of this run. ``parts``: class folders, or parts of large ones, and of these
    ``kept_parts`` with ``kept_images`` and ``kept_bytes`` were there already; ``rewritten``: those
    that had been written, and were not whole any more, with the reasons."""

    out: Path
    links: bool
    splits: tuple[SplitFolders, ...]
    skipped: tuple[ImageNote, ...]
    bad_boxes: tuple[tuple[str, str], ...]
    odd: tuple[str, ...]
    boxes: int
    parts: int
    workers: int
    seconds: float = 0.0
    phases: dict[str, float] = field(default_factory=dict)
    kept_parts: int = 0
    kept_images: int = 0
    kept_bytes: int = 0
    rewritten: tuple[tuple[str, str], ...] = ()
    cut_archives: tuple[CutArchive, ...] = ()

    @property
    def found(self) -> int:
        return sum(split.found for split in self.splits)

    @property
    def written(self) -> int:
        return sum(split.written for split in self.splits)

    @property
    def bytes(self) -> int:
        return sum(split.bytes for split in self.splits)

    @property
    def exit_code(self) -> int:
        """0, or 1 where images or boxes were left out, or archives were cut off."""
        return WRITTEN_WITH_SKIPS if self.skipped or self.bad_boxes or self.cut_archives else 0

    def totals(self) -> dict[str, int]:
        return {
            "found": self.found,
            "written": self.written,
            "skipped": len(self.skipped),
            "boxes": self.boxes,
            "bytes": self.bytes,
        }

    def as_dict(self) -> dict[str, Any]:
        """All of it as values that JSON knows."""
        return {
            "out": str(self.out),
            "exit_code": self.exit_code,
            "links": self.links,
            **self.totals(),
            "seconds": round(self.seconds, 3),
            "phases": {kind: round(spent, 3) for kind, spent in self.phases.items()},
            "workers": self.workers,
            "parts": self.parts,
            "kept_parts": self.kept_parts,
            "rewritten": [list(item) for item in self.rewritten],
            "splits": [asdict(split) for split in self.splits],
            "skipped_images": [
                {"split": note.split, "image": note.image, "reason": note.reason}
                for note in self.skipped
            ],
            "bad_boxes": [list(item) for item in self.bad_boxes],
            "cut_archives": [asdict(archive) for archive in self.cut_archives],
            "odd": list(self.odd),
        }


def part_line(part: Part) -> dict[str, Any]:
    """What journal and manifest say of a part."""
    return {
        "split": part.split,
        "class": part.klass,
        "part": part.turn,
        "parts": part.turns,
        "images": part.images,
        "bytes": part.bytes,
    }
