"""The table of object stores: a real S3 server on this machine, read and written by libraries."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.commands import PEERS, Bench
from bench.groups import Group, Row, inside
from bench.measure import Command, MeasureError, Run, of, ratio, remove
from bench.peers.stores import IN_FLIGHT, OBJECT, RANGE_BYTES, RANGES, UPLOADS

OBJECT_BYTES = 128 << 20
BUCKET = "bench"
KEY, SECRET = "bench-key", "bench-secret"
SECONDS = 30


@contextmanager
def s3_server(folder: Path) -> Iterator[dict[str, str]]:
    """JuiceFS's S3 gateway over a folder; yields the environment that leads to it."""
    program = str(Path(sys.executable).with_name("juicefs"))
    remove(folder)
    folder.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        place = f"127.0.0.1:{probe.getsockname()[1]}"
    meta = f"sqlite3://{folder}/meta.db"
    words = [program, "format", meta, "bench", "--storage", "file", "--bucket", f"{folder}/data/"]
    subprocess.run(words, check=True, capture_output=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(program, "gateway", "--multi-buckets", "--no-usage-report"),
                *(f"--cache-dir={folder}/cache", meta, place),
            ],
            env={**os.environ, "MINIO_ROOT_USER": KEY, "MINIO_ROOT_PASSWORD": SECRET},
            stdout=log,
            stderr=log,
        )
        try:
            _wait_for(place)
            yield {
                "AWS_ENDPOINT_URL": f"http://{place}",
                "AWS_ACCESS_KEY_ID": KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET,
                "AWS_REGION": "us-east-1",
            }
        finally:
            process.terminate()
            process.wait()
            remove(folder)


def _wait_for(place: str) -> None:
    host, _, port = place.partition(":")
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise MeasureError("the S3 server does not answer") from None
            time.sleep(0.1)


def _prepare(env: dict[str, str], file: Path) -> None:
    """A bucket, and an object to read from."""
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=env["AWS_ENDPOINT_URL"],
        region_name=env["AWS_REGION"],
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    )
    client.create_bucket(Bucket=BUCKET)
    client.upload_file(str(file), BUCKET, OBJECT)


def remote(bench: Bench) -> Group:
    group = Group(
        "remote",
        "Object stores: reads by range, and uploads",
        "A real S3 server on this machine (JuiceFS's gateway), over a folder. Reads are "
        f"{RANGES:,} random ranges of {RANGE_BYTES:,} bytes, {IN_FLIGHT} in flight; uploads are "
        f"{UPLOADS} objects of {OBJECT_BYTES >> 20} MiB, one behind the other, in concurrent parts "
        "of 8 MiB. "
        "fastconv's uploads are those of a worker, by way of a pipe, looked at when they are done. "
        "The server has the same processors, so that figures say what a library costs beside it, "
        "and not what a network would give.",
    )
    file = bench.storage / "object"
    file.write_bytes(random.Random(bench.seed).randbytes(OBJECT_BYTES))
    try:
        with s3_server(bench.storage / "s3") as env:
            _prepare(env, file)
            runs = _measured(bench, env, file)
    finally:
        remove(file)
    read, written = RANGES * RANGE_BYTES, UPLOADS * OBJECT_BYTES
    group.add_rows(
        [
            Row("reads_obstore", "ranges, obstore", RANGES, read),
            Row("reads_s3fs", "ranges, s3fs", RANGES, read),
            Row("reads_fastconv", "ranges, fastconv", RANGES, read),
            Row("writes_boto3", "uploads, boto3", UPLOADS, written),
            Row("writes_obstore", "uploads, obstore", UPLOADS, written),
            Row("writes_s3fs", "uploads, s3fs", UPLOADS, written),
            Row("writes_fastconv", "uploads, fastconv", UPLOADS, written),
        ],
        runs,
    )
    for what in ("reads", "writes"):
        figure = ratio(runs, f"{what}_s3fs", f"{what}_obstore", inside)
        group.add_figure(f"{what}: obstore, speed of s3fs", figure)
    figure = ratio(runs, "reads_obstore", "reads_fastconv", inside)
    group.add_figure("reads: fastconv, speed of obstore", figure)
    plain = min(("writes_boto3", "writes_obstore"), key=lambda name: _median(runs, name))
    label = f"uploads: fastconv, speed of the faster plain one ({plain.partition('_')[2]})"
    group.add_figure(label, ratio(runs, plain, "writes_fastconv", inside), at_least=0.6)
    return group


def _median(runs: list[Run], name: str) -> float:
    seconds = sorted(float(run.printed["seconds"]) for run in of(runs, name).values())
    return seconds[len(seconds) // 2]


def _measured(bench: Bench, env: dict[str, str], file: Path) -> list[Run]:
    script = str(PEERS / "stores.py")
    names = (
        *("reads_obstore", "reads_s3fs", "reads_fastconv"),
        *("writes_boto3", "writes_obstore", "writes_s3fs", "writes_fastconv"),
    )
    return bench.run(
        [
            Command(
                name,
                (sys.executable, script, name, BUCKET, str(file)),
                env=env,
                warm_ups=1,
            )
            for name in names
        ]
    )
