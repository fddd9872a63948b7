"""fastconv diff: what is the same dataset, and what is told of what is not."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
import twin
from conftest import children
from hypothesis import given, settings
from hypothesis import strategies as st

import fastconv
from fastconv import DiffReport, InputError, Options, UsageError, WorkerError
from fastconv.cli import run as run_command
from fastconv.comparison.anyorder import matched
from fastconv.comparison.report import Place

# name → kind and values
Record: TypeAlias = Mapping[str, tuple[str, Sequence[Any]]]
Dataset: TypeAlias = Mapping[str, Sequence[Record]]


def record(name: str, label: int = 1, image: bytes = b"image", **more: Any) -> Record:
    return {
        "image/encoded": ("bytes", [image]),
        "image/filename": ("bytes", [name.encode()]),
        "image/class/label": ("int64", [label]),
        **more,
    }


def payload(one: Record, backwards: bool = False) -> bytes:
    items = [(name, kind, values) for name, (kind, values) in one.items()]
    return bytes(twin.encode_example(items[::-1] if backwards else items))


def write(folder: Path, dataset: Dataset, backwards: bool = False) -> Path:
    folder.mkdir(parents=True)
    for shard, records in dataset.items():
        frames = [twin.frame(payload(one, backwards)) for one in records]
        (folder / shard).write_bytes(b"".join(frames))
    return folder


def compare(a: Path, b: Path, **given: Any) -> DiffReport:
    """In this process, where nothing else is asked for: others take a second to start."""
    return fastconv.diff(a, b, **{"workers": 1, **given})


def two(tmp_path: Path, a: Dataset, b: Dataset, **given: Any) -> DiffReport:
    return compare(write(tmp_path / "A", a), write(tmp_path / "B", b), **given)


SHARDS = {
    f"train-{shard:05d}-of-00003": [record(f"{shard}{n}.JPEG", label=shard) for n in range(4)]
    for shard in range(3)
}
FIRST, SECOND, THIRD = SHARDS


@pytest.fixture(params=[1, 2])
def workers(request: pytest.FixtureRequest, no_children: None) -> int:
    return int(request.param)


@pytest.fixture(params=[False, True], ids=["in order", "any order"])
def any_order(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def outputs(mini: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outputs")
    for name, options in {
        "one": {"workers": 1},
        "two": {"workers": 2},
        "cut": {"train_shards": 8, "seed": 5},
    }.items():
        given: dict[str, Any] = {"train_shards": 4, **options}
        fastconv.convert(Options(source=mini, out=folder / name, **given))
    return folder


def changed(dataset: Dataset, shard: str, at: int, **features: Any) -> dict[str, list[Record]]:
    """A copy with a record's features (with _ for /) given other values, or taken out (None)."""
    copy = {name: list(records) for name, records in dataset.items()}
    new = {**copy[shard][at], **{key.replace("_", "/"): value for key, value in features.items()}}
    copy[shard][at] = {key: value for key, value in new.items() if value is not None}
    return copy


# ---- outputs of fastconv's ----------------------------------------------------------------------


def test_equal_outputs(outputs: Path, workers: int, any_order: bool) -> None:
    report = compare(outputs / "one", outputs / "two", workers=workers, any_order=any_order)
    assert (report.same, report.exit_code, report.total) == (True, 0, 0)
    assert (report.files_a, report.equal_files, report.records, report.notes) == (5, 5, 0, ())


def test_another_seed_and_shard_count(outputs: Path, workers: int) -> None:
    report = compare(outputs / "one", outputs / "cut", workers=workers)
    assert report.exit_code == 5
    assert report.counts["file"] == 12
    assert "train: A has 4 shards, B 8" in report.notes[0] and "--any-order" in report.notes[0]
    report = compare(outputs / "one", outputs / "cut", workers=workers, any_order=True)
    assert (report.same, report.records, report.other_bytes) == (True, 80, 0)
    assert report.elsewhere > 60
    assert report.notes[0] == "records are matched by image/filename and split"
    assert report.notes[1:] == (
        "options.seed: A 12345, B 5",
        "options.train_shards: A 4, B 8",
    )


def test_one_changed_image(outputs: Path, tmp_path: Path, workers: int, any_order: bool) -> None:
    shutil.copytree(outputs / "two", tmp_path / "out")
    shard = tmp_path / "out" / "data_dir" / "train-00002-of-00004"
    payloads = list(fastconv.read_records(shard))
    features: dict[str, Any] = fastconv.parse_example(payloads[3])
    image = features["image/encoded"][0]
    features["image/encoded"] = image[:-2] + b"\0" + image[-2:]
    name = features["image/filename"][0].decode()
    with fastconv.RecordWriter(shard) as writer:
        for number, one in enumerate(payloads):
            if number == 3:
                writer.write_example(features)
            else:
                writer.write(one)
    report = compare(outputs / "one", tmp_path / "out", workers=workers, any_order=any_order)
    (found,) = report.differences
    assert report.counts == {"record": 1}
    assert report.features == {"image/encoded": 1}
    assert (report.equal_files, report.records) == (4, len(payloads))
    offset = sum(len(one) + 16 for one in payloads[:3])
    assert found.a == found.b == Place("train-00002-of-00004", 3, offset)
    assert (found.kind, found.key_a, found.key_b) == ("record", name, name)
    (feature,) = found.features
    assert feature.feature == "image/encoded"
    assert str(feature.a).startswith(f"{len(image):,} bytes, SHA-256 ")
    assert str(feature.b).startswith(f"{len(image) + 1:,} bytes, SHA-256 ")


