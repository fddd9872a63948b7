"""Boxes against a slow twin of the reference, and the archives that hold them."""

from __future__ import annotations

import io
import itertools
import pickle
import random
import tarfile
import threading
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Callable, Container, Iterator, Mapping
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastconv.annotations import voc
from fastconv.annotations.boxes import (
    BoxError,
    Boxes,
    iter_xml_batches,
    parse_batch,
    parse_box_xml,
    read_boxes,
    read_boxes_csv,
)
from fastconv.annotations.gunzip import OUTPUT_BYTES, DamageError, gunzip, on_thread
from fastconv.annotations.tarstream import TarStream
from fastconv.errors import InputError

A, B = "n01440764", "n01443537"
SYNSETS = frozenset([A, B])
Corners = tuple[object, object, object, object]


def object_xml(corners: Corners, name: str = A) -> str:
    tags = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    numbers = "".join(f"\t\t\t<{tag}>{value}</{tag}>\n" for tag, value in tags if value is not None)
    return (
        f"\t<object>\n\t\t<name>{name}</name>\n\t\t<pose>Unspecified</pose>\n"
        "\t\t<truncated>0</truncated>\n\t\t<difficult>0</difficult>\n"
        f"\t\t<bndbox>\n{numbers}\t\t</bndbox>\n\t</object>\n"
    )


def voc_xml(*boxes: Corners, name: str = A, width: object = 500, height: object = 400) -> str:
    """A file as ILSVRC2012 has it, to the byte."""
    return (
        "<annotation>\n\t<folder>n01440764</folder>\n\t<filename>n01440764_10040</filename>\n"
        "\t<source>\n\t\t<database>ILSVRC_2012</database>\n\t</source>\n"
        f"\t<size>\n\t\t<width>{width}</width>\n\t\t<height>{height}</height>\n"
        "\t\t<depth>3</depth>\n\t</size>\n\t<segmented>0</segmented>\n"
        + "".join(object_xml(box, name) for box in boxes)
        + "</annotation>\n"
    )


def parse(xml: str | bytes, folder: str | None = A) -> list[tuple[int, int, int, int]]:
    data = xml.encode() if isinstance(xml, str) else xml
    return parse_box_xml(data, folder, SYNSETS)


# --- the rules of the reference, written plainly a second time


def twin_lines(data: bytes, folder: str | None, synsets: Container[str], stem: str) -> list[str]:
    """The lines of the reference's CSV for one file, sorted; any exception where it would stop."""
    root = ET.fromstring(data)

    def text_of(tag: str, index: int = 0) -> Any:
        found = list(root.iter(tag))
        return found[index].text if index < len(found) else -1

    def number(tag: str, index: int = 0) -> int:
        return int(float(text_of(tag, index)))

    count = 0
    while number("xmin", count) != -1:
        count += 1
    lines = []
    for k in range(count):
        width, height = float(number("width")), float(number("height"))
        if width <= 0 or height <= 0:
            raise ValueError("fastconv refuses what the reference divides by")
        xs = sorted([float(number("xmin", k)) / width, float(number("xmax", k)) / width])
        ys = sorted([float(number("ymin", k)) / height, float(number("ymax", k)) / height])
        xmin, xmax = (min(max(x, 0.0), 1.0) for x in xs)
        ymin, ymax = (min(max(y, 0.0), 1.0) for y in ys)
        name = text_of("name")
        if folder in synsets and name != folder and name in synsets:
            continue
        if xmin >= xmax or ymin >= ymax:
            continue
        lines.append(f"{stem}.JPEG,{xmin:.4f},{ymin:.4f},{xmax:.4f},{ymax:.4f}")
    return sorted(lines, key=str.encode)


def agrees_with_twin(xml: str, folder: str | None) -> None:
    data = xml.encode()
    try:
        lines = twin_lines(data, folder, SYNSETS, "x")
    except Exception:
        with pytest.raises(BoxError):
            parse_box_xml(data, folder, SYNSETS)
        return
    expected = [[float(text) for text in line.split(",")[1:]] for line in lines]
    boxes = parse_batch([(f"{folder}/x.xml" if folder else "x.xml", data)], SYNSETS)
    assert boxes.bad == []
    assert boxes.coords.dtype == np.float32
    assert np.array_equal(boxes.coords, np.array(expected, np.float64).reshape(-1, 4).astype("f4"))
    texts = [",".join(f"{v / 10_000:.4f}" for v in box) for box in parse(data, folder)]
    assert [f"x.JPEG,{text}" for text in texts] == lines


