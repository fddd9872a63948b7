"""The tar scan against tarfile and GNU tar, and on archives that neither would make."""

from __future__ import annotations

import errno
import io
import itertools
import os
import random
import shutil
import subprocess
import tarfile
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastconv import _tar
from fastconv.shared import anonymous_file

OK, READ, _MEMORY, CHECKSUM, NUMBER, CUT, NO_END, LONG, PAX, _STOPPED, NAME, GLOBAL, BEHIND = range(
    13
)
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
BLOCK = 512
END_MARK = bytes(2 * BLOCK)
GIB = 1 << 30

Member = tuple[bytes, str, int, int]  # name, type, offset, size
TarFormat: TypeAlias = Literal[0, 1, 2]


class Scanned:
    def __init__(self, answer: tuple[int, int, int, bytes, bytes, bytes, bytes, bytes]) -> None:
        self.status, self.at, self.errno, offsets, sizes, types, names, ends = answer
        stops = memoryview(ends).cast("q").tolist() if ends else []
        starts = [0, *stops]
        self.members: list[Member] = [
            (names[a:b], chr(kind), offset, size)
            for a, b, kind, offset, size in zip(
                starts,
                stops,
                types,
                memoryview(offsets).cast("q").tolist() if offsets else [],
                memoryview(sizes).cast("q").tolist() if sizes else [],
                strict=False,
            )
        ]
        assert len(self.members) == len(types) == len(stops)

    @property
    def names(self) -> list[bytes]:
        return [name for name, *_ in self.members]


@pytest.fixture
def fd() -> Iterator[int]:
    fd = anonymous_file()
    yield fd
    os.close(fd)


def put(fd: int, data: bytes) -> int:
    os.ftruncate(fd, 0)
    os.pwrite(fd, data, 0)
    return len(data)


def scan(fd: int, data: bytes) -> Scanned:
    return Scanned(_tar.scan(fd, 0, put(fd, data)))


def member(name: str, data: bytes = b"", format: int = tarfile.GNU_FORMAT, **facts: Any) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in facts.items():
        setattr(info, key, value)
    head = info.tobuf(cast(TarFormat, format), "utf-8", "surrogateescape")
    return head + data + bytes(-len(data) % BLOCK)


def raw(fields: dict[int, bytes], name: bytes = b"raw", size: int = 0, type: bytes = b"0") -> bytes:
    """A header made by hand: fields by their offsets, then the checksum over it all."""
    head = bytearray(BLOCK)
    standard = {0: name, 100: b"0000644\0", 124: b"%011o\0" % size, 156: type, 257: b"ustar\x0000"}
    for at, value in (standard | fields).items():
        head[at : at + len(value)] = value
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


def build(format: int, infos: Iterable[tuple[str, bytes]], **options: Any) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format, **options) as tar:
        for name, data in infos:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def by_tarfile(fd: int) -> list[Member]:
    """What Python's tarfile lists: a second opinion on every column."""
    kinds = {tarfile.AREGTYPE: "0", tarfile.CONTTYPE: "0"}
    with open(os.dup(fd), "rb") as file:  # noqa: PTH123
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:", errors="surrogateescape") as tar:
            return [
                (
                    info.name.encode("utf-8", "surrogateescape"),
                    kinds.get(info.type, info.type.decode()),
                    info.offset_data,
                    info.size if info.isreg() else 0,
                )
                for info in tar
            ]


def check_against_tarfile(fd: int, data: bytes) -> list[Member]:
    scanned = scan(fd, data)
    assert scanned.status == OK
    members = [(name.rstrip(b"/"), *rest) for name, *rest in scanned.members]
    assert members == by_tarfile(fd)
    return scanned.members


