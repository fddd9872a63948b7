"""Uploads that nobody finished or aborted: of a process that was killed, or whose beginning the
store did, while its answer was lost. They are in no listing, and are paid for.

S3 alone says which there are. Azure forgets them after a week; of Google's, a lifecycle rule of the
bucket's takes care (docs/howto/object-stores.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastconv.remote.backends import s3_client
from fastconv.remote.path import RemotePath
from fastconv.remote.threads import HASTE, within

AT_MOST_SECONDS = 120.0


def abort_leftovers(place: RemotePath, is_ours: Callable[[str], bool]) -> int:
    """Abort the uploads of objects below a place whose paths, relative to it, are ours; returns how
    many. Nothing is raised: a store that does not say which there are, or a user who may not ask,
    leaves them to a lifecycle rule."""
    if place.scheme != "s3":
        return 0
    left = HASTE.seconds
    seconds = AT_MOST_SECONDS if left is None else left
    try:
        return within(lambda: _abort(place, is_ours), seconds)
    except TimeoutError:
        return 0


def _abort(place: RemotePath, is_ours: Callable[[str], bool]) -> int:
    from botocore.exceptions import BotoCoreError, ClientError

    begin, aborted = len(place.key) + bool(place.key), 0
    try:
        client = s3_client(place)
        try:
            for upload in _uploads(client, place):
                if is_ours(upload["Key"][begin:]):
                    client.abort_multipart_upload(
                        Bucket=place.bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                    )
                    aborted += 1
        finally:
            client.close()
    except (BotoCoreError, ClientError, OSError):
        pass
    return aborted


def _uploads(client: Any, place: RemotePath) -> list[dict[str, str]]:
    prefix = f"{place.key}/" if place.key else ""
    pages = client.get_paginator("list_multipart_uploads")
    found = []
    for page in pages.paginate(Bucket=place.bucket, Prefix=prefix):
        found += page.get("Uploads", [])
    return found