def test_indexes_and_labels(outputs: Path, tmp_path: Path, any_order: bool) -> None:
    out = tmp_path / "out"
    shutil.copytree(outputs / "two", out)
    index = out / "idx_dir" / "train-00001-of-00004"
    index.write_bytes(index.read_bytes().replace(b"0 ", b"1 ", 1))
    (out / "idx_dir" / "train-00002-of-00004").unlink()
    labels = (out / "labels.txt").read_bytes().split(b"\n")
    (out / "labels.txt").write_bytes(b"\n".join([*labels[:4], b"n0", *labels[5:]]))
    report = compare(outputs / "one", out, any_order=any_order)
    assert report.counts == {"index": 2, "labels": 1}
    by_place = {str(one.a or one.b): one for one in report.differences}
    assert by_place["labels.txt"].text == f"line 5: '{labels[4].decode()}' | 'n0'"
    assert by_place["idx_dir/train-00001-of-00004"].text.startswith("line 1: '0 ")
    assert by_place["idx_dir/train-00002-of-00004"].b is None
    # One side without them is no difference, but is told.
    shutil.rmtree(out / "idx_dir")
    (out / "labels.txt").unlink()
    report = compare(outputs / "one", out, any_order=any_order)
    assert report.same
    assert report.notes == ("labels.txt: only A has it", "idx_dir: only A has it")


def test_an_index_follows_its_shard(outputs: Path, tmp_path: Path) -> None:
    """Where the same records have other bytes, other offsets are right."""
    out = tmp_path / "out"
    shutil.copytree(outputs / "two", out)
    name = "validation-00000-of-00001"
    old = list(fastconv.read_records(out / "data_dir" / name))
    with fastconv.RecordWriter(out / "data_dir" / name, index=out / "idx_dir" / name) as writer:
        for one in old:
            extra = b"\x12\x00"  # a field that an Example does not have
            writer.write(one + extra)
    report = compare(outputs / "one", out)
    assert (report.same, report.other_bytes) == (True, 20)
    report = compare(outputs / "one", out, same_bytes=True)
    assert report.counts == {"bytes": 20}
    assert "same features in other bytes" in report.differences[0].text


@pytest.mark.parametrize(
    ("damage", "note"),
    [(b"{", "B: manifest.json cannot be understood"), (b"[]", "cannot be understood"), (None, "")],
)
def test_a_manifest_is_information(
    outputs: Path, tmp_path: Path, damage: bytes | None, note: str
) -> None:
    out = tmp_path / "out"
    shutil.copytree(outputs / "two", out)
    (out / "manifest.json").unlink()
    if damage is not None:
        (out / "manifest.json").write_bytes(damage)
    report = compare(outputs / "one", out)
    assert report.same
    assert note in "".join(report.notes) and bool(note) == bool(report.notes)
    (out / "manifest.json").unlink(missing_ok=True)
    (out / "manifest.journal").write_text("{}\n")
    assert "the job that wrote it did not end" in compare(outputs / "one", out).notes[0]


# ---- records ------------------------------------------------------------------------------------


def test_wire_form(tmp_path: Path, workers: int, any_order: bool) -> None:
    a = write(tmp_path / "A", SHARDS)
    b = write(tmp_path / "B", SHARDS, backwards=True)
    report = compare(a, b, workers=workers, any_order=any_order)
    assert (report.same, report.equal_files, report.records) == (True, 0, 12)
    assert (report.other_bytes, report.elsewhere) == (12, 0)
    report = compare(a, b, workers=workers, any_order=any_order, same_bytes=True, limit=5)
    assert report.counts == {"bytes": 12}
    assert [one.kind for one in report.differences] == ["bytes"] * 5
    assert report.differences[0].key_b == "00.JPEG"


def test_unpacked_numbers(tmp_path: Path, any_order: bool) -> None:
    packed = twin.encode_example([("n", "int64", [5, 6])])
    assert packed.endswith(b"\x0a\x02\x05\x06")
    unpacked = packed[:-4] + b"\x08\x05\x08\x06"
    for name, data in (("a", packed), ("b", unpacked)):
        (tmp_path / name).write_bytes(twin.frame(data))
    report = compare(tmp_path / "a", tmp_path / "b", any_order=any_order)
    assert (report.same, report.records, report.other_bytes) == (True, 1, 1)


def test_order(tmp_path: Path) -> None:
    turned = {**SHARDS, FIRST: SHARDS[THIRD], THIRD: SHARDS[FIRST][::-1]}
    report = two(tmp_path, SHARDS, turned)
    assert report.counts == {"record": 8}
    assert (report.differences[0].key_a, report.differences[0].key_b) == ("00.JPEG", "20.JPEG")
    assert report.differences[0].features[0].feature == "image/filename"
    assert report.features == {"image/filename": 8, "image/class/label": 8}
    assert "--any-order" in report.notes[0]
    report = compare(tmp_path / "A", tmp_path / "B", any_order=True)
    assert (report.same, report.equal_files, report.records, report.elsewhere) == (True, 1, 8, 8)


