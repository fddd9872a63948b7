"""Which image becomes which record: a pure function of the catalog and a few numbers.

Order and split are those of slim's build_imagenet_data.py (docs/formats.md, "Order and shards").
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fastconv import _columns
from fastconv.catalog import Catalog, Int64Array
from fastconv.options import Split

SHARD_BYTES = 128 * 1024 * 1024
# ILSVRC2012's own counts, and what the field has always cut them into.
IMAGENET_IMAGES: dict[Split, int] = {"train": 1_281_167, "validation": 50_000}
IMAGENET_SHARDS: dict[Split, int] = {"train": 1024, "validation": 128}
# Of a record, besides the image and its boxes: for estimates of disk space only.
RECORD_OVERHEAD_BYTES = 520
BOX_BYTES = 18


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """One split's records in order.

    ``order`` int64 (n,): rows of the catalog; shard s holds records ``bounds[s]`` to
    ``bounds[s + 1]`` of it, ``bounds`` int64 (shards + 1,). ``threads``: slim's number of parts
    that the shards were cut from. ``image_bytes``: what all images take, about, as they are
    stored; None where that is what their files take. ``stem``: what the shards' names begin with;
    the split's name where it is empty.
    """

    catalog: Catalog
    order: Int64Array
    bounds: Int64Array
    threads: int
    image_bytes: int | None = None
    stem: str = ""

    @property
    def shard_count(self) -> int:
        return len(self.bounds) - 1

    @property
    def shard_names(self) -> list[str]:
        return [
            f"{self.stem or self.catalog.split}-{shard:05d}-of-{self.shard_count:05d}"
            for shard in range(self.shard_count)
        ]

    @property
    def output_bytes(self) -> int:
        """About how many bytes the shards and their indexes will take."""
        return estimated_bytes(self.catalog, self.image_bytes)


def estimated_bytes(catalog: Catalog, image_bytes: int | None = None) -> int:
    """About what records take; ``image_bytes``: what their images do, if not as their files do."""
    stored = catalog.bytes if image_bytes is None else image_bytes
    return stored + RECORD_OVERHEAD_BYTES * len(catalog) + BOX_BYTES * len(catalog.boxes)


def shuffled(count: int, seed: int) -> Int64Array:
    """0 … count − 1 as ``random.Random(seed).shuffle`` leaves them: int64 of shape (count,)."""
    order = np.arange(count, dtype=np.int64)
    generator = random.Random(seed)
    at = count - 1
    while at > 0:
        # Python's own generator gives the words, many at once; the swaps are native.
        wanted = at + at // 2 + 16
        words = generator.getrandbits(32 * wanted).to_bytes(4 * wanted, "little")
        at = _columns.shuffle(order, at, np.frombuffer(words, "<u4"))
    return order


def shard_bounds(count: int, shards: int, threads: int) -> Int64Array:
    """Where each shard begins, and where the last ends: int64 of shape (shards + 1,).

    ``threads`` must divide ``shards``: [0, count) is cut into that many parts, and each part into
    its shards, both at NumPy's linspace, truncated.
    """
    parts = np.linspace(0, count, threads + 1).astype(np.int64)
    inside = shards // threads + 1
    cuts = [np.linspace(a, b, inside).astype(np.int64)[:-1] for a, b in pairwise(parts)]
    return np.concatenate([*cuts, np.array([count], np.int64)])


def default_shard_count(catalog: Catalog, classes: int, image_bytes: int | None = None) -> int:
    """1,024 and 128 for data of ImageNet's size (its class count, and its images within a tenth),
    otherwise as many as make shards of about 128 MiB."""
    split: Split = "train" if catalog.split == "train" else "validation"
    images = IMAGENET_IMAGES[split]
    if classes == 1000 and abs(len(catalog) - images) <= images / 10:
        return IMAGENET_SHARDS[split]
    return min(99_999, max(1, round(estimated_bytes(catalog, image_bytes) / SHARD_BYTES)))


def plan_split(
    catalog: Catalog,
    shards: int,
    seed: int,
    threads: int,
    image_bytes: int | None = None,
    stem: str = "",
) -> SplitPlan:
    """Order a split's records and cut them into shards.

    Where ``threads`` does not divide ``shards``, the records are cut evenly, as one part.
    """
    used = threads if shards % threads == 0 else 1
    count = len(catalog)
    bounds = shard_bounds(count, shards, used)
    return SplitPlan(catalog, shuffled(count, seed), bounds, used, image_bytes, stem)
