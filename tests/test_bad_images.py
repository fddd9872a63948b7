"""Bad images: the job stops with a name, or leaves them out and says so."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
from conftest import digests, leftovers
from layouts import add
from PIL import Image

import fastconv
from fastconv.errors import BadImageError, InputError


def jpeg(**options: Any) -> bytes:
    buffer = io.BytesIO()
    picture = Image.effect_noise((64, 48), 60).convert("RGB")
    picture.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def png() -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((64, 48), 60).save(buffer, "PNG")
    return buffer.getvalue()


def thumbnail() -> bytes:
    """A JPEG cut before its own SOF whose EXIF thumbnail is whole."""
    inner = jpeg()
    exif = b"Exif\0\0" + inner
    return b"\xff\xd8\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + b"\xff\xdb\0\x43"


GOOD = jpeg()
BAD = {
    "empty": b"",
    "words": b"<html>404 not found</html>",
    "no-sof": GOOD[:100],
    "soi-only": GOOD[:2],
    "thumbnail-only": thumbnail(),
    "no-scan": GOOD[: GOOD.index(b"\xff\xda")],
    "no-eoi": GOOD[:-2],
    "half": GOOD[: len(GOOD) // 2],
    "half-progressive": jpeg(progressive=True)[:-40],
    "half-png": png()[:-30],
    "half-cmyk": b"",
}
_cmyk = io.BytesIO()
Image.effect_noise((64, 48), 60).convert("CMYK").save(_cmyk, "JPEG")
BAD["half-cmyk"] = _cmyk.getvalue()[:-100]


def tree(folder: Path, bad: dict[str, bytes]) -> Path:
    for number in range(8):
        path = folder / ("cat", "dog")[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(GOOD)
    for name, data in bad.items():
        (folder / "dog" / f"{name}.jpg").write_bytes(data)
    return folder


@pytest.mark.parametrize("kind", sorted(BAD))
def test_the_job_stops_and_names_the_image(kind: str, tmp_path: Path) -> None:
    source = tree(tmp_path / "in", {kind: BAD[kind]})
    with pytest.raises(BadImageError) as caught:
        fastconv.convert(fastconv.Options(source=source, out=tmp_path / "out", workers=1))
    assert f"{source}/dog/{kind}.jpg: bad image: " in str(caught.value)
    assert "--on-error skip" in str(caught.value)
    assert list((tmp_path / "out" / "data_dir").iterdir()) == []
    assert leftovers(tmp_path / "out") == []


def test_in_an_archive_member_and_offset_are_named(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as tar:
        add(tar, "good.JPEG", GOOD)
        add(tar, "bad.JPEG", GOOD[:-2])
    with tarfile.open(tmp_path / "train.tar", "w") as tar:
        add(tar, "cats.tar", inner.getvalue())
    offset = (tmp_path / "train.tar").read_bytes().rindex(b"\xff\xd8")
    options = fastconv.Options(train=tmp_path / "train.tar", out=tmp_path / "out", workers=1)
    with pytest.raises(BadImageError, match="bad image") as caught:
        fastconv.convert(options)
    where = f"{tmp_path}/train.tar: cats.tar/bad.JPEG (at offset {offset})"
    assert str(caught.value).startswith(where)


@pytest.mark.parametrize("workers", [1, 2])
def test_skipped_images_are_counted_and_listed(workers: int, tmp_path: Path) -> None:
    source = tree(tmp_path / "in", BAD)
    out = tmp_path / "out"
    options: dict[str, Any] = {"out": out, "workers": workers, "train_shards": 3}
    report = fastconv.convert(fastconv.Options(source=source, on_error="skip", **options))
    assert (report.found, report.written, len(report.skipped)) == (8 + len(BAD), 8, len(BAD))
    assert report.exit_code == 1
    manifest = json.loads((out / "manifest.json").read_text())
    assert {Path(note["image"]).stem for note in manifest["skipped"]} == set(BAD)
    assert all(note["reason"] for note in manifest["skipped"])
    assert sum(shard["records"] for shard in manifest["shards"]) == 8
    per_label = [shard["images_per_label"] for shard in manifest["shards"]]
    assert sum(count for counts in per_label for count in counts.values()) == 8
    records = [
        fastconv.parse_example(payload)
        for path in sorted((out / "data_dir").iterdir())
        for payload in fastconv.read_records(path)
    ]
    assert {bytes(record["image/encoded"][0]) for record in records} == {GOOD}
    assert sorted(record["image/filename"][0] for record in records) == [
        f"{number}.jpg".encode() for number in range(8)
    ]


def test_trailing_bytes_are_kept(tmp_path: Path) -> None:
    tree(tmp_path / "in", {"tail": GOOD + b"\0" * 100, "twice": GOOD + GOOD[:100]})
    report = fastconv.convert(fastconv.Options(source=tmp_path / "in", out=tmp_path / "out"))
    assert report.written == 10 and not report.repaired


def test_images_without_a_label(mini: Path, tmp_path: Path) -> None:
    shutil.copy(mini / "ILSVRC2012_img_val.tar", tmp_path / "val.tar")
    names = (mini / "imagenet_2012_validation_synset_labels.txt").read_text().split()
    (tmp_path / "labels.txt").write_text("\n".join(names[:-3]) + "\n")
    options: dict[str, Any] = {
        "validation": tmp_path / "val.tar",
        "validation_labels": tmp_path / "labels.txt",
        "out": tmp_path / "out",
    }
    with pytest.raises(
        InputError, match=r"has no label \(of validation images without one there are 3\)"
    ):
        fastconv.convert(fastconv.Options(**options))
    assert not (tmp_path / "out").exists()
    report = fastconv.convert(fastconv.Options(on_error="skip", **options))
    assert (report.found, report.written, len(report.skipped), report.exit_code) == (20, 17, 3, 1)
    assert {note.reason for note in report.skipped} == {"has no label"}


def test_skips_do_not_move_other_records(tmp_path: Path) -> None:
    """A bad image leaves a gap in its shard, and every other shard as it was."""
    source = tree(tmp_path / "in", {"bad": GOOD})
    options: dict[str, Any] = {"source": source, "train_shards": 9, "on_error": "skip"}
    fastconv.convert(fastconv.Options(out=tmp_path / "whole", **options))
    (source / "dog" / "bad.jpg").write_bytes(GOOD[:-2])
    fastconv.convert(fastconv.Options(out=tmp_path / "gap", **options))
    whole, gap = digests(tmp_path / "whole"), digests(tmp_path / "gap")
    assert whole.keys() == gap.keys()
    assert len([name for name in whole if whole[name] != gap[name]]) == 2
