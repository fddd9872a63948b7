"""A contact sheet: records' pictures in a grid, and under each what it is."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from fastconv.atomic import ANEW, output_error, write_file
from fastconv.errors import OutputError, UsageError
from fastconv.pictures.lettering import fitting, fitting_ends, font, plain, says_something, wrapped
from fastconv.pictures.shown import Shown
from fastconv.pictures.tile import tile
from fastconv.regular import regular

if TYPE_CHECKING:
    from PIL import Image

PAPER, INK, PALE = (255, 255, 255), (20, 20, 20), (105, 105, 105)
BEHIND = (238, 238, 238)  # what a picture that is no square lies on
GAP, MARGIN = 14, 18
TITLE_SIZE, TITLE_LINE, TITLE_LINES = 18, 24, 3
LETTER_SIZE, LINE = 13, 17
SIDE, SIDES = 224, (48, 1024)
SMALL_SIDE = 160  # under which letters are smaller, too
COLUMNS_MAX = 64
PICTURES_MAX = 2000  # on one sheet
PIXELS_MAX = 200_000_000  # of a sheet: 600 MB, and as much again for the pictures on it
JPEG_MAX = 65_500  # pixels of a side
CAPTION_LINES = 4
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
BEGINNINGS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


def contact_sheet(
    records: Iterable[Shown],
    *,
    columns: int | None = None,
    side: int = SIDE,
    title: str = "",
    captions: bool = True,
) -> Image.Image:
    """Records as one RGB image: in each cell a picture of up to `side` pixels (48 to 1,024) with
    its boxes, and under it, unless without `captions`, the label, the class's text, the file's
    name, the image's sides and bytes, and where the record is. `columns` (1 to 64) are chosen by
    the number of records where it is None.

    Images are shown as they are stored, not turned as their Exif data say, as boxes are of the
    stored pixels. One that cannot be decoded is a gray square that says so. The same records give
    the same pixels, with one version of Pillow. A record's image is let go once it is drawn.

    Raises UsageError for columns or a side out of range, more than 2,000 records, or a sheet of
    more than 200 million pixels.
    """
    from PIL import Image, ImageDraw

    if columns is not None and not 1 <= columns <= COLUMNS_MAX:
        raise UsageError(f"columns: {columns} is not from 1 to {COLUMNS_MAX}")
    if not SIDES[0] <= side <= SIDES[1]:
        raise UsageError(f"side: {side} is not from {SIDES[0]} to {SIDES[1]}")
    cells: list[tuple[Image.Image, list[str]]] = []
    for record in records:
        if len(cells) == PICTURES_MAX:
            raise UsageError(f"a sheet takes {PICTURES_MAX:,} pictures at the most")
        check_size(len(cells) + 1, columns, side, lines=CAPTION_LINES if captions else 0)
        cells.append((tile(record, side), caption(record) if captions else []))
    columns, rows = grid(len(cells), columns)
    across = side + GAP
    width = 2 * MARGIN - GAP + columns * across
    large = font(TITLE_SIZE)
    titles = wrapped(plain(title, large), large, width - 2 * MARGIN, TITLE_LINES)
    head = MARGIN + len(titles) * TITLE_LINE + (TITLE_LINE // 2 if titles else 0)
    lines = max((len(words) for _, words in cells), default=0)
    letters, step = font(LETTER_SIZE - (2 if side < SMALL_SIDE else 0)), step_of(side)
    down = down_of(side, lines)
    sheet = Image.new("RGB", (width, head + rows * down), PAPER)
    draw = ImageDraw.Draw(sheet)
    for line, text in enumerate(titles):
        draw.text((MARGIN, MARGIN - 4 + line * TITLE_LINE), text, fill=INK, font=large)
    for number, (picture, words) in enumerate(cells):
        left, top = MARGIN + number % columns * across, head + number // columns * down
        draw.rectangle((left, top, left + side - 1, top + side - 1), fill=BEHIND)
        middle = (side - picture.width) // 2, (side - picture.height) // 2
        sheet.paste(picture, (left + middle[0], top + middle[1]))
        for line, text in enumerate(words):
            text = plain(text, letters)
            if line == 0:
                text = fitting(text, letters, side)
            else:  # numbers stand at the ends
                text = fitting_ends(text, letters, side, text.find(" of ") if line == 3 else 0)
            draw.text(
                (left, top + side + 4 + line * step),
                text,
                fill=PALE if line else INK,
                font=letters,
            )
    return sheet


def grid(count: int, columns: int | None) -> tuple[int, int]:
    """(columns, rows) of a sheet of `count` pictures."""
    count = max(count, 1)
    columns = min(columns or columns_for(count), count)
    return columns, math.ceil(count / columns)


def step_of(side: int) -> int:
    """From one line of a caption to the next, in pixels."""
    return LINE if side >= SMALL_SIDE else LINE - 3


def down_of(side: int, lines: int) -> int:
    """From one row of pictures to the next, in pixels."""
    return side + GAP + (lines * step_of(side) + 6 if lines else 0)


def size_of(count: int, columns: int | None, side: int, lines: int) -> tuple[int, int]:
    """(width, height) in pixels of a sheet with the longest title."""
    columns, rows = grid(count, columns)
    head = MARGIN + TITLE_LINES * TITLE_LINE + TITLE_LINE // 2
    return 2 * MARGIN - GAP + columns * (side + GAP), head + rows * down_of(side, lines)


def check_size(
    count: int,
    columns: int | None,
    side: int,
    path: Path | None = None,
    lines: int = CAPTION_LINES,
) -> None:
    """UsageError where a sheet of `count` pictures would be too large, also for a JPEG where `path`
    is one; it says what would not be."""
    width, height = size_of(count, columns, side, lines)
    what = f"a sheet of {count:,} pictures of {side} pixels has some {width:,} x {height:,} pixels"
    if width * height > PIXELS_MAX:

        def fits(count: int, side: int) -> bool:
            width, height = size_of(count, columns, side, lines)
            return width * height <= PIXELS_MAX

        fewer = next(n for n in range(count, 0, -1) if fits(n, side))
        smaller = next((s for s in range(side, SIDES[0] - 1, -1) if fits(count, s)), None)
        advice = f"; give {fewer:,} pictures at the most"
        if smaller is not None:
            advice += f", or --side {smaller}"
        raise UsageError(f"{what}, more than {PIXELS_MAX // 1_000_000} million{advice}")
    if path is not None and FORMATS[path.suffix.lower()] == "JPEG":
        if width > JPEG_MAX:
            advice = "fewer --columns"
        elif height > JPEG_MAX:
            advice = "more --columns"
        else:
            return
        raise UsageError(
            f"{path}: {what}, and a JPEG {JPEG_MAX:,} on a side; name a .png file, or give {advice}"
        )


def columns_for(count: int) -> int:
    """Of a sheet of `count` pictures, which with their captions are higher than wide."""
    return max(min(count, 4), min(round(math.sqrt(1.7 * count)), 12))


def caption(record: Shown) -> list[str]:
    """The lines under a record's picture."""
    text = record.text
    if not text or not says_something(plain(text, font(LETTER_SIZE))):
        text = record.synset  # of a text whose letters the font has not, nothing would be left
    label = "no label" if record.label is None else str(record.label)
    first = f"{label}  {text}" if text and text != label else label
    boxes = len(record.boxes)
    facts = [f"{record.width} x {record.height}"] if record.width and record.height else []
    facts.append(_size(record.image_bytes) if record.image_bytes else "no image")
    if boxes:
        facts.append(f"{boxes} box{'es' if boxes > 1 else ''}")
    return [
        first,
        record.filename or "no name",
        ", ".join(facts),
        f"record {record.record} of {record.shard}",
    ]


