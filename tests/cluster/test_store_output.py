"""Conversions into a bucket: the same bytes as in a folder, whatever happens on the way."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import made_once

import fastconv
from cluster.conftest import Server, wait_for
from cluster.faulty import FaultyProxy
from cluster.store_jobs import (
    SHARDS,
    archives,
    in_folder,
    must_be_same,
    must_refuse_a_second,
    objects,
    run,
    words,
)
from fastconv import store_lock
from fastconv.errors import InputError, OutputError, UsageError
from fastconv.remote import threads

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("no_children")]


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "store-source", archives)


@pytest.fixture(scope="session")
def folder(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the job writes into a folder, by paths."""
    return in_folder(source, tmp_path_factory.mktemp("store-folder"))


def uploads(server: Server, bucket: str) -> list[Any]:
    return list(server.client().list_multipart_uploads(Bucket=bucket).get("Uploads", []))


def job(source: Path, bucket: str, **more: Any) -> fastconv.Options:
    return fastconv.Options(source=source, out=f"s3://{bucket}/set", **{**SHARDS, **more})


def command(source: Path, bucket: str, *more: str) -> list[str]:
    return words(source, f"s3://{bucket}/set", *more)


@pytest.mark.parametrize(
    "more",
    [{}, {"compression": "gzip"}, {"layout": "tfds", "name": "mine"}, {"resize": 64}],
    ids=["slim", "gzip", "tfds", "resized"],
)
def test_the_same_bytes_as_in_a_folder(
    source: Path, server: Server, bucket: str, tmp_path: Path, more: dict[str, Any]
) -> None:
    report = fastconv.convert(job(source, bucket, workers=2, **more))
    assert str(report.out).startswith(f"s3://{bucket}/set")
    must_be_same(objects(server, bucket), in_folder(source, tmp_path, **more))
    assert uploads(server, bucket) == []
    again = fastconv.convert(job(source, bucket, workers=2, **more))
    assert again.kept_shards == 6


def test_from_a_bucket_into_a_bucket(
    source: Path, server: Server, proxy: FaultyProxy, bucket: str, folder: dict[str, bytes]
) -> None:
    """The same bytes, by a network that fails now and then; only the manifest names other paths."""
    client = server.client()
    for path in source.iterdir():
        client.upload_file(str(path), bucket, f"from/{path.name}")
    for kind in ("status", "reset", "truncate"):
        proxy.add(kind, chance=0.03, status=503)
    assert run(words(f"s3://{bucket}/from", f"s3://{bucket}/set")) == (0, "")
    found = objects(server, bucket)
    assert found["manifest.json"].count(f"s3://{bucket}/from".encode()) >= 1
    must_be_same(
        {**found, "manifest.json": b""},
        {**folder, "manifest.json": b""},
    )
    assert uploads(server, bucket) == []


def test_every_listing_shows_whole_shards_with_their_indexes(
    source: Path, server: Server, proxy: FaultyProxy, bucket: str, folder: dict[str, bytes]
) -> None:
    proxy.add("latency", "PUT|POST", seconds=0.15)
    seen, ended, wrong = set(), threading.Event(), []

    def watch() -> None:
        client = server.client()
        while not ended.is_set():
            listed = client.list_objects_v2(Bucket=bucket, Prefix="set/").get("Contents", [])
            sizes = {item["Key"][4:]: item["Size"] for item in listed}
            for name, size in sizes.items():
                if name.startswith("data_dir/") and name != "data_dir/":
                    seen.add(len(sizes))
                    index = name.replace("data_dir", "idx_dir")
                    if size != len(folder[name]) or index not in sizes:
                        wrong.append((name, size))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        fastconv.convert(job(source, bucket, workers=2))
    finally:
        ended.set()
        watcher.join()
    assert wrong == []
    assert len(seen) > 3
    must_be_same(objects(server, bucket), folder)


