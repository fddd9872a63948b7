"""Records by `tfrecord` alone, each part of a shard from its own place by the index.

So a wrong offset cannot pass. And five records as it writes them.

Given: pairs of shard and index, parts; written, a path to write to. Printed: a list a pair.
"""

from __future__ import annotations

import json
import sys
import zlib
from typing import Any

from tfrecord.reader import example_loader
from tfrecord.writer import TFRecordWriter

_KINDS = {
    "image/encoded": "byte",
    "image/class/label": "int",
    "image/filename": "byte",
    "image/object/bbox/ymax": "float",
}


def _record(record: dict[str, Any]) -> list[Any]:
    return [
        record["image/filename"].decode(),
        record["image/class/label"].tolist(),
        zlib.crc32(record["image/encoded"]),
        record["image/object/bbox/ymax"].tolist(),
    ]


def _write(path: str) -> None:
    writer = TFRecordWriter(path)
    for number in range(5):
        writer.write(
            {
                "number": (number - 2, "int"),
                "half": ([number / 2, 1.5], "float"),
                "name": (b"x" * number, "byte"),
            }
        )
    writer.close()


def main() -> None:
    given = json.loads(sys.argv[1])
    parts = given["parts"]
    found = [
        [
            _record(record)
            for part in range(parts)
            for record in example_loader(shard, index, _KINDS, shard=(part, parts))
        ]
        for shard, index in given["pairs"]
    ]
    _write(given["written"])
    json.dump(found, sys.stdout)


main()
