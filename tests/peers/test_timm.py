"""timm's reader of TFDS data sets opens what `--layout tfds` writes, for one process and for ranks.

It runs in a process of its own: timm must be loaded before TensorFlow.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from peers.running import apart

pytestmark = [pytest.mark.peers, pytest.mark.timeout(600)]

_COUNTS = {"train": 120, "validation": 30}
_BATCH = 16


@pytest.fixture(scope="module")
def came(tfds_out: Path, small_tree: Path) -> Any:
    return apart("timm_readers", root=tfds_out, tree=small_tree)


def _labels(tree: Path, split: str, synsets: list[str]) -> list[list[int]]:
    folders = sorted((tree / split).iterdir())
    return [[synsets.index(folder.name), len(list(folder.iterdir()))] for folder in folders]


def test_every_loader_has_the_classes_and_their_labels(
    came: Any, small_tree: Path, texts: dict[str, str]
) -> None:
    synsets = sorted(texts)
    assert len(came["loaded"]) == 4
    for loaded in came["loaded"]:
        assert (loaded["classes"], loaded["first class"]) == (1000, synsets[0])
        count = _COUNTS[loaded["split"]]
        if loaded["training"]:
            # Filled up to whole batches with images that come again, as timm says of itself.
            count += -count % _BATCH
            assert sum(images for _, images in loaded["labels"]) == count
        else:
            assert loaded["labels"] == _labels(small_tree, loaded["split"], synsets)
        assert loaded["length"] == count
        assert loaded["batches"] == -(-count // _BATCH)


def test_ranks_divide_the_images(came: Any) -> None:
    """In validation each has a half, and in training the shards of its own."""
    everything = Counter(map(tuple, came["alone"]))
    assert len(everything) == sum(everything.values()) == _COUNTS["train"]
    one, other = (Counter(map(tuple, images)) for images in came["ranks"]["validation"])
    assert sum(one.values()) == sum(other.values()) == _COUNTS["train"] // 2
    assert one + other == everything
    one, other = (Counter(map(tuple, images)) for images in came["ranks"]["training"])
    assert sum(one.values()) == sum(other.values()) == 64  # of 60, in batches of 8
    assert not set(one) & set(other)
    assert set(one) | set(other) <= set(everything)


def test_class_folders_by_the_same_call(came: Any, small_tree: Path) -> None:
    classes = sorted(path.name for path in (small_tree / "train").iterdir())
    expected = [
        [image.name, classes.index(image.parent.name)]
        for image in (small_tree / "train").rglob("*.JPEG")
    ]
    assert sorted(came["folders"]) == sorted(expected)
