"""Whole jobs that change images of every kind: what is counted, and what becomes of many boxes."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import twin
from conftest import digests
from layouts import add
from pictures import exif, facts, jpeg_of, photograph, pixels_of, shades, turned_jpeg, with_segments
from PIL import Image
from test_images import saved

import fastconv

Records = dict[str, dict[str, Any]]

IMAGES = {
    "wide.jpg": jpeg_of(shades(60, 90)),
    "tall.jpg": jpeg_of(shades(300, 200)),
    "turned.jpg": turned_jpeg(shades(60, 90), 6),
    "upright.jpg": turned_jpeg(shades(64, 50), 1),
    "gray.jpg": jpeg_of(shades(70, 80, 1)),
    "small.jpg": jpeg_of(shades(20, 30)),
    "smallgray.jpg": jpeg_of(shades(30, 20, 1)),
    "noted.jpg": with_segments(jpeg_of(shades(31, 32)), (0xFE, b"where it was")),
    "drawing.png": saved(Image.fromarray(shades(90, 60)), "PNG", exif=exif(8)),
    "inks.jpg": saved(Image.fromarray(shades(50, 70)).convert("CMYK"), "JPEG"),
    "square.jpg": jpeg_of(shades(48, 48)),
}
BOXES = {
    "wide": [(0, 0, 10, 60), (30, 10, 60, 50), (0, 0, 90, 60)],  # in the left edge; amid; all
    "tall": [(50, 200, 100, 300)],
    "turned": [(0, 0, 45, 30)],  # the upper left quarter, which is the upper right one upright
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number, (name, data) in enumerate(IMAGES.items()):
        path = folder / "train" / "ab"[number % 2] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        stem = name.partition(".")[0]
        if stem in BOXES:
            with Image.open(io.BytesIO(data)) as image:
                write_boxes(folder / "boxes" / path.parent.name / f"{stem}.xml", image.size, stem)
    return folder


def write_boxes(path: Path, size: tuple[int, int], stem: str) -> None:
    names = ("xmin", "ymin", "xmax", "ymax")
    boxes = "".join(
        "<object><name>x</name><bndbox>"
        + "".join(f"<{name}>{edge}</{name}>" for name, edge in zip(names, box, strict=True))
        + "</bndbox></object>"
        for box in BOXES[stem]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"
    path.write_text(f"<annotation>{sides}{boxes}</annotation>")


def converted(tree: Path, out: Path, **options: Any) -> tuple[fastconv.Report, Records]:
    """The report, and the records by their image's name, each after a look at its own facts."""
    options = {"train": tree / "train", "boxes": tree / "boxes", "workers": 1, **options}
    report = fastconv.convert(fastconv.Options(out=out, **options))
    alters = fastconv.Options(out=out, **options).recipe.alters
    records: Records = {}
    for shard in sorted((out / "data_dir").iterdir()):
        for payload in fastconv.read_records(shard):
            record = fastconv.parse_example(payload)
            height, width, components, _, _ = facts(record["image/encoded"][0])
            assert [*record["image/height"], *record["image/width"]] == [height, width]
            gray = components == 1 and alters
            assert record["image/channels"] == [1 if gray else 3]
            assert record["image/colorspace"] == [b"Grayscale" if gray else b"RGB"]
            assert record["image/format"] == [b"JPEG"]
            assert len(record["image/object/bbox/label"]) == len(boxes_of(record))
            records[record["image/filename"][0].decode()] = record
    assert report.written == len(records)
    return report, records


def boxes_of(record: dict[str, Any]) -> list[tuple[float, ...]]:
    edges = [record[f"image/object/bbox/{edge}"] for edge in ("xmin", "ymin", "xmax", "ymax")]
    assert all(0 <= value <= 1 for values in edges for value in values)
    return list(zip(*edges, strict=True))


def kept(records: Records) -> set[str]:
    return {name for name, record in records.items() if record["image/encoded"] == [IMAGES[name]]}


def test_short(tree: Path, tmp_path: Path) -> None:
    report, records = converted(tree, tmp_path / "out", resize=48)
    assert kept(records) == {"small.jpg", "smallgray.jpg", "noted.jpg", "square.jpg"}
    sides = {name: (r["image/height"][0], r["image/width"][0]) for name, r in records.items()}
    assert sides["wide.jpg"] == (48, 72) and sides["tall.jpg"] == (72, 48)
    assert sides["turned.jpg"] == (72, 48) and sides["drawing.png"] == (48, 72)
    assert sides["upright.jpg"] == (61, 48) and sides["gray.jpg"] == (48, 55)
    assert report.splits[0].changes == {"resized": 7, "turned": 2}
    assert records["gray.jpg"]["image/channels"] == [1]
    # Relative boxes stay as they are, but those of what was turned.
    assert boxes_of(records["wide.jpg"])[0][:2] == (0, 0)
    assert np.allclose(boxes_of(records["turned.jpg"]), [(0.5, 0, 1, 0.5)])
    assert report.boxes == 5
    # The picture is the same one: its corners have the colours that they had.
    for name in ("wide.jpg", "tall.jpg", "upright.jpg"):
        before, after = pixels_of(IMAGES[name]), pixels_of(records[name]["image/encoded"][0])
        for corner in ((1, 1), (1, -2), (-2, 1), (-2, -2)):
            assert np.abs(before[corner].astype(int) - after[corner]).max() < 40, name


