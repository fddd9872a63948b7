"""What a folder holds: which of it is the train split, the boxes, the labels. The same rules hold
for a folder on disk and for a prefix of an object store."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace

from fastconv.errors import InputError, UsageError
from fastconv.options import PARTS, SourceOptions, Split, clean_source
from fastconv.remote.path import Place, RemotePath
from fastconv.sources.folders import looks_like_classes
from fastconv.sources.places import tree_of
from fastconv.sources.trees import Tree

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
    train: Place | None = None
    validation: Place | None = None
    boxes: Place | None = None
    validation_labels: Place | None = None
    synsets: Place | None = None
    synset_text: Place | None = None

    def images_of(self, split: Split) -> Place | None:
        return self.train if split == "train" else self.validation


def detect(options: SourceOptions) -> Found:
    """Find the parts of a dataset; explicit paths override what is found.

    Raises InputError where a path does not exist or nothing that looks like a dataset is there.
    """
    if "fastconv.sources.buckets" in sys.modules:
        from fastconv.sources.buckets import forget

        forget()  # what an earlier job of this process saw
    given = {
        name: clean_source(value, f"--{name.replace('_', '-')}")
        for name in PARTS
        if (value := getattr(options, name)) is not None
    }
    for name, path in given.items():
        tree_of(path).must_exist(path, f" (--{name.replace('_', '-')})")
    found = Found("paths given one by one")
    if options.source is not None:
        source = clean_source(options.source, "SOURCE")
        if isinstance(source, RemotePath) and source.is_read_only:
            raise UsageError(
                f"{source}: a web server's folders cannot be listed, so that SOURCE cannot be one; "
                f"name its archives and files one by one, with --train, --validation and the like"
            )
        tree = tree_of(source)
        tree.must_exist(source)
        found = _look(tree, source, "train" not in given and "validation" not in given)
    found = replace(found, **given)  # type: ignore[arg-type]  # the names are of its paths
    if options.split != "all" and found.images_of(options.split) is None:
        raise InputError(
            f"{options.source or 'the paths given'}: no {options.split} images found; name them "
            f"with --{options.split}"
        )
    return found


def _look(tree: Tree, source: Place, expect_more: bool) -> Found:
    if not tree.is_folder(source):
        raise InputError(
            f"{source}: SOURCE is a folder; name a single archive with --train or --validation"
        )
    kaggle = _kaggle(tree, source)
    if kaggle:
        return kaggle
    files = tree.files(source)
    train = _only(source, [name for name in files if TRAIN_TAR.match(name)], "--train")
    validation = _only(
        source, [name for name in files if VALIDATION_TAR.match(name)], "--validation"
    )
    kinds = ["archives"] if train or validation else []
    folders = {name: source / name for name in tree.folders(source)}
    if train is None and "train" in folders:
        train = folders["train"]
        kinds.append("class tree")
    if validation is None:
        validation = folders.get("validation") or folders.get("val")
        if validation is not None and "class tree" not in kinds:
            kinds.append("class tree")
    if train is None and validation is None and looks_like_classes(tree, source):
        train = source
        kinds.append("class folders")
    if train is None and validation is None and expect_more:
        raise InputError(
            f"{source}: holds no dataset that fastconv knows: no *train*.tar or *val*.tar, no "
            f"train/, validation/ or val/, no ILSVRC/Data/CLS-LOC, no folders with images in them. "
            f"Name the parts with --train and --validation"
        )
    boxes = _named(tree, source, BOX_NAMES) or _only(
        source, [name for name in files if BOXES_TAR.match(name)], "--boxes"
    )
    return Found(
        " and ".join(kinds) or "labels only",
        train,
        validation,
        boxes,
        _named(tree, source, LABEL_NAMES),
        _named(tree, source, SYNSET_NAMES) or _own_synsets(tree, source),
        _named(tree, source, TEXT_NAMES),
    )


def _own_synsets(tree: Tree, source: Place) -> Place | None:
    beside = tree.has(source / OWN_MANIFEST)
    return _named(tree, source, (OWN_SYNSETS,)) if beside else None


def _kaggle(tree: Tree, source: Place) -> Found | None:
    for base in (source / "ILSVRC", source):
        data = base / "Data" / "CLS-LOC"
        if not tree.is_folder(data):
            continue
        train, validation = data / "train", data / "val"
        boxes = base / "Annotations" / "CLS-LOC" / "train"
        named = {
            part: _named(tree, source, names) or _named(tree, base.parent, names)
            for part, names in (
                ("validation_labels", LABEL_NAMES),
                ("synsets", SYNSET_NAMES),
                ("synset_text", TEXT_NAMES),
            )
        }
        return Found(
            "Kaggle tree",
            train if tree.is_folder(train) else None,
            validation if tree.is_folder(validation) else None,
            boxes if tree.is_folder(boxes) else None,
            **named,
        )
    return None


def _named(tree: Tree, folder: Place, names: tuple[str, ...]) -> Place | None:
    return next((folder / name for name in names if tree.has(folder / name)), None)


def _only(folder: Place, names: list[str], option: str) -> Place | None:
    if len(names) > 1:
        raise InputError(
            f"{folder}: {len(names)} archives could be meant: {', '.join(names)}; "
            f"name one with {option}"
        )
    return folder / names[0] if names else None