def test_a_record_too_few_or_many(tmp_path: Path) -> None:
    b = {**SHARDS, SECOND: SHARDS[SECOND][:-1], THIRD: [*SHARDS[THIRD], record("new.JPEG")]}
    report = two(tmp_path, SHARDS, b)
    assert report.counts == {"only in A": 1, "only in B": 1}
    lost, new = report.differences
    size = len(payload(SHARDS[SECOND][0])) + 16
    assert (lost.a, lost.b, lost.key_a) == (Place(SECOND, 3, 3 * size), None, "13.JPEG")
    assert (new.a, new.b, new.key_b) == (None, Place(THIRD, 4, 4 * size), "new.JPEG")
    ordered = compare(tmp_path / "A", tmp_path / "B", any_order=True)
    assert ordered.counts == report.counts
    assert ordered.differences == report.differences


def test_duplicates_are_counted(tmp_path: Path, workers: int) -> None:
    """Records are multisets: two of one are not one of it, whatever else is there."""
    a = {**SHARDS, SECOND: [*SHARDS[SECOND], SHARDS[SECOND][1]]}
    b = {**SHARDS, THIRD: [*SHARDS[THIRD], SHARDS[SECOND][1], SHARDS[SECOND][1]]}
    report = two(tmp_path, a, b, workers=workers, any_order=True)
    assert report.counts == {"only in B": 1}
    assert (report.differences[0].key_b, report.records) == ("11.JPEG", 9)


def test_names_in_two_classes(tmp_path: Path) -> None:
    """Class folders have their own 1.jpg each: the class belongs to the key, where it must."""
    a = {
        "train-00000-of-00001": [
            record("1.jpg", 1, b"a cat"),
            record("1.jpg", 2, b"a dog"),
            record("2.jpg", 2),
        ]
    }
    b = {
        "train-00000-of-00001": [
            record("1.jpg", 2, b"a pug"),
            record("2.jpg", 2),
            record("1.jpg", 1, b"a cat"),
        ]
    }
    report = two(tmp_path, a, b, any_order=True)
    assert report.counts == {"record": 1}
    assert report.features == {"image/encoded": 1}
    assert report.differences[0].features[0].b == "'a pug'"
    assert "or image/class/label, since a name comes in more than one class" in report.notes[0]
    # With a key of one's own, it is that one and no other.
    report = compare(tmp_path / "A", tmp_path / "B", any_order=True, key=["image/encoded"])
    assert report.counts == {"only in A": 1, "only in B": 1}
    assert report.notes[0] == "records are matched by image/encoded and split"


def test_labels_counted_from_another_number(tmp_path: Path, any_order: bool) -> None:
    """The class that belongs to the key is the synset, if there is one."""
    a, b = (
        {
            "s-0-of-1": [
                {
                    **record("1.jpg", n + offset),
                    "image/class/synset": ("bytes", [synset]),
                }
                for n, synset in enumerate((b"cat", b"dog"))
            ]
        }
        for offset in (0, 1)
    )
    report = two(tmp_path, a, b, any_order=any_order)
    assert (report.counts, report.features) == ({"record": 2}, {"image/class/label": 2})
    ignore = ["image/class/label"]
    assert compare(tmp_path / "A", tmp_path / "B", any_order=any_order, ignore=ignore).same
    without = [*ignore, "image/class/synset"]
    assert compare(tmp_path / "A", tmp_path / "B", any_order=any_order, ignore=without).same


def test_a_changed_label_is_told_as_one(tmp_path: Path) -> None:
    b = changed(SHARDS, FIRST, 2, image_class_label=("int64", [9]))
    report = two(tmp_path, SHARDS, b, any_order=True)
    assert report.counts == {"record": 1}
    assert [(one.a, one.b) for one in report.differences[0].features] == [("0", "9")]


def test_splits_belong_to_the_key(tmp_path: Path) -> None:
    a = {"train-00000-of-00001": [record("1")], "validation-00000-of-00001": [record("1", 2)]}
    b = {"train-00000-of-00002": [record("1", 2)], "validation-00000-of-00001": [record("1")]}
    report = two(tmp_path, a, b, any_order=True)
    assert report.counts == {"record": 2}
    # Where the names say nothing of splits, or other things, they cannot.
    whole = {"all.tfrecord": [record("1"), record("1", 2)]}
    other = compare(tmp_path / "A", write(tmp_path / "C", whole), any_order=True)
    assert other.same and "not by split: not all files are named" in other.notes[0]
    named = {"x-train.tfrecord-00000-of-00001": [record("1"), record("1", 2)]}
    other = compare(tmp_path / "A", write(tmp_path / "D", named), any_order=True)
    assert other.same and "A has train, validation, B x-train.tfrecord" in other.notes[0]
    single = compare(tmp_path / "A", tmp_path / "C" / "all.tfrecord", any_order=True)
    assert single.same and "one side is a single file" in single.notes[0]


