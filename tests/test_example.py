"""tf.train.Example both ways: written byte for byte as the twin does, read whatever comes."""

from __future__ import annotations

import random
import struct
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import twin
from hypothesis import given, settings
from hypothesis import strategies as st
from test_jpeg import guarded_memory
from twin.proto import Value

import fastconv
from fastconv import _tfrecord

# Lengths at which a length prefix takes a byte more, also those of the messages around a value.
VARINT_EDGES = (0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152)
INT64_EDGES = [sign * 2**k + d for k in range(0, 63, 7) for d in (-1, 0, 1) for sign in (1, -1)]
INT64_LIMITS = [-(2**63), -(2**63) + 1, 2**63 - 2, 2**63 - 1]

Features = list[tuple[str, str, list[Value]]]


def given_value(kind: str, values: list[Value]) -> Any:
    """What a caller of fastconv would hand over for values of this kind."""
    if kind == "bytes":
        array = np.empty(len(values), object)
        array[:] = values
        return array if not values else list(values)
    return np.array(values, np.float32 if kind == "float" else np.int64)


def listed(array: npt.NDArray[Any]) -> list[Any]:
    values: list[Any] = array.tolist()
    return values


def same(parsed: dict[str, npt.NDArray[Any]], decoded: dict[str, twin.Feature]) -> None:
    """What fastconv read is what the twin read: names, kinds, and every bit of every value."""
    assert parsed.keys() == decoded.keys()
    for key, (kind, values) in decoded.items():
        array = parsed[key]
        assert array.dtype == {"float": np.float32, "int64": np.int64}.get(kind, object)
        assert array.shape == (len(values),)
        if kind == "float":
            numbers = [value for value in values if isinstance(value, int | float)]
            packed = struct.pack(f"<{len(numbers)}f", *numbers)
            # NaNs lose their payload on the way through Python's floats, and nothing else does.
            stored = np.frombuffer(packed, "<f4")
            assert np.array_equal(np.isnan(array), np.isnan(stored))
            assert array[~np.isnan(array)].tobytes() == stored[~np.isnan(stored)].tobytes()
        else:
            assert listed(array) == values


KEYS = st.text(
    st.characters(exclude_categories=["Cs"]), max_size=12
)  # surrogates have no UTF-8 form
LISTS = st.one_of(
    st.tuples(st.just("bytes"), st.lists(st.binary(max_size=200), max_size=4)),
    st.tuples(st.just("float"), st.lists(st.floats(width=32, allow_nan=False), max_size=40)),
    st.tuples(
        st.just("int64"),
        st.lists(st.integers(-(2**63), 2**63 - 1) | st.sampled_from(INT64_EDGES), max_size=40),
    ),
)


@settings(deadline=None)
@given(st.dictionaries(KEYS, LISTS, max_size=6))
def test_bytes_are_the_twins(features: dict[str, tuple[str, list[Value]]]) -> None:
    payload = fastconv.encode_example({k: given_value(*v) for k, v in features.items()})
    names = sorted(features, key=str.encode)
    assert payload == twin.encode_example([(name, *features[name]) for name in names])
    parsed = fastconv.parse_example(payload)
    assert list(parsed) == names
    same(parsed, {name: twin.Feature(*features[name]) for name in names})


@pytest.mark.parametrize("size", VARINT_EDGES)
@pytest.mark.parametrize("around", [-14, -13, -12, -11, -10, -9, -8, -7, -6, -5, -4, -3, -2, -1, 0])
def test_lengths_around_varint_edges(size: int, around: int) -> None:
    """Each of the four messages around a value passes the edge at a size of its own."""
    if size + around < 0:
        return
    data = b"\x80" * (size + around)
    payload = fastconv.encode_example({"k": data, "l": [data[:5], b"", data[:1]]})
    whole = twin.encode_example([("k", "bytes", [data]), ("l", "bytes", [data[:5], b"", data[:1]])])
    assert payload == whole
    parsed = fastconv.parse_example(payload)
    assert parsed["k"][0] == data


@pytest.mark.parametrize("size", [1, 126, 127, 128, 129, 200, 16_383, 16_384])
def test_long_keys_and_lists(size: int) -> None:
    key = "é" * size
    ints: list[Value] = [-1] * size
    floats: list[Value] = [0.5] * size
    payload = fastconv.encode_example({key: ints, key + "2": floats})
    assert payload == twin.encode_example([(key, "int64", ints), (key + "2", "float", floats)])
    parsed = fastconv.parse_example(payload)
    assert listed(parsed[key]) == ints
    assert listed(parsed[key + "2"]) == floats


