"""A connection to one bucket: which endpoint, whose credentials, how patient."""

from __future__ import annotations

import errno
import os
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from fastconv.errors import UsageError
from fastconv.remote.path import RemotePath
from fastconv.remote.refusals import NO_CREDENTIALS

if TYPE_CHECKING:
    from obstore.store import ObjectStore

NEEDS = "object stores need obstore and boto3: pip install 'fastconv[remote]'"
PATIENCE = "FASTCONV_STORE_PATIENCE"
TOKEN_MINUTES = 15  # for how long a key is used before the profile is asked for it again


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


def connect(path: RemotePath) -> ObjectStore:
    """obstore's store of a path's bucket. Raises UsageError where an extra is missing, and
    PermissionError where there are no credentials."""
    try:
        from obstore import store
    except ImportError:
        raise UsageError(NEEDS) from None
    patience = patience_seconds()
    retry: Any = {
        "max_retries": 20,
        "retry_timeout": timedelta(seconds=patience * 0.7),
        "backoff": {
            "init_backoff": timedelta(milliseconds=100),
            "max_backoff": timedelta(seconds=min(5, patience / 10)),
            "base": 2,
        },
    }
    client: Any = {
        "connect_timeout": timedelta(seconds=min(5, patience / 4)),
        "read_timeout": timedelta(seconds=patience / 3),
        "timeout": timedelta(seconds=patience),
    }
    if path.scheme == "s3":
        config, provider = _s3(path)
        client["allow_http"] = str(config.get("endpoint", "")).startswith("http://")
        return store.S3Store(
            path.bucket,
            config=config,
            client_options=client,
            retry_config=retry,
            credential_provider=provider,
        )
    if path.scheme == "gs":
        return store.GCSStore(path.bucket, client_options=client, retry_config=retry)
    if path.scheme == "az":
        client["allow_http"] = os.environ.get("AZURE_ENDPOINT", "").startswith("http://")
        return store.AzureStore(path.bucket, client_options=client, retry_config=retry)
    client["allow_http"] = path.scheme == "http"
    return store.HTTPStore.from_url(
        f"{path.scheme}://{path.bucket}", client_options=client, retry_config=retry
    )


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
        "checksum_algorithm": said("AWS_CHECKSUM_ALGORITHM") or "SHA256",
        "disable_bulk_delete": True,
    }
    endpoint = said("AWS_ENDPOINT_URL_S3") or said("AWS_ENDPOINT_URL") or said("AWS_ENDPOINT")
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
        config["endpoint"] = endpoint.rstrip("/")
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
