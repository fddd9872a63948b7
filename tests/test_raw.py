"""Class folders: what is written is what tarfile unpacks, whatever the source and the workers."""

from __future__ import annotations

import io
import json
import os
import random
import re
import shutil
import tarfile
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import digests, leftovers
from layouts import (
    JPEG,
    add,
    class_tars,
    flat_tar_of_folders,
    flat_validation,
    kaggle,
    put,
)
from PIL import Image
from twin import unpack

import fastconv
from fastconv import _raw, cli
from fastconv.annotations.boxes import read_boxes_csv
from fastconv.annotations.tables import imagenet_synsets
from fastconv.catalog import Catalog, Classes
from fastconv.errors import InputError, OutputError, UsageError
from fastconv.folders import prepare
from fastconv.folders.boxes import boxes_csv
from fastconv.folders.plan import plan_parts
from fastconv.names import Names

WNIDS = imagenet_synsets()[:3]


def raw(source: Path, out: Path, **more: object) -> fastconv.FolderReport:
    options: dict[str, object] = {"source": source, "out": out, "workers": 1, **more}
    return fastconv.write_folders(fastconv.FolderOptions(**options))  # type: ignore[arg-type]


def labelled(mini: Path, source: Path) -> Path:
    """With the labels of the sample's flat validation images, which are not ImageNet's."""
    shutil.copy(mini / "imagenet_2012_validation_synset_labels.txt", source)
    return source


def tree_of(mini: Path) -> unpack.Unpacked:
    return unpack.read(mini / "tree")


def bytes_of(files: unpack.Unpacked) -> dict[str, bytes]:
    return {name: data for name, (data, _) in files.items()}


# ---- bytes, names and times ---------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_the_archives_become_what_tarfile_unpacks(mini: Path, tmp_path: Path, workers: int) -> None:
    report = raw(mini, tmp_path / "out", workers=workers)
    right = unpack.train(mini / "ILSVRC2012_img_train.tar")
    tree = tree_of(mini)
    labels = {Path(name).name: name.split("/")[1] for name in tree if name.startswith("val")}
    right |= unpack.validation(mini / "ILSVRC2012_img_val.tar", labels)
    assert unpack.read(tmp_path / "out") == right
    assert (report.found, report.written, report.exit_code) == (80, 80, 0)
    assert report.bytes == sum(len(data) for data, _ in right.values())
    assert leftovers(tmp_path / "out") == []


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("layout", ["tree", "flat validation", "kaggle", "class tars", "one tar"])
def test_every_layout_becomes_the_same_folders(
    mini: Path, tmp_path: Path, layout: str, workers: int
) -> None:
    tree, source = mini / "tree", tmp_path / "in"
    right = bytes_of(tree_of(mini))
    if layout == "tree":
        source = tree
    elif layout == "flat validation":
        labelled(mini, flat_validation(tree, source))
    elif layout == "kaggle":
        kaggle(tree, source)
    elif layout == "class tars":
        class_tars(tree, source)
    else:
        source.mkdir()
        flat_tar_of_folders(tree, "train", source / "train.tar")
    if layout in ("class tars", "one tar"):
        right = {name: data for name, data in right.items() if name.startswith("train")}
    raw(source, tmp_path / "out", workers=workers)
    assert bytes_of(unpack.read(tmp_path / "out")) == right


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_any_tar_with_any_sizes_and_times(tmp_path: Path, format: int) -> None:
    chance = random.Random(format)
    (tmp_path / "in").mkdir()
    archive = tmp_path / "in" / "train.tar"
    chunk = 1 << 20
    sizes = [0, 1, 511, 512, 513, chunk - 1, chunk, chunk + 1, 2 * chunk + 77, 5000]
    long = 60 if format == tarfile.USTAR_FORMAT else 120
    times: list[float] = [0, 1, 1300000000, 8**11 - 1, 1234567890.75]
    if format != tarfile.USTAR_FORMAT:
        times += [-1, -86400 * 365, 2**33, 8**11 + 5]
    with tarfile.open(archive, "w", format=format) as outer:
        for wnid in WNIDS:
            buffer = io.BytesIO()
            with tarfile.open(fileobj=buffer, mode="w", format=format) as inner:
                chance.shuffle(sizes)
                for number, size in enumerate(sizes):
                    name = f"{wnid}_{number}{'x' * chance.choice((0, 60, long))}.JPEG"
                    info = tarfile.TarInfo(chance.choice(("", "./")) + name)
                    info.size, info.mtime = size, chance.choice(times)
                    inner.addfile(info, io.BytesIO(chance.randbytes(size)))
            add(outer, f"{wnid}.tar", buffer.getvalue())
    raw(archive.parent, tmp_path / "out")
    found, right = unpack.read(tmp_path / "out"), unpack.train(archive)
    assert bytes_of(found) == bytes_of(right)
    for name, (_, seconds) in right.items():
        # What a pax header says besides is not looked at; tarfile rounds what stands in the other.
        if format != tarfile.PAX_FORMAT:
            assert found[name][1] == seconds, name
        elif 0 <= seconds < 8**11:
            assert found[name][1] in (seconds, seconds + 1), name