def names_of(lengths: Iterable[int]) -> list[str]:
    """For each length a name without a slash, one with many, and one with a slash at its middle."""
    names = []
    for n in lengths:
        names.append("n" * n)
        names.append(("dir/" * n)[: n - 1] + "x")
        names.append("p" * (n // 2) + "/" + "q" * (n - n // 2 - 1))
    return names


LENGTHS = [3, 8, 98, 99, 100, 101, 102, 154, 155, 156, 157, 200, 254, 255, 256, 257, 258, 511, 512]
LENGTHS += [513, 1000, 4096]


@pytest.mark.parametrize("format", FORMATS)
def test_names_of_every_length(fd: int, format: str) -> None:
    names = []
    for name in names_of(LENGTHS):
        try:
            member(name, format=FORMATS[format])
        except ValueError:  # ustar has no room for it
            continue
        names.append(name)
    assert len(names) == 3 * len(LENGTHS) or format == "ustar"
    assert max(map(len, names)) > 200
    data = build(FORMATS[format], [(name, name.encode()) for name in names])
    members = check_against_tarfile(fd, data)
    for name, (stored, kind, offset, size) in zip(names, members, strict=True):
        assert stored == name.encode()
        assert kind == "0"
        assert data[offset : offset + size] == name.encode()


@pytest.mark.parametrize("format", FORMATS)
def test_names_that_are_not_ascii(fd: int, format: str) -> None:
    names = [
        "ü.JPEG",
        "日本/語" * 9,
        "\udcff\udc80raw",
        "\U0001f600" * 40,
        "a b\n=7 path=x",
        "=",
        "'",
    ]
    if format == "ustar":
        names.remove("\U0001f600" * 40)
    data = build(FORMATS[format], [(name, b"x") for name in names])
    assert [name for name, *_ in check_against_tarfile(fd, data)] == [
        name.encode("utf-8", "surrogateescape") for name in names
    ]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("seed", range(3))
def test_sizes_around_the_window(fd: int, format: str, seed: int) -> None:
    """Runs of small members are read ahead, large ones stepped over: the two in every order."""
    chance = random.Random(seed)
    edges = [0, 1, 511, 512, 513, 8191, 8192, 8193, 64 * 1024 - 512, 64 * 1024, 64 * 1024 + 1]
    sizes = [chance.choice(edges) if n % 3 else chance.randrange(70_000) for n in range(120)]
    sizes[40:80] = [chance.randrange(3) for _ in range(40)]
    infos = [(f"{'d' * chance.choice((1, 120))}/{n}.JPEG", bytes(s)) for n, s in enumerate(sizes)]
    if format == "ustar":
        infos = [(name[-90:], data) for name, data in infos]
    members = check_against_tarfile(fd, build(FORMATS[format], infos))
    assert [size for *_, size in members] == sizes


def test_many_empty_members(fd: int) -> None:
    data = b"".join(member(f"{n}") for n in range(3000)) + END_MARK
    assert len(check_against_tarfile(fd, data)) == 3000


@pytest.mark.parametrize("format", FORMATS)
def test_members_that_are_no_files(fd: int, format: str) -> None:
    """Whatever size a link, folder or device claims: no data follows it."""
    parts = [member("first.JPEG", b"1", FORMATS[format])]
    for name in ("f", "f" * 99, "f/" * 60 + "f"):
        for kind in (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE):
            facts: dict[str, Any] = {"type": kind, "linkname": "to" * 20}
            parts.append(member(name, format=FORMATS[format], **facts))
    for kind in (tarfile.CHRTYPE, tarfile.BLKTYPE):
        parts.append(member("dev", format=FORMATS[format], type=kind, devmajor=1, devminor=2))
    parts.append(member("contiguous", b"12", FORMATS[format], type=tarfile.CONTTYPE))
    parts.append(member("last.JPEG", b"123", FORMATS[format]))
    members = check_against_tarfile(fd, b"".join(parts) + END_MARK)
    assert "".join(kind for _, kind, _, _ in members) == "0" + "1256" * 3 + "3400"
    claimed = raw({}, b"link", 700, b"1") + raw({}, b"dir", 700, b"5") + member("x", b"abc")
    assert check_against_tarfile(fd, claimed + END_MARK)[-1] == (b"x", "0", 3 * BLOCK, 3)


def test_long_link_targets(fd: int) -> None:
    for format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        link = member("n" * 300, format=format, type=tarfile.SYMTYPE, linkname="t" * 400)
        data = link + member("next", b"x", format) + END_MARK
        assert [name for name, *_ in check_against_tarfile(fd, data)] == [b"n" * 300, b"next"]


def test_folders_of_version_7(fd: int) -> None:
    v7 = {257: bytes(8)}
    data = raw(v7, b"folder/", type=b"\0") + raw(v7, b"file", type=b"\0") + END_MARK
    assert [(name, kind) for name, kind, _, _ in check_against_tarfile(fd, data)] == [
        (b"folder/", "5"),
        (b"file", "0"),
    ]


def test_names_that_fill_their_fields(fd: int) -> None:
    fields = {345: b"p" * 155}
    data = raw(fields, b"n" * 100) + raw({345: b"p"}, b"n" * 100) + raw({}, b"n" * 100) + END_MARK
    assert [len(name) for name, *_ in check_against_tarfile(fd, data)] == [256, 102, 100]


def test_gnu_headers_have_no_prefix(fd: int) -> None:
    """There GNU's own format keeps times."""
    data = raw({257: b"ustar  \0", 345: b"13512345670\x0013512345670\0"}, b"name") + END_MARK
    assert scan(fd, data).names == [b"name"]


def test_names_do_not_stick(fd: int) -> None:
    """A long name or pax header is for the next member alone."""
    for format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        parts = [
            member("l" * 300, b"a", format),
            member("s", b"b", format),
            member("m" * 200, b"c"),
        ]
        members = check_against_tarfile(fd, b"".join(parts) + END_MARK)
        assert [len(name) for name, *_ in members] == [300, 1, 200]


def test_global_headers_are_passed_over(fd: int) -> None:
    options = {"pax_headers": {"comment": "0123456789abcdef" * 40}}
    data = build(tarfile.PAX_FORMAT, [("a", b"1"), ("b" * 200, b"2")], **options)
    assert data[156:157] == b"g"
    assert len(check_against_tarfile(fd, data)) == 2


# ---- numbers --------------------------------------------------------------------------------

SIZES = (8 * GIB - 1, 8 * GIB, 8 * GIB + 1, 9 * GIB + 5, 1 << 40, (1 << 42) + 511)


@pytest.mark.parametrize("format", ["gnu", "pax"])
@pytest.mark.parametrize("size", SIZES)
def test_huge_members(fd: int, format: str, size: int) -> None:
    info = tarfile.TarInfo("huge.tar")
    info.size = size
    head = info.tobuf(cast(TarFormat, FORMATS[format]))
    data_end = len(head) + size
    behind = data_end + -size % BLOCK
    os.pwrite(fd, head, 0)
    os.pwrite(fd, member("next", b"abc") + END_MARK, behind)
    end = os.fstat(fd).st_size
    scanned = Scanned(_tar.scan(fd, 0, end))
    assert (scanned.status, scanned.at) == (OK, behind + 2 * BLOCK)
    huge = (b"huge.tar", "0", len(head), size)
    assert scanned.members == [huge, (b"next", "0", behind + BLOCK, 3)] == by_tarfile(fd)
    header_at = len(head) - BLOCK
    for stop in (len(head), len(head) + 1, 4 * GIB, data_end - 1):
        cut = Scanned(_tar.scan(fd, 0, stop))
        assert (cut.status, cut.at, cut.members) == (CUT, header_at, [huge])
    assert Scanned(_tar.scan(fd, 0, data_end)).status == NO_END


@pytest.mark.parametrize(
    "field",
    [
        b"\xff" * 12,
        b"\xff" * 11 + b"\x01",
        b"\x81" + bytes(11),
        b"\x80" + b"\xff" * 11,
        b"\x80\0\0\0\x80" + bytes(7),
        b"\x80\0\0\0\x40" + bytes(7),
        b"-0000000001\0",
        b"00000000008\0",
        b"0x00000001\0\0",
        b"1.5",
        b"abc",
    ],
)
def test_sizes_that_are_no_sizes(fd: int, field: bytes) -> None:
    data = member("before", b"x") + raw({124: field.ljust(12, b"\0")}) + END_MARK
    scanned = scan(fd, data)
    assert (scanned.status, scanned.at, scanned.names) == (NUMBER, 2 * BLOCK, [b"before"])


@pytest.mark.parametrize(
    ("field", "size"),
    [
        (b"00000000005\0", 5),
        (b"00000000005 ", 5),
        (b"000000000005", 5),
        (b"          5 ", 5),
        (b"5\0", 5),
        (b"5 garbage", 5),
        (b"\0" * 12, 0),
        (b" " * 12, 0),
        (b"\x80" + bytes(10) + b"\x05", 5),
    ],
)
def test_sizes_as_they_are_written(fd: int, field: bytes, size: int) -> None:
    data = raw({124: field.ljust(12, b"\0")}) + b"12345".ljust(BLOCK, b"\0")[: BLOCK * (size > 0)]
    scanned = scan(fd, data + member("behind") + END_MARK)
    assert (scanned.status, scanned.members[0][3], len(scanned.members)) == (OK, size, 2)


def test_the_largest_sizes(fd: int) -> None:
    """One bit below the limit it is a size, and the archive is cut off; above it is absurd."""
    for first, status in ((b"\x3f", CUT), (b"\x40", NUMBER)):
        scanned = scan(fd, raw({124: b"\x80\0\0\0" + first + b"\xff" * 7}) + END_MARK)
        assert scanned.status == status
    assert scan(fd, raw({124: b"7" * 12}) + END_MARK).status == CUT


# ---- cuts and damage ------------------------------------------------------------------------


def headers(data: bytes) -> list[tuple[int, int]]:
    """(offset, data bytes) of every header block of an archive, extended ones too."""
    found, at = [], 0
    while any(data[at : at + BLOCK]):
        size = int(data[at + 124 : at + 135], 8)
        found.append((at, size))
        at += BLOCK + size + -size % BLOCK
    return found


@pytest.mark.parametrize("format", FORMATS)
def test_cut_anywhere(fd: int, format: str) -> None:
    infos = [("a", bytes(600)), ("b/" * 40 + "b" * 30, b"xy"), ("c", b""), ("d", bytes(BLOCK))]
    data = build(FORMATS[format], infos)
    whole = check_against_tarfile(fd, data)
    blocks = headers(data)
    end_mark = blocks[-1][0] + BLOCK + blocks[-1][1]
    assert len(blocks) == len(infos) + (format != "ustar")
    for size in range(end_mark + BLOCK + 1):
        scanned = Scanned(_tar.scan(fd, 0, size))
        if size == end_mark + BLOCK:
            assert (scanned.status, scanned.members) == (OK, whole)
            continue
        start, data_bytes = max((b for b in blocks if b[0] <= size), default=(0, 0))
        data_end = start + BLOCK + data_bytes
        shown = [m for m in whole if m[2] <= size]
        if size == start or data_end <= size <= data_end + -data_bytes % BLOCK:
            assert scanned.status == NO_END
        else:
            at = end_mark if size > end_mark else start
            assert (scanned.status, scanned.at) == (CUT, at)
        assert scanned.members == shown, size


@pytest.mark.parametrize("format", FORMATS)
def test_every_bit_of_a_header_is_guarded(fd: int, format: str) -> None:
    parts = [member("first", b"1", FORMATS[format]), member("second", b"2", FORMATS[format])]
    data = b"".join(parts) + END_MARK
    whole = scan(fd, data).members
    at = len(parts[0])
    for bit in range(8 * BLOCK):
        flipped = bytearray(data)
        flipped[at + bit // 8] ^= 1 << bit % 8
        scanned = scan(fd, bytes(flipped))
        if 148 <= bit // 8 < 156 and scanned.status == OK:
            assert scanned.members == whole  # another spelling of the same sum
        else:
            assert (scanned.status, scanned.at, scanned.members) == (CHECKSUM, at, whole[:1])


def test_checksums_of_signed_bytes(fd: int) -> None:
    head = bytearray(raw({}, "ü.JPEG".encode()))
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(b - 256 if b > 127 else b for b in head)
    data = bytes(head) + END_MARK
    assert check_against_tarfile(fd, data)[0][0] == "ü.JPEG".encode()


def test_words_are_no_archive(fd: int) -> None:
    assert scan(fd, b"<html>404 not found</html>" * 90).status == CHECKSUM
    assert scan(fd, b"\x1f\x8b" + bytes(range(256)) * 3).status == CHECKSUM
    assert scan(fd, b"short").status == CUT


def test_archives_of_nothing(fd: int) -> None:
    assert scan(fd, b"").status == NO_END
    assert scan(fd, bytes(BLOCK)).status == OK
    assert scan(fd, bytes(BLOCK - 1)).status == CUT
    assert scan(fd, END_MARK).members == []
    assert scan(fd, build(tarfile.GNU_FORMAT, [])).status == OK


def test_what_stands_behind_the_end_mark(fd: int) -> None:
    """Zeros up to a mebibyte, and what is no header: but no other member."""
    first = member("a", b"x")
    for behind in (bytes(5000), b"garbage" * 900, bytes(BLOCK) + b"\xff" * 700):
        scanned = scan(fd, first + END_MARK + behind)
        assert (scanned.status, scanned.at, scanned.names) == (OK, len(first), [b"a"])
    for blocks in (1, 2, 20, 128, 129, 2046):
        scanned = scan(fd, first + bytes(blocks * BLOCK) + member("b"))
        assert (scanned.status, scanned.at) == (BEHIND, len(first) + blocks * BLOCK)
        assert scanned.names == [b"a"]
    for size, status in ((1 << 20, OK), ((1 << 20) + 1, BEHIND)):
        put(fd, first)
        os.ftruncate(fd, len(first) + size)
        assert Scanned(_tar.scan(fd, 0, len(first) + size)).status == status


@pytest.mark.parametrize(("size", "status"), [(4096, 0), (4097, 10)])
def test_names_are_no_longer_than_a_system_has_them(fd: int, size: int, status: int) -> None:
    for format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        scanned = scan(fd, member("n" * size, b"x", format) + END_MARK)
        assert (scanned.status, len(scanned.members)) == (status, int(not status))


def test_a_nul_in_a_name(fd: int) -> None:
    data = extended(record(b"path", b"a\0.JPEG")) + member("b") + END_MARK
    assert (scan(fd, data).status, scan(fd, data).at) == (NAME, 2 * BLOCK)


def test_an_empty_value_takes_back_what_was_said(fd: int) -> None:
    taken_back = record(b"path", b"") + record(b"size", b"")
    for said in (b"", record(b"path", b"x") + record(b"size", b"9")):
        scanned = scan(fd, extended(said + taken_back) + member("b", b"123") + END_MARK)
        assert [(name, size) for name, _, _, size in scanned.members] == [(b"b", 3)]


def test_solariss_extended_headers(fd: int) -> None:
    data = extended(record(b"path", b"n" * 200), b"X") + member("b", b"x") + END_MARK
    assert [name for name, *_ in check_against_tarfile(fd, data)] == [b"n" * 200]


@pytest.mark.parametrize("key", [b"path", b"size", b"GNU.sparse.major"])
def test_global_headers_that_mean_all_members(fd: int, key: bytes) -> None:
    scanned = scan(fd, extended(record(key, b"1"), b"g") + member("a", b"x") + END_MARK)
    assert (scanned.status, scanned.at) == (GLOBAL, 0)
    scanned = scan(fd, extended(b"9 path=a", b"g") + member("a", b"x") + END_MARK)
    assert (scanned.status, scanned.at) == (PAX, 0)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("begin", [1, 512, 1000, 65_536, 100_001])
def test_an_archive_inside_a_file(fd: int, format: str, begin: int) -> None:
    """Places that no block begins at, too; what lies around is not looked at."""
    infos = [(f"{n}" * (1 + 30 * (n % 4)), bytes(100 * n)) for n in range(9)]
    inner = build(FORMATS[format], infos)
    alone = scan(fd, inner)
    noise = random.Random(begin).randbytes(begin)
    put(fd, noise + inner + member("beyond", b"x") + noise)
    inside = Scanned(_tar.scan(fd, begin, begin + len(inner)))
    assert (inside.status, inside.at) == (OK, alone.at + begin)
    assert inside.members == [(n, kind, at + begin, size) for n, kind, at, size in alone.members]
    mark = alone.at
    assert Scanned(_tar.scan(fd, begin, begin + mark)).status == NO_END
    assert Scanned(_tar.scan(fd, begin, begin + mark + BLOCK - 1)).status == CUT
    for size in random.Random(7).sample(range(mark), 60):
        cut = Scanned(_tar.scan(fd, begin, begin + size))
        assert cut.status in (CUT, NO_END)
        assert [m[0] for m in cut.members] == alone.names[: len(cut.members)]


def test_a_file_shorter_than_it_should_be(fd: int) -> None:
    size = put(fd, member("a", b"x") + member("b", b"y"))
    scanned = Scanned(_tar.scan(fd, 0, size + 5000))
    assert (scanned.status, scanned.at, scanned.names) == (CUT, size, [b"a", b"b"])


def test_files_that_cannot_be_read() -> None:
    assert _tar.scan(987_654, 0, 10_000)[:3] == (READ, 0, errno.EBADF)
    folder = os.open("/", os.O_RDONLY)
    try:
        assert _tar.scan(folder, 0, 10_000)[:3] == (READ, 0, errno.EISDIR)
    finally:
        os.close(folder)


# ---- extended headers -----------------------------------------------------------------------


def extended(content: bytes, type: bytes = b"x", size: int | None = None) -> bytes:
    head = raw({}, b"extended", len(content) if size is None else size, type)
    return head + content + bytes(-len(content) % BLOCK)


def record(key: bytes, value: bytes) -> bytes:
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest) + 1
    while len(b"%d" % length) + len(rest) != length:
        length += 1
    return b"%d" % length + rest


@pytest.mark.parametrize(
    "content",
    [
        b"path=a\n",
        b"9 path=a",
        b"8 path=a\n",
        b"11 path=a\n",
        b"99 path=a\n",
        b"0 path=a\n",
        b"-9 path=a\n",
        b" 9 path=a\n",
        b"9\tpath=a\n",
        b"9path=a\n",
        b"9 path:a\n",
        b"9",
        b"9 ",
        b"2 \n",
        b"3 \n",
        b"1 ",
        b"99999999999999999999999 path=a\n",
        b"18446744073709551625 path=a\n",
        record(b"path", b"a") + b"7 path",
        record(b"path", b"a") + b"x",
        record(b"mtime", b"1") + b"13 noequals!\n",
    ],
)
def test_malformed_pax_headers(fd: int, content: bytes) -> None:
    data = member("before") + extended(content) + member("behind") + END_MARK
    scanned = scan(fd, data)
    assert (scanned.status, scanned.at, scanned.names) == (PAX, BLOCK, [b"before"])


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", b"behind"),
        (bytes(BLOCK), b"behind"),
        (record(b"path", b"new"), b"new"),
        (record(b"path", b"new") + b"\0" * 30, b"new"),
        (record(b"path", b"one") + record(b"path", b"two"), b"two"),
        (record(b"path", b"with=equals\nand 9 path=a"), b"with=equals\nand 9 path=a"),
        (record(b"comment", bytes(range(256)) * 9) + record(b"path", b"n"), b"n"),
        (record(b"pathx", b"no") + record(b"xpath", b"no") + record(b"Path", b"no"), b"behind"),
        *((record(b"path", b"n" * n), b"n" * n) for n in (1, 2, 90, 91, 92, 989, 990, 991, 4096)),
    ],
)
def test_pax_headers(fd: int, content: bytes, name: bytes) -> None:
    data = extended(content) + member("behind", b"x") + member("last") + END_MARK
    scanned = scan(fd, data)
    assert (scanned.status, scanned.names) == (OK, [name, b"last"])
    assert scanned.members == by_tarfile(fd)


