"""A connection to one bucket: which endpoint, whose credentials, how patient."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from fastconv.errors import UsageError
from fastconv.remote.path import RemotePath
from fastconv.remote.refusals import FAILED, NO_CREDENTIALS, is_panic
from fastconv.remote.settings import (
    AUTHORITIES,
    CHECKSUM,
    check_authorities,
    check_settings,
    patience_seconds,
    server_url,
)

if TYPE_CHECKING:
    from obstore.store import ObjectStore

NEEDS = "object stores need obstore and boto3: pip install 'fastconv[remote]'"
SLOW = 3  # a request may take so many times the patience: 8 MiB at 50 kB/s, by default
TOKEN_MINUTES = 15  # for how long a key is used before the profile is asked for it again
AZURE_ENDPOINTS = ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
SETTINGS = {
    "s3": "the settings cannot be used: see to the variables that begin with AWS_",
    "gs": "the credentials cannot be used: see to GOOGLE_APPLICATION_CREDENTIALS, "
    "GOOGLE_SERVICE_ACCOUNT or GOOGLE_SERVICE_ACCOUNT_KEY, and to the file that is named there",
    "az": "the account is not known, or its credentials cannot be used: see to "
    "AZURE_STORAGE_ACCOUNT_NAME, and to AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_KEY",
    "http": "is not at a server that can be asked",
    "https": "is not at a server that can be asked",
}


def connect(path: RemotePath, *, uploads: bool = False) -> ObjectStore:
    """obstore's store of a path's bucket; with ``uploads``, one for large bodies. Raises UsageError
    where an extra is missing, and PermissionError where there are no credentials."""
    try:
        from obstore import store
    except ImportError:
        raise UsageError(NEEDS) from None
    patience = patience_seconds()
    slow = SLOW * patience
    retry: Any = {
        "max_retries": 20,
        "retry_timeout": timedelta(seconds=slow if uploads else patience * 0.7),
        "backoff": {
            "init_backoff": timedelta(milliseconds=100),
            "max_backoff": timedelta(seconds=min(5, patience / 10)),
            "base": 2,
        },
    }
    # The time of silence runs while a body is sent, too, which no server answers before its end.
    client: Any = {
        "connect_timeout": timedelta(seconds=min(5, patience / 4)),
        "read_timeout": timedelta(seconds=slow if uploads else patience / 3),
        "timeout": timedelta(seconds=slow),
    }
    check_settings(path.scheme)
    more: Any = {"client_options": client, "retry_config": retry}
    if path.scheme == "s3":
        more["config"], more["credential_provider"] = _s3(path)
        client["allow_http"] = _is_clear(more["config"])
        return _made(path, store.S3Store, more)
    if path.scheme == "gs":
        return _made(path, store.GCSStore, more)
    if path.scheme == "az":
        names = [name for name in AZURE_ENDPOINTS if name in os.environ]
        endpoints = [server_url(os.environ[name], name) for name in names]
        more["config"] = {"endpoint": endpoints[-1]} if endpoints else {}
        client["allow_http"] = _is_clear(more["config"])
        return _made(path, store.AzureStore, more)
    client["allow_http"] = path.scheme == "http"

    def of_host(host: str, **more: Any) -> ObjectStore:
        return store.HTTPStore.from_url(f"{path.scheme}://{host}", **more)

    return _made(path, of_host, more)


def _made(path: RemotePath, make: Callable[..., ObjectStore], more: dict[str, Any]) -> ObjectStore:
    """A store. The library's own words are not passed on: settings stand in them."""
    if not more["client_options"].get("allow_http"):
        check_authorities()
    try:
        return make(path.bucket, **more)
    except Exception:
        reason = SETTINGS[path.scheme]
    except BaseException as error:
        if not is_panic(error):
            raise
        reason = FAILED
    raise OSError(errno.EACCES, reason, str(path))


def _is_clear(config: dict[str, str]) -> bool:
    """Whether a server is talked to without TLS."""
    return config.get("endpoint", "").startswith("http://")


class _Profile:
    """Keys from boto3's chain: profile files, single sign-on, roles of machines and of pods."""

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials

    def __call__(self) -> Any:
        frozen = self._credentials.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(timezone.utc) + timedelta(minutes=TOKEN_MINUTES),
        }


def s3_client(path: RemotePath) -> Any:
    """botocore's client of the same endpoint with the same credentials, for what obstore has no
    words for. Raises what botocore raises, and OSError."""
    from botocore import UNSIGNED
    from botocore.config import Config

    config, _ = _s3(path)
    settings: dict[str, Any] = {"connect_timeout": 5, "read_timeout": 20}
    if "endpoint" in config:
        settings["s3"] = {"addressing_style": "path"}
    if _is_unsigned():
        settings["signature_version"] = UNSIGNED
    return _session().create_client(
        "s3",
        endpoint_url=config.get("endpoint"),
        region_name=config.get("region"),
        verify=os.environ.get(AUTHORITIES) or None,  # as obstore has it
        config=Config(retries={"mode": "standard", "total_max_attempts": 4}, **settings),
    )


def _is_unsigned() -> bool:
    return os.environ.get("AWS_SKIP_SIGNATURE", "").lower() in ("1", "true", "yes")


def _s3(path: RemotePath) -> tuple[Any, Any]:
    """(settings, a provider of credentials or None where the environment has them)."""
    said = os.environ.get
    # Of each request's body a SHA-256 is signed; this has the store keep it with the object, too.
    # Deleting many at once is not what every store understands.
    config = {
        "checksum_algorithm": said(CHECKSUM) or "SHA256",
        "disable_bulk_delete": True,
    }
    name = next((name for name in ENDPOINTS if said(name)), "")
    endpoint = said(name) if name else None
    region = said("AWS_REGION") or said("AWS_DEFAULT_REGION")
    provider = None
    has_keys = said("AWS_ACCESS_KEY_ID") and said("AWS_SECRET_ACCESS_KEY")
    unsigned = _is_unsigned()
    if not (has_keys or unsigned) or not (endpoint and region):
        session = _session()
        profile = _asked(session.get_scoped_config, path)
        services = session.full_config.get("services", {}).get(profile.get("services"), {})
        own = services.get("s3", {}).get("endpoint_url") if isinstance(services, dict) else None
        endpoint = endpoint or own or profile.get("endpoint_url")
        region = region or session.get_config_variable("region")
        if not (has_keys or unsigned):
            credentials = _asked(session.get_credentials, path)
            if credentials is None:
                raise OSError(errno.EACCES, NO_CREDENTIALS, str(path))
            provider = _Profile(credentials)
    if endpoint:
        config["endpoint"] = server_url(endpoint, name or "the profile's endpoint_url")
    if region:
        config["region"] = region
    return config, provider


def _session() -> Any:
    try:
        from botocore.session import Session
    except ImportError:
        raise UsageError(NEEDS) from None
    return Session()


def _asked(question: Any, path: RemotePath) -> Any:
    """A question to botocore. PermissionError where a profile is missing or cannot be used."""
    from botocore.exceptions import BotoCoreError

    try:
        return question()
    except BotoCoreError as error:
        kind = type(error).__name__
    reason = f"the credentials' profile cannot be used ({kind}): see to AWS_PROFILE and its files"
    raise OSError(errno.EACCES, reason, str(path))
