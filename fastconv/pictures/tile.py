"""One record's picture, made small: its image as it is stored, with its boxes drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastconv import _jpeg, verdict
from fastconv.errors import BadImageError
from fastconv.images import decode, refuse_bomb
from fastconv.pictures.lettering import font, plain, wrapped
from fastconv.pictures.shown import Box, Shown
from fastconv.recipe import PIXELS_MAX

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

BOX = (230, 159, 0)  # the orange of Okabe and Ito's colours, which colour-blind people tell apart
OUTLINE = (0, 0, 0)
GRAY, ON_GRAY = (200, 200, 200), (40, 40, 40)
MANY_BOXES = 12  # from so many on, their lines are thin
ENLARGED_AT_MOST = 16
NO_JPEG = 2  # rows of _jpeg.REASONS: what has none of a JPEG's beginning, and what is empty
EMPTY = 1


def pixels_of(data: bytes, side: int) -> Image.Image:
    """An image in RGB, as it is stored: not turned as its Exif data say. A JPEG whose sides are a
    multiple of `side` comes at a half, a quarter or an eighth of its size.

    Raises BadImageError where it cannot be decoded, or has more than 178,956,970 pixels.
    """
    from PIL import Image

    if not data:
        raise BadImageError("there is no image in this record")
    status, height, width, components, *_ = _jpeg.look(data)
    if status == NO_JPEG or (status == 0 and components == 4):
        return Image.fromarray(decode(data, PIXELS_MAX).pixels)
    if status:
        raise BadImageError(_jpeg.REASONS[status])
    refuse_bomb(height, width, PIXELS_MAX)
    scale = next((s for s in (8, 4, 2) if max(height, width) >= s * side), 1)
    pixels, _ = verdict.decode(data, "RGB", (height, width), scale, None)
    return Image.fromarray(pixels)


def small(image: Image.Image, side: int) -> Image.Image:
    """An image with its longer side made `side` pixels; one that is much smaller is enlarged by a
    whole number, so that its pixels can be seen."""
    from PIL import Image

    longer = max(image.size)
    if longer > side:
        width, height = (max(1, round(length * side / longer)) for length in image.size)
        return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
    times = min(side // longer, ENLARGED_AT_MOST)
    if times < 2:
        return image
    width, height = image.size
    return image.resize((width * times, height * times), Image.Resampling.NEAREST)


def draw_boxes(image: Image.Image, boxes: tuple[Box, ...]) -> None:
    """Draw boxes into an RGB image: lines of BOX on a wider OUTLINE, seen on light and dark. A
    box's line is the outermost pixels in it."""
    from PIL import ImageDraw

    draw = ImageDraw.Draw(image)
    width, height = image.size
    line = 1 if len(boxes) > MANY_BOXES or min(image.size) < 48 else 2
    frames = [frame for box in boxes if (frame := _frame(box, width, height))]
    for left, top, right, bottom in frames:  # outlines first: none may cover another's line
        outer = (left - 1, top - 1, right + 1, bottom + 1)
        _rectangle(draw, outer, OUTLINE, line + 2)
    for frame in frames:
        _rectangle(draw, frame, BOX, line)


def _frame(box: Box, width: int, height: int) -> tuple[int, int, int, int] | None:
    """The pixels of a box's edge, all within the image."""
    xmin, ymin, xmax, ymax = (min(max(side, 0.0), 1.0) for side in box)
    left, top = min(round(xmin * width), width - 1), min(round(ymin * height), height - 1)
    right, bottom = round(xmax * width) - 1, round(ymax * height) - 1
    if xmin > xmax or ymin > ymax:
        return None
    return left, top, max(left, right), max(top, bottom)


def _rectangle(
    draw: ImageDraw.ImageDraw,
    frame: tuple[int, int, int, int],
    colour: tuple[int, int, int],
    line: int,
) -> None:
    left, top, right, bottom = frame
    for _ in range(line):
        if left > right or top > bottom:
            return
        draw.rectangle((left, top, right, bottom), outline=colour)
        left, top, right, bottom = left + 1, top + 1, right - 1, bottom - 1


def tile(record: Shown, side: int) -> Image.Image:
    """A record's picture with its boxes, no side above `side` pixels; a gray square that says why
    where the image cannot be decoded."""
    try:
        image = small(pixels_of(record.encoded, side), side)
    except BadImageError as error:
        return _cannot(str(error), side)
    if record.boxes:
        draw_boxes(image, record.boxes)
    return image


def _cannot(why: str, side: int) -> Image.Image:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (side, side), GRAY)
    letters, margin, line = font(12), 10, 16
    rows = wrapped(
        plain(f"cannot be decoded: {why}", letters), letters, side - 2 * margin, side // line - 1
    )
    draw = ImageDraw.Draw(image)
    top = (side - line * len(rows)) // 2
    for number, row in enumerate(rows):
        draw.text((margin, top + number * line), row, fill=ON_GRAY, font=letters)
    return image
