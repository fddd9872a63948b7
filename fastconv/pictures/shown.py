"""What a person wants to know of a record: its image, name, class, sides and boxes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from fastconv import _verify
from fastconv.errors import RecordError
from fastconv.reader import parse_example

Features: TypeAlias = Mapping[str, Any]
Box: TypeAlias = tuple[float, float, float, float]

BBOX = "image/object/bbox/"
SIDES = tuple(f"{BBOX}{side}" for side in ("xmin", "ymin", "xmax", "ymax"))
ENCODED, FILENAME, LABEL = "image/encoded", "image/filename", "image/class/label"
SYNSET, TEXT = "image/class/synset", "image/class/text"
HEIGHT, WIDTH = "image/height", "image/width"
# slim's name first, then what others call it: TensorFlow Datasets, and folders of anybody's.
ALIASES = {
    ENCODED: ("image", "image_raw", "image/image_raw", "jpg", "jpeg", "png"),
    FILENAME: ("file_name", "filename", "image/source_id", "fname"),
    LABEL: ("label", "class", "class_id", "target", "cls"),
    SYNSET: ("synset", "wnid"),
    TEXT: ("text", "class_name", "image/class/name"),
    HEIGHT: ("height",),
    WIDTH: ("width",),
}
BEGINNINGS = (
    *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*"),
    b"\0\0\0\x0cjP  \r\n\x87\n",
)
TFDS_BOXES = ("objects/bbox", "bbox")  # ymin, xmin, ymax, xmax of each, one behind the other


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes' names in label order, and the label of the first; none where not known."""

    names: Sequence[str] = ()
    first: int = 1

    def name_of(self, label: int | None) -> str | None:
        if label is None or not 0 <= label - self.first < len(self.names):
            return None
        return self.names[label - self.first]


NO_CLASSES = Classes()


@dataclass(frozen=True, slots=True)
class Shown:
    """A record as it is shown. ``shard``: its file's name; ``record``: its number there, from 0;
    ``offset``: where its frame begins, None in a compressed shard; ``size``: bytes of the frame;
    ``height`` and ``width``: as the image's header says, else as the record does; ``boxes``:
    (xmin, ymin, xmax, ymax), relative to the stored image; ``encoded``: the image's bytes, empty
    where there are none; ``image_bytes``: how many, also where they have been let go."""

    shard: str
    record: int
    offset: int | None
    size: int
    filename: str | None = None
    label: int | str | None = None
    synset: str | None = None
    text: str | None = None
    height: int | None = None
    width: int | None = None
    boxes: tuple[Box, ...] = ()
    image_bytes: int = 0
    encoded: bytes = field(default=b"", repr=False)

    def without_image(self) -> Shown:
        """The same facts, without the image's bytes."""
        return replace(self, encoded=b"")

    def as_dict(self) -> dict[str, Any]:
        """As values that JSON knows; the image's bytes are not among them."""
        return {
            "shard": self.shard,
            "record": self.record,
            "offset": self.offset,
            "bytes": self.size,
            "filename": self.filename,
            "label": self.label,
            "synset": self.synset,
            "text": self.text,
            "height": self.height,
            "width": self.width,
            "image_bytes": self.image_bytes,
            "boxes": [list(box) for box in self.boxes],
        }


def parsed(payload: bytes, where: str) -> dict[str, Any]:
    """The features of an Example. Raises RecordError where it is none."""
    try:
        features: dict[str, Any] = parse_example(payload)
    except ValueError as error:
        raise RecordError(f"{where}: is no Example: {error}") from None
    return features


def found(features: Features, name: str, stored: Mapping[str, str]) -> Any | None:
    """The values of slim's feature `name`, whatever it is called here; None where there are none.
    ``stored``: what the manifest says that features are called."""
    for key in (stored.get(name, name), *ALIASES.get(name, ())):
        if key in features and len(features[key]):
            return features[key]
    return None


def _text(features: Features, name: str, stored: Mapping[str, str]) -> str | None:
    values = found(features, name, stored)
    if values is None or values.dtype.kind != "O":
        return None
    return bytes(values[0]).decode("utf-8", "replace")


def _number(features: Features, name: str, stored: Mapping[str, str]) -> int | None:
    values = found(features, name, stored)
    return int(values[0]) if values is not None and values.dtype.kind == "i" else None


def image_of(features: Features, stored: Mapping[str, str]) -> bytes:
    """The bytes of a record's image: by its feature's name, or else the first that looks like one.
    Empty where there is none."""
    values = found(features, ENCODED, stored)
    if values is not None and values.dtype.kind == "O":
        return bytes(values[0])
    for values in features.values():
        if values.dtype.kind == "O" and len(values) == 1 and looks_like_image(values[0]):
            return bytes(values[0])
    return b""


def looks_like_image(data: bytes) -> bool:
    """By how it begins; formats that have no beginning of their own are not looked for."""
    return data.startswith(BEGINNINGS) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


def boxes_of(features: Features, stored: Mapping[str, str]) -> tuple[Box, ...]:
    """(xmin, ymin, xmax, ymax) of each box; those with a side that is no number are left out."""
    sides = [found(features, side, stored) for side in SIDES]
    if all(side is not None and side.dtype.kind == "f" for side in sides):
        rows = zip(*(side.tolist() for side in sides if side is not None), strict=False)
        return tuple(row for row in rows if all(map(math.isfinite, row)))
    for name in TFDS_BOXES:
        values = features.get(name)
        if values is not None and values.dtype.kind == "f" and len(values) % 4 == 0:
            quads = values.reshape(-1, 4).tolist()
            return tuple(
                (b, a, d, c) for a, b, c, d in quads if all(map(math.isfinite, (a, b, c, d)))
            )
    return ()


def label_of(features: Features, stored: Mapping[str, str]) -> int | str | None:
    number = _number(features, LABEL, stored)
    return _text(features, LABEL, stored) if number is None else number


def class_of(
    features: Features, stored: Mapping[str, str], classes: Classes
) -> tuple[int | str | None, str | None, str | None]:
    """(label, class, its text); a class that the record does not name is known by its label."""
    label = label_of(features, stored)
    synset = _text(features, SYNSET, stored)
    if synset is None and isinstance(label, int):
        synset = classes.name_of(label)
    return label, synset, _text(features, TEXT, stored)


def sides_of(data: bytes) -> tuple[int, int] | None:
    """(height, width) of an image, from its header; None where it cannot be read."""
    if not data:
        return None
    height, width, components = _verify.jpeg_sides(data)
    if components:
        return height, width
    from fastconv.images import sides_by_header

    return sides_by_header(data)


def shown_of(
    features: Features,
    shard: str,
    record: int,
    offset: int | None,
    size: int,
    stored: Mapping[str, str],
    classes: Classes = NO_CLASSES,
) -> Shown:
    """A record's features as they are shown."""
    data = image_of(features, stored)
    sides = sides_of(data)
    height, width = sides or (
        _number(features, HEIGHT, stored),
        _number(features, WIDTH, stored),
    )
    label, synset, text = class_of(features, stored, classes)
    return Shown(
        shard=shard,
        record=record,
        offset=offset,
        size=size,
        filename=_text(features, FILENAME, stored),
        label=label,
        synset=synset,
        text=text,
        height=height,
        width=width,
        boxes=boxes_of(features, stored),
        image_bytes=len(data),
        encoded=data,
    )