NUMBERS = st.one_of(
    st.integers(-20, 520), st.integers(-2, 2), st.floats(-10, 600), st.integers(-(10**12), 10**12)
)
NO_NUMBERS = [None, "", "x", "nan", "inf", "1" * 400, "1e400", "0x10", "<b>4</b>"]
NUMBER_TEXTS = [" 7 ", "1e3", "-0.5", "-1.9", "-1", "1_0", "+3", "07", "12.7"]
NUMBER_MARKUP = ["12<!-- c -->3", "1<b/>2", "1&#50;3", "<![CDATA[42]]>", "1<?p?>2"]
ODD = st.sampled_from(NO_NUMBERS + NUMBER_TEXTS + NUMBER_MARKUP)
SIZES = st.one_of(st.integers(1, 10_001), st.sampled_from([0, -5, 3, 7, 640, 10_000, 20_000]))
NAMES = st.sampled_from([A, B, "Scottish_deerhound", "", "a > b", "\u00e9", f" {A}", "a&amp;b"])
FOLDERS = st.sampled_from([A, B, "val", None])


@given(st.lists(st.tuples(*[NUMBERS] * 4), max_size=4), SIZES, SIZES, NAMES, FOLDERS)
def test_boxes_equal_the_twins(
    boxes: list[Corners], width: int, height: int, name: str, folder: str | None
) -> None:
    agrees_with_twin(voc_xml(*boxes, name=name, width=width, height=height), folder)


@given(
    st.lists(st.tuples(*[st.one_of(NUMBERS, ODD)] * 4), max_size=4), st.one_of(SIZES, ODD), SIZES
)
def test_odd_numbers_equal_the_twins(boxes: list[Corners], width: object, height: int) -> None:
    agrees_with_twin(voc_xml(*boxes, width=width, height=height), A)


CORNERS = ["xmin", "ymin", "xmax", "ymax"]
ELEMENTS = ["annotation", "size", "width", "height", "object", "name", "bndbox", *CORNERS, "other"]


@st.composite
def any_tree(draw: st.DrawFn, depth: int = 0) -> str:
    tag = draw(st.sampled_from(ELEMENTS))
    text = draw(st.sampled_from(["", "5", "9", "-1", "300", A]))
    below = draw(st.lists(any_tree(depth + 1), max_size=3)) if depth < 3 else []
    tail = draw(st.sampled_from(["", "8", "\n"]))
    return f"<{tag}>{text}{''.join(below)}</{tag}>" + (tail if depth else "")


@given(any_tree(), FOLDERS)
def test_any_tree_equals_the_twins(xml: str, folder: str | None) -> None:
    agrees_with_twin(xml, folder)


PIECES = ["", " ", "\n", "1", "-", "é", "\f", "<", "&", ">", "]]>", "\0", "</object>", "<name>"]


@given(st.data())
def test_what_the_fast_path_takes_expat_takes_alike(data: st.DataObject) -> None:
    xml = voc_xml(*data.draw(st.lists(st.tuples(*[NUMBERS] * 4), min_size=1, max_size=3)))
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(xml)))
        end = at + data.draw(st.integers(0, 3))
        new = data.draw(st.sampled_from(PIECES))
        xml = xml[:at] + new + xml[end:]
    if voc._match_file(xml.encode()):
        agrees_with_twin(xml, A)
        assert parse(xml) == parse('<?xml version="1.0"?>' + xml)


def test_a_real_file_takes_the_fast_path() -> None:
    assert voc._match_file(voc_xml((1, 2, 3, 4)).encode())
    assert voc._match_file(voc_xml((1, 2, 3, 4), (5, 6, 7, 8), (0, 0, 1, 1)).encode())


# --- golden values, one a rule


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        pytest.param([(69, 0, 473, 374)], [(1380, 0, 9460, 9350)], id="plain"),
        pytest.param([(473, 374, 69, 0)], [(1380, 0, 9460, 9350)], id="swapped"),
        pytest.param([(-7, -1, 600, 401)], [(0, 0, 10000, 10000)], id="clamped"),
        pytest.param([("12.7", 0, "499.99", 399)], [(240, 0, 9980, 9975)], id="float-text"),
        pytest.param([(5, 5, 5, 9), (1, 9, 2, 9)], [], id="degenerate"),
        pytest.param([(501, 0, 600, 9), (-9, 0, -2, 9)], [], id="outside"),
        pytest.param(
            [(9, 0, 50, 40), (-1, 0, 50, 40), (5, 0, 50, 40)], [(180, 0, 1000, 1000)], id="end"
        ),
        pytest.param([("-1.9", 0, 50, 40), (5, 0, 50, 40)], [], id="end-truncated-to-minus-1"),
        pytest.param(
            [(-2, 0, 50, 40), ("-0.9", 0, 5, 4)],
            [(0, 0, 100, 100), (0, 0, 1000, 1000)],
            id="not-the-end",
        ),
        pytest.param(
            [(9, 0, 50, 40), (1, 0, 50, 40)],
            [(20, 0, 1000, 1000), (180, 0, 1000, 1000)],
            id="sorted",
        ),
        pytest.param([(9, 8, 50, None)], [(180, 0, 1000, 200)], id="missing-ymax-is-minus-1"),
        pytest.param([(1, 1, 2, 2)] * 2, [(20, 25, 40, 50)] * 2, id="twice"),
        pytest.param(
            [(5, 0, 50, 40), (-1, 0, 5, 4), (6, 0, 9, 9), (-1, 0, 5, 4)],
            [(100, 0, 1000, 1000)],
            id="first-end",
        ),
        pytest.param([("5<b>6</b>7", 0, 50, 40)], [(100, 0, 1000, 1000)], id="text-before-child"),
    ],
)
def test_golden(boxes: list[Corners], expected: list[tuple[int, int, int, int]]) -> None:
    assert parse(voc_xml(*boxes)) == expected
    agrees_with_twin(voc_xml(*boxes), A)


