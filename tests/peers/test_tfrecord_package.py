"""PyPI's `tfrecord`, which PyTorch users read with, takes our shards and our indexes.

It runs in processes of its own: its protobuf messages have the names of TensorFlow's, and the two
cannot be loaded together.
"""

from __future__ import annotations

import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import twin

import fastconv
from peers.running import Converted, apart

pytestmark = [pytest.mark.peers, pytest.mark.timeout(600)]


def _stored(shard: Path) -> list[list[Any]]:
    found = []
    for _, payload in twin.read_frames(shard.read_bytes(), check_payloads=False):
        record = twin.decode_example(payload)
        ((name,), (encoded,)) = (record[key].values for key in ("image/filename", "image/encoded"))
        assert isinstance(name, bytes)
        assert isinstance(encoded, bytes)
        label, ymax = record["image/class/label"].values, record["image/object/bbox/ymax"].values
        found.append([name.decode(), label, zlib.crc32(encoded), ymax])
    return found


def test_reads_every_part_by_our_index_and_writes(converted: Converted, tmp_path: Path) -> None:
    pairs = [
        pair
        for split in ("train", "validation")
        for pair in zip(converted.shards(split), converted.indexes(split), strict=True)
    ]
    path = tmp_path / "theirs"
    read = apart("tfrecord_alone", pairs=pairs, parts=4, written=path)
    for (shard, _), records in zip(pairs, read, strict=True):
        assert records == _stored(shard)
    records = [fastconv.parse_example(payload) for payload in fastconv.read_records(path)]
    assert [record["number"].tolist() for record in records] == [[k - 2] for k in range(5)]
    assert [record["half"].tolist() for record in records] == [[k / 2, 1.5] for k in range(5)]
    assert [record["name"].tolist() for record in records] == [[b"x" * k] for k in range(5)]


# ---- in PyTorch ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def loaded(small: Converted, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What came of every data set, read in one process, which takes long to load PyTorch."""
    odd = tmp_path_factory.mktemp("odd_shards")
    for name, count in (("single", 1), ("none", 0)):
        with fastconv.RecordWriter(odd / name, index=odd / f"{name}.idx") as writer:
            for _ in range(count):
                writer.write_example({"number": [1]})
    return apart(
        "torch_loaders",
        data=small.out / "data_dir",
        idx=small.out / "idx_dir",
        names=[shard.name for shard in small.shards("train")],
        odd=odd,
    )


def _expected(small: Converted, shards: list[Path]) -> list[list[Any]]:
    found = []
    for shard in shards:
        for _, payload in twin.read_frames(shard.read_bytes(), check_payloads=False):
            record = twin.decode_example(payload)
            keys = ("image/filename", "image/class/label", "image/width", "image/height")
            (name, label, width, height) = (record[key].values[0] for key in keys)
            assert isinstance(name, bytes)
            boxes = len(record["image/object/bbox/xmin"].values)
            found.append([name.decode(), label, width, height, boxes])
    assert len({tuple(record) for record in found}) == len(found)
    return sorted(found)


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize("dataset", ["one", "chained", "merged", "shuffled"])
def test_a_loader_gives_every_record_once(
    dataset: str, workers: str, loaded: Any, small: Converted
) -> None:
    shards = small.shards("train")[: 1 if dataset == "one" else None]
    assert sorted(loaded["came"][dataset][workers]) == _expected(small, shards)


def test_without_an_index_every_worker_gives_every_record(loaded: Any, small: Converted) -> None:
    """Said in docs/readers.md: what the index is needed for."""
    expected = _expected(small, small.shards("train")[:1])
    came = loaded["came"]["one without its index"]
    assert sorted(came["0"]) == expected
    assert sorted(came["2"]) == sorted(expected + expected)


def test_shards_of_fewer_than_two_records_are_beyond_it(loaded: Any) -> None:
    """Said in docs/readers.md; it reads an index as a table, and takes one line for no table."""
    assert loaded["limits"] == {
        "single, with": "IndexError",
        "single, without": "1",
        "none, with": "IndexError",
        "none, without": "0",
    }


def test_labels_are_those_of_the_folders(loaded: Any, small: Converted) -> None:
    labels = Counter(label for _, label, *_ in loaded["came"]["merged"]["2"])
    assert labels == {
        small.synsets.index(folder.name) + 1: len(list(folder.iterdir()))
        for folder in (small.tree / "train").iterdir()
    }
