"""What an object store refuses, in words of fastconv's own.

The messages of libraries hold URLs, request headers and the store's answers, and in those may stand
signatures, key names and tokens. So nothing of them is passed on: they are only looked through for
what is known, and each of these has words here.
"""

from __future__ import annotations

import errno
import re

from fastconv.remote.path import RemotePath

# In the second way of one request among others in a batch.
_STATUS = re.compile(r"(?:status(?: code)?:? |\(code: )(\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
# Of 409 and 412, what says that an object is there already (some stores give no code), and what
# will not last.
_THERE = ("", "BlobAlreadyExists", "PreconditionFailed", "ConditionNotMet")
_LASTS = ("", "OperationAborted", "ConditionalRequestConflict", "ContainerBeingDeleted")
# Azure's for a list of parts of which it has none any more: it was carried out already.
_NO_PARTS = "InvalidBlockList"
# Where credentials are asked for on a cloud's machines: what fails there is no store.
_METADATA = re.compile(
    r"169\.254\.|metadata\.google\.internal|metadata/identity|sts[^ /]*amazonaws"
)
PATIENCE = "FASTCONV_STORE_PATIENCE"
SILENT = f"its server does not answer, or too slowly ({PATIENCE} is for how long it may take)"
CERTIFICATE = (
    "its certificate is not valid (SSL_CERT_FILE names a file of certificate authorities to trust)"
)
_TRANSPORT = (
    (r"dns error|failed to lookup", errno.EHOSTUNREACH, "the name of its server is not known"),
    (r"InvalidCertificate|UnknownIssuer|certificate", errno.EPROTO, CERTIFICATE),
    (r"[Cc]onnection refused", errno.ECONNREFUSED, "no server answers there"),
    (r"timed out|TimedOut", errno.ETIMEDOUT, SILENT),
    (
        r"IncompleteMessage|IncompleteBody|[Cc]onnection reset|ConnectionReset|BrokenPipe"
        r"|Broken pipe|UnexpectedEof|end of file|connection closed|error decoding response body"
        r"|request or response body error",
        errno.ECONNRESET,
        "its server ended the connection early",
    ),
    (r"error sending request|connection error", errno.ECONNRESET, "its server cannot be reached"),
)
NO_CREDENTIALS = (
    "no credentials were found: set the environment's variables, or for S3 a profile "
    "(docs/howto/object-stores.md)"
)

ODD_KEY = (
    "an object here or below has a name that cannot be used, with a control character or an empty "
    "part (as a//b has): move it elsewhere"
)
FAILED = (
    "the library that talks to the store failed: see to the settings (docs/howto/object-stores.md)"
)


def is_panic(error: BaseException) -> bool:
    """Whether obstore's library gave up altogether, which Python has no Exception of."""
    return type(error).__name__ == "PanicException"


def is_too_short(error: BaseException) -> bool:
    """Whether an object ends before the first byte that was asked for."""
    match = _STATUS.search(str(error))
    return match is not None and match[1] == "416"


def refusal(error: BaseException, path: RemotePath) -> tuple[OSError, bool]:
    """What to raise for an error of obstore's, and whether it may pass: then another attempt is
    worth it."""
    kind, text = type(error).__name__, str(error)
    if is_panic(error):
        return OSError(errno.EIO, FAILED, str(path)), False
    status = int(match[1]) if (match := _STATUS.search(text)) else 0
    code = match[1] if (match := _CODE.search(text)) else ""
    said = f"{status} {code}".strip() if status else code

    def words(number: int, reason: str) -> OSError:
        return OSError(number, reason, str(path))

    is_missing = isinstance(error, FileNotFoundError) or kind == "NotFoundError" or status == 404
    if is_missing or code == _NO_PARTS:
        if code in ("NoSuchBucket", "ContainerNotFound"):
            return words(errno.ENOENT, f"there is no {path.bucket}"), False
        return words(errno.ENOENT, "is not there"), False
    if kind in ("AlreadyExistsError", "PreconditionError") and code in _THERE:
        return words(errno.EEXIST, "is there already"), False
    if _METADATA.search(text) and not path.is_read_only:
        return words(errno.EACCES, NO_CREDENTIALS), False
    if kind in ("PermissionDeniedError", "UnauthenticatedError") or status in (401, 403):
        reason = f"the store refuses access ({said or 'it is denied'}): see to the credentials"
        return words(errno.EACCES, reason), False
    if "redirect" in text or status in (301, 307):
        return words(errno.EIO, "is in another region: set AWS_REGION to that of the bucket"), False
    if status == 416:
        return words(errno.EIO, "ends before the bytes that were asked for"), False
    if "range" in text.lower() and kind == "NotSupportedError":
        return words(errno.EIO, "its server does not give byte ranges"), False
    if status:
        passing = status >= 500 or status in (408, 425, 429) or (status == 409 and code in _LASTS)
        many = status in (429, 503) and code in ("", "SlowDown", "ServerBusy", "TooManyRequests")
        reason = f"the store asks for fewer requests ({said})" if many else f"the store says {said}"
        return words(errno.EAGAIN if many else errno.EIO, reason), passing
    for pattern, number, reason in _TRANSPORT:
        if re.search(pattern, text):
            return words(number, reason), number not in (errno.EHOSTUNREACH, errno.EPROTO)
    if kind == "InvalidPathError":
        return words(errno.EINVAL, ODD_KEY), False
    if kind in ("NotSupportedError", "NotImplementedError"):
        return words(errno.ENOTSUP, "the store cannot do that"), False
    return words(errno.EIO, f"the store's answer is not understood ({kind})"), False