def test_rounding_is_that_of_the_text() -> None:
    # 0.00125 is a float above the half, 0.00375 one below it; x * 10000 is a half for both.
    for x, width in [(1, 800), (3, 800), (1, 20_000), (3, 20_000), (5, 20_000), (7, 20_000)]:
        xml = voc_xml((x, 0, width, 1), width=width, height=1)
        assert parse(xml) == [(int(f"{x / width:.4f}".replace(".", "")), 0, 10000, 10000)]


def test_a_box_may_become_degenerate_by_rounding_as_in_the_reference() -> None:
    xml = voc_xml((1, 0, 2, 9), width=100_000, height=9)
    assert parse(xml) == [(0, 0, 0, 10000)]
    agrees_with_twin(xml, A)


@pytest.mark.parametrize(
    ("name", "folder", "kept"),
    [
        (A, A, True),
        (B, A, False),
        ("Scottish_deerhound", A, True),
        ("n99999999", A, True),
        (f" {B}", A, True),
        ("", A, True),
        (B, "val", True),
        (B, None, True),
    ],
)
def test_name_rule(name: str, folder: str | None, kept: bool) -> None:
    assert bool(parse(voc_xml((1, 1, 9, 9), name=name), folder)) is kept


def test_the_first_name_counts_for_all_boxes() -> None:
    one, two = object_xml((1, 1, 9, 9), A), object_xml((2, 2, 9, 9), B)
    xml = voc_xml()
    assert len(parse(xml.replace("</ann", one + two + "</ann"))) == 2
    assert len(parse(xml.replace("</ann", two + one + "</ann"))) == 0
    xml = xml.replace("</ann", one + "</ann")
    assert len(parse(xml)) == 1
    assert len(parse(xml.replace("<size>", f"<name>{B}</name><size>"))) == 0


def test_no_box_needs_no_size() -> None:
    assert parse("<annotation/>") == []
    assert parse(voc_xml(width=0)) == []
    assert parse(voc_xml((-1, 0, 1, 1), width="x")) == []


def test_many_elements_are_not_deep_ones() -> None:
    assert parse("<a>" + "<b/>" * 1000 + voc_xml((1, 1, 2, 2)) + "</a>") == [(20, 25, 40, 50)]


# --- what is refused


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        (voc_xml((1, "x", 3, 4)), "<ymin> holds 'x', which is no number"),
        (voc_xml((1, 2, 3, 4), (1, 2, "", 4)), "<xmax> number 2, holds ''"),
        (voc_xml(("inf", 2, 3, 4)), "<xmin> holds 'inf'"),
        (voc_xml((1, 2, 3, 4), width="%s"), "<width> holds '%s'"),
        (voc_xml((1, 2, 3, 4), width=0), "not above 0: 0 and 400"),
        (voc_xml((1, 2, 3, 4), height=-3), "not above 0: 500 and -3"),
        (voc_xml((1, 2, 3, 4)).replace("width", "w"), "missing or not above 0: -1 and 400"),
        ("", "no well-formed XML: no element found"),
        ("hello", "no well-formed XML"),
        (voc_xml((1, 2, 3, 4), name="]]>"), "no well-formed XML"),
        (voc_xml((1, 2, 3, 4))[:-3], "no well-formed XML"),
        (voc_xml((1, 2, 3, 4)) + "<more/>", "no well-formed XML"),
        (voc_xml((1, 2, 3, 4)).replace("ILSVRC_2012", "a & b"), "no well-formed XML"),
        (voc_xml((1, 2, 3, 4)).replace("ILSVRC_2012", "&x;"), "no well-formed XML: undefined"),
        (voc_xml((1, 2, 3, 4)) + " " * (1 << 20), "over 1 MiB"),
        ("<a>" * 65 + "</a>" * 65, "nested deeper than 64"),
        ("<a>" * 300_000, "nested deeper than 64"),
        ('<?xml version="1.0" encoding="cp037"?><a/>', "encoding 'cp037' is not read"),
        ('<?xml version="1.0" encoding="unicode_escape"?><a/>', "encoding 'unicode_escape'"),
        ("<!DOCTYPE a><a/>", "declares a document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "declares a document type"),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "a document type"),
        (
            '<!DOCTYPE a [<!ENTITY l "lol"><!ENTITY m "'
            + "&l;" * 1000
            + '"><!ENTITY n "'
            + "&m;" * 1000
            + '">]><a>&n;</a>',
            "a document type",
        ),
    ],
)
def test_refused(xml: str, message: str) -> None:
    for data in (xml.encode(), xml.encode("utf-16") if "encoding" not in xml else xml.encode()):
        if len(data) <= voc.XML_BYTES_MAX or "MiB" in message:
            with pytest.raises(BoxError, match=message):
                parse(data)


