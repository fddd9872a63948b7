"""Contact sheets: every pixel that matters, looked at."""

from __future__ import annotations

import io
import itertools
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import shades, turned_jpeg
from PIL import Image, ImageFont
from shown_records import file_of, image, shown

from fastconv.errors import OutputError, UsageError
from fastconv.pictures import lettering, sheet
from fastconv.pictures.lettering import fitting, fitting_ends, font, plain, wrapped
from fastconv.pictures.sheet import (
    BEHIND,
    GAP,
    INK,
    LINE,
    MARGIN,
    PALE,
    PAPER,
    caption,
    contact_sheet,
    save_sheet,
    sheet_format,
)
from fastconv.pictures.shown import Shown
from fastconv.pictures.tile import BOX, GRAY, OUTLINE, pixels_of, small, tile

BLUE = (40, 90, 200)


def at(picture: Image.Image, x: int, y: int) -> tuple[int, ...]:
    pixel = picture.getpixel((x, y))
    assert isinstance(pixel, tuple)
    return pixel


def inked(picture: Image.Image, area: tuple[int, int, int, int]) -> int:
    """How many pixels of an area are not the paper's."""
    return int((np.asarray(picture.crop(area)) != PAPER).any(axis=2).sum())


# ---- pictures and boxes -------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [(400, 300), (300, 400), (224, 224), (225, 10)])
def test_a_box_is_drawn_at_its_edges(width: int, height: int) -> None:
    box = (0.25, 0.2, 0.75, 0.8)
    picture = tile(shown(file_of(image(width, height)), boxes=(box,)), 224)
    w, h = picture.size
    assert max(w, h) == 224 and abs(w / h - width / height) < w / h * 0.1
    left, top, right, bottom = (round(0.25 * w), round(0.2 * h), round(0.75 * w), round(0.8 * h))
    middle = (left + right) // 2, (top + bottom) // 2
    for x, y in (
        (left, middle[1]),
        (right - 1, middle[1]),
        (middle[0], top),
        (middle[0], bottom - 1),
    ):
        assert at(picture, x, y) == BOX
    assert at(picture, left - 1, middle[1]) == OUTLINE
    assert at(picture, right, middle[1]) == OUTLINE
    assert at(picture, left - 2, middle[1]) == BLUE
    if h > 40:
        assert at(picture, *middle) == BLUE


def test_lines_are_seen_on_any_colour() -> None:
    for colour in ((0, 0, 0), (255, 255, 255), BOX, (230, 160, 10)):
        picture = tile(shown(file_of(image(300, 300, colour)), boxes=((0.2, 0.2, 0.8, 0.8),)), 224)
        edge = [at(picture, x, 112) for x in range(40, 52)]
        assert max(sum(map(abs, np.subtract(a, b))) for a, b in itertools.pairwise(edge)) > 300


def test_a_box_as_large_as_the_image() -> None:
    picture = tile(shown(file_of(image(300, 200)), boxes=((0.0, 0.0, 1.0, 1.0),)), 224)
    for corner in ((0, 0), (223, 0), (0, picture.height - 1), (223, picture.height - 1)):
        assert at(picture, *corner) == BOX


def test_no_outline_covers_another_box() -> None:
    boxes = ((0.1, 0.1, 0.6, 0.6), (0.105, 0.105, 0.6, 0.6), (0.3, 0.3, 0.9, 0.9))
    both = np.asarray(tile(shown(file_of(image(400, 400)), boxes=boxes), 224))
    for box in boxes:
        alone = np.asarray(tile(shown(file_of(image(400, 400)), boxes=(box,)), 224))
        lines = (alone == BOX).all(axis=2)
        assert (both[lines] == BOX).all()


def test_sixty_boxes_leave_something_of_the_image() -> None:
    rng = random.Random(0)
    boxes = []
    for _ in range(60):
        x, y = rng.uniform(0, 0.8), rng.uniform(0, 0.8)
        boxes.append((x, y, x + 0.15, y + 0.15))
    picture = np.asarray(tile(shown(file_of(image(400, 400)), boxes=tuple(boxes)), 224))
    assert (picture == BLUE).all(axis=2).mean() > 0.4
    assert (picture == BOX).all(axis=2).sum() > 1000


@pytest.mark.parametrize(
    "box",
    [
        (-5.0, 0.2, 9.0, 0.8),
        (1.0, 1.0, 1.0, 1.0),
        (0.0, 0.0, 0.0, 0.0),
        (0.5, 0.5, 0.5, 0.5),
        (1e30, -1e30, 1e30, 1e30),
        (-1e30, -1e30, -1e29, -1e29),
    ],
)
@pytest.mark.parametrize("size", [(1, 1), (3, 500), (400, 300)])
def test_boxes_beyond_reason_stay_inside(
    box: tuple[float, float, float, float], size: tuple[int, int]
) -> None:
    assert (
        (np.asarray(tile(shown(file_of(image(*size)), boxes=(box,)), 64)) == BOX).all(axis=2).any()
    )


