"""What a record must hold, in words: asked of those that the native check did not pass, and of
records of other schemas.

The rules of a schema are those of ext/verify_impl.c; a test holds the two to each other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fastconv import _verify
from fastconv.schema import IMAGE

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
IMAGE_KEYS = (IMAGE, "image")
FEATURE = re.compile("|".join(sorted(KINDS, key=len, reverse=True)))
Features = dict[str, Any]


@dataclass(slots=True)
class Expected:
    """What records are held to. ``strict``: the features of a schema, all of them and nothing else;
    otherwise slim's rules hold for those of its features that are there, and all records must have
    the features that the first one has. ``features``: slim's name → the name it is stored under;
    ``added``: of further features their kind, and whether they have one value in every record.
    ``labels``: the classes' names, of labels from ``first_label`` on, or None where they are not
    known."""

    strict: bool
    labels: tuple[str, ...] | None = None
    first_label: int = 1
    features: dict[str, str] = field(default_factory=lambda: {key: key for key in KINDS})
    added: dict[str, tuple[str, bool]] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)

    def native(self) -> _verify.Rules | None:
        """The same as the native walk asks it; None where it is not strict."""
        if not self.strict or self.labels is None:
            return None
        names = [name.encode("utf-8", "surrogateescape") for name in self.labels]
        keys = [
            (self.features.get(key, "").encode(), kind, key not in BOX_KEYS)
            for key, kind in KINDS.items()
        ]
        added = [(name.encode(), kind, single) for name, (kind, single) in self.added.items()]
        return _verify.Rules(self.first_label, names, keys, added)

    @property
    def image_keys(self) -> tuple[str, ...]:
        """The names that a record's image may have."""
        return (self.features[IMAGE],) if self.strict else IMAGE_KEYS

    def problems(self, payload: bytes | memoryview) -> list[str]:
        """What is wrong with a record, in words; nothing where it is as it must be."""
        from fastconv.reader import parse_example  # which loads NumPy: most records need none

        try:
            stored = parse_example(payload)
        except ValueError as error:
            return [f"is no Example: {error}"]
        found = list(self._names(payload, stored))
        features = stored  # by slim's names: what is added may be called like what is left out
        if self.strict:
            features = {k: stored[name] for k, name in self.features.items() if name in stored}
        problems = list(_of_values(features, self.strict))
        if self.labels is not None:
            problems += _of_class(features, self.labels, self.first_label)
        problems += _of_boxes(features)
        problems += _of_image(features, self.strict)
        return found + [self._as_stored(problem) for problem in problems]

    def _as_stored(self, problem: str) -> str:
        """What is said of slim's features, said of what they are stored as."""
        if all(name == stored for name, stored in self.features.items()):
            return problem
        return FEATURE.sub(lambda match: self.features.get(match[0], match[0]), problem)

    def _names(self, payload: bytes | memoryview, features: Features) -> Iterator[str]:
        for name, count in Counter(_verify.outline(payload)).items():
            if count > 1:
                yield f"{_text(name)} is there {count} times"
        kinds = {key: _kind(value) for key, value in features.items()}
        if self.strict:
            expected = {stored: KINDS[key] for key, stored in self.features.items()}
            expected |= {name: kind for name, (kind, _) in self.added.items()}
        else:
            self.kinds = self.kinds or kinds
            expected = self.kinds
        for key in expected.keys() - kinds.keys():
            yield f"{key} is missing"
        for key, kind in kinds.items():
            if key not in expected:
                whose = "its schema" if self.strict else "the first record"
                yield f"{key} is there, which {whose} has not"
            elif kind != expected[key] and not self._may_be_empty(key, kind, expected[key]):
                yield f"{key} holds {kind} values, not {expected[key]} values"
        for key, (_, single) in self.added.items() if self.strict else ():
            if single and key in features and len(features[key]) != 1:
                yield f"{key} has {len(features[key])} values, not 1"

    def _may_be_empty(self, key: str, kind: str, expected: str) -> bool:
        """Of an empty list, which has no kind that can be seen: whether there may be one."""
        if not self.strict:
            return "none" in (kind, expected)
        return kind == "none" and expected == "bytes" and key in self.added


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
    boxes = {key: features[key] for key in BOX_KEYS if key in features}
    if any(_kind(values) != KINDS[key] for key, values in boxes.items()):
        return
    counts = {key: len(values) for key, values in boxes.items()}
    if len(set(counts.values())) > 1:
        yield "its lists of boxes are of other lengths: " + ", ".join(
            f"{key.rpartition('/')[2]} {count}" for key, count in counts.items()
        )
        return
    sides = [key for key in SIDES if key in boxes]
    bad: set[int] = set()
    for low, high in zip(SIDES[:2], SIDES[2:], strict=True):
        least, most = boxes.get(low, 0), boxes.get(high, 1)
        good = (least >= 0) & (least <= most) & (most <= 1)
        if low in boxes or high in boxes:
            bad |= set((~good).nonzero()[0].tolist())
    for i in sorted(bad):
        shown = ", ".join(f"{key.rpartition('/')[2]} {boxes[key][i]:g}" for key in sides)
        yield f"box {i} is out of range: {shown}"
    label, own = _one(features, "image/class/label"), boxes.get("image/object/bbox/label")
    if label is not None and own is not None:
        for i in (own != label).nonzero()[0].tolist():
            yield f"box {i} has label {own[i]}, the image {label}"


def _of_image(features: Features, strict: bool) -> Iterator[str]:
    key = next((key for key in IMAGE_KEYS if key in features), None)
    if key is None or len(features[key]) != 1 or _kind(features[key]) != "bytes":
        return
    data = features[key][0]
    height, width, components = _verify.jpeg_sides(data)
    is_jpeg = components > 0
    if not is_jpeg:
        if strict or _one(features, "image/format") == b"JPEG":
            yield f"{key} is no JPEG, or has no frame header: {data[:4].hex(' ') or 'no bytes'} …"
            return
        from fastconv.images import sides_by_header  # which loads what hardly any record needs

        sides = sides_by_header(data)
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
    if is_jpeg:
        yield from _of_colours(features, components, strict)


def _of_colours(features: Features, components: int, strict: bool) -> Iterator[str]:
    channels, space = (_one(features, f"image/{name}") for name in ("channels", "colorspace"))
    if not strict and (channels is None or space is None or "image/format" not in features):
        return
    if channels is None:  # the schema leaves it out
        spaces = (b"RGB", b"Grayscale") if components == 1 else (b"RGB",)
        if components not in (1, 3):
            yield f"the image has {components} components, not 1 or 3"
        elif space is not None and space not in spaces:
            yield f"image/colorspace is {_text(space)}, but the image has {components} components"
        return
    shown = f"the image has {components}" + (f", in {_text(space)}" if space is not None else "")
    if channels == 1 and (components != 1 or space not in (None, b"Grayscale")):
        yield f"image/channels is 1, but {shown}"
    elif channels == 3 and (components not in (1, 3) or space not in (None, b"RGB")):
        yield f"image/channels is 3, but {shown}"
    elif channels not in (1, 3):
        yield f"image/channels is {channels}, not 1 or 3"
