"""Two hosts with a network between them that can be cut: namespaces of this machine's network."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress


def why_not() -> str:
    """Why there can be none here; empty where there can."""
    if shutil.which("ip") is None:
        return "ip (iproute2) is missing"
    if os.geteuid() != 0:
        return "network namespaces need root"
    try:
        with Network("probe"):
            return ""
    except subprocess.CalledProcessError as error:
        return f"network namespaces cannot be made here: {error.stderr.decode().strip()}"


class Network:
    """Hosts 0 and 1, with the addresses ``addresses``; ``within(host)`` are the words that run a
    command on one."""

    def __init__(self, name: str) -> None:
        self.hosts = [f"fc-{name}-{os.getpid()}-{side}" for side in (0, 1)]
        self.links = [f"fc{os.getpid() % 10**8}{side}" for side in "ab"]
        self.addresses = ["10.213.7.1", "10.213.7.2"]

    def __enter__(self) -> Network:
        try:
            for host in self.hosts:
                _ip("netns", "add", host)
            first, second = self.links
            _ip("link", "add", first, "type", "veth", "peer", "name", second)
            for host, link, address in zip(self.hosts, self.links, self.addresses, strict=True):
                _ip("link", "set", link, "netns", host)
                _ip("-n", host, "address", "add", f"{address}/30", "dev", link)
                _ip("-n", host, "link", "set", link, "up")
                _ip("-n", host, "link", "set", "lo", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for host in self.hosts:
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "delete", host)
        with suppress(subprocess.CalledProcessError):
            _ip("link", "delete", self.links[0])

    def within(self, host: int) -> list[str]:
        return ["ip", "netns", "exec", self.hosts[host]]

    def cut(self) -> None:
        _ip("-n", self.hosts[1], "link", "set", self.links[1], "down")

    def mend(self) -> None:
        _ip("-n", self.hosts[1], "link", "set", self.links[1], "up")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
