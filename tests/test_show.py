"""fastconv show: which records are shown, and what is said of them."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
import twin
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.cells import cell_len
from shown_records import PLAIN, features, file_of, image, shard

import fastconv
from fastconv import InputError, RecordError, UsageError
from fastconv.cli import run as run_command
from fastconv.pictures import places as places_module
from fastconv.pictures.features import features_of, image_facts
from fastconv.pictures.pick import Picker
from fastconv.pictures.places import SMALL_BYTES, Facts, places
from fastconv.pictures.shown import Classes, shown_of
from fastconv.show import look, pick

SHARDS = ("train-00000-of-00002", "train-00001-of-00002")
CLASSES = {"n01440764": "tench, Tinca tinca", "n01443537": "goldfish", "n02084071": "dog"}


def dataset(root: Path, indexed: bool = True, records: int = 12) -> Path:
    """Two shards of classes in turn: a record's label, name and text follow from its number."""
    for number, name in enumerate(SHARDS):
        rows = []
        for record in range(records):
            label = (number * records + record) % 3
            synset = list(CLASSES)[label]
            rows.append(features(f"{number}_{record}.JPEG", label + 1, synset, CLASSES[synset]))
        shard(root / "data_dir" / name, rows, root / "idx_dir" / name if indexed else None)
    return root


def names(picker: Picker, picked: Sequence[Any]) -> list[str | None]:
    return [one.filename for one in picker.shown(picked)]


@dataclass(frozen=True)
class Said:
    stdout: str
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.stdout, parse_constant=pytest.fail)
        return found


