"""What the environment says of stores, looked at before a library fails at it in its own words."""

from __future__ import annotations

import base64
import binascii
import os
import re
from pathlib import Path

from fastconv.errors import UsageError
from fastconv.remote.refusals import PATIENCE

CHECKSUM = "AWS_CHECKSUM_ALGORITHM"
S3_NAMES = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"),
    *("AWS_REGION", "AWS_DEFAULT_REGION"),
)
TENANTS = ("AZURE_TENANT_ID", "AZURE_STORAGE_TENANT_ID", "AZURE_AUTHORITY_ID")
AZURE_KEYS = (
    *("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_MASTER_KEY"),
    "AZURE_STORAGE_KEY",
)
AUTHORITIES = "SSL_CERT_FILE"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TENANT = re.compile(r"[A-Za-z0-9._-]+")
_ENDPOINT = re.compile(
    r"(?i:https?)://([^\s/?#@]+@)?([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?"
    r"(/[A-Za-z0-9._~/-]*)?"
)


def patience_seconds() -> float:
    """For how long a store that fails is asked again. Raises UsageError."""
    said = os.environ.get(PATIENCE) or "60"
    try:
        seconds = float(said)
    except ValueError:
        seconds = 0
    if not 1 <= seconds <= 3600:
        raise UsageError(f"{PATIENCE} is a number of seconds from 1 to 3600, not {said!r}")
    return seconds


def check_settings(scheme: str) -> None:
    """Raises UsageError for variables that the library would fail at in its own way, and which no
    store can be reached by. What they are is not said: it may be a secret."""
    for name, value in os.environ.items():
        of_azure = scheme == "az" and name.startswith("AZURE_") and "FILE" not in name
        if (of_azure or name in S3_NAMES) and _CONTROL.search(value):
            raise UsageError(
                f"{name} holds a line end or another control character: set it without"
            )
        if of_azure and name in TENANTS and value and not _TENANT.fullmatch(value):
            raise UsageError(f"{name} is no tenant: it is an id or a domain's name")
        if of_azure and name in AZURE_KEYS and not _is_base64(value):
            raise UsageError(f"{name} is no key of an account: such keys are base64")
    if os.environ.get(CHECKSUM, "sha256").lower() not in ("", "sha256", "crc64nvme"):
        raise UsageError(f"{CHECKSUM} is SHA256 or CRC64NVME")


def _is_base64(value: str) -> bool:
    try:
        return bool(base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError):
        return False


def check_authorities() -> None:
    """Raises UsageError where the file of those to be trusted under TLS is none: what the library
    says of that is that the server's certificate is not valid."""
    if AUTHORITIES not in os.environ:  # the system's
        return
    try:
        known = b"-----BEGIN CERTIFICATE-----" in Path(os.environ[AUTHORITIES]).read_bytes()
    except OSError:
        known = False
    if not known:
        raise UsageError(
            f"{AUTHORITIES} names no file with certificates that can be read; unset it, or name one"
        )


def server_url(value: str, name: str) -> str:
    """A variable's value, as a server's URL without a slash at its end. Raises UsageError."""
    match = _ENDPOINT.fullmatch(value)
    if match is None or int(match["port"] or 1) not in range(1, 1 << 16):
        raise UsageError(
            f"{name} is the URL of a server, http:// or https:// with its name, and with its port "
            f"where that is another, as http://127.0.0.1:9000; what it is now is none"
        )
    scheme, _, rest = value.partition("://")
    return f"{scheme.lower()}://{rest.rstrip('/')}"
