"""tf.train.Example from Python values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from fastconv import _tfrecord

# bytes, str, int, float, or a list, tuple or one-dimensional array of one of them
FeatureValue: TypeAlias = Any


def _listed(value: FeatureValue) -> list[Any]:
    if isinstance(value, list | tuple):
        return list(value)
    return [value]


def _feature(key: str, value: FeatureValue) -> tuple[bytes, str, Any]:
    name = _utf8(key, key)
    if isinstance(value, np.ndarray | np.generic):
        array = np.atleast_1d(value)
        if array.ndim != 1:
            raise ValueError(f"feature {key!r}: an array of shape {array.shape}; flatten it first")
        if array.dtype.kind == "f":
            return name, "float", array.astype("<f4").tobytes()
        if array.dtype.kind in "iub":
            return name, "int64", _checked(key, array.tolist())
        value = array.tolist()
    items = _listed(value)
    if all(isinstance(item, bytes | bytearray | memoryview | str) for item in items) and items:
        return (
            name,
            "bytes",
            [_utf8(key, item) if isinstance(item, str) else bytes(item) for item in items],
        )
    if all(isinstance(item, int | np.integer) for item in items) and items:
        return name, "int64", _checked(key, [int(item) for item in items])
    if all(isinstance(item, int | float | np.integer | np.floating) for item in items) and items:
        try:
            return name, "float", np.array(items, "<f4").tobytes()
        except OverflowError as error:
            raise ValueError(f"feature {key!r}: {error}") from None
    if not items:
        raise ValueError(
            f"feature {key!r}: an empty list has no kind; give np.empty(0, np.float32), "
            f"np.empty(0, np.int64) or np.empty(0, object)"
        )
    raise TypeError(f"feature {key!r}: {items[0]!r} and its like are no bytes, ints or floats")


def _utf8(key: str, text: str) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"feature {key!r}: its name is no str")
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"feature {key!r}: {text!r} has no UTF-8 form: {error.reason}") from None


def _checked(key: str, items: list[Any]) -> list[int]:
    for item in items:
        if not -(2**63) <= item < 2**63:
            raise ValueError(f"feature {key!r}: {item} does not fit into an int64")
    return [int(item) for item in items]


def encode_example(features: Mapping[str, FeatureValue]) -> bytes:
    """A serialized tf.train.Example.

    A value is bytes, str (stored as UTF-8), int, float, or a list, tuple or array of shape (n,) of
    one of these; floats are stored as float32. The features stand sorted by name, so that equal
    mappings give equal bytes. An empty array of a dtype gives an empty list of its kind (object:
    bytes). Raises ValueError or TypeError, naming the feature, for anything else.
    """
    encoded: list[tuple[bytes, str, Any]] = []
    for key in sorted(features, key=lambda key: _utf8(key, key)):
        value = features[key]
        if isinstance(value, np.ndarray) and value.size == 0 and value.dtype.kind in "OSU":
            encoded.append((key.encode("utf-8"), "bytes", []))
        else:
            encoded.append(_feature(key, value))
    return _tfrecord.wrap_entries(_tfrecord.encode_entries(encoded))
