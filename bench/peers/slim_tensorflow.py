"""The TensorFlow way, as slim's build_imagenet_data does it: decode each image to learn its size,
make PNG and CMYK images into RGB JPEGs, write an Example with all of slim's features.

As slim, it runs threads in one process, which share a session. BENCH_PROCESSES=1 makes each worker
a process that runs TensorFlow 2's operations at once, which slim does not do but could.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from bench.peers.common import Picture, Shard, Write, arguments, cut, write_all

if TYPE_CHECKING:
    import tensorflow as tf

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_PROCESSES = bool(os.environ.get("BENCH_PROCESSES"))

# The CMYK images of ILSVRC2012, which slim knows by name.
_CMYK = frozenset(
    (
        *("n01739381_1309", "n02077923_14822", "n02447366_23489", "n02492035_15739"),
        *("n02747177_10752", "n03018349_4028", "n03062245_4620", "n03347037_9675"),
        *("n03467068_12171", "n03529860_11437", "n03544143_17228", "n03633091_5218"),
        *("n03710637_5125", "n03961711_5286", "n04033995_2932", "n04258138_17003"),
        *("n04264628_27969", "n04336792_7448", "n04371774_5854", "n04596742_4225"),
        *("n07583066_647", "n13037406_4650"),
    )
)


def _ints(values: list[int]) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _floats(values: list[float]) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


class Coder:
    """TensorFlow's operations on an image's bytes, by way of a session as in slim."""

    def __init__(self) -> None:
        one = tf.compat.v1
        graph = tf.Graph()
        with graph.as_default():
            self._data = one.placeholder(tf.string)
            png = tf.io.decode_png(self._data, channels=3)
            cmyk = tf.io.decode_jpeg(self._data, channels=0)
            self._from_png = tf.io.encode_jpeg(png, "rgb", quality=100)
            self._from_cmyk = tf.io.encode_jpeg(cmyk, "rgb", quality=100)
            self._pixels = tf.io.decode_jpeg(self._data, channels=3)
        self._session = one.Session(graph=graph)

    def _run(self, what: Any, data: bytes) -> Any:
        return self._session.run(what, feed_dict={self._data: data})

    def from_png(self, data: bytes) -> bytes:
        made: bytes = self._run(self._from_png, data)
        return made

    def from_cmyk(self, data: bytes) -> bytes:
        made: bytes = self._run(self._from_cmyk, data)
        return made

    def shape(self, data: bytes) -> tuple[int, int, int]:
        height, width, channels = self._run(self._pixels, data).shape
        return height, width, channels


class EagerCoder(Coder):
    """The same without a session, which is faster."""

    def __init__(self) -> None:
        pass

    def from_png(self, data: bytes) -> bytes:
        made: bytes = tf.io.encode_jpeg(tf.io.decode_png(data, 3), "rgb", quality=100).numpy()
        return made

    def from_cmyk(self, data: bytes) -> bytes:
        made: bytes = tf.io.encode_jpeg(tf.io.decode_jpeg(data, 0), "rgb", quality=100).numpy()
        return made

    def shape(self, data: bytes) -> tuple[int, int, int]:
        height, width, channels = tf.io.decode_jpeg(data, channels=3).shape
        return height, width, channels


def _as_stored(data: bytes, name: str, coder: Coder) -> tuple[bytes, int, int]:
    if data.startswith(b"\x89PNG"):
        data = coder.from_png(data)
    elif name.partition(".")[0] in _CMYK:
        data = coder.from_cmyk(data)
    height, width, channels = coder.shape(data)
    if channels != 3:
        raise ValueError(f"{name}: {channels} channels")
    return data, height, width


def example(picture: Picture, coder: Coder) -> bytes:
    with tf.io.gfile.GFile(picture.path, "rb") as file:
        data, height, width = _as_stored(file.read(), picture.name, coder)
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


def write(shard: Shard, coder: Coder) -> int:
    with tf.io.TFRecordWriter(shard.path) as writer:
        for picture in shard.pictures:
            writer.write(example(picture, coder))
    return len(shard.pictures)


def start() -> Write:
    """Imports TensorFlow where it is used: its threads do not outlive a fork."""
    global tf
    import tensorflow as tf

    coder = EagerCoder() if _PROCESSES else Coder()
    return lambda shard: write(shard, coder)


if __name__ == "__main__":
    given = arguments(__doc__)
    write_all(cut(given), given.workers, start, threads=not _PROCESSES)
