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
from fastconv.schema import FEATURES, SIDES, SLIM, Schema

SHARD_BYTES = 128 * 1024 * 1024
# ILSVRC2012's own counts, and what the field has always cut them into.
IMAGENET_IMAGES: dict[Split, int] = {"train": 1_281_167, "validation": 50_000}
IMAGENET_SHARDS: dict[Split, int] = {"train": 1024, "validation": 128}
# Of a record, besides the image and its boxes: for estimates of disk space only.
RECORD_OVERHEAD_BYTES = 520
FEATURE_BYTES = 16  # of that, what a feature takes besides its name
SIDE_BYTES, BOX_LABEL_BYTES = 4, 2


@dataclass(frozen=True, slots=True)
class Overhead:
    """About what records take besides their images, in bytes: each record, each of its boxes, and
    the added features of all records."""

    record: int
    box: int
    added: int = 0

    @classmethod
    def of(cls, schema: Schema, added: int = 0) -> Overhead:
        record = RECORD_OVERHEAD_BYTES
        for name in FEATURES:
            if name in schema.features:
                record += len(schema.features[name].encode()) - len(name)
            else:
                record -= FEATURE_BYTES + len(name)
        box = SIDE_BYTES * sum(side in schema.features for side in SIDES)
        box += BOX_LABEL_BYTES * ("image/object/bbox/label" in schema.features)
        return cls(record, box, added)


SLIM_OVERHEAD = Overhead.of(SLIM)


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """One split's records in order.

    ``order`` int64 (n,): rows of the catalog; shard s holds records ``bounds[s]`` to
    ``bounds[s + 1]`` of it, ``bounds`` int64 (shards + 1,). ``threads``: slim's number of parts
    that the shards were cut from. ``image_bytes``: what all images take, about, as they are
    stored; None where that is what their files take. ``stem``: what the shards' names begin with;
    the split's name where it is empty; ``overhead``: what their records take besides.
    """

    catalog: Catalog
    order: Int64Array
    bounds: Int64Array
    threads: int
    image_bytes: int | None = None
    stem: str = ""
    overhead: Overhead = SLIM_OVERHEAD

    @property
    def shard_count(self) -> int:
        return len(self.bounds) - 1

    @property
    def shard_names(self) -> list[str]:
        return shard_names(self.stem or self.catalog.split, self.shard_count)

    @property
    def output_bytes(self) -> int:
        """About how many bytes the shards and their indexes will take."""
        return estimated_bytes(self.catalog, self.image_bytes, self.overhead)


def shard_names(stem: str, count: int) -> list[str]:
    """The names of a split's shards, in order."""
    return [f"{stem}-{shard:05d}-of-{count:05d}" for shard in range(count)]


def estimated_bytes(
    catalog: Catalog, image_bytes: int | None = None, overhead: Overhead = SLIM_OVERHEAD
) -> int:
    """About what records take; ``image_bytes``: what their images do, if not as their files do."""
    stored = catalog.bytes if image_bytes is None else image_bytes
    boxes = overhead.box * len(catalog.boxes)
    return stored + overhead.record * len(catalog) + boxes + overhead.added


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


def default_shard_count(
    catalog: Catalog,
    classes: int,
    image_bytes: int | None = None,
    overhead: Overhead = SLIM_OVERHEAD,
) -> int:
    """1,024 and 128 for data of ImageNet's size (its class count, and its images within a tenth),
    otherwise as many as make shards of about 128 MiB."""
    split: Split = "train" if catalog.split == "train" else "validation"
    images = IMAGENET_IMAGES[split]
    if classes == 1000 and abs(len(catalog) - images) <= images / 10:
        return IMAGENET_SHARDS[split]
    return min(99_999, max(1, round(estimated_bytes(catalog, image_bytes, overhead) / SHARD_BYTES)))


def plan_split(
    catalog: Catalog,
    shards: int,
    seed: int,
    threads: int,
    image_bytes: int | None = None,
    stem: str = "",
    overhead: Overhead = SLIM_OVERHEAD,
) -> SplitPlan:
    """Order a split's records and cut them into shards.

    Where ``threads`` does not divide ``shards``, the records are cut evenly, as one part.
    """
    used = threads if shards % threads == 0 else 1
    count = len(catalog)
    bounds = shard_bounds(count, shards, used)
    return SplitPlan(catalog, shuffled(count, seed), bounds, used, image_bytes, stem, overhead)
