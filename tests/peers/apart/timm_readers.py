"""timm's readers of TFDS data sets and of class folders, through its own loader.

timm is loaded before TensorFlow, as it does itself: what is below torchvision crashes when it is
loaded after TensorFlow.

Given: root, and tree, a folder of class folders. Printed: what each loader gave.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections import Counter
from typing import Any

import torch
from PIL import Image
from timm.data import create_dataset, create_loader
from torch.utils.data import DataLoader


def _loaded(root: str, split: str, workers: int, *, training: bool) -> dict[str, Any]:
    dataset = create_dataset(
        "tfds/imagenet2012", root=root, split=split, is_training=training, batch_size=16
    )
    loader = create_loader(
        dataset,
        input_size=(3, 64, 64),
        batch_size=16,
        is_training=training,
        use_prefetcher=False,
        num_workers=workers,
        persistent_workers=False,
        device=torch.device("cpu"),
    )
    labels: Counter[int] = Counter()
    for images, targets in loader:
        assert images.shape == (len(targets), 3, 64, 64)
        assert images.dtype == torch.float32
        labels.update(targets.tolist())
    return {
        "length": len(dataset),
        "batches": len(loader),
        "labels": sorted(labels.items()),
        "classes": len(dataset.reader.class_to_idx),
        "first class": min(dataset.reader.class_to_idx.items(), key=lambda item: item[1])[0],
    }


def _sum(image: Image.Image) -> int:
    return zlib.crc32(image.tobytes())


def _images(root: str, rank: int, ranks: int, *, training: bool) -> list[tuple[int, int]]:
    """Checksums of pixels and labels, as one of several ranks of a distributed job sees them."""
    dataset = create_dataset(
        "tfds/imagenet2012", root=root, split="train", is_training=training, batch_size=8
    )
    # What timm asks of torch.distributed when a job runs; the reader itself is timm's own.
    dataset.reader.dist_rank, dataset.reader.dist_num_replicas = rank, ranks
    dataset.transform = _sum
    found = []
    for sums, targets in DataLoader(dataset, batch_size=8, num_workers=1):
        found += list(zip(sums.tolist(), targets.tolist(), strict=True))
    return found


def _folders(tree: str) -> list[tuple[str, int]]:
    dataset = create_dataset("", root=tree, split="train")
    places = range(len(dataset))
    return [(dataset.filename(place, basename=True), dataset[place][1]) for place in places]


def main() -> None:
    given = json.loads(sys.argv[1])
    root = given["root"]
    found = {
        "loaded": [
            {"split": split, "workers": workers, "training": training}
            | _loaded(root, split, workers, training=training)
            for split, workers, training in (
                ("train", 0, False),
                ("train", 2, True),
                ("validation", 0, True),
                ("validation", 2, False),
            )
        ],
        "alone": _images(root, 0, 1, training=False),
        "ranks": {
            kind: [_images(root, rank, 2, training=kind == "training") for rank in range(2)]
            for kind in ("training", "validation")
        },
        "folders": _folders(given["tree"]),
    }
    json.dump(found, sys.stdout)


main()
