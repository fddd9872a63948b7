"""Order, cuts and shard counts against slim's rules told again."""

from __future__ import annotations

import itertools
import random
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import twin
from hypothesis import given, settings
from hypothesis import strategies as st

from fastconv import _columns
from fastconv.catalog import Catalog
from fastconv.names import Names
from fastconv.plan import (
    RECORD_OVERHEAD_BYTES,
    SHARD_BYTES,
    SLIM_OVERHEAD,
    default_shard_count,
    estimated_bytes,
    plan_split,
    shard_bounds,
    shuffled,
)
from fastconv.recipe import FILE_BYTES_MAX

TRAIN, VALIDATION = 1_281_167, 50_000


def slim(count: int, shards: int, threads: int) -> list[int]:
    """The bounds as build_imagenet_data.py takes them: each thread's ranges, then its shards'."""
    spacing = np.linspace(0, count, threads + 1).astype(int)
    edges: list[int] = []
    for i in range(threads):
        inner = np.linspace(spacing[i], spacing[i + 1], shards // threads + 1).astype(int)
        edges += inner.tolist()[:-1]
    return [*edges, count]


def catalog(images: int, split: str = "train", size: int = 0, boxes: int = 0) -> Catalog:
    nothing: Any = np.zeros(images, np.int64)
    sizes = nothing.copy()
    if images:
        sizes[:] = size // images
        sizes[0] += size % images
    names = Names(np.empty(0, np.uint8), np.zeros(images + 1, np.int64))
    zeros = nothing.astype(np.int32)
    box_start = np.zeros(images + 1, np.int64)
    return Catalog(
        split, (), zeros, nothing, sizes, zeros, names, box_start, np.zeros((boxes, 4), np.float32),
        (), {},
    )  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, 2, 3, 100, 50_000])
@pytest.mark.parametrize("seed", [0, 1, 12345, 2**64])
def test_order(count: int, seed: int) -> None:
    order = list(range(count))
    random.Random(seed).shuffle(order)
    assert shuffled(count, seed).tolist() == order
    assert shuffled(count, seed).dtype == np.int64


@pytest.mark.parametrize("bits", [1, 2, 3, 7, 8, 10, 13, 16])
def test_order_around_powers_of_two(bits: int) -> None:
    """Where the numbers drawn take a bit more, half of the draws are thrown away."""
    for count in range(2**bits - 2, 2**bits + 3):
        for seed in range(3):
            order = list(range(count))
            random.Random(seed).shuffle(order)
            assert shuffled(count, seed).tolist() == order


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(0), st.lists(st.integers(0, 9), min_size=1, max_size=9))
def test_order_from_words_in_any_portions(count: int, seed: int, portions: list[int]) -> None:
    """Words of the generator are used up one after another, wherever a portion ends."""
    generator = random.Random(seed)
    order = np.arange(count, dtype=np.int64)
    at = count - 1
    for portion in itertools.cycle([*portions, 1]):
        words = [generator.getrandbits(32) for _ in range(portion)]
        at = _columns.shuffle(order, at, np.array(words, np.uint32))
        if at <= 0:
            break
    expected = list(range(count))
    random.Random(seed).shuffle(expected)
    assert order.tolist() == expected


def test_order_golden() -> None:
    """What every Python since 3.2 makes of the seed that slim takes."""
    assert shuffled(10, 12345).tolist() == [8, 7, 3, 5, 1, 2, 9, 4, 0, 6]


@pytest.mark.parametrize(
    "count", [0, 1, 7, 8, 9, 1000, 49_999, 50_000, TRAIN - 1, TRAIN, 1_281_168]
)
@pytest.mark.parametrize(
    ("shards", "threads"),
    [
        (1, 1),
        (2, 1),
        (8, 8),
        (16, 8),
        (128, 8),
        (1024, 8),
        (1024, 1),
        (1024, 1024),
        (999, 9),
        (6, 2),
    ],
)
def test_bounds(count: int, shards: int, threads: int) -> None:
    bounds = shard_bounds(count, shards, threads)
    assert bounds.dtype == np.int64
    assert bounds.tolist() == slim(count, shards, threads)
    assert list(pairwise(bounds.tolist())) == twin.shard_bounds(count, shards, threads)


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 3_000_000), st.integers(1, 40), st.integers(1, 40))
def test_bounds_of_any(count: int, threads: int, per_thread: int) -> None:
    shards = threads * per_thread
    bounds = shard_bounds(count, shards, threads).tolist()
    assert bounds == slim(count, shards, threads)
    assert len(bounds) == shards + 1
    assert bounds == sorted(bounds)
    assert (bounds[0], bounds[-1]) == (0, count)