def test_crop_cuts_and_drops_boxes(tree: Path, tmp_path: Path) -> None:
    report, records = converted(tree, tmp_path / "out", resize=48, resize_mode="crop")
    assert all(
        record["image/height"] == record["image/width"] == [48] for record in records.values()
    )
    assert kept(records) == {"square.jpg"}
    # 90 x 60: 15 to 75 are left. The first box is gone, the second whole, the third cut to all.
    assert np.allclose(boxes_of(records["wide.jpg"]), [(0, 0, 1, 1), (0.25, 1 / 6, 0.75, 5 / 6)],
                       atol=1e-3)  # fmt: skip
    # 200 x 300: rows 50 to 250 are left.
    assert np.allclose(boxes_of(records["tall.jpg"]), [(0.25, 0.75, 0.5, 1)], atol=1e-3)
    # Turned first: 60 x 90, of which rows 15 to 75 are left.
    assert np.allclose(boxes_of(records["turned.jpg"]), [(0.5, 0, 1, 0.5)], atol=1e-3)
    assert report.boxes == report.splits[0].boxes == 4
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["splits"][0]["boxes"] == manifest["totals"]["boxes"] == 4
    assert manifest["splits"][0]["changes"] == report.splits[0].changes


@pytest.mark.parametrize(
    ("options", "changes", "unchanged"),
    [
        ({"exif": "strip"}, {"stripped": 3}, {"wide.jpg", "gray.jpg", "small.jpg"}),
        ({"exif": "apply"}, {"turned": 2}, set(IMAGES) - {"turned.jpg", "drawing.png", "inks.jpg"}),
        ({"max_side": 90}, {"resized": 1}, set(IMAGES) - {"tall.jpg", "drawing.png", "inks.jpg"}),
        ({"grayscale": "rgb"}, {"encoded anew": 2},
         set(IMAGES) - {"gray.jpg", "smallgray.jpg", "drawing.png", "inks.jpg"}),
        ({"reencode_all": True}, {"encoded anew": 11}, set()),
        ({"resize": 40, "resize_mode": "squash"}, {"resized": 11, "turned": 2}, set()),
    ],
)  # fmt: skip
def test_what_is_changed_is_counted(
    tree: Path,
    tmp_path: Path,
    options: dict[str, Any],
    changes: dict[str, int],
    unchanged: set[str],
) -> None:
    report, records = converted(tree, tmp_path / "out", **options)
    assert report.splits[0].changes == changes
    assert unchanged <= kept(records)
    if unchanged and options != {"exif": "strip"}:
        assert kept(records) == unchanged
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["splits"][0]["changes"] == changes
    assert {note.image.rpartition("/")[2] for note in report.repaired} == {
        "drawing.png",
        "inks.jpg",
    }
    for record in records.values():
        assert b"where it was" not in record["image/encoded"][0] or "strip" not in options.values()


@pytest.mark.parametrize(
    "options",
    [
        {"resize": 100},
        {"resize": 64, "resize_mode": "crop", "filter": "lanczos", "check": "decode"},
        {"exif": "strip", "max_bytes": 20_000},
    ],
)
def test_workers_and_archives_change_no_byte(
    mini: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    made = []
    for number, (source, workers) in enumerate(((mini, 1), (mini, 2), (mini / "tree", 2))):
        out = tmp_path / str(number)
        asked = fastconv.Options(source=source, out=out, workers=workers, train_shards=5, **options)
        report = fastconv.convert(asked)
        assert report.written == 80 and report.splits[0].changes
        made.append((digests(out), [split.changes for split in report.splits], report.boxes))
    assert made[0] == made[1] == made[2]


def test_records_of_a_sample(mini: Path, tmp_path: Path) -> None:
    """Of every odd image of the sample, the record's sides are the twin's."""
    asked: dict[str, Any] = {"source": mini / "tree", "train_shards": 1}
    plain = fastconv.Options(out=tmp_path / "plain", **asked)
    small = fastconv.Options(out=tmp_path / "small", resize=90, exif="keep", **asked)
    shards = []
    for options in (plain, small):
        fastconv.convert(options)
        path = Path(str(options.out)) / "data_dir" / "train-00000-of-00001"
        shards.append([fastconv.parse_example(record) for record in fastconv.read_records(path)])
    for before, after in zip(*shards, strict=True):
        own = before["image/height"][0], before["image/width"][0]
        expected = twin.sides(*own, resize=90, mode="short", max_side=None)
        assert (after["image/height"][0], after["image/width"][0]) == expected[:2]
        stored = twin.jpeg_facts(after["image/encoded"][0])
        assert (stored.verdict, stored.height, stored.width) == ("ok", *expected[:2])
        assert (before["image/encoded"] == after["image/encoded"]) == (expected[:2] == own)
        for key in before.keys() - {"image/encoded", "image/height", "image/width",
                                    "image/channels", "image/colorspace"}:  # fmt: skip
            assert list(before[key]) == list(after[key])


def test_from_an_archive_one_by_one(tmp_path: Path) -> None:
    """Large and small images in turn: what Python makes stands where the loop left off."""
    inner, images = io.BytesIO(), {}
    with tarfile.open(fileobj=inner, mode="w") as tar:
        for number in range(40):
            pixels = photograph("coffee.png", 50 + 40 * (number % 3), 60 + number)
            images[f"{number}.jpg"] = jpeg_of(pixels)
            add(tar, f"{number}.jpg", images[f"{number}.jpg"])
    with tarfile.open(tmp_path / "train.tar", "w") as tar:
        add(tar, "cats.tar", inner.getvalue())
    out = tmp_path / "out"
    report = fastconv.convert(fastconv.Options(train=tmp_path / "train.tar", out=out, resize=50))
    assert report.splits[0].changes == {"resized": 26}
    for payload in fastconv.read_records(out / "data_dir" / "train-00000-of-00001"):
        record = fastconv.parse_example(payload)
        number = int(record["image/filename"][0].decode().partition(".")[0])
        assert (record["image/encoded"][0] == images[f"{number}.jpg"]) == (number % 3 == 0)
        assert min(record["image/height"][0], record["image/width"][0]) == 50
