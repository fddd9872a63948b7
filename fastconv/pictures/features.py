"""All that is in one record: each feature with its kind, how many values, and what they are."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastconv import _jpeg
from fastconv.pictures.shown import ALIASES, ENCODED, looks_like_image

VALUES_SHOWN = 8
TEXT_SHOWN = 200  # characters
VALUES_TOLD = 1000  # of a feature, in JSON
HEX_BYTES = 12
KINDS = {"f": "float", "i": "int64", "O": "bytes"}
SAMPLINGS = {0x11: "4:4:4", 0x21: "4:2:2", 0x22: "4:2:0", 0x12: "4:4:0", 0x41: "4:1:1"}
PROGRESSIVE = 0xC2  # the marker of its frame header
IMAGES = (ENCODED, *ALIASES[ENCODED])  # names of features that hold one, in whatever format
NO_JPEG = 2  # a row of _jpeg.REASONS


@dataclass(frozen=True, slots=True)
class Feature:
    """``kind``: "bytes", "float", "int64", or "none" for an empty list, of which Python's reader
    does not know the kind; ``count``: of its values; ``shown``: they in words; ``told``: as JSON
    knows them, up to 1,000; ``image``: what its image is, where it is one."""

    name: str
    kind: str
    count: int
    shown: str
    told: list[Any]
    image: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        facts = {"name": self.name, "kind": self.kind, "count": self.count, "values": self.told}
        return {**facts, "image": self.image} if self.image is not None else facts


def features_of(features: Mapping[str, Any]) -> list[Feature]:
    """Of an Example's features by name (as parse_example gives them), in their order."""
    return [_feature(name, values) for name, values in features.items()]


def _feature(name: str, values: Any) -> Feature:
    kind = KINDS.get(values.dtype.kind, "none")
    count = len(values)
    if kind == "bytes" and not count:
        return Feature(name, "none", 0, "", [])
    if kind != "bytes":
        told = [_number(value) for value in values[:VALUES_TOLD].tolist()]
        texts = [f"{value:g}" if kind == "float" else str(value) for value in values[:VALUES_SHOWN]]
        return Feature(name, kind, count, _list(texts, count), told)
    is_image = count == 1 and (name in IMAGES or looks_like_image(values[0]))
    image = image_facts(values[0]) if is_image else None
    texts = [in_words(value) for value in values[:VALUES_SHOWN]]
    if image is not None:
        texts = [f"{image_words(image)}; {texts[0]}"]
    told = [_told(value) for value in values[:VALUES_TOLD]]
    return Feature(name, kind, count, _list(texts, count), told, image)


def _list(texts: list[str], count: int) -> str:
    return ", ".join(texts) + (", …" if count > len(texts) else "")


def _number(value: float | int) -> float | int | str:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def as_text(value: bytes) -> str | None:
    """Bytes as text, where that is what they are."""
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if all(sign.isprintable() or sign in "\t\n\r" for sign in text) else None


def in_words(value: bytes) -> str:
    """Text as text; other bytes by their number and how they begin."""
    text = as_text(value)
    if text is not None:
        return text if len(text) <= TEXT_SHOWN else f"{text[:TEXT_SHOWN]}… ({len(text):,} letters)"
    more = " …" if len(value) > HEX_BYTES else ""
    return f"{len(value):,} bytes: {value[:HEX_BYTES].hex(' ')}{more}"


def _told(value: bytes) -> Any:
    text = as_text(value)
    if text is not None and len(text) <= 10 * TEXT_SHOWN:
        return text
    return {"bytes": len(value), "begins": value[:HEX_BYTES].hex()}


def image_facts(data: bytes) -> dict[str, Any] | None:
    """What an image is, from its header: format, height, width, and of a JPEG its components,
    subsampling, whether it is progressive, and Exif orientation. None where it is no image."""
    status, height, width, components, sampling, orientation = _jpeg.look(data)
    if status == 0:
        facts = {"format": "JPEG", "height": height, "width": width, "components": components}
        if components > 1:
            facts["subsampling"] = SAMPLINGS.get(sampling)
        progressive = _jpeg.scan(data)[5] == PROGRESSIVE
        return {**facts, "progressive": progressive, "orientation": orientation}
    if status > NO_JPEG and data[:2] == b"\xff\xd8":
        return {"format": "JPEG", "damage": _jpeg.REASONS[status]}
    from fastconv.images import opened

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with opened(data) as image:
                return {
                    "format": image.format,
                    "height": image.height,
                    "width": image.width,
                    "components": len(image.getbands()),
                    "mode": image.mode,
                }
    except Exception:  # Pillow's plugins raise nearly anything at what is no image
        return None


def image_words(facts: dict[str, Any]) -> str:
    if "damage" in facts:
        return f"{facts['format']}, damaged: {facts['damage']}"
    parts = [f"{facts['format']} of {facts['height']} x {facts['width']} (height x width)"]
    parts.append(f"{facts['components']} component{'s' if facts['components'] > 1 else ''}")
    if facts.get("subsampling"):
        parts.append(facts["subsampling"])
    if facts.get("progressive"):
        parts.append("progressive")
    if facts.get("orientation", 1) != 1:
        parts.append(f"Exif orientation {facts['orientation']}")
    return ", ".join(parts)