def test_times_of_files_stay_to_the_nanosecond(tmp_path: Path) -> None:
    source = put(tmp_path / "in", "a/1.jpg", "b/2.jpg")
    os.utime(source / "a" / "1.jpg", ns=(0, 1_234_567_890_123_456_789))
    raw(source, tmp_path / "out")
    for name in ("a/1.jpg", "b/2.jpg"):
        there = (tmp_path / "out" / "train" / name).stat()
        assert there.st_mtime_ns == (source / name).stat().st_mtime_ns


@pytest.mark.parametrize(
    ("field", "seconds"),
    [
        (b"00000000000\0", 0),
        (b"11263437700\0", 1_255_030_720),
        (b"77777777777\0", 8**11 - 1),
        (b"777777777777", 8**12 - 1),
        (b"       17 \0\0", 15),
        (b"\0" * 12, 0),
        (b"x" * 12, 0),
        (b"12345678\x019", 0),
        (b"\x80" + (5).to_bytes(11, "big"), 5),
        (b"\x80" + (2**63 - 1).to_bytes(11, "big"), 2**63 - 1),
        (b"\x80" + (2**63).to_bytes(11, "big"), 0),
        (b"\xff" * 12, -1),
        (b"\xff" + (-86400).to_bytes(11, "big", signed=True), -86400),
        (b"\xff" * 4 + b"\0" * 8, 0),
        (b"\x90" + b"\0" * 11, 0),
    ],
)
def test_the_time_of_a_header(field: bytes, seconds: int) -> None:
    header = b"n" * 136 + field.ljust(12, b"\0") + b" " * 364
    assert _raw.modified(header) == seconds


def test_a_header_has_512_bytes() -> None:
    with pytest.raises(ValueError, match="512"):
        _raw.modified(b"x" * 511)