@pytest.mark.parametrize(
    "value", [b"-1", b"1.5", b"0x10", b" 5", b"5 ", b"9" * 19, b"1" + b"0" * 30]
)
def test_pax_sizes_that_are_no_sizes(fd: int, value: bytes) -> None:
    scanned = scan(fd, extended(record(b"size", value)) + member("a") + END_MARK)
    assert (scanned.status, scanned.members) == (NUMBER, [])


def test_a_pax_size_counts_for_the_next_member_alone(fd: int) -> None:
    data = extended(record(b"size", b"600")) + raw({}, b"a", 1) + bytes(1024) + member("b", b"xyz")
    members = check_against_tarfile(fd, data + END_MARK)
    assert [size for *_, size in members] == [600, 3]


@pytest.mark.parametrize("type", ["L", "x"])
def test_extended_headers_of_a_mebibyte(fd: int, type: str) -> None:
    mebibyte = 1 << 20
    content = b"n\0".ljust(mebibyte, b"n")
    if type == "x":
        content = record(b"path", b"n") + record(b"comment", b"n" * (mebibyte - 26))
        assert len(content) == mebibyte
    data = extended(content, type.encode()) + member("a") + END_MARK
    scanned = scan(fd, data)
    assert (scanned.status, scanned.names) == (OK, [b"n"])
    scanned = scan(fd, extended(content + b"n", type.encode()) + member("a") + END_MARK)
    assert (scanned.status, scanned.at, scanned.members) == (LONG, 0, [])


