"""The floor: each image decoded in full, and its resized pixels, made beforehand, encoded. By the
binding of libjpeg-turbo that fastconv uses, too."""

from __future__ import annotations

import json
import mmap
from pathlib import Path

from bench.peers.resizing import QUALITY, Remake, Smaller, run

PIXELS, PLACES = "pixels.bin", "places.json"


def start(smaller: Smaller) -> Remake:
    import numpy as np
    import simplejpeg

    folder = smaller.pixels or Path()
    with (folder / PIXELS).open("rb") as file:
        # With all its pages at hand, as pixels are that were just made.
        flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
        mapped = mmap.mmap(file.fileno(), 0, flags, mmap.PROT_READ)
    places = json.loads((folder / PLACES).read_text(encoding="utf-8"))
    room = bytearray(1 << 20)

    def remake(data: bytes, name: str) -> bytes:
        nonlocal room
        if name not in places:
            return data
        at, height, width, decoded = places[name]
        if decoded > len(room):
            room = bytearray(decoded)
        simplejpeg.decode_jpeg(data, buffer=room)
        pixels = np.frombuffer(mapped, np.uint8, height * width * 3, at)
        made: bytes = simplejpeg.encode_jpeg(
            pixels.reshape(height, width, 3),
            quality=QUALITY,
            colorsubsampling="420",
            fastdct=False,
        )
        return made

    return remake


if __name__ == "__main__":
    run(__doc__, start)