def test_int64_edges_one_by_one_and_together() -> None:
    numbers: list[Value] = [*INT64_EDGES, *INT64_LIMITS]
    for number in numbers:
        payload = fastconv.encode_example({"n": number})
        assert payload == twin.encode_example([("n", "int64", [number])])
        assert listed(fastconv.parse_example(payload)["n"]) == [number]
    payload = fastconv.encode_example({"n": numbers})
    assert listed(fastconv.parse_example(payload)["n"]) == numbers


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**64, 10**30])
def test_no_int64(number: int) -> None:
    for value in (number, [0, number]):
        with pytest.raises(ValueError, match=rf"'height': {number} does not fit"):
            fastconv.encode_example({"height": value})


def test_uint64_beyond_int64_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        fastconv.encode_example({"n": np.array([1, 2**63], np.uint64)})
    assert listed(
        fastconv.parse_example(fastconv.encode_example({"n": np.array([2**63 - 1], np.uint64)}))[
            "n"
        ]
    ) == [2**63 - 1]


@pytest.mark.parametrize(
    ("value", "kind", "values"),
    [
        (b"a", "bytes", [b"a"]),
        ("ü", "bytes", ["ü".encode()]),
        (bytearray(b"ab"), "bytes", [b"ab"]),
        (memoryview(b"abc"), "bytes", [b"abc"]),
        ((b"a", "b"), "bytes", [b"a", b"b"]),
        ([b""], "bytes", [b""]),
        (np.array([b"a", b"bc"], object), "bytes", [b"a", b"bc"]),
        (np.array(["a", "bc"]), "bytes", [b"a", b"bc"]),
        (np.array([b"a", b"bc"]), "bytes", [b"a", b"bc"]),
        (7, "int64", [7]),
        (True, "int64", [1]),
        ([True, False], "int64", [1, 0]),
        (np.int8(-3), "int64", [-3]),
        (np.array(5), "int64", [5]),
        (np.array([True, False]), "int64", [1, 0]),
        (np.array([1, 2], ">i4"), "int64", [1, 2]),
        ([np.int64(1), 2], "int64", [1, 2]),
        (1.5, "float", [1.5]),
        ([1, 2.5], "float", [1.0, 2.5]),
        (np.float64(0.25), "float", [0.25]),
        (np.array([1, 2], ">f8"), "float", [1.0, 2.0]),
        (np.arange(6, dtype=np.float32)[::2], "float", [0.0, 2.0, 4.0]),
        (np.arange(6)[::-2], "int64", [5, 3, 1]),
        (np.empty(0, np.float32), "float", []),
        (np.empty(0, np.float16), "float", []),
        (np.empty(0, np.int64), "int64", []),
        (np.empty(0, np.bool_), "int64", []),
        (np.empty(0, object), "bytes", []),
    ],
)
def test_kinds_of_values(value: object, kind: str, values: list[Value]) -> None:
    payload = fastconv.encode_example({"k": value})
    assert payload == twin.encode_example([("k", kind, values)])


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        ([], ValueError, "empty list"),
        ((), ValueError, "empty list"),
        (np.zeros((2, 2)), ValueError, r"shape \(2, 2\)"),
        (np.zeros((0, 4), np.float32), ValueError, r"shape \(0, 4\)"),
        (None, TypeError, "None"),
        ([b"a", 1], TypeError, "b'a'"),
        ([1, b"a"], TypeError, "1"),
        ({"a": 1}, TypeError, "no bytes, ints or floats"),
        ([[1]], TypeError, r"\[1\]"),
        (1j, TypeError, "1j"),
        (np.array([1j]), TypeError, "1j"),
    ],
)
def test_what_no_feature_can_hold(value: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=f"'image/odd'.*{words}"):
        fastconv.encode_example({"fine": 1, "image/odd": value})


@pytest.mark.parametrize("value", [[1.5, 10**400], ["\udcff.JPEG"], [np.complex64(1 + 2j)]])
def test_what_fits_no_wire_form_is_refused_by_the_features_name(value: object) -> None:
    with pytest.raises((ValueError, TypeError), match="'image/odd'"):
        fastconv.encode_example({"fine": 1, "image/odd": value})


@pytest.mark.parametrize("name", [b"bytes", 5])
def test_names_are_text(name: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=repr(name)):
        fastconv.encode_example({name: 1})


def test_no_features_at_all() -> None:
    assert fastconv.encode_example({}) == b"\x0a\x00" == twin.encode_example([])
    assert fastconv.parse_example(b"\x0a\x00") == fastconv.parse_example(b"") == {}


