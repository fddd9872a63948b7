"""What TensorFlow Datasets needs beside shards that are there already, so that it opens them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import crc32c

from fastconv import manifest as files
from fastconv import tfds
from fastconv.annotations.tables import imagenet_synsets
from fastconv.atomic import output_error, sync_folder, write_file
from fastconv.beside import beside, file_names, not_as_written, with_checksums
from fastconv.errors import InputError, OutputError, UsageError
from fastconv.foreign_shards import foreign_shards
from fastconv.layout import IMAGENET_NAME, Layout, named
from fastconv.options import PathLike, clean_path
from fastconv.past import Past, read_past
from fastconv.regular import content


@dataclass(frozen=True, slots=True)
class TfdsInfo:
    """What fastconv.write_tfds_info returns. ``folder``: where the shards are, and the ``files``
    that were written; ``splits``: the records of each shard, by split."""

    folder: Path
    name: str
    version: str
    files: tuple[str, ...]
    splits: dict[str, tuple[int, ...]]

    def as_dict(self) -> dict[str, Any]:
        """All of it as values that JSON knows."""
        return {
            "folder": str(self.folder),
            "name": self.name,
            "version": self.version,
            "files": list(self.files),
            "splits": {
                split: {"shards": len(records), "records": sum(records)}
                for split, records in self.splits.items()
            },
        }


def write_tfds_info(
    path: PathLike,
    *,
    name: str | None = None,
    dataset_version: str | None = None,
    labels: PathLike | None = None,
    label_offset: int | None = None,
    overwrite: bool = False,
) -> TfdsInfo:
    """Write dataset_info.json, features.json and the class names beside shards, so that
    ``tfds.builder_from_directory`` opens them in place.

    ``path``: an output of fastconv's, or a folder of anybody's shards in slim's schema, named
    ``<split>-00000-of-00008``. ``name`` and ``dataset_version`` are the dataset's; ImageNet's where
    its classes are. ``labels``, a file with a class a line in label order, and ``label_offset``,
    the first class's label, are for shards of others: without them, classes are ImageNet's, and the
    first record says where its labels begin. Files of these names that are there and hold something
    else stay, unless an output's manifest says that they are fastconv's, or ``overwrite`` is true.

    Raises InputError, OutputError and UsageError; the output's manifest names what was written.
    """
    root = files.root_of(clean_path(path, "PATH", absolute=False))
    files.refuse_class_folders(root)
    past = read_past(root)
    if past is None:
        return _of_others(root, name, dataset_version, labels, label_offset, overwrite)
    if labels is not None or label_offset is not None:
        raise UsageError(
            "--labels and --label-offset are for shards without a manifest; here it says them"
        )
    return _of_ours(root, past, name, dataset_version, overwrite)


def _described(
    places: Layout, name: str | None, version: str | None, classes: Sequence[str]
) -> Layout:
    if name is None and tuple(classes) != imagenet_synsets():
        raise UsageError("the classes are not ImageNet's: name the dataset with --name")
    name, version = named(name, version)
    if name == IMAGENET_NAME and tuple(classes) != imagenet_synsets():
        raise UsageError(f"the classes are not those of {IMAGENET_NAME}: give another --name")
    return replace(places, name=name, version=version)


# ---- an output of fastconv's --------------------------------------------------------------------


def _of_ours(
    root: Path, past: Past, name: str | None, version: str | None, overwrite: bool
) -> TfdsInfo:
    places = past.layout
    if past.facts.get("format") != files.FORMAT:
        raise InputError(f"{past.path}: is of another format than this fastconv reads")
    if not past.is_finished:
        raise InputError(
            f"{root}: its conversion is not finished; run the same fastconv shards again first"
        )
    if places.compressed:
        raise InputError(f"{root}: its shards are compressed, and TensorFlow Datasets reads none")
    classes = _labels(root, past)
    if places.kind == "tfds":
        asked = (name or places.name, version or places.version)
        if asked != (places.name, places.version):
            raise UsageError(
                f"{root}: is dataset {places.name} {places.version} by its files' names; another "
                f"name is another conversion"
            )
        described = places
    else:
        described = _described(places, name, version, classes)
    with files.locked(root):
        written = _write_ours(root, past, described, classes, overwrite)
    splits = {
        split["split"]: tuple(
            shard["records"] for shard in past.facts["shards"] if shard["split"] == split["split"]
        )
        for split in past.facts["splits"]
    }
    folder = root / places.data if places.data else root
    return TfdsInfo(folder, described.name, described.version, written, splits)


def _labels(root: Path, past: Past) -> list[str]:
    path = root / files.LABELS
    try:
        text = content(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if f"{crc32c.crc32c(text):08x}" != past.facts["labels_crc32c"]:
        raise InputError(
            f"{path}: is not the one that was written; mend it with fastconv verify --repair"
        )
    return text.decode("utf-8", "surrogateescape").split("\n")[:-1]


def _write_ours(
    root: Path, past: Past, described: Layout, classes: list[str], overwrite: bool
) -> tuple[str, ...]:
    before = past.facts
    told = {"name": described.name, "version": described.version}
    others = set(file_names(before))
    manifest = {**before, "metadata": told}
    names = file_names(manifest)
    kept = [path for path in before["files"] if path not in others and path != files.MANIFEST]
    manifest["files"] = [*kept, *names, files.MANIFEST]
    made = beside(manifest, classes)
    metadata = {path: data for path, data in made.items() if path != files.LABELS}
    if not overwrite:
        own = set(before["files"])
        _refuse_in_the_way(root, {path: data for path, data in metadata.items() if path not in own})
    partial = root / files.PARTIAL
    try:
        partial.mkdir(exist_ok=True)
        for path, data in metadata.items():
            write_file(root / path, data, partial / Path(path).name)
            sync_folder((root / path).parent)
        data = files.dump(with_checksums(manifest, made))
        write_file(root / files.MANIFEST, data, partial / files.MANIFEST)
        sync_folder(root)
        for path in others - set(names):
            (root / path).unlink(missing_ok=True)
    except OSError as error:
        raise output_error(error.filename or root, error) from None
    finally:
        with suppress(OSError):
            files.remove_partial(root)
    return tuple(metadata)


# ---- shards of others ---------------------------------------------------------------------------


def _of_others(
    folder: Path,
    name: str | None,
    version: str | None,
    labels: PathLike | None,
    label_offset: int | None,
    overwrite: bool,
) -> TfdsInfo:
    shards = foreign_shards(folder)
    classes = imagenet_synsets() if labels is None else _classes(Path(str(labels)).expanduser())
    if labels is None and name not in (None, IMAGENET_NAME):
        raise UsageError(
            f"{folder}: no manifest says what its classes are; name them, one a line in label "
            f"order, with --labels"
        )
    described = _described(Layout("slim"), name, version, classes)
    first = shards.first_label(classes) if label_offset is None else label_offset
    splits = [tfds.Split(split, records, size) for split, (records, size) in shards.splits.items()]
    made = tfds.metadata(described, shards.schema, shards.columns, classes, first, splits)
    if not overwrite:
        _refuse_in_the_way(folder, made)
    _write_others(folder, made)
    records = {split.name: tuple(split.records) for split in splits}
    return TfdsInfo(folder, described.name, described.version, tuple(made), records)


def _classes(path: Path) -> tuple[str, ...]:
    try:
        lines = content(path).decode("utf-8", "surrogateescape").splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if not lines or not all(line.strip() for line in lines):
        raise InputError(f"{path}: is no list of classes, one a line")
    return tuple(lines)


def _refuse_in_the_way(folder: Path, made: dict[str, bytes]) -> None:
    for name in not_as_written(folder, made):
        if files.is_there(folder / name):
            raise OutputError(
                f"{folder / name}: is in the way, and no manifest says that fastconv wrote it; "
                f"move it away, or replace it with --overwrite"
            )


def _write_others(folder: Path, made: dict[str, bytes]) -> None:
    partial = folder / files.PARTIAL
    try:
        partial.mkdir(exist_ok=True)
        for name, data in made.items():
            write_file(folder / name, data, partial / name)
        sync_folder(folder)
    except OSError as error:
        raise output_error(error.filename or folder, error) from None
    finally:
        with suppress(OSError):
            files.remove_partial(folder)
