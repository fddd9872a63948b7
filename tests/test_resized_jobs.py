"""Whole jobs that change images: records say what is stored, by any number of workers."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import digests
from layouts import add
from pictures import exif, jpeg_of, photograph, pixels_of, shades, turned_jpeg, with_segments
from PIL import Image

import fastconv
from fastconv import _jpeg
from fastconv.errors import BadImageError

TALL, WIDE = photograph(height=300, width=120), photograph(height=90, width=240)
IMAGES = {
    "small.jpg": jpeg_of(shades(40, 50)),
    "tall.jpg": jpeg_of(TALL),
    "wide.jpg": jpeg_of(WIDE),
    "gray.jpg": jpeg_of(shades(100, 120, 1)),
    "small_gray.jpg": jpeg_of(shades(30, 40, 1)),
    "turned.jpg": turned_jpeg(WIDE, 6),
    "small_turned.jpg": turned_jpeg(np.ascontiguousarray(WIDE[:40, :60]), 3),
    "noted.jpg": with_segments(jpeg_of(shades(44, 33)), (0xE1, exif(1)), (0xFE, b"a note")),
}
_png = io.BytesIO()
Image.fromarray(np.ascontiguousarray(TALL)).save(_png, "PNG")
IMAGES["drawing.png"] = _png.getvalue()
BOX = (10, 20, 60, 45)  # of the first 70 x 50 pixels, or so
Record = dict[str, list[Any]]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The images as folders and as an archive, with a box each."""
    place = tmp_path_factory.mktemp("images")
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as tar:
        for name, data in IMAGES.items():
            path = place / "tree" / "n01440764" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            add(tar, name, data)
            with Image.open(io.BytesIO(data)) as image:
                width, height = image.size
            xml = place / "boxes" / "n01440764" / f"{Path(name).stem}.xml"
            xml.parent.mkdir(parents=True, exist_ok=True)
            x0, y0, x1, y1 = (
                int(v * s / 100) for v, s in zip(BOX, (width, height) * 2, strict=True)
            )
            xml.write_text(
                f"<annotation><size><width>{width}</width><height>{height}</height></size><object>"
                f"<name>n01440764</name><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax>"
                f"<ymax>{y1}</ymax></bndbox></object></annotation>"
            )
    with tarfile.open(place / "train.tar", "w") as tar:
        add(tar, "n01440764.tar", inner.getvalue())
    return place


def job(source: Path, out: Path, *, tar: bool = False, **options: Any) -> fastconv.Report:
    return fastconv.convert(
        fastconv.Options(
            train=source / ("train.tar" if tar else "tree"),
            boxes=source / "boxes",
            out=out,
            train_shards=2,
            **{"workers": 1, **options},
        )
    )


def records(out: Path) -> dict[str, Record]:
    found = {}
    for path in sorted((out / "data_dir").iterdir()):
        for payload in fastconv.read_records(path):
            record: Record = fastconv.parse_example(payload)  # type: ignore[assignment]
            found[record["image/filename"][0].decode()] = record
    return found


def stored(record: Record) -> bytes:
    data: bytes = record["image/encoded"][0]
    return data


def box_of(record: Record) -> list[float]:
    return [record[f"image/object/bbox/{side}"][0] for side in ("xmin", "ymin", "xmax", "ymax")]


JOBS: list[dict[str, Any]] = [
    {},
    {"check": "decode"},
    {"resize": 64},
    {"resize": 64, "resize_mode": "long", "filter": "lanczos", "subsampling": "keep"},
    {"resize": 64, "resize_mode": "squash", "grayscale": "rgb", "exif": "keep"},
    {"resize": 64, "resize_mode": "crop", "filter": "bicubic", "exact": True},
    {"max_side": 100, "exif": "strip"},
    {"max_bytes": 4000, "quality": 70},
    {"reencode_all": True, "exif": "apply"},
]


@pytest.mark.parametrize("options", JOBS, ids=lambda options: " ".join(map(str, options)) or "none")
def test_records_say_what_is_stored(options: dict[str, Any], source: Path, tmp_path: Path) -> None:
    report = job(source, tmp_path / "out", **options)
    assert report.written == len(IMAGES)
    alters = bool(options.keys() - {"check"})
    for name, record in records(tmp_path / "out").items():
        status, height, width, components, _, orientation = _jpeg.look(stored(record))
        assert status == 0
        assert (record["image/height"], record["image/width"]) == ([height], [width]), name
        gray = components == 1 and alters
        assert record["image/channels"] == [1 if gray else 3]
        assert record["image/colorspace"] == [b"Grayscale" if gray else b"RGB"]
        assert pixels_of(stored(record)).shape == (height, width, 3)
        if options.get("exif") == "apply" or (options.get("resize") and "exif" not in options):
            assert orientation == 1
        for value in box_of(record):
            assert 0 <= value <= 1


