"""Checking what is there: every kind of damage is found, told of, and mended to the same bytes."""

from __future__ import annotations

import io
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import digests, no_children
from PIL import Image
from twin.framing import frame, index_lines

import fastconv
from fastconv.checking.outputs import look_at
from fastconv.checking.rules import Expected
from fastconv.checking.shards import Checker, ShardToCheck
from fastconv.errors import InputError, OutputError, UsageError

ROOT = Path(__file__).resolve().parent.parent
FIRST, SECOND = "train-00000-of-00004", "train-00001-of-00004"


@pytest.fixture(scope="module")
def whole(mini: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "out"
    fastconv.convert(fastconv.Options(source=mini, out=out, train_shards=4))
    return out


@pytest.fixture
def out(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "out"))


def told(report: fastconv.VerifyReport) -> list[str]:
    return [str(finding) for finding in report.findings]


def rewrite(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Change a shard's records; its frames stay right, and its index with them."""
    data = b"".join(map(frame, change(list(fastconv.read_records(path)))))
    path.write_bytes(data)
    (path.parent.parent / "idx_dir" / path.name).write_text(index_lines(data))


def changed(record: bytes, **features: Any) -> bytes:
    values = dict(fastconv.parse_example(record))
    for name, value in features.items():
        key = next(key for key in values if key.endswith(f"/{name}"))
        if value is None:
            del values[key]
        else:
            values[key] = value
    return fastconv.encode_example(values)


# ---- what is right, and who wrote it ------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.usefixtures(no_children.__name__)
def test_a_whole_output(whole: Path, mini: Path, workers: int) -> None:
    ways: list[dict[str, Any]] = [{}, {"decode": True}, {"against_source": True, "source": mini}]
    for more in ways:
        report = fastconv.verify(whole, workers=workers, **more)
        assert (told(report), report.exit_code) == ([], 0)
        assert (report.shards, report.records) == (5, 80)
        assert report.bytes == sum(p.stat().st_size for p in (whole / "data_dir").iterdir())


def test_outputs_with_every_odd_kind_of_image(sample: Path, tmp_path: Path) -> None:
    ways: list[dict[str, Any]] = [{}, {"resize": 64, "resize_mode": "crop"}, {"exif": "strip"}]
    for number, more in enumerate(ways):
        out = tmp_path / str(number)
        options = fastconv.Options(source=sample, out=out, split="validation", **more)
        fastconv.convert(options)
        report = fastconv.verify(out, decode=True, against_source=True)
        assert told(report) == []


def test_without_a_manifest(out: Path) -> None:
    for name in ("manifest.json", "labels.txt"):
        (out / name).unlink()
    for path in (out, out / "data_dir"):
        report = fastconv.verify(path)
        assert told(report) == [] and report.records == 80
    assert fastconv.verify(out / "data_dir" / FIRST).records == 15
    (out / "data_dir" / SECOND).unlink()
    assert told(fastconv.verify(out)) == [f"data_dir/{SECOND}: is missing"]


def test_anybodys_records(tmp_path: Path) -> None:
    """Of another schema, in a folder of their own, without indexes."""
    image = io.BytesIO()
    Image.new("RGB", (5, 7)).save(image, "PNG")
    for name in ("a.tfrecord", "b.tfrecords", "x-00000-of-00001"):
        with fastconv.RecordWriter(tmp_path / name) as writer:
            writer.write_example({"image": image.getvalue(), "label": 3, "file_name": "x.png"})
            writer.write_example({"image": image.getvalue(), "label": 4, "file_name": "y.png"})
    (tmp_path / "features.json").write_text("{}")
    report = fastconv.verify(tmp_path, decode=True)
    assert told(report) == [] and (report.shards, report.records) == (3, 6)
    with fastconv.RecordWriter(tmp_path / "a.tfrecord") as writer:
        writer.write_example({"image": image.getvalue(), "label": 3})
        writer.write_example({"image": image.getvalue()[:45], "label": 4})
        writer.write_example({"image": b"text", "label": b"5", "more": 1.0})
        writer.write(b"\x08")
    found = told(fastconv.verify(tmp_path, decode=True))
    assert "a.tfrecord: record 1 at offset" in found[0] and "cannot be decoded" in found[0]
    assert any("label holds bytes values, not int64 values" in text for text in found)
    assert any("more is there, which the first record has not" in text for text in found)
    assert any("image is no image that can be read: 74 65 78 74" in text for text in found)
    assert any("is no Example: a number is cut off" in text for text in found)


def test_no_other_program_is_started_for_an_image(tmp_path: Path) -> None:
    """Pillow reads EPS by way of Ghostscript; here nobody's records lead to that."""
    eps = io.BytesIO()
    Image.new("RGB", (5, 7)).save(eps, "EPS")
    assert Image.open(eps).format == "EPS"
    with fastconv.RecordWriter(tmp_path / "x.tfrecord") as writer:
        writer.write_example({"image": eps.getvalue()})
    (finding,) = told(fastconv.verify(tmp_path, decode=True))
    assert "record 0 at offset 0: image is no image that can be read: 25 21 50 53 …" in finding


def test_nothing_to_check(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        fastconv.verify(tmp_path / "none")
    with pytest.raises(InputError, match="holds no TFRecord files"):
        fastconv.verify(tmp_path)
    with pytest.raises(UsageError, match="says nothing without --against-source"):
        (tmp_path / "a.tfrecord").touch()
        fastconv.verify(tmp_path, source=tmp_path)
    assert fastconv.verify(tmp_path).records == 0


# ---- damage -------------------------------------------------------------------------------------


def small_shard(folder: Path) -> tuple[bytes, bytes, dict[str, Any], tuple[str, ...]]:
    """A shard of three tiny images with its index, what a manifest says of it, and the labels."""
    tree = folder / "in"
    for number, name in enumerate("aba"):
        (tree / name).mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 80 * number).save(tree / name / f"{number}.jpg", quality=1)
    fastconv.convert(fastconv.Options(source=tree, out=folder / "out", train_shards=1))
    name = "train-00000-of-00001"
    (said,) = json.loads((folder / "out" / "manifest.json").read_text())["shards"]
    data, index = ((folder / "out" / d / name).read_bytes() for d in ("data_dir", "idx_dir"))
    return data, index, said, ("a", "b")


def checker_of(
    folder: Path, said: dict[str, Any], labels: tuple[str, ...]
) -> Callable[[], list[str]]:
    shard = ShardToCheck("s", "s", str(folder / "s"), str(folder / "s.idx"), "s.idx", True, said)
    checker = Checker(Expected(strict=True, labels=labels))
    return lambda: [str(finding) for finding in checker(shard).findings]


def test_any_cut_is_found(tmp_path: Path) -> None:
    data, index, said, labels = small_shard(tmp_path)
    check = checker_of(tmp_path, said, labels)
    (tmp_path / "s.idx").write_bytes(index)
    for size in range(len(data)):
        (tmp_path / "s").write_bytes(data[:size])
        assert check() != [], size
    (tmp_path / "s").write_bytes(data)
    for size in range(len(index)):
        (tmp_path / "s.idx").write_bytes(index[:size])
        assert check() != [], size
    (tmp_path / "s.idx").write_bytes(index + b"\n")
    assert len(check()) == 1


def test_what_stands_behind_a_broken_frame_is_found_by_the_index(out: Path) -> None:
    path = out / "data_dir" / FIRST
    data = bytearray(path.read_bytes())
    offsets = [int(x.split()[0]) for x in (out / "idx_dir" / FIRST).read_text().splitlines()]
    data[offsets[2] + 3] ^= 64
    data[offsets[7] + 100] ^= 1
    path.write_bytes(data)
    report = fastconv.verify(out)
    assert report.records == 80
    lines = told(report)
    assert lines[0] == (
        f"data_dir/{FIRST}: record 2 at offset {offsets[2]}: the checksum of its length is wrong"
    )
    assert lines[1].startswith(
        f"data_dir/{FIRST}: record 7 at offset {offsets[7]}: the checksum of"
    )
    assert len(lines) == 2 and report.bad_shards == (FIRST,) and report.bad_indexes == ()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a shard is missing": (
        lambda out: (out / "data_dir" / FIRST).unlink(),
        f"data_dir/{FIRST}: is missing",
    ),
    "a shard is empty": (
        lambda out: os.truncate(out / "data_dir" / FIRST, 0),
        f"data_dir/{FIRST}: has 0 bytes, but the manifest says",
    ),
    "a shard is longer": (
        lambda out: (out / "data_dir" / FIRST).write_bytes(
            (out / "data_dir" / FIRST).read_bytes() + frame(b"")
        ),
        f"data_dir/{FIRST}: has ",
    ),
    "a shard is a pipe": (
        lambda out: pipe(out / "data_dir" / FIRST),
        f"data_dir/{FIRST}: cannot be opened: it is no regular file",
    ),
    "an index is a pipe": (
        lambda out: pipe(out / "idx_dir" / FIRST),
        f"idx_dir/{FIRST}: cannot be read: it is no regular file",
    ),
    "an index is missing": (
        lambda out: (out / "idx_dir" / FIRST).unlink(),
        f"idx_dir/{FIRST}: is missing",
    ),
    "an index is another's": (
        lambda out: shutil.copy(out / "idx_dir" / SECOND, out / "idx_dir" / FIRST),
        f"idx_dir/{FIRST}: record ",
    ),
    "two shards are swapped": (
        lambda out: (
            (out / "data_dir" / FIRST).rename(out / "x"),
            (out / "data_dir" / SECOND).rename(out / "data_dir" / FIRST),
            (out / "x").rename(out / "data_dir" / SECOND),
        ),
        f"data_dir/{FIRST}: has ",
    ),
    "all records are whole, and one is another": (
        lambda out: rewrite(out / "data_dir" / FIRST, lambda r: [*r[:-2], r[-1], r[-2]]),
        f"data_dir/{FIRST}: every record is whole, but the file is not the one that was written",
    ),
    "labels.txt is cut": (
        lambda out: os.truncate(out / "labels.txt", 50),
        "labels.txt: has ",
    ),
    "labels.txt is another": (
        lambda out: (out / "labels.txt").write_bytes(
            (out / "labels.txt").read_bytes().replace(b"n01440764", b"n01440765")
        ),
        "labels.txt: is not the one that was written",
    ),
    "labels.txt is a pipe": (
        lambda out: pipe(out / "labels.txt"),
        "labels.txt: cannot be read: it is no regular file",
    ),
    "labels.txt is missing": (
        lambda out: (out / "labels.txt").unlink(),
        "labels.txt: cannot be read: No such file",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.usefixtures(no_children.__name__)
def test_damage_is_told_of_and_repaired(
    whole: Path, out: Path, mini: Path, name: str, workers: int
) -> None:
    damage, what = DAMAGES[name]
    damage(out)
    report = fastconv.verify(out, workers=workers)
    assert report.exit_code == 5
    assert any(line.startswith(what) for line in told(report)), told(report)
    repaired = fastconv.verify_and_repair(out, workers=workers)
    assert told(repaired) == [] and repaired.records == 80 and repaired.exit_code == 0
    assert repaired.repaired
    folders = ("data_dir", "idx_dir", ".")
    assert digests(out, *folders) == digests(whole, *folders)


RECORDS: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "a record is missing": (lambda r: r[1:], "records, but the manifest says 15|has .* bytes"),
    "it is no Example": (lambda r: [b"x" * 9, *r], "record 0 at offset 0: is no Example: "),
    "a key is missing": (
        lambda r: [changed(r[0], filename=None), *r[1:]],
        "record 0 at offset 0: image/filename is missing",
    ),
    "a key too many": (
        lambda r: [fastconv.encode_example({**fastconv.parse_example(r[0]), "x": 1}), *r[1:]],
        "record 0 at offset 0: x is there, which its schema has not",
    ),
    "a value too many": (
        lambda r: [changed(r[0], height=[1, 2]), *r[1:]],
        "record 0 at offset 0: image/height has 2 values, not 1",
    ),
    "another kind": (
        lambda r: [changed(r[0], label=b"1"), *r[1:]],
        "record 0 at offset 0: image/class/label holds bytes values, not int64 values",
    ),
    "a label out of range": (
        lambda r: [changed(r[0], label=1001), *r[1:]],
        "record 0 at offset 0: image/class/label is 1001, not from 1 to 1000",
    ),
    "a label of another class": (
        lambda r: [changed(r[0], label=3), *r[1:]],
        "record 0 at offset 0: image/class/synset is n.*, but label 3 is n01484850",
    ),
    "a height": (
        lambda r: [changed(r[0], height=1), *r[1:]],
        "record 0 at offset 0: image/height is 1, but the image's header says [0-9]+",
    ),
    "an image that is none": (
        lambda r: [changed(r[0], encoded=b"GIF89a"), *r[1:]],
        "record 0 at offset 0: image/encoded is no JPEG, or has no frame header: 47 49 46 38 …",
    ),
    "a box out of range": (
        lambda r: [
            changed(r[0], xmin=[0.5], xmax=[0.25], ymin=[0.0], ymax=[1.0])
            if len(fastconv.parse_example(r[0])["image/object/bbox/xmin"]) == 1
            else changed(r[0], xmin=[0.5], ymin=[], xmax=[], ymax=[]),
            *r[1:],
        ],
        "record 0 at offset 0: (box 0 is out of range: xmin 0.5, |its lists of boxes are of other)",
    ),
    "another format": (
        lambda r: [changed(r[0], format=b"PNG"), *r[1:]],
        "record 0 at offset 0: image/format is 'PNG', not 'JPEG'",
    ),
    "other channels": (
        lambda r: [changed(r[0], channels=2), *r[1:]],
        "record 0 at offset 0: image/channels is 2, not 1 or 3",
    ),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_that_holds_something_else(out: Path, name: str) -> None:
    change, what = RECORDS[name]
    rewrite(out / "data_dir" / FIRST, change)
    lines = told(fastconv.verify(out))
    assert any(re.search(f"data_dir/{FIRST}: .*(?:{what})", line) for line in lines) or any(
        re.search(what, line) for line in lines
    ), lines


def test_records_against_their_source(out: Path, mini: Path) -> None:
    """What no checksum shows: everything was written as it should be, of something else."""
    tree = out.parent / "tree"
    shutil.copytree(mini / "tree", tree)
    parts: dict[str, Any] = {
        "train": tree / "train",
        "validation": mini / "ILSVRC2012_img_val.tar",
        "boxes": mini / "ILSVRC2012_bbox_train_v2.tar.gz",
        "validation_labels": mini / "imagenet_2012_validation_synset_labels.txt",
    }
    assert told(fastconv.verify(out, against_source=True, **parts)) == []
    image = min((tree / "train").rglob("*_1*.JPEG"))
    data = bytearray(image.read_bytes())
    data[-20] ^= 1
    image.write_bytes(data)
    (line,) = told(fastconv.verify(out, against_source=True, **parts))
    assert "image/encoded is not what the source gives" in line and str(image) in line
    rewrite(out / "data_dir" / FIRST, lambda r: [changed(r[0], text=b"newt"), *r[1:-1]])
    lines = told(fastconv.verify(out, against_source=True, **parts))
    assert any("image/class/text is 'newt', but the source's" in line for line in lines)
    image.write_bytes(b"another")
    with pytest.raises(InputError, match="source is not what it was: the source's images are not"):
        fastconv.verify(out, against_source=True, **parts)


# ---- repair -------------------------------------------------------------------------------------


def test_a_repair_from_a_source_that_moved(whole: Path, out: Path, mini: Path) -> None:
    manifest = (out / "manifest.json").read_text()
    (out / "manifest.json").write_text(manifest.replace(str(mini), "/nowhere/at/all"))
    (out / "data_dir" / FIRST).write_bytes(b"")
    with pytest.raises(InputError, match=r"/nowhere/at/all/.*: does not exist"):
        fastconv.verify_and_repair(out)
    assert told(fastconv.verify_and_repair(out, source=mini)) == []
    assert digests(out) == digests(whole)


def test_a_source_that_gives_other_bytes_repairs_nothing(tmp_path: Path, mini: Path) -> None:
    tree, out = tmp_path / "tree", tmp_path / "out"
    shutil.copytree(mini / "tree" / "train", tree)
    fastconv.convert(fastconv.Options(source=tree, out=out, train_shards=4))
    for image in tree.rglob("*.JPEG"):
        data = image.read_bytes()
        image.write_bytes(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])
    damaged = (out / "data_dir" / FIRST).read_bytes()[:-1]
    (out / "data_dir" / FIRST).write_bytes(damaged)
    good = (out / "idx_dir" / SECOND).read_bytes()
    (out / "idx_dir" / SECOND).unlink()
    report = fastconv.verify_and_repair(out)
    assert report.exit_code == 5 and report.repaired == (f"idx_dir/{SECOND}",)
    assert told(report)[0].startswith(
        f"data_dir/{FIRST}: was not repaired: its images give other bytes than when it was first"
    )
    assert (out / "data_dir" / FIRST).read_bytes() == damaged
    assert (out / "idx_dir" / SECOND).read_bytes() == good
    assert not (out / ".fastconv-partial").exists()


