"""The main job on real photographs and real files of other formats: scikit-image ships them."""

from __future__ import annotations

import io
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import twin
from conftest import made_once
from PIL import Image

import fastconv
from fastconv.annotations.tables import imagenet_synsets, imagenet_texts
from fastconv.sample import make_sample

PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "hubble_deep_field.jpg", "ihc.png",
               "motorcycle_left.png", "retina.jpg", "rocket.jpg")  # fmt: skip
OTHERS = ("multipage.tif", "no_time_for_that_tiny.gif", "color.png",
          "camera.png", "horse.png", "chessboard_GRAY.png", "logo.png", "phantom.png")  # fmt: skip


def shipped() -> Path:
    spec = find_spec("skimage")
    assert spec is not None and spec.origin is not None, "scikit-image belongs to the test extra"
    return Path(spec.origin).parent / "data"


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample cut from them: 4 classes, 80 train and 20 validation images."""

    def make(out: Path) -> None:
        photos = out.with_name(f"{out.name}-photos")
        photos.mkdir()
        for name in PHOTOGRAPHS:
            (photos / name).symlink_to(shipped() / name)
        make_sample(out, classes=4, train_images=80, validation_images=20, photos=photos, tree=True)

    return made_once(tmp_path_factory, "photographs", make)


@pytest.mark.parametrize("workers", [1, 2])
def test_photographs_equal_the_twins_records(
    photographs: Path, tmp_path: Path, workers: int
) -> None:
    out = tmp_path / "out"
    report = fastconv.convert(
        fastconv.Options(source=photographs, out=out, train_shards=8, workers=workers)
    )
    assert (report.found, report.written) == (100, 100)
    assert 60_000 < report.bytes / report.written < 200_000
    expected = twin.derive(
        photographs / "tree",
        split="train",
        synsets=list(imagenet_synsets()),
        texts=imagenet_texts(),
        boxes_dir=photographs / "tree" / "bounding_boxes",
        num_shards=8,
    )
    for number, records in enumerate(expected):
        shard = out / "data_dir" / f"train-{number:05d}-of-00008"
        payloads = list(fastconv.read_records(shard))
        assert len(payloads) == len(records)
        for want, payload in zip(records, payloads, strict=True):
            assert twin.compare_record(want, payload) == []


def test_files_of_all_formats(tmp_path: Path) -> None:
    names = [name for name in (*PHOTOGRAPHS, *OTHERS) if (shipped() / name).exists()]
    assert {Path(name).suffix for name in names} == {".png", ".jpg", ".tif", ".gif"}
    folder = tmp_path / "in" / "class"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).symlink_to(shipped() / name)
    report = fastconv.convert(fastconv.Options(source=folder.parent, out=tmp_path / "out"))
    assert report.written == len(names)
    assert len(report.repaired) == len([name for name in names if not name.endswith(".jpg")])
    for payload in fastconv.read_records(tmp_path / "out" / "data_dir" / "train-00000-of-00001"):
        record = fastconv.parse_example(payload)
        name, stored = record["image/filename"][0].decode(), record["image/encoded"][0]
        if name.endswith(".jpg"):
            assert stored == (folder / name).read_bytes()
            continue
        with Image.open(folder / name) as source, Image.open(io.BytesIO(stored)) as image:
            assert image.mode == "RGB" and image.size == source.size
            assert (record["image/width"][0], record["image/height"][0]) == source.size
            if source.mode in ("RGB", "RGBA", "L", "P", "1"):
                wanted = np.asarray(source.convert("RGB"), np.int16)
                # Chroma at half size: edges of saturated colours differ, the whole does not.
                assert np.abs(np.asarray(image, np.int16) - wanted).mean() < 4, name
