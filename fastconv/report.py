"""What a conversion came to, for programs and for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fastconv.catalog import Catalog, Classes, CutArchive
from fastconv.plan import SplitPlan
from fastconv.remote.path import Place
from fastconv.sources.assemble import Dataset

WRITTEN_WITH_SKIPS = 1
NAMED_AT_MOST = 3


@dataclass(frozen=True, slots=True)
class ImageNote:
    """An image that was not stored as it was: its split, its whereabouts, and why; the shard that
    it was planned for, and its place among that shard's images, from 0, where it was for any."""

    split: str
    image: str
    reason: str
    shard: str | None = None
    row: int | None = None


@dataclass(frozen=True, slots=True)
class SplitReport:
    """One split: images found; records written, repaired ones among them; images skipped; boxes
    written; bytes of the shards. ``changes``: how many images were changed, by kind ("resized",
    "turned", "encoded anew", "stripped"; an image can be of two). ``worst_mix``: the share of a
    shard's records, 0 to 1, that one class has in the shard where that is largest, with that
    shard's and class's names."""

    split: str
    shards: int
    found: int
    written: int
    repaired: int
    skipped: int
    boxes: int
    bytes: int
    changes: dict[str, int]
    worst_mix: tuple[float, str, str] | None


@dataclass(frozen=True, slots=True)
class Report:
    """What fastconv.convert returns. ``bad_boxes``: annotation files left out, each with the
    reason; ``odd``: what a person may want to look at, in words; ``seconds``: of the whole job, and
    ``phases``: of its parts, checking (of MD5 sums), listing, reading (of boxes), planning, writing
    and finishing; ``cut_archives``: those of which only what is whole was used.
    ``kept_shards``: those that an earlier run had left whole, with their records and bytes;
    ``rewritten``: shards that it had done, but that were not kept, each with the reason;
    ``compression``: of the shards, which have no indexes where it is "gzip"."""

    out: Place
    splits: tuple[SplitReport, ...]
    repaired: tuple[ImageNote, ...]
    skipped: tuple[ImageNote, ...]
    bad_boxes: tuple[tuple[str, str], ...]
    odd: tuple[str, ...]
    workers: int
    seconds: float = 0.0
    phases: dict[str, float] = field(default_factory=dict)
    kept_shards: int = 0
    kept_records: int = 0
    kept_bytes: int = 0
    rewritten: tuple[tuple[str, str], ...] = ()
    cut_archives: tuple[CutArchive, ...] = ()
    compression: Literal["none", "gzip"] = "none"

    @property
    def found(self) -> int:
        return sum(split.found for split in self.splits)

    @property
    def written(self) -> int:
        return sum(split.written for split in self.splits)

    @property
    def boxes(self) -> int:
        return sum(split.boxes for split in self.splits)

    @property
    def bytes(self) -> int:
        return sum(split.bytes for split in self.splits)

    @property
    def exit_code(self) -> int:
        """0, or 1 where images or annotation files were skipped, or archives were cut off."""
        return WRITTEN_WITH_SKIPS if self.skipped or self.bad_boxes or self.cut_archives else 0

    def totals(self) -> dict[str, int]:
        return {
            "found": self.found,
            "written": self.written,
            "repaired": len(self.repaired),
            "skipped": len(self.skipped),
            "boxes": self.boxes,
            "bytes": self.bytes,
        }

    def as_dict(self) -> dict[str, Any]:
        """All of it as values that JSON knows."""
        return {
            "out": str(self.out),
            "exit_code": self.exit_code,
            **self.totals(),
            "seconds": round(self.seconds, 3),
            "phases": {kind: round(spent, 3) for kind, spent in self.phases.items()},
            "workers": self.workers,
            "compression": self.compression,
            "kept_shards": self.kept_shards,
            "rewritten": [list(item) for item in self.rewritten],
            "splits": [
                {name: getattr(split, name) for name in SplitReport.__slots__}
                for split in self.splits
            ],
            "repaired_images": [_note(note) for note in self.repaired],
            "skipped_images": [_note(note) for note in self.skipped],
            "bad_boxes": [list(item) for item in self.bad_boxes],
            "cut_archives": [asdict(archive) for archive in self.cut_archives],
            "odd": list(self.odd),
        }


def _note(note: ImageNote) -> dict[str, Any]:
    return {name: getattr(note, name) for name in ImageNote.__slots__}


# The classes that a shard has records of, rows of the class list, and how many of each.
ClassCounts = tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]


def label_mix(
    names: list[str], counts: list[ClassCounts], classes: Sequence[str]
) -> tuple[float, str, str] | None:
    """The largest share of one class in one of the shards of these names: (share, shard's name,
    class's name)."""
    worst: tuple[float, str, str] | None = None
    for name, (present, count) in zip(names, counts, strict=True):
        if len(count):
            most = int(count.argmax())
            share = float(count[most]) / float(count.sum())
            if worst is None or share > worst[0]:
                worst = (share, name, classes[present[most]])
    return worst


def classes_without_images(plans: Sequence[SplitPlan], classes: Classes) -> list[str]:
    """What to say about classes that a split has no images of, or all splits alike."""
    empty: dict[tuple[str, ...], list[str]] = {}
    for plan in plans:
        counts = plan.catalog.class_counts(len(classes)).tolist()
        names = tuple(name for name, count in zip(classes.names, counts, strict=True) if not count)
        if names:
            empty.setdefault(names, []).append(plan.catalog.split)
    return [
        f"{' and '.join(splits)}: {len(names):,} of {len(classes):,} classes have no images "
        f"({', '.join(names[:NAMED_AT_MOST])}{', …' if names[NAMED_AT_MOST:] else ''}); a class "
        f"list of your own, with --synsets, gives labels without gaps"
        for names, splits in empty.items()
    ]


def odd_of(catalog: Catalog) -> list[str]:
    """What a person may want to look at in a split, in words."""
    odd = []
    if catalog.unlabelled:
        odd.append(f"{catalog.split}: images without a label: {len(catalog.unlabelled):,}")
    odd += [f"{catalog.split}: {reason}: {count:,}" for reason, count in catalog.left_out.items()]
    return odd


def odd_of_all(plans: Sequence[SplitPlan], dataset: Dataset) -> list[str]:
    """The same of a whole dataset."""
    odd = [*map(str, dataset.cut), *classes_without_images(plans, dataset.classes)]
    if dataset.bad_boxes:
        odd.append(f"boxes: annotation files that could not be used: {len(dataset.bad_boxes):,}")
    if dataset.unmatched_boxes:
        odd.append(f"boxes: annotation files of images not here: {dataset.unmatched_boxes:,}")
    return odd