def test_a_repair_without_a_manifest_is_refused(out: Path) -> None:
    (out / "manifest.json").unlink()
    with pytest.raises(InputError, match="nothing to repair it by; run the same fastconv shards"):
        fastconv.verify_and_repair(out)


def test_a_repair_takes_the_lock(out: Path) -> None:
    from fastconv.manifest import locked

    (out / "data_dir" / FIRST).unlink()
    with locked(out), pytest.raises(OutputError, match="another fastconv is writing here"):
        fastconv.verify_and_repair(out)


def test_strangers_are_told_of_and_left_alone(out: Path) -> None:
    (out / "data_dir" / "train-99999-of-99999").touch()
    (out / "idx_dir" / "stray").touch()
    (out / "data_dir" / ".nfs").touch()
    for check in (fastconv.verify, fastconv.verify_and_repair):
        assert told(check(out)) == [
            "data_dir/train-99999-of-99999: no manifest names it, and readers would take it for a "
            "shard; move it away",
            "idx_dir/stray: is the index of no shard; move it away",
        ]
    assert (out / "data_dir" / "train-99999-of-99999").exists()


# ---- manifests ----------------------------------------------------------------------------------


def test_a_manifest_that_contradicts_itself(out: Path) -> None:
    path = out / "manifest.json"
    text = path.read_text()
    path.write_text(text.replace('"written": 80,', '"written": 81,', 1))
    assert told(fastconv.verify(out)) == [
        "manifest.json: totals say 81 written, but the shards come to 80"
    ]
    manifest = json.loads(text)
    manifest["totals"]["boxes"] += 1
    path.write_text(json.dumps(manifest))
    (finding,) = told(fastconv.verify(out))
    assert re.fullmatch(r"manifest.json: totals say \d+ boxes, but there are \d+", finding)
    manifest["totals"]["boxes"] -= 1
    changes: list[Callable[[dict[str, Any]], object]] = [
        lambda m: m["splits"][0].update(written=1),
        lambda m: m["shards"].append(m["shards"][0]),
        lambda m: m.update(totals=None),
        lambda m: m.update(splits=None),
        lambda m: m["shards"][0].update(images_per_label=[]),
        lambda m: m["shards"][0].update(records="x"),
    ]
    for change in changes:
        other = json.loads(json.dumps(manifest))
        change(other)
        path.write_text(json.dumps(other))
        report = fastconv.verify(out)
        assert {finding.file for finding in report.findings} == {"manifest.json"}
    path.write_text("[" * 200_000)
    assert told(fastconv.verify(out))[0].startswith("manifest.json: cannot be understood")
    path.write_text(text[:-30])
    assert told(fastconv.verify(out))[0].startswith("manifest.json: cannot be understood")
    path.write_text(text.replace('"labels_crc32c"', '"x"'))
    assert told(fastconv.verify(out))[0].startswith("manifest.json: cannot be understood")
    path.write_text(text.replace('"format": 2', '"format": 3'))
    (finding,) = told(fastconv.verify(out))
    assert finding == "manifest.json: is of format 3, which this fastconv does not read"


