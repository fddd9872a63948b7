"""Any single bit, flipped anywhere in a shard or its index, is found, and repaired to the byte."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import digests
from PIL import Image

import fastconv
from fastconv.checking.outputs import look_at
from fastconv.checking.rules import Expected
from fastconv.checking.shards import Checker
from fastconv.checking.whole import shard_to_check

SHARD = "train-00000-of-00001"


def flipped(path: Path, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(bit // 8)
        (byte,) = file.read(1)
        file.seek(bit // 8)
        file.write(bytes([byte ^ (1 << bit % 8)]))


def checker(out: Path) -> Callable[[], bool]:
    """Whether anything is wrong with the shard of an output, as fastconv.verify finds it."""
    output = look_at(out)
    strict = output.past is not None
    check = Checker(Expected(strict=strict, labels=output.labels))
    shard = shard_to_check(output, SHARD)
    return lambda: check(shard).count > 0


def files(out: Path) -> Iterator[tuple[Path, int]]:
    """The shard and its index, with their bits."""
    for folder in ("data_dir", "idx_dir"):
        path = out / folder / SHARD
        yield path, 8 * path.stat().st_size


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """An output of three tiny images."""
    for number, name in enumerate("aba"):
        (tmp_path / "in" / name).mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 80 * number).save(
            tmp_path / "in" / name / f"{number}.jpg", quality=1
        )
    out = tmp_path / "out"
    fastconv.convert(fastconv.Options(source=tmp_path / "in", out=out, train_shards=1))
    return out


@pytest.mark.parametrize("manifest", [True, False])
@pytest.mark.parametrize("of_three", [0, pytest.param((1, 2), marks=pytest.mark.torture)])
def test_every_bit_of_a_small_shard(
    small: Path, manifest: bool, of_three: int | tuple[int, int]
) -> None:
    """One of three bits here, and the other two in what takes minutes."""
    if not manifest:
        (small / "manifest.json").unlink()
    is_wrong = checker(small)
    assert not is_wrong()
    steps = (of_three,) if isinstance(of_three, int) else of_three
    for path, bits in files(small):
        for bit in (bit for step in steps for bit in range(step, bits, 3)):
            flipped(path, bit)
            assert is_wrong(), f"{path.parent.name}: bit {bit}"
            flipped(path, bit)
    assert not is_wrong()


@pytest.mark.torture
@pytest.mark.timeout(600)
def test_ten_thousand_bits_of_a_large_shard(sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    fastconv.convert(
        fastconv.Options(source=sample / "tree", out=out, split="train", train_shards=1)
    )
    is_wrong = checker(out)
    generator = random.Random(5)
    (shard, bits), (index, index_bits) = files(out)
    assert bits > 8 * 50_000_000
    for number in range(10_000):
        path, count = (index, index_bits) if number % 20 == 0 else (shard, bits)
        bit = generator.randrange(count)
        flipped(path, bit)
        assert is_wrong(), f"{path.parent.name}: bit {bit}"
        flipped(path, bit)
    assert not is_wrong()


@pytest.mark.parametrize("flips", [4, pytest.param(100, marks=pytest.mark.torture)])
@pytest.mark.timeout(600)
def test_a_repair_restores_the_bytes(mini: Path, tmp_path: Path, flips: int) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    fastconv.convert(fastconv.Options(source=mini, out=whole, train_shards=4))
    shutil.copytree(whole, out)
    generator = random.Random(flips)
    before = digests(whole)
    for number in range(flips):
        folder = ("data_dir", "idx_dir")[number % 2]
        path = generator.choice(sorted((out / folder).iterdir()))
        flipped(path, generator.randrange(8 * path.stat().st_size))
        assert fastconv.verify(out).exit_code == 5
        assert fastconv.verify_and_repair(out, workers=1 + number % 2).exit_code == 0
        assert digests(out) == before
