"""The official models' own parsers of ImageNet take the records, each with its labels.

There are two, of two conventions: the ResNet that is kept as legacy takes one off each label, and
`official.vision` takes labels as they are. Both are the real ones, from PyPI's tf-models-official.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import twin
from official.legacy.image_classification.resnet import imagenet_preprocessing as legacy
from official.vision.dataloaders import classification_input as vision

from peers.running import Converted, convert_tree

pytestmark = [pytest.mark.peers, pytest.mark.timeout(600)]


def _payloads(shards: list[Path]) -> tf.data.Dataset:
    return tf.data.TFRecordDataset([str(shard) for shard in shards])


def _counts(converted: Converted, split: str) -> dict[int, int]:
    """Images of each class, by its place in the class list, from 0."""
    folder = converted.tree / split
    counts = {
        place: len(list((folder / synset).iterdir()))
        for place, synset in enumerate(converted.synsets)
        if (folder / synset).is_dir()
    }
    assert sum(counts.values()) > 20
    return counts


# ---- the ResNet that takes one off ---------------------------------------------------------------


def test_its_file_names_are_ours(small_tree: Path, tmp_path: Path, texts: dict[str, str]) -> None:
    """It knows its files by name: 1,024 and 128, as fastconv has them for ImageNet."""
    convert_tree(small_tree, tmp_path, texts, train_shards=1024, validation_shards=128)
    data = tmp_path / "data_dir"
    train, validation = (legacy.get_filenames(training, str(data)) for training in (True, False))
    assert sorted(train + validation) == sorted(map(str, data.iterdir()))
    # Nothing is named: the records are found by the folder alone.
    batches = legacy.input_fn(is_training=False, data_dir=str(data), batch_size=16)
    labels = Counter(int(label) for _, found in batches for label in found.numpy().ravel())
    converted = Converted(small_tree, tmp_path, sorted(texts), texts, 1, {})
    assert labels == _counts(converted, "validation")


def test_its_boxes_are_the_records(converted: Converted) -> None:
    with_boxes = 0
    for payload in _payloads(converted.shards("train")).as_numpy_iterator():
        encoded, label, boxes = legacy.parse_example_proto(payload)
        record = twin.decode_example(payload)
        assert [encoded.numpy()] == record["image/encoded"].values
        assert [int(label)] == record["image/class/label"].values
        sides = [record[f"image/object/bbox/{side}"].values for side in _SIDES]
        assert boxes.shape == (1, len(sides[0]), 4)
        assert boxes.numpy()[0].T.tolist() == sides
        with_boxes += bool(sides[0])
    assert with_boxes > 300


_SIDES = ("ymin", "xmin", "ymax", "xmax")


@pytest.mark.parametrize(("split", "training"), [("train", True), ("validation", False)])
def test_every_image_becomes_an_input(split: str, training: bool, converted: Converted) -> None:
    """In training, a crop around the boxes, decoded without the rest of the image."""
    inputs = _payloads(converted.shards(split)).map(
        lambda payload: legacy.parse_record(payload, training, tf.float32),
        num_parallel_calls=2,
    )
    counts: Counter[int] = Counter()
    for images, labels in inputs.batch(50):
        assert images.shape[1:] == (224, 224, 3)
        assert bool(tf.reduce_all(tf.math.is_finite(images)))
        counts.update(labels.numpy().ravel().astype(int).tolist())
    assert counts == _counts(converted, split)


# ---- official.vision, which takes labels as they are ---------------------------------------------


@pytest.fixture(scope="module")
def small_from_0(
    small_tree: Path, texts: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Converted:
    return convert_tree(small_tree, tmp_path_factory.mktemp("from_0"), texts, label_offset=0)


def _vision_labels(converted: Converted, split: str, classes: int) -> Iterator[int]:
    """Found as its configurations find shards: by `train*` and `valid*`."""
    pattern = f"{split[:5]}*"
    files = sorted(tf.io.gfile.glob(str(converted.out / "data_dir" / pattern)))
    assert files == [str(path) for path in converted.shards(split)]
    decoder = vision.Decoder()
    parser = vision.Parser(output_size=[64, 64], num_classes=classes)
    parse = parser.parse_fn(is_training=split == "train")
    for images, labels in (
        _payloads(list(map(Path, files))).map(decoder.decode).map(parse).batch(30)
    ):
        assert images.shape[1:] == (64, 64, 3)
        assert float(np.std(images)) > 0.1
        assert bool(tf.reduce_all((labels >= 0) & (labels < classes)))
        yield from labels.numpy().tolist()


@pytest.mark.parametrize("split", ["train", "validation"])
def test_1001_classes_with_labels_from_1(split: str, small: Converted) -> None:
    """Its configurations for ImageNet say num_classes=1001: class 0 is background, and is empty."""
    labels = Counter(label - 1 for label in _vision_labels(small, split, 1001))
    assert labels == _counts(small, split)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_as_many_classes_as_there_are_with_labels_from_0(
    split: str, small_from_0: Converted
) -> None:
    labels = Counter(_vision_labels(small_from_0, split, len(small_from_0.synsets)))
    assert labels == _counts(small_from_0, split)
