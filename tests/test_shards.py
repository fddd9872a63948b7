"""The main job against the twin, and against itself: layouts, workers, runs."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import crc32c
import pytest
import twin
from conftest import digests, leftovers
from layouts import (
    class_tars,
    flat_tar_of_folders,
    flat_validation,
    kaggle,
    tar_of_tars,
)

import fastconv
from fastconv.annotations.tables import imagenet_synsets, imagenet_texts

SHARDS: dict[str, Any] = {"train_shards": 16, "validation_shards": 8}


def run(source: Path, out: Path, **options: Any) -> fastconv.Report:
    return fastconv.convert(fastconv.Options(source=source, out=out, **options))


@pytest.fixture(scope="module")
def reference(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The big sample's archives, converted once."""
    out = tmp_path_factory.mktemp("reference") / "out"
    report = run(sample, out, workers=2, **SHARDS)
    assert (report.found, report.written, report.exit_code) == (2200, 2200, 0)
    assert leftovers(out) == []
    return out


@pytest.mark.parametrize("split", ["train", "validation"])
def test_every_record_equals_the_twins(reference: Path, sample: Path, split: Any) -> None:
    expected = twin.derive(
        sample / "tree",
        split=split,
        synsets=list(imagenet_synsets()),
        texts=imagenet_texts(),
        boxes_dir=sample / "tree" / "bounding_boxes",
        num_shards=SHARDS[f"{split}_shards"],
    )
    boxes = 0
    for number, records in enumerate(expected):
        name = f"{split}-{number:05d}-of-{len(expected):05d}"
        data = (reference / "data_dir" / name).read_bytes()
        payloads = [payload for _, payload in twin.read_frames(data, check_payloads=False)]
        assert len(payloads) == len(records)
        for want, payload in zip(records, payloads, strict=True):
            assert twin.compare_record(want, payload) == [], want["image/filename"]
            boxes += len(want["image/object/bbox/xmin"])
        assert (reference / "idx_dir" / name).read_text() == twin.index_lines(data)
    assert boxes > 300 if split == "train" else boxes == 0


def test_the_frames_are_the_twins(reference: Path) -> None:
    """Payloads' checksums as well, on one shard: the twin's CRC is slow."""
    data = (reference / "data_dir" / "validation-00003-of-00008").read_bytes()[:3_000_000]
    whole = [payload for _, payload in twin.read_frames(data[: _last_whole(data)])]
    assert len(whole) > 5


def _last_whole(data: bytes) -> int:
    at = 0
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 8], "little") + 16
        if at + size > len(data):
            break
        at += size
    return at


@pytest.mark.parametrize("workers", [1, 5])
def test_workers_change_no_byte(
    reference: Path, sample: Path, tmp_path: Path, workers: int
) -> None:
    run(sample, tmp_path / "out", workers=workers, **SHARDS)
    assert digests(tmp_path / "out") == digests(reference)
    for name in ("labels.txt", "manifest.json"):
        assert (tmp_path / "out" / name).read_bytes() == (reference / name).read_bytes()


@pytest.mark.parametrize("layout", ["tree", "flat", "kaggle"])
def test_layouts_change_no_byte(reference: Path, sample: Path, tmp_path: Path, layout: str) -> None:
    labels = sample / "imagenet_2012_validation_synset_labels.txt"
    options: dict[str, Any] = {}
    if layout == "tree":
        source = sample / "tree"
    elif layout == "flat":
        source = flat_validation(sample / "tree", tmp_path / "flat")
        options = {"boxes": sample / "tree" / "bounding_boxes", "validation_labels": labels}
    else:
        source = kaggle(sample / "tree", tmp_path / "kaggle")
    run(source, tmp_path / "out", workers=2, **SHARDS, **options)
    assert digests(tmp_path / "out") == digests(reference)


