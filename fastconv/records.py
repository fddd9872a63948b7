"""What a record holds: the schema, and the part of it that all images of a class share."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from fastconv import _tfrecord
from fastconv.catalog import Classes


@dataclass(frozen=True, slots=True)
class Schema:
    """Names of the features that differ from image to image; an empty name leaves one out.

    The order is that of the features in a record (docs/formats.md, "Order of the features"),
    where those of the class stand between the image and the others.
    """

    image: bytes
    filename: bytes
    height: bytes
    width: bytes
    xmin: bytes
    ymin: bytes
    xmax: bytes
    ymax: bytes
    box_label: bytes

    def as_dict(self) -> dict[str, str]:
        return {key: name.decode() for key, name in asdict(self).items()}

    @property
    def keys(self) -> tuple[bytes, ...]:
        return (
            self.image,
            self.filename,
            self.height,
            self.width,
            self.xmin,
            self.ymin,
            self.xmax,
            self.ymax,
            self.box_label,
        )


# Of tensorflow/models, research/slim, datasets/build_imagenet_data.py.
SLIM = Schema(
    b"image/encoded",
    b"image/filename",
    b"image/height",
    b"image/width",
    b"image/object/bbox/xmin",
    b"image/object/bbox/ymin",
    b"image/object/bbox/xmax",
    b"image/object/bbox/ymax",
    b"image/object/bbox/label",
)


def class_entries(classes: Classes, label_offset: int, gray: bool = False) -> list[bytes]:
    """For each class, its features of slim's schema as encoded entries of an Example's map; with
    `gray`, those of its grayscale images, which slim does not tell from others."""
    channels, colorspace = (1, b"Grayscale") if gray else (3, b"RGB")
    return [
        _tfrecord.encode_entries(
            [
                (b"image/channels", "int64", [channels]),
                (b"image/class/label", "int64", [row + label_offset]),
                (b"image/class/synset", "bytes", [name.encode("utf-8", "surrogateescape")]),
                (b"image/class/text", "bytes", [words.encode("utf-8", "surrogateescape")]),
                (b"image/colorspace", "bytes", [colorspace]),
                (b"image/format", "bytes", [b"JPEG"]),
            ]
        )
        for row, (name, words) in enumerate(zip(classes.names, classes.texts, strict=True))
    ]
