"""The TensorFlow way, as slim's build_imagenet_data does it: decode each image to learn its size,
make PNG and CMYK images into RGB JPEGs, write an Example with all of slim's features.

Slim runs threads in one process, which TensorFlow 2 lets run one at a time for the most part; here
each worker is a process, which is faster.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bench.peers.common import Picture, Shard, Write, arguments, cut, write_all

if TYPE_CHECKING:
    import tensorflow as tf

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# The CMYK images of ILSVRC2012, which slim knows by name.
_CMYK = frozenset(
    """
    n01739381_1309 n02077923_14822 n02447366_23489 n02492035_15739 n02747177_10752 n03018349_4028
    n03062245_4620 n03347037_9675 n03467068_12171 n03529860_11437 n03544143_17228 n03633091_5218
    n03710637_5125 n03961711_5286 n04033995_2932 n04258138_17003 n04264628_27969 n04336792_7448
    n04371774_5854 n04596742_4225 n07583066_647 n13037406_4650
    """.split()
)


def _ints(values: list[int]) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _floats(values: list[float]) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _as_stored(data: bytes, name: str) -> tuple[bytes, int, int]:
    if data.startswith(b"\x89PNG"):
        data = tf.io.encode_jpeg(tf.io.decode_png(data, 3), "rgb", quality=100).numpy()
    elif name.partition(".")[0] in _CMYK:
        data = tf.io.encode_jpeg(tf.io.decode_jpeg(data, 0), "rgb", quality=100).numpy()
    height, width, channels = tf.io.decode_jpeg(data, channels=3).shape
    if channels != 3:
        raise ValueError(f"{name}: {channels} channels")
    return data, height, width


def example(picture: Picture) -> bytes:
    with tf.io.gfile.GFile(picture.path, "rb") as file:
        data, height, width = _as_stored(file.read(), picture.name)
    synset = picture.synset.encode()
    features = {
        "image/height": _ints([height]),
        "image/width": _ints([width]),
        "image/colorspace": _bytes(b"RGB"),
        "image/channels": _ints([3]),
        "image/class/label": _ints([picture.label]),
        "image/class/synset": _bytes(synset),
        "image/class/text": _bytes(synset),
        "image/object/bbox/xmin": _floats([]),
        "image/object/bbox/xmax": _floats([]),
        "image/object/bbox/ymin": _floats([]),
        "image/object/bbox/ymax": _floats([]),
        "image/object/bbox/label": _ints([]),
        "image/format": _bytes(b"JPEG"),
        "image/filename": _bytes(picture.name.encode()),
        "image/encoded": _bytes(data),
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
