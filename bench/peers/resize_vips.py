"""libvips by way of pyvips: thumbnail_buffer and jpegsave_buffer; one thread a process."""

from __future__ import annotations

import os

from bench.peers.resizing import QUALITY, Remake, Smaller, run

os.environ["VIPS_CONCURRENCY"] = "1"


def start(smaller: Smaller) -> Remake:
    import pyvips

    pyvips.cache_set_max(0)  # no image comes twice

    def remake(data: bytes, name: str) -> bytes:
        image = pyvips.Image.new_from_buffer(data, "", access="sequential")
        sides = smaller.sides(image.height, image.width)
        if sides is None:
            return data
        height, width = sides
        image = pyvips.Image.thumbnail_buffer(data, width, height=height, size="force")
        # At this quality it would not take 4:2:0 by itself.
        made: bytes = image.jpegsave_buffer(Q=QUALITY, subsample_mode="on")
        return made

    return remake


if __name__ == "__main__":
    run(__doc__, start)
