"""TensorFlow: decode_jpeg, an antialiased tf.image.resize and encode_jpeg, in a tf.data pipeline of
as many threads as there are workers. What it makes is written by one thread besides."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from bench.peers.common import cut
from bench.peers.resizing import LENGTH, QUALITY, Smaller, asked

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def pipeline(tf: Any, paths: list[str], smaller: Smaller, workers: int) -> Any:
    def made(data: Any, height: Any, width: Any) -> Any:
        short = tf.minimum(height, width)
        sides = [
            tf.maximum(1, (2 * length * smaller.side + short) // (2 * short))
            for length in (height, width)
        ]
        pixels = tf.io.decode_jpeg(data, channels=3)
        resized = tf.image.resize(pixels, tf.stack(sides), antialias=True)
        whole = tf.saturate_cast(tf.round(resized), tf.uint8)
        return tf.io.encode_jpeg(whole, "rgb", quality=QUALITY)

    def remake(path: Any) -> Any:
        data = tf.io.read_file(path)
        shape = tf.io.extract_jpeg_shape(data)
        height, width = shape[0], shape[1]
        kept = tf.minimum(height, width) <= smaller.side
        return tf.cond(kept, lambda: data, lambda: made(data, height, width))

    options = tf.data.Options()
    options.autotune.enabled = False  # nothing is left to it, and its thread can be waited for
    options.threading.private_threadpool_size = workers
    options.threading.max_intra_op_parallelism = 1
    images = tf.data.Dataset.from_tensor_slices(paths).map(remake, num_parallel_calls=workers)
    return images.prefetch(16).with_options(options).as_numpy_iterator()


def main() -> None:
    given, smaller = asked(__doc__)
    shards = cut(given)
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(given.workers)
    paths = [picture.path for shard in shards for picture in shard.pictures]
    for _ in pipeline(tf, paths[:1], smaller, given.workers):
        pass  # a start of its own: libraries are loaded, kernels are found
    began = time.monotonic()
    images = pipeline(tf, paths, smaller, given.workers)
    written = size = 0
    for shard in shards:
        with Path(shard.path).open("wb") as file:
            for _ in shard.pictures:
                data = next(images)
                file.write(LENGTH.pack(len(data)))
                file.write(data)
                written += 1
            size += file.tell()
    seconds = time.monotonic() - began
    print(json.dumps({"written": written, "seconds": seconds, "bytes": size}))


if __name__ == "__main__":
    main()
