"""Records and Examples go both ways between TensorFlow and fastconv's library."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import twin
from hypothesis import given, settings
from hypothesis import strategies as st

import fastconv

pytestmark = [pytest.mark.peers, pytest.mark.timeout(600)]

_INT64 = st.integers(-(2**63), 2**63 - 1)
# Kinds are told by dtype here, so that an empty list has one too.
_VALUES = st.one_of(
    st.lists(st.binary(max_size=50), max_size=4).map(
        lambda values: np.array([*values, None], object)[:-1]
    ),
    st.lists(st.floats(width=32, allow_nan=False), max_size=4).map(
        lambda values: np.array(values, np.float32)
    ),
    st.lists(_INT64, max_size=4).map(lambda values: np.array(values, np.int64)),
)
_KINDS = {"O": "bytes", "f": "float", "i": "int64"}


def _of_tensorflow(example: tf.train.Example) -> dict[str, tuple[str, list[object]]]:
    found = {}
    for key, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        found[key] = (kind.removesuffix("_list"), list(getattr(feature, kind).value))
    return found


def _of_arrays(features: dict[str, np.ndarray]) -> dict[str, tuple[str, list[object]]]:
    return {
        key: (_KINDS[values.dtype.kind], list(values.tolist())) for key, values in features.items()
    }


@given(st.dictionaries(st.text(max_size=12), _VALUES, max_size=6))
@settings(max_examples=300, deadline=None)
def test_tensorflow_parses_what_we_encode(features: dict[str, np.ndarray]) -> None:
    payload = bytes(fastconv.encode_example(features))
    assert _of_tensorflow(tf.train.Example.FromString(payload)) == _of_arrays(features)
    judged = twin.decode_example(payload)
    assert {key: tuple(value) for key, value in judged.items()} == _of_arrays(features)


@given(st.dictionaries(st.text(max_size=12), _VALUES, max_size=6))
@settings(max_examples=300, deadline=None)
def test_we_parse_what_tensorflow_encodes(features: dict[str, np.ndarray]) -> None:
    example = tf.train.Example()
    for key, values in features.items():
        feature = example.features.feature[key]
        part = getattr(feature, f"{_KINDS[values.dtype.kind]}_list")
        part.SetInParent()
        part.value.extend(values.tolist())
    parsed = fastconv.parse_example(example.SerializeToString())
    assert _of_arrays(parsed) == _of_arrays(features)


@given(st.lists(st.binary(max_size=200), max_size=8))
@settings(max_examples=40, deadline=None)
def test_tensorflow_accepts_our_frames_and_crcs(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("ours")
    with fastconv.RecordWriter(folder / "shard", index=folder / "index") as writer:
        for payload in payloads:
            writer.write(payload)
    found = tf.data.TFRecordDataset(str(folder / "shard")).as_numpy_iterator()
    assert list(found) == payloads
    shard = (folder / "shard").read_bytes()
    assert shard == b"".join(map(twin.frame, payloads))
    assert (folder / "index").read_bytes().decode("ascii") == twin.index_lines(shard)
    for payload in payloads:
        assert fastconv.masked_crc32c(payload) == twin.masked_crc32c(payload)


@given(st.lists(st.binary(max_size=200), max_size=8))
@settings(max_examples=40, deadline=None)
def test_we_read_tensorflows_shards(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("theirs") / "shard"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for payload in payloads:
            writer.write(payload)
    assert [bytes(payload) for payload in fastconv.read_records(path)] == payloads
    # The CRCs in TensorFlow's file are its own; the twin's frames are equal to all of its bytes.
    assert path.read_bytes() == b"".join(map(twin.frame, payloads))


def test_unpacked_lists_are_read(tmp_path: Path) -> None:
    """Old writers do not pack; TensorFlow reads such records, and so must we."""
    integers = b"\x08\x05\x08" + b"\xff" * 9 + b"\x01" + b"\x08\x80\x02"
    floats = b"".join(b"\x0d" + struct.pack("<f", value) for value in (0.5, -2.0))

    def entry(key: bytes, field: bytes, values: bytes) -> bytes:
        feature = field + bytes([len(values)]) + values
        content = b"\x0a" + bytes([len(key)]) + key + b"\x12" + bytes([len(feature)]) + feature
        return b"\x0a" + bytes([len(content)]) + content

    features = entry(b"i", b"\x1a", integers) + entry(b"f", b"\x12", floats)
    payload = b"\x0a" + bytes([len(features)]) + features
    expected = {"i": ("int64", [5, -1, 256]), "f": ("float", [0.5, -2.0])}
    assert _of_tensorflow(tf.train.Example.FromString(payload)) == expected
    path = tmp_path / "shard"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(payload)
    (read,) = fastconv.read_records(path)
    assert _of_arrays(fastconv.parse_example(read)) == expected


def test_write_example_is_read_by_tensorflow(tmp_path: Path) -> None:
    features = {"label": [7], "score": [0.25, 1e30], "name": [b"tench", b""]}
    with fastconv.RecordWriter(tmp_path / "shard", index=tmp_path / "index") as writer:
        writer.write_example(features)
    (payload,) = tf.data.TFRecordDataset(str(tmp_path / "shard")).as_numpy_iterator()
    found = _of_tensorflow(tf.train.Example.FromString(payload))
    assert found["label"] == ("int64", [7])
    assert found["name"] == ("bytes", [b"tench", b""])
    assert found["score"] == ("float", [0.25, float(np.float32(1e30))])