def test_encodings() -> None:
    xml = voc_xml((1, 2, 30, 40)).replace("ILSVRC_2012", "caf\u00e9")
    expected = [(20, 50, 600, 1000)]
    assert parse(xml) == parse(xml.encode("utf-8-sig")) == parse(xml.encode("utf-16")) == expected
    latin = '<?xml version="1.0" encoding="ISO-8859-1"?>' + xml
    assert parse(latin.encode("latin-1")) == expected
    with pytest.raises(BoxError, match="no well-formed XML"):
        parse(xml.encode("latin-1"))


def test_namespaces_do_not_pass_for_plain_elements() -> None:
    agrees_with_twin(voc_xml((1, 2, 3, 4)).replace("<annotation>", '<annotation xmlns="urn:x">'), A)


# --- batches


def test_parse_batch_and_concat() -> None:
    batch = [
        (f"top/{A}/{A}_1.xml", voc_xml((9, 0, 50, 40), (1, 0, 50, 40)).encode()),
        (f"{A}/{A}_2.XML", voc_xml().encode()),
        (f"{A}/bad.xml", b"<a>"),
        (f"{B}.tar.gz/{B}_3.xml", voc_xml((9, 0, 50, 40), name=A).encode()),
        (f"x/{B}.tgz/{B}_3.xml", voc_xml((9, 0, 50, 40), name=B).encode()),
        ("a.b.xml", voc_xml((0, 0, 500, 400)).encode()),
        ("./\udcff.xml", voc_xml().encode()),
        ("\udcff/bad.xml", b""),
    ]
    boxes = pickle.loads(pickle.dumps(parse_batch(batch, SYNSETS)))
    assert list(boxes.stems) == [
        *[f"{A}_1".encode(), f"{A}_2".encode()],
        *[f"{B}_3".encode(), f"{B}_3".encode(), b"a.b", b"\xff"],
    ]
    assert list(boxes.folders) == [A.encode(), A.encode(), B.encode(), B.encode(), b"", b""]
    assert boxes.starts.tolist() == [0, 2, 2, 2, 3, 4, 4]
    assert boxes.starts.dtype == np.int64
    expected = np.array([[0.002, 0, 0.1, 0.1], [0.018, 0, 0.1, 0.1]]).astype(np.float32)
    assert np.array_equal(boxes.coords[:2], expected)
    assert [member for member, _ in boxes.bad] == [f"{A}/bad.xml", "\\udcff/bad.xml"]
    assert len(boxes) == 6
    for sizes in ([8], [0, 3, 5], [1] * 8):
        ends = list(itertools.accumulate(sizes, initial=0))
        parts = [parse_batch(batch[a:b], SYNSETS) for a, b in itertools.pairwise(ends)]
        equal(Boxes.concat(parts), boxes)
    empty = Boxes.concat([])
    assert (len(empty), empty.coords.shape, empty.starts.tolist()) == (0, (0, 4), [0])


def equal(a: Boxes, b: Boxes) -> None:
    assert list(a.stems) == list(b.stems)
    assert list(a.folders) == list(b.folders)
    assert a.bad == b.bad
    for x, y in ((a.starts, b.starts), (a.coords, b.coords)):
        assert x.dtype == y.dtype and np.array_equal(x, y)


# --- archives


def members_of(count: int = 7) -> dict[str, bytes]:
    rng = random.Random(count)
    return {
        f"{wnid}/{wnid}_{k}.xml": voc_xml((rng.randrange(400), 0, 450, 300), name=wnid).encode()
        for wnid in (A, B)
        for k in range(count)
    }