def test_a_long_name_ends_at_its_first_zero(fd: int) -> None:
    scanned = scan(fd, extended(b"name\0rest", b"L") + member("a") + END_MARK)
    assert scanned.names == [b"name"]


# ---- sparse members -------------------------------------------------------------------------


@pytest.mark.parametrize("maps", [0, 1, 2, 30])
def test_gnu_sparse_members(fd: int, maps: int) -> None:
    """Their map goes on in blocks between the header and the data."""
    head = raw({257: b"ustar  \0", 482: b"\x01" if maps else b"\0"}, b"s", 5, b"S")
    blocks = [bytes(504) + (b"\x01" if n + 1 < maps else b"\0") + bytes(7) for n in range(maps)]
    data = head + b"".join(blocks) + b"12345".ljust(BLOCK, b"\0") + member("next", b"x") + END_MARK
    scanned = scan(fd, data)
    at = BLOCK * (1 + maps)
    assert scanned.members == [(b"s", "S", at, 5), (b"next", "0", at + 2 * BLOCK, 1)]
    for n in range(maps):
        cut = Scanned(_tar.scan(fd, 0, BLOCK * (1 + n) + 100))
        assert (cut.status, cut.members) == (CUT, [])


def test_pax_sparse_members(fd: int) -> None:
    for key in (b"GNU.sparse.major", b"GNU.sparse.map", b"GNU.sparse.size"):
        data = extended(record(key, b"1")) + member("s", b"x") + member("plain", b"x") + END_MARK
        assert [kind for _, kind, _, _ in scan(fd, data).members] == ["S", "0"]


