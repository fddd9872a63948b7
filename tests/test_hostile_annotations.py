"""Boxes, labels and lists that nobody means well with (their rules: test_boxes.py,
test_labels.py)."""

from __future__ import annotations

import gzip
import inspect
import io
import os
import re
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import Command, refused, stored
from layouts import add, put
from scipy.io import savemat
from test_boxes import A, voc_xml
from test_tar import END_MARK, extended, member, raw, record

from fastconv.annotations import devkit, gunzip, lists
from fastconv.annotations.voc import BoxError, parse_box_xml
from fastconv.annotations.xmlfiles import iter_xml_batches
from fastconv.errors import InputError

__all__ = ["refused", "stored"]

XML = voc_xml((1, 2, 30, 40))
FILE = member(f"{A}/{A}_1.xml", XML.encode())
MIB = 1 << 20


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return put(
        tmp_path / "tree", f"train/{A}/{A}_1.JPEG", "validation/ILSVRC2012_val_00000001.JPEG"
    )


# ---- one XML file -------------------------------------------------------------------------

BAD_XML: dict[str, tuple[str | bytes, str]] = {
    "entities that expand": (
        '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><a>&b;</a>',
        "declares a document type",
    ),
    "an entity from outside": (
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        "declares a document type",
    ),
    "deep": ("<a>" * 65, "nested deeper than 64"),
    "huge": (XML.replace("ILSVRC_2012", "x" * MIB), "over 1 MiB"),
    "spaces between two gaps": (
        XML.replace("</annotation>", " " * (MIB - 2000) + "x</annotation"),
        "no well-formed XML",
    ),
    "objects that never end": (
        XML.replace("</annotation>", "<object><name>" * 60_000),
        "nested deeper",
    ),
    "latin-1 that is said to be UTF-8": (XML.replace("Unspecified", "é").encode("latin-1"), "no well"),
    "a strange encoding": ('<?xml version="1.0" encoding="utf-7"?><a/>', "'utf-7' is not read"),
    "NUL": (XML.replace("Unspecified", "\0"), "no well-formed XML"),
    "a million digits": (
        voc_xml(("1" * 900_000, 2, 30, 40)),
        "<xmin> holds '1{40}', which is no number",
    ),
    **{
        f"a box of {value}": (voc_xml((1, 2, value, 40)), "<xmax> holds .* which is no number")
        for value in ("nan", "inf", "-inf", "1e400", "", " ", "0x10", "ten")
    },
    "a width of NaN": (voc_xml((1, 2, 3, 4), width="nan"), "<width> holds 'nan'"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_XML)
def test_bad_xml(case: str) -> None:
    data, message = BAD_XML[case]
    with pytest.raises(BoxError, match=message) as caught:
        parse_box_xml(data.encode() if isinstance(data, str) else data, A, {A})
    assert len(str(caught.value)) < 200


GOOD_XML: dict[str, str | bytes] = {
    "UTF-16": XML.encode("utf-16"),
    "a byte order mark": XML.encode("utf-8-sig"),
    "spaces": XML.replace("</annotation>", " " * (MIB - 2000) + "</annotation>"),
    "a huge attribute": XML.replace("<size>", f'<size a="{"x" * (MIB - 2000)}">'),
    "many attributes": XML.replace("<size>", "<size %s>" % " ".join(f'a{n}=""' for n in range(9999))),
    "a huge text": XML.replace("Unspecified", "x" * (MIB - 2000)),
}  # fmt: skip


@pytest.mark.parametrize("case", GOOD_XML)
def test_odd_xml(case: str) -> None:
    data = GOOD_XML[case]
    boxes = parse_box_xml(data.encode() if isinstance(data, str) else data, A, {A})
    assert boxes == [(20, 50, 600, 1000)]


def test_as_many_boxes_as_a_file_can_hold(tree: Path, stored: Any, tmp_path: Path) -> None:
    (tmp_path / "boxes").mkdir()
    more = voc_xml(*[(1, 2, 30, 40)] * 4000)
    assert MIB // 2 < len(more) < MIB
    (tmp_path / "boxes" / f"{A}_1.xml").write_text(more)
    manifest = stored(tree, "--boxes", tmp_path / "boxes", "--split", "train")
    assert sum(split["boxes"] for split in manifest["splits"]) == 4000


# ---- archives of XML ----------------------------------------------------------------------


def zipped(*parts: bytes) -> bytes:
    return gzip.compress(b"".join(parts) + END_MARK, 1)


BAD_BOXES: dict[str, tuple[bytes, str]] = {
    "cut": (zipped(FILE)[:-5], "the gzip data are cut off: the file ends at byte"),
    "garbage behind the end": (zipped(FILE) + b"garbage", "other data follow the end of the gzip"),
    "a size beyond all": (
        zipped(raw({124: b"\x80" + b"\xff" * 11}, b"a.xml")),
        "at or after member 'a.xml': cut off",
    ),
    "a negative size": (
        zipped(FILE, raw({124: b"\xff" * 12}, b"b.xml")),
        f"tar header at byte {len(FILE)} gives the size",
    ),
    "a pax size of many digits": (
        zipped(extended(record(b"size", b"9" * 9000)), FILE),
        "gives the size b'9{40}'",
    ),
    "a pax size of other digits": (
        zipped(extended(record(b"size", "²".encode())), FILE),
        "gives the size",
    ),
    "a NUL in a name": (
        zipped(extended(record(b"path", b"a\0.xml")), FILE),
        "a name with a NUL in a pax header",
    ),
    "sparse": (zipped(extended(record(b"GNU.sparse.major", b"1")), FILE), "a GNU sparse file"),
    "a wrong checksum": (zipped(FILE[:3] + b"x" + FILE[4:]), "no tar header at byte 0"),
    "a name in two lines": (
        zipped(extended(record(b"path", b"a\nb.xml")), member("x", b"<a>")),
        r"boxes: a\\nb.xml: no well-formed XML",
    ),
    "zeros": (bytes(4096), "holds no XML file"),
    "nothing": (b"", "holds no entry"),
    "a binary file": (bytes(range(256)) * 9, "checksum is wrong"),
}


@pytest.mark.parametrize("case", BAD_BOXES)
def test_bad_boxes(case: str, tree: Path, tmp_path: Path, refused: Command) -> None:
    data, message = BAD_BOXES[case]
    path = tmp_path / "boxes"
    path.write_bytes(data)
    said = refused(tree, "--boxes", path)
    assert said.startswith(str(path)) and re.search(message, said), said


def test_gzip_of_many_members(tree: Path, tmp_path: Path, stored: Any) -> None:
    data = FILE + END_MARK
    pieces = [gzip.compress(data[at : at + 300]) for at in range(0, len(data), 300)]
    (tmp_path / "boxes").write_bytes(b"".join(pieces) + bytes(999))
    manifest = stored(tree, "--boxes", tmp_path / "boxes")
    assert sum(split["boxes"] for split in manifest["splits"]) == 1


def test_what_an_archive_unpacks_to_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On both sides of the limit; of what follows the end, of members that are passed by, and of
    inner archives, together."""
    monkeypatch.setattr(gunzip, "EXPANDED_BYTES_MAX", 4 * MIB)
    path = tmp_path / "boxes.tar.gz"
    head = FILE + END_MARK
    fill = 4 * MIB - len(head)
    for more, fits in ((0, True), (1, False)):
        path.write_bytes(gzip.compress(head + bytes(fill + more), 1))
        if fits:
            assert [len(batch) for batch in iter_xml_batches(path)] == [1]
        else:
            with pytest.raises(InputError, match="decompresses to over 0 GiB"):
                list(iter_xml_batches(path))
    member_passed = FILE + member("movie", bytes(5 * MIB)) + END_MARK
    inner = gzip.compress(FILE + END_MARK + bytes(2 * MIB), 9)
    inners = b"".join(member(f"n{n}.tar.gz", inner) for n in range(3)) + END_MARK
    for data in (gzip.compress(member_passed, 1), gzip.compress(inners), inners):
        path.write_bytes(data)
        with pytest.raises(InputError, match="which no archive of annotations does"):
            list(iter_xml_batches(path))


def test_what_is_no_file(tree: Path, tmp_path: Path, refused: Command) -> None:
    pipe, folder = tmp_path / "pipe", tmp_path / "folder"
    os.mkfifo(pipe)
    folder.mkdir()
    options = ("--boxes", "--synsets", "--synset-text", "--validation-labels")
    for option in options:
        for path in (pipe, Path("/dev/zero")):
            said = refused(tree, option, path)
            assert said == f"{path}: cannot be read: it is no regular file"
        message = "holds no XML file" if option == "--boxes" else "cannot be read: Is a directory"
        assert message in refused(tree, option, folder)


def test_xml_files_that_are_none(tree: Path, tmp_path: Path, refused: Command) -> None:
    boxes = tmp_path / "boxes"
    (boxes / A).mkdir(parents=True)
    path = boxes / A / "x.xml"
    path.symlink_to("gone")
    assert refused(tree, "--boxes", boxes).startswith(f"{path}: a broken link")
    path.unlink()
    os.mkfifo(path)
    assert refused(tree, "--boxes", boxes).startswith(f"{path}: a broken link, or no regular file")
    path.unlink()
    with path.open("wb") as file:
        file.truncate(1 << 30)
    assert "x.xml: over 1 MiB" in refused(tree, "--boxes", boxes)


def test_folders_of_xml_in_circles_and_in_depth(tmp_path: Path) -> None:
    """Each real folder is read once for each folder of the first level, however many links lead to
    it; and none is too deep."""
    top = tmp_path / "top"
    names = [f"d{n}" for n in range(30)]
    for name, following in zip(names, [*names[1:], "d0"], strict=True):
        (top / name).mkdir(parents=True)
        for link in "abc":
            (top / name / link).symlink_to(f"../{following}")
    (top / "d7" / "x.xml").write_text(XML)
    found = [name for batch in iter_xml_batches(top) for name, _ in batch]
    assert len(found) == len(names)
    deep = tmp_path.joinpath("deep", *["d"] * 300)
    deep.mkdir(parents=True)
    (deep / "x.xml").write_text(XML)
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)
    try:
        assert sum(len(batch) for batch in iter_xml_batches(tmp_path / "deep")) == 1
    finally:
        sys.setrecursionlimit(before)


# ---- lists --------------------------------------------------------------------------------

BAD_LISTS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "holds no entry"),
    "blank lines alone": (b"\n\n\n", "holds no entry"),
    "a blank line in the middle": (b"n01440764\n\nn01443537\n", "line 2: blank"),
    "UTF-16": ("n01440764\n".encode("utf-16"), r"line 1: byte 0 \(0xff\) is not UTF-8"),
    "UTF-16 without a mark": ("n01440764\n".encode("utf-16-le"), r"control character '\\x00'"),
    "carriage returns alone": (b"n01440764\rn01443537\r", r"control character '\\r'"),
    "NULs": (b"n01440764\nn0144\0\n", r"line 2: holds the control character '\\x00'"),
    "latin-1": ("n01440764\ncafé\n".encode("latin-1"), "line 2: byte 13 .* is not UTF-8"),
    "a binary file": (bytes(range(256)) * 40, "line"),
    "an image": (b"\x89PNG\r\n\x1a\n" + bytes(99), "line 1: byte 0"),
}


@pytest.mark.parametrize("option", ["--synsets", "--validation-labels", "--synset-text"])
@pytest.mark.parametrize("case", BAD_LISTS)
def test_bad_lists(case: str, option: str, tree: Path, tmp_path: Path, refused: Command) -> None:
    data, message = BAD_LISTS[case]
    path = tmp_path / "list"
    path.write_bytes(data)
    said = refused(tree, option, path)
    assert said.startswith(str(path)) and re.search(message, said), said


BAD_LABELS: dict[str, tuple[str, str]] = {
    "a header alone": ("ImageId,PredictionString\n", "has no label|no validation images"),
    "quotes": (
        'ImageId,PredictionString\n"ILSVRC2012_val_00000001","n01440764 1 2 3 4"\n',
        "line 2: found .* a line must be",
    ),
    "a column missing": ("ImageId\nILSVRC2012_val_00000001\n", "line 1: found 'ImageId'"),
    "no prediction": ("ImageId,PredictionString\nILSVRC2012_val_00000001,\n", "line 2: found"),
    "another header": ("image,label\nILSVRC2012_val_00000001,n01440764\n", "line 1: found 'image"),
    "an image twice": (
        "ImageId,PredictionString\na,n01440764 1\na.JPEG,n01440764 1\n",
        "line 3: 'a' stands on line 2 already",
    ),
    "ids": ("490\n361\n", "line 1: found '490'; ILSVRC ids mean nothing without"),
    "too many": ("n01440764\n" * 50_001, "line 50001: found 50,001 labels, more than the 50,000"),
    "too few": ("n01440764\n", "val_00000002.JPEG: has no label"),
}


@pytest.mark.parametrize("case", BAD_LABELS)
def test_bad_labels(case: str, tree: Path, tmp_path: Path, refused: Command) -> None:
    content, message = BAD_LABELS[case]
    put(tree, "validation/ILSVRC2012_val_00000002.JPEG")
    path = tmp_path / "labels"
    path.write_text(content)
    assert re.search(message, refused(tree, "--validation-labels", path))


@pytest.mark.parametrize(
    "content", [b"\xef\xbb\xbfn01440764\r\n\r\n \n", b"n01440764", b"n01440764\n\n"]
)
def test_odd_lists(content: bytes, tree: Path, tmp_path: Path, stored: Any) -> None:
    """A byte order mark, CRLF, no line end, blank lines at the end."""
    path = tmp_path / "list"
    path.write_bytes(content)
    assert stored(tree, "--synsets", path, "--validation-labels", path)["records"] == 2


def test_a_class_twice(tree: Path, tmp_path: Path, refused: Command) -> None:
    path = tmp_path / "list"
    path.write_text(f"{A}\nn01443537\n{A}\n")
    said = refused(tree, "--synsets", path)
    assert said == f"{path}, line 3: '{A}' stands on line 1 already; remove one of the two"


def test_lists_as_large_as_a_disk(tree: Path, tmp_path: Path, refused: Command) -> None:
    path = tmp_path / "list"
    with path.open("wb") as file:
        file.write(b"n01440764\n")
        file.truncate(1 << 40)
    for option in ("--synsets", "--validation-labels", "--synset-text"):
        assert refused(tree, option, path).startswith(f"{path}: over 256 MiB, too large for a text")


def test_lists_of_too_many_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "LINES_MAX", 100)
    assert len(lists.lines_of("x", b"ab\n" * 100)) == 100
    with pytest.raises(InputError, match="x: over 100 lines"):
        lists.lines_of("x", b"ab\n" * 101)


def test_a_list_that_grows_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its size is looked at again when it has been read."""
    path = tmp_path / "list"
    path.write_bytes(b"a\n" * 50)
    monkeypatch.setattr(lists, "LIST_BYTES_MAX", 100)
    assert len(lists.read_bytes(path)) == 100
    told = os.fstat

    def fstat(fd: int) -> os.stat_result:
        status = told(fd)
        with path.open("ab") as file:
            file.write(b"more")
        return status

    monkeypatch.setattr(lists.os, "fstat", fstat)
    with pytest.raises(InputError, match="too large for a text file"):
        lists.read_bytes(path)


# ---- the development kit ------------------------------------------------------------------


def kit(meta: bytes, truth: bytes = b"1\n") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        add(tar, "kit/data/meta.mat", meta)
        add(tar, "kit/data/ILSVRC2012_validation_ground_truth.txt", truth)
    return buffer.getvalue()


def matlab(**synsets: Any) -> bytes:
    buffer = io.BytesIO()
    fields = {"ILSVRC2012_ID": 1, "WNID": A, "num_children": 0} | synsets
    savemat(buffer, {"synsets": fields}, do_compression=True)
    return buffer.getvalue()


BAD_KITS: dict[str, tuple[bytes, str]] = {
    "cut": (kit(matlab())[:-20], "damaged or cut off: .* again"),
    "no kit": (zipped(FILE), "holds no member data/meta.mat"),
    "no matlab": (kit(b"MATLAB 5.0 MAT-file".ljust(999)), "meta.mat: no MATLAB 5 file with the"),
    "other fields": (kit(matlab(num_children="x")), "no classes|no MATLAB 5 file"),
    "an id that is none": (kit(matlab(ILSVRC2012_ID=np.nan)), "no MATLAB 5 file with the struct"),
    "an id that is not there": (kit(matlab(), b"2\n"), "line 1: found '2', which is the ILSVRC id"),
    "a long name": (
        gzip.compress(raw({}, b"L", 2 << 30, b"L") + bytes(4 * MIB)),
        "a header extension of 2,147,483,648 bytes",
    ),
    "a meta.mat of a gigabyte": (
        gzip.compress(raw({}, b"kit/data/meta.mat", 1 << 30) + bytes(MIB)),
        "meta.mat: 1,073,741,824 bytes, too large",
    ),
}


@pytest.mark.parametrize("case", BAD_KITS)
def test_bad_kits(case: str, tree: Path, tmp_path: Path, refused: Command) -> None:
    data, message = BAD_KITS[case]
    path = tmp_path / "kit.tar.gz"
    path.write_bytes(data)
    said = refused(tree, "--validation-labels", path)
    assert said.startswith(str(path)) and re.search(message, said), said


def test_a_kit_that_explodes(
    tree: Path, tmp_path: Path, refused: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kit.tar.gz"
    path.write_bytes(zipped(member("movie", bytes(3 * MIB))))
    monkeypatch.setattr(gunzip, "EXPANDED_BYTES_MAX", 2 * MIB)
    assert "decompresses to over" in refused(tree, "--validation-labels", path)


def test_a_matlab_file_that_explodes(tree: Path, tmp_path: Path, refused: Command) -> None:
    """A hundred kilobytes that stand for what no process here may have, and one that it may."""
    path = tmp_path / "kit.tar.gz"
    for megabytes, message in ((9000, "MemoryError|no MATLAB 5 file"), (1, "no MATLAB|no classes")):
        count = megabytes * MIB // 8
        head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"
        # A cell array of so many cells, all of which are still to come.
        flags = b"\6\0\0\0\x08\0\0\0\1\0\0\0\0\0\0\0"
        sides = b"\5\0\0\0\x08\0\0\0" + count.to_bytes(4, "little") + b"\1\0\0\0"
        name = b"\1\0\0\0\7\0\0\0synsets\0"
        body = flags + sides + name
        element = b"\x0e\0\0\0" + len(body).to_bytes(4, "little") + body
        path.write_bytes(kit(head + element))
        said = refused(tree, "--validation-labels", path)
        assert re.search(message, said), said


def test_the_limit_of_memory_is_taken_back() -> None:
    resource = devkit.resource
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(MemoryError), devkit._memory_of(100 * MIB):
        assert resource.getrlimit(resource.RLIMIT_AS) != before
        bytearray(1 << 30)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    with devkit._memory_of(100 * MIB):
        bytearray(10 * MIB)
