"""What a report reads of records: their heads alone, and the same as reading all of them."""

from __future__ import annotations

import gzip
import io
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import fastconv
from fastconv.page.facts import Shard
from fastconv.page.heads import Heads
from fastconv.page.mix import expected_distance, mixes
from fastconv.page.survey import GRID, ShardToRead, coverage_of, survey, survey_of
from fastconv.pictures.places import places
from fastconv.progress import Progress, Watch


def jpeg(width: int, height: int, exif_bytes: int = 0) -> bytes:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "x" * exif_bytes
    image = Image.effect_noise((width, height), 90).convert("RGB")
    image.save(buffer, "JPEG", quality=95, **({"exif": exif} if exif_bytes else {}))
    return buffer.getvalue()


def png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((width, height), 90).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def written(path: Path, *payloads: bytes) -> ShardToRead:
    with fastconv.RecordWriter(path) as writer:
        for payload in payloads:
            writer.write(payload)
    return ShardToRead(path.name, str(path), None)


def test_heads_are_what_whole_records_say(mini: Path, tmp_path: Path) -> None:
    fastconv.convert(fastconv.Options(source=mini, out=tmp_path / "out", train_shards=1))
    shard = tmp_path / "out" / "data_dir" / "train-00000-of-00001"
    whole = [fastconv.parse_example(record) for record in fastconv.read_records(shard)]
    read = 0
    with Heads(shard, {}) as heads:
        for place, example in zip(places(shard), whole, strict=True):
            features, size, sides = heads.read(place)
            image = example.pop("image/encoded")[0]
            assert size == len(image) and sides is None
            if "image/encoded" in features:  # of a small image
                features = {k: v for k, v in features.items() if k != "image/encoded"}
            assert features.keys() == example.keys()
            assert all(np.array_equal(features[name], example[name]) for name in example)
            read += 1
    assert read == 60


SHAPES = {
    "the image first, as fastconv writes it": ["image", "height", "width", "label"],
    "the image last": ["label", "width", "height", "image"],
    "in the middle": ["label", "image", "height", "width"],
    "beside another large one": ["mask", "label", "image", "large", "height", "width"],
}
NAMES = {"image": "image/encoded", "height": "image/height", "width": "image/width",
         "label": "image/class/label", "mask": "mask", "large": "large"}  # fmt: skip


def in_order(values: dict[str, Any], order: list[str]) -> bytes:
    """An Example with its features in this order: of one each, one behind the other."""
    parts = [fastconv.encode_example({NAMES[name]: values[name]}) for name in order]
    body = b"".join(part[1 + _varint_bytes(part, 1) :] for part in parts)
    return b"\x0a" + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _varint_bytes(data: bytes, at: int) -> int:
    return next(n for n, byte in enumerate(data[at:], 1) if byte < 0x80)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("side", [8, 120, 400])
def test_features_in_any_order(tmp_path: Path, shape: str, side: int) -> None:
    image = jpeg(side, side + 1)
    values = {"image": image, "height": side + 1, "width": side, "label": 7, "mask": bytes(9000),
              "large": [1] * 9000}  # fmt: skip
    payload = in_order(values, SHAPES[shape])
    assert fastconv.parse_example(payload)["image/encoded"][0] == image
    seen = survey_of(written(tmp_path / "x.tfrecord", payload, payload), {})
    assert seen.sides == Counter({(side, side + 1): 2}) and seen.unreadable == 0
    assert seen.image_bytes == 2 * len(image) and seen.labels == Counter({"7": 2})