def test_a_manifest_that_is_a_pipe(out: Path) -> None:
    pipe(out / "manifest.json")
    assert told(fastconv.verify(out))[0].startswith("manifest.json: cannot be understood")


def test_an_unfinished_output(out: Path) -> None:
    manifest = json.loads((out / "manifest.json").read_text())
    header = {k: v for k, v in manifest.items() if k not in ("shards", "totals")}
    done = [{"shard": {**s, "repaired": [], "skipped": []}} for s in manifest["shards"][:2]]
    journal = "".join(json.dumps(line) + "\n" for line in (header, *done))
    (out / "manifest.journal").write_text(journal)
    for name in ("manifest.json", "labels.txt", f"data_dir/{SECOND}"):
        (out / name).unlink()
    assert told(fastconv.verify(out)) == [
        "manifest.journal: the conversion is not finished (2 of 5 shards are done); the same "
        "command goes on with it",
        f"data_dir/{SECOND}: is missing",
    ]


# ---- the command --------------------------------------------------------------------------------


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fastconv", "verify", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def test_the_command(out: Path, mini: Path) -> None:
    done = run(out)
    assert done.returncode == 0 and "5 shards, 80 records" in done.stdout
    assert done.stdout.rstrip().endswith("nothing is wrong")
    os.truncate(out / "data_dir" / FIRST, 1000)
    done = run(out, "--json", "--quiet")
    summary = json.loads(done.stdout)
    assert done.returncode == summary["exit_code"] == 5
    assert summary["bad_shards"] == [FIRST] and summary["found"] == len(summary["findings"]) == 2
    assert summary["findings"][0] == {
        "file": f"data_dir/{FIRST}",
        "what": "is cut off; the file ends at 1000",
        "record": 0,
        "offset": 0,
    }
    done = run(out, "--repair")
    assert done.returncode == 0 and f"repaired: data_dir/{FIRST}" in done.stdout
    assert run(out, "--quiet").stdout == ""
    assert run(out, "--source", mini).returncode == 2
    assert run(out.parent / "none").returncode == 3


