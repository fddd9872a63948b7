"""Conversions into and out of Azure's and Google's stores: what is shown of S3, shown of them."""

from __future__ import annotations

import errno
import itertools
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import trustme

from cluster.conftest import Server, wait_for
from cluster.faulty import FaultyProxy
from cluster.other_stores import SECRETS, Azure, Place, azure, azurite, google, is_left_out, tls
from cluster.store_jobs import must_be_same, must_refuse_a_second, objects, run, words
from cluster.test_store_output import folder, source, uploads
from fastconv.remote import store as stores
from fastconv.remote.path import SIZED, RemotePath

__all__ = ["folder", "source"]  # fixtures
pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("no_children")]
_numbers = itertools.count()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def azure_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if is_left_out():
        pytest.skip("Azurite is not installed, for which npm is needed")
    with azurite(tmp_path_factory.mktemp("azurite")) as url:
        yield url


@pytest.fixture(params=["az", "gs"])
def place(
    request: pytest.FixtureRequest,
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Place]:
    """An empty bucket that the environment leads to."""
    name = f"other-{os.getpid()}-{next(_numbers)}"
    if request.param == "az":
        server = request.getfixturevalue("azure_server")
        made: AbstractContextManager[Place] = azure(server, name, authority)
    else:
        made = google(request.getfixturevalue("server"), name, authority)
    with made as place:
        lead_to(place, authority, tmp_path, monkeypatch)
        monkeypatch.setattr(stores, "_stores", {})  # of another environment
        yield place


