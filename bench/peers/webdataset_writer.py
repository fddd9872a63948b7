"""webdataset's ShardWriter: a tar a shard, with an image and its class a sample."""

from __future__ import annotations

from pathlib import Path

import webdataset

from bench.peers.common import Shard, arguments, cut, write_all


def write(shard: Shard) -> int:
    # The shard's own number stands where ShardWriter puts its count; one is all it comes to.
    folder, name = Path(shard.path).parent, Path(shard.path).name
    pattern = str(folder / f"{name}-%d.tar")
    with webdataset.ShardWriter(pattern, maxcount=10**9, maxsize=1 << 40, verbose=0) as sink:
        for picture in shard.pictures:
            sink.write(
                {
                    "__key__": picture.name.partition(".")[0],
                    "jpg": Path(picture.path).read_bytes(),
                    "cls": picture.label,
                }
            )
    return len(shard.pictures)


if __name__ == "__main__":
    given = arguments(__doc__)
    write_all(cut(given), given.workers, lambda: write)
