"""What a record holds: names for the loop, and the part that the images of a class share."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import _tfrecord
from fastconv.catalog import Classes
from fastconv.names import Names
from fastconv.schema import IMAGE, OF_CLASS, OF_IMAGE, Schema
from fastconv.sources.columns import Added


def loop_keys(schema: Schema) -> list[str]:
    """Names of the features that differ from image to image, in the order that the native loop
    knows them by (keep_impl.h); an empty one is left out."""
    return [schema.features.get(name, "") for name in (IMAGE, *OF_IMAGE)]


def column_entries(added: Added) -> list[Names]:
    """For each catalog, the features that are added to its images, as encoded entries."""
    encoded = Names.of(
        _tfrecord.encode_entries(
            [
                (name.encode(), told["kind"], _wire(told["kind"], values))
                for (name, told), values in zip(added.facts.items(), cells, strict=True)
            ]
        )
        for cells in added.cells
    )
    return [encoded.take(rows) for rows in added.rows]


def _wire(kind: str, values: list[Any]) -> Any:
    return np.array(values, "<f4").tobytes() if kind == "float" else values


def class_entries(
    classes: Classes, schema: Schema, first_label: int, gray: bool = False
) -> list[bytes]:
    """For each class, its features as encoded entries of an Example's map; with `gray`, those of
    its grayscale images, which slim does not tell from others."""
    channels, colorspace = (1, b"Grayscale") if gray else (3, b"RGB")
    blocks = []
    for row, (name, words) in enumerate(zip(classes.names, classes.texts, strict=True)):
        values: tuple[tuple[str, list[int] | list[bytes]], ...] = (
            ("int64", [channels]),
            ("int64", [row + first_label]),
            ("bytes", [name.encode("utf-8", "surrogateescape")]),
            ("bytes", [words.encode("utf-8", "surrogateescape")]),
            ("bytes", [colorspace]),
            ("bytes", [b"JPEG"]),
        )
        blocks.append(
            _tfrecord.encode_entries(
                [
                    (schema.features[feature].encode(), kind, value)
                    for feature, (kind, value) in zip(OF_CLASS, values, strict=True)
                    if feature in schema.features
                ]
            )
        )
    return blocks
