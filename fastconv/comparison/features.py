"""Two records as parsed features: what differs, in words, and a digest of what one holds."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from fastconv.comparison.report import FeatureDifference
from fastconv.reader import parse_example

# By name: arrays of shape (n,), float32, int64, or object holding bytes.
Features: TypeAlias = dict[str, Any]

KEY = "image/filename"
CLASS = ("image/class/synset", "image/class/label")
DIGEST_BYTES = 16
TEXT_MAX = 60  # characters of a value that is shown as text
VALUES_MAX = 4  # values that are shown; of longer lists, the first that differs
HEX_DIGITS = 12
KINDS = {"f": "float", "i": "int64", "O": "bytes"}

_NAME = struct.Struct("<I")
_LIST = struct.Struct("<cQ")
_VALUE = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class Rules:
    """What counts as a difference. ``key``: the features that a record is known by; ``given``:
    whether somebody chose them."""

    key: tuple[str, ...] = (KEY,)
    given: bool = False
    ignored: frozenset[str] = frozenset()
    tolerance: float = 0.0
    same_bytes: bool = False


def parsed(payload: bytes) -> Features | None:
    """The features of an Example; None where the payload is none."""
    try:
        features: Features = parse_example(payload)
    except ValueError:
        return None
    return features


def same_values(a: Any, b: Any, tolerance: float = 0.0) -> bool:
    """Whether two features are equal: of the same kind, and value for value. Floats are equal if
    their bits are, or if they differ by no more than `tolerance`, where there is one."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.kind == "O":
        return bool(a.tolist() == b.tolist())
    if a.tobytes() == b.tobytes():
        return True
    return a.dtype.kind == "f" and tolerance > 0 and bool(_close(a, b, tolerance).all())


def _close(a: Any, b: Any, tolerance: float) -> Any:
    left, right = a.astype(np.float64), b.astype(np.float64)
    return np.isclose(left, right, rtol=0.0, atol=tolerance, equal_nan=True)


def differing(a: Features, b: Features, rules: Rules) -> list[str]:
    """The names of the features that differ, those of the key first, then by name."""
    names = sorted((a.keys() | b.keys()) - rules.ignored, key=lambda n: (n not in rules.key, n))
    return [
        name
        for name in names
        if name not in a or name not in b or not same_values(a[name], b[name], rules.tolerance)
    ]


def described(
    names: Iterable[str], a: Features, b: Features, tolerance: float
) -> tuple[FeatureDifference, ...]:
    """Those features with what each side has, in words."""
    return tuple(
        FeatureDifference(name, *_sides(a.get(name), b.get(name), tolerance)) for name in names
    )


def _sides(a: Any, b: Any, tolerance: float) -> tuple[str | None, str | None]:
    if a is None or b is None:
        return (None if a is None else _values(a)), (None if b is None else _values(b))
    if a.dtype != b.dtype:
        return f"{_values(a)} ({_kind(a)})", f"{_values(b)} ({_kind(b)})"
    if max(len(a), len(b)) <= VALUES_MAX:
        left, right = _values(a), _values(b)
        if left == right and a.dtype.kind == "f":  # NaNs, and what rounds to the same words
            return f"{left} (bits {_bits(a)})", f"{right} (bits {_bits(b)})"
        return left, right
    at, end = 0, min(len(a), len(b))
    while at < end and same_values(a[at : at + 1], b[at : at + 1], tolerance):
        at += 1
    return _at(a, at), _at(b, at)


def _at(values: Any, at: int) -> str:
    of = f"{len(values):,} value{'' if len(values) == 1 else 's'}"
    return f"{of}, [{at}] is {_value(values[at])}" if at < len(values) else of


def _kind(values: Any) -> str:
    return KINDS[values.dtype.kind]


def _values(values: Any) -> str:
    if len(values) == 1:
        return _value(values[0])
    if len(values) > VALUES_MAX:
        return f"{len(values):,} values"
    return f"[{', '.join(map(_value, values))}]" if len(values) else "an empty list"


def _value(value: Any) -> str:
    return summary(value) if isinstance(value, bytes) else str(value)


def _bits(values: Any) -> str:
    return " ".join(f"{bits:08x}" for bits in values.view("<u4").tolist())


def summary(data: bytes) -> str:
    """Bytes in words: short text as it is, all else as its length and the beginning of its SHA-256,
    as sha256sum gives it."""
    if len(data) <= TEXT_MAX:
        text = readable(data)
        if text is not None:
            return f"'{text}'"
    return f"{len(data):,} bytes, SHA-256 {hashlib.sha256(data).hexdigest()[:HEX_DIGITS]}…"


def readable(data: bytes) -> str | None:
    """Text that a terminal can show as it is, or None."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None


def key_text(features: Features | None, key: tuple[str, ...]) -> str:
    """What a record is known by, in words; empty where it has nothing of it."""
    parts = []
    for name in key:
        values = (features or {}).get(name)
        if values is not None and len(values):
            text = readable(values[0]) if isinstance(values[0], bytes) else None
            short = text is not None and len(values) == 1 and 0 < len(text) <= 4 * TEXT_MAX
            parts.append(str(text) if short else _values(values))
    return ", ".join(parts)


def digest(features: Features, names: Iterable[str], size: int = DIGEST_BYTES) -> bytes:
    """A digest of these features, `size` bytes: equal for equal features, whatever their wire form
    was. Names that the record does not have are passed over."""
    state = hashlib.blake2b(digest_size=size)
    for name in sorted(names):
        values = features.get(name)
        if values is None:
            continue
        encoded = name.encode("utf-8")
        state.update(_NAME.pack(len(encoded)) + encoded)
        state.update(_LIST.pack(values.dtype.kind.encode(), len(values)))
        if values.dtype.kind == "O":
            for value in values:
                state.update(_VALUE.pack(len(value)))
                state.update(value)
        else:
            state.update(values.tobytes())
    return state.digest()
