"""The contact sheet of a page: pictures with their boxes, as data URIs, and words for each."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

from fastconv.checking.outputs import Output
from fastconv.errors import FastconvError
from fastconv.layout import INDEXES
from fastconv.page.content import why_not
from fastconv.pictures.pick import Picker
from fastconv.pictures.shown import Classes, Shown
from fastconv.pictures.tile import tile

PICTURES = 24
SIDE = 224
BYTES_MAX = 280_000  # of all pictures together, which are a third more as data URIs
QUALITIES = (85, 75, 60, 40)


@dataclass(frozen=True, slots=True)
class Picture:
    data: str
    width: int
    height: int
    alt: str
    title: str
    text: str
    facts: str


def pictures_of(output: Output, stored: dict[str, str]) -> tuple[list[Picture], str]:
    """(pictures of records at random, always the same ones of the same shards; why there are none).
    Damaged ones are passed over: telling of them is verify's work."""
    shards = [path for _, path in sorted(output.shards.items()) if path is not None]
    folder = output.root / INDEXES
    first = output.past.facts["options"].get("label_offset", 1) if output.past else 1
    classes = Classes(output.labels or (), first)
    picker = Picker(shards, folder if folder.is_dir() else None, stored, classes)
    seen: list[Shown] = []
    try:
        for place in picker.at_random(PICTURES):
            seen += picker.shown([place])
    except FastconvError as error:
        if not seen:
            return [], why_not(error)
    records = [record for record in seen if record.encoded]
    if not records:
        return [], "There is no record with an image."
    tiles = [tile(record, SIDE) for record in records]
    encoded: list[bytes] = []
    for quality in QUALITIES:
        encoded.clear()
        for image in tiles:
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=quality, optimize=True)
            encoded.append(buffer.getvalue())
        if sum(map(len, encoded)) <= BYTES_MAX:
            break
    pictures = []
    for record, image, data in zip(records, tiles, encoded, strict=True):
        uri = f"data:image/jpeg;base64,{base64.b64encode(data).decode('ascii')}"
        pictures.append(Picture(uri, image.width, image.height, *_words(record)))
    return pictures, ""


def _words(record: Shown) -> tuple[str, str, str, str]:
    """(alternative text, title, text, facts)."""
    label = "no label" if record.label is None else f"{record.label}"
    title = f"{label} {record.synset}" if record.synset else label
    text = record.text if record.text and record.text != record.synset else ""
    facts = []
    if record.width and record.height:
        facts.append(f"{record.width} × {record.height}")
    count = len(record.boxes)
    if count:
        facts.append(f"{count} box{'es' if count > 1 else ''}")
    named = f", {text}" if text else ""
    alt = f"Label {title}{named}; {', '.join(facts) or 'sides not known'}"
    return alt, title, text, ", ".join(facts)