def test_a_box_turned_inside_out_is_none() -> None:
    picture = tile(shown(file_of(image(300, 300)), boxes=((0.8, 0.2, 0.2, 0.8),)), 224)
    assert (np.asarray(picture) == BLUE).all()


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1, 1), (16, 16)),
        ((28, 28), (224, 224)),
        ((100, 50), (200, 100)),
        ((113, 20), (113, 20)),
        ((224, 224), (224, 224)),
        ((225, 225), (224, 224)),
        ((10000, 10), (224, 1)),
        ((10, 10000), (1, 224)),
        ((500, 375), (224, 168)),
    ],
)
def test_sizes_keep_their_aspect(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert small(image(*size), 224).size == expected


def test_small_images_are_enlarged_pixel_for_pixel() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 9, 3), np.uint8)
    enlarged = np.asarray(small(Image.fromarray(pixels), 100))
    assert (enlarged == pixels.repeat(11, axis=0).repeat(11, axis=1)).all()


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("size", [(60, 40), (1500, 1000), (4000, 30)])
def test_jpegs_of_all_colours(mode: str, size: tuple[int, int]) -> None:
    picture = tile(shown(file_of(image(*size, colour=(200, 200, 200), mode=mode), "JPEG")), 224)
    pixels = np.asarray(picture).astype(int)
    assert abs(pixels - 200).max() <= 3


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_other_formats(kind: str) -> None:
    picture = tile(shown(file_of(image(50, 30), kind)), 224)
    assert picture.size == (200, 120)
    assert abs(np.asarray(picture).astype(int) - BLUE).max() <= 4


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_images_are_shown_as_they_are_stored(orientation: int) -> None:
    """Boxes are of the stored pixels."""
    stored = shades(200, 300)
    picture = pixels_of(turned_jpeg(stored, orientation, quality=95), 224)
    assert picture.size == (300, 200)
    assert abs(np.asarray(picture).astype(int) - stored).mean() < 5
    note = Image.Exif()
    note[0x0112] = orientation
    assert pixels_of(file_of(Image.fromarray(stored), "PNG", exif=note), 224).size == (300, 200)


def test_a_large_jpeg_is_decoded_small() -> None:
    data = file_of(image(4000, 3000), "JPEG")
    assert pixels_of(data, 224).size == (500, 375)
    assert pixels_of(data, 1024).size == (2000, 1500)


# What is no image, and what a header only promises.
BOMB = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + (60000).to_bytes(4, "big") * 2 + b"\x08\2\0\0\0"
UNDECODABLE = {
    "nothing": b"",
    "text": b"this is no image",
    "cut": file_of(image(400, 300), "JPEG")[:-40],
    "cut in its head": file_of(image(400, 300), "JPEG")[:20],
    "cut PNG": file_of(Image.fromarray(shades(100, 100)))[:-500],
    "bomb": BOMB + b"\0" * 200,
}


@pytest.mark.parametrize("name", UNDECODABLE)
def test_what_cannot_be_decoded_is_gray_and_says_so(name: str) -> None:
    picture = tile(shown(UNDECODABLE[name], boxes=((0.1, 0.1, 0.9, 0.9),)), 224)
    assert picture.size == (224, 224)
    pixels = np.asarray(picture)
    assert (
        (pixels[:8] == GRAY).all()
        and (pixels[:, :8] == GRAY).all()
        and (pixels[:, -8:] == GRAY).all()
    )
    assert 100 < (pixels.min(axis=2) < 120).sum() < 10000


@pytest.mark.parametrize("side", [48, 64, 1024])
def test_what_cannot_be_decoded_fits_any_side(side: int) -> None:
    assert tile(shown(b"no image"), side).size == (side, side)


# ---- the sheet ----------------------------------------------------------------------------------


def test_captions_stand_under_pictures_and_do_not_overlap() -> None:
    long = "n" * 300
    records = [
        shown(file_of(image(224, 224)), filename=long, text=long, label=10**18) for _ in range(6)
    ]
    drawn = contact_sheet(records, columns=3)
    side = sheet.SIDE
    for number in range(6):
        left = MARGIN + number % 3 * (side + GAP)
        top = MARGIN + number // 3 * (side + 6 + 4 * LINE + GAP)
        assert (np.asarray(drawn.crop((left, top, left + side, top + side))) == BLUE).all()
        assert inked(drawn, (left, top + side, left + side, top + side + 4)) == 0
        for line in range(4):
            at_line = top + side + 4 + line * LINE
            assert inked(drawn, (left, at_line, left + side, at_line + LINE)) > 30
        assert inked(drawn, (left + side, top, left + side + GAP, top + side + 80)) == 0


