"""NVIDIA DALI reads the shards by our indexes, on the CPU."""

from __future__ import annotations

import io
import runpy
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import twin
from nvidia.dali import fn, types
from nvidia.dali import tfrecord as dali_tfrecord
from nvidia.dali.pipeline import Pipeline
from PIL import Image

from peers.running import Converted, fastconv

pytestmark = [pytest.mark.peers, pytest.mark.timeout(600)]

_BATCH = 50
_SIDES = ("xmin", "ymin", "xmax", "ymax")


def _pipeline(shards: list[Path], indexes: list[Path]) -> Pipeline:
    pipeline = Pipeline(batch_size=_BATCH, num_threads=2, device_id=None)
    with pipeline:
        record = fn.readers.tfrecord(
            name="reader",
            path=[str(path) for path in shards],
            index_path=[str(path) for path in indexes],
            features={
                "image/encoded": dali_tfrecord.FixedLenFeature((), dali_tfrecord.string, ""),
                "image/class/label": dali_tfrecord.FixedLenFeature([1], dali_tfrecord.int64, -1),
                "image/object/bbox/xmin": dali_tfrecord.VarLenFeature(dali_tfrecord.float32, 0.0),
            },
        )
        images = fn.decoders.image(
            record["image/encoded"],
            device="cpu",
            output_type=types.RGB,
            # Height and width in a record are of the pixels as stored.
            adjust_orientation=False,
        )
        pipeline.set_outputs(
            record["image/class/label"], images.shape(), record["image/object/bbox/xmin"]
        )
    pipeline.build()
    return pipeline


def _records(pipeline: Pipeline, count: int) -> Iterator[tuple[int, tuple[int, ...], list[float]]]:
    while count > 0:
        labels, shapes, xmin = pipeline.run()
        for position in range(min(count, _BATCH)):
            yield (
                int(labels.at(position)[0]),
                tuple(np.asarray(shapes.at(position)).tolist()),
                np.asarray(xmin.at(position)).tolist(),
            )
        count -= _BATCH


def _expected(shards: list[Path]) -> Iterator[tuple[object, tuple[object, ...], object]]:
    for shard in shards:
        for _, payload in twin.read_frames(shard.read_bytes(), check_payloads=False):
            record = twin.decode_example(payload)
            sizes = (*record["image/height"].values, *record["image/width"].values, 3)
            label = record["image/class/label"].values[0]
            yield label, sizes, record["image/object/bbox/xmin"].values


@pytest.mark.parametrize("split", ["train", "validation"])
def test_same_records_in_the_same_order(split: str, converted: Converted) -> None:
    shards, indexes = converted.shards(split), converted.indexes(split)
    count = sum(len(index.read_text().splitlines()) for index in indexes)
    assert count == {"train": 2000, "validation": 400}[split]
    pipeline = _pipeline(shards, indexes)
    assert pipeline.reader_meta("reader")["epoch_size"] == count
    assert list(_records(pipeline, count)) == list(_expected(shards))


# ---- what training does with them ----------------------------------------------------------------


def _names_pipeline(shards: list[Path], indexes: list[Path], **reader: Any) -> Pipeline:
    """Of one record a batch, so that a part of any size can be read to its end."""
    pipeline = Pipeline(batch_size=1, num_threads=2, device_id=None)
    with pipeline:
        record = fn.readers.tfrecord(
            path=[str(path) for path in shards],
            index_path=[str(path) for path in indexes],
            features={
                "image/filename": dali_tfrecord.FixedLenFeature((), dali_tfrecord.string, "")
            },
            **reader,
        )
        pipeline.set_outputs(record["image/filename"])
    pipeline.build()
    return pipeline


def _names(pipeline: Pipeline, count: int) -> list[str]:
    return [bytes(pipeline.run()[0].at(0)).decode() for _ in range(count)]


def _stored_names(shards: list[Path]) -> list[str]:
    return [
        name.decode()
        for shard in shards
        for _, payload in twin.read_frames(shard.read_bytes(), check_payloads=False)
        for name in twin.decode_example(payload)["image/filename"].values
        if isinstance(name, bytes)
    ]


def test_each_shuffled_epoch_has_every_record_once(small: Converted) -> None:
    shards, indexes = small.shards("train"), small.indexes("train")
    stored = _stored_names(shards)
    assert len(set(stored)) == 120
    pipeline = _names_pipeline(shards, indexes, random_shuffle=True, initial_fill=32, seed=7)
    epochs = [_names(pipeline, len(stored)) for _ in range(3)]
    for names in epochs:
        assert sorted(names) == sorted(stored)
    assert len({tuple(names) for names in [*epochs, stored]}) == 4