def test_records_without_the_key(tmp_path: Path) -> None:
    a = {"train-00000-of-00001": [{"n": ("int64", [n])} for n in (1, 2, 2, 3)]}
    b = {"train-00000-of-00001": [{"n": ("int64", [n])} for n in (2, 3, 2, 4)]}
    report = two(tmp_path, a, b, any_order=True)
    assert report.counts == {"only in A": 1, "only in B": 1}
    assert "8 records have nothing of image/filename" in report.notes[1]
    report = compare(tmp_path / "A", tmp_path / "B", any_order=True, key=["n"])
    assert report.counts == {"only in A": 1, "only in B": 1}
    with pytest.raises(UsageError, match="no record has a feature name or m; see --key"):
        compare(tmp_path / "A", tmp_path / "B", any_order=True, key=["name", "m"])


def test_records_that_are_no_examples(tmp_path: Path, any_order: bool) -> None:
    example = payload(record("1"))
    for name, payloads in (("a", [b"\xff", b"\xfe", example]), ("b", [b"\xff", example, b"x"])):
        (tmp_path / name).write_bytes(b"".join(map(twin.frame, payloads)))
    report = compare(tmp_path / "a", tmp_path / "b", any_order=any_order)
    if any_order:
        assert report.counts == {"only in A": 1, "only in B": 1}
    else:
        assert report.counts == {"bytes": 2}
        assert report.differences[0].text.startswith("A has no Example: 1 bytes, SHA-256 a")
        assert "; B has an Example: " in report.differences[0].text
        assert (report.differences[0].key_a, report.differences[0].key_b) == ("", "1")


def test_ignored_features(tmp_path: Path, any_order: bool) -> None:
    b = changed(SHARDS, FIRST, 0, text=("bytes", [b"tench"]), image_class_label=("int64", [7]))
    report = two(tmp_path, SHARDS, b, any_order=any_order)
    assert report.features == {"image/class/label": 1, "text": 1}
    assert [(one.feature, one.a, one.b) for one in report.differences[0].features] == [
        ("image/class/label", "0", "7"),
        ("text", None, "'tench'"),
    ]
    given: dict[str, Any] = {"any_order": any_order}
    report = compare(tmp_path / "A", tmp_path / "B", ignore=["text"], **given)
    assert report.features == {"image/class/label": 1}
    both = ["text", "image/class/label"]
    report = compare(tmp_path / "A", tmp_path / "B", ignore=both, **given)
    assert (report.same, report.other_bytes, report.records) == (True, 1, 4)


NAN = struct.unpack("<f", b"\x01\x00\xc0\x7f")[0]


@pytest.mark.parametrize(
    ("a", "b", "tolerance", "same"),
    [
        ([0.5], [0.5], 0, True),
        ([0.5], [0.5 + 2**-24], 0, False),
        ([0.5], [0.5 + 2**-24], 2**-24, True),
        ([0.5], [0.5 + 2**-24], 2**-25, False),
        ([math.nan], [math.nan], 0, True),
        ([math.nan], [NAN], 0, False),
        ([math.nan], [NAN], 1, True),
        ([0.0], [-0.0], 0, False),
        ([0.0], [-0.0], 1e-30, True),
        ([math.inf], [math.inf], 1, True),
        ([math.inf], [-math.inf], 1e30, False),
        ([1.0, 2.0], [1.0], 1, False),
    ],
)
def test_floats(
    tmp_path: Path, a: list[float], b: list[float], tolerance: float, same: bool, any_order: bool
) -> None:
    sides = [
        {"s-0-of-1": [record("1", more=("float", values)), record(last)]}
        for values, last in ((a, "x"), (b, "x"))
    ]
    report = two(tmp_path, *sides, float_tolerance=tolerance, any_order=any_order)
    assert report.same is same
    if not same:
        assert report.features == {"more": 1}
        (feature,) = report.differences[0].features
        assert feature.a != feature.b


