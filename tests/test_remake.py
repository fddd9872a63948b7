"""What is made of an image, byte for byte: a decode, a turn, Pillow's resampling, an encode."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import simplejpeg
import twin
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import (
    ORIENTATIONS,
    Pixels,
    exif,
    facts,
    jpeg_of,
    photograph,
    pixels_of,
    remade,
    shades,
    turned_jpeg,
    warned_of,
    with_segments,
)
from test_orient import pillow as upright_by_pillow
from test_resample import FILTERS
from test_resample import pillow as resized_by_pillow

from fastconv.errors import BadImageError
from fastconv.recipe import MODES

WORDS = {0x11: "444", 0x21: "422", 0x22: "420", 0x12: "440", 0x41: "411"}
every_orientation = pytest.mark.parametrize("orientation", ORIENTATIONS)


def expected(data: bytes, **options: Any) -> tuple[Pixels, bytes]:
    """The pixels that the reference comes to, and what it stores of them."""
    _, _, components, sampling, orientation = facts(data)
    gray = components == 1
    pixels = simplejpeg.decode_jpeg(data, colorspace="GRAY" if gray else "RGB")
    resize, exif_option = options.get("resize"), options.get("exif")
    if (exif_option or ("apply" if resize else "keep")) == "apply":
        pixels = upright_by_pillow(pixels[..., 0] if gray else pixels, orientation)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if gray and options.get("grayscale") == "rgb":
        pixels, gray = pixels.repeat(3, axis=2), False
    height, width, part = twin.sides(
        *pixels.shape[:2],
        resize=resize,
        mode=options.get("resize_mode", "short"),
        max_side=options.get("max_side"),
    )
    plane = pixels[..., 0] if gray else pixels
    if (height, width) != plane.shape[:2] or part != (0, 0, plane.shape[1], plane.shape[0]):
        plane = resized_by_pillow(plane, height, width, options.get("filter", "bilinear"), part)
    made: Pixels = np.ascontiguousarray(plane.reshape(height, width, -1))
    subsampling = options.get("subsampling", "420")
    if subsampling == "keep":
        subsampling = WORDS.get(sampling, "420")
    encoded: bytes = simplejpeg.encode_jpeg(
        made,
        quality=options.get("quality", 90),
        colorspace="GRAY" if gray else "RGB",
        colorsubsampling="Gray" if gray else subsampling,
        fastdct=False,
    )
    return made, encoded


def check(data: bytes, **options: Any) -> None:
    made = remade(data, **options)
    assert made.data == expected(data, **options)[1], options


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_and_mode(name: str, mode: str, channels: int) -> None:
    for height, width in ((60, 90), (91, 47), (64, 64)):
        data = jpeg_of(shades(height, width, channels), quality=95)
        for resize in (7, 32, 64, 100):
            small = mode == "short" and resize >= min(height, width)
            if small or (mode == "long" and resize >= max(height, width)):
                assert remade(data, resize=resize, resize_mode=mode).data == data
            elif (height, width) != (resize, resize):
                check(data, resize=resize, resize_mode=mode, filter=name, exact=True)


@every_orientation
@pytest.mark.parametrize("channels", [1, 3])
def test_every_orientation(orientation: int, channels: int) -> None:
    data = turned_jpeg(shades(61, 90, channels), orientation)
    for mode in MODES:
        check(data, resize=32, resize_mode=mode, exact=True)
        check(data, resize=32, resize_mode=mode, exact=True, exif="strip")
    if orientation > 1:
        check(data, exif="apply")
        assert remade(data, exif="apply").changes == ("turned",)
        assert remade(data, exif="apply", max_side=50).changes == ("turned", "resized")
    else:
        assert remade(data, exif="apply").data == data
    check(data, exif="apply", reencode_all=True, grayscale="rgb")


side = st.integers(1, 40)


@settings(deadline=None, max_examples=120)
@given(side, side, st.sampled_from([1, 3]), st.sampled_from(ORIENTATIONS),
       st.fixed_dictionaries({"resize": side}, optional={
           "resize_mode": st.sampled_from(MODES), "filter": st.sampled_from(sorted(FILTERS)),
           "quality": st.integers(1, 100), "subsampling": st.sampled_from(["420", "444", "keep"]),
           "max_side": st.integers(40, 60), "grayscale": st.sampled_from(["keep", "rgb"]),
           "exif": st.sampled_from(["strip", "apply"])}))  # fmt: skip
def test_any_options(
    height: int, width: int, channels: int, orientation: int, options: dict[str, Any]
) -> None:
    data = turned_jpeg(shades(height, width, channels), orientation)
    check(data, **options, exact=True, reencode_all=True)


@pytest.mark.parametrize("subsampling", [*WORDS.values()])
def test_each_sources_subsampling_is_kept(subsampling: str) -> None:
    data = simplejpeg.encode_jpeg(shades(50, 70), colorsubsampling=subsampling)
    for options in ({"reencode_all": True}, {"resize": 20, "exact": True}, {"max_side": 33}):
        made = remade(data, subsampling="keep", **options)
        assert facts(made.data)[3] == facts(data)[3]
        assert simplejpeg.decode_jpeg_header(made.data)[3] == subsampling
        for other, code in (("420", 0x22), ("444", 0x11)):
            assert facts(remade(data, subsampling=other, **options).data)[3] == code
    check(data, subsampling="keep", reencode_all=True)


def test_a_subsampling_without_a_name_becomes_420() -> None:
    data = bytearray(simplejpeg.encode_jpeg(shades(16, 16), colorsubsampling="444"))
    at = data.index(b"\xff\xc0") + 11
    assert data[at : at + 9 : 3] == b"\x11\x11\x11"
    for factor in range(at, at + 9, 3):
        data[factor] = 0x21  # all alike: as good as 4:4:4, by another name
    assert facts(bytes(data))[3] == 0
    made = remade(bytes(data), subsampling="keep", reencode_all=True)
    assert facts(made.data)[3] == 0x22


def test_grayscale_images() -> None:
    data = jpeg_of(shades(40, 30, 1))
    assert remade(data, resize=20).gray
    made = remade(data, grayscale="rgb")
    assert not made.gray and made.changes == ("encoded anew",)
    pixels = pixels_of(made.data).astype(int)
    assert np.ptp(pixels, axis=2).max() <= 2
    assert np.abs(pixels - pixels_of(data).astype(int)).mean() < 2
    assert remade(data, grayscale="keep", exif="apply").data == data
    assert remade(jpeg_of(shades(40, 30)), grayscale="rgb").data == jpeg_of(shades(40, 30))


@pytest.mark.parametrize("channels", [1, 3])
def test_images_that_libjpeg_warns_of(channels: int) -> None:
    """Stray bytes between segments: Pillow decodes them, and the rest is the same."""
    whole = turned_jpeg(shades(61, 90, channels), 6)
    data = warned_of(whole)
    with pytest.raises(ValueError, match="extraneous bytes"):
        pixels_of(data)
    for options in (
        {"reencode_all": True, "exif": "strip"},
        {"exif": "apply"},
        {"resize": 20, "exif": "strip"},
        {"resize": 15, "resize_mode": "crop"},
        {"resize": 9, "grayscale": "rgb", "filter": "lanczos"},
    ):
        made = remade(data, **options)
        pixels, _ = expected(whole, **options)
        difference = np.abs(pixels_of(made.data).astype(int) - pixels.astype(int))
        assert difference.mean() < 3, options


@pytest.mark.parametrize("option", ["keep", "strip", "apply"])
def test_what_becomes_of_exif_data(option: str) -> None:
    note = (0xE1, exif(8))
    data = with_segments(jpeg_of(shades(40, 60), icc_profile=b"colours"), note, (0xFE, b"words"))
    for options in ({"reencode_all": True}, {"max_side": 20}, {"resize": 20}):
        made = remade(data, exif=option, **options).data
        assert facts(made)[4] == (8 if option == "keep" else 1)
        assert (b"ICC_PROFILE" in made) == (option == "keep")
        assert b"words" not in made
        check(data, exif=option, **options) if option != "keep" else None
    kept = remade(data, exif=option, max_side=60)
    assert (kept.data == data) == (option == "keep")
    assert kept.changes == {"keep": (), "strip": ("stripped",), "apply": ("turned",)}[option]


def test_buffers_of_one_image_are_none_of_the_next() -> None:
    """One Remaker: large after small, gray after colour, turned after not."""
    from fastconv.image_options import ImageOptions
    from fastconv.remake import Remaker

    options = {"resize": 20, "resize_mode": "crop", "exact": True}
    remaker = Remaker(ImageOptions(resize=20, resize_mode="crop", exact=True).recipe)
    for height, width, channels, orientation in (
        (30, 40, 3, 1), (200, 90, 1, 6), (25, 25, 3, 3), (90, 200, 3, 8), (21, 300, 1, 1),
        (30, 40, 3, 1),
    ):  # fmt: skip
        data = turned_jpeg(shades(height, width, channels), orientation)
        assert remaker.jpeg(data, facts(data)).data == expected(data, **options)[1]


def test_what_cannot_be_decoded_is_bad() -> None:
    whole = jpeg_of(photograph("coffee.png"))
    cut = whole[: len(whole) // 2] + b"\xff\xd9"
    assert remade(cut, resize=50).height == 50  # libjpeg's warning, as TensorFlow passes over it
    broken = bytearray(whole)
    at = broken.index(b"\xff\xda")
    broken[at + 5] = 99  # a scan of a component that there is none of
    for options in ({"resize": 50}, {"check": "decode"}, {"reencode_all": True}):
        with pytest.raises(BadImageError, match="cannot be decoded"):
            remade(bytes(broken), **options)
    assert remade(bytes(broken), max_side=9000).data == broken