@pytest.mark.parametrize("parts", [2, 3, 7])
@pytest.mark.parametrize("shuffled", [False, True])
def test_the_parts_of_several_readers_have_every_record_once(
    parts: int, shuffled: bool, small: Converted
) -> None:
    """num_shards is DALI's word for readers: it divides records, whatever files they are in."""
    shards, indexes = small.shards("train"), small.indexes("train")
    stored = _stored_names(shards)
    found = []
    for part in range(parts):
        size = len(stored) * (part + 1) // parts - len(stored) * part // parts
        pipeline = _names_pipeline(
            shards,
            indexes,
            num_shards=parts,
            shard_id=part,
            stick_to_shard=True,
            random_shuffle=shuffled,
        )
        first, second = _names(pipeline, size), _names(pipeline, size)
        assert sorted(first) == sorted(second)
        found += first
    assert (found == stored) is not shuffled
    assert sorted(found) == sorted(stored)


def test_pixels_and_boxes_are_the_records(small: Converted) -> None:
    """Decoded on the CPU to what Pillow decodes, and every box a record has."""
    shards, indexes = small.shards("train"), small.indexes("train")
    pipeline = Pipeline(batch_size=1, num_threads=2, device_id=None)
    with pipeline:
        varying = {
            f"image/object/bbox/{side}": dali_tfrecord.VarLenFeature(dali_tfrecord.float32, 0.0)
            for side in _SIDES
        }
        record = fn.readers.tfrecord(
            path=[str(path) for path in shards],
            index_path=[str(path) for path in indexes],
            features={
                "image/encoded": dali_tfrecord.FixedLenFeature((), dali_tfrecord.string, ""),
                "image/object/bbox/label": dali_tfrecord.VarLenFeature(dali_tfrecord.int64, 0),
                **varying,
            },
        )
        images = fn.decoders.image(
            record["image/encoded"],
            device="cpu",
            output_type=types.RGB,
            adjust_orientation=False,
        )
        pipeline.set_outputs(
            images, record["image/object/bbox/label"], *(record[name] for name in varying)
        )
    pipeline.build()
    boxes = 0
    for shard in shards:
        for _, payload in twin.read_frames(shard.read_bytes(), check_payloads=False):
            image, labels, *sides = (np.asarray(part.at(0)) for part in pipeline.run())
            stored = twin.decode_example(payload)
            (encoded,) = stored["image/encoded"].values
            assert isinstance(encoded, bytes)
            with Image.open(io.BytesIO(encoded)) as opened:
                pixels = np.asarray(opened.convert("RGB"), np.int16)
            assert image.shape == pixels.shape
            assert np.abs(image - pixels).mean() < 1
            assert labels.tolist() == stored["image/object/bbox/label"].values
            assert [side.tolist() for side in sides] == [
                stored[f"image/object/bbox/{side}"].values for side in _SIDES
            ]
            boxes += len(labels)
    assert boxes > 20


def test_labels_come_as_often_as_classes_have_images(small: Converted) -> None:
    shards, indexes = small.shards("train"), small.indexes("train")
    labels = Counter(label for label, _, _ in _records(_pipeline(shards, indexes), 120))
    train = small.tree / "train"
    assert labels == {
        small.synsets.index(folder.name) + 1: len(list(folder.iterdir()))
        for folder in train.iterdir()
    }


@pytest.mark.parametrize("missing", ["one index", "every index"])
def test_shards_without_their_indexes_are_refused(missing: str, small: Converted) -> None:
    shards, indexes = small.shards("train"), small.indexes("train")
    with pytest.raises(RuntimeError, match="index"):
        _names_pipeline(shards, indexes[:-1] if missing == "one index" else [])


# ---- indexes -------------------------------------------------------------------------------------


def test_index_of_shards_from_elsewhere_is_read(converted: Converted, tmp_path: Path) -> None:
    """`fastconv index` makes the same index from a finished shard as converting does."""
    shards = converted.shards("validation")
    fastconv("index", *shards, "--out", tmp_path / "idx")
    for written in converted.indexes("validation"):
        assert (tmp_path / "idx" / written.name).read_bytes() == written.read_bytes()


def test_index_equals_dalis_own(
    converted: Converted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Path(sys.executable).parent / "tfrecord2idx"
    assert script.is_file(), "nvidia-dali installs it beside the interpreter"
    for shard, index in zip(converted.shards("train"), converted.indexes("train"), strict=True):
        theirs = tmp_path / shard.name
        monkeypatch.setattr(sys, "argv", [str(script), str(shard), str(theirs)])
        runpy.run_path(str(script), run_name="__main__")
        assert theirs.read_bytes() == index.read_bytes()
