"""Azure's and Google's object stores, as near as they can be had on one machine, both under TLS.

Azure's is Azurite, Microsoft's own emulator, which npm installs; Google's is cluster.google.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import ssl
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import trustme

from cluster.conftest import KEY, SECRET, Server, free_port, wait_for
from cluster.faulty import FaultyProxy
from cluster.google import GoogleServer, google_environment
from cluster.store_jobs import objects

AZURITE = Path(sys.prefix) / "azurite" / "node_modules" / ".bin" / "azurite-blob"
ACCOUNT = "devstoreaccount1"  # Azurite's one account and its key, which its documentation says
ACCOUNT_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
SECRETS = (ACCOUNT_KEY, KEY, SECRET)


@dataclass
class Place(ABC):
    """A bucket, as another client than the one that is tested sees it."""

    url: str
    proxy: FaultyProxy
    env: dict[str, str]

    @abstractmethod
    def put(self, key: str, data: bytes) -> None: ...

    @abstractmethod
    def objects(self, prefix: str = "set/") -> dict[str, bytes]: ...


@dataclass
class Azure(Place):
    container: Any

    def put(self, key: str, data: bytes) -> None:
        self.container.upload_blob(key, data, overwrite=True)

    def signature(self, permissions: str) -> str:
        """A shared access signature."""
        from azure.storage.blob import ContainerSasPermissions, generate_container_sas

        return str(
            generate_container_sas(
                ACCOUNT,
                self.container.container_name,
                account_key=ACCOUNT_KEY,
                permission=ContainerSasPermissions.from_string(permissions),
                expiry=datetime.now(timezone.utc) + timedelta(hours=1),
            )
        )

    def objects(self, prefix: str = "set/") -> dict[str, bytes]:
        names = [blob.name for blob in self.container.list_blobs(name_starts_with=prefix)]
        return {name[len(prefix) :]: self.container.download_blob(name).readall() for name in names}


@dataclass
class Google(Place):
    server: Server
    bucket: str

    def put(self, key: str, data: bytes) -> None:
        self.server.client().put_object(Bucket=self.bucket, Key=key, Body=data)

    def objects(self, prefix: str = "set/") -> dict[str, bytes]:
        return objects(self.server, self.bucket, prefix)


@contextlib.contextmanager
def azurite(folder: Path) -> Iterator[str]:
    """A running server's URL."""
    node = shutil.which("node")
    assert node is not None and AZURITE.exists(), "`make test-cluster` installs Azurite, with npm"
    port = free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(node, str(AZURITE.resolve()), "--location", str(folder), "--silent"),
                *("--blobPort", str(port), "--skipApiVersionCheck", "--disableTelemetry"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            wait_for(lambda: b"listens" in (folder / "log").read_bytes(), f"Azurite ({folder}/log)")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=30)


@contextlib.contextmanager
def azure(server: str, name: str, authority: trustme.CA) -> Iterator[Azure]:
    """An empty container."""
    from azure.storage.blob import BlobServiceClient

    client = BlobServiceClient(f"{server}/{ACCOUNT}", credential=ACCOUNT_KEY)
    container = client.create_container(name)
    with client, container, FaultyProxy(server, tls=tls(authority)) as proxy:
        env = {
            "AZURE_ENDPOINT": f"{proxy.url}/{ACCOUNT}",
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": ACCOUNT_KEY,
        }
        yield Azure(f"az://{name}", proxy, env, container)


@contextlib.contextmanager
def google(server: Server, name: str, authority: trustme.CA) -> Iterator[Place]:
    """An empty bucket."""
    server.client().create_bucket(Bucket=name)
    with (
        GoogleServer(server.url, KEY, SECRET) as translator,
        FaultyProxy(translator.url, tls=tls(authority)) as proxy,
    ):
        yield Google(f"gs://{name}", proxy, google_environment(proxy.url), server, name)


def tls(authority: trustme.CA) -> ssl.SSLContext:
    """For a server at 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def is_left_out() -> bool:
    """Whether Azurite is not here, and is not asked for."""
    return not AZURITE.exists() and not os.environ.get("FASTCONV_NEEDS_AZURITE")
