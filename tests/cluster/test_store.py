"""Reading and writing objects: with a real server, and with one that fails."""

from __future__ import annotations

import errno
import pickle
import random
from pathlib import Path
from typing import Any

import pytest

from cluster.conftest import KEY, SECRET, Server
from cluster.faulty import FaultyProxy
from cluster.web import WebServer
from fastconv.errors import UsageError
from fastconv.remote.path import RemotePath
from fastconv.remote.store import PIECE_BYTES, Store, open_store

pytestmark = pytest.mark.cluster


@pytest.fixture
def store(bucket: str) -> Store:
    return open_store(RemotePath("s3", bucket))


def test_objects_are_written_listed_read_and_removed(store: Store) -> None:
    data = random.Random(1).randbytes(2 * PIECE_BYTES + 3)
    for key in ("a/one", "a/b/two", "ab/three"):
        store.put(key, data)
    assert [(key, size) for key, size, _ in store.list("a")] == [
        ("a/b/two", len(data)),
        ("a/one", len(data)),
    ]
    assert store.folders() == ["a", "ab"]
    assert store.folders("a") == ["b"]
    assert store.size("a/one") == len(data)
    assert store.read("a/one") == data
    assert store.read_range("a/one", 5, 5) == b""
    starts = [random.Random(2).randrange(len(data) - 100) for _ in range(70)]
    parts = store.read_ranges("a/one", starts, [start + 100 for start in starts])
    assert parts == [data[start : start + 100] for start in starts]
    store.delete(["a/one", "a/b/two", "was never there"])
    assert [key for key, _, _ in store.list()] == ["ab/three"]


@pytest.mark.parametrize(
    "key",
    ["a b", "a#b", "a*b", "ü", "a%20b", "a?b", "a[1]{2}", "n02/x'y\"z.JPEG", "a..b", "~", "a+b"],
)
def test_names_are_taken_as_they_are(store: Store, key: str, server: Server) -> None:
    store.put(f"names/{key}", b"1")
    assert store.read(f"names/{key}") == b"1"
    assert [name for name, _, _ in store.list("names")] == [f"names/{key}"]
    body = server.client().get_object(Bucket=store.root.bucket, Key=f"names/{key}")["Body"]
    with body:
        assert body.read() == b"1"
    store.delete([f"names/{key}"])
    assert store.list("names") == []


def test_what_is_not_there_is_said_at_once(store: Store) -> None:
    for ask in (store.size, store.read, lambda key: store.read_range(key, 0, 1)):
        with pytest.raises(FileNotFoundError, match=f"s3://{store.root.bucket}/none"):
            ask("none")
    store.put("short", b"12345")
    for start, stop in ((0, 6), (5, 6), (9, 12)):
        with pytest.raises(OSError, match="short"):
            store.read_range("short", start, stop)
    absent = open_store(RemotePath("s3", f"{store.root.bucket}-none"))
    with pytest.raises(FileNotFoundError, match="there is no bucket"):
        absent.list()
    with pytest.raises(FileNotFoundError, match="there is no bucket"):
        absent.put("a", b"")


def test_an_object_that_is_shorter_now(store: Store, tmp_path: Path) -> None:
    """It ends before the range: with a version that is a change, without one just short."""
    (tmp_path / "x").write_bytes(bytes(100))
    with WebServer(tmp_path, etags=False) as web:
        page = Store(RemotePath("http", web.url.removeprefix("http://")))
        for where, was in ((page, page.version("x")[1]), (store, "bytes=100")):
            where is page or store.put("x", b"12345")
            (tmp_path / "x").write_bytes(b"12345")
            with pytest.raises(OSError, match="is not what it was when it was listed") as caught:
                where.read_range("x", 50, 60, was)
            assert caught.value.errno == errno.ESTALE and caught.value.__context__ is None
            with pytest.raises(OSError, match=r"ends (before the bytes|at 5 bytes)"):
                where.read_range("x", 50, 60)


@pytest.mark.parametrize("key", ["odd/a//b", "odd/a\nb"])
def test_a_key_that_cannot_be_used(store: Store, proxy: FaultyProxy, key: str) -> None:
    """As other programs may write them; the server here has files for objects, and no such."""
    date = "2026-01-01T00:00:00.000Z"
    page = f"<Contents><Key>{key}</Key><LastModified>{date}</LastModified><Size>1</Size></Contents>"
    text = "<ListBucketResult><Name>b</Name>" + page + "</ListBucketResult>"
    proxy.add("text", "list-type=2", text=text)
    with pytest.raises(OSError, match="has a name that cannot be used"):
        Store(store.root).list("odd")