VALUES = [
    (("int64", [1]), ("float", [1.0]), "1 (int64)", "1.0 (float)"),
    (("int64", [1, 2, 3]), ("int64", [1, 5, 3]), "[1, 2, 3]", "[1, 5, 3]"),
    (("int64", []), ("int64", [1]), "an empty list", "1"),
    (("int64", []), ("float", []), "an empty list (int64)", "an empty list (float)"),
    (("int64", range(5)), ("int64", [0, 1, 9, 3, 4]), "5 values, [2] is 2", "5 values, [2] is 9"),
    (("int64", range(9)), ("int64", range(8)), "9 values, [8] is 8", "8 values"),
    (("bytes", [b"a", b"b"]), ("bytes", [b"a", "ü".encode()]), "['a', 'b']", "['a', 'ü']"),
    (("bytes", [b"a\nb"]), ("bytes", [b"a"]), "3 bytes, SHA-256 ", "'a'"),
    (("bytes", [b"\x1b[31m"]), ("bytes", [b""]), "5 bytes, SHA-256 ", "''"),
    (("bytes", [b"x" * 60]), ("bytes", [b"x" * 61]), f"'{'x' * 60}'", "61 bytes, SHA-256 "),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b", "left", "right"), VALUES)
def test_what_is_said_of_values(tmp_path: Path, a: Any, b: Any, left: str, right: str) -> None:
    name = "s-0-of-1"
    report = two(tmp_path, {name: [record("1", x=a)]}, {name: [record("1", x=b)]})
    (feature,) = report.differences[0].features
    assert str(feature.a).startswith(left) and str(feature.b).startswith(right)


def test_a_name_that_no_terminal_should_see(tmp_path: Path) -> None:
    a = {"s-0-of-1": [record("a\x1b[31m\nb")]}
    report = two(tmp_path, a, {"s-0-of-1": []})
    assert report.differences[0].key_a.startswith("8 bytes, SHA-256 ")


# ---- damage -------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["A", "B"])
@pytest.mark.parametrize(
    ("where", "what"),
    [
        (20, "the checksum of its "),
        (3, "the checksum of its length is wrong"),
        (None, "is cut off"),
    ],
)
def test_damage_is_a_finding(
    tmp_path: Path, side: str, where: int | None, what: str, any_order: bool
) -> None:
    b = changed(SHARDS, THIRD, 0, image_class_label=("int64", [5]))
    write(tmp_path / "A", SHARDS)
    write(tmp_path / "B", b)
    size = len(payload(SHARDS[SECOND][0])) + 16
    path = tmp_path / side / SECOND
    data = bytearray(path.read_bytes())
    if where is None:
        del data[2 * size + 30 :]
    else:
        data[2 * size + where] ^= 4
    path.write_bytes(data)
    report = compare(tmp_path / "A", tmp_path / "B", any_order=any_order)
    (found,) = [one for one in report.differences if one.kind == "damaged"]
    place = Place(SECOND, 2, 2 * size)
    assert (found.a, found.b) == ((place, None) if side == "A" else (None, place))
    assert f"{path}: record 2 at offset {2 * size}" in found.text and what in found.text
    # The shard behind it was looked at, too.
    (other,) = [one for one in report.differences if one.kind == "record"]
    assert other.a is not None and other.a.file == THIRD
    lost = {"only in " + ("B" if side == "A" else "A"): 2} if any_order else {}
    assert report.counts == {"damaged": 1, "record": 1, **lost}


def test_both_damaged(tmp_path: Path, any_order: bool) -> None:
    for name, at in (("a", 13), ("b", 14)):
        data = bytearray(twin.frame(payload(record("1"))))
        data[at] ^= 1
        (tmp_path / name).write_bytes(data)
    report = compare(tmp_path / "a", tmp_path / "b", any_order=any_order)
    assert report.counts == {"damaged": 2}
    # The same damage on both sides is none of its business.
    assert compare(tmp_path / "a", tmp_path / "a").same


def test_compressed(tmp_path: Path) -> None:
    import gzip

    a = write(tmp_path / "A", SHARDS)
    b = write(tmp_path / "B", SHARDS)
    (b / FIRST).write_bytes(gzip.compress((b / FIRST).read_bytes()))
    for any_order in (False, True):  # by what is in them
        report = compare(a, b, any_order=any_order)
        assert report.same and report.records and report.equal_files == report.files_a - 1
    (a / FIRST).write_bytes(gzip.compress((a / FIRST).read_bytes(), compresslevel=1))
    assert compare(a, b).same
    (b / FIRST).write_bytes((b / FIRST).read_bytes()[:-9])
    report = compare(a, b)
    assert report.counts["damaged"] == 1
    assert "its GZIP data is cut off or damaged" in report.differences[-1].text


# ---- sides --------------------------------------------------------------------------------------


def test_files_on_one_side(tmp_path: Path) -> None:
    b = {**SHARDS, "train-00003-of-00003": SHARDS[FIRST]}
    del b[SECOND]
    report = two(tmp_path, SHARDS, b)
    assert report.counts == {"file": 2}
    assert [(str(one.a), str(one.b)) for one in report.differences] == [
        (SECOND, "None"),
        ("None", "train-00003-of-00003"),
    ]
    assert (report.files_a, report.files_b, report.equal_files) == (3, 3, 2)


def test_what_is_no_record_file_is_passed_over(tmp_path: Path) -> None:
    for side in "AB":
        folder = write(tmp_path / side, {**SHARDS, "plain": SHARDS[FIRST]})
        (folder / "dataset_info.json").write_text(side)
        (folder / "labels.txt").write_text("a\nb\n")
        (folder / ".hidden").write_text(side)
        (folder / "sub").mkdir()
        (folder / "empty").touch()
        os.mkfifo(folder / "pipe")
        (folder / f"{FIRST}.idx").write_text(side)
    report = compare(tmp_path / "A", tmp_path / "B")
    assert (report.same, report.files_a) == (True, 4)
    assert report.notes == tuple(
        f"{side}: 4 files without records: dataset_info.json, empty, pipe, …" for side in "AB"
    )


def test_an_output_and_a_plain_folder(outputs: Path) -> None:
    report = compare(outputs / "one", outputs / "two" / "data_dir")
    assert (report.same, report.equal_files) == (True, 5)
    assert report.notes == ("labels.txt: only A has it", "idx_dir: only A has it")


def test_sides_that_are_none(tmp_path: Path) -> None:
    a = write(tmp_path / "A", SHARDS)
    (tmp_path / "nothing").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for path, words in (
        ("gone", "gone: does not exist"),
        ("nothing", "nothing: holds no TFRecord files"),
        ("pipe", "pipe: cannot be read"),
    ):
        for sides in ((tmp_path / path, a), (a, tmp_path / path)):
            with pytest.raises(InputError, match=words):
                compare(*sides)
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / FIRST).symlink_to("nowhere")
    with pytest.raises(InputError, match=f"links/{FIRST}: does not exist"):
        compare(a, tmp_path / "links")
    with pytest.raises(UsageError, match="is a file, the other a folder"):
        compare(a, a / FIRST)


