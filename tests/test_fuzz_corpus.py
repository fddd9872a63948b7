"""The fuzzers' inputs, through the functions that Python sees: a result or the documented error.

The fuzzers themselves need clang (`make fuzz`); these run wherever the tests do.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from test_example import agree

import fastconv
from fastconv import _frames, _jpeg, _tar, _verify
from fastconv._resample import (
    Resampler,
    force_resample_kernel,
    orient,
    resample_kernel,
    resample_kernels,
)
from fastconv.checking.rules import Expected
from fastconv.errors import RecordError
from fastconv.index import index_of

CORPUS = Path(__file__).resolve().parent.parent / "fuzz" / "corpus"
FILTERS = ("box", "bilinear", "bicubic", "lanczos")
PIXELS_MAX = 40_000


def inputs(target: str) -> list[tuple[str, bytes]]:
    """Name and bytes of each committed input; some must be there, and not so many as to be slow."""
    found = sorted((CORPUS / target).iterdir())
    assert 1 <= len(found) <= 70, target
    assert sum(path.stat().st_size for path in found) <= 200_000, target
    return [(path.name, path.read_bytes()) for path in found]


def test_every_target_has_inputs_and_is_built() -> None:
    targets = {path.stem for path in CORPUS.parent.glob("*.c")}
    assert targets == {path.name for path in CORPUS.iterdir()}
    makefile = (CORPUS.parent / "Makefile").read_text()
    assert f"TARGETS := {' '.join(sorted(targets))}\n" in makefile


def test_jpeg() -> None:
    statuses = set()
    for name, data in inputs("jpeg") + inputs("keep"):
        status, height, width, components, sampling, orientation = _jpeg.look(data)
        assert 0 <= status < len(_jpeg.REASONS), name
        assert 1 <= orientation <= 8 and 0 <= sampling <= 255, name
        if status == 0:
            assert 1 <= height <= 65_535 and 1 <= width <= 65_535 and components in (1, 3, 4), name
        statuses.add(status)
    assert {0, 2, 3, 4, 5, 6} <= statuses


@pytest.mark.parametrize("changes", [{}, {"check": "decode"}, {"reencode_all": True}])
def test_jpeg_as_a_job(changes: dict[str, Any], tmp_path: Path) -> None:
    """A folder of all of them: each is written or reported, by the loop and by what it asks."""
    folder = tmp_path / "in" / "class"
    folder.mkdir(parents=True)
    found = inputs("jpeg")
    for name, data in found:
        (folder / f"{name}.JPEG").write_bytes(data)
    out = tmp_path / "out"
    options = fastconv.Options(
        source=tmp_path / "in", out=out, train_shards=1, workers=1, on_error="skip", **changes
    )
    report = fastconv.convert(options)
    assert report.found == len(found) == report.written + len(report.skipped)
    assert report.written and report.skipped
    (shard,) = (out / "data_dir").iterdir()
    assert len([*map(fastconv.parse_example, fastconv.read_records(shard))]) == report.written


def test_example() -> None:
    assert {agree(payload) for _, payload in inputs("example")} == {False, True}


def test_tar(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    statuses = set()
    for name, data in inputs("tar"):
        path.write_bytes(data[1:])
        end = max(0, len(data) - 1 + struct.unpack_from("b", data)[0]) if data else 0
        with path.open("rb") as file:
            status, at, errno, offsets, sizes, types, _names, ends = _tar.scan(
                file.fileno(), 0, end
            )
        assert 0 <= status < len(_tar.REASONS) and at >= 0 and errno == 0, name
        assert len(offsets) == len(sizes) == len(ends) == 8 * len(types), name
        statuses.add(status)
    assert {0, 3, 4, 5, 6, 8} <= statuses


def test_frames(tmp_path: Path) -> None:
    path = tmp_path / "shard"
    whys = set()
    for name, data in inputs("frames"):
        path.write_bytes(data[1:])
        with path.open("rb") as file:
            why, errno, record, at, lines = _frames.index(file.fileno(), max(0, len(data) - 1))
        assert errno == 0 and lines.count(b"\n") == record and at <= max(0, len(data) - 1), name
        whys.add(why)
        if why == _frames.WHOLE:
            assert index_of(path) == lines
        else:
            with pytest.raises(RecordError):
                index_of(path)
            with pytest.raises(RecordError):
                list(fastconv.read_records(path))
    assert whys == {_frames.WHOLE, _frames.HEAD_CUT, _frames.HEAD_WRONG, _frames.CUT}


@dataclass
class Input:
    """What a target takes its arguments from, as fuzz/fuzz.h does."""

    data: bytes

    def take(self, size: int) -> int:
        value, self.data = int.from_bytes(self.data[:size], "little"), self.data[size:]
        return value

    def up_to(self, most: int) -> int:
        return self.take(1 if most < 256 else 2 if most < 65_536 else 8) % (most + 1)

    def side(self) -> int:
        byte = self.take(1)
        return 1 + byte % 52 if byte < 208 else 1 + 13 * (byte - 208)

    def edge(self, end: int) -> float:
        kind = self.take(1) & 3
        if kind == 0:
            return self.up_to(end)
        if kind == 1:
            return end * self.take(2) / 65_535
        edge: float = end if kind == 2 else struct.unpack("<f", struct.pack("<I", self.take(4)))[0]
        return edge

    def image(self, height: int, width: int, channels: int) -> npt.NDArray[np.uint8]:
        pixels = np.resize(np.frombuffer(self.data + b"\x90", np.uint8), height * width * channels)
        return pixels.reshape(height, width, channels)


def turned(source: Input) -> bool:
    channels, orientation = 3 if source.take(1) & 1 else 1, 1 + source.up_to(7)
    height, width = source.side(), source.side()
    if height * width > PIXELS_MAX:
        return False
    sides = (width, height) if orientation >= 5 else (height, width)
    out = np.empty((*sides, channels), np.uint8)
    image = source.image(height, width, channels)
    orient(image, out, orientation)
    assert np.array_equal(np.bincount(image.ravel()), np.bincount(out.ravel()))
    return True


def resized(source: Input) -> bool:
    channels, kind = 3 if source.take(1) & 1 else 1, FILTERS[source.up_to(3)]
    height, width, out_height, out_width = (source.side() for _ in range(4))
    if max(height * width, out_height * out_width) > PIXELS_MAX:
        return False
    box: tuple[float, float, float, float] | None = None
    if source.take(1) & 1:
        left, top, right, bottom = (source.edge(height if i % 2 else width) for i in range(4))
        box = (left, top, right, bottom)
    image = source.image(height, width, channels)
    made = []
    for kernel in resample_kernels():
        force_resample_kernel(kernel)
        out = np.empty((out_height, out_width, channels), np.uint8)
        try:
            Resampler().resize(image, out, kind, box)
        except ValueError as error:
            assert "is empty, or not inside of" in str(error)
            return False
        made.append(out.tobytes())
    assert len(set(made)) == 1
    return True


def test_resample() -> None:
    best, done = resample_kernel(), []
    try:
        for _, data in inputs("resample"):
            source = Input(data)
            target = source.take(1) & 3
            if target:
                done.append(turned(source) if target == 1 else resized(source))
    finally:
        force_resample_kernel(best)
    assert set(done) == {False, True}


def test_verify() -> None:
    """The quick answer is the one in words."""
    labels = ("a", "n01440764", "")
    expected = Expected(strict=True, labels=labels)
    rules = expected.native()
    assert rules is not None
    answers = set()
    for name, data in inputs("verify"):
        payload = data[1:]
        holds = rules.hold(payload)
        assert holds == (expected.problems(payload) == []), name
        assert len(_verify.jpeg_sides(payload)) == 3
        answers.add(holds)
    assert answers == {False, True}
