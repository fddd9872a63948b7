"""The XML interface of Google Cloud Storage before the tests' S3 server.

Google's servers cannot be run anywhere else, and that interface is made to be S3's but for
signatures and some headers. So this is that difference: requests are signed anew for S3, Google's
headers turned into S3's, and conditions kept, which the tests' server does not know. What is not
here is what only Google's own servers do, such as their tokens and their limits.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
from http.server import BaseHTTPRequestHandler
from urllib.parse import quote, unquote, urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from cluster.web import LocalServer, QuietHandler

PASSED_ON = ("range", "content-type")
SENT_BACK = ("content-type", "content-length", "content-range", "last-modified", "etag")


class GoogleServer(LocalServer):
    """It is asked without TLS, and Google's clients only speak under it."""

    def __init__(self, upstream: str, key: str, secret: str) -> None:
        self._place = urlsplit(upstream).netloc
        self._signer = S3SigV4Auth(Credentials(key, secret), "s3", "us-east-1")
        self._etags: dict[str, str] = {}
        super().__init__(self._handler())

    def _asked(
        self, method: str, target: str, headers: dict[str, str], body: bytes = b""
    ) -> tuple[int, dict[str, str], bytes]:
        """The S3 server's status, headers and content."""
        path, mark, query = target.partition("?")
        target = quote(unquote(path), safe="/~") + mark + query  # as S3's signatures have it
        request = AWSRequest(method, f"http://{self._place}{target}", headers=headers, data=body)
        self._signer.add_auth(request)
        upstream = http.client.HTTPConnection(self._place, timeout=60)
        try:
            upstream.request(method, target, body, dict(request.headers.items()))
            answer = upstream.getresponse()
            content, told = answer.read(), {k.lower(): v for k, v in answer.getheaders()}
        finally:
            upstream.close()
        told = {name: value for name, value in told.items() if name in SENT_BACK}
        if answer.status < 300:
            self._keep_etag(method, path, told, content)
        return answer.status, told, content

    def _keep_etag(self, method: str, path: str, told: dict[str, str], content: bytes) -> None:
        """The server says an object's ETag when it is written, and not when it is read."""
        if method in ("PUT", "POST"):
            match = re.search(rb"<ETag>(?:&#34;|&quot;|\")?([^<&\"]+)", content)
            self._etags[path] = f'"{match[1].decode()}"' if match else told.get("etag", "")
        elif "last-modified" in told:
            size = told.get("content-range", told["content-length"]).rpartition("/")[2]
            version = f"{path} {size} {told['last-modified']}"
            other = f'"{hashlib.md5(version.encode()).hexdigest()}"'
            told["etag"] = self._etags.get(path) or other

    def _refuses(self, target: str, conditions: dict[str, str | None]) -> bool:
        """Whether what a request depends on does not hold."""
        if not any(conditions.values()):
            return False
        status, told, _ = self._asked("HEAD", target.partition("?")[0], {})
        if conditions["generation"] == "0" and status == 200:
            return True
        return conditions["etag"] is not None and conditions["etag"] != told.get("etag")

    def _handler(server) -> type[BaseHTTPRequestHandler]:
        class Handler(QuietHandler):
            def _pass_on(self) -> None:
                said = self.headers.get
                body = self.rfile.read(int(said("Content-Length") or 0))
                conditions = {
                    "generation": said("x-goog-if-generation-match"),
                    "etag": said("if-match"),
                }
                status, told, content = 412, {"content-length": "0"}, b""
                if not server._refuses(self.path, conditions):
                    passed = {name: said(name) or "" for name in PASSED_ON if said(name)}
                    status, told, content = server._asked(self.command, self.path, passed, body)
                self.send_response(status)
                for name, value in told.items():
                    self.send_header(name, value)
                self.send_header("x-goog-generation", "1")
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on

        return Handler


def google_environment(url: str) -> dict[str, str]:
    """What leads to a server: a service account that says so itself."""
    account = {"gcs_base_url": url, "disable_oauth": True, "client_email": ""}
    key = json.dumps({**account, "private_key": "", "private_key_id": ""})
    return {"GOOGLE_SERVICE_ACCOUNT_KEY": key}
