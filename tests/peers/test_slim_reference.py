"""fastconv's shards against those of the reference's algorithm, run with TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import tensorflow as tf
import twin

from peers.running import Converted
from peers.slim_reference import write_split

pytestmark = [pytest.mark.peers, pytest.mark.timeout(600)]

_MEAN_DIFFERENCE_MAX = 2.5


def _difference(ours: bytes, theirs: bytes) -> float:
    one, other = (
        tf.cast(tf.io.decode_jpeg(data, channels=3), tf.float32) for data in (ours, theirs)
    )
    assert one.shape == other.shape
    return float(tf.reduce_mean(tf.abs(one - other)))


@pytest.mark.parametrize("split", ["train", "validation"])
def test_records_equal_the_references(split: str, converted: Converted, tmp_path: Path) -> None:
    boxes: dict[str, list[Sequence[float]]] = {
        name: list(found)
        for name, found in twin.boxes_by_image(
            converted.tree / "bounding_boxes", converted.synsets
        ).items()
    }
    theirs = write_split(
        converted.tree / split,
        tmp_path,
        split=split,
        synsets=converted.synsets,
        texts=converted.texts,
        boxes=boxes,
        num_shards=converted.shard_counts[split],
    )
    ours = converted.shards(split)
    assert [path.name for path in ours] == [path.name for path in theirs]
    repaired = 0
    for our_shard, their_shard in zip(ours, theirs, strict=True):
        pairs = zip(
            tf.data.TFRecordDataset(str(our_shard)).as_numpy_iterator(),
            tf.data.TFRecordDataset(str(their_shard)).as_numpy_iterator(),
            strict=True,
        )
        for our_payload, their_payload in pairs:
            our, their = twin.decode_example(our_payload), twin.decode_example(their_payload)
            (our_jpeg,), (their_jpeg,) = (
                record.pop("image/encoded").values for record in (our, their)
            )
            assert our == their
            if our_jpeg != their_jpeg:
                repaired += 1
                assert isinstance(our_jpeg, bytes)
                assert isinstance(their_jpeg, bytes)
                name = our["image/filename"].values
                assert _difference(our_jpeg, their_jpeg) < _MEAN_DIFFERENCE_MAX, name
                # No image but those that the reference replaces may differ at all.
                source = (
                    converted.tree
                    / split
                    / _text(our["image/class/synset"])
                    / _text(our["image/filename"])
                )
                assert twin.reencoded_source(source.read_bytes()) is not None
    assert repaired == {"train": 3, "validation": 1}[split]


def _text(feature: twin.Feature) -> str:
    (value,) = feature.values
    assert isinstance(value, bytes)
    return value.decode()
