"""TensorFlow: shards read by TFRecordDataset, which compares both checksums of every record, and
every Example parsed with slim's features: one by one, or in batches as TensorFlow's guide to
tf.data advises. A pipeline of as many threads as there are workers."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

WORDS = ("colorspace", "class/synset", "class/text", "format", "filename", "encoded")
NUMBERS = ("height", "width", "channels", "class/label")
CORNERS = ("xmin", "xmax", "ymin", "ymax")


def features(tf: Any) -> dict[str, Any]:
    """All that slim's records hold; of boxes there may be any number."""
    found = {f"image/{name}": tf.io.FixedLenFeature([], tf.string) for name in WORDS}
    found |= {f"image/{name}": tf.io.FixedLenFeature([], tf.int64) for name in NUMBERS}
    found |= {f"image/object/bbox/{name}": tf.io.VarLenFeature(tf.float32) for name in CORNERS}
    return {**found, "image/object/bbox/label": tf.io.VarLenFeature(tf.int64)}


def count(tf: Any, paths: list[str], workers: int, batch: int, most: int = -1) -> int:
    """How many records the shards hold, all of them (or ``most``) parsed, in batches of so many or
    one by one (0). They are counted inside the pipeline: each that Python gets costs it more than
    reading and parsing do."""
    wanted = features(tf)
    parallel = workers if workers > 1 else None  # None: one after the other, by one thread
    options = tf.data.Options()
    options.autotune.enabled = False  # nothing is left to it, so that threads are what was asked
    options.deterministic = False
    options.threading.private_threadpool_size = workers
    options.threading.max_intra_op_parallelism = 1
    records = tf.data.TFRecordDataset(paths, num_parallel_reads=parallel).take(most)
    parse = tf.io.parse_single_example
    if batch:
        records, parse = records.batch(batch), tf.io.parse_example
    parsed = records.map(lambda data: parse(data, wanted), num_parallel_calls=parallel)
    counted = parsed.with_options(options).reduce(
        tf.constant(0, tf.int64), lambda n, example: n + tf.size(example["image/height"], tf.int64)
    )
    return int(counted.numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=Path, required=True, help="folder that holds them alone")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--batch", type=int, default=0, help="records parsed at once [one by one]")
    given = parser.parse_args()
    paths = sorted(str(path) for path in given.shards.iterdir())
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(given.workers)
    # A start of its own: libraries are loaded, kernels are found.
    count(tf, paths[:1], given.workers, given.batch, most=1)
    began = time.monotonic()
    records = count(tf, paths, given.workers, given.batch)
    seconds = time.monotonic() - began
    size = sum(Path(path).stat().st_size for path in paths)
    print(json.dumps({"records": records, "seconds": seconds, "bytes": size}))


if __name__ == "__main__":
    main()