def tar_of(members: Mapping[str, bytes], format: int = tarfile.GNU_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def gz(data: bytes) -> bytes:
    packer = zlib.compressobj(6, wbits=31)
    return packer.compress(data) + packer.flush()


def listed(path: Path, **options: int) -> list[tuple[str, bytes]]:
    return [member for batch in iter_xml_batches(path, **options) for member in batch]


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "boxes.tar.gz"


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_tar_format(archive: Path, format: int) -> None:
    long = "d" * 60 + "/" + "e" * 70 + "/"
    members = {
        **members_of(),
        f"./{long}x.xml": b"<a/>",
        f"{long}y.XML": b"",
        "exact.xml": b"x" * 512,
        "big.xml": b"y" * 5000,
    }
    if format != tarfile.USTAR_FORMAT:
        members["\u00e9" * 150 + ".xml"] = b"<b/>"
        members["f" * 300 + "/z.xml"] = b"<c/>"
    data = tar_of(members, format)
    halves = gz(data[:1000]) + gz(data[1000:]) + bytes(100)
    for whole in (data, gz(data), halves):
        assert listed(put(archive, whole)) == list(members.items())
    assert [len(batch) for batch in iter_xml_batches(archive, 1)] == [1] * len(members)


def test_strays_are_passed_by(archive: Path) -> None:
    file = io.BytesIO()
    with tarfile.open(
        fileobj=file, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "x"}
    ) as tar:
        for name, kind, data in [
            ("dir.xml", tarfile.DIRTYPE, b""),
            ("link.xml", tarfile.SYMTYPE, b""),
            ("hard.xml", tarfile.LNKTYPE, b""),
            ("pipe.xml", tarfile.FIFOTYPE, b""),
            ("l" * 200 + ".xml", tarfile.DIRTYPE, b""),
            ("old/", tarfile.AREGTYPE, b""),
            ("readme.txt", tarfile.REGTYPE, b"x" * 700),
            ("d/._x.xml", tarfile.REGTYPE, b"macOS"),
            ("._y.xml", tarfile.REGTYPE, b"macOS"),
            ("old.xml", tarfile.AREGTYPE, b"<a/>"),
            ("contiguous.xml", tarfile.CONTTYPE, b"<b/>"),
        ]:
            info = tarfile.TarInfo(name)
            info.type, info.size = kind, len(data) if data else 700
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                info.linkname = "t" * 200
            if data:
                tar.addfile(info, io.BytesIO(data))
            else:  # a header alone, whatever size it claims: Python 3.13 would refuse
                head = info.tobuf(tarfile.PAX_FORMAT)
                file.write(head)
                tar.offset += len(head)
    assert listed(put(archive, file.getvalue())) == [
        ("old.xml", b"<a/>"),
        ("contiguous.xml", b"<b/>"),
    ]


@pytest.mark.parametrize("pack", [gz, bytes])
def test_inner_archives(archive: Path, pack: Callable[[bytes], bytes]) -> None:
    suffix = ".tar.gz" if pack is gz else ".tar"
    one = {f"Annotation/{A}/{A}_1.xml": voc_xml((9, 9, 90, 90)).encode()}
    two = {f"{B}_2.xml": voc_xml((9, 9, 90, 90), name=A).encode(), "big.xml": b"x" * 3_000_000}
    outer = {
        f"in/{A}{suffix}": pack(tar_of(one)),
        f"in/{B}{suffix}": pack(tar_of(two)),
        "z.xml": b"z",
    }
    members = listed(put(archive, gz(tar_of(outer))))
    assert members == [
        (f"in/{A}{suffix}/Annotation/{A}/{A}_1.xml", *one.values()),
        (f"in/{B}{suffix}/{B}_2.xml", two[f"{B}_2.xml"]),
        (f"in/{B}{suffix}/big.xml", b"x" * ((1 << 20) + 1)),
        ("z.xml", b"z"),
    ]
    boxes = parse_batch(members, SYNSETS)
    assert list(boxes.folders) == [A.encode(), B.encode()]
    assert boxes.starts.tolist() == [0, 1, 1]
    assert [member for member, _ in boxes.bad] == [f"in/{B}{suffix}/big.xml", "z.xml"]


