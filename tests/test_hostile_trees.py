"""Folders that nobody means well with, and names that are no text."""

from __future__ import annotations

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
from conftest import WhenWriting
from hostile import Command, refused, stored
from layouts import JPEG, put

import fastconv
from fastconv.errors import InputError, one_line

__all__ = ["refused", "stored"]
ROOT = Path(__file__).resolve().parent.parent
ODD = "\udcff\n\x1b[31m\u202e"
SHOWN = r"\udcff\n\x1b[31m\u202e"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return put(tmp_path / "tree", "a/1.jpg", "b/1.jpg")


def link(place: Path, target: str) -> None:
    place.symlink_to(target)


def pipe(place: Path, _: str) -> None:
    os.mkfifo(place)


# Where something stands, what it is, and what is said of it.
BAD_PLACES: dict[str, tuple[str, Callable[[Path, str], None], str, str]] = {
    "a link to the source": ("a/up", link, "..", "is a link to a folder that it is in, so that"),
    "a link to what holds the source": ("a/up", link, "../..", "is a link to a folder that"),
    "a link to all": ("a/all", link, "/", "is a link to a folder that it is in"),
    "a class that is the source": ("c", link, ".", "is a link to a folder that it is in"),
    "a class that is nowhere": ("c", link, "gone", "cannot be read: No such file or directory"),
    "a class in a circle": ("c", link, "c", "cannot be read: Too many levels of symbolic links"),
    "a folder that is nowhere": ("a/below", link, "gone", "cannot be read: No such file"),
    "an image that is nowhere": ("a/2.jpg", link, "gone", "cannot be read: No such file"),
    "an image in a circle": ("a/2.jpg", link, "2.jpg", "cannot be read: Too many levels"),
    "an image that is a device": ("a/2.jpg", link, "/dev/zero", "is a link to no regular file"),
    "an archive that is nowhere": ("c.tar", link, "gone", "cannot be opened: No such file"),
    "an archive that is a pipe": ("c.tar", pipe, "", "cannot be opened: it is no regular file"),
    "an archive that is a device": ("c.tar", link, "/dev/zero", "it is no regular file"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_PLACES)
def test_bad_places(case: str, tree: Path, refused: Command) -> None:
    name, make, target, message = BAD_PLACES[case]
    make(tree / name, target)
    said = refused("--train", tree)
    assert said.startswith(f"{tree / name}: ") and message in said


def test_a_link_to_a_pipe(tree: Path, refused: Command) -> None:
    os.mkfifo(tree / "b" / "pipe")
    (tree / "a" / "2.jpg").symlink_to("../b/pipe")
    assert "a/2.jpg: is a link to no regular file; remove it" in refused(tree)


def as_pipe(tree: Path) -> None:
    os.mkfifo(tree / "a" / "2.jpg")


def as_folder(tree: Path) -> None:
    (tree / "a" / "2.jpg").mkdir()


def as_archive_folder(tree: Path) -> None:
    (tree / "c.tar").mkdir()


def with_link_to_itself(tree: Path) -> None:
    (tree / "a" / "self").symlink_to(".")


def with_links_in_a_circle(tree: Path) -> None:
    for name, other in (("x", "y"), ("y", "x")):
        (tree / "a" / name).mkdir()
        (tree / "a" / name / "on").symlink_to(f"../{other}")


def with_a_web_of_links(tree: Path) -> None:
    for n in range(40):
        (tree / "a" / f"d{n}").mkdir()
        for name in "xyz":
            (tree / "a" / f"d{n}" / name).symlink_to(f"../d{(n + 1) % 40}")


def with_depth(tree: Path) -> None:
    tree.joinpath("a", *["d"] * 400).mkdir(parents=True)


@pytest.mark.parametrize(
    "make",
    [
        as_pipe,
        as_folder,
        as_archive_folder,
        with_link_to_itself,
        with_links_in_a_circle,
        with_a_web_of_links,
        with_depth,
    ],
)
def test_tolerated(make: Callable[[Path], None], tree: Path, stored: Any) -> None:
    make(tree)
    assert stored(tree)["records"] == 2


def test_links_to_classes_and_images_are_followed(tmp_path: Path, tree: Path, stored: Any) -> None:
    (tree / "c").symlink_to(tree / "a")
    (tree / "b" / "2.jpg").symlink_to(tree / "a" / "1.jpg")
    assert stored(tree)["records"] == 4
    assert (tmp_path / "stored" / "labels.txt").read_text() == "a\nb\nc\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_folders_that_may_not_be_read(tree: Path, refused: Command) -> None:
    for mode in (0o000, 0o400):
        (tree / "a").chmod(mode)
        try:
            said = refused(tree)
        finally:
            (tree / "a").chmod(0o700)
        assert said.startswith(f"{tree}/a") and "Permission denied" in said


# ---- names that are no text -----------------------------------------------------------------


def test_one_line() -> None:
    assert one_line(ODD) == SHOWN == one_line(one_line(ODD))
    for plain in ("", "a b", "é…日本 \u3000", "c:\\n", "x" * 999):
        assert one_line(plain) == plain
    for sign in map(chr, [*range(32), *range(127, 160), 0x2028, 0x2029, 0xDC80]):
        assert one_line(f"a{sign}b").isprintable()
    assert str(InputError("a\nb")) == r"a\nb"


@pytest.mark.parametrize("workers", [1, 2])
def test_names_that_are_no_text(
    workers: int, tmp_path: Path, stored: Any, refused: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the source and of images; they are as they were in the manifest and in records."""
    source = put(tmp_path / f"source{ODD}", "a/1.jpg")
    bad = source / "a" / f"bad{ODD}.jpg"
    bad.write_bytes(b"no image")
    said = refused(source, workers=workers)
    assert said.startswith(f"{tmp_path}/source{SHOWN}/a/bad{SHOWN}.jpg: bad image")
    manifest = stored(source, "--on-error", "skip", code=1, workers=workers)
    assert manifest["skipped"][0]["image"] == str(bad)
    put(source, f"a/good{ODD}.jpg")
    bad.unlink()
    stored(source, workers=workers)
    shard = next((tmp_path / "stored" / "data_dir").iterdir())
    names = {
        fastconv.parse_example(data)["image/filename"][0] for data in fastconv.read_records(shard)
    }
    assert names == {b"1.jpg", os.fsencode(f"good{ODD}.jpg")}


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--json",), ("--dry-run", "--json")])
def test_what_is_printed_of_such_names(
    encoding: str, more: tuple[str, ...], tmp_path: Path
) -> None:
    """No line of it is broken by a name, nor does any sign of one reach a terminal."""
    source = put(tmp_path / f"source{ODD}", f"a{ODD[0]}/1.jpg", f"a{ODD[0]}/bad{ODD}.jpg")
    (source / f"a{ODD[0]}" / f"bad{ODD}.jpg").write_bytes(b"no image")
    out = tmp_path / f"out{ODD}"
    words = [sys.executable, "-m", "fastconv", "shards", str(source), "--out", str(out), *more]
    done = subprocess.run(
        [*words, "--on-error", "skip"],
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "FASTCONV_CACHE": "", "PYTHONIOENCODING": encoding},
    )
    assert done.returncode == (0 if "--dry-run" in more else 1), done.stderr
    for stream in (done.stdout, done.stderr):
        assert b"\x1b" not in stream and b"\xff" not in stream and b"Traceback" not in stream
    if "--json" in more:
        assert json.loads(done.stdout)["out"] == str(out)
    elif not more:
        assert f"/source{SHOWN}/a\\udcff/bad{SHOWN}.jpg".encode() in done.stdout
        manifest = json.loads((out / "manifest.json").read_text("ascii"))
        assert manifest["skipped"][0]["image"].startswith(str(source))
        assert (out / "labels.txt").read_bytes() == b"a\xff\n"


@pytest.mark.parametrize("sign", ["\n", "\r"])
def test_a_class_that_no_list_can_hold(sign: str, tmp_path: Path, refused: Command) -> None:
    source = put(tmp_path / "tree", f"a{sign}b/1.jpg", "c/1.jpg")
    assert re.search(r"name 'a\\[nr]b' has a line break", refused(source))


# ---- what changes meanwhile -------------------------------------------------------------------


def _replaced_by_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _replaced_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _class_replaced_by_a_file(path: Path) -> None:
    shutil.rmtree(path.parent)
    path.parent.write_bytes(JPEG)


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "vanishes": (Path.unlink, "cannot be opened: No such file or directory"),
    "shrinks": (lambda path: os.truncate(path, 9), "should have 827 bytes, but 9 are there"),
    "is emptied": (lambda path: os.truncate(path, 0), "bytes, but 0 are there"),
    "grows": (lambda path: os.truncate(path, 1 << 40), "but 1099511627776 are there"),
    "becomes a pipe": (_replaced_by_a_pipe, "cannot be read: it is no regular file any more"),
    "becomes a folder": (_replaced_by_a_folder, "cannot be read: it is no regular file any more"),
    "has a file for a class": (_class_replaced_by_a_file, "cannot be opened: Not a directory"),
}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("case", CHANGES)
def test_images_that_change_while_they_are_read(
    case: str, workers: int, tree: Path, tmp_path: Path
) -> None:
    """It ends the job, also where bad images are left out: what there was is not known."""
    change, message = CHANGES[case]
    path = tree / "b" / "1.jpg"
    message = message.replace("827", str(len(JPEG)))
    options = fastconv.Options(
        source=tree, out=tmp_path / "out", workers=workers, train_shards=30, on_error="skip"
    )
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        fastconv.convert(options, WhenWriting(lambda: change(path)))
    assert str(caught.value).startswith(f"{path}: ")
    assert not (tmp_path / "out" / "manifest.json").exists()
