"""The first inputs of the fuzzers: `python fuzz/seeds.py`, into fuzz/corpus.

Small things that fastconv itself makes, and tar archives of the standard library's. `make
fuzz-merge` then takes in what the fuzzers have found, and takes out what reaches nothing new.
"""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import fastconv
from fastconv.sample.encode import Form
from fastconv.sample.odd import TRAIN_KINDS, encode_odd

CORPUS = Path(__file__).resolve().parent / "corpus"
TOO_LARGE = {"large"}
SIDES = ("xmin", "ymin", "xmax", "ymax")
FOR_THE_LOOP = {"cmyk", "exif-orientation", "grayscale", "png", "progressive"}


def images() -> Iterator[tuple[str, bytes]]:
    """Every kind of odd image of the sample, as small as they come."""
    picture = np.random.default_rng(5).integers(0, 255, (20, 24, 3), np.uint8)
    picture[:, :8] = 90
    for kind in sorted(TRAIN_KINDS.keys() - TOO_LARGE):
        yield kind, encode_odd(kind, picture, Form(24, 20, "420", 900))


def archives() -> Iterator[tuple[str, bytes]]:
    names = {"plain": "n01440764_1.JPEG", "long": "d" * 90 + "/" + "é" * 70 + ".JPEG"}
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        for kind, name in names.items():
            if form == tarfile.USTAR_FORMAT and kind == "long":
                name = "d" * 90 + "/" + "e" * 70
            file = io.BytesIO()
            with tarfile.open(fileobj=file, mode="w", format=form) as archive:
                folder = tarfile.TarInfo("folder")
                folder.type = tarfile.DIRTYPE
                archive.addfile(folder)
                member = tarfile.TarInfo(name)
                member.size = 700
                archive.addfile(member, io.BytesIO(bytes(700)))
                link = tarfile.TarInfo("link")
                link.type, link.linkname = tarfile.SYMTYPE, "folder"
                archive.addfile(link)
            # Without most of the zeros at its end; in front, by how much the end is moved.
            yield f"{form}-{kind}", b"\0" + file.getvalue().rstrip(b"\0") + bytes(1024)
    large = tarfile.TarInfo("large")
    large.size = 1 << 40
    yield "base-256", b"\0" + large.tobuf(tarfile.GNU_FORMAT)
    for kind, digits in {"size": f"{700:020}", "absurd": "9" * 25}.items():
        sized = tarfile.TarInfo("sized")
        sized.pax_headers = {"GNU.sparse.major": "1", "size": digits}
        yield f"pax-{kind}", b"\0" + sized.tobuf(tarfile.PAX_FORMAT) + bytes(1024 + 1024)
    sparse = tarfile.TarInfo("sparse")
    sparse.type, sparse.size = tarfile.GNUTYPE_SPARSE, 700
    block = bytearray(sparse.tobuf(tarfile.GNU_FORMAT))
    block[482] = 1  # its map goes on in the next block, and there in one more
    more = bytes(504) + b"\1" + bytes(7)
    block[148:156] = b"%06o\0 " % (sum(block[:148]) + sum(block[156:]) + 8 * 32)
    yield "sparse", b"\0" + bytes(block) + more + bytes(512 + 1024 + 1024)


def field(number: int, value: bytes) -> bytes:
    """A short length-delimited field: for forms that others write, and fastconv does not."""
    assert len(value) < 128
    return bytes([number << 3 | 2, len(value)]) + value


def examples() -> Iterator[tuple[str, bytes]]:
    yield "none", b""
    yield (
        "empty-lists",
        fastconv.encode_example({"k": np.empty(0, object), "l": np.zeros(0, np.int64)}),
    )
    yield (
        "slim",
        fastconv.encode_example(
            {
                "image/encoded": b"\xff\xd8\xff\xd9",
                "image/class/label": 5,
                "image/object/bbox/xmin": np.array([0.25, 0.5], np.float32),
                "image/object/bbox/label": [5, -5],
                "image/filename": ["a", b"b"],
            }
        ),
    )

    one_float, one_int = struct.pack("<f", 0.5), b"\x85\x01"
    for name, feature in {
        "unpacked": field(2, b"\x0d" + one_float) + field(2, b"\x0d" + one_float),
        "parts": field(3, field(1, one_int * 2)) + field(3, b"\x08" + one_int),
        "other-kind": field(1, field(1, b"x")) + field(2, field(1, one_float)) + field(1, b""),
    }.items():
        entry = field(1, b"k") + field(2, feature)
        yield name, field(1, field(1, entry) + field(1, entry))


def shards() -> Iterator[tuple[str, bytes]]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "shard"
        with fastconv.RecordWriter(path) as writer:
            for size in (0, 1, 40):
                writer.write(bytes(size))
        yield "three", b"\0" + path.read_bytes()
        yield "cut", b"\xfb" + path.read_bytes()


def resizings() -> Iterator[tuple[str, bytes]]:
    for kind in range(4):
        yield f"table-{kind}", struct.pack("<BBQHBHB", 0, kind, 499, 224, 2, 0, 2)
        yield f"resized-{kind}", bytes([2, kind & 1, kind, 40, 60, 30, 20, 0]) + b"pixels"
        yield f"box-{kind}", bytes([3, 1, kind, 90, 90, 9, 150, 1, *(0, 3, 0, 5), 2, 1, 255, 100])
    for orientation in range(8):
        yield f"turned-{orientation}", bytes([1, orientation & 1, orientation, 70, 80]) + b"pixels"


def kept() -> Iterator[tuple[str, bytes]]:
    for kind, image in images():
        if kind not in FOR_THE_LOOP:
            continue
        rows = b"".join(
            struct.pack("<BBHBB", n & 1, n * 3, len(image), 10 * n, n) for n in range(3)
        )
        keys = struct.pack("<q9B", 7, 13, 14, 12, 11, 22, 22, 22, 22, 23)
        for limits in (bytes(6), bytes([0, 15, 0, 0, 0, 10])):
            yield (
                f"{kind}-{limits.count(0)}",
                struct.pack("<H", 4096) + rows + keys + limits + image + bytes(8),
            )


def records() -> Iterator[tuple[str, bytes]]:
    """What holds by the rules, with a box and without, and what does not."""
    picture = np.zeros((5, 7, 3), np.uint8)
    image = encode_odd("progressive", picture, Form(7, 5, "420", 100))
    for boxes, label in ((0, 1), (1, 1), (2, 2), (1, 3), (1, 4)):
        sides = {f"image/object/bbox/{side}": np.full(boxes, 0.5, np.float32) for side in SIDES}
        record = {
            "image/height": 5,
            "image/width": 7,
            "image/colorspace": b"RGB",
            "image/channels": 3,
            "image/format": b"JPEG",
            "image/class/label": label,
            "image/class/synset": {1: b"a", 2: b"n01440764"}.get(label, b""),
            "image/class/text": b"x",
            "image/filename": b"x",
            "image/encoded": image,
            "image/object/bbox/label": np.full(boxes, label, np.int64),
            **sides,
        }
        yield f"label-{label}-boxes-{boxes}", b"\x80" + fastconv.encode_example(record)


def main() -> None:
    made = {
        "jpeg": images,
        "tar": archives,
        "example": examples,
        "frames": shards,
        "resample": resizings,
        "keep": kept,
        "verify": records,
    }
    for target, seeds in made.items():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in seeds():
            (folder / f"seed-{name}").write_bytes(data)


if __name__ == "__main__":
    main()
