"""Text on pictures, in the font that Pillow carries."""

from __future__ import annotations

import functools
import unicodedata
from typing import TYPE_CHECKING, TypeAlias

from fastconv.errors import one_line

if TYPE_CHECKING:
    from PIL import ImageFont

    Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont

MORE = "…"
MISSING = "?"
LONGEST = 4000  # characters: what is behind them is on no picture
# What no decomposition of Unicode's leads to plain letters.
PLAIN = {
    **dict(zip("æÆœŒþÞß", ("ae", "AE", "oe", "OE", "th", "Th", "ss"), strict=True)),
    **dict(zip("øØłŁđĐıð×–—−‘’“”\u00a0", "oOlLdDidx---''\"\" ", strict=True)),
}


@functools.cache
def font(size: int) -> Font:
    """Pillow's own font; of one size where Pillow was built without FreeType, or is old."""
    from PIL import ImageFont

    try:
        return ImageFont.load_default(size)
    except TypeError:  # before Pillow 10.1
        return ImageFont.load_default()


@functools.cache
def _has(letters: Font, sign: str) -> bool:
    """Whether a font has a sign: one that it has not looks as one that no font has."""
    try:
        mine, none = letters.getmask(sign), letters.getmask("\U0010fffe")
    except UnicodeEncodeError:  # the font of old is of Latin-1 alone
        return sign < "\x7f"
    return (mine.size, bytes(mine)) != (none.size, bytes(none))


def plain(text: str, letters: Font) -> str:
    """Text of signs that the font has: é as e where it has no é, and a question mark for what has
    no likeness."""
    signs = []
    for sign in one_line(text[:LONGEST]):
        if sign == " " or _has(letters, sign):
            signs.append(sign)
            continue
        like = PLAIN.get(sign) or "".join(
            part for part in unicodedata.normalize("NFKD", sign) if not unicodedata.combining(part)
        )
        if unicodedata.combining(sign):
            continue
        signs.append(like if like and all(_has(letters, one) for one in like) else MISSING)
    return "".join(signs)


def says_something(text: str) -> bool:
    """Whether anything but question marks was left of a text."""
    return any(sign.isalnum() for sign in text)


def fitting(text: str, letters: Font, width: int) -> str:
    """As much of a text as `width` pixels take, with … behind it where that is not all."""
    more = MORE if _has(letters, MORE) else "..."
    if letters.getlength(text) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if letters.getlength(text[:middle].rstrip() + more) <= width:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + more if low else ""


def fitting_ends(text: str, letters: Font, width: int, whole: int = 0) -> str:
    """As much of a text's both ends as `width` pixels take, with … between: more of the last, but
    the first `whole` letters before it, lest a number be cut."""
    more = MORE if _has(letters, MORE) else "..."
    if letters.getlength(text) <= width:
        return text

    def ends(kept: int) -> str:
        first = min(max(2 * kept // 5, whole), kept)
        return text[:first].rstrip() + more + text[len(text) - (kept - first) :].lstrip()

    for kept in range(len(text) - 1, 0, -1):
        if letters.getlength(ends(kept)) <= width:
            return ends(kept)
    return ""


def wrapped(text: str, letters: Font, width: int, lines: int) -> list[str]:
    """A text in up to `lines` lines of `width` pixels, broken at spaces where that can be."""
    rows: list[str] = []
    words = text.split()
    while words and len(rows) < lines:
        row = words.pop(0)
        while words and letters.getlength(f"{row} {words[0]}") <= width:
            row += f" {words.pop(0)}"
        if len(rows) == lines - 1 and words:
            row = " ".join([row, *words])
        rows.append(fitting(row, letters, width))
    return rows