def test_a_pipe_among_the_shards_is_no_hang(tmp_path: Path, workers: int, any_order: bool) -> None:
    a, b = write(tmp_path / "A", SHARDS), write(tmp_path / "B", SHARDS)
    (b / SECOND).unlink()
    os.mkfifo(b / SECOND)
    with pytest.raises(InputError, match=f"B/{SECOND}: cannot be"):
        compare(a, b, workers=workers, any_order=any_order)


@pytest.mark.parametrize(
    "given",
    [
        {"limit": -1},
        {"workers": 0},
        {"float_tolerance": -1.0},
        {"float_tolerance": math.nan},
        {"float_tolerance": math.inf},
        {"key": ["x"]},
        {"key": "x", "any_order": True},
        {"ignore": "x"},
        {"same_bytes": True, "ignore": ["x"]},
        {"same_bytes": True, "float_tolerance": 1.0},
    ],
)
def test_contradictions(tmp_path: Path, given: dict[str, Any]) -> None:
    a = write(tmp_path / "A", SHARDS)
    with pytest.raises(UsageError):
        compare(a, a, **given)


def test_progress(tmp_path: Path, any_order: bool) -> None:
    seen: list[fastconv.Progress] = []
    b = changed(SHARDS, FIRST, 0, image_class_label=("int64", [5]))
    two(tmp_path, SHARDS, b, any_order=any_order, on_progress=seen.append)
    phases = list(dict.fromkeys(one.phase for one in seen))
    others = ["reading", "looking at what differs"] if any_order else []
    assert phases == ["comparing", *others]
    for phase in phases:
        last = [one for one in seen if one.phase == phase][-1]
        assert (last.bytes, last.images) == (last.total_bytes, last.total_images)


def test_nothing_to_look_at_is_not_told(tmp_path: Path) -> None:
    seen: list[fastconv.Progress] = []
    a, b = write(tmp_path / "A", SHARDS), write(tmp_path / "B", SHARDS, backwards=True)
    compare(a, b, any_order=True, on_progress=seen.append)
    assert list(dict.fromkeys(one.phase for one in seen)) == ["comparing", "reading"]


@pytest.mark.parametrize("limit", [0, 1, 2, 5, 100])
def test_limit(tmp_path: Path, limit: int, any_order: bool) -> None:
    b = {shard: [record(f"{shard[10]}{n}.JPEG", 9) for n in range(3)] for shard in SHARDS}
    report = two(tmp_path, SHARDS, b, limit=limit, any_order=any_order)
    assert report.counts == {"only in A": 3, "record": 9}
    assert report.features == {"image/class/label": 9}
    assert len(report.differences) == min(limit, 12)
    whole = compare(tmp_path / "A", tmp_path / "B", limit=99, any_order=any_order)
    assert whole.differences[:limit] == report.differences


# ---- against plain Python -----------------------------------------------------------------------

ONE = st.builds(
    lambda name, label, x: {
        **({"image/filename": ("bytes", [name])} if name else {}),
        "image/class/label": ("int64", [label]),
        **({"x": ("float", x)} if x is not None else {}),
    },
    st.sampled_from([b"", b"a", b"b", b"c"]),
    st.integers(0, 1),
    st.none() | st.lists(st.sampled_from([0.0, 1.0]), max_size=1),
)
NAMES = ["t-0-of-2", "t-1-of-2", "v-0-of-1", "t-2-of-3"]
SIDE = st.dictionaries(
    st.sampled_from(NAMES), st.lists(st.tuples(ONE, st.booleans()), max_size=5), min_size=1
)
Side: TypeAlias = dict[str, list[tuple[Record, bool]]]


def content(one: Record) -> tuple[Any, ...]:
    return tuple(sorted((name, kind, tuple(values)) for name, (kind, values) in one.items()))


def lay(folder: Path, side: Side) -> dict[str, list[tuple[Record, bytes]]]:
    folder.mkdir()
    wired = {
        name: [(one, payload(one, backwards)) for one, backwards in items]
        for name, items in side.items()
    }
    for name, items in wired.items():
        (folder / name).write_bytes(b"".join(twin.frame(data) for _, data in items))
    return wired


