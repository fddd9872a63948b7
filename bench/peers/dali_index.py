"""DALI's tfrecord2idx over the shards of a folder, a process a shard as it is made to be called.

It imports TensorFlow where that is installed, which takes seconds a shard; here it is not found.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

_HIDING = (
    "import runpy, sys; sys.modules['tensorflow'] = None; "
    "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True)
    tool = Path(sys.executable).with_name("tfrecord2idx")
    shards = sorted(given.shards.iterdir())
    for shard in shards:
        index = given.out / shard.name
        subprocess.run([sys.executable, "-c", _HIDING, tool, shard, index], check=True)
        if not index.stat().st_size:
            sys.exit(f"{shard}: no index came out")
    print(json.dumps({"shards": len(shards)}))