def test_imagenets_bounds() -> None:
    bounds = shard_bounds(TRAIN, 1024, 8)
    assert bounds[1000] == 1_251_139  # images in train shards 0 to 999
    assert set(np.diff(bounds).tolist()) == {1251, 1252}
    assert set(np.diff(shard_bounds(VALIDATION, 128, 8)).tolist()) == {390, 391}


@pytest.mark.parametrize(
    ("images", "split", "classes", "shards"),
    [
        (TRAIN, "train", 1000, 1024),
        (1_153_051, "train", 1000, 1024),
        (1_409_283, "train", 1000, 1024),
        (1_153_050, "train", 1000, 1),
        (1_409_284, "train", 1000, 1),
        (TRAIN, "train", 999, 1),
        (TRAIN, "train", 1001, 1),
        (TRAIN, "validation", 1000, 1),
        (VALIDATION, "validation", 1000, 128),
        (45_000, "validation", 1000, 128),
        (55_000, "validation", 1000, 128),
        (44_999, "validation", 1000, 1),
        (55_001, "validation", 1000, 1),
        (VALIDATION, "train", 1000, 1),
    ],
)
def test_default_shards_of_imagenets_like(
    images: int, split: str, classes: int, shards: int
) -> None:
    small = catalog(images, split)
    expected = shards if shards > 1 else round(RECORD_OVERHEAD_BYTES * images / SHARD_BYTES) or 1
    assert default_shard_count(small, classes) == expected


@pytest.mark.parametrize(
    ("size", "shards"),
    [
        (0, 1),
        (SHARD_BYTES, 1),
        (SHARD_BYTES * 3 // 2 - 2000, 1),
        (SHARD_BYTES * 3 // 2, 2),
        (SHARD_BYTES * 7 // 2 - 2000, 3),
        (SHARD_BYTES * 7 // 2, 4),
        (SHARD_BYTES * 1000, 1000),
        (SHARD_BYTES * 99_999, 99_999),
        (SHARD_BYTES * 100_000, 99_999),
        (SHARD_BYTES * 10**7, 99_999),
    ],
)
def test_default_shards_by_size(size: int, shards: int) -> None:
    images = max(2, -(-size // (FILE_BYTES_MAX - 1)))
    assert default_shard_count(catalog(images, size=size), 10) == shards


def test_files_that_are_too_large_to_be_images_ask_for_no_shards() -> None:
    for size, shards in ((FILE_BYTES_MAX, 8), (FILE_BYTES_MAX + 1, 1), (1 << 62, 1)):
        assert default_shard_count(catalog(1, size=size), 10) == shards


def test_estimate() -> None:
    some = catalog(10, size=1000, boxes=3)
    assert estimated_bytes(some) == 1000 + 10 * RECORD_OVERHEAD_BYTES + 3 * SLIM_OVERHEAD.box
    assert plan_split(some, 2, 1, 1).output_bytes == estimated_bytes(some)


@pytest.mark.parametrize(
    ("shards", "threads", "used"),
    [(16, 8, 8), (8, 8, 8), (12, 8, 1), (1, 8, 1), (9, 3, 3), (7, 1, 1)],
)
def test_a_plan(shards: int, threads: int, used: int) -> None:
    plan = plan_split(catalog(100, "validation"), shards, 9, threads)
    assert plan.threads == used
    assert plan.shard_count == shards
    assert plan.order.tolist() == shuffled(100, 9).tolist()
    assert plan.bounds.tolist() == slim(100, shards, used)
    assert plan.shard_names[0] == f"validation-00000-of-{shards:05d}"
    assert plan.shard_names[-1] == f"validation-{shards - 1:05d}-of-{shards:05d}"
    assert len(set(plan.shard_names)) == shards


def test_more_shards_than_images() -> None:
    plan = plan_split(catalog(3), 16, 1, 8)
    assert np.diff(plan.bounds).tolist().count(0) == 13
    assert np.diff(plan.bounds).sum() == 3
