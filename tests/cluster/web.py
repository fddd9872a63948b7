"""Web servers of the tests' own; a plain one of files by byte ranges, as those of data sets are: no
listings, no writes."""

from __future__ import annotations

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

Server = TypeVar("Server", bound="LocalServer")


class QuietHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass


class LocalServer:
    """A web server on a thread of this process, as a context manager."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self: Server) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class WebServer(LocalServer):
    """``etags``: whether answers have ETags, and If-Match is heeded."""

    def __init__(self, folder: Path, etags: bool = True) -> None:
        self.folder, self.etags = folder, etags
        self.requests: list[str] = []
        super().__init__(self._handler())

    def _handler(server) -> type[BaseHTTPRequestHandler]:
        class Handler(QuietHandler):
            def do_HEAD(self) -> None:
                self._answer(with_body=False)

            def do_GET(self) -> None:
                self._answer(with_body=True)

            def _answer(self, with_body: bool) -> None:
                server.requests.append(f"{self.command} {self.path}")
                file = server.folder / unquote(self.path).lstrip("/")
                if not file.is_file():
                    self.send_response(404)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                data = file.read_bytes()
                etag = f'"{hashlib.md5(data).hexdigest()}"'
                wanted = self.headers.get("If-Match")
                if server.etags and wanted and wanted != etag:
                    self.send_response(412)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
                start, stop = (int(match[1]), int(match[2]) + 1) if match else (0, len(data))
                part = data[start:stop]
                if match and not part:
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(data)}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(206 if match else 200)
                if match:
                    last = start + len(part) - 1
                    self.send_header("Content-Range", f"bytes {start}-{last}/{len(data)}")
                if server.etags:
                    self.send_header("ETag", etag)
                self.send_header("Last-Modified", self.date_time_string(int(file.stat().st_mtime)))
                self.send_header("Content-Length", str(len(part)))
                self.end_headers()
                if with_body:
                    self.wfile.write(part)

        return Handler