GNU_TAR = shutil.which("tar")


@pytest.mark.skipif(GNU_TAR is None, reason="no tar here")
@pytest.mark.parametrize(
    "format", ["v7", "oldgnu", "gnu", "ustar", "pax", "sparse 0.1", "sparse 1.0"]
)
def test_what_the_systems_tar_writes(fd: int, tmp_path: Path, format: str) -> None:
    (tmp_path / "in" / "dir").mkdir(parents=True)
    files = {"a.JPEG": b"1" * 700, "dir/b.JPEG": b"", "dir/" + "l" * 90: b"22", "u.JPEG": b"3"}
    for name, content in files.items():
        (tmp_path / "in" / name).write_bytes(content)
    with (tmp_path / "in" / "holes").open("wb") as file:
        for n in range(60):
            file.seek(n * 100_000)
            file.write(b"data")
    (tmp_path / "in" / "link").symlink_to("a.JPEG")
    (tmp_path / "in" / "hard").hardlink_to(tmp_path / "in" / "u.JPEG")
    out = tmp_path / "out.tar"
    words = [f"--format={format}"]
    if format.startswith("sparse"):
        words = ["--format=pax", "--sparse", f"--sparse-version={format.split()[1]}"]
    elif format.endswith("gnu"):
        words.append("--sparse")
    made = subprocess.run([str(GNU_TAR), *words, "-cf", out, "-C", tmp_path / "in", "."])
    if made.returncode:
        pytest.skip("this tar knows no such format")
    data = out.read_bytes()
    scanned = scan(fd, data)
    assert scanned.status == OK
    sparse = [kind for _, kind, _, _ in scanned.members].count("S")
    assert sparse == (format.startswith("sparse") or format.endswith("gnu"))
    listed = {m[0].rstrip(b"/"): m for m in scanned.members if m[1] != "S"}
    peers = {member[0]: member for member in by_tarfile(fd)}
    assert len(scanned.members) == len(peers)
    for stored, (_, kind, offset, size) in listed.items():
        assert peers[stored][1:] == (kind, offset, size)
    for file_name, content in files.items():
        _, kind, offset, size = listed[f"./{file_name}".encode()]
        if kind == "0":
            assert data[offset : offset + size] == content


