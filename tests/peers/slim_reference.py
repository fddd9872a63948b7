"""What slim's build_imagenet_data.py does, in our own words and with TensorFlow's own parts.

Slow and plain on purpose. It differs from the script in two things: the file listing is sorted,
which the script leaves to the file system, and odd images are told by content, where the script has
a list of the names of ILSVRC2012's.
"""

from __future__ import annotations

import io
import os
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image


def _int64(values: Sequence[int]) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _floats(values: Sequence[float]) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _format_and_mode(data: bytes) -> tuple[str | None, str]:
    # Pillow's word for it: fastconv and its twin both walk markers, and a third opinion is wanted.
    with Image.open(io.BytesIO(data)) as opened:
        return opened.format, opened.mode


def repaired(data: bytes) -> bytes:
    """`data`, or the RGB JPEG that the reference stores instead of a PNG or a CMYK JPEG."""
    form, mode = _format_and_mode(data)
    if form == "PNG":
        pixels = tf.image.decode_png(data, channels=3)
    elif mode == "CMYK":
        pixels = tf.image.decode_jpeg(data, channels=0)
    else:
        return data
    stored: bytes = tf.image.encode_jpeg(pixels, format="rgb", quality=100).numpy()
    return stored


def example(
    data: bytes,
    name: bytes,
    label: int,
    synset: str,
    text: str,
    boxes: Sequence[Sequence[float]],
) -> tf.train.Example:
    """One record; a box is (xmin, ymin, xmax, ymax)."""
    stored = repaired(data)
    height, width, channels = tf.image.decode_jpeg(stored, channels=3).shape
    assert channels == 3
    xmin, ymin, xmax, ymax = zip(*boxes, strict=True) if boxes else ((), (), (), ())
    features = {
        "image/height": _int64([height]),
        "image/width": _int64([width]),
        "image/colorspace": _bytes(b"RGB"),
        "image/channels": _int64([channels]),
        "image/class/label": _int64([label]),
        "image/class/synset": _bytes(synset.encode()),
        "image/class/text": _bytes(text.encode()),
        "image/object/bbox/xmin": _floats(xmin),
        "image/object/bbox/xmax": _floats(xmax),
        "image/object/bbox/ymin": _floats(ymin),
        "image/object/bbox/ymax": _floats(ymax),
        "image/object/bbox/label": _int64([label] * len(boxes)),
        "image/format": _bytes(b"JPEG"),
        "image/filename": _bytes(name),
        "image/encoded": _bytes(stored),
    }
    return tf.train.Example(features=tf.train.Features(feature=features))


def write_split(
    split_dir: Path,
    out_dir: Path,
    *,
    split: str,
    synsets: Sequence[str],
    texts: dict[str, str],
    boxes: dict[str, list[Sequence[float]]],
    num_shards: int,
    num_threads: int = 8,
) -> list[Path]:
    """Write the split's shards; the script's threads become a loop over their ranges."""
    images: list[tuple[Path, int]] = []
    for label, synset in enumerate(synsets, start=1):
        found = tf.io.gfile.glob(str(split_dir / synset / "*.JPEG"))
        images += [(Path(path), label) for path in sorted(found, key=os.fsencode)]
    order = list(range(len(images)))
    random.seed(12345)
    random.shuffle(order)

    assert num_shards % num_threads == 0
    shards_per_thread = num_shards // num_threads
    spacing = np.linspace(0, len(images), num_threads + 1).astype(int)
    shards = []
    for thread in range(num_threads):
        edges = np.linspace(spacing[thread], spacing[thread + 1], shards_per_thread + 1).astype(int)
        for part in range(shards_per_thread):
            number = thread * shards_per_thread + part
            shard = out_dir / f"{split}-{number:05d}-of-{num_shards:05d}"
            with tf.io.TFRecordWriter(str(shard)) as writer:
                for position in range(edges[part], edges[part + 1]):
                    path, label = images[order[position]]
                    synset = synsets[label - 1]
                    record = example(
                        path.read_bytes(),
                        os.fsencode(path.name),
                        label,
                        synset,
                        texts[synset],
                        boxes.get(path.name, []),
                    )
                    writer.write(record.SerializeToString())
            shards.append(shard)
    return shards
