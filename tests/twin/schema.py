"""A record of any schema, told again: slim's features in a fixed order, some of them left out or
under other names, and behind them what was added."""

from __future__ import annotations

from collections.abc import Sequence

from twin.jpeg import jpeg_facts
from twin.proto import Value, encode_example

# The image itself, what its class says, what its file says.
ORDER = {
    "image/encoded": "bytes",
    "image/channels": "int64",
    "image/class/label": "int64",
    "image/class/synset": "bytes",
    "image/class/text": "bytes",
    "image/colorspace": "bytes",
    "image/format": "bytes",
    "image/filename": "bytes",
    "image/height": "int64",
    "image/width": "int64",
    "image/object/bbox/xmin": "float",
    "image/object/bbox/ymin": "float",
    "image/object/bbox/xmax": "float",
    "image/object/bbox/ymax": "float",
    "image/object/bbox/label": "int64",
}
Added = tuple[str, str, Sequence[Value]]


def record(
    data: bytes,
    filename: str,
    synset: str,
    text: str,
    label: int,
    names: dict[str, str],
    added: Sequence[Added],
) -> bytes:
    """The payload of an image without boxes. ``names``: slim's name → the one it is stored as."""
    facts = jpeg_facts(data)
    values: dict[str, list[Value]] = {
        "image/encoded": [data],
        "image/channels": [3],
        "image/class/label": [label],
        "image/class/synset": [synset.encode()],
        "image/class/text": [text.encode()],
        "image/colorspace": [b"RGB"],
        "image/format": [b"JPEG"],
        "image/filename": [filename.encode()],
        "image/height": [facts.height],
        "image/width": [facts.width],
    }
    listed: list[Added] = [
        (names[key], kind, values.get(key, [])) for key, kind in ORDER.items() if key in names
    ]
    return encode_example([*listed, *added])