def test_words_have_the_colours_of_words() -> None:
    drawn = np.asarray(contact_sheet([shown()]))
    under = drawn[MARGIN + sheet.SIDE + 4 :]
    assert (under[:LINE] == INK).all(axis=2).sum() > 20
    assert (under[LINE + 3 :] == PALE).all(axis=2).sum() > 20


def test_pictures_lie_in_the_middle() -> None:
    drawn = contact_sheet([shown(file_of(image(400, 200)))])
    middle = MARGIN + sheet.SIDE // 2
    assert at(drawn, middle, MARGIN) == BEHIND and at(drawn, middle, middle) == BLUE
    column = (
        (np.asarray(drawn)[MARGIN : MARGIN + sheet.SIDE, middle] == BLUE).all(axis=1).nonzero()[0]
    )
    assert (column[0], column[-1]) == (56, 167)


@pytest.mark.parametrize(
    ("count", "columns", "cells"),
    [(0, None, (1, 1)), (1, None, (1, 1)), (3, None, (3, 1)), (20, None, (6, 4)), (20, 5, (5, 4)),
     (3, 64, (3, 1)), (7, 2, (2, 4)), (300, None, (12, 25))],
)  # fmt: skip
def test_the_grid(count: int, columns: int | None, cells: tuple[int, int]) -> None:
    drawn = contact_sheet((shown() for _ in range(count)), columns=columns, side=48, captions=False)
    assert drawn.size == (2 * MARGIN - GAP + cells[0] * (48 + GAP), MARGIN + cells[1] * (48 + GAP))


def test_a_title_stands_above_all() -> None:
    plain_one = contact_sheet([shown()])
    titled = contact_sheet([shown()], title="a" * 20)
    extra = titled.height - plain_one.height
    assert extra > 20 and inked(titled, (0, 0, titled.width, extra)) > 100
    assert titled.crop((0, extra + MARGIN, *titled.size)).tobytes() == (
        plain_one.crop((0, MARGIN, *plain_one.size)).tobytes()
    )
    endless = contact_sheet([shown()], title="word " * 1000)
    assert endless.height - plain_one.height < 120
    assert inked(endless, (endless.width - MARGIN, 0, *endless.size)) == 0


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    records = [shown(file_of(Image.fromarray(shades(90, 70))), text="a") for _ in range(5)]
    for name in ("a.png", "b.png"):
        save_sheet(contact_sheet(records, title="t"), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_records_are_taken_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """None is asked for before the one before it has been drawn."""
    drawn = 0

    def counted(record: Shown, side: int) -> Image.Image:
        nonlocal drawn
        drawn += 1
        return tile(record, side)

    def records() -> Any:
        for number in range(5):
            assert drawn == number
            yield shown()

    monkeypatch.setattr(sheet, "tile", counted)
    contact_sheet(records())
    assert drawn == 5


@pytest.mark.parametrize("given", [{"columns": 0}, {"columns": 65}, {"side": 47}, {"side": 1025}])
def test_what_no_sheet_can_be(given: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=next(iter(given))):
        contact_sheet([shown()], **given)  # type: ignore[arg-type]


def test_a_sheet_has_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "PICTURES_MAX", 3)
    contact_sheet([shown()] * 3)
    with pytest.raises(UsageError, match="3 pictures"):
        contact_sheet(itertools.repeat(shown()))


# ---- words --------------------------------------------------------------------------------------


def test_captions() -> None:
    assert caption(shown(text="tench", height=40, width=60, boxes=((0, 0, 1, 1),))) == [
        "1  tench", "a.JPEG", f"60 x 40, {len(shown().encoded)} bytes, 1 box",
        "record 0 of train-00000-of-00001",
    ]  # fmt: skip
    assert caption(shown(b"", label=None, synset=None, filename=None))[:3] == [
        "no label", "no name", "no image",
    ]  # fmt: skip
    assert caption(shown(label="cat", text="cat"))[0] == "cat"
    assert caption(shown(text="金鱼"))[0] == "1  n01440764"
    assert caption(shown(boxes=((0, 0, 1, 1),) * 60))[2].endswith("60 boxes")