def lead_to(
    place: Place, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the environment, which trusts the authority."""
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    for variable, value in place.env.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    monkeypatch.setenv("FASTCONV_STORE_PATIENCE", "8")


def test_the_same_bytes_as_in_a_folder(
    source: Path, place: Place, folder: dict[str, bytes]
) -> None:
    assert run(words(source, f"{place.url}/set")) == (0, "")
    found = place.objects()
    must_be_same(found, folder)
    for name, data in found.items():
        for secret in SECRETS:
            assert secret.encode() not in data, name
    before = len(place.proxy.requests)
    assert run(words(source, f"{place.url}/set")) == (0, "")
    again = place.proxy.requests[before:]
    assert not [line for line in again if re.match("(PUT|POST) .*data(_|%5F)dir", line)]
    must_be_same(place.objects(), folder)


def test_from_a_bucket_into_a_bucket_by_a_bad_network(
    source: Path, place: Place, folder: dict[str, bytes]
) -> None:
    for path in source.iterdir():
        place.put(f"from/{path.name}", path.read_bytes())
    for kind in ("status", "reset", "after", "truncate"):
        place.proxy.add(kind, chance=0.04, status=503)
    assert run(words(f"{place.url}/from", f"{place.url}/set")) == (0, "")
    assert sum(fault.hits for fault in place.proxy.faults) > 5
    found = place.objects()
    assert f"{place.url}/from".encode() in found["manifest.json"]
    must_be_same({**found, "manifest.json": b""}, {**folder, "manifest.json": b""})


@pytest.mark.parametrize("whom", ["client", "worker"])
def test_a_kill_in_mid_upload(
    source: Path, place: Place, folder: dict[str, bytes], whom: str
) -> None:
    slow = place.proxy.add("latency", "PUT .*(partNumber|comp=block&)", seconds=0.3)
    process = subprocess.Popen(words(source, f"{place.url}/set"), stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: slow.hits >= 5 or process.poll() is not None, "parts on their way")
        at = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(process.pid if whom == "client" else int(at[0]), signal.SIGKILL)
        assert process.wait(timeout=60) == (-9 if whom == "client" else 4)
    finally:
        process.kill()
        process.wait()
    found = place.objects()
    assert "manifest.json" not in found
    shards = {name: data for name, data in found.items() if name.startswith("data_dir/")}
    assert all(data == folder[name] for name, data in shards.items())
    place.proxy.faults.clear()
    assert run(words(source, f"{place.url}/set")) == (0, "")
    must_be_same(place.objects(), folder)


def test_two_jobs_at_once(source: Path, place: Place, folder: dict[str, bytes]) -> None:
    slow = place.proxy.add("latency", "PUT .*(partNumber|comp=block&)", seconds=0.3)
    must_refuse_a_second(words(source, f"{place.url}/set"), lambda: slow.hits > 0)
    must_be_same(place.objects(), folder)


def test_an_object_is_made_once_and_known_by_its_version(place: Place) -> None:
    """What locks and changed sources are noticed by."""
    root = RemotePath(place.url[:2], place.url[5:])
    store = stores.open_store(root)
    store.put("x", b"first", create=True)
    with pytest.raises(FileExistsError):
        store.put("x", b"second", create=True)
    assert place.objects("") == {"x": b"first"}
    place.put("y", b"0123456789")
    size, version = store.version("y")
    assert size == 10 and not version.startswith(SIZED)
    assert store.read_range("y", 2, 4, version) == b"23"
    wait_for(lambda: _is_another(place, store, version), "another version")
    with pytest.raises(OSError, match="not what it was when it was listed") as caught:
        store.read_range("y", 2, 4, version)
    assert caught.value.errno == errno.ESTALE


def _is_another(place: Place, store: stores.Store, version: str) -> bool:
    place.put("y", b"9876543210")
    return store.version("y")[1] != version


def test_what_is_refused_is_one_line(
    source: Path, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said = run(words(source, f"{place.url}-none/set"))
    assert code == 4 and f"there is no {place.url[5:]}-none" in said
    monkeypatch.setenv("FASTCONV_STORE_PATIENCE", "2")
    place.proxy.add("status", "PUT .*data_?(%5F)?dir", status=500)
    code, said = run(words(source, f"{place.url}/set"))
    assert code == 4 and len(said.splitlines()) == 1 and "the store says 500" in said
    assert not [name for name in place.objects() if name.startswith("data_dir/")]
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    code, said = run(words(source, f"{place.url}/set"))
    assert code == 4 and len(said.splitlines()) == 1 and "its certificate is not valid" in said
    assert "SSL_CERT_FILE" in said


def test_s3_under_tls(
    source: Path,
    server: Server,
    bucket: str,
    authority: trustme.CA,
    folder: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both libraries trust the authority: that which writes, and that which tidies up."""
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    with FaultyProxy(server.url, tls=tls(authority)) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        monkeypatch.setenv("FASTCONV_STORE_PATIENCE", "8")
        command = words(source, f"s3://{bucket}/set")
        code, said = run(command)
        assert code == 4 and "its certificate is not valid" in said
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        slow = proxy.add("latency", "PUT .*partNumber", seconds=0.3)
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        wait_for(lambda: slow.hits >= 5 or process.poll() is not None, "parts on their way")
        process.kill()
        process.wait()
        slow.times = 0
        assert uploads(server, bucket)
        assert run(command) == (0, "")
    assert uploads(server, bucket) == []
    must_be_same(objects(server, bucket), folder)


@pytest.fixture
def container(
    azure_server: str, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Azure]:
    """One of Azure's, which the environment leads to."""
    with azure(azure_server, f"azure-{os.getpid()}-{next(_numbers)}", authority) as container:
        lead_to(container, authority, tmp_path, monkeypatch)
        yield container


@pytest.mark.parametrize("fault", ["after", "status"])
def test_the_answer_to_an_uploads_end_is_lost(
    source: Path, place: Place, folder: dict[str, bytes], fault: str
) -> None:
    """It is asked for again, when there is no such upload any more."""
    ends = "(POST .*data(_|%5F)dir.*uploadId)|(PUT .*data(_|%5F)dir.*comp=blocklist)"
    lost = place.proxy.add(fault, ends, times=2, status=500)
    assert run(words(source, f"{place.url}/set")) == (0, "")
    assert lost.hits == 2
    must_be_same(place.objects(), folder)


def test_a_slash_at_the_end_of_the_endpoint(
    source: Path, container: Azure, folder: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = container.env["AZURE_ENDPOINT"].replace("https", "HTTPS")
    monkeypatch.setenv("AZURE_ENDPOINT", f"{address}/")
    assert run(words(source, f"{container.url}/set")) == (0, "")
    must_be_same(container.objects(), folder)


def test_a_signature_that_does_not_let_delete(
    source: Path, container: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_KEY")
    monkeypatch.setenv("AZURE_STORAGE_SAS_KEY", container.signature("rwlcd"))
    assert run(words(source, f"{container.url}/set")) == (0, "")
    monkeypatch.setenv("AZURE_STORAGE_SAS_KEY", signature := container.signature("rwlc"))
    code, said = run(words(source, f"{container.url}/other"))
    assert code == 4 and len(said.splitlines()) == 1
    assert "the store refuses access (403" in said and signature[-20:] not in said


def test_a_blob_that_is_archived(source: Path, container: Azure, tmp_path: Path) -> None:
    for path in source.iterdir():
        container.put(f"from/{path.name}", path.read_bytes())
    blob = container.container.get_blob_client("from/ILSVRC2012_img_val.tar")
    blob.set_standard_blob_tier("Archive")
    code, said = run(words(f"{container.url}/from", str(tmp_path / "out")))
    assert code == 3 and len(said.splitlines()) == 1
    assert "ILSVRC2012_img_val.tar: cannot be read: the store says 409 BlobArchived" in said


def test_a_store_that_is_busy_while_objects_are_removed(
    source: Path, container: Azure, folder: dict[str, bytes]
) -> None:
    """One answer in a batch of them, and the whole batch."""
    for kind in ("status", "busy"):
        fault = container.proxy.add(kind, "POST .*comp=batch", times=2, status=503)
        assert run(words(source, f"{container.url}/set", "--overwrite")) == (0, "")
        assert fault.hits == 2
        must_be_same(container.objects(), folder)


def test_a_wrong_key_is_one_line(
    source: Path, container: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "bm90IHRoZSBrZXk=")
    code, said = run(words(source, f"{container.url}/set"))
    assert code == 4 and len(said.splitlines()) == 1
    assert "the store refuses access (403" in said and "bm90" not in said
