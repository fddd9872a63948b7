"""What a person may ask for, and the checks that need no look at the disk."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from fastconv.errors import UsageError
from fastconv.image_options import ImageOptions, check_whole
from fastconv.layout import IMAGENET_NAME, Layout
from fastconv.remote.path import Place, RemotePath, is_remote, remote_path
from fastconv.schema import TFDS, Schema
from fastconv.schema_given import SchemaLike, schema_of
from fastconv.tfds import labels_file_of

Split = Literal["train", "validation"]
NAME_BYTES_MAX = 255  # of a file, on nearly every file system
SPLITS: tuple[Split, ...] = ("train", "validation")
PathLike = str | Path | RemotePath
# What a source is made of, by the names of the options that say where each is.
PARTS = ("train", "validation", "boxes", "validation_labels", "synsets", "synset_text")


def clean_path(value: PathLike, option: str, absolute: bool = True) -> Path:
    """The path that a person means. Raises UsageError where it can be none."""
    if is_remote(value):
        raise UsageError(f"{option} is a folder or a file on disk, and not in an object store")
    if str(value) == "":
        raise UsageError(f"{option} is empty; give a path")
    try:
        path = Path(str(value)).expanduser()
        return path.absolute() if absolute else path
    except RuntimeError:
        raise UsageError(f"{option} {value}: there is no such user; give the whole path") from None
    except FileNotFoundError:
        raise UsageError(
            f"{option} {value}: the current folder is gone; change to another, or give a whole path"
        ) from None


def clean_source(value: PathLike, option: str) -> Place:
    """The same of what is only read, which may be in an object store."""
    if is_remote(value):
        return remote_path(value if isinstance(value, RemotePath) else str(value), option)
    return clean_path(value, option)


def clean_out(value: PathLike) -> Place:
    """Where an output is to be: a folder, or a prefix in an object store. Raises UsageError."""
    if not is_remote(value):
        return clean_path(value, "--out", absolute=False)
    place = remote_path(value if isinstance(value, RemotePath) else str(value), "--out")
    if place.is_read_only:
        raise UsageError(f"--out is a folder, or an s3://, gs:// or az:// URL, not {place}")
    return place


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """Where a dataset is. Paths given here override what detection finds below ``source``; each may
    be a URL of an object store.

    ``train``, ``validation``: an archive or a folder. ``boxes``: the tar.gz, a folder of XML, or
    slim's CSV. ``validation_labels``: slim's text file, Kaggle's CSV or the devkit's tar.gz.
    ``synsets``: the class list, one a line, in label order. ``synset_text``: a text for each.
    ``split``: "train", "validation" or "all". ``use_cut_archives``: of archives of images that end
    too early, what is whole is used.
    """

    source: PathLike | None = None
    train: PathLike | None = None
    validation: PathLike | None = None
    boxes: PathLike | None = None
    validation_labels: PathLike | None = None
    synsets: PathLike | None = None
    synset_text: PathLike | None = None
    split: Literal["train", "validation", "all"] = "all"
    use_cut_archives: bool = False

    def __post_init__(self) -> None:
        if self.source is None and self.train is None and self.validation is None:
            raise UsageError("name a SOURCE folder, or an archive or folder with --train")
        if self.split not in ("train", "validation", "all"):
            raise UsageError(f"--split is train, validation or all, not {self.split!r}")

    @property
    def splits(self) -> tuple[Split, ...]:
        return SPLITS if self.split == "all" else (self.split,)


@dataclass(frozen=True, kw_only=True)
class Options(SourceOptions, ImageOptions):
    """A whole conversion, for fastconv.convert.

    Shard counts of None are chosen from the data (docs/formats.md, "Shards"); ``workers`` of None
    is every core that the process may use. Where ``out`` holds what the same job left when it was
    ended, ``resume`` goes on from there; ``overwrite`` replaces whatever fastconv wrote.
    ``layout``: "slim", or "tfds" for TensorFlow Datasets, as dataset ``name`` of
    ``dataset_version`` (ImageNet's where they are None). ``schema``: which features records have
    (docs/schemas.md); None is the layout's own. ``label_offset`` of None is the schema's: 1, and 0
    of TFDS's. ``compression``: "none", or "gzip", which has no indexes. ``check_archives``: compare
    the archives' MD5 sums with the known ones first. ``space_check``: end before anything is
    written where the output does not fit. What is done to images, ImageOptions says. Raises
    UsageError for values that cannot be met.
    """

    out: PathLike
    train_shards: int | None = None
    validation_shards: int | None = None
    seed: int = 12345
    slim_threads: int = 8
    label_offset: int | None = None
    layout: Literal["slim", "tfds"] = "slim"
    name: str | None = None
    dataset_version: str | None = None
    schema: SchemaLike | None = None
    compression: Literal["none", "gzip"] = "none"
    on_error: Literal["stop", "skip"] = "stop"
    workers: int | None = None
    overwrite: bool = False
    resume: bool = True
    check_archives: bool = False
    space_check: bool = True
    places: Layout = field(init=False, compare=False, repr=False)
    record_schema: Schema = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        SourceOptions.__post_init__(self)
        ImageOptions.__post_init__(self)
        clean_out(self.out)
        for name in ("train_shards", "validation_shards", "workers", "slim_threads"):
            value = getattr(self, name)
            if value is not None or name == "slim_threads":
                check_whole(name, value, 1, 99_999)
        if self.label_offset is not None:
            check_whole("label_offset", self.label_offset, 0)
            if self.label_offset > 1:
                raise UsageError(f"--label-offset is 1 or 0, not {self.label_offset}")
        check_whole("seed", self.seed, 0)
        _check_on_error(self.on_error)
        places = Layout.asked(self.layout, self.name, self.dataset_version, self.compression)
        # What was asked for is settled once: a schema's file is not read again.
        object.__setattr__(self, "places", places)
        object.__setattr__(self, "record_schema", self._settled())
        self._refuse_what_imagenet2012_is_not()

    def _settled(self) -> Schema:
        schema = schema_of(self.schema, self.layout)
        if self.layout == "tfds":
            labels = labels_file_of(schema)
            if len(labels.encode()) > NAME_BYTES_MAX:
                raise UsageError(
                    f"--schema: no file can have the name that the label's would have for "
                    f"TensorFlow Datasets, {labels[:40]}…; give its feature a shorter one"
                )
        if schema.table is not None:
            file = clean_source(schema.table.file, "the table of --schema")
            schema = replace(schema, table=replace(schema.table, file=str(file)))
        return schema

    def _refuse_what_imagenet2012_is_not(self) -> None:
        """tfds.load takes features and labels of this dataset from its own code, not our files."""
        if self.layout != "tfds" or self.places.name != IMAGENET_NAME:
            return
        has_all = TFDS.features.items() <= self.record_schema.features.items()
        if not has_all or self.first_label != TFDS.first_label:
            raise UsageError(
                f"under the name {IMAGENET_NAME} TensorFlow Datasets expects the features "
                f"{', '.join(TFDS.features.values())}, and labels from {TFDS.first_label} on: "
                f"what differs from that needs another --name"
            )

    def as_facts(self) -> dict[str, Any]:
        """What a manifest says of them: all that can change what is written."""
        return {
            "split": self.split,
            "train_shards": self.train_shards,
            "validation_shards": self.validation_shards,
            "seed": self.seed,
            "slim_threads": self.slim_threads,
            "label_offset": self.first_label,
            "layout": self.places.as_facts(),
            "schema": self.record_schema.as_facts(),
            "on_error": self.on_error,
            "use_cut_archives": self.use_cut_archives,
            "images": self.recipe.as_options(),
        }

    @property
    def out_place(self) -> Place:
        """``out`` itself."""
        return clean_out(self.out)

    @property
    def out_path(self) -> Place:
        """The place that the manifest is in: with --layout tfds one in ``out``."""
        return self.places.root(self.out_place)

    @property
    def first_label(self) -> int:
        """The first class's label."""
        schema = self.record_schema
        return schema.first_label if self.label_offset is None else self.label_offset

    def shards_asked(self, split: Split) -> int | None:
        return self.train_shards if split == "train" else self.validation_shards


@dataclass(frozen=True, kw_only=True)
class FolderOptions(SourceOptions):
    """Class folders of a dataset, for fastconv.write_folders.

    ``links``: make symbolic links onto the images of a source that is folders, in place of files.
    ``workers`` of None is every core that the process may use. Where ``out`` holds what the same
    job left when it was ended, ``resume`` goes on from there. ``on_error``, ``check_archives`` and
    ``space_check`` are as in Options. Raises UsageError for values that cannot be met.
    """

    out: PathLike
    links: bool = False
    on_error: Literal["stop", "skip"] = "stop"
    workers: int | None = None
    resume: bool = True
    check_archives: bool = False
    space_check: bool = True

    def __post_init__(self) -> None:
        SourceOptions.__post_init__(self)
        clean_path(self.out, "--out", absolute=False)
        if self.workers is not None:
            check_whole("workers", self.workers, 1, 99_999)
        if self.links and (self.use_cut_archives or self.check_archives):
            raise UsageError("--links is for images in folders, and these options for archives")
        _check_on_error(self.on_error)

    def as_facts(self) -> dict[str, Any]:
        """What a manifest says of them: all that can change what is written."""
        return {
            "split": self.split,
            "links": self.links,
            "on_error": self.on_error,
            "use_cut_archives": self.use_cut_archives,
        }

    @property
    def out_path(self) -> Path:
        return clean_path(self.out, "--out", absolute=False)


def _check_on_error(value: str) -> None:
    if value not in ("stop", "skip"):
        raise UsageError(f"--on-error is stop or skip, not {value!r}")