@given(a=SIDE, b=SIDE, mixed=st.booleans(), both=st.integers(0, 2))
@settings(max_examples=150, deadline=None)
def test_plain_python_says_the_same(
    tmp_path_factory: pytest.TempPathFactory, a: Side, b: Side, mixed: bool, both: int
) -> None:
    if mixed:  # mostly the same
        b = {**a, **dict(list(b.items())[:both])}
    folder = tmp_path_factory.mktemp("plain")
    left, right = lay(folder / "A", a), lay(folder / "B", b)
    report = compare(folder / "A", folder / "B", workers=1, limit=1000)
    files = left.keys() ^ right.keys()
    shared = left.keys() & right.keys()
    equal = {n for n in shared if [d for _, d in left[n]] == [d for _, d in right[n]]}
    expected: Counter[str] = Counter(file=len(files))
    other_bytes = records = 0
    for name in shared - equal:
        for x, y in zip_longest(left[name], right[name]):
            if x is None or y is None:
                expected["only in B" if x is None else "only in A"] += 1
                continue
            records += 1
            if content(x[0]) != content(y[0]):
                expected["record"] += 1
            elif x[1] != y[1]:
                other_bytes += 1
    assert report.counts == dict(+expected)
    assert (report.records, report.other_bytes) == (records, other_bytes)
    assert report.equal_files == len(equal)
    assert len(report.differences) == report.total
    check_any_order(folder, left, right, equal)


def check_any_order(
    folder: Path,
    left: dict[str, list[tuple[Record, bytes]]],
    right: dict[str, list[tuple[Record, bytes]]],
    equal: set[str],
) -> None:
    with_split = bool({n[0] for n in left} & {n[0] for n in right})
    rows = []
    for side in (left, right):
        rows.append(
            [
                (name[0] if with_split else "", *one)
                for name, items in side.items()
                if name not in equal
                for one in items
            ]
        )
    by_class = False
    for side_rows in rows:
        classes: dict[Any, set[Any]] = {}
        for split, one, _ in side_rows:
            if "image/filename" in one:
                key = (split, one["image/filename"][1][0])
                classes.setdefault(key, set()).add(one["image/class/label"][1][0])
        by_class = by_class or any(len(found) > 1 for found in classes.values())

    def key_of(split: str, one: Record) -> Any:
        if "image/filename" not in one:
            return content(one)
        name = one["image/filename"][1][0]
        return (split, name, one["image/class/label"][1][0] if by_class else None)

    wired = [Counter((key_of(s, o), content(o), d) for s, o, d in side) for side in rows]
    plain = [Counter((key_of(s, o), content(o)) for s, o, _ in side) for side in rows]
    same_bytes = (wired[0] & wired[1]).total()
    same = (plain[0] & plain[1]).total()
    rest: list[Counter[Any]] = []
    for x, y in (plain, plain[::-1]):
        keys: Counter[Any] = Counter()
        for (key, _), count in (x - y).items():
            keys[key] += count
        rest.append(keys)
    pairs = (rest[0] & rest[1]).total()
    expected = Counter(
        {
            "record": pairs,
            "only in A": rest[0].total() - pairs,
            "only in B": rest[1].total() - pairs,
        }
    )
    report = compare(folder / "A", folder / "B", workers=1, limit=1000, any_order=True)
    assert report.counts == dict(+expected)
    assert (report.other_bytes, report.records) == (same - same_bytes, same + pairs)
    assert len(report.differences) == report.total


ROWS = st.lists(st.tuples(st.integers(0, 2), st.integers(2**64 - 2, 2**64 - 1)), max_size=12)


