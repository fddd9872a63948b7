"""What is found in folders and among names, against the slow and plain way of finding it."""

from __future__ import annotations

import errno
import os
import socket
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastconv import _members
from fastconv.errors import InputError
from fastconv.names import Names
from fastconv.sources.archives import _ending_in_tar, list_archives
from fastconv.sources.folders import list_folder


def listed(
    folder: Path,
) -> tuple[dict[bytes, int], list[bytes], list[bytes], int]:
    """(images with their sizes, folders, archives, others), as _members.entries has them."""
    blob, ends, sizes, folders, archives, others, odd = _members.entries(os.fsencode(folder))
    assert odd is None
    stops = np.frombuffer(ends, np.int64).tolist()
    names = [blob[a:b] for a, b in zip([0, *stops], stops, strict=False)]
    images = dict(zip(names, np.frombuffer(sizes, np.int64).tolist(), strict=True))
    assert len(images) == len(names)
    return images, sorted(folders), sorted(archives), others


def plainly(folder: Path) -> tuple[dict[bytes, int], list[bytes], list[bytes], int]:
    images, folders, archives, others = {}, [], [], 0
    for entry in os.scandir(os.fsencode(folder)):
        if entry.name.startswith(b"."):
            continue
        if entry.is_dir():
            folders.append(entry.name)
        elif _members.is_image_name(entry.name) and entry.is_file():
            images[entry.name] = entry.stat().st_size
        elif entry.name.lower().endswith(b".tar"):
            archives.append(entry.name)
        else:
            others += 1
    return images, sorted(folders), sorted(archives), others


NAMES = ["a.jpg", "b.JPEG", "c.PnG", "d.txt", "e", "f.tar", "g.TAR", "tar", ".tar", "h.jpg.tar"]
NAMES += [".hidden.jpg", "é.jpg", "long" * 60 + ".jpg", "i.jpe", "jpg", "k.jpgx", "l.tar.gz"]


def test_every_kind_of_entry_under_every_name(tmp_path: Path) -> None:
    away, here = tmp_path / "away", tmp_path / "here"
    away.mkdir()
    here.mkdir()
    (away / "file").write_bytes(b"12345")
    (away / "folder").mkdir()
    (away / "link").symlink_to(away / "file")
    for number, name in enumerate(NAMES):
        (here / f"0{name}" if name[0] != "." else here / name).write_bytes(bytes(number))
        if len(name) < 200:
            (here / f"1{name}").mkdir()
            (here / f"2{name}").symlink_to(away / "file")
            (here / f"3{name}").symlink_to(away / "folder")
            (here / f"4{name}").symlink_to(away / "link")
            os.mkfifo(here / f"5{name}")
    with socket.socket(socket.AF_UNIX) as own:
        own.bind(os.path.relpath(here / "6.jpg"))
        found = listed(here)
    assert found == plainly(here)
    assert len(found[0]) == 6 + 2 * 6  # links, those that are hidden no more among them
    assert found[0][b"4a.jpg"] == 5


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 1000])
def test_folders_of_many(count: int, tmp_path: Path) -> None:
    for number in range(count):
        (tmp_path / f"{number}.jpg").write_bytes(bytes(number % 7))
        (tmp_path / f"{number}").mkdir()
    assert listed(tmp_path) == plainly(tmp_path)


@pytest.mark.parametrize(
    ("name", "target", "number"),
    [
        ("a.jpg", "nowhere", errno.ENOENT),
        ("class", "nowhere", errno.ENOENT),
        ("a.jpg", "a.jpg", errno.ELOOP),
        ("class", "class", errno.ELOOP),
        ("a.jpg", "file/below", errno.ENOTDIR),
        ("x.tar", "x.tar", errno.ELOOP),
    ],
)
def test_links_that_lead_nowhere(name: str, target: str, number: int, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / name).symlink_to(target)
    with pytest.raises(OSError, match=name) as caught:
        _members.entries(os.fsencode(tmp_path))
    assert (caught.value.errno, caught.value.filename) == (number, os.fsencode(tmp_path / name))
    with pytest.raises(InputError, match=f"{name}: cannot be read: {os.strerror(number)}"):
        list_folder(tmp_path)


def test_a_link_to_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a.jpg").symlink_to("pipe")
    assert _members.entries(os.fsencode(tmp_path))[6] == b"a.jpg"
    with pytest.raises(InputError, match="a link to no regular file"):
        list_folder(tmp_path)


@pytest.mark.parametrize(("make", "number"), [(False, errno.ENOENT), (True, errno.ENOTDIR)])
def test_what_is_no_folder(make: bool, number: int, tmp_path: Path) -> None:
    path = tmp_path / "there"
    if make:
        path.write_bytes(b"")
    with pytest.raises(OSError, match="there") as caught:
        _members.entries(os.fsencode(path))
    assert (caught.value.errno, caught.value.filename) == (number, os.fsencode(path))


@settings(deadline=None)
@given(st.lists(st.text("tarTAR./x", max_size=7).map(str.encode), max_size=20))
def test_names_that_end_in_tar(names: list[bytes]) -> None:
    expected = [row for row, name in enumerate(names) if name.lower().endswith(b".tar")]
    assert _ending_in_tar(Names.of(names)).tolist() == expected


@pytest.mark.parametrize("threads", [1, 3, 20])
def test_archives_keep_their_order_and_the_first_that_is_bad_is_named(
    threads: int, tmp_path: Path
) -> None:
    paths = []
    for number in range(12):
        paths.append(tmp_path / f"{number:02}.tar")
        with tarfile.open(paths[-1], "w") as tar:
            for image in range(number):
                tar.addfile(tarfile.TarInfo(f"{number}_{image}.jpg"))
    found = list(list_archives(paths, threads=threads))
    assert [len(listing) for listing in found] == list(range(12))
    assert [listing.names[0] for listing in found[1:]] == [b"%d_0.jpg" % k for k in range(1, 12)]
    for number in (4, 9):
        paths[number].write_bytes(b"no archive" * 100)
    with pytest.raises(InputError, match=r"04\.tar"):
        list(list_archives(paths, threads=threads))
    assert list(list_archives([])) == []


def test_class_folders_keep_their_order_and_the_first_that_is_bad_is_named(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"{number:02}").mkdir()
        (tmp_path / f"{number:02}" / "a.jpg").write_bytes(bytes(number))
    listing = list_folder(tmp_path)
    assert [place.group for place in listing.containers] == [f"{k:02}" for k in range(40)]
    assert listing.size.tolist() == list(range(40))
    for number in (7, 30):
        (tmp_path / f"{number:02}" / "b.jpg").symlink_to("nowhere")
    with pytest.raises(InputError, match=r"07/b\.jpg"):
        list_folder(tmp_path)
