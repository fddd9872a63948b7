"""The boxes of one PASCAL VOC XML file, by the rules of slim's ``process_bounding_boxes.py``.

The rules, each of which changes the boxes of some file of ILSVRC2012:

- elements are taken by tag in document order, wherever they stand: box k is the k-th ``<xmin>``,
  ``<ymin>``, ``<xmax>`` and ``<ymax>``, a missing one counts as -1, and all boxes share the first
  ``<name>``, ``<width>`` and ``<height>``;
- a number is ``int(float(text))``;
- the first ``<xmin>`` of -1 ends the list, that box not included;
- a first ``<name>`` that is another class than the XML's folder drops all boxes, but a name that is
  no class at all (``Scottish_deerhound``) does not;
- coordinates are divided by width and height, swapped so that min <= max, clamped to [0, 1], and
  the box is dropped if min >= max; only then are they written with ``%.4f``.
"""

from __future__ import annotations

import re
from collections.abc import Container
from xml.parsers import expat

XML_BYTES_MAX = 1 << 20
XML_DEPTH_MAX = 64

Box = tuple[int, int, int, int]

_WANTED = ("xmin", "ymin", "xmax", "ymax", "width", "height", "name")
# Expat asks Python's codecs for any other name; these cannot hide a DTD nor run a strange codec.
_ENCODINGS = frozenset(
    ["utf-8", "us-ascii", "ascii", "iso-8859-1", "utf-16", "utf-16le", "utf-16be", "windows-1252"]
)

# ILSVRC2012's files all look alike, and matching this is several times as fast as any XML parser.
# What matches in full is well-formed and holds nothing but what is seen here (printable ASCII
# text without & < >, each element closed); anything else goes through expat.
_GAP = rb"[ \t\r\n]*"
_TEXT = rb"[ -%'-;=?-~]*"


def _text(*tags: str) -> bytes:
    return _GAP.join(b"<%s>%s</%s>" % (tag.encode(), _TEXT, tag.encode()) for tag in tags)


def _number(*tags: str) -> bytes:
    return _GAP.join(b"<%s>(-?[0-9]{1,9})</%s>" % (tag.encode(), tag.encode()) for tag in tags)


_OBJECT = _GAP.join(
    [
        b"<object>",
        b"<name>(" + _TEXT + b")</name>",
        _text("pose", "truncated", "difficult"),
        b"<bndbox>",
        _number("xmin", "ymin", "xmax", "ymax"),
        b"</bndbox>",
        b"</object>",
    ]
)
_FILE = _GAP.join(
    [
        b"<annotation>",
        _text("folder", "filename"),
        b"<source>",
        _text("database"),
        b"</source>",
        b"<size>",
        _number("width", "height"),
        _text("depth"),
        b"</size>",
        _text("segmented"),
        # All but the first object, to be taken apart only if there are any. No two gaps may meet
        # in the pattern: a file of spaces would be tried at each way to part them.
        _OBJECT + b"((?:" + _GAP + re.sub(rb"\((?!\?)", b"(?:", _OBJECT) + b")*)",
        b"</annotation>",
        b"",
    ]
)
_match_file = re.compile(_FILE).fullmatch
_find_objects = re.compile(_OBJECT).findall


class BoxError(ValueError):
    """Why an XML file's boxes cannot be taken; whoever knows the file's name adds it."""


def parse_box_xml(data: bytes, folder: str | None, synsets: Container[str]) -> list[Box]:
    """The boxes of one XML file as (xmin, ymin, xmax, ymax) in ten-thousandths, sorted.

    ``folder`` is the name of the folder that the XML file stands in; boxes of another class of
    ``synsets`` are dropped only if it is one of them. The order is that of the text lines
    ``<name>.JPEG,0.0060,0.2620,0.7545,0.9940`` sorted bytewise.

    Raises BoxError for XML that is malformed, over 1 MiB, nested deeper than XML_DEPTH_MAX or with
    a document type; for a number that is none; and for a width or height that is missing or not
    above 0.
    """
    match = _match_file(data) if len(data) <= XML_BYTES_MAX else None
    name: str | None
    if match:
        width, height, found_name, xmin, ymin, xmax, ymax, more = match.groups()
        name, size = found_name.decode(), (int(width), int(height))
        raw = [(int(xmin), int(ymin), int(xmax), int(ymax))]
        if more:
            raw += [(int(a), int(b), int(c), int(d)) for _, a, b, c, d in _find_objects(more)]
        ends = [k for k, corners in enumerate(raw) if corners[0] == -1]
        if ends:
            del raw[ends[0] :]
    else:
        name, size, raw = _read_elements(data)
    if not raw:
        return []
    if size[0] <= 0 or size[1] <= 0:
        raise BoxError(f"<width> and <height> are missing or not above 0: {size[0]} and {size[1]}")
    if name != folder and folder in synsets and name in synsets:
        return []
    boxes = [box for corners in raw if (box := _scaled(*corners, *size))]
    boxes.sort()
    return boxes


