"""URLs of object stores, and what is said of a store's refusals: no secret. No store is needed."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import fastconv
from fastconv.errors import UsageError
from fastconv.remote.backends import NEEDS
from fastconv.remote.path import RemotePath, is_remote, remote_path
from fastconv.remote.refusals import refusal
from fastconv.remote.store import open_store

PLACE = RemotePath("s3", "bucket", "a/b")


@pytest.mark.parametrize(
    ("url", "parts", "shown"),
    [
        ("s3://bucket/a/b", ("s3", "bucket", "a/b"), "s3://bucket/a/b"),
        ("s3://bucket", ("s3", "bucket", ""), "s3://bucket"),
        ("s3://bucket/", ("s3", "bucket", ""), "s3://bucket"),
        ("S3://bucket/a/", ("s3", "bucket", "a"), "s3://bucket/a"),
        ("gs://b.c-d_1/a b#c%20", ("gs", "b.c-d_1", "a b#c%20"), "gs://b.c-d_1/a b#c%20"),
        ("az://$root/ü", ("az", "$root", "ü"), "az://$root/ü"),
        ("https://Host.Org:8443/a%20b", ("https", "host.org:8443", "a b"), None),
        ("http://[::1]:80/x", ("http", "[::1]:80", "x"), "http://[::1]:80/x"),
    ],
)
def test_urls(url: str, parts: tuple[str, str, str], shown: str | None) -> None:
    path = remote_path(url, "--out")
    assert is_remote(url) and is_remote(path)
    assert (path.scheme, path.bucket, path.key) == parts
    assert str(path) == (shown or "https://host.org:8443/a%20b")
    assert remote_path(str(path), "--out") == path
    assert pickle.loads(pickle.dumps(path)) == path


@pytest.mark.parametrize(
    "url",
    [
        *("s3://", "s3:///a", "s3://b//c", "s3://b/a/../c", "s3://b/./c", "s3://b c/d"),
        *("s3:/b/c", "s3:b", "S3:b/c", "gs:", "https:/host/x"),
        *("hdfs://b/c", "file:///b", "s3://b/a\n?x", "https://h:port/x", "s3://-/x"),
    ],
)
def test_what_is_no_url_of_a_store(url: str) -> None:
    with pytest.raises(UsageError, match=r"^--out "):
        remote_path(url, "--out")


@pytest.mark.parametrize(
    "url",
    [
        *("s3://me:hush@bucket/a", "https://hush@host/a", "https://host/a?X-Amz-Signature=hush"),
        *("az://container/a?sig=hush", "s3://key:hush@/", "hush://me:x@y/"),
    ],
)
def test_secrets_in_urls_are_refused_and_not_said(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        fastconv.Options(source="imagenet", out=url)
    assert url.startswith("hush") or "hush" not in str(caught.value)


def test_paths_of_files_are_none(tmp_path: Path) -> None:
    for path in ("a/b", "./s3:/x", "a/s3:/bucket/x", "", "C:\\x", tmp_path, Path("s3://x")):
        assert not is_remote(path)


def test_parts_of_a_path() -> None:
    assert str(PLACE / "c") == "s3://bucket/a/b/c"
    assert (PLACE.name, str(PLACE.parent), str(PLACE.parent.parent)) == (
        "b",
        "s3://bucket/a",
        "s3://bucket",
    )
    root = PLACE.parent.parent
    assert (root.name, root.parent) == ("bucket", root)
    assert not PLACE.is_read_only and RemotePath("https", "h").is_read_only


class GenericError(Exception):
    """As obstore has one."""


class PermissionDeniedError(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "number", "said", "passing"),
    [
        (GenericError("status code: 503 Service: <Code>SlowDown</Code>"), 11, "fewer requests", 1),
        (GenericError("status code: 429 Too Many: "), 11, "fewer requests (429)", 1),
        (GenericError("status code: 500: <Code>InternalError</Code>"), 5, "500 InternalError", 1),
        (GenericError("status code: 400: <Code>EntityTooSmall</Code>"), 5, "400 EntityTooSma", 0),
        (GenericError("status code: 404: <Code>NoSuchBucket</Code>"), 2, "there is no bucket", 0),
        (FileNotFoundError("Object at location x not found: hush"), 2, "is not there", 0),
        (PermissionDeniedError("403 <Code>AccessDenied</Code> hush"), 13, "refuses access (Ac", 0),
        (GenericError("error sending request: dns error: hush"), 113, "is not known", 0),
        (GenericError("tcp connect error: Connection refused"), 111, "no server answers", 1),
        (GenericError("operation timed out, retry_timeout: 180s"), 110, "does not answer", 1),
        (GenericError("hyper: IncompleteMessage, retry_timeout: 180s"), 104, "ended the conn", 1),
        (GenericError("PUT http://169.254.169.254/latest/api/token"), 13, "no credentials", 0),
        (GenericError("Received redirect without LOCATION"), 5, "set AWS_REGION", 0),
        (GenericError("Authorization: hush, who knows"), 5, "not understood (GenericError)", 0),
    ],
    ids=lambda value: str(value)[:24],
)
def test_what_a_store_refuses(error: Exception, number: int, said: str, passing: int) -> None:
    told, may_pass = refusal(error, PLACE)
    assert (told.errno, told.filename, may_pass) == (number, "s3://bucket/a/b", bool(passing))
    assert said in str(told.strerror)
    assert "hush" not in str(told) and "hush" not in repr(told)


@pytest.mark.parametrize(
    "words",
    [
        *(["verify", "U"], ["show", "U"], ["report", "U", "--html", "x"], ["diff", "U", "x"]),
        *(["tfds-info", "U"], ["index", "U", "--out", "x"], ["sample", "U"]),
        *(["index", "x", "--out", "U"], ["show", "x", "--sheet", "U"]),
        *(["report", "x", "--html", "U"], ["shards", "x", "--out", "s3:bucket/hush"]),
        *(["raw", "x", "--out", "U"], ["shards", "x", "--out", "https://me:hush@host/set"]),
    ],
    ids=lambda words: words[0],
)
def test_commands_for_what_is_on_disk(words: list[str], tmp_path: Path) -> None:
    words = [word.replace("U", "s3://me:hush@bucket/set") for word in words]
    command = [sys.executable, "-m", "fastconv", *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("fastconv: ") and done.stderr.count("\n") == 1
    assert "hush" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(UsageError, match=r"pip install 'fastconv\[remote\]'"):
        open_store(RemotePath("gs", "none"))
    code = (
        "import sys; sys.modules['obstore'] = None; from fastconv.entry import main;"
        f"sys.argv = ['fastconv', 'shards', '{tmp_path}', '--out', 's3://bucket/x']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, f"fastconv: {NEEDS}\n")