def test_sorted_by_bytes_of_the_name() -> None:
    names = ["b", "a", "", "a/b", "a-b", "Z", "é", "\U0001f600", "\uffff", "a\0"]
    payload = fastconv.encode_example(dict.fromkeys(names, 1))
    assert list(fastconv.parse_example(payload)) == sorted(names, key=str.encode)
    assert payload == fastconv.encode_example(dict.fromkeys(reversed(names), 1))


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="no kind"):
        _tfrecord.encode_entries([(b"k", "double", [])])


# ---- reading --------------------------------------------------------------------------------


def field(number: int, wire: int, content: bytes) -> bytes:
    head = varint(number << 3 | wire)
    return head + (varint(len(content)) + content if wire == 2 else content)


def varint(number: int) -> bytes:
    number %= 2**64
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def example(*features: bytes, key: bytes = b"k") -> bytes:
    """An Example with one entry a Feature message given, all of one key."""
    entries = (field(1, 2, field(1, 2, key) + field(2, 2, feature)) for feature in features)
    return field(1, 2, b"".join(entries))


REAL: Features = [
    ("image/class/label", "int64", [1, -1, 2**40]),
    ("image/encoded", "bytes", [b"\xff\xd8" + bytes(range(200)) + b"\xff\xd9", b""]),
    ("image/object/bbox/xmin", "float", [0.25, -1e30]),
    ("image/object/bbox/ymin", "float", []),
]


def agree(payload: bytes) -> bool:
    """fastconv reads what the twin reads, and refuses what it refuses; True where it was read."""
    try:
        decoded = twin.decode_example(payload)
    except ValueError:
        with pytest.raises(ValueError):
            fastconv.parse_example(payload)
        return False
    same(fastconv.parse_example(payload), decoded)
    return True


def test_every_truncation() -> None:
    payload = twin.encode_example(REAL)
    assert agree(payload)
    assert [n for n in range(len(payload)) if agree(payload[:n])] == [0]


def test_no_truncation_is_read_beyond_its_end() -> None:
    payload = twin.encode_example(REAL)
    with guarded_memory() as memory:
        for size in range(1, len(payload)):
            for start in (payload[:size], field(1, 2, payload[3 : 3 + size])):
                place = memory[len(memory) - len(start) :]
                place[:] = start
                with suppress(ValueError):
                    fastconv.parse_example(place)


def test_every_truncation_inside_lengths_that_hold() -> None:
    """The features cut short, and the length before them mended: each cut is seen further in."""
    inside = twin.encode_example(REAL)[3:]
    read = [n for n in range(len(inside) + 1) if agree(field(1, 2, inside[:n]))]
    assert len(read) == len(REAL) + 1


def test_mutations() -> None:
    chance = random.Random(3)
    payload = twin.encode_example(REAL)
    read = 0
    for _ in range(4000):
        changed = bytearray(payload)
        for _ in range(chance.choice((1, 1, 1, 2, 5))):
            at = chance.randrange(len(changed))
            match chance.randrange(4):
                case 0:
                    changed[at] = chance.randrange(256)
                case 1:
                    changed[at] ^= 1 << chance.randrange(8)
                case 2:
                    del changed[at : at + chance.randrange(1, 4)]
                case 3:
                    changed[at:at] = chance.randbytes(chance.randrange(1, 4))
        read += agree(bytes(changed))
    assert 500 < read < 3500


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=60))
def test_noise(data: bytes) -> None:
    for payload in (data, field(1, 2, data), example(data), example(field(3, 2, data))):
        agree(payload)


NUMBERS = st.integers(0, 2**64 - 1)
CHAOS = st.recursive(
    st.binary(max_size=8),
    lambda inner: st.lists(
        st.one_of(
            st.tuples(st.integers(1, 4), inner).map(lambda p: field(p[0], 2, p[1])),
            st.tuples(st.integers(1, 4), NUMBERS).map(lambda p: field(p[0], 0, varint(p[1]))),
            st.tuples(st.integers(1, 4), st.binary(min_size=4, max_size=4)).map(
                lambda p: field(p[0], 5, p[1])
            ),
            st.tuples(st.integers(1, 4), st.binary(min_size=8, max_size=8)).map(
                lambda p: field(p[0], 1, p[1])
            ),
        ),
        max_size=4,
    ).map(b"".join),
    max_leaves=12,
)


@settings(deadline=None, max_examples=300)
@given(st.lists(CHAOS, max_size=3))
def test_any_message(features: list[bytes]) -> None:
    agree(b"".join(features))
    agree(example(*features))


