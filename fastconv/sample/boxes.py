"""Box annotations in ImageNet's own PASCAL-VOC XML, with the real data's noise in some."""

from __future__ import annotations

from collections.abc import Sequence

from fastconv.sample.paint import Box

# What is wrong with some of the real files; "" is a file with nothing wrong.
NOISE = (
    "placeholder-filename",  # <filename> is %s
    "outside",  # a box reaches beyond the image
    "swapped",  # min above max
    "other-class",  # <name> is another class
    "words",  # <name> is no WNID
    "other-size",  # <size>, and the boxes with it, of another scale than the image
)


def _object(name: str, box: Box) -> str:
    xmin, ymin, xmax, ymax = box
    return (
        "\t<object>\n"
        f"\t\t<name>{name}</name>\n"
        "\t\t<pose>Unspecified</pose>\n"
        "\t\t<truncated>0</truncated>\n"
        "\t\t<difficult>0</difficult>\n"
        "\t\t<bndbox>\n"
        f"\t\t\t<xmin>{xmin}</xmin>\n"
        f"\t\t\t<ymin>{ymin}</ymin>\n"
        f"\t\t\t<xmax>{xmax}</xmax>\n"
        f"\t\t\t<ymax>{ymax}</ymax>\n"
        "\t\t</bndbox>\n"
        "\t</object>\n"
    )


def annotation(
    name: str, size: tuple[int, int], boxes: Sequence[Box], noise: str, other_wnid: str
) -> bytes:
    """The XML of image ``name`` (``<wnid>_<number>``, no extension) of ``size`` (width, height).

    ``boxes`` are in pixels of the stored image; ``noise`` is one of NOISE or empty.
    """
    wnid = name.partition("_")[0]
    width, height = size
    boxes = list(boxes)
    label = {"other-class": other_wnid, "words": "Scottish_deerhound"}.get(noise, wnid)
    if noise == "other-size":
        width, height = width * 3 // 2, height * 3 // 2
        boxes = [(a * 3 // 2, b * 3 // 2, c * 3 // 2, d * 3 // 2) for a, b, c, d in boxes]
    elif noise == "outside":
        xmin, ymin, _, _ = boxes[0]
        boxes[0] = (xmin, ymin, width + 23, height + 7)
    elif noise == "swapped":
        xmin, ymin, xmax, ymax = boxes[0]
        boxes[0] = (xmax, ymax, xmin, ymin)
    filename = "%s" if noise == "placeholder-filename" else name
    text = (
        "<annotation>\n"
        f"\t<folder>{wnid}</folder>\n"
        f"\t<filename>{filename}</filename>\n"
        "\t<source>\n\t\t<database>ILSVRC_2012</database>\n\t</source>\n"
        "\t<size>\n"
        f"\t\t<width>{width}</width>\n\t\t<height>{height}</height>\n\t\t<depth>3</depth>\n"
        "\t</size>\n"
        "\t<segmented>0</segmented>\n"
        + "".join(_object(label, box) for box in boxes)
        + "</annotation>\n"
    )
    return text.encode()
