"""What a folder holds: which of it is the train split, the boxes, the labels."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from fastconv.errors import InputError
from fastconv.options import PARTS, SourceOptions, Split, clean_path
from fastconv.sources.folders import looks_like_classes

TRAIN_TAR = re.compile(r"(?!.*(bbox|box)).*train.*\.tar$", re.I)
VALIDATION_TAR = re.compile(r"(?!.*(bbox|box)).*val.*\.tar$", re.I)
BOXES_TAR = re.compile(r".*bbox.*train.*\.(tar\.gz|tgz|tar)$", re.I)
# Names that the tools of the field give to these files.
BOX_NAMES = ("imagenet_2012_bounding_boxes.csv", "bounding_boxes", "boxes.csv")
LABEL_NAMES = ("imagenet_2012_validation_synset_labels.txt", "LOC_val_solution.csv")
SYNSET_NAMES = ("imagenet_lsvrc_2015_synsets.txt", "LOC_synset_mapping.txt")
TEXT_NAMES = ("imagenet_metadata.txt", "LOC_synset_mapping.txt")
# What `fastconv raw` leaves beside its manifest. Elsewhere, files of this name are anything.
OWN_SYNSETS, OWN_MANIFEST = "labels.txt", "manifest.json"


@dataclass(frozen=True, slots=True)
class Found:
    """The parts of a dataset, each with its path, or None where there is none.

    ``kind`` says for people what the source looks like.
    """

    kind: str
    train: Path | None = None
    validation: Path | None = None
    boxes: Path | None = None
    validation_labels: Path | None = None
    synsets: Path | None = None
    synset_text: Path | None = None

    def images_of(self, split: Split) -> Path | None:
        return self.train if split == "train" else self.validation


def detect(options: SourceOptions) -> Found:
    """Find the parts of a dataset; explicit paths override what is found.

    Raises InputError where a path does not exist or nothing that looks like a dataset is there.
    """
    given = {
        name: clean_path(value, f"--{name.replace('_', '-')}")
        for name in PARTS
        if (value := getattr(options, name)) is not None
    }
    for name, path in given.items():
        _must_exist(path, f" (--{name.replace('_', '-')})")
    found = Found("paths given one by one")
    if options.source is not None:
        source = clean_path(options.source, "SOURCE")
        _must_exist(source)
        found = _look(source, expect_more="train" not in given and "validation" not in given)
    found = replace(found, **given)  # type: ignore[arg-type]  # the names are of its paths
    if options.split != "all" and found.images_of(options.split) is None:
        raise InputError(
            f"{options.source or 'the paths given'}: no {options.split} images found; name them "
            f"with --{options.split}"
        )
    return found


def _must_exist(path: Path, what: str = "") -> None:
    try:
        path.stat()
    except FileNotFoundError:
        raise InputError(f"{path}: does not exist{what}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}{what}") from None


def _look(source: Path, expect_more: bool) -> Found:
    if not source.is_dir():
        raise InputError(
            f"{source}: SOURCE is a folder; name a single archive with --train or --validation"
        )
    kaggle = _kaggle(source)
    if kaggle:
        return kaggle
    try:
        files = sorted(entry for entry in source.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise InputError(f"{source}: cannot be read: {error.strerror}") from None
    train = _only([f for f in files if f.is_file() and TRAIN_TAR.match(f.name)], "--train")
    validation = _only(
        [f for f in files if f.is_file() and VALIDATION_TAR.match(f.name)], "--validation"
    )
    kinds = ["archives"] if train or validation else []
    folders = {f.name: f for f in files if f.is_dir()}
    if train is None and "train" in folders:
        train = folders["train"]
        kinds.append("class tree")
    if validation is None:
        validation = folders.get("validation") or folders.get("val")
        if validation is not None and "class tree" not in kinds:
            kinds.append("class tree")
    if train is None and validation is None and looks_like_classes(source):
        train = source
        kinds.append("class folders")
    if train is None and validation is None and expect_more:
        raise InputError(
            f"{source}: holds no dataset that fastconv knows: no *train*.tar or *val*.tar, no "
            f"train/, validation/ or val/, no ILSVRC/Data/CLS-LOC, no folders with images in them. "
            f"Name the parts with --train and --validation"
        )
    boxes = _named(source, BOX_NAMES) or _only(
        [f for f in files if f.is_file() and BOXES_TAR.match(f.name)], "--boxes"
    )
    return Found(
        " and ".join(kinds) or "labels only",
        train,
        validation,
        boxes,
        _named(source, LABEL_NAMES),
        _named(source, SYNSET_NAMES) or _own_synsets(source),
        _named(source, TEXT_NAMES),
    )


def _own_synsets(source: Path) -> Path | None:
    beside = (source / OWN_MANIFEST).exists()
    return _named(source, (OWN_SYNSETS,)) if beside else None


def _kaggle(source: Path) -> Found | None:
    for base in (source / "ILSVRC", source):
        data = base / "Data" / "CLS-LOC"
        if not data.is_dir():
            continue
        train, validation = data / "train", data / "val"
        boxes = base / "Annotations" / "CLS-LOC" / "train"
        named = {
            part: _named(source, names) or _named(base.parent, names)
            for part, names in (
                ("validation_labels", LABEL_NAMES),
                ("synsets", SYNSET_NAMES),
                ("synset_text", TEXT_NAMES),
            )
        }
        return Found(
            "Kaggle tree",
            train if train.is_dir() else None,
            validation if validation.is_dir() else None,
            boxes if boxes.is_dir() else None,
            **named,
        )
    return None


def _named(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).exists()), None)


def _only(candidates: list[Path], option: str) -> Path | None:
    if len(candidates) > 1:
        names = ", ".join(path.name for path in candidates)
        raise InputError(
            f"{candidates[0].parent}: {len(candidates)} archives could be meant: {names}; "
            f"name one with {option}"
        )
    return candidates[0] if candidates else None
