"""PyPI's `tfrecord`, which PyTorch users read with, takes our shards and our indexes.

It runs in processes of its own: its protobuf messages have the names of TensorFlow's, and the two
cannot be loaded together.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import twin

from peers.running import Converted, run

pytestmark = [pytest.mark.peers, pytest.mark.timeout(600)]

# Each part of a shard is read from its own place, so that a wrong offset cannot pass.
_READ = """
import json, sys, zlib
from tfrecord.reader import example_loader
shard, index, parts = sys.argv[1], sys.argv[2], int(sys.argv[3])
kinds = {"image/encoded": "byte", "image/class/label": "int", "image/filename": "byte",
         "image/object/bbox/ymax": "float"}
for part in range(parts):
    for record in example_loader(shard, index, kinds, shard=(part, parts)):
        print(json.dumps([
            record["image/filename"].decode(),
            record["image/class/label"].tolist(),
            zlib.crc32(record["image/encoded"]),
            record["image/object/bbox/ymax"].tolist(),
        ]))
"""

_WRITE = """
import sys
from tfrecord.writer import TFRecordWriter
writer = TFRecordWriter(sys.argv[1])
for number in range(5):
    writer.write({"number": (number - 2, "int"), "half": ([number / 2, 1.5], "float"),
                  "name": (b"x" * number, "byte")})
writer.close()
"""


@pytest.mark.parametrize("split", ["train", "validation"])
def test_reads_every_part_by_our_index(split: str, converted: Converted) -> None:
    import zlib

    pairs = list(zip(converted.shards(split), converted.indexes(split), strict=True))
    for shard, index in pairs[:3]:
        printed = run([sys.executable, "-c", _READ, str(shard), str(index), "4"])
        expected = []
        for _, payload in twin.read_frames(shard.read_bytes(), check_payloads=False):
            record = twin.decode_example(payload)
            ((name,), (encoded,)) = (
                record[key].values for key in ("image/filename", "image/encoded")
            )
            assert isinstance(name, bytes)
            assert isinstance(encoded, bytes)
            expected.append(
                [
                    name.decode(),
                    record["image/class/label"].values,
                    zlib.crc32(encoded),
                    record["image/object/bbox/ymax"].values,
                ]
            )
        assert [json.loads(line) for line in printed.splitlines()] == expected


def test_what_it_writes_is_read(tmp_path: Path) -> None:
    import fastconv

    path = tmp_path / "theirs"
    run([sys.executable, "-c", _WRITE, str(path)])
    records = [fastconv.parse_example(payload) for payload in fastconv.read_records(path)]
    assert [record["number"].tolist() for record in records] == [[k - 2] for k in range(5)]
    assert [record["half"].tolist() for record in records] == [[k / 2, 1.5] for k in range(5)]
    assert [record["name"].tolist() for record in records] == [[b"x" * k] for k in range(5)]