Run: TypeAlias = Callable[..., Said]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command in this process: its exit code checked, what it said returned."""
    monkeypatch.setenv("COLUMNS", "160")

    def run(*words: object, code: int = 0) -> Said:
        ended = run_command(["show", *map(str, words)])
        said = Said(*capsys.readouterr())
        assert ended == code, said
        assert "Traceback" not in said.stderr
        return said

    return run


# ---- where records are ---------------------------------------------------------------------------


def test_places_by_index_and_without(tmp_path: Path) -> None:
    root = dataset(tmp_path)
    for name in SHARDS:
        path, index = root / "data_dir" / name, root / "idx_dir" / name
        found = list(places(path))
        assert found == list(places(path, index)) and len(found) == 12
        assert [f"{one.offset} {one.size}" for one in found] == index.read_text().splitlines()


def test_an_index_saves_reading_the_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = dataset(tmp_path)
    monkeypatch.setattr(places_module, "record_heads", pytest.fail)
    assert Picker([root / "data_dir" / SHARDS[0]], root / "idx_dir").counts() == [12]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda lines: lines[:-1],
        lambda lines: [*lines, "99999 10"],
        lambda lines: ["1 10", *lines[1:]],
        lambda lines: ["x", *lines[1:]],
        lambda lines: [f"-{lines[0]}", *lines[1:]],
        lambda lines: [],
    ],
)
def test_an_index_of_something_else_is_not_used(
    tmp_path: Path, spoil: Callable[[list[str]], list[str]]
) -> None:
    root = dataset(tmp_path)
    index = root / "idx_dir" / SHARDS[0]
    lines = spoil(index.read_text().splitlines())
    index.write_text("".join(f"{line}\n" for line in lines))
    path = root / "data_dir" / SHARDS[0]
    assert list(places(path, index)) == list(places(path))


def test_what_is_behind_is_not_looked_at(tmp_path: Path) -> None:
    """The first records of a shard that is damaged further on."""
    path = dataset(tmp_path, indexed=False) / "data_dir" / SHARDS[0]
    at = list(places(path))[5].offset
    assert at is not None
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\0" * 8)
    picker = Picker([path])
    assert names(picker, picker.first(5)) == [f"0_{n}.JPEG" for n in range(5)]
    with pytest.raises(RecordError, match=f"{SHARDS[0]}: record 5 at offset {at}: "):
        picker.first(6)
    with pytest.raises(RecordError, match="record 5"):
        picker.at_random(1)


@pytest.mark.parametrize("keep", [0, 1, 11, 12, 13, 100])
def test_a_shard_cut_anywhere(tmp_path: Path, keep: int) -> None:
    path = dataset(tmp_path, indexed=False) / "data_dir" / SHARDS[0]
    os.truncate(path, keep)
    picker = Picker([path])
    if keep == 0:
        assert picker.first(5) == [] == picker.at_random(5) and picker.counts() == [0]
        return
    with pytest.raises(RecordError, match="record 0 at offset 0: is cut off"):
        picker.first(5)


def test_facts_are_read_without_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytes(1_000_000)
    path = shard(tmp_path / "a", [features(data=data), features("b", data=data)])
    read = 0
    pread = os.pread

    def counted(fd: int, size: int, at: int) -> bytes:
        nonlocal read
        read += size
        return pread(fd, size, at)

    monkeypatch.setattr(os, "pread", counted)
    with Facts(path) as facts:
        for place, name in zip(places(path), (b"a.JPEG", b"b"), strict=True):
            assert place.offset is not None
            payload = facts.payload(place.offset, place.size)
            assert payload is not None
            found = fastconv.parse_example(payload)
            assert found["image/filename"][0] == name and "image/encoded" not in found
    assert read < 20_000


@pytest.mark.parametrize("size", [0, 1, SMALL_BYTES - 40, SMALL_BYTES, SMALL_BYTES + 1, 70_000])
@pytest.mark.parametrize("name", ["a", "z"])
def test_facts_of_records_of_all_sizes(tmp_path: Path, size: int, name: str) -> None:
    record = {**features(data=b"x" * size), name * 200: [1, 2, 3], "none": np.empty(0, np.int64)}
    path = shard(tmp_path / "a", [record])
    with Facts(path) as facts:
        payload = facts.payload(0, path.stat().st_size)
    assert payload is not None
    found = fastconv.parse_example(payload)
    whole = fastconv.parse_example(next(fastconv.read_records(path)))
    assert whole.keys() - found.keys() <= {"image/encoded"}
    assert ("image/encoded" in found) == (size < SMALL_BYTES - 30)
    assert all((found[key] == whole[key]).all() for key in found)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"x",
        b"\x0a",
        b"\x0a\x05abc",
        b"\x0a\x02\x0a\x05",
        b"\x0a\x00\x0a\x00",
        b"\x0a" + b"\xff" * 11,
        b"\x0a\x03\x12\x01a",
        b"\x08\x01",
    ],
)
def test_what_has_another_form_is_read_whole(tmp_path: Path, payload: bytes) -> None:
    (tmp_path / "a").write_bytes(twin.frame(payload))
    with Facts(tmp_path / "a") as facts:
        assert facts.payload(0, len(payload) + 16) is None
    picker = Picker([tmp_path / "a"])
    try:
        fastconv.parse_example(payload)
    except ValueError:
        with pytest.raises(RecordError, match="record 0 at offset 0: is no Example"):
            picker.of_class("x", 1)
    else:
        assert picker.of_class("x", 1) == ([], set())


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_records_are_named_or_read_whole(data: st.DataObject) -> None:
    """Whatever is in a payload, with checksums that are right."""
    payload = bytearray(fastconv.encode_example(features(data=b"x" * 50, boxes=[(0, 0, 1, 1)])))
    for _ in range(data.draw(st.integers(0, 3))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    del payload[data.draw(st.integers(0, len(payload))) or len(payload) :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        path.write_bytes(twin.frame(bytes(payload)))
        picker = Picker([path])
        for look_for in (lambda: picker.of_class("1", 1), lambda: [*picker.shown(picker.first(1))]):
            with contextlib.suppress(RecordError):
                look_for()


def test_only_plain_numbers_are_labels(tmp_path: Path) -> None:
    picker = Picker([shard(tmp_path / "a", [features(label=n) for n in (-1, 10, 7)])])
    for name, found in (("10", 1), ("1_0", 0), (" 7", 0), ("-1", 1), ("7.0", 0), ("\u0667", 0)):
        assert len(picker.of_class(name, 9)[0]) == found, name
    assert picker.of_class("9" * 5000, 9)[0] == []


# ---- which records -------------------------------------------------------------------------------


@pytest.mark.parametrize("indexed", [True, False])
def test_random_ones_are_the_same_for_a_seed(tmp_path: Path, indexed: bool) -> None:
    looked = look(dataset(tmp_path, indexed))
    picker = looked.picker
    first = names(picker, picker.at_random(7, seed=3))
    assert first == names(picker, picker.at_random(7, seed=3))
    assert len(set(first)) == 7
    assert first != names(picker, picker.at_random(7, seed=4))
    every = [f"{s}_{r}.JPEG" for s in range(2) for r in range(12)]
    assert names(picker, picker.at_random(24)) == every == names(picker, picker.at_random(99))
    drawn = {name for seed in range(60) for name in names(picker, picker.at_random(3, seed))}
    assert drawn == set(every)


@pytest.mark.parametrize("name", ["n01443537", "goldfish", "2"], ids=["name", "text", "label"])
def test_a_class_by_each_of_its_names(tmp_path: Path, name: str) -> None:
    picker = look(dataset(tmp_path)).picker
    found, _ = picker.of_class(name, 99)
    assert names(picker, found) == [f"{n // 12}_{n % 12}.JPEG" for n in range(24) if n % 3 == 1]
    assert len(picker.of_class(name, 3)[0]) == 3
    drawn = [tuple(names(picker, picker.of_class(name, 2, seed)[0])) for seed in range(40)]
    assert drawn[0] == tuple(names(picker, picker.of_class(name, 2, 0)[0]))
    assert {one for pair in drawn for one in pair} == set(names(picker, found))
    every = names(picker, found)
    assert all(pair == tuple(sorted(pair, key=every.index)) for pair in drawn)


def test_folders_whose_names_are_numbers(tmp_path: Path) -> None:
    """As in MNIST: class 7 is the folder 7, not what has label 7."""
    path = shard(tmp_path / "a", [features(f"{n}", n + 1, str(n), str(n)) for n in range(10)])
    picker = Picker([path])
    assert names(picker, picker.of_class("7", 9)[0]) == ["7"]
    assert picker.of_class("10", 9) == ([], {str(n) for n in range(10)})


def test_classes_that_only_the_labels_file_names(tmp_path: Path) -> None:
    rows = [{"image": PLAIN, "label": n, "file_name": f"{n}"} for n in range(3)]
    path = shard(tmp_path / "x-train.tfrecord-00000-of-00001", rows)
    (tmp_path / "label.labels.txt").write_text("cat\ndog\nemu\n")
    picker = look(tmp_path).picker
    assert picker.shards == (path,) and picker.classes == Classes(("cat", "dog", "emu"), 0)
    assert names(picker, picker.of_class("emu", 9)[0]) == ["2"]
    assert names(picker, picker.of_class("0", 9)[0]) == ["0"]
    assert [one.synset for one in picker.shown(picker.first(9))] == ["cat", "dog", "emu"]


def test_compressed_shards(tmp_path: Path, run: Run) -> None:
    whole = look(dataset(tmp_path / "a", indexed=False)).picker
    folder = tmp_path / "b"
    folder.mkdir()
    for path in whole.shards:
        (folder / path.name).write_bytes(gzip.compress(path.read_bytes()))
    squeezed = look(folder).picker
    assert squeezed.counts() == [12, 12]
    methods: list[Callable[[Picker], Sequence[Any]]] = [
        lambda p: p.first(15),
        lambda p: p.at_random(6, 2),
        lambda p: p.of_class("goldfish", 5)[0],
        lambda p: p.of_class("goldfish", 5, 1)[0],
    ]
    for method in methods:
        assert names(squeezed, method(squeezed)) == names(whole, method(whole))
    said = run(folder / SHARDS[0], "--record", 5, "--json").json
    assert (said["filename"], said["offset"]) == ("0_5.JPEG", None)
    assert "offset" not in run(folder, "--no-picture").stdout
    whole_bytes = (folder / SHARDS[0]).read_bytes()
    (folder / SHARDS[0]).write_bytes(whole_bytes[: len(whole_bytes) // 2])
    assert "of its content: its GZIP data is cut off" in run(folder, code=3).stderr


# ---- what a path holds ---------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["slim", "tfds"])
def test_outputs_by_any_of_their_paths(tmp_path: Path, mini: Path, layout: str) -> None:
    out = tmp_path / "out"
    fastconv.convert(
        fastconv.Options(source=mini / "tree", out=out, layout=layout, train_shards=2, workers=1)  # type: ignore[arg-type]
    )
    looked = look(out)
    assert len(looked.sizes) == 3 and looked.records() == 80 and looked.passed_over == ()
    folder = looked.picker.shards[0].parent
    assert looked.picker.indexes is not None and len(looked.picker.classes.names) >= 3
    expected = [one.without_image() for one in looked.picker.shown(looked.picker.first(99))]
    for path in {folder, folder.parent if layout == "slim" else folder}:
        other = look(path)
        assert other.picker.classes == looked.picker.classes
        assert [
            one.without_image() for one in other.picker.shown(other.picker.first(99))
        ] == expected
    one = look(looked.picker.shards[1])
    assert one.single and one.picker.classes == looked.picker.classes
    assert one.picker.indexes == looked.picker.indexes
    assert all(record.synset and record.height and record.label is not None for record in expected)
    synset = str(expected[0].synset)
    of_class = list(looked.picker.shown(looked.picker.of_class(synset, 99)[0]))
    assert {record.synset for record in of_class} == {synset}
    assert len(of_class) == sum(record.synset == synset for record in expected)


def test_features_by_other_names(tmp_path: Path, mini: Path) -> None:
    schema = tmp_path / "schema.toml"
    schema.write_text('[rename]\n"image/encoded" = "pixels"\n"image/class/label" = "y"\n')
    out = tmp_path / "out"
    fastconv.convert(
        fastconv.Options(source=mini / "tree", out=out, split="validation", schema=str(schema))
    )
    for path in (out, out / "data_dir" / "validation-00000-of-00001"):
        first = next(look(path).picker.shown(look(path).picker.first(1)))
        assert first.label is not None and first.encoded[:2] == b"\xff\xd8"


@pytest.mark.parametrize(
    "spoiled", [b"", b"{}", b"no JSON", b'{"tool": "fastconv 9", "format": 99}']
)
def test_a_damaged_manifest_does_not_matter(tmp_path: Path, spoiled: bytes) -> None:
    root = dataset(tmp_path)
    (root / "manifest.json").write_bytes(spoiled)
    assert look(root).records() == 24


def test_where_there_is_nothing(tmp_path: Path, run: Run) -> None:
    said = run(tmp_path / "no", code=3)
    assert said.stderr == f"fastconv: {tmp_path / 'no'}: does not exist\n"
    assert "holds no TFRecord files" in run(tmp_path, code=3).stderr
    os.mkfifo(tmp_path / "pipe")
    assert "no regular file" in run(tmp_path / "pipe", code=3).stderr


# ---- records of all kinds ------------------------------------------------------------------------


def seen(**record: Any) -> Any:
    parsed = fastconv.parse_example(fastconv.encode_example(record))
    return shown_of(parsed, "s", 0, 0, 1, {})


def test_records_of_other_kinds() -> None:
    tfds = seen(image=PLAIN, label=7, file_name="a.jpg")
    assert (tfds.label, tfds.filename, tfds.height, tfds.width) == (7, "a.jpg", 40, 60)
    boxed = seen(**{"image": PLAIN, "objects/bbox": np.array([0.1, 0.2, 0.5, 0.75], np.float32)})
    assert boxed.boxes[0] == pytest.approx((0.2, 0.1, 0.75, 0.5))
    nothing = seen(x=1.5)
    assert (nothing.label, nothing.filename, nothing.encoded, nothing.height) == (
        None,
        None,
        b"",
        None,
    )
    assert seen(photo=file_of(image(7, 5)), other=b"x").width == 7
    assert seen(label="cat").label == "cat"
    assert seen(**{"image/encoded": [1, 2]}).encoded == b""
    assert seen(**{"image/filename": b"\xff\xfe"}).filename == "\ufffd\ufffd"
    told = seen(**{"image/height": 3, "image/width": 4})
    assert (told.height, told.width) == (3, 4)
    empty = seen(**{"image/class/label": np.empty(0, np.int64), "label": 3})
    assert empty.label == 3


def test_boxes_that_are_no_numbers_are_left_out() -> None:
    record = features(boxes=[(0, 0, 1, 1), (np.nan, 0, 1, 1), (0, np.inf, 1, 1), (0.5, 0, 1, 1)])
    assert seen(**record).boxes == ((0, 0, 1, 1), (0.5, 0, 1, 1))
    record["image/object/bbox/xmax"] = record["image/object/bbox/xmax"][:1]
    assert len(seen(**record).boxes) == 1
    record["image/object/bbox/ymax"] = [1, 2]
    assert seen(**record).boxes == ()


def test_features_in_words() -> None:
    example = {
        "text": "tench\nline",
        "bytes": bytes(range(256)),
        "many": list(range(20)),
        "floats": [0.5, float("nan"), float("-inf")],
        "none": np.empty(0, object),
        "no numbers": np.empty(0, np.int64),
        "long": "x" * 5000,
        "names": ["a", "b"],
        "image": file_of(image(30, 20), "JPEG", quality=90, subsampling=2, progressive=True),
    }
    parsed = fastconv.parse_example(fastconv.encode_example(example))
    found = {one.name: one for one in features_of(parsed)}
    assert found["text"].shown == "tench\nline" and found["text"].told == ["tench\nline"]
    assert found["bytes"].shown == "256 bytes: 00 01 02 03 04 05 06 07 08 09 0a 0b …"
    assert found["bytes"].told == [{"bytes": 256, "begins": "000102030405060708090a0b"}]
    assert found["many"].shown == "0, 1, 2, 3, 4, 5, 6, 7, …" and found["many"].told == [*range(20)]
    assert found["floats"].told == [0.5, "nan", "-inf"]
    assert (found["none"].kind, found["none"].count) == ("none", 0)
    assert (found["no numbers"].kind, found["no numbers"].shown) == ("int64", "")
    assert found["long"].shown == f"{'x' * 200}… (5,000 letters)"
    assert found["names"].shown == "a, b"
    assert found["image"].shown.startswith(
        "JPEG of 20 x 30 (height x width), 3 components, 4:2:0, progressive; "
    )
    json.dumps([one.as_dict() for one in found.values()], allow_nan=False)


@pytest.mark.parametrize(
    ("data", "facts"),
    [
        (file_of(image(), "JPEG", subsampling=0), {"components": 3, "subsampling": "4:4:4"}),
        (file_of(image(), "JPEG", subsampling=1), {"components": 3, "subsampling": "4:2:2"}),
        (file_of(image(mode="L"), "JPEG"), {"components": 1, "format": "JPEG"}),
        (file_of(image(mode="CMYK"), "JPEG"), {"components": 4, "format": "JPEG"}),
        (file_of(image()), {"components": 3, "format": "PNG", "height": 40, "width": 60}),
        (file_of(image(mode="L")), {"components": 1, "mode": "L"}),
        (file_of(image(), "WEBP"), {"format": "WEBP"}),
        (PLAIN[:-30], {"format": "JPEG", "damage": "it is cut off: no EOI marker after its last "
                       "scan began"}),
    ],
)  # fmt: skip
def test_images_in_words(data: bytes, facts: dict[str, Any]) -> None:
    found = image_facts(data)
    assert found is not None and facts.items() <= found.items()


@pytest.mark.parametrize("data", [b"", b"BM", b"x" * 100, bytes(100), b"\xff\xd8"[:1], b"GIF89a"])
def test_what_is_no_image(data: bytes) -> None:
    assert image_facts(data) is None


# ---- the command ---------------------------------------------------------------------------------


def test_a_table_of_a_shard(tmp_path: Path, run: Run) -> None:
    path = dataset(tmp_path) / "data_dir" / SHARDS[0]
    said = run(path, "--limit", 3)
    rows = [line.split() for line in said.stdout.splitlines() if ".JPEG" in line]
    size = (tmp_path / "idx_dir" / SHARDS[0]).read_text().split()[1]
    assert rows[0] == ["0", "0", size, "0_0.JPEG", "1", "n01440764", "tench,", "Tinca", "tinca",
                       "40", "x", "60"]  # fmt: skip
    head = said.stdout.splitlines()[1].split()
    assert head == [
        "record",
        "offset",
        "bytes",
        "file",
        "name",
        "label",
        "class",
        "text",
        "H",
        "x",
        "W",
    ]
    assert len(rows) == 3
    assert said.stdout.splitlines()[-1].startswith(f"{path}: 12 records, ")
    assert said.stdout.splitlines()[-1].endswith("; shown: the first 3")
    assert said.stderr == ""


def test_a_table_of_a_folder(tmp_path: Path, run: Run) -> None:
    root = dataset(tmp_path)
    said = run(root)
    rows = [line.split() for line in said.stdout.splitlines() if ".JPEG" in line]
    assert len(rows) == 20 and rows[12][:3] == [SHARDS[1], "0", "0"]
    assert f"{root}: 2 shards, 24 records, " in said.stdout
    told = run(root, "--json").json
    assert (told["shards"], told["records"], len(told["shown"])) == (2, 24, 20)
    assert told["bytes"] == sum(p.stat().st_size for p in (root / "data_dir").iterdir())
    assert told["shown"][13] == {
        "shard": SHARDS[1], "record": 1, "offset": told["shown"][12]["bytes"],
        "bytes": told["shown"][13]["bytes"], "filename": "1_1.JPEG", "label": 2,
        "synset": "n01443537", "text": "goldfish", "height": 40, "width": 60,
        "image_bytes": len(PLAIN), "boxes": [],
    }  # fmt: skip
    assert run(root, "--quiet").stdout == ""


@pytest.mark.parametrize("room", [1, 20, 40, 60, 80, 100, 110, 160, 300])
def test_a_table_of_any_width(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """Numbers are whole or not there; no line is longer than there is room."""
    monkeypatch.setenv("COLUMNS", str(room))
    root = dataset(tmp_path, records=3)
    long = features("鱼" * 300, 10**18, "n" * 300, "words " * 100)
    shard(root / "data_dir" / SHARDS[0], [features(), long], root / "idx_dir" / SHARDS[0])
    table = run(root).stdout.split(f"\n{root}: ")[0].splitlines()
    assert all(cell_len(line) <= max(room, 1) for line in table)
    rows = [line for line in table if re.match(r" *(train|\d)", line)]
    if room >= 40:
        assert len(rows) == 5
        head = table[1].split()
        assert ("bytes" in head) <= ("record" in head)
        sizes = [one.size for name in SHARDS for one in places(root / "data_dir" / name)]
        if "bytes" in head:
            assert all(str(size) in row.split() for size, row in zip(sizes, rows, strict=True))


def test_all_of_a_record(tmp_path: Path, run: Run) -> None:
    path = shard(tmp_path / "a", [features(), features("b\nc", boxes=[(0, 0, 0.5, 1)])])
    said = run(path, "--record", 1)
    assert "b\\nc" in said.stdout and "JPEG of 40 x 60" in said.stdout
    assert said.stdout.splitlines()[-1].startswith(f"{path}: record 1 at offset ")
    told = run(path, "--record", 1, "--json").json
    by_name = {one["name"]: one for one in told["features"]}
    assert by_name["image/object/bbox/xmax"] == {
        "name": "image/object/bbox/xmax", "kind": "float", "count": 1, "values": [0.5],
    }  # fmt: skip
    assert by_name["image/encoded"]["image"]["subsampling"] == "4:2:0"
    for number in (2, 10**12):
        said = run(path, "--record", number, code=2)
        assert said.stderr == f"fastconv: --record {number}: {path} has 2 records: 0 to 1\n"
    root = dataset(tmp_path / "b")
    assert f"holds 2 shards; name one of them, such as {root}" in (
        run(root, "--record", 1, code=2).stderr
    )
    empty = shard(tmp_path / "empty", [])
    assert "has 0 records: none" in run(empty, "--record", 0, code=2).stderr


def test_classes_on_the_command_line(tmp_path: Path, run: Run) -> None:
    root = dataset(tmp_path)
    said = run(root, "--class", "goldfish")
    assert said.stdout.splitlines()[-1].endswith("; shown: 8 of class goldfish")
    said = run(root, "--class", "2", "--random", 3, "--seed", 5)
    assert said.stdout.splitlines()[-1].endswith("; shown: 3 of class 2, at random, seed 5")
    said = run(root, "--class", "n01443537", "--limit", 2)
    assert said.stdout.splitlines()[-1].endswith("; shown: the first 2 of class n01443537")
    for name, near in (
        ("n0144353", "there is n01443537, n01440764"),
        ("Goldfisch", "there is goldfish"),
        ("tench", "there is tench, Tinca tinca"),
        ("\x1b[31mzzz", "there are others, such as "),
    ):
        said = run(root, "--class", name, code=3)
        assert near in said.stderr and "\x1b" not in said.stderr
    no_class = shard(tmp_path / "x.tfrecord", [{"x": 1}])
    assert "none says of what class it is" in run(no_class, "--class", "a", code=3).stderr


@pytest.mark.parametrize("number", [2**63 - 1, 2**63, 10**30])
def test_numbers_beyond_all_records(tmp_path: Path, run: Run, number: int) -> None:
    path = dataset(tmp_path) / "data_dir" / SHARDS[0]
    assert f"--record {number}: " in run(path, "--record", number, code=2).stderr
    of_class = run(path, "--class", "n01440764", "--limit", number, "--json").json
    assert 0 < len(of_class["shown"]) < 12
    assert len(run(path, "--limit", number, "--json").json["shown"]) == 12


def test_options_that_cannot_be_met(tmp_path: Path, run: Run) -> None:
    path = dataset(tmp_path) / "data_dir" / SHARDS[0]
    for words, why in (
        (["--limit", 2, "--random", 2], "give one of them"),
        (["--record", 0, "--random", 2], "--record is one record"),
        (["--record", 0, "--class", ""], "--record is one record"),
        (["--json", "--picture"], "use --sheet"),
        (["--seed", 0], "--seed is of --random"),
        (["--seed", 1, "--record", 0], "--seed is of --random"),
        (["--columns", 2], "--columns is of pictures"),
        (["--side", 99, "--no-picture"], "--side is of pictures"),
        (["--sheet", tmp_path / "a.gif"], "a sheet is a .png"),
        (["--sheet", ""], "--sheet is empty; give a path"),
        (["--limit", 0], "--limit"),
        (["--side", 10, "--sheet", tmp_path / "a.png"], "--side"),
    ):
        assert why in run(path, *words, code=2).stderr
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize("at", [0, 9, 14, -1])
def test_damage_is_named(tmp_path: Path, run: Run, at: int) -> None:
    path = dataset(tmp_path, indexed=False) / "data_dir" / SHARDS[0]
    found = list(places(path))
    begin, size = found[3].offset, found[3].size
    assert begin is not None
    data = bytearray(path.read_bytes())
    data[begin + at % size] ^= 1
    path.write_bytes(data)
    where = f"fastconv: {path}: record 3 at offset {begin}: the checksum of its "
    for words in ([], ["--random", 12], ["--record", 3], ["--sheet", tmp_path / "a.png"]):
        said = run(path, *words, code=3)
        assert where in said.stderr
    assert not (tmp_path / "a.png").exists()
    assert json.loads(run(path, "--json", code=3).stdout)["exit_code"] == 3
    run(path, "--limit", 3, code=3 if at in (0, 9) else 0)


def test_a_damaged_shard_further_on(tmp_path: Path, run: Run) -> None:
    """What is asked for is shown, and then what is wrong."""
    root = dataset(tmp_path)
    os.truncate(root / "data_dir" / SHARDS[1], 100)
    said = run(root, "--limit", 2, code=3)
    assert said.stdout.count(".JPEG") == 2 and "records not counted" in said.stdout
    assert f"{SHARDS[1]}: record 0 at offset 0: is cut off" in said.stderr
    run(root / "data_dir" / SHARDS[0])


def test_a_record_that_is_no_example(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "x.tfrecord"
    path.write_bytes(twin.frame(b"hello"))
    for words in ([], ["--record", 0], ["--class", "a"]):
        assert f"{path}: record 0 at offset 0: is no Example" in run(path, *words, code=3).stderr


def test_empty_shards(tmp_path: Path, run: Run) -> None:
    empty = shard(tmp_path / "a.tfrecord", [])
    assert f"{empty}: 0 records, 0 B" in run(empty).stdout
    assert run(empty, "--random", 5, "--json").json["shown"] == []
    assert "nothing to put on a sheet" in run(empty, "--sheet", tmp_path / "a.png", code=3).stderr


def test_what_takes_long_to_count_is_not(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastconv.show.COUNTED_BYTES", 1000)
    assert "24 records" in run(dataset(tmp_path / "a")).stdout
    root = dataset(tmp_path / "b", indexed=False)
    assert "records not counted" in run(root).stdout
    assert run(root, "--json").json["records"] is None


def test_other_files_are_passed_over(tmp_path: Path, run: Run) -> None:
    root = dataset(tmp_path) / "data_dir"
    (root / "notes.md").write_text("about these")
    shutil.rmtree(tmp_path / "idx_dir")
    other = root.rename(tmp_path / "shards")
    assert "passed over, as no TFRecord files: notes.md" in run(other).stdout
    assert run(other, "--json").json["passed_over"] == ["notes.md"]


def test_a_sheet_of_what_is_shown(tmp_path: Path, run: Run) -> None:
    root = dataset(tmp_path / "a")
    target = tmp_path / "sheet.png"
    said = run(root, "--random", 5, "--sheet", target)
    assert said.stdout.splitlines()[-1] == f"{target}: a sheet of 5 pictures"
    first = target.read_bytes()
    assert run(root, "--random", 5, "--sheet", target, "--json").json["sheet"] == str(target)
    assert target.read_bytes() == first
    run(root, "--class", "goldfish", "--sheet", target, "--columns", 2, "--side", 64)
    with Image.open(target) as opened:
        assert opened.format == "PNG" and opened.width < 200
    run(root / "data_dir" / SHARDS[0], "--record", 0, "--sheet", tmp_path / "one.JPG")
    with Image.open(tmp_path / "one.JPG") as opened:
        assert opened.format == "JPEG" and opened.width > 512


def test_shards_are_never_taken_for_sheets(tmp_path: Path, run: Run) -> None:
    path = shard(tmp_path / "train.png", [features()])
    before = path.read_bytes()
    assert "is no picture" in run(path, "--sheet", path, code=4).stderr
    assert path.read_bytes() == before


def test_the_library(tmp_path: Path) -> None:
    looked = look(dataset(tmp_path))
    assert pick(looked).what == "the first 20"
    with pytest.raises(UsageError):
        pick(looked, limit=1, at_random=1)
    with pytest.raises(InputError, match="no record is of class x"):
        pick(looked, of_class="x")
    picker = fastconv.Picker([tmp_path / "data_dir" / SHARDS[0]])
    drawn = fastconv.contact_sheet(picker.shown(picker.first(3)), side=64)
    assert drawn.mode == "RGB"


# ---- what went wrong once ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "setting",
    [
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=["latin-1", "ascii", "C"],
)
def test_any_encoding_of_standard_output(tmp_path: Path, setting: dict[str, str]) -> None:
    """Names and cuts that it has no letters for are written otherwise; nothing ends for them."""
    name = "caf\u00e9 \u9c7c"
    path = shard(tmp_path / "a.tfrecord", [features(synset=name, text="x" * 99)])
    for words in ([str(path)], [str(path), "--record", "0"], [str(path), "--class", "no \u9c7c"]):
        ended = subprocess.run(
            [sys.executable, "-m", "fastconv", "show", *words],
            env={**os.environ, "COLUMNS": "100", **setting},
            capture_output=True,
            check=False,
        )
        assert ended.returncode == (3 if "--class" in words else 0), ended.stderr
        assert b"Traceback" not in ended.stderr
        if words == [str(path)]:
            assert b"\\u9c7c" in ended.stdout and b"xxx~" in ended.stdout
            assert "\u2500".encode() not in ended.stdout


@pytest.mark.parametrize("layout", ["slim", "tfds"])
def test_an_output_with_other_files_in_it(
    tmp_path: Path, mini: Path, layout: str, run: Run
) -> None:
    """They are no shards, and no sheet is put beside shards and indexes."""
    out = tmp_path / "out"
    options = fastconv.Options(source=mini / "tree", out=out, layout=layout, workers=1)  # type: ignore[arg-type]
    fastconv.convert(options)
    looked = look(out)
    folder, indexes = looked.picker.shards[0].parent, looked.picker.indexes
    assert indexes is not None
    other = shard(tmp_path / "other.tfrecord", [features()])
    for path, beside in ((out, folder), (folder, indexes), (other, folder), (other, indexes)):
        sheet = beside / "a.png"
        said = run(path, "--sheet", sheet, code=2)
        assert f"--sheet {sheet}: readers would take it for a shard or an index" in said.stderr
        assert not sheet.exists()
    run(out, "--limit", 1, "--sheet", out / "a.png")
    run(other, "--limit", 1, "--sheet", tmp_path / "a.png")
    (folder / "README").write_text("hello")
    shutil.copy(other, folder)
    said = run(out)
    names = "README, other.tfrecord" if layout == "slim" else "other.tfrecord"
    assert f"passed over, as the manifest does not name them: {names}\n" in said.stdout
    assert look(out).picker.shards == looked.picker.shards
    next(folder.parent.rglob("manifest.json")).unlink()
    if layout == "slim":
        said = run(out)
        assert "passed over, as no TFRecord files: README" in said.stdout
        assert "3 shards" in said.stdout
        run(out, "--sheet", folder / "a.png", code=2)


def test_columns_of_nothing_are_left_out(tmp_path: Path, run: Run) -> None:
    said = run(shard(tmp_path / "a.tfrecord", [{"x": 1}]))
    assert said.stdout.splitlines()[1].split() == ["record", "offset", "bytes"]


def test_sheets_that_are_too_large_are_refused_at_once(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shard(tmp_path / "a.tfrecord", [features()] * 400)
    monkeypatch.setattr("fastconv.pictures.sheet.tile", pytest.fail)
    for words, why in (
        (["--side", 1024, "a.png"], "more than 200 million; give 168 pictures at the most, or"),
        (["--columns", 1, "a.jpg"], "and a JPEG 65,500 on a side; name a .png file, or give more"),
        (["--columns", 64, "--side", 1024, "--limit", 65, "a.jpg"], "fewer --columns"),
    ):
        every = ["--limit", 400, *words[:-1], "--sheet", tmp_path / str(words[-1])]
        assert why in run(path, *every, code=2).stderr
    assert not list(tmp_path.glob("a.*g"))
