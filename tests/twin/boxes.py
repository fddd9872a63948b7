"""Bounding boxes from ImageNet's XML files, by the rules of slim's process_bounding_boxes.py."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree


class Box(NamedTuple):
    """Relative to the image, as the float32 nearest to four decimals."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float


def float32(value: float) -> float:
    """The double that equals the float32 nearest to `value`."""
    result: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return result


def _text(root: ElementTree.Element, tag: str, index: int = 0) -> str | int:
    """Text of the index-th <tag> anywhere in the file; the reference says -1 for none.

    Its lookups count tags over the whole file, not within one <bndbox>.
    """
    found = list(root.iter(tag))
    return (found[index].text or "") if index < len(found) else -1


def _number(root: ElementTree.Element, tag: str, index: int = 0) -> int:
    return int(float(_text(root, tag, index)))


def _clamped(one: float, other: float) -> tuple[float, float]:
    low, high = min(one, other), max(one, other)
    return min(max(low, 0.0), 1.0), min(max(high, 0.0), 1.0)


def _lines(xml: Path, wnid: str, synsets: set[str]) -> list[str]:
    """The reference's text lines (without the file name) of the boxes that it keeps."""
    root = ElementTree.fromstring(xml.read_bytes())
    lines = []
    index = 0
    # An <xmin> of -1 cannot be told from a missing one, so it ends the list.
    while _number(root, "xmin", index) != -1:
        x = (_number(root, "xmin", index), _number(root, "xmax", index))
        y = (_number(root, "ymin", index), _number(root, "ymax", index))
        index += 1
        width, height = _number(root, "width"), _number(root, "height")
        xmin, xmax = _clamped(x[0] / width, x[1] / width)
        ymin, ymax = _clamped(y[0] / height, y[1] / height)
        # The file's first <name> speaks for all of its boxes.
        name = _text(root, "name")
        if name != wnid and name in synsets:
            continue
        if xmin >= xmax or ymin >= ymax:
            continue
        lines.append(f"{xmin:.4f},{ymin:.4f},{xmax:.4f},{ymax:.4f}")
    return lines


def boxes_by_image(boxes_dir: Path | None, synsets: list[str]) -> dict[str, list[Box]]:
    """Boxes by the image's file name, `<name of the XML>.JPEG`, in the order of their lines.

    `boxes_dir` holds `<wnid>/*.xml`; folders that are not in `synsets` are passed over. The key is
    the name alone, as in the reference: image names are unique in ImageNet.
    """
    if boxes_dir is None:
        return {}
    lines: dict[str, list[str]] = {}
    for wnid in synsets:
        folder = boxes_dir / wnid
        if not folder.is_dir():
            continue
        for xml in sorted(folder.iterdir(), key=lambda path: os.fsencode(path.name)):
            if xml.suffix == ".xml":
                kept = _lines(xml, wnid, set(synsets))
                if kept:
                    lines.setdefault(xml.stem + ".JPEG", []).extend(kept)
    # The lines are ASCII, so Python's order of them is the order of their bytes.
    return {
        image: [Box(*(float32(float(part)) for part in line.split(","))) for line in sorted(texts)]
        for image, texts in lines.items()
    }