def _scaled(xmin: int, ymin: int, xmax: int, ymax: int, width: int, height: int) -> Box | None:
    if xmin > xmax:
        xmin, xmax = xmax, xmin
    if ymin > ymax:
        ymin, ymax = ymax, ymin
    x0 = xmin / width if xmin > 0 else 0.0
    y0 = ymin / height if ymin > 0 else 0.0
    x1 = xmax / width if xmax < width else 1.0
    y1 = ymax / height if ymax < height else 1.0
    if x0 >= x1 or y0 >= y1:
        return None
    # round() with digits rounds the float's exact value, as '%.4f' does; x * 10000 is off by one
    # where the product rounds onto a half.
    return (
        round(round(x0, 4) * 10000),
        round(round(y0, 4) * 10000),
        round(round(x1, 4) * 10000),
        round(round(y1, 4) * 10000),
    )


def _read_elements(data: bytes) -> tuple[str | None, tuple[int, int], list[Box]]:
    """The first name, (width, height), and the boxes before the first xmin of -1."""
    found = _texts_of_elements(data)
    raw: list[Box] = []
    while (xmin := _integer(found, "xmin", len(raw))) != -1:
        k = len(raw)
        ymin, xmax = _integer(found, "ymin", k), _integer(found, "xmax", k)
        raw.append((xmin, ymin, xmax, _integer(found, "ymax", k)))
    if not raw:
        return None, (0, 0), raw
    name = "".join(found["name"][0]) if found["name"] else None
    return name, (_integer(found, "width", 0), _integer(found, "height", 0)), raw


def _integer(found: dict[str, list[list[str]]], tag: str, index: int) -> int:
    """The number in the index-th element of the tag, -1 if there are fewer."""
    if index >= len(found[tag]):
        return -1
    text = "".join(found[tag][index])
    try:
        return int(float(text))
    except (ValueError, OverflowError) as error:
        which = f"number {index + 1}, " if index else ""
        raise BoxError(f"<{tag}> {which}holds {text[:40]!a}, which is no number") from error


def _texts_of_elements(data: bytes) -> dict[str, list[list[str]]]:
    """For each wanted tag, the pieces of text of each of its elements in document order.

    An element's text is what stands before its first child.
    """
    if len(data) > XML_BYTES_MAX:
        raise BoxError(f"over {XML_BYTES_MAX >> 20} MiB, too large for the boxes of one image")
    found: dict[str, list[list[str]]] = {tag: [] for tag in _WANTED}
    current: list[str] | None = None
    depth = 0

    def start(tag: str, _: object) -> None:
        nonlocal current, depth
        depth += 1
        if depth > XML_DEPTH_MAX:
            raise BoxError(f"elements are nested deeper than {XML_DEPTH_MAX}")
        current = None
        if tag in found:
            current = []
            found[tag].append(current)

    def end(_: str) -> None:
        nonlocal current, depth
        depth -= 1
        current = None

    def text(piece: str) -> None:
        if current is not None:
            current.append(piece)

    def declaration(_: str, encoding: str | None, __: int) -> None:
        if encoding is not None and encoding.lower() not in _ENCODINGS:
            raise BoxError(f"the encoding {encoding[:40]!a} is not read; save it as UTF-8")

    def document_type(*_: object) -> None:
        raise BoxError("declares a document type or entities (<!DOCTYPE ...>); remove it")

    # The separator keeps an element of another namespace from passing for one of ours.
    parser = expat.ParserCreate(namespace_separator="}")
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.XmlDeclHandler = declaration
    parser.StartDoctypeDeclHandler = document_type
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise BoxError(f"no well-formed XML: {error}") from error
    return found
