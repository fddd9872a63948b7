"""An HTTP proxy before a real server, which delays, cuts off and refuses what it is told to.

It passes heads on as they are, Host among them: S3's signatures cover it. Where it is told to, it
is spoken to under TLS, and speaks in the clear to the server.
"""

from __future__ import annotations

import contextlib
import random
import re
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

STEPS = 20  # of a slow body
BUSY = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>slower</Message></Error>"
BROKEN = b"<?xml version='1.0'?><Error><Code>InternalError</Code><Message>m</Message></Error>"


@dataclass(slots=True)
class Fault:
    """What happens to requests whose line (``GET /bucket/key?…``) matches: ``kind`` is

    "latency" (``seconds`` before it is passed on), "status" (this ``status`` is the answer, and the
    request is not passed on), "reset" (the connection is reset when the request is there), "after"
    (the same, when the server has done it), "truncate" (half of the answer's body, then the end),
    "flip" (a bit of the request's body changes), "hang" (no answer, for ``seconds``), "slow" (the
    bodies, to and fro, take ``seconds`` each, a bit at a time), "busy" (the answer, to several
    requests in one, has refusals in it), or "text" (this ``text`` is the answer). The first
    ``times`` of them, each by this ``chance``.
    """

    kind: str
    match: str = ""
    times: float = float("inf")
    chance: float = 1.0
    status: int = 503
    seconds: float = 0.0
    text: str = ""
    hits: int = 0


@dataclass(slots=True)
class FaultyProxy:
    """A context manager. ``requests`` are the lines of all requests, ``heads`` their heads."""

    upstream: str
    tls: ssl.SSLContext | None = None
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    url: str = ""
    _listener: socket.socket | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _dice: random.Random = field(default_factory=lambda: random.Random(1))
    _open: set[socket.socket] = field(default_factory=set)
    _threads: list[threading.Thread] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> FaultyProxy:
        self._listener = socket.create_server(("127.0.0.1", 0))
        scheme = "https" if self.tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.stop_listening()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def stop_listening(self) -> None:
        """From now on nobody answers at this port."""
        assert self._listener is not None
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def add(self, kind: str, match: str = "", **more: Any) -> Fault:
        """From now on this happens; returns it, with the count of its ``hits``."""
        fault = Fault(kind, match, **more)
        self.faults.append(fault)
        return fault

    def _start(self, run: object, *args: object) -> None:
        thread = threading.Thread(target=run, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        assert self._listener is not None
        while not self._ended.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, connection)

    def _serve(self, client: socket.socket) -> None:
        place = urlsplit(self.upstream)
        if self.tls:
            try:
                client = self.tls.wrap_socket(client, server_side=True)
            except OSError:  # who does not trust it leaves
                client.close()
                return
        with client, socket.create_connection((place.hostname or "", place.port or 80)) as server:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {client, server}
            try:
                with client.makefile("rb") as asked, server.makefile("rb") as answered:
                    while self._exchange(client, server, asked, answered):
                        pass
            except OSError:
                pass
            finally:
                with self._lock:
                    self._open -= {client, server}

    def _exchange(self, client: socket.socket, server: socket.socket, asked, answered) -> bool:  # type: ignore[no-untyped-def]
        """One request and its answer; whether another may follow."""
        head = _head(asked)
        if not head:
            return False
        line = head.split(b"\r\n", 1)[0].decode("latin-1").rpartition(" ")[0]
        self.heads.append(head)
        fault = self._fault_of(line)
        kind = fault.kind if fault else ""
        body = _body(asked, head, fault.seconds if fault and kind == "slow" else 0)
        if fault and kind == "latency":
            time.sleep(fault.seconds)
        if fault and kind == "hang":
            self._ended.wait(fault.seconds)
            return False
        if kind == "flip" and body:
            body = body[:-1] + bytes([body[-1] ^ 1])
        if kind == "reset":
            _reset(client)
            return False
        if fault and kind == "status":
            text = BUSY if fault.status in (429, 503) else BROKEN
            answer = f"HTTP/1.1 {fault.status} Injected\r\nContent-Length: {len(text)}\r\n\r\n"
            client.sendall(answer.encode() + (b"" if line.startswith("HEAD") else text))
            return True
        if fault and kind == "text":
            client.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(fault.text)}\r\n\r\n".encode())
            client.sendall(fault.text.encode())
            return True
        server.sendall(head + body)
        got = _head(answered)
        if not got:
            return False
        content = b"" if line.startswith("HEAD") else _body(answered, got)
        if kind == "after":
            _reset(client)
            return False
        if kind == "busy":
            # As long as it was: its length is in the head.
            content = content.replace(b" 202 Accepted", b" 503 Busy now")
        if kind == "truncate" and len(content) > 1:
            client.sendall(got + content[: len(content) // 2])
            return False
        if fault and kind == "slow" and content:
            client.sendall(got)
            for at in range(STEPS):
                time.sleep(fault.seconds / STEPS)
                client.sendall(
                    content[at * len(content) // STEPS : (at + 1) * len(content) // STEPS]
                )
        else:
            client.sendall(got + content)
        return b"connection: close" not in got.lower()

    def _fault_of(self, line: str) -> Fault | None:
        with self._lock:
            self.requests.append(line)
            for fault in self.faults:
                if fault.times > 0 and re.search(fault.match, line):
                    if self._dice.random() >= fault.chance:
                        continue
                    fault.times -= 1
                    fault.hits += 1
                    return fault
        return None


def _head(stream) -> bytes:  # type: ignore[no-untyped-def]
    lines = []
    while line := stream.readline():
        lines.append(line)
        if line == b"\r\n":
            return b"".join(lines)
    return b""


def _body(stream, head: bytes, seconds: float = 0) -> bytes:  # type: ignore[no-untyped-def]
    """As it stands on the wire, chunks with their sizes. What has a length takes so long."""
    low = head.lower()
    if b"transfer-encoding: chunked" in low:
        parts = []
        while True:
            size = stream.readline()
            parts += [size, stream.read(int(size.split(b";")[0], 16) + 2)]
            if int(size.split(b";")[0], 16) == 0:
                return b"".join(parts)
    match = re.search(rb"\r\ncontent-length: (\d+)", low)
    size, body = int(match[1]) if match else 0, b""
    if seconds and size:
        for _ in range(STEPS - 1):
            body += stream.read(size // STEPS)
            time.sleep(seconds / STEPS)
    return body + bytes(stream.read(size - len(body)))


def _reset(connection: socket.socket) -> None:
    """The end that is no end: RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
