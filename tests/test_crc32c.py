"""Every CRC32C kernel against the crc32c package and the twin, around every seam of its loops."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import crc32c as peer
import pytest
import twin
from hypothesis import given, settings
from hypothesis import strategies as st
from test_jpeg import guarded_memory

import fastconv
from fastconv import _tfrecord

MACHINES_OWN = _tfrecord.crc32c_kernel()
KERNELS = sorted({MACHINES_OWN, "table"})
SEAMS = (0, 1, 7, 8, 9, 16, 3 * 256, 3 * 256 + 8, 6 * 256, 3 * 4096, 3 * 4096 + 3 * 256, 6 * 4096)
LENGTHS = sorted({max(0, seam + d) for seam in SEAMS for d in (-1, 0, 1)} | {100_000})
NOISE = random.Random(1).randbytes(100_016)


@pytest.fixture(params=KERNELS)
def kernel(request: pytest.FixtureRequest) -> Iterator[str]:
    _tfrecord.force_crc32c_kernel(request.param)
    assert _tfrecord.crc32c_kernel() == request.param
    yield request.param
    _tfrecord.force_crc32c_kernel(MACHINES_OWN)


@pytest.mark.parametrize("length", LENGTHS)
def test_equals_the_package(kernel: str, length: int) -> None:
    for data in (NOISE[:length], bytes(length), b"\xff" * length):
        assert _tfrecord.crc32c(data) == peer.crc32c(data)


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),  # RFC 3720, B.4
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(reversed(range(32))), 0x113FDB5C),
    ],
)
def test_known_vectors(kernel: str, data: bytes, crc: int) -> None:
    assert _tfrecord.crc32c(data) == crc


@pytest.mark.parametrize("start", range(1, 17))
def test_unaligned_memory(kernel: str, start: int) -> None:
    for length in (9, 3 * 256 + 5, 3 * 4096 + 3 * 256 + 13):
        data = memoryview(NOISE)[start : start + length]
        assert _tfrecord.crc32c(data) == peer.crc32c(data)


def test_reads_no_byte_beyond_the_end(kernel: str) -> None:
    with guarded_memory() as memory:
        for length in (n for n in LENGTHS if 0 < n <= len(memory)):
            place = memory[len(memory) - length :]
            place[:] = NOISE[:length]
            assert _tfrecord.crc32c(place) == peer.crc32c(NOISE[:length])


@pytest.mark.parametrize("length", [20, 3 * 256 + 9, 3 * 4096 + 9])
def test_every_bit_counts(kernel: str, length: int) -> None:
    data = bytearray(NOISE[:length])
    whole = _tfrecord.crc32c(data)
    for bit in random.Random(length).sample(range(8 * length), min(8 * length, 300)):
        data[bit // 8] ^= 1 << bit % 8
        assert _tfrecord.crc32c(data) != whole
        data[bit // 8] ^= 1 << bit % 8
    assert _tfrecord.crc32c(data) == whole


@settings(deadline=None)
@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=4))
def test_kernels_agree_with_the_twin_in_any_pieces(data: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    try:
        for name in KERNELS:
            _tfrecord.force_crc32c_kernel(name)
            crc = 0
            for a, b in pairwise(places):
                crc = _tfrecord.crc32c(data[a:b], crc)
            assert crc == twin.crc32c(data)
    finally:
        _tfrecord.force_crc32c_kernel(MACHINES_OWN)


@pytest.mark.parametrize("cut", LENGTHS)
def test_goes_on_from_any_length(kernel: str, cut: int) -> None:
    crc = _tfrecord.crc32c(NOISE[cut:], _tfrecord.crc32c(NOISE[:cut]))
    assert crc == peer.crc32c(NOISE)


@settings(deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=300))
def test_join(a: bytes, b: bytes) -> None:
    joined = _tfrecord.crc32c_join(_tfrecord.crc32c(a), _tfrecord.crc32c(b), len(b))
    assert joined == twin.crc32c(a + b)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 1 << 24])
def test_join_of_every_size_byte(size: int) -> None:
    b = bytes(size)
    joined = _tfrecord.crc32c_join(peer.crc32c(b"head"), peer.crc32c(b), size)
    assert joined == peer.crc32c(b, peer.crc32c(b"head"))


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**39), st.integers(0, 2**39))
def test_join_of_sizes_no_test_can_hold(crc: int, m: int, n: int) -> None:
    """Behind A come m bytes, then n: the same as m + n bytes at once (all with a CRC of 0)."""
    step = _tfrecord.crc32c_join(_tfrecord.crc32c_join(crc, 0, m), 0, n)
    assert step == _tfrecord.crc32c_join(crc, 0, m + n)


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_masked(data: bytes) -> None:
    expected = twin.masked_crc32c(data)
    assert fastconv.masked_crc32c(data) == expected
    assert fastconv.masked_crc32c(bytearray(data)) == expected
    assert fastconv.masked_crc32c(memoryview(data)) == expected


@pytest.mark.parametrize("name", ["", "TABLE", "sse4.3", "none"])
def test_a_kernel_that_is_missing_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match="has no CRC32C kernel"):
        _tfrecord.force_crc32c_kernel(name)
    assert _tfrecord.crc32c_kernel() == MACHINES_OWN


def test_the_machines_own_kernel_is_the_default() -> None:
    code = "from fastconv import _tfrecord; print(_tfrecord.crc32c_kernel())"
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert said == MACHINES_OWN
    cpu = Path("/proc/cpuinfo")
    if cpu.exists() and "sse4_2" in cpu.read_text():
        assert said == "sse4.2"
