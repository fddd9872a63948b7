"""Five records as `tfrecord` writes them, to the path that is given."""

from __future__ import annotations

import json
import sys

from tfrecord.writer import TFRecordWriter

writer = TFRecordWriter(json.loads(sys.argv[1])["path"])
for number in range(5):
    writer.write(
        {
            "number": (number - 2, "int"),
            "half": ([number / 2, 1.5], "float"),
            "name": (b"x" * number, "byte"),
        }
    )
writer.close()
json.dump({}, sys.stdout)