@pytest.mark.parametrize("workers", [1, 2])
def test_large_folders_in_parts(
    mini: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(prepare, "plan_parts", partial(plan_parts, part_images=7))
    report = raw(mini, tmp_path / "out", workers=workers)
    assert report.parts > 10
    assert bytes_of(unpack.read(tmp_path / "out")) == bytes_of(tree_of(mini))
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert max(part["images"] for part in manifest["parts"]) <= 7
    assert sum(part["images"] for part in manifest["parts"]) == manifest["totals"]["written"] == 80
    again = raw(mini, tmp_path / "out", workers=workers)
    assert (again.kept_parts, again.kept_images) == (report.parts, 80)


def test_the_manifest_does_not_depend_on_workers(mini: Path, tmp_path: Path) -> None:
    for workers in (1, 2):
        raw(mini, tmp_path / str(workers), workers=workers)
    names = ("manifest.json", "labels.txt", "boxes.csv")
    one, two = ([(tmp_path / str(n) / name).read_bytes() for name in names] for n in (1, 2))
    assert one == two
    manifest = json.loads(one[0])
    assert (manifest["kind"], manifest["format"]) == ("raw", 1)
    assert one[1].decode().split() == list(imagenet_synsets())


# ---- boxes and shards ---------------------------------------------------------------------------


def same_shards(source: Path, tree: Path, place: Path, **more: object) -> None:
    shards: dict[str, object] = {"workers": 1, "train_shards": 2, "validation_shards": 1, **more}
    for name, of in (("of the source", source), ("of the tree", tree)):
        options = {"source": of, "out": place / name, **shards}
        if of == tree:
            options.pop("synsets", None)
            options.pop("boxes", None)
        fastconv.convert(fastconv.Options(**options))  # type: ignore[arg-type]
    assert digests(place / "of the source") == digests(place / "of the tree")
    labels = [
        (place / name / "labels.txt").read_bytes() for name in ("of the source", "of the tree")
    ]
    assert labels[0] == labels[1]


def test_shards_of_the_folders_are_those_of_the_archives(mini: Path, tmp_path: Path) -> None:
    report = raw(mini, tmp_path / "tree")
    assert report.boxes > 10
    line = (tmp_path / "tree" / "boxes.csv").read_text().splitlines()[0]
    assert re.fullmatch(r"n\d{8}_\d+\.JPEG(,[01]\.\d{4}){4}", line)
    same_shards(mini, tmp_path / "tree", tmp_path)


def test_shards_with_a_class_list_of_ones_own(mini: Path, tmp_path: Path) -> None:
    synsets = tmp_path / "synsets.txt"
    present = sorted({name.split("/")[1] for name in tree_of(mini)}, reverse=True)
    synsets.write_text("".join(f"{name}\n" for name in present[:2]))
    report = raw(mini, tmp_path / "tree", synsets=synsets)
    assert (tmp_path / "tree" / "labels.txt").read_bytes() == synsets.read_bytes()
    assert sorted(os.listdir(tmp_path / "tree" / "train")) == sorted(present[:2])  # noqa: PTH208
    assert any("not in the class list" in text for text in report.odd)
    same_shards(mini, tmp_path / "tree", tmp_path, synsets=synsets)


def test_boxes_of_one_name_in_two_classes_and_finer_numbers(tmp_path: Path) -> None:
    source = put(tmp_path / "in", "train/a/1.jpg", "train/b/1.jpg", "train/b/2.jpg")
    put(source, "validation/a/1.jpeg", "validation/b/3.jpg")
    (source / "given.csv").write_text(
        "1.jpg,0.1,0.2,0.3,0.4\n2.jpg,0.123456,0.2,0.30000001,1\n3.jpg,0,0,0.00001,1\n"
    )
    report = raw(source, tmp_path / "tree", boxes=source / "given.csv")
    assert (tmp_path / "tree" / "boxes.csv").read_text().splitlines() == [
        "2.jpg,0.123456,0.2000,0.3000,1.0000",
        "3.jpg,0.0000,0.0000,0.00001,1.0000",
        "a/1.jpeg,0.1000,0.2000,0.3000,0.4000",
        "a/1.jpg,0.1000,0.2000,0.3000,0.4000",
        "b/1.jpg,0.1000,0.2000,0.3000,0.4000",
    ]
    assert report.boxes == 5
    same_shards(source, tmp_path / "tree", tmp_path, boxes=source / "given.csv")


def test_boxes_of_a_class_are_not_another_classs(tmp_path: Path) -> None:
    source = put(tmp_path / "in", "train/a/1.jpg", "train/b/1.jpg")
    (source / "bounding_boxes" / "a").mkdir(parents=True)
    (source / "bounding_boxes" / "a" / "1.xml").write_text(
        "<annotation><size><width>10</width><height>10</height></size><object><name>a</name>"
        "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object>"
        "</annotation>"
    )
    raw(source, tmp_path / "tree")
    assert (tmp_path / "tree" / "boxes.csv").read_text().startswith("a/1.jpg,0.1000,")
    same_shards(source, tmp_path / "tree", tmp_path)


def test_any_boxes_come_back_as_they_were(tmp_path: Path) -> None:
    chance = np.random.default_rng(5)
    names = sorted(f"{n}.jpg".encode() for n in range(300))
    count = chance.integers(0, 4, len(names))
    ends = np.sort(chance.random((int(count.sum()), 2, 2)).astype(np.float32), axis=1)
    rounded = ends.round(4)  # half of them have four digits, as slim's have
    ends[::2] = rounded[::2]
    boxes = ends.reshape(-1, 4)
    boxes = boxes[:, [0, 1, 2, 3]]
    start = np.concatenate([[0], np.cumsum(count)])
    keep = ((boxes[:, :2] < boxes[:, 2:]).all(axis=1)).all()
    assert keep
    whole = np.zeros(len(names), np.int64)
    catalog = Catalog(
        "train", (), whole.astype(np.int32), whole, whole, whole.astype(np.int32),
        Names.of(names), start.astype(np.int64), boxes, (), {},
    )  # fmt: skip
    data, lines, bad = boxes_csv([catalog], Classes(("a",), ("a",), ""))
    assert (lines, bad) == (len(boxes), [])
    (tmp_path / "boxes.csv").write_bytes(data)
    back = read_boxes_csv(tmp_path / "boxes.csv")
    assert list(back.stems) == [name[:-4] for name, n in zip(names, count, strict=True) if n]
    due = [
        np.array(sorted(map(tuple, boxes[a:b])), np.float32) for a, b in pairwise(start) if b > a
    ]
    assert np.array_equal(back.coords, np.concatenate(due))


@pytest.mark.parametrize("name", ["a,b.jpg", " 1.jpg", "1\n2.jpg", os.fsdecode(b"\xff.jpg")])
def test_names_that_a_line_cannot_hold(tmp_path: Path, name: str) -> None:
    source = put(tmp_path / "in", f"train/a/{name}", "train/a/2.jpg")
    folder = source / "bounding_boxes" / "a"
    folder.mkdir(parents=True)
    (folder / f"{name[:-4]}.xml").write_text(
        "<annotation><size><width>10</width><height>10</height></size><object><name>a</name>"
        "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object>"
        "</annotation>"
    )
    with pytest.raises(InputError, match=r"a/.*cannot hold its name.*--on-error skip"):
        raw(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    report = raw(source, tmp_path / "out", on_error="skip")
    assert (report.written, report.boxes, len(report.bad_boxes), report.exit_code) == (2, 0, 1, 1)
    assert not (tmp_path / "out" / "boxes.csv").exists()


# ---- what is refused before anything is written -------------------------------------------------


def archive_of(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    with tarfile.open(folder / "train.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for name in names:
            add(tar, name, JPEG)
    return folder


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("a/x/1.jpg", "a/y/1.jpg", "b/2.jpg"), r"a/x/1\.jpg .* and .*a/y/1\.jpg .*two images"),
        (("a/" + "x" * 252 + ".jpg", "b/1.jpg"), "has 256 bytes"),
        (("x" * 256 + "/1.jpg", "b/1.jpg"), "can be no folder's name"),
    ],
)
def test_names_that_cannot_stand_in_class_folders(
    tmp_path: Path, names: tuple[str, ...], said: str
) -> None:
    source = archive_of(tmp_path / "in", *names)
    with pytest.raises(InputError, match=said):
        raw(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_longest_name(tmp_path: Path) -> None:
    name = "x" * 251 + ".jpg"
    raw(archive_of(tmp_path / "in", f"a/{name}", "b/1.jpg"), tmp_path / "out")
    assert (tmp_path / "out" / "train" / "a" / name).read_bytes() == JPEG


def test_two_images_of_one_name_in_nested_folders(tmp_path: Path) -> None:
    source = put(tmp_path / "in", "a/x/1.jpg", "a/y/1.jpg", "b/1.jpg")
    with pytest.raises(InputError, match=r"a/x/1\.jpg and .*a/y/1\.jpg: are two images of one"):
        raw(source, tmp_path / "out")


@pytest.mark.parametrize("name", [".", "..", "a/b", "a\0b"])
def test_class_names_that_lead_elsewhere(tmp_path: Path, name: str) -> None:
    source = put(tmp_path / "in", "train/a/1.jpg")
    put(tmp_path / "in", "val/1.jpg")
    labels = tmp_path / "labels.csv"
    labels.write_text(f"ImageId,PredictionString\n1,{name} 1 2 3 4\n")
    synsets = tmp_path / "synsets.txt"
    synsets.write_text(f"a\n{name}\n")
    with pytest.raises(InputError):
        raw(source, tmp_path / "out", synsets=synsets, validation_labels=labels)
    assert not (tmp_path / "out").exists()


def test_unlabelled_images(mini: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    labelled(mini, flat_validation(mini / "tree", source))
    put(source, "val/unknown.JPEG")
    with pytest.raises(InputError, match=r"unknown\.JPEG: has no label"):
        raw(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    report = raw(source, tmp_path / "out", on_error="skip")
    assert (report.found, report.written, report.exit_code) == (81, 80, 1)
    assert [Path(note.image).name for note in report.skipped] == ["unknown.JPEG"]
    assert bytes_of(unpack.read(tmp_path / "out")) == bytes_of(tree_of(mini))


def test_cut_archives(mini: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    data = (mini / "ILSVRC2012_img_train.tar").read_bytes()
    (source / "train.tar").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="cut off"):
        raw(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    report = raw(source, tmp_path / "out", use_cut_archives=True)
    found, right = bytes_of(unpack.read(tmp_path / "out")), bytes_of(tree_of(mini))
    assert 0 < len(found) == report.written < 60
    assert found.items() <= right.items()
    assert report.exit_code == 1


def test_an_output_among_the_images(mini: Path, tmp_path: Path) -> None:
    source = put(tmp_path / "dogs", "a/1.jpg", "b/1.jpg")
    with pytest.raises(UsageError, match="lies inside of"):
        raw(source, source / "out")
    with pytest.raises(OutputError, match="already holds something"):
        raw(source, source)


def test_no_room(mini: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastconv import preflight

    for room in (preflight.Room(5_000_000, None), preflight.Room(None, 80)):
        monkeypatch.setattr(preflight, "room_at", lambda _, room=room: room)
        with pytest.raises(OutputError, match="--no-space-check"):
            raw(mini, tmp_path / "out")
        assert not any((tmp_path / "out").iterdir())
    raw(mini, tmp_path / "out", space_check=False)


def test_sums_are_checked(mini: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    shutil.copy(mini / "ILSVRC2012_img_train.tar", source)
    (source / "ILSVRC2012_img_train.tar.md5").write_text("0" * 32)
    with pytest.raises(InputError, match="MD5"):
        raw(source, tmp_path / "out", check_archives=True)


# ---- other outputs ------------------------------------------------------------------------------


def test_foreign_content_and_other_jobs(mini: Path, tmp_path: Path) -> None:
    put(tmp_path / "foreign", "holiday.jpg")
    with pytest.raises(OutputError, match=r"already holds something \(holiday\.jpg\)"):
        raw(mini, tmp_path / "foreign")
    out = tmp_path / "out"
    raw(mini, out, split="validation")
    for more, said in (
        ({}, "its splits were validation, are train and validation"),
        ({"split": "train"}, "its splits were validation, are train"),
        (
            {"split": "validation", "source": mini / "tree", "links": True},
            "--links was not given, is given",
        ),
        ({"split": "validation", "resume": False}, "already holds something"),
    ):
        with pytest.raises(OutputError, match=said):
            raw(**{"source": mini, "out": out, **more})  # type: ignore[arg-type]
    with pytest.raises(OutputError, match="fingerprint was"):
        raw(mini, out, split="validation", synsets=_reversed_synsets(tmp_path))
    # The same images from elsewhere are the same job.
    assert raw(mini / "tree", out, split="validation").kept_images == 20


def _reversed_synsets(folder: Path) -> Path:
    path = folder / "synsets.txt"
    path.write_text("".join(f"{name}\n" for name in reversed(imagenet_synsets())))
    return path


@pytest.mark.parametrize("overwrite", [False, True])
def test_shards_do_not_replace_class_folders(mini: Path, tmp_path: Path, overwrite: bool) -> None:
    out = tmp_path / "out"
    raw(mini, out)
    before = unpack.read(out)
    with pytest.raises(OutputError, match="holds class folders, by `fastconv raw`"):
        fastconv.convert(fastconv.Options(source=mini, out=out, overwrite=overwrite, workers=1))
    assert unpack.read(out) == before
    assert raw(mini, out).kept_images == 80


def test_class_folders_do_not_replace_shards(mini: Path, tmp_path: Path) -> None:
    fastconv.convert(fastconv.Options(source=mini, out=tmp_path / "out", workers=1))
    with pytest.raises(OutputError, match="holds shards, by `fastconv shards`"):
        raw(mini, tmp_path / "out")


def test_verify_and_diff_say_what_it_is(mini: Path, tmp_path: Path) -> None:
    raw(mini, tmp_path / "out")
    with pytest.raises(InputError, match="holds class folders, by `fastconv raw`, and no shards"):
        fastconv.verify(tmp_path / "out")
    with pytest.raises(InputError, match="holds class folders, by `fastconv raw`, and no records"):
        fastconv.diff(tmp_path / "out", tmp_path / "out")


def test_two_at_once(mini: Path, tmp_path: Path) -> None:
    from fastconv.manifest import locked

    with locked(tmp_path / "out"), pytest.raises(OutputError, match="another fastconv is writing"):
        raw(mini, tmp_path / "out")


# ---- links in the output ------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["train", "train/class", ".fastconv-partial"])
def test_nothing_is_written_through_a_link(mini: Path, tmp_path: Path, place: str) -> None:
    out, elsewhere = tmp_path / "out", put(tmp_path / "elsewhere", "mine.jpg")
    raw(mini, out)
    shutil.rmtree(out / "train")
    klass = next(name.split("/")[1] for name in tree_of(mini))
    link = out / place.replace("class", klass)
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(elsewhere)
    if place.startswith("."):
        raw(mini, out)
    else:
        with pytest.raises(OutputError, match="is no folder, but a link"):
            raw(mini, out)
    assert os.listdir(elsewhere) == ["mine.jpg"]  # noqa: PTH208


def test_an_output_that_is_a_link_to_a_folder(mini: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    raw(mini, tmp_path / "out")
    assert bytes_of(unpack.read(tmp_path / "disk")) == bytes_of(tree_of(mini))


# ---- --links ------------------------------------------------------------------------------------


def test_a_tree_of_links(mini: Path, tmp_path: Path) -> None:
    source = labelled(mini, flat_validation(mini / "tree", tmp_path / "in"))
    (tmp_path / "by another way").symlink_to(source)
    report = raw(tmp_path / "by another way", tmp_path / "out", links=True)
    assert (report.links, report.written) == (True, 80)
    tree = bytes_of(tree_of(mini))
    assert bytes_of(unpack.read(tmp_path / "out")) == tree
    for name in tree:
        leads = (tmp_path / "out" / name).readlink()
        assert leads.is_absolute() and leads.parent == leads.parent.resolve()
        assert leads.is_relative_to(source)
    again = raw(tmp_path / "by another way", tmp_path / "out", links=True)
    assert again.kept_images == 80


def test_links_are_mended(mini: Path, tmp_path: Path) -> None:
    out, tree = tmp_path / "out", mini / "tree"
    raw(tree, out, links=True)
    names = sorted(tree_of(mini))
    (out / names[0]).unlink()
    (out / names[0]).symlink_to("/dev/null")
    (out / names[-1]).unlink()
    (out / names[-1]).write_bytes(b"no link")
    report = raw(tree, out, links=True)
    said = dict(report.rewritten)
    assert "leads to /dev/null, not to" in said[names[0].rpartition("/")[0]]
    assert "is no link" in said[names[-1].rpartition("/")[0]]
    assert bytes_of(unpack.read(out)) == bytes_of(tree_of(mini))
    assert (out / names[0]).is_symlink() and (out / names[-1]).is_symlink()


def test_no_links_into_archives(mini: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is an archive, and --links makes links"):
        raw(mini, tmp_path / "out", links=True)
    with pytest.raises(InputError, match="is an archive, and --links makes links"):
        raw(class_tars(mini / "tree", tmp_path / "in"), tmp_path / "out", links=True)
    assert not (tmp_path / "out").exists()


# ---- the command --------------------------------------------------------------------------------


def test_the_command(
    mini: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["raw", str(mini), "--out", "out", "--workers", "1"]
    assert cli.run([*words, "--dry-run"]) == 0
    shown = capfd.readouterr()
    assert "train: 60 files in 3 class folders" in shown.out
    assert "disk at out: about" in shown.out
    assert not Path("out").exists()
    assert cli.run([*words, "--dry-run", "--json"]) == 0
    plan = json.loads(capfd.readouterr().out)
    assert plan["fits"] and [split["images"] for split in plan["splits"]] == [60, 20]
    assert plan["files_needed"] > 86 and plan["bytes_needed"] > 80 * 4096
    assert cli.run(words) == 0
    shown = capfd.readouterr()
    assert "out: 80 files in 0:0" in shown.out and "writing …" in shown.err
    assert cli.run([*words, "--quiet"]) == 0
    assert capfd.readouterr() == ("", "")
    assert cli.run([*words, "--json"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["kept_parts"] == report["parts"] == 6 and report["written"] == 80
    assert cli.run(words) == 0
    assert (
        "all files were there, whole by names and sizes; nothing was written"
        in capfd.readouterr().out
    )
    assert cli.run([*words, "--no-resume", "--quiet"]) == 4
    assert cli.run([*words[:-1], "0"]) == 2


def test_of_two_archives_of_one_name_the_last_counts_and_is_told(tmp_path: Path) -> None:
    """As in unpacking, but for that it is said."""
    source = tmp_path / "ILSVRC2012_img_train.tar"
    picture = jpeg_of(tmp_path)
    with tarfile.open(source, "w") as outer:
        for name in ("a.JPEG", "b.JPEG"):
            buffer = io.BytesIO()
            with tarfile.open(fileobj=buffer, mode="w") as inner:
                add(inner, name, picture)
            add(outer, "n01440764.tar", buffer.getvalue())
    report = fastconv.write_folders(
        fastconv.FolderOptions(train=source, out=tmp_path / "out", workers=1)
    )
    assert [path.name for path in (tmp_path / "out" / "train" / "n01440764").iterdir()] == [
        "b.JPEG"
    ]
    told = "train: archives that a later one of the same name replaces: 1"
    assert told in report.odd


def jpeg_of(folder: Path) -> bytes:
    path = folder / "one.jpg"
    Image.new("RGB", (8, 6), "red").save(path)
    return path.read_bytes()
