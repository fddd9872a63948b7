"""Archives that end too early: found before anything is written, or what is whole of them used."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from disks import ROOT, command
from layouts import JPEG, add, class_tars

import fastconv
from fastconv import cache
from fastconv.errors import InputError
from fastconv.options import SourceOptions
from fastconv.sources import memory
from fastconv.sources.archives import list_archive
from fastconv.sources.assemble import load
from fastconv.sources.folders import list_folder
from fastconv.sources.published import PUBLISHED, Published

BLOCK = 512
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
LONG = "long" * 20 + "/" + "names" * 15 + "/"
# A member's name, and where its last byte ends in the archive.
Ends = list[tuple[str, int]]


def pack(members: list[tuple[str, bytes]], format: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as tar:
        for name, data in members:
            add(tar, name, data)
    return buffer.getvalue()


def ends_of(data: bytes, begin: int = 0) -> Ends:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return [(info.name, begin + info.offset_data + info.size) for info in tar]


def end_mark_of(data: bytes) -> int:
    """Where the first block of zeros ends that ends an archive."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        last = tar.getmembers()[-1]
    return last.offset_data + -(-last.size // BLOCK) * BLOCK + BLOCK


def flat(format: int) -> tuple[bytes, Ends]:
    """Images, and a member that is none; long names, where the format has room for them."""
    sizes = [1, 511, 512, 513, 0, 1300]
    members = [(f"{n}.JPEG", b"x" * size) for n, size in enumerate(sizes)]
    members.insert(2, (f"{LONG}a.JPEG", b"y" * 700))
    members.insert(4, ("README", b"z" * 600))
    data = pack(members, format)
    return data, ends_of(data)


def nested(format: int) -> tuple[bytes, Ends]:
    """A tar of tars; the last of them has a file of its own behind it."""
    inner = {
        f"class{n}": pack([(f"{n}_{k}.JPEG", b"i" * 300 * k) for k in range(3)], format)
        for n in range(3)
    }
    # As some tools write them: with an end mark of two blocks, and no padding to 10,240 bytes.
    inner = {name: data[: end_mark_of(data) + BLOCK] for name, data in inner.items()}
    data = pack([*((f"{k}.tar", v) for k, v in inner.items()), ("loose.JPEG", b"l" * 99)], format)
    ends: Ends = []
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for info in tar:
            name = info.name.removesuffix(".tar")
            begin = info.offset_data
            ends += ends_of(inner[name], begin) if name in inner else [(name, begin + info.size)]
    return data, ends


def cuts(size: int) -> list[int]:
    """Every boundary of blocks, and one byte on either side."""
    near = {at + step for at in range(0, size + 1, BLOCK) for step in (-1, 0, 1)}
    return sorted(at for at in near if 0 <= at <= size)


def images(names: list[str]) -> list[str]:
    return sorted(name.rpartition("/")[2] for name in names if name.endswith(".JPEG"))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("make", [flat, nested])
def test_cut_at_every_block(tmp_path: Path, make: type, format: str) -> None:
    data, ends = make(FORMATS[format])
    archive = tmp_path / "train.tar"
    archive.write_bytes(data)
    mark = end_mark_of(data)
    assert mark < len(data)
    seen = set()
    for size in reversed(cuts(min(len(data), mark + 2 * BLOCK))):
        os.truncate(archive, size)
        whole = [name for name, end in ends if end <= size]
        listing = list_archive(archive, True)
        stops = (listing.offset + listing.size).tolist()
        found = zip(map(os.fsdecode, listing.names), stops, strict=True)
        want = [(name.rpartition("/")[2], end) for name, end in ends if end <= size]
        assert sorted(found) == sorted(pair for pair in want if pair[0] != "README"), size
        if size >= mark:
            assert listing.cut == ()
            assert len(list_archive(archive)) == len(listing)
            continue
        (cut,) = listing.cut
        assert (cut.archive, cut.members) == (str(archive), len(whole)), size
        assert cut.offset < size + BLOCK  # where the next header would stand
        with pytest.raises(InputError) as caught:
            list_archive(archive)
        message = str(caught.value)
        assert message.startswith(f"{archive}: the archive ")
        assert f"header at offset {cut.offset}" in message
        assert f"; {len(whole):,} members of the archive are whole. Fetch" in message
        assert message.endswith("those that are whole with --use-cut-archives")
        seen.add(len(whole))
    assert seen == set(range(len(ends) + 1))


def test_the_message_names_the_members_around_the_cut(tmp_path: Path) -> None:
    archive = tmp_path / "train.tar"
    data = pack([("a.JPEG", b"1" * 100), ("b.JPEG", b"2" * 100), ("c.JPEG", b"3" * 100)], 1)
    archive.write_bytes(data[: 2 * 1024 + BLOCK + 99])
    with pytest.raises(InputError, match=r"offset 2048, of member 'c.JPEG', after member 'b.JPEG'"):
        list_archive(archive)
    archive.write_bytes(data[: 2 * 1024 + 100])
    with pytest.raises(InputError, match=r"offset 2048, after member 'b.JPEG'; 2 members"):
        list_archive(archive)


def test_a_whole_archive_with_a_class_archive_that_is_cut(tmp_path: Path) -> None:
    data = [pack([(f"{n}{k}.JPEG", b"x" * 600) for k in range(3)], 1) for n in "abc"]
    # Cut inside its second image; without an end mark; whole.
    parts = [data[0][: 1536 + 1000], data[1][: end_mark_of(data[1]) - BLOCK], data[2]]
    archive = tmp_path / "train.tar"
    archive.write_bytes(pack([(f"{n}.tar", p) for n, p in zip("abc", parts, strict=True)], 1))
    listing = list_archive(archive, True)
    assert images(list(map(os.fsdecode, listing.names))) == [
        f"{name}.JPEG" for name in ("a0", "b0", "b1", "b2", "c0", "c1", "c2")
    ]
    (cut,) = listing.cut
    assert (cut.archive, cut.members) == (f"{archive}: a.tar", 7)
    assert "(and 1 more in train.tar end too early)" in cut.reason
    with pytest.raises(
        InputError, match=r"train.tar: a.tar: the archive is cut off here .*; 7 mem"
    ):
        list_archive(archive)


def test_other_damage_stays_an_error(tmp_path: Path) -> None:
    data = bytearray(pack([(f"{k}.JPEG", b"x" * 600) for k in range(3)], 1))
    data[1536 + 5] ^= 1
    archive = tmp_path / "train.tar"
    for size in (len(data), 3 * 1536 + 100):  # whole, and cut off besides
        archive.write_bytes(data[:size])
        for use_cut in (False, True):
            with pytest.raises(InputError, match=r"checksum of its header is wrong.*; 1 members"):
                list_archive(archive, use_cut)


def test_of_two_members_of_a_name_the_whole_one_counts(tmp_path: Path) -> None:
    archive = tmp_path / "train.tar"
    data = pack([("a.JPEG", b"1" * 100), ("a.JPEG", b"2" * 200)], 1)
    archive.write_bytes(data[: 1024 + BLOCK + 199])
    assert list_archive(archive, True).size.tolist() == [100]


# ---- from the archive to the records --------------------------------------------------------


def small(path: Path, images_a_class: int = 3) -> tuple[Path, Ends]:
    """A train archive of two classes of real images, and where each ends."""
    inner = {
        name: pack([(f"{name}{k}.JPEG", JPEG) for k in range(images_a_class)], 1) for name in "ab"
    }
    path.write_bytes(pack([(f"{name}.tar", data) for name, data in inner.items()], 1))
    with tarfile.open(path) as tar:
        ends = [
            end
            for info in tar
            for end in ends_of(inner[info.name.removesuffix(".tar")], info.offset_data)
        ]
    return path, ends


def stored(out: Path) -> list[str]:
    return sorted(
        fastconv.parse_example(record)["image/filename"][0].decode()
        for shard in (out / "data_dir").iterdir()
        for record in fastconv.read_records(shard)
    )


@pytest.mark.parametrize("which", [0, 2, 4, 5])
@pytest.mark.parametrize("step", [-1, 0])
def test_the_records_are_the_whole_members(tmp_path: Path, which: int, step: int) -> None:
    archive, ends = small(tmp_path / "train.tar")
    size = ends[which][1] + step
    os.truncate(archive, size)
    whole = [name for name, end in ends if end <= size]
    options = fastconv.Options(
        train=archive, out=tmp_path / "out", workers=1, use_cut_archives=True
    )
    if not whole:
        with pytest.raises(InputError, match="holds no images"):
            fastconv.convert(options)
        return
    report = fastconv.convert(options)
    assert stored(tmp_path / "out") == whole
    assert (report.written, report.exit_code) == (len(whole), 1)
    (cut,) = report.cut_archives
    assert (cut.archive, cut.members) == (str(archive), len(whole))
    assert str(cut) in report.odd
    assert f"header at offset {cut.offset}; only the {len(whole)} members" in str(cut)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["odd"] == list(report.odd)
    assert manifest["options"]["use_cut_archives"] is True
    assert manifest["cut_archives"] == report.as_dict()["cut_archives"]
    assert manifest["cut_archives"][0]["members"] == len(whole)
    with pytest.raises(InputError, match=f"; {len(whole)} members of the archive are whole"):
        fastconv.convert(fastconv.Options(train=archive, out=tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_a_whole_archive_is_whole_with_the_option_too(tmp_path: Path) -> None:
    archive, ends = small(tmp_path / "train.tar")
    report = fastconv.convert(
        fastconv.Options(train=archive, out=tmp_path / "out", use_cut_archives=True, workers=1)
    )
    assert (report.exit_code, report.cut_archives, report.written) == (0, (), len(ends))
    assert not any("cut" in line for line in report.odd)


def test_class_archives_in_a_folder(mini: Path, tmp_path: Path) -> None:
    train = class_tars(mini / "tree", tmp_path / "in") / "train"
    first, second, *_ = sorted(train.iterdir())
    count = len(list_folder(train))
    with tarfile.open(first) as tar:
        last = tar.getmembers()[-1]
    os.truncate(first, last.offset_data + last.size - 1)
    with pytest.raises(InputError, match=f"{first}: the archive is cut off.*--use-cut-archives"):
        list_folder(train)
    os.truncate(second, end_mark_of(second.read_bytes()) - BLOCK)
    listing = list_folder(train, True)
    assert len(listing) == count - 1
    assert [cut.archive for cut in listing.cut] == [str(first), str(second)]


def test_a_train_archive_that_only_the_class_list_comes_from(tmp_path: Path) -> None:
    archive, ends = small(tmp_path / "train.tar")
    os.truncate(archive, ends[-1][1] - 1)
    image = tmp_path / "val" / "a" / "1.JPEG"
    image.parent.mkdir(parents=True)
    image.write_bytes(JPEG)
    options = SourceOptions(source=tmp_path, split="validation", use_cut_archives=True)
    dataset = load(options, lambda _phase: None)
    assert dataset.classes.names == ("a", "b")
    assert [cut.archive for cut in dataset.cut] == [str(archive)]


def test_boxes_that_are_cut_stay_an_error(mini: Path, tmp_path: Path) -> None:
    boxes = tmp_path / "boxes.tar.gz"
    data = (mini / "ILSVRC2012_bbox_train_v2.tar.gz").read_bytes()
    boxes.write_bytes(data[: len(data) // 2])
    options = SourceOptions(source=mini, boxes=boxes, use_cut_archives=True)
    with pytest.raises(InputError, match=r"boxes.tar.gz.*download the archive again"):
        load(options, lambda _phase: None)


@pytest.fixture
def eager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("FASTCONV_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "WORTH_SECONDS", 0.0)
    yield tmp_path / "cache"


def test_a_part_is_not_remembered_as_the_whole(eager: Path, tmp_path: Path) -> None:
    archive, ends = small(tmp_path / "train.tar")
    os.truncate(archive, ends[-1][1] - 1)
    found = memory.listed(archive, True)
    (file,) = eager.glob("*.npz")
    before = file.stat().st_ino
    again = memory.listed(archive, True)
    assert again.cut == found.cut != ()
    assert list(again.names) == list(found.names) and len(again) == len(ends) - 1
    assert file.stat().st_ino == before
    with pytest.raises(InputError, match="is cut off"):
        memory.listed(archive)


# ---- what a person sees ---------------------------------------------------------------------


def run(*words: object, code: int) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command(*words), capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == code, done.stderr
    return done


def test_the_command_line(mini: Path, tmp_path: Path) -> None:
    archive = Path(shutil.copy(mini / "ILSVRC2012_img_train.tar", tmp_path))
    os.truncate(archive, archive.stat().st_size // 2)
    out = tmp_path / "out"
    words: tuple[object, ...] = ("shards", "--train", archive, "--out", out)
    done = run(*words, code=3)
    said = re.search(r"; (\d+) members of the archive are whole", done.stderr)
    assert said is not None
    bytes_here = f"{archive.stat().st_size:,}"
    assert (
        f" (the published one has 147,897,477,120 bytes, this one {bytes_here}). Fetch"
        in done.stderr
    )
    line = f"{archive}: the archive is cut off here: header at offset "
    words += ("--use-cut-archives",)
    plan = run(*words, "--dry-run", code=0)
    assert line in plan.stdout and line not in plan.stderr
    plan = run(*words, "--dry-run", "--json", code=0)
    (cut,) = json.loads(plan.stdout)["source"]["cut_archives"]
    assert cut["members"] == int(said[1])
    done = run(*words, code=1)
    assert f"note: {line}" in done.stderr
    assert f"odd: {line}{cut['offset']}; only the {said[1]} members" in done.stdout
    done = run(*words, "--overwrite", "--json", code=1)
    summary = json.loads(done.stdout)
    assert summary["cut_archives"] == [cut] and summary["exit_code"] == 1


def test_the_published_size_is_told_of_smaller_ones_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, ends = small(tmp_path / "train.tar")
    size = ends[-1][1]
    os.truncate(archive, size)
    for wanted, told in ((size + 1, True), (size, False), (size - 1, False)):
        monkeypatch.setitem(PUBLISHED, "train.tar", Published(wanted, ""))
        with pytest.raises(InputError) as caught:
            list_archive(archive)
        assert (
            f"published one has {wanted:,} bytes, this one {size:,}" in str(caught.value)
        ) is told