def test_many_findings_are_counted(out: Path) -> None:
    def change(records: list[bytes]) -> list[bytes]:
        return [changed(r, label=0, height=0, width=0) for r in records for _ in range(9)]

    rewrite(out / "data_dir" / FIRST, change)
    report = fastconv.verify(out)
    assert report.found > 300 and len(report.findings) == 100
    assert "and " in run(out).stdout


@pytest.fixture
def huge(tmp_path: Path) -> Iterator[Path]:
    """A sparse file whose one record says that it has 3 GiB."""
    path = tmp_path / "x.tfrecord"
    size = 3 << 30
    head = frame(b"")[:0] + struct.pack("<Q", size)
    from twin.framing import masked_crc32c

    path.write_bytes(head + struct.pack("<I", masked_crc32c(head)))
    os.truncate(path, size + 16)
    yield path
    path.unlink()


def test_a_record_of_gigabytes_is_not_read(huge: Path) -> None:
    (finding,) = told(fastconv.verify(huge))
    assert finding == (
        f"x.tfrecord: record 0 at offset 0: has {3 << 30} bytes, more than an Example can have"
    )


def test_looking_at_a_data_folder_finds_the_rest(out: Path) -> None:
    output = look_at(out / "data_dir")
    assert output.root == out and output.past is not None
    assert random.Random(0).choice(sorted(output.shards)) in output.said