@pytest.mark.parametrize(
    ("count", "words"),
    [(999, "999 bytes"), (1000, "1.0 kB"), (99_949, "99.9 kB"), (99_950, "100 kB"),
     (999_499, "999 kB"), (999_500, "1.0 MB"), (3_589_000, "3.6 MB")],
)  # fmt: skip
def test_bytes_in_few_letters(count: int, words: str) -> None:
    assert sheet._size(count) == words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tench, Tinca tinca", "tench, Tinca tinca"),
        ("naïve façade – Łódź", "naive facade - Lodz"),
        ("Straße Ærø", "Strasse AEro"),
        ("e\u0301a", "ea"),
        ("金鱼 ж", "?? ?"),
        ("a\nb\x1b[31m\u202e", "a\\nb\\x1b[31m\\u202e"),
        ("\ud800", "\\ud800"),
        ("500 × 375", "500 x 375"),
        ("", ""),
    ],
)
def test_letters_that_the_font_has_not(text: str, expected: str) -> None:
    letters = font(13)
    assert plain(text, letters) == expected
    missing = bytes(letters.getmask("\U0010fffe"))
    assert all(bytes(letters.getmask(sign)) != missing for sign in expected if sign != " ")


def test_the_old_font_of_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 10.1, Pillow's font had one size, and Latin letters alone."""

    def old(*size: float) -> Any:
        if size:
            raise TypeError("load_default() takes 0 positional arguments")
        return ImageFont.load_default_imagefont()

    monkeypatch.setattr(ImageFont, "load_default", old)
    lettering.font.cache_clear()
    lettering._has.cache_clear()
    try:
        drawn = contact_sheet([shown(text="naïve 金鱼 …", filename="x" * 200)], title="金")
        assert inked(drawn, (0, MARGIN + sheet.SIDE + 30, *drawn.size)) > 100
    finally:
        lettering.font.cache_clear()
        lettering._has.cache_clear()


def test_texts_are_cut_to_fit() -> None:
    letters = font(13)
    for width in (5, 30, 100, 224):
        for text in ("", "i", "WWWWWWWWWW", "tench, Tinca tinca " * 20, "i" * 100_000):
            cut = fitting(text, letters, width)
            assert letters.getlength(cut) <= width
            assert cut == text or cut == "" or (cut.endswith("…") and text.startswith(cut[:-1]))
    assert fitting("short", letters, 224) == "short"


@pytest.mark.parametrize("width", [224, 160])
def test_numbers_at_the_ends_of_a_text_stay(width: int) -> None:
    letters, text = font(13), "record 97 of imagenet2012-train.tfrecord-00003-of-00004"
    text = fitting_ends(text, letters, width, text.find(" of "))
    assert letters.getlength(text) <= width
    assert text.startswith("record 97") and text.endswith("3-of-00004")
    assert fitting_ends("short", letters, width) == "short"
    assert fitting_ends("short", letters, 1) == ""


def test_texts_are_broken_into_lines() -> None:
    letters = font(13)
    rows = wrapped("words and words " * 30, letters, 100, 4)
    assert len(rows) == 4 and rows[-1].endswith("…") and not rows[0].endswith("…")
    assert all(letters.getlength(row) <= 100 for row in rows)
    assert wrapped("two words", letters, 100, 4) == ["two words"]
    assert wrapped("", letters, 100, 4) == []


# ---- the file -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"), [("a.png", "PNG"), ("a.JPG", "JPEG"), ("a.jpeg", "JPEG")]
)
def test_files_by_their_names(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    drawn = contact_sheet([shown()])
    save_sheet(drawn, path)
    save_sheet(drawn, path)  # takes the place of another sheet
    with Image.open(path) as opened:
        assert (opened.format, opened.size) == (kind, drawn.size)
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_only_pictures_are_replaced(tmp_path: Path) -> None:
    shard = tmp_path / "train.png"
    shard.write_bytes(b"a shard, say")
    with pytest.raises(OutputError, match=r"train\.png: is there already, and is no picture"):
        save_sheet(contact_sheet([shown()]), shard)
    assert shard.read_bytes() == b"a shard, say"
    (tmp_path / "empty.png").touch()
    save_sheet(contact_sheet([shown()]), tmp_path / "empty.png")
    for name in ("sheet", "sheet.gif", "sheet.png.txt", "train-00000-of-00001"):
        with pytest.raises(UsageError, match=r"is a \.png, \.jpg or \.jpeg"):
            sheet_format(tmp_path / name)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OutputError, match=r"folder\.png: cannot be written"):
        sheet_format(tmp_path / "folder.png")


def test_a_sheet_is_whole_or_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"no/sheet\.png"):
        save_sheet(contact_sheet([shown()]), tmp_path / "no" / "sheet.png")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputError, match=r"too large for a JPEG; name a \.png"):
        save_sheet(Image.new("RGB", (70000, 1)), tmp_path / "wide.jpg")
    assert list(tmp_path.iterdir()) == []


def test_a_sheet_is_no_larger_than_what_it_shows() -> None:
    buffer = io.BytesIO()
    contact_sheet([shown()] * 100, side=48).save(buffer, "PNG")
    assert len(buffer.getvalue()) < 200_000