def test_the_names_come_in_the_order_that_they_do_on_disk(
    source: Path, proxy: FaultyProxy, bucket: str
) -> None:
    fastconv.convert(job(source, bucket, workers=1))
    done = [line for line in proxy.requests if line[:3] in ("PUT", "POS", "DEL")]
    done = [line.replace(f"/{bucket}/set/", "") for line in done]
    shard = "data_dir/train-00000-of-00004"
    index = done.index("PUT idx_dir/train-00000-of-00004")
    finished = next(k for k, line in enumerate(done) if line.startswith(f"POST {shard}?uploadId"))
    claims = [k for k, line in enumerate(done) if line.startswith("PUT manifest.journal.d/")]
    begun = done.index("PUT manifest.journal")
    assert begun < index < finished < claims[0]
    assert len(claims) == 6  # a line a shard, whatever came before it
    manifest, gone = done.index("PUT manifest.json"), done.index("DELETE manifest.journal")
    assert claims[-1] < done.index("PUT labels.txt") < manifest < gone


@pytest.fixture
def slow(proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    proxy.add("latency", "partNumber|uploadId", seconds=0.2)
    yield proxy


@pytest.mark.parametrize("whom", ["client", "worker"])
@pytest.mark.parametrize("after", [2, 6])
def test_a_kill_in_mid_upload(
    source: Path,
    server: Server,
    slow: FaultyProxy,
    bucket: str,
    folder: dict[str, bytes],
    whom: str,
    after: int,
) -> None:
    process = subprocess.Popen(command(source, bucket), stderr=subprocess.PIPE)

    def parts() -> int:
        return sum("partNumber" in line for line in slow.requests)

    try:
        wait_for(lambda: parts() >= after or process.poll() is not None, "parts on their way")
        if whom == "client":
            process.kill()
        else:
            at = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            os.kill(int(at[0]), signal.SIGKILL)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == (-9 if whom == "client" else 4)
    if whom == "worker":
        assert b"in hand" in said
    found = objects(server, bucket)
    assert "manifest.json" not in found
    shards = {name: data for name, data in found.items() if name.startswith("data_dir/")}
    assert all(data == folder[name] for name, data in shards.items())
    assert run(command(source, bucket)) == (0, "")
    must_be_same(objects(server, bucket), folder)
    assert uploads(server, bucket) == []
    runs = json.loads(objects(server, bucket)["runs.json"])["runs"]
    assert runs[-1]["finished"]


@pytest.mark.torture
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(8))
def test_kills_at_random_moments(
    source: Path,
    server: Server,
    slow: FaultyProxy,
    bucket: str,
    folder: dict[str, bytes],
    seed: int,
) -> None:
    """Of one job again and again, until it is done."""
    dice = random.Random(seed)
    for _ in range(12):
        process = subprocess.Popen(command(source, bucket), stderr=subprocess.DEVNULL)
        try:
            code = process.wait(timeout=dice.uniform(0.3, 2.5))
        except subprocess.TimeoutExpired:
            at = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(dice.choice([str(process.pid), *at])), signal.SIGKILL)
            code = process.wait(timeout=60)
        found = objects(server, bucket)
        shards = {name: data for name, data in found.items() if name.startswith("data_dir/train")}
        assert all(data == folder[name] for name, data in shards.items())
        assert all(name.replace("data_dir", "idx_dir") in found for name in shards)
        if code == 0:
            break
    assert run(command(source, bucket)) == (0, "")
    must_be_same(objects(server, bucket), folder)
    assert uploads(server, bucket) == []


@pytest.mark.parametrize("hangs", [False, True], ids=["a store that answers", "one that hangs"])
def test_ctrl_c_in_mid_upload(
    source: Path,
    server: Server,
    slow: FaultyProxy,
    bucket: str,
    folder: dict[str, bytes],
    hangs: bool,
) -> None:
    """It ends soon, whatever the store does; what it can be told to remove is removed."""
    process = subprocess.Popen(command(source, bucket), stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: sum("partNumber" in line for line in slow.requests) > 2, "parts")
        if hangs:
            slow.add("hang", seconds=100)
            slow.faults.reverse()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=40) == 130
    finally:
        process.kill()
        process.wait()
    slow.faults.clear()
    if not hangs:
        assert uploads(server, bucket) == []
        assert ".fastconv-lock" not in objects(server, bucket)
    assert run(command(source, bucket)) == (0, "")
    must_be_same(objects(server, bucket), folder)
    assert uploads(server, bucket) == []


