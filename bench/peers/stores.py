"""Reads and writes of an S3 server, by one library: `stores.py WHAT BUCKET FILE`.

Prints the seconds of the work, without the start, as JSON.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

RANGES, RANGE_BYTES, IN_FLIGHT = 2000, 110_000, 32
PART_BYTES, UPLOADS, PIECE_BYTES = 8 << 20, 2, 512 << 10
OBJECT = "read-from"


def starts(size: int) -> list[int]:
    dice = random.Random(1)
    return [dice.randrange(size - RANGE_BYTES) for _ in range(RANGES)]


def of_obstore(bucket: str) -> Any:
    from obstore.store import S3Store

    url = os.environ["AWS_ENDPOINT_URL"]
    return S3Store(bucket, endpoint=url, client_options={"allow_http": True})


def of_s3fs() -> Any:
    import s3fs

    url = os.environ["AWS_ENDPOINT_URL"]
    return s3fs.S3FileSystem(endpoint_url=url, config_kwargs={"max_pool_connections": 64})


def reads_obstore(bucket: str, file: str) -> int:
    import obstore

    store = of_obstore(bucket)

    def one(start: int) -> int:
        data = obstore.get_range(store, OBJECT, start=start, end=start + RANGE_BYTES)
        return len(data)

    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        return sum(pool.map(one, starts(os.path.getsize(file))))  # noqa: PTH202


def reads_s3fs(bucket: str, file: str) -> int:
    system, places = of_s3fs(), starts(os.path.getsize(file))  # noqa: PTH202
    paths, ends = [f"{bucket}/{OBJECT}"] * len(places), [start + RANGE_BYTES for start in places]
    return sum(map(len, system.cat_ranges(paths, places, ends, batch_size=IN_FLIGHT)))


def reads_fastconv(bucket: str, file: str) -> int:
    from fastconv.remote.path import RemotePath
    from fastconv.remote.store import open_store

    places = starts(os.path.getsize(file))  # noqa: PTH202
    store = open_store(RemotePath("s3", bucket))
    return sum(map(len, store.read_ranges(OBJECT, places, [s + RANGE_BYTES for s in places])))


def writes_obstore(bucket: str, file: str) -> int:
    import obstore

    store = of_obstore(bucket)
    for number in range(UPLOADS):
        with open(file, "rb") as data:  # noqa: PTH123
            obstore.put(store, f"obstore-{number}", data, chunk_size=PART_BYTES, use_multipart=True)
    return UPLOADS * os.path.getsize(file)  # noqa: PTH202


def writes_boto3(bucket: str, file: str) -> int:
    import boto3
    from boto3.s3.transfer import TransferConfig

    client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    config = TransferConfig(multipart_chunksize=PART_BYTES, max_concurrency=10)
    for number in range(UPLOADS):
        client.upload_file(file, bucket, f"boto3-{number}", Config=config)
    return UPLOADS * os.path.getsize(file)  # noqa: PTH202


def writes_s3fs(bucket: str, file: str) -> int:
    system = of_s3fs()
    for number in range(UPLOADS):
        system.put_file(file, f"{bucket}/s3fs-{number}", chunksize=PART_BYTES, max_concurrency=10)
    return UPLOADS * os.path.getsize(file)  # noqa: PTH202


def writes_fastconv(bucket: str, file: str) -> int:
    """The way of a worker: pieces of the size that it flushes, into the pipe."""
    from fastconv.atomic import write_whole
    from fastconv.remote.path import RemotePath
    from fastconv.remote.store import open_store
    from fastconv.remote.upload import UploadPipe

    store = open_store(RemotePath("s3", bucket))
    for number in range(UPLOADS):
        with open(file, "rb") as data, UploadPipe(store, f"fastconv-{number}") as pipe:  # noqa: PTH123
            while piece := data.read(PIECE_BYTES):
                write_whole(pipe.fd, piece)
    return UPLOADS * os.path.getsize(file)  # noqa: PTH202


WHAT: dict[str, Callable[[str, str], int]] = {
    function.__name__: function
    for function in (
        *(reads_obstore, reads_s3fs, reads_fastconv),
        *(writes_obstore, writes_boto3, writes_s3fs, writes_fastconv),
    )
}


def main(what: str, bucket: str, file: str) -> None:
    began = time.perf_counter()
    count = WHAT[what](bucket, file)
    print(json.dumps({"seconds": time.perf_counter() - began, "bytes": count}))


if __name__ == "__main__":
    main(*sys.argv[1:])