def _size(count: int) -> str:
    """Bytes, short enough for under a picture."""
    if count < 1000:
        return f"{count} bytes"
    if count < 999_500:
        return f"{count / 1e3:.1f} kB" if count < 99_950 else f"{count / 1e3:.0f} kB"
    return f"{count / 1e6:,.1f} MB"


def sheet_format(path: Path) -> str:
    """PNG or JPEG, by a file's name. Raises UsageError for others, and OutputError where something
    is there that is no picture: a sheet takes the place of another, but of no shard."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path}: a sheet is a .png, .jpg or .jpeg file")
    try:
        with open(path, "rb", opener=regular) as file:
            head = file.read(8)
    except FileNotFoundError:
        return FORMATS[path.suffix.lower()]
    except OSError as error:
        raise output_error(path, error, ANEW) from None
    if head and not head.startswith(BEGINNINGS):
        raise OutputError(f"{path}: is there already, and is no picture; choose another name")
    return FORMATS[path.suffix.lower()]


def save_sheet(sheet: Image.Image, path: Path) -> None:
    """Write a sheet to a .png or .jpg file, whole or not at all. Errors: see sheet_format; and
    OutputError where it cannot be written, or is larger than a JPEG can be."""
    kind = sheet_format(path)
    buffer = io.BytesIO()
    try:
        if kind == "PNG":
            sheet.save(buffer, "PNG", optimize=True)
        else:
            sheet.save(buffer, "JPEG", quality=92, subsampling=0)
    except OSError:
        raise OutputError(
            f"{path}: a sheet of {sheet.width} x {sheet.height} pixels is too large for a JPEG; "
            f"name a .png file"
        ) from None
    write_file(path, buffer.getvalue(), path.with_name(f".{path.name}.{os.getpid()}.partial"))