def test_random_damage_is_survived(fd: int) -> None:
    chance = random.Random(11)
    infos = [(f"{n}" * (1 + 40 * (n % 3)), bytes(100 * n)) for n in range(6)]
    for format in FORMATS.values():
        data = build(
            format, [(n[:90], d) if format == tarfile.USTAR_FORMAT else (n, d) for n, d in infos]
        )
        for _ in range(700):
            changed = bytearray(data)
            at = chance.choice(headers(data))[0]
            for _ in range(chance.randrange(1, 6)):
                changed[at + chance.choice((0, 124, 130, 135, 156, 257, 345, 482, 511, 520))] = (
                    chance.randrange(256)
                )
            head = changed[at : at + BLOCK]
            head[148:156] = b" " * 8
            changed[at + 148 : at + 156] = b"%06o\0 " % sum(head)
            scanned = scan(fd, bytes(changed))
            assert 0 <= scanned.status < len(_tar.REASONS)
            for *_, offset, size in scanned.members[:-1]:
                assert 0 <= offset <= offset + size <= len(data)


# ---- bytes that come in windows --------------------------------------------------------------


def in_windows(data: bytes, end: int, sizes: Iterator[int]) -> Scanned:
    """The scan of an archive of which windows are given, each of the next size, as far as the
    data reach."""
    scan = _tar.Scan(0, end)
    window, at = b"", 0
    while not scan.feed(window, at):
        at, needed = scan.need
        assert 0 < needed <= BLOCK
        assert at + needed <= end
        if at + needed > len(data):
            break
        window = data[at : at + max(needed, next(sizes))]
    return Scanned(scan.answer())