def test_ends_of_objects_are_exact(store: Store) -> None:
    for size in (0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1):
        store.put("exact", bytes(size))
        assert len(store.read("exact")) == size


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 429},
        {"kind": "reset"},
        {"kind": "after"},
        {"kind": "truncate"},
        {"kind": "latency", "seconds": 0.05},
    ],
    ids=lambda fault: f"{fault['kind']}-{fault.get('status', '')}",
)
def test_what_fails_for_a_while_heals(proxy: FaultyProxy, store: Store, fault: Any) -> None:
    data = random.Random(3).randbytes(300_000)
    for ask, want in (
        (lambda: store.put("x/y", data)[:1], '"'),
        (lambda: store.read_range("x/y", 7, 200_007), data[7:200_007]),
        (lambda: store.read("x/y"), data),
        (lambda: [key for key, _, _ in store.list("x")], ["x/y"]),
        (lambda: store.folders(), ["x"]),
        (lambda: store.size("x/y"), len(data)),
        (lambda: store.delete(["x/y"]), None),
        (lambda: store.list("x"), []),
    ):
        proxy.faults.clear()
        injected = proxy.add(times=2, **fault)
        assert ask() == want
        assert injected.hits or fault["kind"] == "truncate"


def test_many_reads_through_a_bad_network(proxy: FaultyProxy, store: Store) -> None:
    data = random.Random(4).randbytes(1 << 20)
    store.put("x", data)
    for kind in ("reset", "truncate", "status", "after"):
        proxy.add(kind, "^GET", chance=0.1)
    starts = [random.Random(5).randrange(len(data) - 5000) for _ in range(150)]
    parts = store.read_ranges("x", starts, [start + 5000 for start in starts])
    assert parts == [data[start : start + 5000] for start in starts]
    assert sum(fault.hits for fault in proxy.faults) > 20


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"kind": "status", "status": 503}, "asks for fewer requests"),
        ({"kind": "status", "status": 500}, "the store says 500 InternalError"),
        ({"kind": "reset"}, "ended the connection early"),
        ({"kind": "truncate"}, "ended the connection early"),
        ({"kind": "hang", "seconds": 30}, "does not answer"),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_what_stays_wrong_ends_in_words(
    proxy: FaultyProxy, store: Store, fault: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTCONV_STORE_PATIENCE", "3")
    store = Store(store.root)
    store.put("x", bytes(1000))
    proxy.add(match="^GET", **fault)
    with pytest.raises(OSError, match=said) as caught:
        store.read_range("x", 0, 1000)
    assert caught.value.__context__ is None
    assert str(caught.value.filename) == f"s3://{store.root.bucket}/x"


def test_a_dead_server_ends_in_words(
    proxy: FaultyProxy, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTCONV_STORE_PATIENCE", "3")
    store = Store(RemotePath("s3", bucket))
    proxy.stop_listening()
    with pytest.raises(ConnectionRefusedError, match="no server answers"):
        store.size("x")


def test_no_secret_is_ever_said(
    bucket: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret-that-is-wrong")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-token-that-is-wrong")
    store = Store(RemotePath("s3", bucket))
    said = [repr(store), str(vars(store))]
    for ask in (store.list, lambda: store.put("a", b"1"), lambda: store.read("a")):
        with pytest.raises(PermissionError, match="refuses access") as caught:
            ask()
        said += [str(caught.value), repr(caught.value), repr(caught.value.__context__)]
    for secret in (KEY, SECRET, "another-secret", "a-token", "ignature=", "X-Amz", "Authorization"):
        assert not any(secret in text for text in said), said
    with pytest.raises(TypeError, match="hand over its path"):
        pickle.dumps(store)


def test_credentials_of_a_profile(
    bucket: str, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for name in server.env:
        monkeypatch.delenv(name)
    keys, config = tmp_path / "credentials", tmp_path / "config"
    keys.write_text(f"[lab]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n")
    config.write_text(f"[profile lab]\nregion = us-east-1\nendpoint_url = {server.url}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_PROFILE", "lab")
    store = Store(RemotePath("s3", bucket))
    store.put("a", b"1")
    assert store.read("a") == b"1"
    config.write_text(
        f"[profile lab]\nservices = here\n[services here]\ns3 =\n  endpoint_url = {server.url}\n"
    )
    assert Store(RemotePath("s3", bucket)).read("a") == b"1"
    monkeypatch.setenv("AWS_PROFILE", "gone")
    with pytest.raises(PermissionError, match="profile cannot be used"):
        Store(RemotePath("s3", bucket))
    monkeypatch.delenv("AWS_PROFILE")
    with pytest.raises(PermissionError, match="no credentials were found"):
        Store(RemotePath("s3", bucket))


def test_patience_is_a_number(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("0", "x", "-1", "1e9", "nan"):
        monkeypatch.setenv("FASTCONV_STORE_PATIENCE", wrong)
        with pytest.raises(UsageError, match="FASTCONV_STORE_PATIENCE is a number"):
            Store(RemotePath("s3", bucket))
