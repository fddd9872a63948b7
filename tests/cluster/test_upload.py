"""Objects written through a pipe: whole, or nothing that anybody could see or would pay for."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from typing import Any

import pytest

from cluster.conftest import Server
from cluster.faulty import FaultyProxy
from fastconv._tfrecord import crc32c
from fastconv.atomic import write_whole
from fastconv.remote.path import RemotePath
from fastconv.remote.store import Store, open_store
from fastconv.remote.upload import PART_BYTES, UploadPipe

pytestmark = pytest.mark.cluster
DATA = random.Random(1).randbytes(2 * PART_BYTES + 12_345)


@pytest.fixture
def store(bucket: str) -> Store:
    return open_store(RemotePath("s3", bucket))


def left_of(store: Store, server: Server) -> Any:
    """Uploads that were begun and neither finished nor aborted, by another client's word."""
    return server.client().list_multipart_uploads(Bucket=store.root.bucket).get("Uploads", [])


def upload(store: Store, data: bytes, expected_bytes: int = 0) -> UploadPipe:
    with UploadPipe(store, "a/shard", expected_bytes) as pipe:
        write_whole(pipe.fd, data)
    return pipe


@pytest.mark.parametrize(
    "size", [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES, len(DATA)]
)
def test_what_goes_in_is_there(store: Store, server: Server, size: int) -> None:
    pipe = upload(store, DATA[:size])
    assert (pipe.bytes, pipe.crc32c) == (size, crc32c(DATA[:size]))
    assert store.read("a/shard") == DATA[:size]
    assert left_of(store, server) == []


def test_every_part_goes_with_its_checksum(proxy: FaultyProxy, store: Store) -> None:
    upload(store, DATA)
    puts = [line for line in proxy.requests if line.startswith("PUT")]
    assert len(puts) == 3 and all("partNumber=" in line for line in puts)
    assert [line.split()[0] for line in proxy.requests[-2:]] == ["POST", "HEAD"]
    heads = [head.lower() for head in proxy.heads if head.startswith(b"PUT")]
    assert all(re.search(rb"\r\nx-amz-content-sha256: [0-9a-f]{64}\r\n", head) for head in heads)
    assert all(b"\r\nx-amz-checksum-sha256: " in head for head in heads)


def test_a_part_that_changes_on_its_way_ends_the_upload(proxy: FaultyProxy, store: Store) -> None:
    """The server compares the checksum, and refuses what is not what was sent."""
    flipped = proxy.add("flip", "partNumber=2", times=1)
    with pytest.raises(OSError, match="the store says 400"):
        upload(store, DATA)
    assert flipped.hits == 1
    assert store.list() == []


def test_a_small_object_is_one_request(proxy: FaultyProxy, store: Store) -> None:
    upload(store, b"small")
    assert [line.split()[0] for line in proxy.requests] == ["PUT", "HEAD"]


def test_large_objects_have_larger_parts(proxy: FaultyProxy, store: Store) -> None:
    upload(store, DATA, expected_bytes=9_000 * (PART_BYTES + 9))
    sizes = [int(m[1]) for h in proxy.heads if (m := re.search(rb"(?i)content-length: (\d+)", h))]
    assert max(sizes) == PART_BYTES + 9


@pytest.mark.parametrize("size", [0, 5, PART_BYTES, len(DATA)])
def test_a_writer_that_fails_leaves_nothing(store: Store, server: Server, size: int) -> None:
    with pytest.raises(ValueError, match="by the way"), UploadPipe(store, "a/shard") as pipe:
        write_whole(pipe.fd, DATA[:size])
        raise ValueError("by the way")
    assert store.list() == []
    assert left_of(store, server) == []


def test_what_was_there_stays_until_the_new_one_is_whole(store: Store) -> None:
    store.put("a/shard", b"old")
    with pytest.raises(KeyboardInterrupt), UploadPipe(store, "a/shard") as pipe:
        write_whole(pipe.fd, DATA)
        assert store.read("a/shard") == b"old"
        raise KeyboardInterrupt
    assert store.read("a/shard") == b"old"


@pytest.mark.parametrize("kind", ["status", "reset", "after"])
def test_an_upload_over_a_bad_network(
    proxy: FaultyProxy, store: Store, server: Server, kind: str
) -> None:
    proxy.add("latency", seconds=0.02, chance=0.3, times=3)
    injected = proxy.add(kind, "PUT|POST|HEAD", times=4, status=503)
    upload(store, DATA)
    assert injected.hits == 4
    assert store.read("a/shard") == DATA


def test_a_finish_whose_answer_is_lost(proxy: FaultyProxy, store: Store) -> None:
    lost = proxy.add("after", "^POST .*uploadId=", times=1)
    upload(store, DATA)
    assert lost.hits == 1
    assert store.read("a/shard") == DATA


@pytest.mark.parametrize(
    "match", ["uploads=", "partNumber=2", "^POST .*uploadId=", "^HEAD"], ids=str
)
def test_a_store_that_fails_leaves_nothing(
    proxy: FaultyProxy,
    bucket: str,
    server: Server,
    match: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FASTCONV_STORE_PATIENCE", "3")
    store = Store(RemotePath("s3", bucket))
    proxy.add("status", match, status=500)
    with pytest.raises(OSError, match="the store says 500") as caught:
        upload(store, DATA * 3)
    assert not isinstance(caught.value, BrokenPipeError)
    proxy.faults.clear()
    assert left_of(store, server) == []
    if match != "^HEAD":
        assert store.list() == []


@pytest.mark.parametrize("size", [PART_BYTES - 1, len(DATA)])
def test_a_slow_line_is_no_silence(
    proxy: FaultyProxy, bucket: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body takes longer than the time for which a server may be silent, on its way there and
    back."""
    monkeypatch.setenv("FASTCONV_STORE_PATIENCE", "2")
    store = Store(RemotePath("s3", bucket))
    slow = proxy.add("slow", "^(PUT|GET)", seconds=2.5)
    upload(store, DATA[:size])
    assert slow.hits == -(-size // PART_BYTES)
    assert store.read("a/shard") == DATA[:size]


def test_a_server_that_hangs_ends_an_upload(
    proxy: FaultyProxy, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTCONV_STORE_PATIENCE", "1")
    store = Store(RemotePath("s3", bucket))
    proxy.add("hang", "partNumber=", seconds=30)
    with pytest.raises(TimeoutError, match="FASTCONV_STORE_PATIENCE"):
        upload(store, DATA)
    assert store.list() == []


def test_memory_is_bounded(bucket: str) -> None:
    """Of a process that writes ten times as many bytes as it may hold."""
    code = f"""
from fastconv.atomic import write_whole
from fastconv.remote.path import RemotePath
from fastconv.remote.store import open_store
from fastconv.remote.upload import UploadPipe
def peak():
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
store = open_store(RemotePath("s3", "{bucket}"))
store.put("first", b"")
before = peak()
with UploadPipe(store, "large") as pipe:
    for _ in range(640):
        write_whole(pipe.fd, bytes(1 << 20))
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 120 << 10
