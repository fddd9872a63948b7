"""The TFRecordWriter of the package ``tfrecord``: bytes, label and name, without TensorFlow."""

from __future__ import annotations

from pathlib import Path

from tfrecord.writer import TFRecordWriter

from bench.peers.common import Shard, arguments, cut, write_all


def write(shard: Shard) -> int:
    writer = TFRecordWriter(shard.path)
    for picture in shard.pictures:
        writer.write(
            {
                "image/encoded": (Path(picture.path).read_bytes(), "byte"),
                "image/class/label": (picture.label, "int"),
                "image/filename": (picture.name.encode(), "byte"),
            }
        )
    writer.close()
    return len(shard.pictures)


if __name__ == "__main__":
    given = arguments(__doc__)
    write_all(cut(given), given.workers, lambda: write)
