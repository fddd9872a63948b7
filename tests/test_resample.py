"""Every resampling kernel against Pillow, byte for byte, and at the edges of its memory."""

from __future__ import annotations

import mmap
import random
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL
import pytest
import twin
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from test_jpeg import guarded_memory

from fastconv import _resample

Pixels = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]

MACHINES_OWN = _resample.resample_kernel()
KERNELS = _resample.resample_kernels()
FILTERS = {
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
PILLOW_CHOOSES_THE_ORDER = int(PIL.__version__.partition(".")[0]) >= 13
every_filter = pytest.mark.parametrize("name", FILTERS)


@pytest.fixture(params=KERNELS)
def kernel(request: pytest.FixtureRequest) -> Iterator[str]:
    _resample.force_resample_kernel(request.param)
    assert _resample.resample_kernel() == request.param
    yield request.param
    _resample.force_resample_kernel(MACHINES_OWN)


def noise(
    height: int, width: int, channels: int = 3, seed: int = 1, *, hard: bool = False
) -> Pixels:
    """Random pixels; hard ones are black and white, whose sums leave what a byte holds."""
    values = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    if hard:
        values = np.where(values < 128, 0, 255).astype(np.uint8)
    return values if channels == 3 else values[:, :, 0].copy()


def pillow(pixels: Pixels, height: int, width: int, name: str, box: Box | None = None) -> Pixels:
    """Pillow's bytes. It is asked for one direction at a time: the order depends on its version."""
    image, kind = Image.fromarray(pixels), FILTERS[name]
    left, top, right, bottom = box or (0, 0, image.width, image.height)
    fewer = image.height - height
    if fewer > 0 and fewer > 2 * (image.width - width):
        image = image.resize((image.width, height), kind, (0, top, image.width, bottom))
        image = image.resize((width, height), kind, (left, 0, right, height))
    else:
        image = image.resize((width, image.height), kind, (left, 0, right, image.height))
        image = image.resize((width, height), kind, (0, top, width, bottom))
    made = np.asarray(image)
    if PILLOW_CHOOSES_THE_ORDER:
        at_once = Image.fromarray(pixels).resize((width, height), kind, box)
        assert np.array_equal(made, np.asarray(at_once))
    return made


def ours(pixels: Pixels, height: int, width: int, name: str, box: Box | None = None) -> Pixels:
    out = np.full((height, width, *pixels.shape[2:]), 77, np.uint8)
    _resample.Resampler().resize(pixels, out, name, box)
    return out


def check(pixels: Pixels, height: int, width: int, name: str, box: Box | None = None) -> None:
    made = ours(pixels, height, width, name, box)
    assert np.array_equal(made, pillow(pixels, height, width, name, box))


side = st.one_of(st.integers(1, 20), st.integers(1, 200))


@st.composite
def boxes(draw: st.DrawFn, height: int, width: int) -> Box | None:
    """All, or a part: whole pixels or not, down to a sliver."""
    kind = draw(st.sampled_from(["all", "whole", "any"]))
    if kind == "all":
        return None
    if kind == "whole":
        x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        return x, y, draw(st.integers(x + 1, width)), draw(st.integers(y + 1, height))
    left, top = (draw(st.floats(0, n - 0.25, width=32)) for n in (width, height))
    right = draw(st.floats(left + 0.125, width))
    return left, top, right, draw(st.floats(top + 0.125, height))


@settings(deadline=None, max_examples=250)
@given(st.data(), side, side, side, side, st.sampled_from([1, 3]), st.booleans())
def test_every_kernel_gives_pillows_bytes(
    data: st.DataObject, h: int, w: int, height: int, width: int, channels: int, hard: bool
) -> None:
    pixels = noise(h, w, channels, h * w, hard=hard)
    name, box = data.draw(st.sampled_from(sorted(FILTERS))), data.draw(boxes(h, w))
    if box and data.draw(st.booleans()):  # a part that keeps its size, in one direction or both
        width = max(1, round(box[2] - box[0]))
    if box and data.draw(st.booleans()):
        height = max(1, round(box[3] - box[1]))
    expected = pillow(pixels, height, width, name, box)
    try:
        for kernel in KERNELS:
            _resample.force_resample_kernel(kernel)
            assert np.array_equal(ours(pixels, height, width, name, box), expected), kernel
    finally:
        _resample.force_resample_kernel(MACHINES_OWN)


@settings(deadline=None, max_examples=40)
@given(*[st.integers(1, 9)] * 4, st.sampled_from(sorted(FILTERS)), st.data())
def test_the_twin_agrees(
    h: int, w: int, height: int, width: int, name: str, data: st.DataObject
) -> None:
    pixels, box = noise(h, w, 1, h + w, hard=True), data.draw(boxes(h, w))
    assert ours(pixels, height, width, name, box).tolist() == twin.resized(
        pixels.tolist(), height, width, name, box
    )


@every_filter
@pytest.mark.parametrize(
    ("size", "target"),
    [
        *[((375, 500), (256, 341)), ((256, 341), (375, 500)), ((333, 251), (97, 410))],
        *[((1, 1), (1, 1)), ((1, 1), (70, 90)), ((90, 70), (1, 1)), ((1, 200), (65, 3))],
        *[((3, 5000), (700, 3)), ((5000, 3), (3, 700)), ((2, 9000), (2, 1)), ((9000, 2), (1, 2))],
        *[((64, 64), (64, 63)), ((64, 64), (63, 64)), ((65, 67), (65, 67)), ((130, 7), (129, 7))],
    ],
)
def test_sizes(kernel: str, name: str, size: tuple[int, int], target: tuple[int, int]) -> None:
    for channels in (1, 3):
        check(noise(*size, channels), *target, name)


@every_filter
def test_edges_of_a_register(kernel: str, name: str) -> None:
    """Rows and strips of one byte or row fewer and more than registers and strips hold."""
    for n in (15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129):
        check(noise(n, 40, 1), 21, n, name)
        check(noise(40, n, 1), n, 21, name)


def test_an_axis_of_many_turns(kernel: str) -> None:
    """Columns are made some hundred at a time; weights of a turn overlap those of the next."""
    check(noise(5, 6000), 4, 2777, "lanczos")
    check(noise(5, 2500), 7, 6001, "lanczos")


@pytest.mark.parametrize("box", [(3, 2, 33, 22), (3, 2.5, 33, 22.25), (2.75, 2, 33.5, 22)])
def test_a_part_that_keeps_its_size(kernel: str, box: Box) -> None:
    pixels = noise(30, 40)
    for name in FILTERS:
        check(pixels, 20, 30, name, box)
    if box == (3, 2, 33, 22):
        assert np.array_equal(ours(pixels, 20, 30, "lanczos", box), pixels[2:22, 3:33])


def test_tables_are_of_the_image_in_hand() -> None:
    """One Resampler for many images, of which some differ in one thing only."""
    resampler, rng = _resample.Resampler(), random.Random(4)
    for _ in range(150):
        h, w, height, width = (rng.choice((5, 6, 100)) for _ in range(4))
        name, pixels = rng.choice(sorted(FILTERS)), noise(h, w, rng.choice((1, 3)))
        box = rng.choice((None, (1, 1, 5, 5), (0, 0.5, 4.5, 5)))
        out = np.empty((height, width, *pixels.shape[2:]), np.uint8)
        kernel = rng.choice(KERNELS)
        _resample.force_resample_kernel(kernel)
        resampler.resize(pixels, out, name, box)
        assert np.array_equal(out, pillow(pixels, height, width, name, box))
    _resample.force_resample_kernel(MACHINES_OWN)


def guarded(memory: memoryview, pixels: Pixels, *, last: bool) -> Pixels:
    """The pixels right before the page that crashes, or right behind the one that does."""
    at = len(memory) - pixels.nbytes if last else 0
    place: Pixels = np.frombuffer(memory[at : at + pixels.nbytes], np.uint8).reshape(pixels.shape)
    place[:] = pixels
    return place


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
def test_touches_no_byte_beyond_the_ends(kernel: str, channels: int, last: bool) -> None:
    sizes = [(1, 1, 3, 3), (3, 5, 2, 4), (17, 33, 16, 32), (65, 9, 64, 70), (40, 70, 9, 21)]
    sizes += [(9, 65, 9, 31), (65, 9, 31, 9), (20, 20, 20, 20), (3, 300, 80, 7), (60, 60, 40, 58)]
    with guarded_memory(before=not last) as memory, guarded_memory(before=not last) as other:
        for h, w, height, width in sizes:
            pixels = noise(h, w, channels)
            source = guarded(memory, pixels, last=last)
            out = guarded(other, np.zeros((height, width, *pixels.shape[2:]), np.uint8), last=last)
            for name in ("box", "lanczos"):
                _resample.Resampler().resize(source, out, name)
                assert np.array_equal(out, pillow(pixels, height, width, name))
        del source, out


def test_writes_no_byte_around_the_output(kernel: str) -> None:
    for h, w, height, width in [(50, 70, 33, 41), (50, 70, 50, 41), (50, 70, 33, 70), (9, 9, 9, 9)]:
        size = height * width * 3
        room = np.full(size + 128, 77, np.uint8)
        out = room[64 : 64 + size].reshape(height, width, 3)
        _resample.Resampler().resize(noise(h, w), out, "bicubic")
        assert np.array_equal(out, pillow(noise(h, w), height, width, "bicubic"))
        assert (room[:64] == 77).all() and (room[64 + size :] == 77).all()


@pytest.mark.parametrize("level", [0, 1, 254, 255])
def test_one_colour_stays_that_colour(kernel: str, level: int) -> None:
    flat = np.full((61, 83, 3), level, np.uint8)
    for name in FILTERS:
        assert (ours(flat, 200, 31, name, (0.3, 0.3, 80.1, 60.7)) == level).all()


@pytest.mark.parametrize(
    "sizes", [((65535, 2), (2, 3)), ((2, 65535), (3, 2)), ((1, 3), (2, 65535))]
)
def test_the_longest_sides_of_a_jpeg(sizes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    check(noise(*sizes[0], 1), *sizes[1], "lanczos")


def test_the_last_corner_of_the_largest_jpeg(kernel: str) -> None:
    """4.3 GB, of which only the pages with the corner are ever there."""
    side, size = 65535, 40
    lazy = 0x4000 if sys.platform == "linux" else 0  # MAP_NORESERVE, named since Python 3.13
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | lazy
    try:
        pages = mmap.mmap(-1, side * side, flags)
    except OSError:
        pytest.skip("no room for so many addresses")
    large: Pixels = np.frombuffer(pages, np.uint8).reshape(side, side)
    small = np.zeros((2 * size, 2 * size), np.uint8)
    small[size:, size:] = large[-size:, -size:] = noise(size, size, 1)
    for height, width in ((13, 27), (40, 27), (13, 40), (40, 40), (90, 90)):
        made = ours(large, height, width, "lanczos", (side - size, side - size, side, side))
        corner = (size, size, 2 * size, 2 * size)
        assert np.array_equal(made, pillow(small, height, width, "lanczos", corner))


# ---- misuse ----------------------------------------------------------------------------------


def gray(*shape: int) -> Pixels:
    return np.zeros(shape, np.uint8)


@pytest.mark.parametrize(
    ("pixels", "out", "named"),
    [
        (gray(4), gray(4, 4), "pixels"),
        (gray(4, 4), gray(2, 2, 2, 3), "out"),
        (gray(4, 4, 4), gray(2, 2, 4), "pixels"),
        (gray(4, 4, 2), gray(2, 2, 2), "pixels"),
        (gray(4, 4), gray(2, 2, 3), "one kind"),
        (gray(4, 4, 3), gray(2, 2), "one kind"),
        (gray(0, 4), gray(2, 2), "pixels"),
        (gray(4, 4), gray(2, 0), "out"),
        (gray(1, (1 << 24) + 1), gray(2, 2), "pixels"),
        (gray(4, 8)[:, ::2], gray(2, 2), "pixels"),
        (gray(4, 4), gray(4, 4).T[:, ::2], "out"),
        (np.zeros((4, 4), np.int8), gray(2, 2), "pixels"),
        (np.zeros((4, 4), np.float32), gray(2, 2), "pixels"),
        (memoryview(b"1234").cast("B", (2, 2)), memoryview(b"1").cast("B", (1, 1)), "read-only"),
    ],
)
def test_what_is_no_image(pixels: Pixels, out: Pixels, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        _resample.Resampler().resize(pixels, out, "box")


@pytest.mark.parametrize(
    "box",
    [
        *[(0, 0, 0, 4), (0, 0, 4, 0), (2, 0, 2, 4), (3, 0, 2, 4), (-0.1, 0, 4, 4), (0, -1, 4, 4)],
        *[(0, 0, 5.01, 4), (0, 0, 4, 4.01), (float("nan"), 0, 4, 4), (0, 0, float("nan"), 4)],
        *[(0, 0, float("inf"), 4), (0, 0, 1e300, 4), (0, 0, 4), (0, 0, 4, 4, 4)],
    ],
)
def test_what_is_no_box(box: Box) -> None:
    with pytest.raises(ValueError):
        _resample.Resampler().resize(gray(4, 5), gray(2, 2), "box", box)


@pytest.mark.parametrize("name", ["", "BOX", "nearest", "hamming"])
def test_what_is_no_filter(name: str) -> None:
    with pytest.raises(ValueError, match="bilinear"):
        _resample.Resampler().resize(gray(4, 5), gray(2, 2), name)


def test_memory_may_not_be_shared() -> None:
    room = gray(6, 4)
    _resample.Resampler().resize(room[:3], room[3:], "box")
    with pytest.raises(ValueError, match="share"):
        _resample.Resampler().resize(room[:3], room[2:], "box")


def test_no_memory_is_an_error_and_not_the_end() -> None:
    resource = pytest.importorskip("resource")
    resampler, wide = _resample.Resampler(), gray(3, 1 << 22)
    out, limits = gray(2, (1 << 22) - 9), resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (8 << 20), limits[1]))
    try:
        with pytest.raises(MemoryError):
            resampler.resize(wide, out, "lanczos")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    small = gray(5, 5)
    resampler.resize(noise(30, 30, 1), small, "lanczos")
    assert np.array_equal(small, pillow(noise(30, 30, 1), 5, 5, "lanczos"))


def test_one_thread_at_a_time() -> None:
    """A second call while the first runs is refused; neither crashes."""
    resampler, pixels, refused = _resample.Resampler(), noise(1500, 1500), []
    expected = pillow(pixels, 900, 900, "lanczos")

    def work() -> None:
        out = np.empty((900, 900, 3), np.uint8)
        for _ in range(5):
            try:
                resampler.resize(pixels, out, "lanczos")
                assert np.array_equal(out, expected)
            except RuntimeError as error:
                refused.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(refused) <= {"a Resampler is for one thread at a time"}


@pytest.mark.parametrize("name", ["", "BASELINE", "avx3", "none"])
def test_a_kernel_that_is_missing_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match="has no resampling kernel"):
        _resample.force_resample_kernel(name)
    assert _resample.resample_kernel() == MACHINES_OWN


def test_the_best_kernel_is_the_default() -> None:
    assert KERNELS[0] == "baseline" and KERNELS[-1] == MACHINES_OWN
    cpu = Path("/proc/cpuinfo")
    if sys.platform == "linux" and "avx2" in cpu.read_text().split():
        assert "avx2" in KERNELS