@pytest.mark.parametrize(
    ("data", "sides"),
    [
        (jpeg(300, 200), (300, 200)),
        (jpeg(300, 200, exif_bytes=60_000), (300, 200)),
        (jpeg(9, 8), (9, 8)),
        (png(300, 200), (300, 200)),
        (png(4, 3), (4, 3)),
        (b"no image at all" * 1000, None),
        (b"\xff\xd8\xff" + bytes(50_000), None),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_sides_come_from_headers_where_records_do_not_say(
    tmp_path: Path, data: bytes, sides: tuple[int, int] | None, compressed: bool
) -> None:
    payload = fastconv.encode_example({"image": data, "label": 3, "file_name": b"x"})
    shard = written(tmp_path / "x.tfrecord", payload)
    if compressed:
        path = Path(shard.path)
        path.write_bytes(gzip.compress(path.read_bytes()))
    stored = {"image/encoded": "image", "image/class/label": "label"}
    seen = survey_of(shard, stored)
    assert seen.sides == (Counter({sides: 1}) if sides else Counter())
    assert seen.sideless == (0 if sides else 1)
    assert seen.image_bytes == len(data) and seen.labels == Counter({"3": 1})
    assert not seen.has_boxes


def test_damage_is_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    good = fastconv.encode_example({"image/encoded": jpeg(200, 100), "image/height": 100,
                                    "image/width": 200})  # fmt: skip
    shard = written(tmp_path / "x", good, b"\x0a\xff", good, good)
    seen = survey_of(shard, {})
    assert (seen.records, seen.read, seen.unreadable, seen.troubles) == (4, 4, 1, [])
    os.truncate(shard.path, Path(shard.path).stat().st_size - 5)
    seen = survey_of(shard, {})
    assert seen.sides[200, 100] == 2 and seen.records == 3
    assert len(seen.troubles) == 1 and "is cut off" in seen.troubles[0]
    missing = survey_of(ShardToRead("y", str(tmp_path / "y"), None), {})
    assert missing.troubles and missing.records == 0


def test_any_bytes_do_no_harm(tmp_path: Path) -> None:
    rng = random.Random(4)
    good = fastconv.encode_example({"image/encoded": jpeg(200, 100), "image/height": 100,
                                    "image/width": 200, "label": 1})  # fmt: skip
    for _ in range(300):
        payload = bytearray(good)
        for _ in range(rng.randrange(1, 4)):
            payload[rng.choice([rng.randrange(60), rng.randrange(len(payload))])] = rng.randrange(
                256
            )
        seen = survey_of(written(tmp_path / "x", bytes(payload)), {})
        assert seen.records == 1 and seen.troubles == []


def test_boxes_of_all_forms(tmp_path: Path) -> None:
    sides = ("xmin", "ymin", "xmax", "ymax")
    none: dict[str, Any] = {f"image/object/bbox/{side}": np.zeros(0, np.float32) for side in sides}
    columns = zip(sides, ([0, 0.5], [0, 0.5], [0.5, 1], [0.5, 1]), strict=True)
    two = {f"image/object/bbox/{side}": np.array(v, np.float32) for side, v in columns}
    quads = {"objects/bbox": np.array([0.5, 0.5, 1, 1], np.float32)}
    payloads = [fastconv.encode_example(one) for one in (none, two, quads, {"a": 1})]
    seen = survey_of(written(tmp_path / "x", *payloads), {})
    assert seen.has_boxes and seen.box_count == 3
    assert seen.boxes.tolist()[:3] == [1, 1, 1]
    half = GRID // 2
    assert seen.coverage[:half, :half].tolist() == [[1] * half] * half
    assert seen.coverage[half:, half:].tolist() == [[2] * half] * half
    assert seen.coverage[:half, half:].max() == 0


def test_coverage_is_that_of_each_cell() -> None:
    rng = np.random.default_rng(3)
    boxes = rng.random((4, 200)).astype(np.float32) * 1.2 - 0.1
    boxes[:, :5] = np.array([[np.nan], [0], [1], [1]], np.float32)
    boxes[:, 5] = [0.3, 0.3, 0.3, 0.9]
    boxes[:, 6] = [0, 0, 1, 1]
    expected = np.zeros((GRID, GRID), np.int64)
    for box in boxes.T.astype(np.float64).tolist():
        left, top, right, bottom = (min(max(side, 0), 1) * GRID for side in box)
        if not (left < right and top < bottom):
            continue
        for y in range(GRID):
            for x in range(GRID):
                inside = x < right and left < x + 1 and y < bottom and top < y + 1
                expected[y, x] += inside
    assert expected.min() >= 1
    assert np.array_equal(coverage_of(boxes), expected)


def shards(*labels: list[int]) -> list[Shard]:
    return [
        Shard(f"s{n}", "train", len(own), 1, {str(k): v for k, v in Counter(own).items()})
        for n, own in enumerate(labels)
    ]


def test_mixes_tell_a_shuffle_from_an_order() -> None:
    rng = random.Random(5)
    records = [label for label in range(50) for _ in range(40)]
    in_order_ = mixes(shards(*(records[n : n + 100] for n in range(0, 2000, 100))))
    assert all(mix.is_far and mix.distance > 0.9 and mix.distinct <= 4 for mix in in_order_)
    rng.shuffle(records)
    shuffled = mixes(shards(*(records[n : n + 100] for n in range(0, 2000, 100))))
    assert not any(mix.is_far for mix in shuffled)
    mean = sum(mix.distance for mix in shuffled) / 20
    assert abs(mean - shuffled[0].expected) < 0.02
    assert mixes(shards([], [])) == []
    (one,) = mixes(shards([1, 1, 2]))
    assert (one.distance, one.expected, one.is_far, one.distinct) == (0, 0, False, 2)
    assert (one.most, one.most_label) == (2 / 3, "1")


def test_few_records_of_many_classes_can_be_told_from_an_order_all_the_same() -> None:
    records = [label for label in range(1000) for _ in range(4)]
    assert all(m.is_far for m in mixes(shards(*(records[n : n + 80] for n in range(0, 4000, 80)))))
    random.Random(6).shuffle(records)
    assert not any(
        m.is_far for m in mixes(shards(*(records[n : n + 80] for n in range(0, 4000, 80))))
    )


@pytest.mark.parametrize("size", [1, 7, 50, 400])
def test_the_expected_distance_is_the_mean_of_draws(size: int) -> None:
    rng = np.random.default_rng(7)
    counts = np.array([200, 100, 50, 30, 10, 5, 5])
    every = np.repeat(np.arange(len(counts)), counts)
    shares = counts / counts.sum()
    draws = [
        np.abs(np.bincount(rng.permutation(every)[:size], minlength=7) / size - shares).sum() / 2
        for _ in range(2000)
    ]
    assert abs(float(np.mean(draws)) - expected_distance(shares, size, 400)) < 0.02


def test_boxes_without_numbers_are_counted_apart(tmp_path: Path) -> None:
    nan = float("nan")
    sides = {
        f"image/object/bbox/{side}": [value, value, nan]
        for side, value in (("xmin", 0.1), ("ymin", 0.1), ("xmax", 0.9), ("ymax", 0.9))
    }
    shard = written(tmp_path / "x.tfrecord", fastconv.encode_example(sides))
    seen = survey_of(shard, {})
    assert (seen.box_count, seen.numberless, seen.boxes[2]) == (2, 1, 1)
    fastconv.write_report(tmp_path, tmp_path / "page.html", verify=False, workers=1)
    assert "1 more box cannot be drawn" in (tmp_path / "page.html").read_text()


def test_progress_is_in_bytes_of_shards(tmp_path: Path) -> None:
    seen: list[Progress] = []
    shards = [written(tmp_path / f"{n}.tfrecord", bytes(100 * n)) for n in range(1, 4)]
    survey(shards, {}, 1, Watch(seen.append))
    total = sum(Path(shard.path).stat().st_size for shard in shards)
    assert {moment.total_bytes for moment in seen} <= {0, total}
    assert total in {moment.total_bytes for moment in seen}
