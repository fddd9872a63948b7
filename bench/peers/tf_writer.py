"""TensorFlow's TFRecordWriter without a look at the image: bytes, label and name alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from bench.peers.common import Picture, Shard, Write, arguments, cut, write_all

if TYPE_CHECKING:
    import tensorflow as tf

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def example(picture: Picture) -> bytes:
    features = {
        "image/encoded": _bytes(Path(picture.path).read_bytes()),
        "image/class/label": tf.train.Feature(int64_list=tf.train.Int64List(value=[picture.label])),
        "image/filename": _bytes(picture.name.encode()),
    }
    made = tf.train.Example(features=tf.train.Features(feature=features))
    serialized: bytes = made.SerializeToString()
    return serialized


def write(shard: Shard) -> int:
    with tf.io.TFRecordWriter(shard.path) as writer:
        for picture in shard.pictures:
            writer.write(example(picture))
    return len(shard.pictures)


def start() -> Write:
    """Imports TensorFlow where it is used: its threads do not outlive a fork."""
    global tf
    import tensorflow as tf

    return write


if __name__ == "__main__":
    given = arguments(__doc__)
    write_all(cut(given), given.workers, start)
