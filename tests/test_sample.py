"""The sample: its bytes follow from its seed, and it is what it says it is."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import tarfile
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from fastconv.annotations.tables import imagenet_synsets
from fastconv.errors import InputError, OutputError, UsageError
from fastconv.sample import SampleReport, make_sample
from fastconv.sample.make import Setup, make_image
from fastconv.sample.objects import FAMILIES
from fastconv.sample.odd import TRAIN_KINDS, VALIDATION_KINDS
from fastconv.sample.paint import paint
from fastconv.sample.plan import ImageJob, plan_train, plan_validation
from fastconv.sample.scene import draw
from fastconv.sample.style import style_of

TRAIN, VALIDATION = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
BOXES, LABELS = "ILSVRC2012_bbox_train_v2.tar.gz", "imagenet_2012_validation_synset_labels.txt"
TRAIN_COUNT, VALIDATION_COUNT, CLASSES = 200, 40, 10


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleReport:
    out = tmp_path_factory.mktemp("sample")
    return make_sample(
        out,
        classes=CLASSES,
        train_images=TRAIN_COUNT,
        validation_images=VALIDATION_COUNT,
        tree=True,
        workers=1,
    )


def _members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = archive.getmembers()
        return {m.name: archive.extractfile(m).read() for m in members}  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def train(sample: SampleReport) -> dict[str, dict[str, bytes]]:
    outer = _members((sample.out / TRAIN).read_bytes())
    return {name: _members(data) for name, data in outer.items()}


@pytest.fixture(scope="module")
def images(sample: SampleReport, train: dict[str, dict[str, bytes]]) -> dict[str, bytes]:
    flat = {name: data for inner in train.values() for name, data in inner.items()}
    return flat | _members((sample.out / VALIDATION).read_bytes())


@pytest.fixture(scope="module")
def xmls(sample: SampleReport) -> dict[str, bytes]:
    return _members(gzip.decompress((sample.out / BOXES).read_bytes()))


def _odd(sample: SampleReport, images: dict[str, bytes], kind: str) -> bytes:
    return images[sample.odd[kind]]


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob("*")
        if p.is_file()
    }


def test_layout_and_names(sample: SampleReport, train: dict[str, dict[str, bytes]]) -> None:
    assert {p.name for p in sample.out.iterdir()} == {TRAIN, VALIDATION, BOXES, LABELS, "tree"}
    assert list(train) == [f"{wnid}.tar" for wnid in sample.classes]
    assert set(sample.classes) <= set(imagenet_synsets())
    assert list(sample.classes) == sorted(set(sample.classes))
    assert sum(len(inner) for inner in train.values()) == TRAIN_COUNT == sample.train_images
    for name, inner in train.items():
        assert all(re.fullmatch(name[:-4] + r"_[1-9]\d*\.JPEG", member) for member in inner)
    orders = [list(inner) for inner in train.values() if len(inner) > 5]
    assert any(order != sorted(order) for order in orders)
    assert sample.bytes == sum(p.stat().st_size for p in sample.out.rglob("*") if p.is_file())


def test_validation_names_and_labels(sample: SampleReport) -> None:
    names = list(_members((sample.out / VALIDATION).read_bytes()))
    assert names == [f"ILSVRC2012_val_{i:08d}.JPEG" for i in range(1, VALIDATION_COUNT + 1)]
    labels = (sample.out / LABELS).read_text().splitlines()
    assert len(labels) == VALIDATION_COUNT
    assert {labels.count(wnid) for wnid in sample.classes} == {VALIDATION_COUNT // CLASSES}
    assert labels != sorted(labels)


def test_tar_headers_say_nothing_of_the_machine(sample: SampleReport) -> None:
    with tarfile.open(sample.out / TRAIN) as archive:
        headers = {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in archive}
    assert headers == {(1_340_000_000, 0, 0, "", "", 0o644)}
    assert (sample.out / BOXES).read_bytes()[4:8] == bytes(4)


def test_the_tree_holds_the_archives_files(
    sample: SampleReport, images: dict[str, bytes], xmls: dict[str, bytes]
) -> None:
    tree = sample.out / "tree"
    found = {p.name: p.read_bytes() for p in tree.rglob("*.JPEG")}
    assert found == images
    labels = (sample.out / LABELS).read_text().splitlines()
    for split in ("train", "validation"):
        for path in (tree / split).rglob("*.JPEG"):
            name, wnid = path.stem, path.parent.name
            own = name.split("_")[0] if split == "train" else labels[int(name[-8:]) - 1]
            assert own == wnid
    boxes = tree / "bounding_boxes"
    assert {str(p.relative_to(boxes)): p.read_bytes() for p in boxes.rglob("*.xml")} == xmls


def test_sizes_are_like_imagenets(sample: SampleReport, images: dict[str, bytes]) -> None:
    usual = {name: data for name, data in images.items() if name != sample.odd["large"]}
    assert len(usual) == TRAIN_COUNT + VALIDATION_COUNT - 1
    assert 90_000 <= np.mean([len(data) for data in usual.values()]) <= 120_000
    sides = []
    for data in usual.values():
        with Image.open(io.BytesIO(data)) as image:
            sides.append(image.size)
    assert sides.count((500, 375)) > len(sides) / 4
    assert np.min(sides) >= 130 and np.max(sides) <= 1000
    assert len(set(sides)) > 20


def test_all_images_are_distinct_and_decode(sample: SampleReport, images: dict[str, bytes]) -> None:
    assert len({hashlib.sha256(data).digest() for data in images.values()}) == len(images)
    plain = set(images) - set(sample.odd.values())
    samplings = set()
    for name in plain:
        assert images[name].startswith(b"\xff\xd8\xff")
        _, _, space, sampling = simplejpeg.decode_jpeg_header(images[name])
        samplings.add(sampling)
        assert space == "YCbCr"
    assert samplings == {"420", "444"}
    for name in sorted(plain)[::6]:
        pixels = simplejpeg.decode_jpeg(images[name], "GRAY")
        assert pixels.std() > 12  # neither blank nor flat


def test_boxes_belong_to_the_images(
    sample: SampleReport, images: dict[str, bytes], xmls: dict[str, bytes]
) -> None:
    assert len(xmls) == sample.boxes
    assert 0.35 * TRAIN_COUNT <= len(xmls) <= 0.45 * TRAIN_COUNT
    seen = dict.fromkeys(("filename", "outside", "swapped", "class", "words", "size"), 0)
    for path, data in xmls.items():
        folder, _, base = path.partition("/")
        name = base.removesuffix(".xml")
        root = ET.fromstring(data)
        assert root.findtext("folder") == folder == name.split("_")[0]
        seen["filename"] += root.findtext("filename") == "%s"
        with Image.open(io.BytesIO(images[name + ".JPEG"])) as image:
            real = image.size
        size = (int(root.findtext("size/width", "")), int(root.findtext("size/height", "")))
        seen["size"] += size != real
        objects = root.findall("object")
        assert 1 <= len(objects) <= 3
        label = objects[0].findtext("name", "")
        seen["words"] += label == "Scottish_deerhound"
        seen["class"] += label != folder and label in sample.classes
        for box in root.iter("bndbox"):
            xmin, ymin, xmax, ymax = (
                int(box.findtext(k, "")) for k in ("xmin", "ymin", "xmax", "ymax")
            )
            assert xmin >= 0 and ymin >= 0 and xmin != xmax and ymin != ymax
            seen["outside"] += xmax > size[0] or ymax > size[1]
            seen["swapped"] += xmin > xmax
    assert all(1 <= count <= len(xmls) // 6 for count in seen.values()), seen


@pytest.mark.parametrize("rank", range(len(FAMILIES)))
def test_a_box_lies_around_what_is_drawn(rank: int) -> None:
    plain = np.zeros((3, 375, 500), np.uint8)
    plain[1] = 255  # no object is of this green
    image = plain.copy()
    light = np.array((0.2, -0.6, 0.7), np.float32)
    rng = np.random.default_rng(rank)
    box = paint(image, style_of(0, rank), rng, (260.0, 190.0), (150.0, 130.0), light)
    assert box is not None
    ys, xs = np.nonzero(np.abs(image.astype(int) - plain).max(0) > 60)
    drawn = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
    # A box is of the pixels that are covered by half or more; a soft edge reaches a bit further.
    assert np.abs(np.subtract(box, drawn)).max() <= 3


def test_pictures_and_boxes_keep_to_the_sides_asked_for() -> None:
    for rank, (height, width) in enumerate(((375, 500), (1000, 200), (200, 1000), (213, 333))):
        image, boxes = draw(style_of(0, rank), np.random.default_rng(rank), height, width)
        assert image.shape == (height, width, 3) and image.dtype == np.uint8
        assert boxes
        for xmin, ymin, xmax, ymax in boxes:
            assert 0 <= xmin < xmax <= width and 0 <= ymin < ymax <= height


def test_neighbouring_classes_differ() -> None:
    looks = [(s.family, s.place, s.pattern) for s in (style_of(3, rank) for rank in range(88))]
    assert len(set(looks)) == len(looks)
    for here, there in pairwise(looks):
        assert all(a != b for a, b in zip(here, there, strict=True))


@pytest.mark.parametrize("kind", ["cmyk", "validation-cmyk", "ycck"])
def test_ink_files(sample: SampleReport, images: dict[str, bytes], kind: str) -> None:
    data = _odd(sample, images, kind)
    assert simplejpeg.decode_jpeg_header(data)[2] == ("YCCK" if kind == "ycck" else "CMYK")
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "CMYK"
        assert image.info["adobe_transform"] == (2 if kind == "ycck" else 0)
        by_pillow = np.asarray(image.convert("RGB")).astype(int)
    by_simplejpeg = simplejpeg.decode_jpeg(data, "RGB").astype(int)
    assert np.abs(by_pillow - by_simplejpeg).mean() < 6


@pytest.mark.parametrize("kind", ["cmyk", "ycck"])
def test_ink_files_show_the_picture(kind: str) -> None:
    setup = Setup(0, ("n01440764", "n01443537"), ())
    usual = make_image(setup, ImageJob(0, 0, 5, "n01440764_5"))
    odd = make_image(setup, ImageJob(0, 0, 5, "n01440764_5", kind))
    expected = simplejpeg.decode_jpeg(usual.image, "RGB").astype(int)
    assert np.abs(simplejpeg.decode_jpeg(odd.image, "RGB") - expected).mean() < 6


def test_png_under_the_name_of_a_jpeg(sample: SampleReport, images: dict[str, bytes]) -> None:
    assert sample.odd["png"].endswith(".JPEG")
    with Image.open(io.BytesIO(_odd(sample, images, "png"))) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        image.load()


@pytest.mark.parametrize("kind", ["grayscale", "validation-grayscale"])
def test_grayscale(sample: SampleReport, images: dict[str, bytes], kind: str) -> None:
    with Image.open(io.BytesIO(_odd(sample, images, kind))) as image:
        assert (image.format, image.mode) == ("JPEG", "L")
        image.load()


def test_progressive(sample: SampleReport, images: dict[str, bytes]) -> None:
    with Image.open(io.BytesIO(_odd(sample, images, "progressive"))) as image:
        assert image.info["progressive"]
        image.load()


def test_exif_with_a_thumbnail(sample: SampleReport, images: dict[str, bytes]) -> None:
    with Image.open(io.BytesIO(_odd(sample, images, "exif-thumbnail"))) as image:
        first = image.getexif().get_ifd(0x8769)
        assert first == {}
        tags = image.getexif()
        assert tags[0x0112] == 1
        exif, size = image.info["exif"], image.size
        image.load()
    start = exif.index(b"\xff\xd8")
    with Image.open(io.BytesIO(exif[start:])) as thumbnail:
        assert max(thumbnail.size) <= 160 < max(size)
        thumbnail.load()
    assert exif.endswith(b"\xff\xd9")
    # IFD1 points at the thumbnail: tag 0x0201 holds its offset from the TIFF header.
    pointer = exif.index(b"\x01\x02\x04\x00\x01\x00\x00\x00") + 8
    assert int.from_bytes(exif[pointer : pointer + 4], "little") == start - 6


def test_exif_orientation(sample: SampleReport, images: dict[str, bytes]) -> None:
    with Image.open(io.BytesIO(_odd(sample, images, "exif-orientation"))) as image:
        assert image.getexif()[0x0112] == 6
        image.load()


def test_large(sample: SampleReport, images: dict[str, bytes]) -> None:
    data = _odd(sample, images, "large")
    assert len(data) > 2_000_000
    height, width, space, _ = simplejpeg.decode_jpeg_header(data)
    assert (sorted((height, width)), space) == ([3000, 4000], "YCbCr")


def test_trailing_bytes(sample: SampleReport, images: dict[str, bytes]) -> None:
    data = _odd(sample, images, "trailing-bytes")
    assert len(data) - data.index(b"\xff\xd9" + bytes(509)) > 512
    with Image.open(io.BytesIO(data)) as image:
        image.load()


def test_fill_bytes_and_comment(sample: SampleReport, images: dict[str, bytes]) -> None:
    filled = _odd(sample, images, "fill-bytes")
    assert b"\xff\xff\xff\xc4" in filled or b"\xff\xff\xff\xdb" in filled
    commented = _odd(sample, images, "comment")
    for data in (filled, commented):
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
        assert simplejpeg.decode_jpeg(data).shape == (height, width, 3)
    with Image.open(io.BytesIO(commented)) as image:
        assert image.info["comment"].startswith(b"a comment before the frame")
        image.load()
    with Image.open(io.BytesIO(filled)) as image:
        image.load()


def test_every_odd_kind_once_and_only_from_a_size_on(sample: SampleReport) -> None:
    assert set(sample.odd) == set(TRAIN_KINDS) | set(VALIDATION_KINDS)
    assert len(set(sample.odd.values())) == len(sample.odd)
    assert not any(job.odd for job in plan_train(("a", "b"), 39, 0))
    assert not any(job.odd for job in plan_validation(2, 19, 0))


def test_the_plan_of_the_whole_of_imagenets_classes() -> None:
    jobs = plan_train(imagenet_synsets(), 2_000, 3)
    assert len(jobs) == 2_000 and len({job.stem for job in jobs}) == 2_000
    assert {job.rank for job in jobs} == set(range(1_000))


def test_workers_change_no_byte(sample: SampleReport, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    again = make_sample(
        tmp_path / "deep" / "out",
        classes=CLASSES,
        train_images=TRAIN_COUNT,
        validation_images=VALIDATION_COUNT,
        tree=True,
        workers=2,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert _digests(again.out) == _digests(sample.out)
    assert (again.odd, again.classes, again.bytes) == (sample.odd, sample.classes, sample.bytes)
    total = TRAIN_COUNT + VALIDATION_COUNT
    assert seen == [(i, total) for i in range(1, total + 1)]


def test_a_seed_changes_the_pictures(tmp_path: Path) -> None:
    a, b, c = (
        make_sample(
            tmp_path / name, classes=2, train_images=4, validation_images=2, seed=seed, workers=1
        )
        for name, seed in (("a", 1), ("b", 2), ("c", 1))
    )
    first, other, same = _digests(a.out), _digests(b.out), _digests(c.out)
    assert first == same
    assert first[TRAIN] != other[TRAIN] and first[VALIDATION] != other[VALIDATION]
    assert not a.odd


def _photographs(folder: Path) -> Path:
    (folder / "below").mkdir(parents=True)
    noise = np.random.default_rng(5)
    for i, (name, sides) in enumerate((("a.jpg", (640, 480)), ("b.PNG", (300, 420)))):
        small = noise.integers(0, 256, (12, 16, 3), np.uint8)
        picture = Image.fromarray(small).resize(sides, Image.Resampling.BICUBIC)
        picture.save(folder / ("below" if i else "") / name)
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_photographs(tmp_path: Path) -> None:
    photos = _photographs(tmp_path / "photos")
    report = make_sample(
        tmp_path / "out", classes=3, train_images=60, validation_images=24, photos=photos, workers=1
    )
    assert set(report.odd) == set(TRAIN_KINDS) | set(VALIDATION_KINDS)
    inner = _members((report.out / TRAIN).read_bytes())
    found = [data for tar in inner.values() for data in _members(tar).values()]
    assert len(set(found)) == 60
    for data in found:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    assert report.boxes == 24


def test_photographs_that_are_none(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for folder in (empty, tmp_path / "missing"):
        with pytest.raises(InputError, match=re.escape(str(folder))):
            make_sample(tmp_path / "out", photos=folder)
    bad = _photographs(tmp_path / "photos") / "bad.jpg"
    bad.write_bytes(b"\xff\xd8 not a picture")
    with pytest.raises(InputError, match=re.escape(str(bad))):
        make_sample(tmp_path / "out", photos=bad.parent)
    assert not (tmp_path / "out").exists()


def test_a_photograph_cut_short_leaves_nothing_behind(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    out = io.BytesIO()
    Image.effect_noise((400, 300), 60).convert("RGB").save(out, "JPEG")
    (photos / "cut.jpg").write_bytes(out.getvalue()[:9_000])
    with pytest.raises(InputError, match=re.escape("cut.jpg")):
        make_sample(tmp_path / "out", classes=1, train_images=2, validation_images=1, photos=photos)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_holds_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("dear")
    with pytest.raises(OutputError, match="not empty"):
        make_sample(tmp_path, classes=1, train_images=1, validation_images=1)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(OutputError, match=re.escape("mine.txt")):
        make_sample(tmp_path / "mine.txt", classes=1, train_images=1, validation_images=1)


@pytest.mark.parametrize(("images", "workers"), [(4, 1), (220, 2)])
def test_an_error_while_writing_leaves_nothing_behind(
    tmp_path: Path, images: int, workers: int
) -> None:
    def full(done: int, total: int) -> None:
        if done == 3:
            raise OSError(28, os.strerror(28))

    with pytest.raises(OutputError, match="No space left"):
        make_sample(
            tmp_path / "out",
            classes=2,
            train_images=images,
            validation_images=2,
            tree=True,
            workers=workers,
            on_progress=full,
        )
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    "counts",
    [
        {"classes": 0},
        {"classes": 1001, "train_images": 2000},
        {"classes": 20, "train_images": 19},
        {"validation_images": 0},
        {"seed": -1},
        {"workers": 0},
    ],
)
def test_counts_that_make_no_sample(tmp_path: Path, counts: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        make_sample(tmp_path / "out", **counts)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()