@pytest.mark.parametrize("options", JOBS[1:], ids=lambda options: " ".join(map(str, options)))
def test_the_same_bytes_by_two_workers_and_from_an_archive(
    options: dict[str, Any], source: Path, tmp_path: Path
) -> None:
    job(source, tmp_path / "one", **options)
    job(source, tmp_path / "two", workers=2, **options)
    job(source, tmp_path / "tar", tar=True, **options)
    one = digests(tmp_path / "one")
    assert one == digests(tmp_path / "two") == digests(tmp_path / "tar")


def test_what_is_small_enough_keeps_its_bytes(source: Path, tmp_path: Path) -> None:
    report = job(source, tmp_path / "out", resize=64)
    found = records(tmp_path / "out")
    for name in ("small.jpg", "small_gray.jpg", "noted.jpg"):
        assert stored(found[name]) == IMAGES[name]
    for name, sides in {
        "tall.jpg": (160, 64),
        "wide.jpg": (64, 171),
        "turned.jpg": (171, 64),
    }.items():
        assert (found[name]["image/height"][0], found[name]["image/width"][0]) == sides
    assert found["gray.jpg"]["image/channels"] == [1]
    (split,) = report.splits
    assert split.changes == {"resized": 5, "turned": 2}
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["splits"][0]["changes"] == split.changes
    assert manifest["options"]["images"]["resize"] == 64
    assert manifest["options"]["images"]["exif"] == "apply"


def test_without_options_all_bytes_are_kept_and_features_are_slims(
    source: Path, tmp_path: Path
) -> None:
    same: list[dict[str, Any]] = [{}, {"check": "decode"}, {"exif": "keep"}]
    for number, options in enumerate(same):
        report = job(source, tmp_path / str(number), **options)
        for name, record in records(tmp_path / str(number)).items():
            assert stored(record) == IMAGES[name] or name == "drawing.png"
            assert record["image/colorspace"] == [b"RGB"]
        assert report.splits[0].changes == {}
    assert digests(tmp_path / "0") == digests(tmp_path / "1") == digests(tmp_path / "2")


def test_boxes_turn_with_their_image(source: Path, tmp_path: Path) -> None:
    job(source, tmp_path / "kept")
    job(source, tmp_path / "upright", exif="apply")
    kept, upright = records(tmp_path / "kept"), records(tmp_path / "upright")
    x0, y0, x1, y1 = box_of(kept["turned.jpg"])
    assert box_of(upright["turned.jpg"]) == pytest.approx([1 - y1, x0, 1 - y0, x1])
    x0, y0, x1, y1 = box_of(kept["small_turned.jpg"])
    assert box_of(upright["small_turned.jpg"]) == pytest.approx([1 - x1, 1 - y1, 1 - x0, 1 - y0])
    for name in ("tall.jpg", "gray.jpg"):
        assert box_of(upright[name]) == box_of(kept[name])
        assert stored(upright[name]) == stored(kept[name])


def test_boxes_are_cut_with_their_image(source: Path, tmp_path: Path) -> None:
    job(source, tmp_path / "kept")
    report = job(source, tmp_path / "cropped", resize=32, resize_mode="crop", exif="keep")
    kept, cropped = records(tmp_path / "kept"), records(tmp_path / "cropped")
    for name, record in cropped.items():
        height, width = kept[name]["image/height"][0], kept[name]["image/width"][0]
        side = min(height, width)
        left, top = (width - side) // 2, (height - side) // 2
        x0, y0, x1, y1 = box_of(kept[name])
        wanted = [(x0 * width - left) / side, (y0 * height - top) / side]
        wanted += [(x1 * width - left) / side, (y1 * height - top) / side]
        assert box_of(record) == pytest.approx([min(1, max(0, v)) for v in wanted], abs=2e-4)
    assert report.boxes == len(IMAGES)