def test_a_damaged_inner_archive_is_named(archive: Path) -> None:
    inner = bytearray(gz(tar_of(members_of())))
    outer = {f"{A}.tar.gz": bytes(inner[: len(inner) // 2])}
    with pytest.raises(InputError, match=rf"boxes.tar.gz, .*{A}\.tar\.gz/.*cut off: "):
        listed(put(archive, gz(tar_of(outer))))
    with pytest.raises(InputError, match=rf"boxes.tar.gz, .*{A}\.tar\.gz.*no tar header at byte 0"):
        listed(put(archive, gz(tar_of({f"{A}.tar.gz": b"no gzip" * 100}))))


def test_truncated_gzip_at_any_point(archive: Path) -> None:
    data = gz(tar_of(members_of(30)))
    assert len(listed(put(archive, data))) == 60
    for length in [2, 9, 10, 11, 100, *range(300, len(data), 97), len(data) - 9, len(data) - 1]:
        with pytest.raises(InputError, match=rf"gz, .* cut off: the file ends at byte {length};"):
            listed(put(archive, data[:length]))


def test_truncated_tar_at_any_point(archive: Path) -> None:
    data = tar_of(members_of(2))
    end = len(data.rstrip(b"\0")) // 512 * 512 + 512
    for length in [1, 511, 512, 513, 1024, 1536, 2048, 4000, end - 1, end, end + 511]:
        with pytest.raises(InputError, match=rf"cut off: the archive ends at byte {length}"):
            listed(put(archive, data[:length]))
    # gzip's own length and checksum prove that nothing is missing.
    assert len(listed(put(archive, gz(data[:end])))) == 4
    inner = {f"{A}.tar.gz": gz(data[:end])}
    assert len(listed(put(archive, tar_of(inner)))) == 4
    for length in (end - 512, end + 100):
        with pytest.raises(InputError, match=rf"cut off: the archive ends at byte {length}"):
            listed(put(archive, gz(data[:length])))


def test_corrupt_gzip(archive: Path) -> None:
    data = bytearray(gz(tar_of(members_of(30))))
    for at in (len(data) // 2, len(data) - 6):
        damaged = bytes(data[:at]) + bytes([data[at] ^ 0x55]) + bytes(data[at + 1 :])
        with pytest.raises(
            InputError, match=r"boxes.tar.gz, .*(corrupt gzip|no tar header|cut off)"
        ):
            listed(put(archive, damaged))
    with pytest.raises(InputError, match=rf"other data follow .* at byte {len(data) + 3}"):
        listed(put(archive, bytes(data) + b"\0\0\0garbage"))


@pytest.mark.parametrize(
    ("begin", "end", "new", "message"),
    [
        (0, 1, b"X", "no tar header at byte 0: its checksum"),
        (148, 156, b"zzzzzzzz", "no tar header at byte 0: its checksum"),
        (124, 136, b"9" * 12, "header at byte 0 gives the size"),
        (124, 136, b"\xff" * 12, "header at byte 0 gives the size"),
        (156, 157, b"S", "a GNU sparse file at byte 0"),
        (156, 157, b"x", "a damaged pax header"),
    ],
)
def test_damaged_headers(archive: Path, begin: int, end: int, new: bytes, message: str) -> None:
    data = tar_of(members_of(1))
    data = data[:begin] + new + data[end:]
    if begin in (124, 156):
        data = with_checksum(data)
    with pytest.raises(InputError, match=message):
        listed(put(archive, data))


def with_checksum(data: bytes) -> bytes:
    total = sum(data[:148]) + 8 * 32 + sum(data[156:512])
    return data[:148] + b"%06o\0 " % total + data[156:]


def test_base_256_size(archive: Path) -> None:
    data = tar_of({"x.xml": b"y" * 700})
    data = with_checksum(data[:124] + b"\x80" + (700).to_bytes(11, "big") + data[136:])
    assert listed(put(archive, data)) == [("x.xml", b"y" * 700)]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (b"12 size=700\n", None),
        (b"13 path=a.xml\n12 size=700\n", "damaged pax"),
        (b"12 size=-10\n", "gives the size b'-10'"),
        (b"99 size=700\n", "damaged pax"),
        (b"0 size=700\n", "damaged pax"),
        (b"12 size=700", "damaged pax"),
        (b"22 GNU.sparse.major=1\n", "sparse file"),
    ],
)
def test_pax_records(archive: Path, record: bytes, message: str | None) -> None:
    extension = bytearray(tar_of({"pax": record})[:1024])
    extension[156:157] = b"x"
    member = bytearray(tar_of({"x.xml": b"y" * 700}))
    member[124:136] = b"00000000000\0"
    put(archive, with_checksum(bytes(extension)) + with_checksum(bytes(member)))
    if message is None:
        assert listed(archive) == [("x.xml", b"y" * 700)]
    else:
        with pytest.raises(InputError, match=message):
            listed(archive)


def test_a_huge_header_extension_is_refused(archive: Path) -> None:
    data = bytearray(tar_of({"x": b""}))
    data[156:157] = b"L"
    data[124:136] = b"77777777777\0"
    with pytest.raises(InputError, match="a header extension of 8,589,934,591 bytes at byte 512"):
        listed(put(archive, with_checksum(bytes(data))))


def test_not_an_archive(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no member read: no tar header at byte 0"):
        listed(put(tmp_path / "x.tar", b"hello\0" * 200))
    with pytest.raises(InputError, match=r"x\.tar, no member read: cut off"):
        listed(put(tmp_path / "x.tar", b""))
    with pytest.raises(InputError, match="cannot be read: No such file"):
        listed(tmp_path / "missing.tar")


@given(st.integers(1, 3000), st.integers(0, 2**32))
def test_any_chunks_give_the_same_members(chunk_bytes: int, seed: int) -> None:
    rng = random.Random(seed)
    names = [f"{'d' * rng.randrange(150)}/{k}.xml" for k in range(rng.randrange(8))]
    members = {name: rng.randbytes(rng.choice([0, 1, 511, 512, 513, 2000])) for name in names}
    data = tar_of(members)
    chunks = (data[i : i + chunk_bytes] for i in range(0, len(data), chunk_bytes))
    stream = TarStream(chunks, end_marker=True)
    found = {}
    while stream.advance():
        name = stream.name.decode()
        found[name] = stream.read() if rng.random() < 0.7 else None
    assert list(found) == names
    assert all(found[name] in (None, members[name]) for name in names)


@given(st.integers(1, 500), st.lists(st.integers(0, 70_000), min_size=1, max_size=4))
def test_gunzip_of_any_pieces(piece_bytes: int, sizes: list[int]) -> None:
    parts = [random.Random(size).randbytes(size // 9) * 9 for size in sizes]
    packed = b"".join(map(gz, parts))
    pieces = [packed[i : i + piece_bytes] for i in range(0, len(packed), piece_bytes)]
    assert b"".join(gunzip(pieces)) == b"".join(parts)
    with pytest.raises(DamageError, match="cut off"):
        b"".join(gunzip([packed[:-1]]))


def test_a_bomb_comes_in_bounded_pieces() -> None:
    packed = gz(bytes(50 << 20))
    sizes = [len(piece) for piece in gunzip([packed])]
    assert sum(sizes) == 50 << 20 and max(sizes) <= OUTPUT_BYTES


def test_the_thread_ends_when_its_reader_does() -> None:
    before = threading.active_count()
    pieces = on_thread(iter([b"x"] * 100))
    assert next(pieces) == b"x"
    assert threading.active_count() == before + 1
    pieces.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before

    def fail() -> Iterator[bytes]:
        yield b"x"
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(on_thread(fail()))
    assert threading.active_count() == before


# --- folders


def test_folder(tmp_path: Path) -> None:
    members = members_of(3)
    for name, data in members.items():
        (tmp_path / "top" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "top" / name).write_bytes(data)
    (tmp_path / "top" / "readme.txt").write_bytes(b"x")
    (tmp_path / "top" / "._x.xml").write_bytes(b"x")
    (tmp_path / "top" / A / "again").symlink_to(tmp_path / "top", target_is_directory=True)
    top = tmp_path / "top"
    assert listed(top) == [(str(top / name), data) for name, data in members.items()]
    # The folder of one class knows its class too.
    assert list(read_boxes(top / B, SYNSETS).folders) == [B.encode()] * 3
    (top / "gone.xml").symlink_to("nowhere")
    with pytest.raises(InputError, match=r"gone\.xml: a broken link"):
        listed(top)


# --- slim's CSV


def test_csv(tmp_path: Path) -> None:
    path = put(
        tmp_path / "boxes.csv",
        b"\xef\xbb\xbfn00007846_103856.JPEG,0.0060,0.2620,0.7545,0.9940\r\n"
        b"b.c.JPEG,0.5,0.1,0.6,0.2\r\n"
        b"n00007846_103856.JPEG,0.0059,0.2620,0.7545,0.9940\r\n"
        b"b-x.JPEG,0,0,1,1\r\n"
        b"b.c.JPEG,0.50,0.1,0.6,0.2\r\nb.c.JPEG,0.5,0.10,0.6,0.2\r\n\r\n",
    )
    boxes = read_boxes_csv(path)
    assert list(boxes.stems) == [b"b-x", b"b.c", b"n00007846_103856"]
    assert list(boxes.folders) == [b""] * 3
    assert boxes.starts.tolist() == [0, 1, 4, 6]
    assert boxes.coords.dtype == np.float32
    expected = [[0, 0, 1, 1], *[[0.5, 0.1, 0.6, 0.2]] * 3]
    expected += [[0.0059, 0.262, 0.7545, 0.994], [0.006, 0.262, 0.7545, 0.994]]
    assert np.array_equal(boxes.coords, np.array(expected).astype(np.float32))
    equal(read_boxes(path, SYNSETS), boxes)


def test_csv_of_names_that_begin_alike(tmp_path: Path) -> None:
    boxes = read_boxes_csv(put(tmp_path / "b.csv", b"b,0,0,.5,1\nb+x,0,0,.25,1\nb,0,0,.125,1\n"))
    assert list(boxes.stems) == [b"b", b"b+x"]
    assert boxes.coords[:, 2].tolist() == [0.125, 0.5, 0.25]


def test_csv_of_the_twin_equals_the_xml(tmp_path: Path) -> None:
    rng = random.Random(5)
    members, lines = {}, []
    for k in range(60):
        corners = [tuple(rng.randrange(-3, 420) for _ in range(4)) for _ in range(rng.randrange(5))]
        data = voc_xml(*corners).encode()  # type: ignore[arg-type]
        members[f"{A}/{A}_{k:03d}.xml"] = data
        lines += twin_lines(data, A, SYNSETS, f"{A}_{k:03d}")
    rng.shuffle(lines)
    from_csv = read_boxes_csv(put(tmp_path / "b.csv", "\n".join(lines).encode()))
    from_xml = read_boxes(put(tmp_path / "b.tar.gz", gz(tar_of(members))), SYNSETS)
    assert np.array_equal(from_csv.coords, from_xml.coords)
    some = np.diff(from_xml.starts) > 0
    assert list(from_csv.stems) == [s for s, keep in zip(from_xml.stems, some, strict=True) if keep]


GOOD = "a.JPEG,0.1,0.1,0.2,0.2\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD + "a.JPEG,0.1,0.1,0.2\n", "line 2: found 'a.JPEG,0.1,0.1,0.2'; a line must be"),
        (GOOD + "a.JPEG,0.1,0.1,0.2,0.2,1\n", "line 2: found .*a line must be"),
        ("ImageId,xmin,ymin,xmax,ymax\n", "line 1: found .*a line must be"),
        (GOOD + "a.JPEG,0.1,0.1,0.2,1.01\n", "line 2: found .*relative"),
        (GOOD + "a.JPEG,-0.1,0.1,0.2,1\n", "line 2: found .*relative"),
        (GOOD + "a.JPEG,0.2,0.1,0.2,1\n", "line 2: found .*relative"),
        (GOOD + "a.JPEG,0.1,0.5,0.2,0.4\n", "line 2: found .*relative"),
        (GOOD + "a.JPEG,nan,0.1,0.2,1\n", "line 2: found .*relative"),
        (GOOD + ",0.1,0.1,0.2,1\n", "line 2: found .*file name is needed"),
        (GOOD + "\n" + GOOD, "line 2: blank"),
        (GOOD.encode() + b"\xff\n", "line 2: byte 23"),
        ("", "holds no entry"),
    ],
)
def test_csv_refused(tmp_path: Path, content: str | bytes, message: str) -> None:
    data = content.encode() if isinstance(content, str) else content
    with pytest.raises(InputError, match=rf"b\.csv.*{message}"):
        read_boxes_csv(put(tmp_path / "b.csv", data))


# --- whichever it is


def test_read_boxes(tmp_path: Path, archive: Path) -> None:
    members = members_of(20) | {f"{A}/bad.xml": b"<a>"}
    boxes = read_boxes(put(archive, gz(tar_of(members))), SYNSETS)
    assert len(boxes) == 40
    assert [member for member, _ in boxes.bad] == [f"{A}/bad.xml"]
    equal(boxes, read_boxes(put(tmp_path / "b", tar_of(members)), SYNSETS))
    equal(boxes, parse_batch(list(members.items()), SYNSETS))
    seen: list[object] = []

    def run(function: Any, batches: Any) -> Iterator[Boxes]:
        for batch in batches:
            seen.append(batch)
            yield pickle.loads(pickle.dumps(function))(batch)

    equal(boxes, read_boxes(archive, SYNSETS, run))
    assert len(seen) == 1


def test_read_boxes_in_two_processes(archive: Path) -> None:
    members = members_of(300)
    put(archive, gz(tar_of(members)))
    batches = list(iter_xml_batches(archive, 100_000))
    assert len(batches) > 3
    with get_context("spawn").Pool(2) as pool:
        boxes = Boxes.concat(pool.map(partial(parse_batch, synsets=SYNSETS), batches))
        equal(boxes, read_boxes(archive, SYNSETS, run=pool.imap))
    equal(boxes, read_boxes(archive, SYNSETS))


def test_read_boxes_of_nothing(tmp_path: Path, archive: Path) -> None:
    for path in (tmp_path, put(archive, gz(tar_of({"readme.txt": b"x"})))):
        with pytest.raises(InputError, match="holds no XML file"):
            read_boxes(path, SYNSETS)
    with pytest.raises(InputError, match="cannot be read"):
        read_boxes(tmp_path / "missing", SYNSETS)