def test_a_job_begun_while_an_error_is_handled_has_its_time(
    source: Path, server: Server, bucket: str, folder: dict[str, bytes], monkeypatch: Any
) -> None:
    monkeypatch.setattr(threads, "HASTE_SECONDS", 0.0)
    try:
        raise ValueError("of the caller's")
    except ValueError:
        fastconv.convert(job(source, bucket))
    must_be_same(objects(server, bucket), folder)


def test_a_store_that_fails_and_comes_back(
    source: Path, server: Server, proxy: FaultyProxy, bucket: str, folder: dict[str, bytes]
) -> None:
    for kind in ("status", "reset", "after", "truncate"):
        proxy.add(kind, chance=0.06, status=503)
    fastconv.convert(job(source, bucket, workers=2))
    assert sum(fault.hits for fault in proxy.faults) > 5
    must_be_same(objects(server, bucket), folder)
    assert uploads(server, bucket) == []


def test_a_store_that_stays_away_ends_in_words(
    source: Path,
    server: Server,
    proxy: FaultyProxy,
    bucket: str,
    folder: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FASTCONV_STORE_PATIENCE", "2")
    fault = proxy.add("status", "PUT .*validation-00001", status=500)
    code, said = run(command(source, bucket))
    assert code == 4 and len(said.splitlines()) == 1
    assert "validation-00001-of-00002: cannot be written: the store says 500" in said
    assert fault.hits > 1
    proxy.faults.clear()
    assert uploads(server, bucket) == []
    found = objects(server, bucket)
    assert all(found[name] == folder[name] for name in found if name.startswith("data_dir/"))
    assert run(command(source, bucket)) == (0, "")
    must_be_same(objects(server, bucket), folder)


def test_what_is_not_whole_any_more_is_written_again(
    source: Path, server: Server, bucket: str, folder: dict[str, bytes]
) -> None:
    fastconv.convert(job(source, bucket))
    client = server.client()
    names = [f"data_dir/train-{k:05d}-of-00004" for k in range(4)]
    client.delete_object(Bucket=bucket, Key=f"set/{names[0]}")
    client.put_object(Bucket=bucket, Key=f"set/{names[1]}", Body=b"short")
    client.put_object(Bucket=bucket, Key=f"set/{names[2].replace('data', 'idx')}", Body=b"0 1\n")
    client.delete_object(Bucket=bucket, Key=f"set/{names[3].replace('data', 'idx')}")
    client.delete_object(Bucket=bucket, Key="set/labels.txt")
    report = fastconv.convert(job(source, bucket))
    assert [why for _, why in report.rewritten] == [
        "is not there",
        f"has 5 bytes, not {len(folder[names[1]]):,}",
        "has another index than the one that was written",
        "has no index",
    ]
    must_be_same(objects(server, bucket), folder)
    client.put_object(Bucket=bucket, Key="set/labels.txt", Body=b"x")
    assert fastconv.convert(job(source, bucket)).rewritten == (
        ("labels.txt", "is not as it was written"),
    )
    must_be_same(objects(server, bucket), folder)


def test_only_what_is_fastconvs_is_replaced(
    source: Path, server: Server, bucket: str, folder: dict[str, bytes]
) -> None:
    client = server.client()
    client.put_object(Bucket=bucket, Key="set/notes", Body=b"mine")
    client.put_object(Bucket=bucket, Key="settled", Body=b"mine")
    with pytest.raises(OutputError, match=r"already holds something \(notes\)"):
        fastconv.convert(job(source, bucket))
    client.delete_object(Bucket=bucket, Key="set/notes")
    fastconv.convert(job(source, bucket, train_shards=3))
    with pytest.raises(OutputError, match="train: shards were 3, are 4"):
        fastconv.convert(job(source, bucket))
    with pytest.raises(OutputError, match="in another layout"):
        fastconv.convert(job(source, bucket, layout="tfds", name="mine"))
    client.put_object(Bucket=bucket, Key="set/notes", Body=b"mine")
    client.put_object(Bucket=bucket, Key="set/data_dir/train-00003-of-00004", Body=b"mine")
    before = objects(server, bucket)
    with pytest.raises(OutputError, match="train-00003-of-00004: is in the way"):
        fastconv.convert(job(source, bucket, overwrite=True))
    assert objects(server, bucket) == before
    client.delete_object(Bucket=bucket, Key="set/data_dir/train-00003-of-00004")
    fastconv.convert(job(source, bucket, overwrite=True))
    must_be_same(objects(server, bucket), {**folder, "notes": b"mine"})
    assert objects(server, bucket, "settled") == {"": b"mine"}


def test_the_layout_of_tfds_first(source: Path, bucket: str) -> None:
    fastconv.convert(job(source, bucket, layout="tfds", name="mine"))
    with pytest.raises(OutputError, match=r"mine/1\.0\.0: holds what fastconv wrote before"):
        fastconv.convert(job(source, bucket))


def test_a_bad_image_leaves_no_object(source: Path, server: Server, bucket: str) -> None:
    with pytest.raises(InputError):
        fastconv.convert(job(source, bucket, max_pixels=1))
    assert not [name for name in objects(server, bucket) if "_dir/" in name]
    assert uploads(server, bucket) == []


def test_two_jobs_at_once(source: Path, slow: FaultyProxy, server: Server, bucket: str) -> None:
    must_refuse_a_second(
        command(source, bucket), lambda: any("uploadId" in line for line in slow.requests)
    )
    assert ".fastconv-lock" not in objects(server, bucket)


def test_the_lock_of_another_machine(
    source: Path,
    server: Server,
    bucket: str,
    folder: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of one that is silent it is taken; one that is alive keeps it."""
    monkeypatch.setattr(store_lock, "SILENCE_SECONDS", 1.0)
    monkeypatch.setattr(store_lock, "BEAT_SECONDS", 0.1)
    client = server.client()

    def other(beats: int) -> None:
        text = json.dumps({"machine": "m", "host": "far", "pid": 1, "token": "t", "beats": beats})
        client.put_object(Bucket=bucket, Key="set/.fastconv-lock", Body=text.encode())

    ended = threading.Event()

    def beat() -> None:
        beats = 0
        while not ended.wait(0.1):
            other(beats := beats + 1)

    other(0)
    alive = threading.Thread(target=beat)
    alive.start()
    try:
        with pytest.raises(OutputError, match=r"writing here \(process 1 on far\)"):
            fastconv.convert(job(source, bucket))
    finally:
        ended.set()
        alive.join()
    told: list[str] = []
    fastconv.convert(job(source, bucket), lambda progress: told.append(progress.phase))
    assert "waiting for another fastconv's lock (at most 1 s)" in told
    must_be_same(objects(server, bucket), folder)
    with store_lock.locked(fastconv_path(bucket)) as still_ours:
        still_ours()
        other(1)
        with pytest.raises(OutputError, match="taken over by another fastconv"):
            wait_for(lambda: bool(still_ours()), "that it is told", 20)


def fastconv_path(bucket: str) -> Any:
    from fastconv.remote.path import RemotePath

    return RemotePath("s3", bucket, "set")


def test_what_cannot_be_an_output(source: Path, bucket: str) -> None:
    for url in ("https://host/set", "ftp://host/set", "s3://", "s3://me:secret@host/set"):
        with pytest.raises(UsageError, match="--out") as caught:
            fastconv.Options(source=source, out=url)
        assert "secret" not in str(caught.value)
    with pytest.raises(OutputError, match="there is no"):
        fastconv.convert(fastconv.Options(source=source, out=f"s3://{bucket}-none/set"))


def test_no_secret_is_in_what_is_written(source: Path, server: Server, bucket: str) -> None:
    fastconv.convert(job(source, bucket))
    for name, data in objects(server, bucket).items():
        for secret in (b"a-key-that-is-not-said", b"a-secret-that-is-never-said"):
            assert secret not in data, name
    assert server.url.encode() not in objects(server, bucket)["manifest.json"]


def test_the_memory_of_workers(source: Path, slow: FaultyProxy, bucket: str) -> None:
    process = subprocess.Popen(command(source, bucket, "--train-shards", "1"))
    peak = 0
    try:
        while process.poll() is None:
            at = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            for pid in at:
                try:
                    status = Path(f"/proc/{pid}/status").read_text()
                    peak = max(peak, int(status.split("VmHWM:")[1].split()[0]))
                except (OSError, IndexError):
                    continue
            time.sleep(0.01)
    finally:
        process.kill()
        assert process.wait() == 0
    assert 0 < peak < 400 << 10
