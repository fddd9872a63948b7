"""torchvision reads the class folders: the classes in the order of the labels, and the images."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from peers.running import fastconv

pytestmark = [pytest.mark.peers, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("image folder")
    counts = ("--classes", "6", "--train-images", "90", "--validation-images", "30")
    fastconv("sample", folder / "imagenet", *counts, "--seed", "3", "--tree")
    fastconv("raw", folder / "imagenet", "--out", folder / "raw", "--workers", "2")
    fastconv("raw", folder / "raw", "--out", folder / "links", "--links")
    return folder


def labels_of(out: Path) -> dict[str, int]:
    names = (out / "labels.txt").read_text().splitlines()
    return {name: label for label, name in enumerate(names)}


@pytest.mark.parametrize("out", ["raw", "links"])
@pytest.mark.parametrize(("split", "images"), [("train", 90), ("validation", 30)])
def test_image_folder(imagenet: Path, out: str, split: str, images: int) -> None:
    data = ImageFolder(imagenet / out / split)
    assert len(data) == images
    labels = labels_of(imagenet / out)
    assert data.classes == sorted(data.classes, key=labels.__getitem__)
    assert len(data.classes) == 6
    originals = imagenet / "imagenet" / "tree" / split
    for (image, target), (path, _) in zip(data, data.samples, strict=True):
        original = originals / data.classes[target] / Path(path).name
        with Image.open(original) as held:
            assert np.array_equal(np.asarray(image), np.asarray(held.convert("RGB"))), path


def test_validation_images_of_the_archive(imagenet: Path) -> None:
    """Each is in its class's folder by the labels, and is the archive's."""
    source = imagenet / "imagenet"
    labels = (source / "imagenet_2012_validation_synset_labels.txt").read_text().split()
    data = ImageFolder(imagenet / "raw" / "validation")
    by_name = {Path(path).name: (path, data.classes[target]) for path, target in data.samples}
    with tarfile.open(source / "ILSVRC2012_img_val.tar") as tar:
        members = [info for info in tar if info.isreg()]
        assert len(members) == len(by_name)
        for info in members:
            name = Path(info.name).name
            path, klass = by_name[name]
            assert klass == labels[int(Path(name).stem.rpartition("_")[2]) - 1]
            file = tar.extractfile(info)
            assert file is not None
            with Image.open(io.BytesIO(file.read())) as held, Image.open(path) as stored:
                assert np.array_equal(np.asarray(held), np.asarray(stored))