@given(ROWS, ROWS)
def test_rows_match_as_multisets(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> None:
    left, right = (np.array(rows, np.uint64).reshape(-1, 2) for rows in (a, b))
    rows_a, rows_b = matched(left, right)
    assert (left[rows_a] == right[rows_b]).all()
    assert len(set(rows_a.tolist())) == len(rows_a) == (Counter(a) & Counter(b)).total()
    assert len(set(rows_b.tolist())) == len(rows_b)
    assert rows_a.tolist() == sorted(rows_a.tolist())
    # Of equal ones, the first goes with the first.
    for value in set(a) & set(b):
        ours = [i for i in rows_a.tolist() if a[i] == value]
        assert ours == [i for i, row in enumerate(a) if row == value][: len(ours)]
        others = [j for i, j in zip(rows_a.tolist(), rows_b.tolist(), strict=True) if i in ours]
        assert others == [j for j, row in enumerate(b) if row == value][: len(others)]


# ---- the command --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    stdout: str
    stderr: str


Run: TypeAlias = Callable[..., Said]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in this process: its exit code checked, what it said returned."""

    def run(*words: object, code: int) -> Said:
        ended = run_command(["diff", *map(str, words), "--workers", "1"])
        said = Said(*capsys.readouterr())
        assert ended == code, said
        assert "Traceback" not in said.stderr
        return said

    return run


def test_the_command_says_what_differs(tmp_path: Path, run: Run) -> None:
    b = changed(SHARDS, FIRST, 2, image_class_label=("int64", [9]), text=("bytes", [b"tench"]))
    b[SECOND].pop()
    sides = write(tmp_path / "A", SHARDS), write(tmp_path / "B", b)
    done = run(*sides, code=5)
    assert done.stdout.splitlines() == [
        f"differs: {FIRST} record 2 (02.JPEG)",
        "  image/class/label: 0 | 9",
        "  text: not there | 'tench'",
        f"only in A: {SECOND} record 3 (13.JPEG)",
        "files: 3, of them with the same bytes: 1",
        "records compared: 7",
        "features that differ: image/class/label 1, text 1",
        f"{sides[0]} | {sides[1]}: NOT the same: records only in A: 1, records differ: 1",
    ]
    assert done.stderr == "comparing …\n"
    assert "and 1 more difference; see --limit" in run(*sides, "--limit", 1, code=5).stdout
    done = run(*sides, "--quiet", code=5)
    assert (done.stdout, done.stderr) == ("", "")
    summary = json.loads(run(*sides, "--json", code=5).stdout)
    assert (summary["same"], summary["exit_code"], summary["total"]) == (False, 5, 2)
    assert summary["differences"][0]["a"] == {
        "file": FIRST,
        "record": 2,
        "offset": summary["differences"][0]["b"]["offset"],
    }
    words = ["--ignore", "text", "--ignore", "image/class/label", "--any-order"]
    assert "NOT the same: records only in A: 1" in run(*sides, *words, code=5).stdout


def test_the_command_says_that_nothing_differs(tmp_path: Path, run: Run) -> None:
    a = write(tmp_path / "A", SHARDS)
    b = write(tmp_path / "B", SHARDS, backwards=True)
    assert f"{a} | {a}: the same, byte for byte" in run(a, a, code=0).stdout
    done = run(a, b, code=0)
    assert "records compared: 12; same records, other bytes: 12" in done.stdout
    assert done.stdout.endswith(": the same records\n")
    assert "records differ in bytes: 12" in run(a, b, "--bytes", code=5).stdout


def test_records_of_other_names_are_told_in_short(tmp_path: Path, run: Run) -> None:
    a, b = {"s-0-of-1": [record("a | b", 1)]}, {"s-0-of-1": [record("c", 2)]}
    sides = write(tmp_path / "A", a), write(tmp_path / "B", b)
    assert run(*sides, code=5).stdout.splitlines()[:4] == [
        "differs: s-0-of-1 record 0 (a | b | c)",
        "  image/filename: 'a | b' | 'c'",
        "  and image/class/label",
        "note: records of one number differ in image/filename: one may be missing, or the order "
        "another; --any-order compares records wherever they stand",
    ]


def test_names_that_are_no_text(tmp_path: Path, run: Run) -> None:
    """Of files, as the system allows them."""
    name = os.fsdecode(b"s\xff-00000-of-00001")
    a = write(tmp_path / "A", {name: [record("1")]})
    b = write(tmp_path / "B", {name: [record("1"), record("2")], "t-0-of-1": []})
    assert "record 1 (2)" in run(a, b, code=5).stdout
    assert "record 1 (2)" in run(a, b, "--any-order", code=5).stdout
    run(a, b, "--json", code=5)


def test_the_command_on_what_cannot_be_compared(tmp_path: Path, run: Run) -> None:
    a = write(tmp_path / "A", SHARDS)
    assert "gone: does not exist" in run(a, tmp_path / "gone", code=3).stderr
    assert "--bytes asks for equal bytes" in run(a, a, "--bytes", "--ignore", "x", code=2).stderr
    assert "Missing argument 'B'" in run(a, code=2).stderr
    failed = json.loads(run(a, tmp_path / "gone", "--json", code=3).stdout)
    assert failed["exit_code"] == 3


def test_the_digest_is_that_of_sha256sum(tmp_path: Path) -> None:
    image = os.urandom(1000)
    a = write(tmp_path / "A", {"s-0-of-1": [record("1", image=image)]})
    b = write(tmp_path / "B", {"s-0-of-1": [record("1")]})
    words = hashlib.sha256(image).hexdigest()[:12]
    assert compare(a, b).differences[0].features[0].a == f"1,000 bytes, SHA-256 {words}…"


def endless(folder: Path) -> Path:
    """Two sides with files of 8 TB of nothing, which nobody reads to their end."""
    for side in "AB":
        (folder / side).mkdir()
        for shard in range(2):
            with (folder / side / f"train-0000{shard}-of-00002").open("wb") as file:
                file.truncate(1 << 43)
    return folder


@pytest.mark.parametrize("workers", [1, 2])
def test_interrupted(tmp_path: Path, workers: int, no_children: None) -> None:
    words = [sys.executable, "-m", "fastconv", "diff", "A", "B", "--workers", str(workers)]
    process = subprocess.Popen(words, cwd=endless(tmp_path), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline() == "comparing …\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "fastconv: interrupted" in said


def test_a_killed_worker_is_named_with_its_file(tmp_path: Path, no_children: None) -> None:
    folder = endless(tmp_path)

    def kill() -> None:
        while not (found := children()):
            time.sleep(0.02)
        os.kill(int(found[0]), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(WorkerError, match=r"SIGKILL.* with .*/A/train-0000.-of-00002 in hand"):
        compare(folder / "A", folder / "B", workers=2)
    killer.join()
