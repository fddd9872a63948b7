"""Going on with a job that was ended: what is kept, what is not, and what is refused."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import digests
from layouts import put

import fastconv
from fastconv import manifest, writing
from fastconv.errors import BadImageError, OutputError
from fastconv.progress import Progress

ROOT = Path(__file__).resolve().parent.parent
SHARDS = 8
FIRST = "train-00000-of-00008"


def options(source: Path, out: Path, **more: Any) -> fastconv.Options:
    return fastconv.Options(source=source, out=out, **{"train_shards": SHARDS, **more})


def everything(out: Path) -> dict[str, bytes]:
    """All files but runs.json, which is another after each run."""
    files = (p for p in out.rglob("*") if p.is_file() and p.name != "runs.json")
    return {str(p.relative_to(out)): p.read_bytes() for p in files}


class Ended(Exception):
    pass


def ended_after(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Conversions end as one that is killed does when so many shards are done: with nothing tidied
    up."""
    write = writing.write_shards

    def some(*arguments: Any) -> Any:
        for done, result in enumerate(write(*arguments)):
            if done == count:
                raise Ended
            yield result

    monkeypatch.setattr("fastconv.writing.write_shards", some)
    monkeypatch.setattr(manifest, "remove_partial", lambda _out: None)


@pytest.fixture(scope="module")
def undisturbed(mini: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    fastconv.convert(options(mini, out))
    return everything(out)


def test_what_a_kill_at_the_very_end_leaves_goes(
    mini: Path, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    fastconv.convert(options(mini, tmp_path / "out"))
    (tmp_path / "out" / ".fastconv-partial").mkdir()
    assert fastconv.convert(options(mini, tmp_path / "out")).kept_shards > SHARDS
    assert not (tmp_path / "out" / ".fastconv-partial").exists()
    assert everything(tmp_path / "out") == undisturbed


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("done", [0, 1, 5, SHARDS])
def test_a_job_goes_on(
    mini: Path, tmp_path: Path, undisturbed: dict[str, bytes], done: int, workers: int
) -> None:
    out = tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Ended):
        ended_after(done, patch)
        fastconv.convert(options(mini, out, workers=workers))
    assert not (out / "manifest.json").exists()
    kept = {path.name: path.stat().st_mtime_ns for path in (out / "data_dir").iterdir()}
    said = (out / "manifest.journal").read_text()
    report = fastconv.convert(options(mini, out, workers=3 - workers))
    assert report.kept_shards == done and report.rewritten == ()
    assert report.written == 80
    assert everything(out) == undisturbed
    for name, time in kept.items():
        if name in said.partition("\n")[2]:
            assert (out / "data_dir" / name).stat().st_mtime_ns == time


def test_a_finished_job_does_nothing(
    mini: Path, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    out = tmp_path / "out"
    first = fastconv.convert(options(mini, out))
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    phases: list[str] = []
    again = fastconv.convert(
        options(mini, out), lambda progress: phases.append(progress.phase.split()[0])
    )
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    assert again.kept_shards == SHARDS + 1 and again.splits == first.splits
    assert "writing" not in phases
    (out / "labels.txt").write_text("damaged")
    fastconv.convert(options(mini, out))
    assert everything(out) == undisturbed


def gone(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def a_link(path: Path) -> None:
    other = path.parent.parent / "elsewhere"
    path.rename(other)
    path.symlink_to(other)


def other_bytes(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"1", b"2", 1))


@pytest.mark.parametrize(
    ("folder", "damage", "reason"),
    [
        ("data_dir", gone, "is not there"),
        ("data_dir", cut, "has [0-9,]+ bytes, not [0-9,]+"),
        ("data_dir", longer, "has [0-9,]+ bytes, not [0-9,]+"),
        ("data_dir", a_link, "is no file"),
        ("idx_dir", gone, "has no index"),
        ("idx_dir", cut, "has another index than the one that was written"),
        ("idx_dir", other_bytes, "has another index than the one that was written"),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_what_is_not_whole_is_written_anew(
    mini: Path,
    tmp_path: Path,
    undisturbed: dict[str, bytes],
    folder: str,
    damage: Callable[[Path], None],
    reason: str,
    finished: bool,
) -> None:
    out = tmp_path / "out"
    if finished:
        fastconv.convert(options(mini, out))
    else:
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Ended):
            ended_after(SHARDS, patch)
            fastconv.convert(options(mini, out, workers=1))
    damage(out / folder / FIRST)
    report = fastconv.convert(options(mini, out))
    ((name, why),) = report.rewritten
    assert name == FIRST
    assert re.fullmatch(reason, why)
    (tmp_path / "out" / "elsewhere").unlink(missing_ok=True)
    assert everything(out) == undisturbed


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9, 0.99])
def test_a_journal_that_was_cut_off(
    mini: Path, tmp_path: Path, undisturbed: dict[str, bytes], keep: float
) -> None:
    """A line that was half written when the power went counts for nothing, as does what a file
    system may leave behind it."""
    out = tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Ended):
        ended_after(5, patch)
        fastconv.convert(options(mini, out))
    journal = out / "manifest.journal"
    first, _, rest = journal.read_bytes().partition(b"\n")
    journal.write_bytes(first + b"\n" + rest[: int(len(rest) * keep)] + b"\0" * 50)
    report = fastconv.convert(options(mini, out))
    assert report.kept_shards == rest[: int(len(rest) * keep)].count(b"\n")
    assert everything(out) == undisturbed