@pytest.mark.parametrize(
    ("feature", "values"),
    [
        (field(3, 2, b"".join(field(1, 0, varint(n)) for n in (5, -7))), [5, -7]),
        (field(3, 2, field(1, 2, varint(5) + varint(6)) + field(1, 0, varint(-7))), [5, 6, -7]),
        (field(2, 2, field(1, 5, struct.pack("<f", 0.5)) * 2), [0.5, 0.5]),
        (field(2, 2, field(1, 5, struct.pack("<f", 2)) + field(1, 2, bytes(8))), [2, 0, 0]),
        (field(3, 2, field(1, 0, b"\x01")) + field(3, 2, field(1, 0, b"\x02")), [1, 2]),
        (field(3, 2, field(1, 0, b"\x01")) + field(1, 2, field(1, 2, b"last")), [b"last"]),
        (field(1, 2, field(1, 2, b"x")) + field(3, 2, b""), []),
        (field(9, 2, b"??") + field(1, 2, field(7, 0, b"\x01") + field(1, 2, b"x")), [b"x"]),
        (field(1, 2, field(2, 1, bytes(8)) + field(1, 2, b"x") + field(3, 5, bytes(4))), [b"x"]),
        (field(3, 2, field(1, 0, b"\x85\x80\x80\x00")), [5]),
        (b"", []),
    ],
)
def test_forms_that_every_reader_must_take(feature: bytes, values: list[Value]) -> None:
    payload = example(feature)
    assert agree(payload)
    assert listed(fastconv.parse_example(payload)["k"]) == values


def test_a_key_that_comes_twice() -> None:
    one, two = (field(3, 2, field(1, 0, bytes([n]))) for n in (1, 2))
    assert agree(example(one, two))
    assert listed(fastconv.parse_example(example(one, two))["k"]) == [2]
    assert agree(example(one) + example(two))
    assert listed(fastconv.parse_example(example(one) + example(two, key=b"l"))["k"]) == [1]


def test_a_value_in_two_parts_is_merged() -> None:
    """Of a message field that comes twice in a message, protobuf merges the two."""
    one, two = (field(2, 2, field(3, 2, field(1, 0, bytes([n])))) for n in (1, 2))
    payload = field(1, 2, field(1, 2, field(1, 2, b"k") + one + two))
    assert listed(fastconv.parse_example(payload)["k"]) == [1, 2]


def test_entries_without_key_or_value() -> None:
    assert agree(field(1, 2, field(1, 2, b"")))
    assert list(fastconv.parse_example(field(1, 2, field(1, 2, b"")))) == [""]
    assert agree(field(1, 2, field(1, 2, field(2, 2, field(3, 2, b"")) + field(1, 2, b"late"))))


@pytest.mark.parametrize(
    "payload",
    [
        b"\x80" * 11,
        b"\x00",
        b"\x02\x00",
        b"\x0b",
        b"\x0c",
        b"\x0a\x01",
        b"\x0a" + b"\xff" * 9 + b"\x01",
        b"\x0a" + b"\xff" * 9 + b"\x7f",
        b"\x09" + bytes(7),
        b"\x0d" + bytes(3),
        example(field(2, 2, field(1, 2, bytes(3)))),
        example(field(2, 2, field(1, 1, bytes(8)))),
        example(field(3, 2, field(1, 5, bytes(4)))),
        example(field(1, 2, field(1, 0, b"\x01"))),
        example(field(3, 2, field(1, 2, b"\x80"))),
        example(b"", key=b"\xff"),
    ],
)
def test_no_examples(payload: bytes) -> None:
    assert not agree(payload)


def test_a_refusal_names_the_byte() -> None:
    with pytest.raises(ValueError, match="at byte 2 of the payload"):
        fastconv.parse_example(b"\x0a\x05abc")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_is_read(kind: type) -> None:
    payload = twin.encode_example(REAL)
    same(fastconv.parse_example(kind(payload)), twin.decode_example(payload))


def test_nothing_but_a_buffer() -> None:
    with pytest.raises(TypeError):
        fastconv.parse_example("text")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        fastconv.parse_example(None)  # type: ignore[arg-type]


def test_values_outlive_the_payload() -> None:
    payload = bytearray(twin.encode_example(REAL))
    parsed = fastconv.parse_example(payload)
    before = {key: listed(array) for key, array in parsed.items()}
    payload[:] = bytes(len(payload))
    assert {key: listed(array) for key, array in parsed.items()} == before