@pytest.fixture(scope="module")
def small(mini: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("small") / "out"
    run(mini, out, train_shards=4, validation_shards=2, slim_threads=2, workers=2)
    return out


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("prefix", ["", "./", "a/" + "long" * 30 + "/"])
def test_tar_formats_change_no_byte(
    small: Path, mini: Path, tmp_path: Path, format: int, prefix: str
) -> None:
    tar_of_tars(mini / "tree", tmp_path / "train.tar", format, prefix, strays=True)
    report = run(
        mini,
        tmp_path / "out",
        train=tmp_path / "train.tar",
        train_shards=4,
        validation_shards=2,
        slim_threads=2,
        workers=1,
    )
    assert digests(tmp_path / "out") == digests(small)
    assert any("no images by name" in text for text in report.odd)
    assert any("links" in text for text in report.odd)


def test_other_layouts_change_no_byte(small: Path, mini: Path, tmp_path: Path) -> None:
    tree = mini / "tree"
    boxes = tree / "bounding_boxes"
    flat_tar_of_folders(tree, "train", tmp_path / "train.tar")
    flat_tar_of_folders(tree, "validation", tmp_path / "validation.tar")
    options: dict[str, Any] = {"train_shards": 4, "validation_shards": 2, "slim_threads": 2}
    run(tmp_path, tmp_path / "out1", boxes=boxes, **options)
    assert digests(tmp_path / "out1") == digests(small)
    tars = class_tars(tree, tmp_path / "tars")
    validation = tree / "validation"
    run(tars, tmp_path / "out2", boxes=boxes, validation=validation, **options)
    assert digests(tmp_path / "out2") == digests(small)


def test_the_manifest_tells_the_truth(reference: Path) -> None:
    manifest = json.loads((reference / "manifest.json").read_text())
    assert manifest["totals"]["found"] == manifest["totals"]["written"] == 2200
    assert manifest["totals"]["repaired"] == len(manifest["repaired"]) >= 4
    by_label: dict[str, int] = {}
    for shard in manifest["shards"]:
        data = (reference / "data_dir" / shard["name"]).read_bytes()
        assert shard["bytes"] == len(data)
        assert shard["crc32c"] == f"{crc32c.crc32c(data):08x}"
        index = (reference / "idx_dir" / shard["name"]).read_text()
        assert shard["records"] == index.count("\n") == sum(shard["images_per_label"].values())
        if shard["split"] == "train":
            for label, count in shard["images_per_label"].items():
                by_label[label] = by_label.get(label, 0) + count
    assert len(by_label) == 20 and sum(by_label.values()) == 2000
    files = {str(p.relative_to(reference)) for p in reference.rglob("*") if p.is_file()}
    assert files == set(manifest["files"])


def test_labels_are_lines(reference: Path) -> None:
    assert (reference / "labels.txt").read_text().splitlines() == list(imagenet_synsets())


@pytest.mark.parametrize("offset", [0, 1])
def test_a_subset_with_its_own_class_list(mini: Path, tmp_path: Path, offset: int) -> None:
    wnids = sorted(path.name for path in (mini / "tree" / "train").iterdir())
    chosen = [wnids[2], wnids[0]]
    (tmp_path / "synsets.txt").write_text("".join(f"{wnid}\n" for wnid in chosen))
    report = run(
        mini,
        tmp_path / "out",
        synsets=tmp_path / "synsets.txt",
        label_offset=offset,
        train_shards=2,
        slim_threads=1,
        seed=99,
    )
    expected = twin.derive(
        mini / "tree",
        split="train",
        synsets=chosen,
        texts=imagenet_texts(),
        boxes_dir=mini / "tree" / "bounding_boxes",
        num_shards=2,
        num_threads=1,
        label_offset=offset,
        seed=99,
    )
    for number, records in enumerate(expected):
        shard = tmp_path / "out" / "data_dir" / f"train-{number:05d}-of-00002"
        payloads = list(fastconv.read_records(shard))
        assert len(payloads) == len(records)
        for want, payload in zip(records, payloads, strict=True):
            assert twin.compare_record(want, payload) == []
    assert (tmp_path / "out" / "labels.txt").read_text().split() == chosen
    assert any("not in the class list" in text for text in report.odd)
    assert report.found == report.written


def test_a_shard_may_be_empty(mini: Path, tmp_path: Path) -> None:
    run(mini, tmp_path / "out", validation_shards=64, split="validation")
    sizes = [path.stat().st_size for path in (tmp_path / "out" / "data_dir").iterdir()]
    assert len(sizes) == 64 and sizes.count(0) == 44


def test_foreign_index_equals_the_inline_one(reference: Path, tmp_path: Path) -> None:
    shards = sorted((reference / "data_dir").iterdir())
    fastconv.index_shards(shards, tmp_path / "idx")
    assert digests(tmp_path, "idx") == {
        name.replace("idx_dir", "idx"): digest
        for name, digest in digests(reference, "idx_dir").items()
    }
