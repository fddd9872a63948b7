"""What a record must hold, in words: asked of those that the native check did not pass, and of
records of other schemas.

The rules of slim's schema are those of ext/verify_impl.c; a test holds the two to each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fastconv import _verify

KINDS = {
    "image/height": "int64",
    "image/width": "int64",
    "image/colorspace": "bytes",
    "image/channels": "int64",
    "image/format": "bytes",
    "image/class/label": "int64",
    "image/class/synset": "bytes",
    "image/class/text": "bytes",
    "image/filename": "bytes",
    "image/encoded": "bytes",
    "image/object/bbox/xmin": "float",
    "image/object/bbox/ymin": "float",
    "image/object/bbox/xmax": "float",
    "image/object/bbox/ymax": "float",
    "image/object/bbox/label": "int64",
}
BOX_KEYS = tuple(key for key in KINDS if "/bbox/" in key)
SIDES = BOX_KEYS[:4]
IMAGE_KEYS = ("image/encoded", "image")
Features = dict[str, Any]


@dataclass(slots=True)
class Expected:
    """What records are held to. ``strict``: slim's schema, all of it and nothing else; otherwise
    its rules hold for those of its features that are there, and all records must have the features
    that the first one has. ``labels``: the classes' names, of labels from ``first_label`` on, or
    None where they are not known."""

    strict: bool
    labels: tuple[str, ...] | None = None
    first_label: int = 1
    kinds: dict[str, str] = field(default_factory=dict)

    def problems(self, payload: bytes | memoryview) -> list[str]:
        """What is wrong with a record, in words; nothing where it is as it must be."""
        from fastconv.reader import parse_example  # which loads NumPy: most records need none

        try:
            features = parse_example(payload)
        except ValueError as error:
            return [f"is no Example: {error}"]
        found = list(self._names(payload, features))
        found += _of_values(features, self.strict)
        if self.labels is not None:
            found += _of_class(features, self.labels, self.first_label)
        if "image/object/bbox/xmin" in features:
            found += _of_boxes(features)
        found += _of_image(features)
        return found

    def _names(self, payload: bytes | memoryview, features: Features) -> Iterator[str]:
        for name, count in Counter(_verify.outline(payload)).items():
            if count > 1:
                yield f"{_text(name)} is there {count} times"
        kinds = {key: _kind(value) for key, value in features.items()}
        if self.strict:
            expected = KINDS
        else:
            self.kinds = self.kinds or kinds
            expected = self.kinds
        for key in expected.keys() - kinds.keys():
            yield f"{key} is missing"
        for key, kind in kinds.items():
            if key not in expected:
                whose = "slim's schema" if self.strict else "the first record"
                yield f"{key} is there, which {whose} has not"
            elif kind != expected[key] and (self.strict or "none" not in (kind, expected[key])):
                yield f"{key} holds {kind} values, not {expected[key]} values"


def _kind(values: Any) -> str:
    if values.dtype == object:
        return "bytes" if len(values) else "none"
    return "float" if values.dtype.kind == "f" else "int64"


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _one(features: Features, key: str) -> Any:
    """The value of a feature that has one, and of the right kind; else None."""
    values = features.get(key)
    if values is None or len(values) != 1 or _kind(values) != KINDS[key]:
        return None
    return values[0]


def _of_values(features: Features, strict: bool) -> Iterator[str]:
    for key in KINDS:
        if key in features and key not in BOX_KEYS and len(features[key]) != 1:
            yield f"{key} has {len(features[key])} values, not 1"
    image_format = _one(features, "image/format")
    if image_format is not None and image_format != b"JPEG" and (strict or image_format == b""):
        yield f"image/format is {_text(image_format)!r}, not 'JPEG'"
    if _one(features, "image/filename") == b"":
        yield "image/filename is empty"
    label = _one(features, "image/class/label")
    if label is not None and label < 0:
        yield f"image/class/label is {label}"


def _of_class(features: Features, labels: tuple[str, ...], first: int) -> Iterator[str]:
    label, synset = (_one(features, f"image/class/{name}") for name in ("label", "synset"))
    if label is None:
        return
    if not first <= label < first + len(labels):
        yield f"image/class/label is {label}, not from {first} to {first + len(labels) - 1}"
    elif synset is not None:
        name = labels[label - first]
        if synset != name.encode("utf-8", "surrogateescape"):
            yield f"image/class/synset is {_text(synset)}, but label {label} is {name}"


def _of_boxes(features: Features) -> Iterator[str]:
    if any(key not in features or _kind(features[key]) != KINDS[key] for key in SIDES):
        return
    counts = {key: len(features[key]) for key in BOX_KEYS if key in features}
    if len(set(counts.values())) > 1:
        yield "its lists of boxes are of other lengths: " + ", ".join(
            f"{key.rpartition('/')[2]} {count}" for key, count in counts.items()
        )
        return
    xmin, ymin, xmax, ymax = (features[key] for key in SIDES)
    good = (xmin >= 0) & (xmin <= xmax) & (xmax <= 1) & (ymin >= 0) & (ymin <= ymax) & (ymax <= 1)
    for i in (~good).nonzero()[0].tolist():
        sides = ", ".join(f"{key.rpartition('/')[2]} {features[key][i]:g}" for key in SIDES)
        yield f"box {i} is out of range: {sides}"
    label, own = _one(features, "image/class/label"), features.get("image/object/bbox/label")
    if label is not None and own is not None and own.dtype.kind == "i":
        for i in (own != label).nonzero()[0].tolist():
            yield f"box {i} has label {own[i]}, the image {label}"


def _of_image(features: Features) -> Iterator[str]:
    key = next((key for key in IMAGE_KEYS if key in features), None)
    if key is None or len(features[key]) != 1 or _kind(features[key]) != "bytes":
        return
    data = features[key][0]
    height, width, components = _verify.jpeg_sides(data)
    is_jpeg = components > 0
    if not is_jpeg:
        if _one(features, "image/format") == b"JPEG":
            yield f"{key} is no JPEG, or has no frame header: {data[:4].hex(' ') or 'no bytes'} …"
            return
        sides = _sides_of_any(data)
        if sides is None:
            yield f"{key} is no image that can be read: {data[:4].hex(' ') or 'no bytes'} …"
            return
        height, width = sides
    for name, side in (("height", height), ("width", width)):
        said = _one(features, f"image/{name}")
        if said is not None and said != side:
            yield f"image/{name} is {said}, but the image's header says {side}"
        elif side == 0:
            yield f"the image's header says that its {name} is 0"
    channels, colorspace = (_one(features, f"image/{name}") for name in ("channels", "colorspace"))
    if not is_jpeg or channels is None or colorspace is None or "image/format" not in features:
        return
    if channels == 1 and (components != 1 or colorspace != b"Grayscale"):
        yield f"image/channels is 1, but the image has {components}, in {_text(colorspace)}"
    elif channels == 3 and (components not in (1, 3) or colorspace != b"RGB"):
        yield f"image/channels is 3, but the image has {components}, in {_text(colorspace)}"
    elif channels not in (1, 3):
        yield f"image/channels is {channels}, not 1 or 3"


def _sides_of_any(data: bytes) -> tuple[int, int] | None:
    import warnings

    from fastconv.images import opened

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with opened(data) as image:
                return image.height, image.width
    except Exception:  # Pillow's plugins raise nearly anything at what is no image
        return None