def test_boxes_of_which_nothing_is_left_are_dropped_and_counted(tmp_path: Path) -> None:
    tree = tmp_path / "tree" / "n01440764"
    tree.mkdir(parents=True)
    (tree / "wide.jpg").write_bytes(IMAGES["wide.jpg"])
    xml = tmp_path / "boxes" / "n01440764" / "wide.xml"
    xml.parent.mkdir(parents=True)
    boxes = [(0, 0, 60, 90), (100, 10, 140, 80)]  # the first beside the middle square
    objects = "".join(
        f"<object><name>n01440764</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax>"
        f"<ymax>{d}</ymax></bndbox></object>"
        for a, b, c, d in boxes
    )
    xml.write_text(
        f"<annotation><size><width>240</width><height>90</height></size>{objects}</annotation>"
    )
    report = job(tmp_path, tmp_path / "out", resize=32, resize_mode="crop")
    (record,) = records(tmp_path / "out").values()
    assert record["image/object/bbox/xmin"] == pytest.approx([(100 - 75) / 90], abs=2e-4)
    assert record["image/object/bbox/label"] == [1]
    assert report.boxes == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_what_cannot_be_decoded_is_left_out_or_ends_the_job(workers: int, tmp_path: Path) -> None:
    folder = tmp_path / "in" / "a"
    folder.mkdir(parents=True)
    good = IMAGES["tall.jpg"]
    scan = good.index(b"\xff\xda")
    for name, data in {
        "good.jpg": good,
        "hollow.jpg": good[: scan + 20] + b"\xff\xd8" + good[scan + 22 :],  # an SOI in the middle
        "deep.jpg": good.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc1\x00\x11\x0c"),
        "lossless.jpg": good.replace(b"\xff\xc0\x00\x11", b"\xff\xc3\x00\x11"),
    }.items():
        (folder / name).write_bytes(data)
    options: dict[str, Any] = {"source": tmp_path / "in", "workers": workers}
    plain = fastconv.convert(fastconv.Options(out=tmp_path / "plain", on_error="skip", **options))
    reasons = {Path(note.image).name: note.reason for note in plain.skipped}
    assert reasons.keys() == {"deep.jpg", "lossless.jpg"}
    assert "12-bit" in reasons["deep.jpg"]
    assert "lossless" in reasons["lossless.jpg"]
    report = fastconv.convert(
        fastconv.Options(out=tmp_path / "checked", on_error="skip", check="decode", **options)
    )
    assert {Path(note.image).name for note in report.skipped} == {*reasons, "hollow.jpg"}
    assert report.exit_code == 1
    (folder / "deep.jpg").unlink()
    (folder / "lossless.jpg").unlink()
    with pytest.raises(BadImageError, match=r"hollow\.jpg: bad image: it cannot be decoded"):
        fastconv.convert(fastconv.Options(out=tmp_path / "stopped", check="decode", **options))


def test_an_estimate_of_the_output_knows_of_the_recipe(tmp_path: Path) -> None:
    """So that the default number of shards, and the disk space shown, are those of small images."""
    from fastconv.prepare import prepare
    from fastconv.progress import Watch

    folder = tmp_path / "in" / "a"
    folder.mkdir(parents=True)
    for number in range(4):
        (folder / f"{number}.jpg").write_bytes(jpeg_of(photograph(), quality=100))
    whole = prepare(fastconv.Options(source=tmp_path / "in", out=tmp_path / "o"), Watch(None))
    small = prepare(
        fastconv.Options(source=tmp_path / "in", out=tmp_path / "o", resize=64), Watch(None)
    )
    assert small.output_bytes * 10 < whole.output_bytes


@pytest.mark.parametrize(
    "options",
    [
        {"resize": 900, "resize_mode": "squash"},  # makes them larger
        {"resize": 200, "quality": 100, "subsampling": "444"},
        {"resize": 200},
        {"reencode_all": True, "quality": 95},
        {"max_side": 300, "quality": 50},
    ],
    ids=lambda options: " ".join(map(str, options)),
)
def test_the_estimate_is_of_the_right_size(options: dict[str, Any], tmp_path: Path) -> None:
    from fastconv.prepare import prepare
    from fastconv.progress import Watch

    folder = tmp_path / "in" / "a"
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(
            jpeg_of(photograph(height=300, width=400), quality=90)
        )
    asked = fastconv.Options(source=tmp_path / "in", out=tmp_path / "out", workers=1, **options)
    estimate = prepare(asked, Watch(None)).output_bytes
    written = fastconv.convert(asked).bytes
    assert written / 2.5 < estimate < written * 2.5
