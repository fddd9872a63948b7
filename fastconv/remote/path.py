"""Places in object stores, as their URLs. Nothing here asks a store anything."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from fastconv.errors import UsageError

# The schemes, and what the part behind :// is called there.
SCHEMES = {"s3": "bucket", "gs": "bucket", "az": "container", "http": "host", "https": "host"}
READ_ONLY = ("http", "https")
SIZED = "bytes="  # no ETag begins so: it is quoted
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_TYPO = re.compile(rf"({'|'.join(SCHEMES)}):(?!//)", re.IGNORECASE)  # for a folder, ./s3:x
_BUCKET = re.compile(r"[A-Za-z0-9$][A-Za-z0-9._-]*")
_CONTAINER = re.compile(r"\$root|\$web|[a-z0-9]+(-[a-z0-9]+)*")
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class RemotePath:
    """An object, or all those below a prefix. ``bucket`` is a bucket, a container, or a host with
    its port; ``key`` has no slash at either end, and is empty for all of the bucket."""

    scheme: str
    bucket: str
    key: str = ""

    def __str__(self) -> str:
        key = quote(self.key, safe="/!$&'()*+,;=:@-._~") if self.scheme in READ_ONLY else self.key
        return f"{self.scheme}://{self.bucket}/{key}".rstrip("/")

    def __truediv__(self, name: str) -> RemotePath:
        return RemotePath(self.scheme, self.bucket, f"{self.key}/{name}".strip("/"))

    @property
    def name(self) -> str:
        """The last part of the key; the bucket's name where there is no key."""
        return self.key.rpartition("/")[2] or self.bucket

    @property
    def parent(self) -> RemotePath:
        """What this lies in; the bucket itself is its own."""
        return RemotePath(self.scheme, self.bucket, self.key.rpartition("/")[0])

    @property
    def is_read_only(self) -> bool:
        return self.scheme in READ_ONLY


Place = Path | RemotePath


def is_remote(value: Any) -> bool:
    """Whether this names a place in an object store, or tries to, and not a file or a folder."""
    if isinstance(value, os.PathLike):
        return False
    text = str(value)
    return isinstance(value, RemotePath) or bool(_URL.fullmatch(text) or _TYPO.match(text))


def remote_path(value: str | RemotePath, option: str) -> RemotePath:
    """The place that an option's URL names. Raises UsageError where it is none that fastconv can
    use; the message never repeats a password, or what stands behind a question mark."""
    if isinstance(value, RemotePath):
        return value
    if typo := _TYPO.match(value):
        raise UsageError(f"{option} lacks a slash: it is {typo[1].lower()}://NAME/PATH")
    match = _URL.fullmatch(value)
    scheme = match[1].lower() if match else ""
    if match is None or scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        raise UsageError(f"{option} is a folder or a URL of {known}, not one of {scheme}://")
    bucket, _, key = match[2].partition("/")
    if "@" in bucket:
        raise UsageError(
            f"{option} has a name or a password before its {SCHEMES[scheme]}, which would be seen; "
            f"take it out: credentials come from the environment, or from profile files"
        )
    if "?" in match[2]:
        raise UsageError(
            f"{option} has a question mark, and what is behind it may be a secret that would be "
            f"seen; take it out: credentials come from the environment, or from profile files"
        )
    if scheme in READ_ONLY and "#" in match[2]:
        raise UsageError(
            f"{option} has a #, and no server is told what is behind it; leave it out, or write "
            f"%23 where it is part of a name"
        )
    host = _HOST.fullmatch(bucket)
    if scheme in READ_ONLY and host and int((host[2] or ":1")[1:]) not in range(1, 1 << 16):
        raise UsageError(f"{option} has a port that is none: it is a number from 1 to 65535")
    if not (host if scheme in READ_ONLY else _BUCKET.fullmatch(bucket)):
        raise UsageError(f"{option} names no {SCHEMES[scheme]}: it is {scheme}://NAME/PATH")
    if scheme == "az" and not (_CONTAINER.fullmatch(bucket) and 3 <= len(bucket) <= 63):
        raise UsageError(
            f"{option} names no container of Azure's: those have 3 to 63 of a-z, 0-9 and single -"
        )
    if scheme == "az" and "\\" in key:
        raise UsageError(f"{option} has a backslash, which Azure takes for a slash; write /")
    if scheme in READ_ONLY:
        bucket, key = bucket.lower(), unquote(key)
    key = key.removesuffix("/")
    parts = key.split("/")
    if key and any(part in ("", ".", "..") for part in parts):
        raise UsageError(
            f"{option} has an empty part, or a part . or .., in its path; leave it out"
        )
    return RemotePath(scheme, bucket, key)


def known_path(url: str) -> RemotePath | None:
    """The place that a URL of fastconv's own stands for, as str() of it gave it; None for the path
    of a file or folder on disk."""
    scheme, colon, rest = url.partition("://")
    if not colon or scheme not in SCHEMES:
        return None
    bucket, _, key = rest.partition("/")
    return RemotePath(scheme, bucket, unquote(key) if scheme in READ_ONLY else key)


class Extent(NamedTuple):
    """Bytes of an object: from ``start`` on, ``size`` of them, of this ``version`` of it."""

    path: RemotePath
    start: int
    size: int
    version: str


def sized(size: int) -> str:
    """The version of an object of which nothing is known but how many bytes it has."""
    return f"{SIZED}{size}"
