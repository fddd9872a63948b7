"""tf.train.Example, the few parts of protobuf it needs.

Example  { Features features = 1; }
Features { map<string, Feature> feature = 1; }     a map entry is { key = 1; value = 2; }
Feature  { oneof kind { BytesList = 1; FloatList = 2; Int64List = 3; } }
each list { repeated value = 1; }                  floats and integers packed, when we write
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

Value: TypeAlias = bytes | float | int

_KIND_OF_FIELD = {1: "bytes", 2: "float", 3: "int64"}
_FIELD_OF_KIND = {kind: field for field, kind in _KIND_OF_FIELD.items()}
_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5


class Feature(NamedTuple):
    """One feature: `kind` is bytes, float, int64, or "" when the message has no list at all."""

    kind: str
    values: list[Value]


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for position in range(10):
        if at + position >= len(data):
            raise ValueError("varint cut short")
        byte = data[at + position]
        value |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            # A 10th byte holds bit 63 alone; what is above it falls off, as in every decoder.
            return value % 2**64, at + position + 1
    raise ValueError("varint of more than 10 bytes")


def _fields(message: bytes) -> Iterator[tuple[int, int, bytes | int]]:
    """`(field number, wire type, value)`: an int for varints, else the raw bytes."""
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        field, wire = tag >> 3, tag & 7
        if field == 0:
            raise ValueError("field number 0")
        if wire == _VARINT:
            number, at = _read_varint(message, at)
            yield field, wire, number
            continue
        if wire == _DELIMITED:
            size, at = _read_varint(message, at)
        elif wire in (_FIXED32, _FIXED64):
            size = 4 if wire == _FIXED32 else 8
        else:
            raise ValueError(f"wire type {wire}, which tf.train.Example does not use")
        if at + size > len(message):
            raise ValueError(f"field {field} runs past the end of its message")
        yield field, wire, message[at : at + size]
        at += size


def _submessages(message: bytes, wanted: int) -> list[bytes]:
    return [
        value
        for field, wire, value in _fields(message)
        if field == wanted and wire == _DELIMITED and isinstance(value, bytes)
    ]


def _signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number


def _list_values(kind: str, message: bytes) -> list[Value]:
    values: list[Value] = []
    for field, wire, value in _fields(message):
        if field != 1:
            continue
        if kind == "bytes" and wire == _DELIMITED:
            assert isinstance(value, bytes)
            values.append(value)
        elif kind == "float" and wire in (_DELIMITED, _FIXED32):
            # Packed and unpacked differ only in how many floats the bytes hold.
            assert isinstance(value, bytes)
            if len(value) % 4:
                raise ValueError(f"packed floats of {len(value)} bytes")
            values.extend(struct.unpack(f"<{len(value) // 4}f", value))
        elif kind == "int64" and wire == _VARINT:
            assert isinstance(value, int)
            values.append(_signed(value))
        elif kind == "int64" and wire == _DELIMITED:
            assert isinstance(value, bytes)
            at = 0
            while at < len(value):
                number, at = _read_varint(value, at)
                values.append(_signed(number))
        else:
            raise ValueError(f"{kind} list with wire type {wire}")
    return values


def _feature(message: bytes) -> Feature:
    feature = Feature("", [])
    for field, wire, value in _fields(message):
        if field in _KIND_OF_FIELD and wire == _DELIMITED:
            assert isinstance(value, bytes)
            kind = _KIND_OF_FIELD[field]
            # Two lists of one kind merge; a list of another kind replaces (oneof).
            kept = feature.values if feature.kind == kind else []
            feature = Feature(kind, kept + _list_values(kind, value))
    return feature


def decode_example(payload: bytes) -> dict[str, Feature]:
    """The features of a serialized Example; the dict's order is the order of their map entries.

    Raises ValueError for anything that is not one. A key that occurs twice has its last value.
    """
    features: dict[str, Feature] = {}
    for merged in _submessages(payload, 1):
        for entry in _submessages(merged, 1):
            keys = _submessages(entry, 1) or [b""]
            # Concatenated messages are, by protobuf's rules, merged messages.
            feature = _feature(b"".join(_submessages(entry, 2)))
            key = keys[-1].decode("utf-8")
            features.pop(key, None)
            features[key] = feature
    return features


def _varint(number: int) -> bytes:
    number %= 2**64  # a negative int64 is its two's complement, hence always 10 bytes
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _delimited(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | _DELIMITED) + _varint(len(value)) + value


def _list_message(kind: str, values: Sequence[Value]) -> bytes:
    if kind == "bytes":
        chunks = [value for value in values if isinstance(value, bytes)]
        if len(chunks) != len(values):
            raise TypeError("a bytes list holds bytes only")
        return b"".join(_delimited(1, chunk) for chunk in chunks)
    if not values:
        return b""
    if kind == "float":
        return _delimited(1, struct.pack(f"<{len(values)}f", *values))
    integers = [value for value in values if isinstance(value, int)]
    if len(integers) != len(values):
        raise TypeError("an int64 list holds integers only")
    return _delimited(1, b"".join(_varint(value) for value in integers))


def encode_example(features: Sequence[tuple[str, str, Sequence[Value]]]) -> bytes:
    """`(key, kind, values)` in the order given; an empty list is present and empty."""
    entries = []
    for key, kind, values in features:
        feature = _delimited(_FIELD_OF_KIND[kind], _list_message(kind, values))
        entry = _delimited(1, key.encode("utf-8")) + _delimited(2, feature)
        entries.append(_delimited(1, entry))
    return _delimited(1, b"".join(entries))
