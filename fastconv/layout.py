"""Where the parts of an output lie, and what its shards are called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from fastconv.errors import UsageError
from fastconv.remote.path import Place

Kind = Literal["slim", "tfds"]
DATA, INDEXES = "data_dir", "idx_dir"
IMAGENET_NAME, IMAGENET_VERSION = "imagenet2012", "5.1.0"
FIRST_VERSION = "1.0.0"
# What TensorFlow Datasets takes for a dataset's name and version.
NAME = re.compile(r"[a-z][a-z0-9_]*")
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


@dataclass(frozen=True, slots=True)
class Layout:
    """``kind`` "slim": shards ``train-00000-of-01024`` in data_dir, indexes of the same names in
    idx_dir. "tfds": as TensorFlow Datasets looks for them, in ``<name>/<version>``, beside their
    metadata; indexes in idx_dir there. ``compressed``: shards are GZIP files, which have no
    indexes. The name and version of a slim layout are those of its TFDS metadata, if it gets any.
    """

    kind: Kind = "slim"
    name: str = IMAGENET_NAME
    version: str = IMAGENET_VERSION
    compressed: bool = False

    @classmethod
    def asked(cls, kind: Kind, name: str | None, version: str | None, compression: str) -> Layout:
        """The layout that options ask for. Raises UsageError."""
        if kind not in ("slim", "tfds"):
            raise UsageError(f"--layout is slim or tfds, not {kind!r}")
        if compression not in ("none", "gzip"):
            raise UsageError(f"--compression is none or gzip, not {compression!r}")
        if kind == "slim" and (name is not None or version is not None):
            raise UsageError(
                "--name and --dataset-version name a dataset for --layout tfds; give that, too, or "
                "run fastconv tfds-info afterwards"
            )
        if kind == "tfds" and compression == "gzip":
            raise UsageError(
                "--layout tfds has no --compression gzip: TensorFlow Datasets reads no such shards"
            )
        name, version = named(name, version)
        return cls(kind, name, version, compression == "gzip")

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> Layout:
        """The layout of an output whose manifest says these facts; slim's where it says none.
        Raises UsageError, KeyError and TypeError for what is none."""
        said = facts.get("options", {}).get("layout")
        if said is None:
            return cls()
        named(said["name"], said["version"])
        asked = cls.asked(said["kind"], None, None, "gzip" if said["compressed"] else "none")
        return replace(asked, name=said["name"], version=said["version"])

    def as_facts(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "version": self.version,
            "compressed": self.compressed,
        }

    def root(self, out: Place) -> Place:
        """The folder that a manifest lies in, and that its paths are relative to."""
        return out / self.name / self.version if self.kind == "tfds" else out

    @property
    def data(self) -> str:
        """The folder of the shards below the root; empty where it is the root."""
        return "" if self.kind == "tfds" else DATA

    @property
    def indexes(self) -> str | None:
        """The folder of the indexes; None where there are none."""
        return None if self.compressed else INDEXES

    @property
    def folders(self) -> tuple[str, ...]:
        return tuple(folder for folder in (self.data, self.indexes) if folder)

    def shard_file(self, name: str) -> str:
        """A shard's path below the root."""
        return f"{self.data}/{name}" if self.data else name

    def files(self, name: str) -> list[str]:
        """A shard's own path, and that of its index."""
        return [self.shard_file(name), *([f"{INDEXES}/{name}"] if self.indexes else [])]

    def stem(self, split: str) -> str:
        """What the names of a split's shards begin with, before -00000-of-01024."""
        return f"{self.name}-{split}.tfrecord" if self.kind == "tfds" else split


def named(name: str | None, version: str | None) -> tuple[str, str]:
    """The name and version of a dataset, ImageNet's where no name is given. Raises UsageError for
    what TensorFlow Datasets could not read."""
    if name is None:
        name = IMAGENET_NAME
    if version is None:
        version = IMAGENET_VERSION if name == IMAGENET_NAME else FIRST_VERSION
    if not NAME.fullmatch(name):
        raise UsageError(
            f"--name is small letters, digits and _, beginning with a letter, not {name!r}"
        )
    if not VERSION.fullmatch(version):
        raise UsageError(f"--dataset-version is like 1.0.0, not {version!r}")
    return name, version


def refuse_among(path: Path, option: str, folders: Iterable[Path]) -> None:
    """UsageError where a file that an option names would lie in one of these folders, which are
    for shards or indexes alone. OSError where that cannot be found out."""
    if path.parent.resolve() in {folder.resolve() for folder in folders}:
        raise UsageError(
            f"{option} {path}: readers would take it for a shard or an index there; choose another "
            f"folder"
        )
