"""TensorFlow reads every record of a sample, with its own parser and its own decoder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
import tensorflow as tf
import twin

from peers.running import Converted, fastconv

pytestmark = [pytest.mark.peers, pytest.mark.timeout(600)]

_SPLITS: tuple[Literal["train", "validation"], ...] = ("train", "validation")
_SLIM_SPEC = {
    "image/encoded": tf.io.FixedLenFeature([], tf.string),
    "image/filename": tf.io.FixedLenFeature([], tf.string),
    "image/format": tf.io.FixedLenFeature([], tf.string),
    "image/colorspace": tf.io.FixedLenFeature([], tf.string),
    "image/channels": tf.io.FixedLenFeature([], tf.int64),
    "image/height": tf.io.FixedLenFeature([], tf.int64),
    "image/width": tf.io.FixedLenFeature([], tf.int64),
    "image/class/label": tf.io.FixedLenFeature([], tf.int64),
    "image/class/synset": tf.io.FixedLenFeature([], tf.string),
    "image/class/text": tf.io.FixedLenFeature([], tf.string),
    "image/object/bbox/xmin": tf.io.VarLenFeature(tf.float32),
    "image/object/bbox/ymin": tf.io.VarLenFeature(tf.float32),
    "image/object/bbox/xmax": tf.io.VarLenFeature(tf.float32),
    "image/object/bbox/ymax": tf.io.VarLenFeature(tf.float32),
    "image/object/bbox/label": tf.io.VarLenFeature(tf.int64),
}


def _payloads(converted: Converted, split: str) -> Iterator[list[bytes]]:
    """The serialized records, a list a shard. TensorFlow checks each CRC as it reads."""
    for shard in converted.shards(split):
        yield list(tf.data.TFRecordDataset(str(shard)).as_numpy_iterator())


def _parsed(payload: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor], tf.Tensor]:
    parsed = tf.io.parse_single_example(payload, _SLIM_SPEC)
    features = {
        name: value.values if isinstance(value, tf.SparseTensor) else value[None]
        for name, value in parsed.items()
    }
    return payload, features, tf.shape(tf.io.decode_jpeg(parsed["image/encoded"], channels=3))


@pytest.mark.parametrize("split", _SPLITS)
def test_every_record_parses_and_decodes(split: str, converted: Converted) -> None:
    """By slim's whole specification, boxes as lists of any length, each feature as it is stored."""
    seen = set()
    files = [str(path) for path in converted.shards(split)]
    records = tf.data.TFRecordDataset(files).map(_parsed, num_parallel_calls=2)
    for payload, parsed, shape in records.as_numpy_iterator():
        stored = {name: feature.values for name, feature in twin.decode_example(payload).items()}
        assert {name: value.tolist() for name, value in parsed.items()} == stored
        assert shape.tolist() == [*stored["image/height"], *stored["image/width"], 3]
        (name,), (synset,) = (parsed[f"image/{key}"] for key in ("filename", "class/synset"))
        assert (converted.tree / split / synset.decode() / name.decode()).is_file()
        label = converted.synsets.index(synset.decode()) + 1
        assert parsed["image/class/label"].tolist() == [label]
        assert parsed["image/class/text"].tolist() == [converted.texts[synset.decode()].encode()]
        boxes = parsed["image/object/bbox/label"]
        assert boxes.tolist() == [label] * len(parsed["image/object/bbox/xmin"])
        seen.add((synset, name))
    assert len(seen) == {"train": 2000, "validation": 400}[split]


@pytest.mark.parametrize("split", _SPLITS)
def test_every_feature_equals_the_twins(
    split: Literal["train", "validation"], converted: Converted
) -> None:
    _equals_the_twin(converted, split)


@pytest.mark.parametrize("split", _SPLITS)
def test_odd_images_equal_the_twins(split: Literal["train", "validation"], odd: Converted) -> None:
    _equals_the_twin(odd, split)


def _equals_the_twin(converted: Converted, split: Literal["train", "validation"]) -> None:
    boxes_dir = converted.tree / "bounding_boxes"
    expected = twin.derive(
        converted.tree,
        split=split,
        synsets=converted.synsets,
        texts=converted.texts,
        boxes_dir=boxes_dir if boxes_dir.is_dir() else None,
        num_shards=converted.shard_counts[split],
        label_offset=converted.label_offset,
    )
    differences = []
    for number, (records, payloads) in enumerate(
        zip(expected, _payloads(converted, split), strict=True)
    ):
        assert len(payloads) == len(records), f"shard {number}"
        for position, (record, payload) in enumerate(zip(records, payloads, strict=True)):
            differences += [
                f"shard {number}, record {position}, {record['image/filename']}: {line}"
                for line in twin.compare_record(record, payload)
            ]
    assert not differences, "\n".join(differences[:40])


@pytest.mark.parametrize("split", _SPLITS)
def test_index_lines_equal_the_twins(split: str, converted: Converted) -> None:
    for shard, index in zip(converted.shards(split), converted.indexes(split), strict=True):
        assert index.read_bytes().decode("ascii") == twin.index_lines(shard.read_bytes())


def test_labels_from_0_need_no_correction(odd: Converted) -> None:
    spec = {
        "image/class/label": tf.io.FixedLenFeature([], tf.int64),
        "image/class/synset": tf.io.FixedLenFeature([], tf.string),
    }
    seen = set()
    for payloads in _payloads(odd, "train"):
        for payload in payloads:
            parsed = tf.io.parse_single_example(payload, spec)
            seen.add((int(parsed["image/class/label"]), parsed["image/class/synset"].numpy()))
    assert seen == {(0, b"first"), (1, b"second")}


def test_gzip_shards_hold_the_same_records(small: Converted, tmp_path: Path) -> None:
    counts = [f"--{split}-shards={count}" for split, count in small.shard_counts.items()]
    fastconv("shards", small.tree, "--out", tmp_path, "--compression", "gzip", "--quiet", *counts)
    for split in _SPLITS:
        plain = small.shards(split)
        found = sorted((tmp_path / "data_dir").glob(f"{split}-*"))
        assert len(found) == len(plain)
        for compressed, shard in zip(found, plain, strict=True):
            records = tf.data.TFRecordDataset(str(compressed), compression_type="GZIP")
            expected = tf.data.TFRecordDataset(str(shard))
            assert list(records.as_numpy_iterator()) == list(expected.as_numpy_iterator())
