"""What may be asked to be done to images: ranges, words, and what would do nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from layouts import put
from test_cli import fastconv

from fastconv.errors import UsageError
from fastconv.image_options import ImageOptions
from fastconv.options import Options
from fastconv.recipe import Recipe


def asked(**options: Any) -> ImageOptions:
    """Whatever it is, also what no checker of types lets through."""
    return ImageOptions(**options)


# Name: the least, the most, and what it needs beside it.
RANGES: dict[str, tuple[int, int, dict[str, Any]]] = {
    "resize": (1, 65_500, {}),
    "quality": (1, 100, {"resize": 5}),
    "max_side": (1, 65_500, {}),
    "max_bytes": (1024, 1 << 40, {}),
    "max_pixels": (1, 1 << 32, {}),
}
WORDS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "resize_mode": (("short", "long", "squash", "crop"), {"resize": 5}),
    "filter": (("bilinear", "bicubic", "lanczos", "box"), {"resize": 5}),
    "subsampling": (("420", "444", "keep"), {"resize": 5}),
    "exif": (("keep", "strip", "apply"), {}),
    "check": (("headers", "decode"), {}),
    "grayscale": (("keep", "rgb"), {}),
}


@pytest.mark.parametrize("name", RANGES)
def test_both_ends_of_a_range(name: str) -> None:
    least, most, beside = RANGES[name]
    for value in (least, most):
        assert getattr(asked(**beside, **{name: value}), name) == value
    for value in (least - 1, most + 1, -most, 0, -1):
        option = f"--{name.replace('_', '-')}"
        with pytest.raises(UsageError, match=f"^{option} is from {least} to {most}, not {value}$"):
            asked(**beside, **{name: value})


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("value", [True, False, 50.0, "50", b"50", [50], float("nan")])
def test_numbers_are_whole_numbers(name: str, value: object) -> None:
    with pytest.raises(UsageError, match="is a whole number, not"):
        asked(**{**RANGES[name][2], name: value})


@pytest.mark.parametrize("name", WORDS)
def test_words(name: str) -> None:
    known, beside = WORDS[name]
    for word in known:
        assert getattr(asked(**beside, **{name: word}), name) == word
    others: tuple[object, ...] = ("", "x", "".join(known), f"{known[0]} ", 0, False, 420, [], {})
    for other in others:
        with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} is {known[0]}"):
            asked(**{**beside, name: other})


ENCODES: tuple[dict[str, Any], ...] = (
    {"resize": 9},
    {"max_side": 9},
    {"max_bytes": 5000},
    {"reencode_all": True},
    {"exif": "apply"},
    {"grayscale": "rgb"},
)
DOES_NOT: tuple[dict[str, Any], ...] = (
    {},
    {"exif": "strip"},
    {"exif": "keep"},
    {"check": "decode"},
    {"grayscale": "keep"},
    {"max_pixels": 9},
)


@pytest.mark.parametrize("beside", DOES_NOT)
@pytest.mark.parametrize(
    "option",
    [{"quality": 80}, {"subsampling": "444"}, {"filter": "box"}, {"exact": True},
     {"resize_mode": "crop"}],
)  # fmt: skip
def test_what_would_do_nothing(beside: dict[str, Any], option: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="does nothing without"):
        asked(**beside, **option)


@pytest.mark.parametrize("beside", ENCODES)
def test_what_does_something(beside: dict[str, Any]) -> None:
    asked(**beside, quality=80, subsampling="keep")
    for option in ({"filter": "lanczos"}, {"exact": True}):
        if {"resize", "max_side", "max_bytes"} & beside.keys():
            asked(**beside, **option)
        else:
            with pytest.raises(UsageError, match="does nothing without --resize, --max-side or"):
                asked(**beside, **option)
    if "resize" not in beside:
        with pytest.raises(UsageError, match=r"--resize-mode does nothing without --resize$"):
            asked(**beside, resize_mode="long")


def test_sides_that_contradict_each_other() -> None:
    for mode in ("squash", "crop"):
        asked(resize=10, resize_mode=mode, max_side=10)
        with pytest.raises(
            UsageError, match=f"--max-side 9 is less than the --resize 10 .* {mode}"
        ):
            asked(resize=10, resize_mode=mode, max_side=9)
    for mode in ("short", "long"):
        asked(resize=10, resize_mode=mode, max_side=9)


def test_defaults() -> None:
    assert asked().recipe == Recipe()
    assert not Recipe().alters
    resized = asked(resize=256).recipe
    assert resized == Recipe(side=256, exif="apply")
    assert (resized.mode, resized.filter, resized.quality) == ("short", "bilinear", 90)
    assert (resized.subsampling, resized.pixels_max) == ("420", 178_956_970)
    assert asked(resize=256, exif="keep").recipe.exif == "keep"
    assert asked(max_side=256).recipe.exif == "keep"
    assert asked(max_bytes=2000).recipe.exif == "keep"


def test_what_can_change_an_images_bytes() -> None:
    for beside in (*ENCODES, {"exif": "strip"}):
        assert asked(**beside).recipe.alters, beside
    for beside in DOES_NOT:
        if beside == {"exif": "strip"}:
            continue
        assert not asked(**beside).recipe.alters, beside


def test_whole_options_are_checked_as_well(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--resize is from 1"):
        Options(source=tmp_path, out=tmp_path / "out", resize=0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--resize", 0), "--resize is from 1 to 65500, not 0"),
        (("--quality", 80), "--quality does nothing without an option that encodes images"),
        (("--resize", 9, "--resize-mode", "crop", "--max-side", 8), "leave one of them out"),
    ],
)
def test_the_command_says_it_in_one_line(
    tmp_path: Path, words: tuple[object, ...], said: str
) -> None:
    put(tmp_path / "in", "a/1.jpg")
    done = fastconv("shards", tmp_path / "in", "--out", tmp_path / "out", *words, code=2)
    assert said in " ".join(done.stderr.split())
    assert done.stderr.count("\n") == 1 and done.stdout == ""
    assert not (tmp_path / "out").exists()


def test_the_command_knows_the_words(tmp_path: Path) -> None:
    for words in (("--exif", "rotate"), ("--resize", "small")):
        done = fastconv("shards", tmp_path, "--out", tmp_path / "out", *words, code=2)
        assert words[0] in done.stderr