def test_an_image_with_notes_is_told_of_again(tmp_path: Path, mini: Path) -> None:
    """Repaired and skipped images of shards that were kept are in report and manifest."""
    shutil.copytree(mini / "tree" / "train", tmp_path / "in")
    (tmp_path / "in" / "n01440764" / "bad.jpg").write_bytes(b"")
    both = {"train_shards": 3, "on_error": "skip"}
    whole = fastconv.convert(options(tmp_path / "in", tmp_path / "whole", **both))
    out = tmp_path / "out"
    fastconv.convert(options(tmp_path / "in", out, **both))
    for name in ("train-00000-of-00003", "train-00002-of-00003"):
        (out / "data_dir" / name).unlink()
        report = fastconv.convert(options(tmp_path / "in", out, **both))
        assert (report.skipped, report.repaired) == (whole.skipped, whole.repaired)
        assert report.exit_code == 1
    assert everything(out) == everything(tmp_path / "whole")
    with pytest.raises(BadImageError, match=r"bad\.jpg"):
        fastconv.convert(options(tmp_path / "in", out, train_shards=3))
    (tmp_path / "in" / "n01440764" / "bad.jpg").unlink()
    with pytest.raises(OutputError, match="train: images were 61, are 60"):
        fastconv.convert(options(tmp_path / "in", out, train_shards=3))


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        ({"seed": 1}, "--seed was 12345, is 1"),
        ({"label_offset": 0}, "--label-offset was 1, is 0"),
        ({"resize": 64}, "--resize was not given, is 64; --exif was keep, is apply"),
        ({"check": "decode"}, "--check was headers, is decode"),
        ({"train_shards": 16}, "train: shards were 8, are 16"),
        ({"slim_threads": 4}, "train: slim threads were 8, are 4"),
        ({"split": "train"}, "its splits were train and validation, are train"),
    ],
)
def test_another_job_is_refused(
    mini: Path, tmp_path: Path, other: dict[str, Any], difference: str
) -> None:
    out = tmp_path / "out"
    fastconv.convert(options(mini, out))
    before = everything(out)
    with pytest.raises(OutputError) as caught:
        fastconv.convert(options(mini, out, **other))
    assert f"{out}: holds what another job wrote: {difference}. Go on" in str(caught.value)
    assert everything(out) == before
    fastconv.convert(options(mini, out, **other, overwrite=True))
    assert not any((out / "data_dir").glob("train-*-of-00008")) or "train_shards" not in other


def test_another_source_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "in", "a/1.jpg", "b/2.jpg")
    fastconv.convert(options(tmp_path / "in", tmp_path / "out", train_shards=2))
    (tmp_path / "in" / "a" / "1.jpg").rename(tmp_path / "in" / "a" / "3.jpg")
    with pytest.raises(OutputError, match=r"the source's images are not the same .*fingerprint"):
        fastconv.convert(options(tmp_path / "in", tmp_path / "out", train_shards=2))


