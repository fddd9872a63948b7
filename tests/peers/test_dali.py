"""NVIDIA DALI reads the shards by our indexes, on the CPU."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import twin
from nvidia.dali import fn, types
from nvidia.dali import tfrecord as dali_tfrecord
from nvidia.dali.pipeline import Pipeline

from peers.running import Converted, fastconv, run

pytestmark = [pytest.mark.peers, pytest.mark.timeout(600)]

_BATCH = 50


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


def test_index_of_shards_from_elsewhere_is_read(converted: Converted, tmp_path: Path) -> None:
    """`fastconv index` makes the same index from a finished shard as converting does."""
    shards = converted.shards("validation")
    fastconv("index", *shards, "--out", tmp_path / "idx")
    for written in converted.indexes("validation"):
        assert (tmp_path / "idx" / written.name).read_bytes() == written.read_bytes()


def test_index_equals_dalis_own(converted: Converted, tmp_path: Path) -> None:
    script = Path(sys.executable).parent / "tfrecord2idx"
    assert script.is_file(), "nvidia-dali installs it beside the interpreter"
    for shard, index in zip(
        converted.shards("train")[:2], converted.indexes("train")[:2], strict=True
    ):
        theirs = tmp_path / shard.name
        run([sys.executable, str(script), str(shard), str(theirs)])
        assert theirs.read_bytes() == index.read_bytes()
