"""URLs of object stores, and what is said of a store's refusals: no secret. No store is needed."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import fastconv
from fastconv import cli
from fastconv.errors import UsageError
from fastconv.remote.backends import NEEDS
from fastconv.remote.path import RemotePath, is_remote, remote_path
from fastconv.remote.refusals import refusal
from fastconv.remote.store import Store, open_store

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
        *("az://CAPS/x", "az://ab/x", "az://a--b/x", "az://abc-/x", "az://abc/a\\b"),
        *("http://h:99999/x", "http://h:0/x", "https://h/a#b", "https://h#b"),
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


class AlreadyExistsError(Exception):
    pass


class InvalidPathError(Exception):
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
        (InvalidPathError("Path hush contained empty path segment"), 22, "move it elsewhere", 0),
        (GenericError("Bulk delete failed: hush (code: 503)"), 11, "fewer requests", 1),
        (GenericError("Bulk delete failed: hush (code: 412)"), 5, "store says 412", 0),
        (GenericError("status: 400 Bad: <Code>InvalidBlockList</Code>"), 2, "is not there", 0),
        (AlreadyExistsError("status: 409: <Code>BlobAlreadyExists</Code>"), 17, "already", 0),
        (AlreadyExistsError("status: 409: <Code>BlobArchived</Code>"), 5, "409 BlobArchived", 0),
        (AlreadyExistsError("status: 409: <Code>OperationAborted</Code>"), 5, "409 Operation", 1),
        (AlreadyExistsError("Object at location hush already exists"), 17, "already", 0),
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


S3 = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_ACCESS_KEY_ID": "hush",
    "AWS_SECRET_ACCESS_KEY": "hush",
    "AWS_REGION": "r",
}
S3_TLS = {**S3, "AWS_ENDPOINT_URL": "https://127.0.0.1:1"}
AZ = {"AZURE_STORAGE_ACCOUNT_NAME": "me"}
UNDER_TLS: tuple[tuple[str, dict[str, str]], ...] = (
    ("s3://b", S3_TLS),
    ("az://abc", AZ),
    ("gs://b", {}),
    ("https://h", {}),
)


def connected(url: str, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Store:
    for name in list(os.environ):
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_")):
            monkeypatch.delenv(name)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FASTCONV_STORE_PATIENCE", "1")
    return Store(remote_path(url, "--out"))


@pytest.mark.cluster  # obstore
@pytest.mark.parametrize(
    ("url", "settings", "said"),
    [
        *(
            ("s3://b", {**S3, "AWS_ENDPOINT_URL": wrong}, "AWS_ENDPOINT_URL is the URL of a server")
            for wrong in (
                *("127.0.0.1:9000", "hush", "http://hush host:99", "http://", "https://[::1"),
                *("http://h:99999", "http://hüsh", "http://h/a b", "http://h?hush", "ftp://h"),
                *("http://h\n", "http://h:", "http://h:0"),
            )
        ),
        *(
            ("s3://b", {**S3, name: wrong}, f"{name} holds a line end")
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
            for wrong in ("hush\n", "hush\r", "\x7fhush")
        ),
        ("s3://b", {**S3, "AWS_REGION": "r\r"}, "AWS_REGION holds a line end"),
        ("s3://b", {**S3, "AWS_CHECKSUM_ALGORITHM": "MD5"}, "is SHA256 or CRC64NVME"),
        ("az://abc", {**AZ, "AZURE_STORAGE_ACCOUNT_KEY": "hush\n"}, "_KEY holds a line end"),
        ("az://abc", {**AZ, "AZURE_TENANT_ID": "hush hush"}, "AZURE_TENANT_ID is no tenant"),
        *(
            ("az://abc", {**AZ, "AZURE_STORAGE_ACCOUNT_KEY": wrong}, "_KEY is no key of an account")
            for wrong in ("?hush", "aHVzaA== ", "", "hush!")
        ),
        *(
            ("az://abc", {**AZ, name: wrong}, f"{name} is the URL of a server")
            for name in ("AZURE_ENDPOINT", "AZURE_STORAGE_ENDPOINT")
            for wrong in ("", "hush", " http://h", "ftp://h", "http://h:99999", "http://h?hush")
        ),
        *(
            (url, {**known, "SSL_CERT_FILE": wrong}, "SSL_CERT_FILE names no file with certif")
            for url, known in (
                ("s3://b", S3_TLS),
                ("az://abc", AZ),
                ("gs://b", {}),
                ("https://h", {}),
            )
            for wrong in ("", "/", "/hush", "/dev/null")
        ),
    ],
    ids=repr,
)
def test_settings_that_cannot_be(
    url: str, settings: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        connected(url, settings, monkeypatch)
    assert "hush" not in str(caught.value)


@pytest.mark.cluster  # obstore
@pytest.mark.parametrize(
    ("url", "settings", "said"),
    [
        ("az://abc", {}, "AZURE_STORAGE_ACCOUNT_NAME"),
        ("az://abc", {**AZ, "AZURE_STORAGE_SAS_KEY": "??hush%%"}, "AZURE_STORAGE_SAS_KEY"),
        ("gs://b", {"GOOGLE_APPLICATION_CREDENTIALS": "/hush"}, "GOOGLE_APPLICATION_CREDENTIALS"),
        ("gs://b", {"GOOGLE_SERVICE_ACCOUNT": "/hush"}, "GOOGLE_SERVICE_ACCOUNT"),
        ("gs://b", {"GOOGLE_SERVICE_ACCOUNT_KEY": "hush"}, "GOOGLE_SERVICE_ACCOUNT_KEY"),
    ],
    ids=repr,
)
def test_settings_that_the_library_refuses(
    url: str, settings: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PermissionError, match=said) as caught:
        connected(url, settings, monkeypatch)
    assert caught.value.filename == url and caught.value.__context__ is None
    assert "hush" not in str(caught.value)


@pytest.mark.cluster  # obstore
@pytest.mark.parametrize(
    "endpoint", ["http://h", "HTTPS://h.i-j_k:65535/", "http://[::1]:80/a/b", "https://me:x@h"]
)
def test_endpoints(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connected("s3://b", {**S3, "AWS_ENDPOINT_URL": endpoint}, monkeypatch)
    connected("az://abc", {**AZ, "AZURE_ENDPOINT": endpoint}, monkeypatch)


@pytest.mark.cluster  # obstore
def test_what_is_of_another_store_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    other = {"AZURE_DEVOPS_CACHE": "a\nb", "AZURE_ENDPOINT": "", "SSL_CERT_FILE": "/missing"}
    connected("s3://b", {**S3, **other}, monkeypatch)  # in the clear
    connected("http://h/x", other, monkeypatch)


class PanicException(BaseException):
    """As pyo3's, by which Rust's library ends."""


@pytest.mark.cluster  # obstore
def test_a_panic_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    obstore = pytest.importorskip("obstore")
    store = connected("s3://b", S3, monkeypatch)

    def panic(*_: object, **__: object) -> None:
        raise PanicException("hush")

    monkeypatch.setattr(obstore, "head", panic)
    with pytest.raises(OSError, match="the library that talks to the store failed") as caught:
        store.size("x")
    assert "hush" not in str(caught.value) and caught.value.__context__ is None
    monkeypatch.setattr("obstore.store.S3Store", panic)
    with pytest.raises(OSError, match="the library that talks to the store failed"):
        connected("s3://b", S3, monkeypatch)
    monkeypatch.setattr(obstore, "head", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        store.size("x")


@pytest.mark.cluster  # obstore
@pytest.mark.parametrize("out", ["az://abc/x", "gs://b/x"])
def test_a_command_with_settings_that_fail(out: str, tmp_path: Path) -> None:
    (tmp_path / "set/train/a").mkdir(parents=True)
    (tmp_path / "set/train/a/1.JPEG").write_bytes(b"1")
    command = [sys.executable, "-m", "fastconv", "shards", "set", "--out", out]
    env = {n: v for n, v in os.environ.items() if not n.startswith(("AZURE_", "GOOGLE_"))}
    env["GOOGLE_SERVICE_ACCOUNT_KEY"] = "hush"
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env)
    assert done.returncode == 4, done.stderr
    assert "cannot be used: see to" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr and "hush" not in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--schema", "s3://me:hush@b/x.toml"), "--schema is a file on disk"),
        (("--schema", "s3://hush/x.py:f"), "--schema is a file on disk"),
    ],
    ids=repr,
)
def test_options_that_are_no_places_in_stores(
    words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "fastconv", "shards", ".", "--out", "out", *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert said in done.stderr and "hush" not in done.stderr


@pytest.mark.parametrize(
    ("words", "removed"),
    [
        (["shards", "s3://b/in", "--out", "out"], True),
        (["raw", "x", "--out=out"], True),
        (["shards", "x", "--out", "s3://b/out"], False),
        (["shards", "x", "--out=az://abc/out"], False),
    ],
    ids=str,
)
def test_what_is_said_of_an_interrupted_job(words: list[str], removed: bool) -> None:
    """A store that hangs may keep what was to be removed."""
    said = cli._stopped(words)
    assert "run the same command again to go on" in said.lower()
    assert ("was removed" in said) == removed


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