def test_the_same_source_elsewhere(
    mini: Path, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    """Archives and the tree unpacked from them are the same source."""
    out = tmp_path / "out"
    fastconv.convert(options(mini, out, boxes=mini / "ILSVRC2012_bbox_train_v2.tar.gz"))
    (out / "data_dir" / FIRST).unlink()
    parts: dict[str, Any] = {
        "train": mini / "tree" / "train",
        "validation": mini / "ILSVRC2012_img_val.tar",
        "boxes": mini / "ILSVRC2012_bbox_train_v2.tar.gz",
        "validation_labels": mini / "imagenet_2012_validation_synset_labels.txt",
    }
    report = fastconv.convert(fastconv.Options(**parts, out=out, train_shards=SHARDS))
    assert report.kept_shards == SHARDS
    assert digests(out) == {
        name: hashlib.sha256(data).hexdigest() for name, data in undisturbed.items() if "/" in name
    }


def test_the_same_plan_in_other_words(mini: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    fastconv.convert(fastconv.Options(source=mini, out=out))
    report = fastconv.convert(
        fastconv.Options(source=mini, out=out, train_shards=1, validation_shards=1, split="all")
    )
    assert report.kept_shards == 2


@pytest.mark.parametrize("name", ["manifest.json", "manifest.journal"])
def test_a_manifest_that_is_damaged(mini: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    fastconv.convert(options(mini, out))
    text = (out / "manifest.json").read_text()
    if name == "manifest.json":
        keys = (
            "classes",
            "labels_crc32c",
            "plan",
            "crc32c",
            "label_offset",
            "boxes_lost",
        )
        lacking = [text.replace(f'"{key}"', '"x"', 1) for key in keys]
        worse = [text[:-20], text.replace('"skipped": []', '"skipped": [5]')]
        for damaged in [*worse, *lacking]:
            (out / name).write_text(damaged)
            with pytest.raises(OutputError, match=rf"{name}: (cannot be understood|is damaged)"):
                fastconv.convert(options(mini, out))
        (out / name).write_text(text.replace('"format": 2', '"format": 1'))
        with pytest.raises(OutputError, match="format was 1, is 2"):
            fastconv.convert(options(mini, out))
    else:
        (out / name).write_text(json.dumps({"tool": "fastconv 0", "files": []}) + "\n")
        with pytest.raises(OutputError, match="was being removed, to be replaced; run again, with"):
            fastconv.convert(options(mini, out))
        fastconv.convert(options(mini, out, overwrite=True))


def test_what_is_said(mini: Path, tmp_path: Path) -> None:
    def run(*words: object) -> str:
        command = [sys.executable, "-m", "fastconv", "shards", mini, "--out", tmp_path / "out"]
        done = subprocess.run(
            [*map(str, command), *map(str, words)], capture_output=True, text=True, cwd=ROOT
        )
        assert done.returncode == 0, done.stderr
        return done.stderr + done.stdout

    assert "resumed" not in run("--train-shards", 8)
    assert "all 9 shards were there" in run("--train-shards", 8)
    (tmp_path / "out" / "data_dir" / FIRST).unlink()
    text = run("--train-shards", 8)
    assert "writing 1 of 9 shards …" in text
    assert "resumed: 8 of 9 shards kept" in text and f"rewritten: {FIRST} is not there" in text
    (tmp_path / "out" / "data_dir" / FIRST).unlink()
    summary = json.loads(run("--train-shards", 8, "--json", "--quiet"))
    assert summary["kept_shards"] == 8 and summary["rewritten"] == [[FIRST, "is not there"]]


def test_progress_is_of_what_is_left(mini: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    fastconv.convert(options(mini, out))
    (out / "data_dir" / FIRST).unlink()
    seen: list[Progress] = []
    fastconv.convert(options(mini, out), seen.append)
    (writing,) = {(p.total_images, p.total_shards) for p in seen if p.total_images}
    assert writing == (7, 1)
