"""Records by `tfrecord` alone, each part of a shard from its own place by the index.

So a wrong offset cannot pass. Given: pairs of shard and index, parts. Printed: a list a pair.
"""

from __future__ import annotations

import json
import sys
import zlib
from typing import Any

from tfrecord.reader import example_loader

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
    json.dump(found, sys.stdout)


main()