def same(a: Scanned, b: Scanned) -> bool:
    return (a.status, a.at, a.members) == (b.status, b.at, b.members)


odd_members = st.one_of(
    st.builds(member, st.text("ab/é", min_size=1, max_size=300), st.binary(max_size=3000),
              format=st.sampled_from(sorted(FORMATS.values()))),
    st.builds(raw, st.dictionaries(st.sampled_from([124, 156, 345, 482]), st.binary(max_size=12)),
              size=st.integers(0, 2000)),
    st.binary(max_size=600),
    st.just(bytes(BLOCK)),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    st.lists(odd_members, max_size=8).map(b"".join),
    st.integers(0, 600),
    st.lists(st.integers(1, 4000), min_size=1, max_size=5),
)
def test_windows_of_any_size_give_what_a_file_gives(
    data: bytes, cut: int, sizes: list[int]
) -> None:
    data = data[: max(len(data) - cut, 0)]
    fd = anonymous_file()
    try:
        whole = scan(fd, data)
    finally:
        os.close(fd)
    assert same(whole, in_windows(data, len(data), itertools.cycle(sizes)))


@pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)
def test_an_archive_cut_anywhere_is_told_in_windows_as_in_a_file(fd: int, format: int) -> None:
    data = build(
        format,
        [
            ("a" * 60 + "/" + "a" * 60, b"x" * 700),
            ("b", b""),
            ("c" * 90 + "/" + "d" * 90, b"y" * 10),
        ],
    )
    for stop in range(0, len(data), 128):
        whole = scan(fd, data[:stop])
        for size in (BLOCK, 700, len(data)):
            assert same(whole, in_windows(data[:stop], stop, itertools.repeat(size)))
        # The bytes behind never come, though the archive was said to have them.
        short = in_windows(data[:stop], len(data), itertools.repeat(BLOCK))
        assert short.status in {CUT, whole.status if whole.status == OK else CUT}
        assert short.members[: len(whole.members)] == whole.members


def test_a_sparse_map_without_end_is_read_a_block_at_a_time() -> None:
    head = raw({482: b"\1"}, type=b"S")
    more = (bytes(504) + b"\1" + bytes(7)) * 4000
    read = 0

    def sizes() -> Iterator[int]:
        nonlocal read
        while True:
            read += 1
            yield BLOCK

    assert in_windows(head + more, len(head + more), sizes()).status == CUT
    assert read == 4001


def test_a_scan_in_windows_is_stopped_by_a_flag() -> None:
    data, stop = build(tarfile.GNU_FORMAT, [("a", b"x"), ("b", b"y")]), array("i", [0])
    scan = _tar.Scan(0, len(data), stop)
    assert not scan.feed(b"", 0)
    stop[0] = 1
    assert scan.feed(data, 0)
    assert Scanned(scan.answer()).status == _STOPPED
    assert scan.feed(b"", 0)  # it stays so
