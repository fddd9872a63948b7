"""The peers' fixtures, and the rule that they are never skipped.

These tests run when they are asked for, by `-m peers` or by a path to them, and then a missing peer
is a failure. A plain run of the test suite does not collect them: it has no peers.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

import pytest
import reader_packages

from peers import odd_images
from peers.running import Converted, convert_tree, fastconv

# TensorFlow reads them once, when it is loaded; what it would print is of no use here.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

_HERE = Path(__file__).resolve().parent


def _asked_for(config: pytest.Config) -> bool:
    if config.getoption("markexpr") == "peers":
        return True
    started_in = config.invocation_params.dir
    paths = [(started_in / str(argument).split("::")[0]).resolve() for argument in config.args]
    return any(path == _HERE or _HERE in path.parents for path in paths)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if not _asked_for(config):
        return True
    missing = reader_packages.missing()
    if missing:
        pytest.exit(
            f"the peers' tests were asked for, but not installed: {', '.join(missing)}."
            " `make test-peers` installs them",
            returncode=1,
        )
    # What is below torchvision crashes when it is loaded after TensorFlow, whose tests come first.
    import_module("torchvision")
    return None


def _box(name: str, xmin: object, ymin: object, xmax: object, ymax: object) -> str:
    return (
        f"<object><name>{name}</name><bndbox><xmin>{xmin}</xmin><ymin>{ymin}</ymin>"
        f"<xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox></object>"
    )


def _add_hard_boxes(tree: Path, synsets: list[str]) -> None:
    """XML files for what the sample's do not have, each for an image of the first class."""
    wnid, other = synsets[:2]
    files = {
        "ends at -1": _box(wnid, 9, 9, 50, 50) + _box(wnid, -1, 5, 9, 9) + _box(wnid, 1, 1, 9, 9),
        "first name is its own": _box(wnid, 9, 9, 50, 50) + _box(other, 5, 5, 99, 99),
        "first name is another": _box(other, 9, 9, 50, 50) + _box(wnid, 5, 5, 99, 99),
        "first name is no class": _box("dog", 9, 9, 50, 50) + _box(other, 5, 5, 99, 99),
        "all dropped": _box(wnid, 400, 10, 500, 50) + _box(wnid, 10, 50, 50, 50),
        "fractions": _box(wnid, "33.9", "1e1", " 66.2 ", "99.99") + _box(wnid, "-0.5", 0, 7, 7),
        "sorted as text": "".join(_box(wnid, x, 3, x + 40, 90) for x in (100, 20, 3, 299, 0, 21)),
        "none": "",
    }
    images = sorted((tree / "train" / wnid).iterdir())
    for image, objects in zip(images, files.values(), strict=False):
        xml = tree / "bounding_boxes" / wnid / f"{image.stem}.xml"
        xml.parent.mkdir(parents=True, exist_ok=True)
        xml.write_text(
            "<annotation><filename>%s</filename>"
            f"<size><width>300</width><height>100</height></size>{objects}</annotation>"
        )


@pytest.fixture(scope="session")
def texts() -> dict[str, str]:
    from fastconv.annotations.tables import imagenet_texts

    return imagenet_texts()


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory, texts: dict[str, str]) -> Converted:
    """2,000 train images of 20 classes, with ImageNet's odd files and boxes, and 400 others.

    The 20 are of ImageNet's 1,000, and keep the labels that they have among them.
    """
    folder = tmp_path_factory.mktemp("sample")
    counts = ["--classes", "20", "--train-images", "2000", "--validation-images", "400"]
    fastconv("sample", folder / "in", *counts, "--seed", "5", "--tree")
    tree = folder / "in" / "tree"
    _add_hard_boxes(tree, sorted(path.name for path in (tree / "train").iterdir()))
    return convert_tree(tree, folder / "out", texts)


@pytest.fixture(scope="session")
def small_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 train images of 6 classes of ImageNet's, with boxes, and 30 others."""
    folder = tmp_path_factory.mktemp("small")
    counts = ["--classes", "6", "--train-images", "120", "--validation-images", "30"]
    fastconv("sample", folder, *counts, "--seed", "3", "--tree")
    return folder / "tree"


@pytest.fixture(scope="session")
def small(small_tree: Path, texts: dict[str, str]) -> Converted:
    return convert_tree(small_tree, small_tree.parent / "out", texts, train_shards=8)


@pytest.fixture(scope="session")
def tfds_out(small_tree: Path) -> Path:
    """The same as TensorFlow Datasets looks for it: imagenet2012/5.1.0, below this folder."""
    out = small_tree.parent / "tfds"
    counts = ["--train-shards", "8", "--validation-shards", "8"]
    fastconv("shards", small_tree, "--out", out, "--layout", "tfds", *counts, "--quiet")
    return out


@pytest.fixture(scope="session")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Converted:
    """Every odd image of odd_images, by all its names, with labels that start at 0.

    Its two classes are not ImageNet's, whose text is then their name.
    """
    folder = tmp_path_factory.mktemp("odd")
    tree = folder / "tree"
    images = {
        **odd_images.four_component_jpegs(),
        **odd_images.pngs(),
        **odd_images.kept_jpegs(),
    }
    for split in ("train", "validation"):
        for number, (name, data) in enumerate(images.items()):
            path = tree / split / ("first", "second")[number % 2] / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    names = {"first": "first", "second": "second"}
    return convert_tree(tree, folder / "out", names, label_offset=0, train_shards=8)
