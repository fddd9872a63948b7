"""PyTorch's DataLoader over `tfrecord`'s data sets, with no worker and with 2.

Given: data and idx, the folders; names of the shards; odd, the folder of two shards of one record
and of none. Printed: what came, by data set and workers.
"""

from __future__ import annotations

import io
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tfrecord.torch.dataset import MultiTFRecordDataset, TFRecordDataset
from torch.utils.data import ChainDataset, DataLoader, IterableDataset

_KINDS = {
    "image/encoded": "byte",
    "image/class/label": "int",
    "image/filename": "byte",
    "image/object/bbox/xmin": "float",
}


def _prepared(record: dict[str, Any]) -> tuple[torch.Tensor, int, str, list[int], int]:
    with Image.open(io.BytesIO(record["image/encoded"])) as image:
        size = list(image.size)
        pixels = np.array(image.convert("RGB").resize((32, 32)))
    name = record["image/filename"].decode()
    boxes = record["image/object/bbox/xmin"]
    assert boxes.dtype == np.float32
    return torch.from_numpy(pixels), int(record["image/class/label"][0]), name, size, len(boxes)


def _epoch(dataset: IterableDataset[Any], workers: int) -> list[Any]:
    came = []
    for images, labels, names, (widths, heights), boxes in DataLoader(
        dataset, batch_size=7, num_workers=workers
    ):
        assert images.shape[1:] == (32, 32, 3)
        columns = (names, *(part.tolist() for part in (labels, widths, heights, boxes)))
        came += list(zip(*columns, strict=True))
    return came


def _error(shard: Path, index: Path | None) -> str:
    """What becomes of reading it: the error's name, or how many records there are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return str(len(list(TFRecordDataset(str(shard), index and str(index), None))))
        except IndexError as error:
            return type(error).__name__


def main() -> None:
    given = json.loads(sys.argv[1])
    data, idx, names = given["data"], given["idx"], given["names"]

    def single(name: str, index: str | None) -> TFRecordDataset:
        return TFRecordDataset(f"{data}/{name}", index, _KINDS, transform=_prepared)

    indexed = [single(name, f"{idx}/{name}") for name in names]
    merged = {
        kind: MultiTFRecordDataset(
            f"{data}/{{}}",
            f"{idx}/{{}}",
            dict.fromkeys(names, 1.0),
            _KINDS,
            transform=_prepared,
            shuffle_queue_size=queue,
            infinite=False,
        )
        for kind, queue in (("merged", None), ("shuffled", 16))
    }
    datasets = {
        "one": indexed[0],
        "one without its index": single(names[0], None),
        "chained": ChainDataset(indexed),
        **merged,
    }
    came = {
        name: {workers: _epoch(dataset, workers) for workers in (0, 2)}
        for name, dataset in datasets.items()
    }
    odd = Path(given["odd"])
    limits = {
        f"{name}, {'with' if index else 'without'}": _error(odd / name, index)
        for name in ("single", "none")
        for index in (odd / f"{name}.idx", None)
    }
    json.dump({"came": came, "limits": limits}, sys.stdout)


main()
