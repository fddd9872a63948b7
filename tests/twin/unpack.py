"""Class folders as Python's tarfile unpacks them: path below the output → (bytes, seconds)."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

Unpacked = dict[str, tuple[bytes, int]]


def members(tar: tarfile.TarFile) -> dict[str, tuple[bytes, int]]:
    """What each file of a tar holds, and when it was changed, by its base name."""
    found = {}
    for info in tar:
        if info.isreg():
            file = tar.extractfile(info)
            assert file is not None
            found[info.name.rpartition("/")[2]] = (file.read(), int(info.mtime // 1))
    return found


def train(archive: Path) -> Unpacked:
    """A tar of tars."""
    unpacked = {}
    with tarfile.open(archive) as outer:
        for name, (data, _) in members(outer).items():
            if name.endswith(".tar"):
                with tarfile.open(fileobj=io.BytesIO(data)) as inner:
                    for image, held in members(inner).items():
                        if image.endswith(".JPEG"):
                            unpacked[f"train/{name[:-4]}/{image}"] = held
    return unpacked


def validation(archive: Path, labels: Mapping[str, str]) -> Unpacked:
    """A flat tar, sorted into folders by the class of each name."""
    with tarfile.open(archive) as tar:
        found = members(tar)
    return {f"validation/{labels[name]}/{name}": held for name, held in found.items()}


def read(out: Path) -> Unpacked:
    """The class folders that are there."""
    return {
        str(path.relative_to(out)): (path.read_bytes(), path.stat().st_mtime_ns // 10**9)
        for split in ("train", "validation")
        for path in (out / split).rglob("*")
        if not path.is_dir()
    }
