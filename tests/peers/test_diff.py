"""fastconv diff, against what TensorFlow itself writes from the same features."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import fastconv
from peers.running import Converted

pytestmark = [pytest.mark.peers, pytest.mark.timeout(600)]


def examples(shard: Path) -> list[tf.train.Example]:
    records = tf.data.TFRecordDataset(str(shard)).as_numpy_iterator()
    return [tf.train.Example.FromString(record) for record in records]


def write(path: Path, written: list[tf.train.Example]) -> None:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in written:
            # Of a map, TensorFlow's own writers promise no order.
            entries = list(example.features.feature.items())
            random.Random(len(entries[0][0])).shuffle(entries)
            copy = tf.train.Example()
            for name, feature in entries:
                copy.features.feature[name].CopyFrom(feature)
            writer.write(copy.SerializeToString())


@pytest.fixture(scope="module")
def validation(converted: Converted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The validation shards, alone in a folder."""
    folder = tmp_path_factory.mktemp("ours")
    for shard in converted.shards("validation"):
        (folder / shard.name).symlink_to(shard)
    return folder


@pytest.mark.parametrize("any_order", [False, True])
def test_the_same_records_in_other_bytes(validation: Path, tmp_path: Path, any_order: bool) -> None:
    for shard in sorted(validation.iterdir()):
        write(tmp_path / shard.name, examples(shard))
    report = fastconv.diff(validation, tmp_path, any_order=any_order)
    assert (report.same, report.records, report.equal_files) == (True, 400, 0)
    # An order by chance can be ours.
    assert report.other_bytes > 350
    report = fastconv.diff(validation, tmp_path, any_order=any_order, same_bytes=True)
    assert report.counts["bytes"] > 350


def test_other_shards_in_another_order(validation: Path, tmp_path: Path) -> None:
    whole = [one for shard in sorted(validation.iterdir()) for one in examples(shard)]
    random.Random(0).shuffle(whole)
    changed, lost = whole[7], whole.pop(100)
    changed.features.feature["image/class/label"].int64_list.value[0] += 1
    floats = whole[8].features.feature["image/score"].float_list.value
    floats.extend([0.5, float(np.float32(1e30))])
    for part in range(3):
        write(tmp_path / f"validation-{part:05d}-of-00003", whole[part::3])
    report = fastconv.diff(validation, tmp_path, any_order=True)
    assert report.counts == {"only in A": 1, "record": 2}
    assert report.features == {"image/class/label": 1, "image/score": 1}
    (alone,) = [one for one in report.differences if one.kind == "only in A"]
    name = lost.features.feature["image/filename"].bytes_list.value[0].decode()
    assert alone.key_a == name
    ignore = ["image/class/label", "image/score"]
    report = fastconv.diff(validation, tmp_path, any_order=True, ignore=ignore)
    assert (report.counts, report.records) == ({"only in A": 1}, 399)


def test_what_tensorflow_would_read_is_what_is_compared(tmp_path: Path) -> None:
    """A feature without a list, lists that are empty, and bits of floats."""
    example = tf.train.Example()
    example.features.feature["empty"].SetInParent()
    example.features.feature["floats"].float_list.value.extend([0.1, -0.0, float("nan")])
    example.features.feature["none"].int64_list.SetInParent()
    ours = {
        "empty": np.empty(0, object),
        "floats": np.array([0.1, -0.0, float("nan")], np.float32),
        "none": np.empty(0, np.int64),
    }
    write(tmp_path / "theirs", [example])
    with fastconv.RecordWriter(tmp_path / "ours") as writer:
        writer.write_example(ours)
    assert fastconv.diff(tmp_path / "ours", tmp_path / "theirs").same
    example.features.feature["floats"].float_list.value[1] = 0.0
    write(tmp_path / "theirs", [example])
    report = fastconv.diff(tmp_path / "ours", tmp_path / "theirs")
    assert report.features == {"floats": 1}
