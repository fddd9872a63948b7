"""What is remembered of an archive: the same as what is found out, or not used at all."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layouts import tar_of_tars

from fastconv import cache
from fastconv.annotations import boxes
from fastconv.annotations.boxes import Boxes
from fastconv.catalog import Listing
from fastconv.sources import memory


@pytest.fixture(autouse=True)
def eager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of the test's own that remembers everything."""
    monkeypatch.setenv("FASTCONV_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "WORTH_SECONDS", 0.0)
    yield tmp_path / "cache"


@pytest.fixture
def archive(mini: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(mini / "ILSVRC2012_img_train.tar", tmp_path / "train.tar"))


class Counted:
    """Counts the calls of a function of a module."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, home: Any = memory) -> None:
        self.calls, self._function = 0, getattr(home, name)
        monkeypatch.setattr(home, name, self)

    def __call__(self, *words: Any) -> Any:
        self.calls += 1
        return self._function(*words)


def same(one: Listing, other: Listing) -> bool:
    return (
        one.containers == other.containers
        and one.strays == other.strays
        and list(one.names) == list(other.names)
        and all(
            np.array_equal(getattr(one, name), getattr(other, name))
            for name in ("container", "offset", "size")
        )
    )


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("prefix", ["", "a/" + "long" * 12 + "/" + "more" * 12 + "/", "ä/"])
def test_a_listing_is_remembered(
    mini: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: int, prefix: str
) -> None:
    archive = tmp_path / "train.tar"
    tar_of_tars(mini / "tree", archive, format, prefix, strays=True)
    found = Counted(monkeypatch, "list_archive")
    first, second = memory.listed(archive), memory.listed(archive)
    assert found.calls == 1
    assert same(first, second) and same(first, found._function(archive))


def test_boxes_are_remembered_for_one_class_list(
    mini: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Counted(monkeypatch, "read_boxes", boxes)
    path = mini / "ILSVRC2012_bbox_train_v2.tar.gz"
    known = frozenset(folder.name for folder in (mini / "tree" / "train").iterdir())
    first, second = memory.boxes_read(path, known, None), memory.boxes_read(path, known, None)
    assert read.calls == 1
    assert isinstance(first, Boxes) and len(first.coords) > 10
    assert np.array_equal(first.coords, second.coords)
    assert np.array_equal(first.starts, second.starts)
    assert list(first.stems) == list(second.stems) and list(first.folders) == list(second.folders)
    memory.boxes_read(path, frozenset(), None)
    assert read.calls == 2


def test_a_changed_archive_is_noticed(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Counted(monkeypatch, "list_archive")
    memory.listed(archive)
    os.utime(archive, ns=(0, archive.stat().st_mtime_ns + 1))
    memory.listed(archive)
    assert found.calls == 2


def test_an_archive_made_anew_behind_our_back_is_noticed(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same inode, size and time of change: only the headers tell."""
    found = Counted(monkeypatch, "list_archive")
    before = memory.listed(archive)
    status = archive.stat()
    data = bytearray(archive.read_bytes())
    first = int(before.offset.min()) - 512
    # Every inner member gets another name, with the right checksum: n01_1.JPEG to x01_1.JPEG.
    for offset in (before.offset - 512).tolist():
        header = data[offset : offset + 512]
        header[0] = ord("x")
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        data[offset : offset + 512] = header
    assert first >= 512
    archive.write_bytes(data)
    os.utime(archive, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert archive.stat().st_ino == status.st_ino
    assert memory.listed(archive).names[0].startswith(b"x")
    assert found.calls == 2


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no zip", None])
def test_a_damaged_cache_is_not_used(
    archive: Path, eager: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes | None
) -> None:
    found = Counted(monkeypatch, "list_archive")
    before = memory.listed(archive)
    (file,) = eager.glob("*.npz")
    file.write_bytes(file.read_bytes()[:-200] if damage is None else damage)
    assert same(before, memory.listed(archive))
    assert found.calls == 2


def test_a_cache_that_cannot_be_written_is_no_error(
    archive: Path, eager: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    eager.write_text("a file where the folder should be")
    assert len(memory.listed(archive)) == 60
    monkeypatch.setenv("FASTCONV_CACHE", "")
    assert cache.folder() is None
    assert len(memory.listed(archive)) == 60


def test_what_is_quick_is_not_remembered(
    archive: Path, eager: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "WORTH_SECONDS", 60.0)
    memory.listed(archive)
    assert not eager.exists()


def test_the_cache_does_not_grow_without_end(
    archive: Path, eager: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "FILES_KEPT", 3)
    for number in range(5):
        memory.listed(Path(shutil.copy(archive, tmp_path / f"{number}.tar")))
    assert len(list(eager.iterdir())) == 3


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FASTCONV_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder() == tmp_path / "fastconv"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.folder() == tmp_path / ".cache" / "fastconv"
