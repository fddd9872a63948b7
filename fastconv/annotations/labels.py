"""Classes, their texts, and the labels of the validation images, from files that people have.

Formats: slim's text files (tensorflow/models, research/slim/datasets), the CSV files of Kaggle's
"ImageNet Object Localization Challenge", and ILSVRC2012's development kit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fastconv.annotations.devkit import VALIDATION_COUNT_MAX, is_archive, read_devkit
from fastconv.annotations.lists import WNID, lines_of, read_bytes, refuse_duplicates, shown
from fastconv.annotations.tables import imagenet_synsets, imagenet_validation_labels
from fastconv.errors import InputError
from fastconv.names import Names

NO_LABEL = -1
UNKNOWN_SYNSET = -2

# Nine digits are enough for any number in use, and keep int() from a name of a million digits.
_NUMBERED = re.compile(rb"ILSVRC2012_val_([0-9]{1,9})")
_IMAGE_SUFFIX = re.compile(r"\.jpe?g$", re.IGNORECASE)
_KAGGLE_HEADER = "ImageId,PredictionString"


@dataclass(frozen=True)
class ValidationLabels:
    """The class of each validation image, by its number or by its name.

    ``by_number[k]`` is the synset of ``ILSVRC2012_val_<k + 1>``; ``by_stem`` maps a file name
    without its extension to its synset. At least one of the two is there. ``path`` says where
    the labels are from, for messages.
    """

    by_number: tuple[str, ...] | None
    by_stem: dict[str, str] | None
    path: str
    _by_stem_bytes: dict[bytes, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        stems = self.by_stem or {}
        encoded = {stem.encode("utf-8", "surrogateescape"): stems[stem] for stem in stems}
        object.__setattr__(self, "_by_stem_bytes", encoded)

    def synset_of(self, stem: bytes) -> str | None:
        """The synset of the image ``stem`` (a file name without extension), or None.

        Only ``ILSVRC2012_val_<digits>`` is resolved by its number, counted from 1.
        """
        if self.by_number is not None:
            match = _NUMBERED.fullmatch(stem)
            if match and 0 < (number := int(match[1])) <= len(self.by_number):
                return self.by_number[number - 1]
        return self._by_stem_bytes.get(stem)

    def labels_of(self, names: Names, class_index: dict[str, int]) -> npt.NDArray[np.int32]:
        """The class of each file name (with extension), int32 of shape (len(names),).

        NO_LABEL (-1) where these labels do not know the image, UNKNOWN_SYNSET (-2) where they
        do but its synset is not in ``class_index``.
        """
        stems = (name.rpartition(b".")[0] or name for name in names)
        synsets = map(self.synset_of, stems)
        labels = (
            NO_LABEL if synset is None else class_index.get(synset, UNKNOWN_SYNSET)
            for synset in synsets
        )
        return np.fromiter(labels, np.int32, len(names))


def bundled_validation_labels() -> ValidationLabels:
    """ILSVRC2012's validation labels from the table that fastconv carries."""
    synsets = imagenet_synsets()
    by_number = tuple(synsets[i] for i in imagenet_validation_labels().tolist())
    return ValidationLabels(by_number, None, "fastconv's own table of ILSVRC2012")


def read_synsets(path: str | Path) -> tuple[str, ...]:
    """The classes in label order: line k (from 0) is class k.

    Reads slim's ``imagenet_lsvrc_2015_synsets.txt``, any list of class names (which may hold
    spaces), or Kaggle's ``LOC_synset_mapping.txt``, whose lines go on with words after the WNID:
    these are left out if every line begins with a WNID. A byte order mark, CRLF and blank lines
    at the end are let pass.

    Raises InputError with file and line for a blank line, a class twice, or text not in UTF-8.
    """
    path = Path(path)
    lines = lines_of(path, read_bytes(path))
    if all(map(WNID.match, lines)):
        lines = [line[:9] for line in lines]
    refuse_duplicates(path, lines)
    return tuple(lines)


def read_synset_texts(path: str | Path) -> dict[str, str]:
    """The words of each class: ``{'n01440764': 'tench, Tinca tinca'}``, in the file's order.

    Reads slim's ``imagenet_metadata.txt`` (``<class>\\t<text>``) and Kaggle's
    ``LOC_synset_mapping.txt`` (``<wnid> <text>``). A byte order mark, CRLF and blank lines at the
    end are let pass.

    Raises InputError with file and line for a line without text, a blank line, a class twice,
    or text not in UTF-8.
    """
    path = Path(path)
    rows = []
    for number, line in enumerate(lines_of(path, read_bytes(path)), 1):
        # A class name may hold spaces, so a space parts a WNID from its text, but no other name.
        space = " " if WNID.match(line) and "\t" not in line else "\t"
        synset, _, text = line.partition(space)
        if not text.strip() or "\t" in text:
            raise InputError(
                f"{path}, line {number}: found {shown(line)}; a line must be '<class><tab><text>' "
                "or '<wnid> <text>'"
            )
        rows.append((synset.rstrip(), text.strip()))
    refuse_duplicates(path, [synset for synset, _ in rows])
    return dict(rows)


def read_validation_labels(path: str | Path) -> ValidationLabels:
    """The labels of the validation images; the format is told by the content.

    - slim's ``imagenet_2012_validation_synset_labels.txt``: at most 50,000 WNIDs, line k for
      image k, counted from 1;
    - Kaggle's ``LOC_val_solution.csv``: ``ImageId,PredictionString``, where the first word of the
      string is the WNID;
    - ``ILSVRC2012_devkit_t12.tar.gz``, which needs SciPy (``pip install 'fastconv[devkit]'``).

    Raises InputError with file and line (or member) for what is none of these or is damaged,
    UsageError if the development kit is given and SciPy is missing.
    """
    path = Path(path)
    data = read_bytes(path)
    if is_archive(data):
        return ValidationLabels(read_devkit(path, data), None, str(path))
    lines = lines_of(path, data)
    if "," in lines[0]:
        return ValidationLabels(None, _kaggle_labels(path, lines), str(path))
    return ValidationLabels(_slim_labels(path, lines), None, str(path))


def _slim_labels(path: Path, lines: list[str]) -> tuple[str, ...]:
    for number, line in enumerate(lines, 1):
        if not WNID.fullmatch(line):
            hint = "one WNID a line is expected, such as 'n01751748'"
            if line.isdigit():
                hint = (
                    "ILSVRC ids mean nothing without the development kit's meta.mat: "
                    "give ILSVRC2012_devkit_t12.tar.gz itself"
                )
            raise InputError(f"{path}, line {number}: found {shown(line)}; {hint}")
    if len(lines) > VALIDATION_COUNT_MAX:
        raise InputError(
            f"{path}, line {VALIDATION_COUNT_MAX + 1}: found {len(lines):,} labels, more than the "
            f"{VALIDATION_COUNT_MAX:,} validation images of ILSVRC2012; give one a line, in the "
            "order of the images' numbers"
        )
    return tuple(lines)


def _kaggle_labels(path: Path, lines: list[str]) -> dict[str, str]:
    if lines[0].casefold() != _KAGGLE_HEADER.casefold():
        raise InputError(
            f"{path}, line 1: found {shown(lines[0])}; the header of Kaggle's LOC_val_solution.csv "
            f"is {_KAGGLE_HEADER!r}"
        )
    stems, synsets = [], []
    for number, line in enumerate(lines[1:], 2):
        image, _, prediction = line.partition(",")
        stem = _IMAGE_SUFFIX.sub("", image.strip())
        match = WNID.match(prediction.lstrip())
        if not stem or not match:
            raise InputError(
                f"{path}, line {number}: found {shown(line)}; a line must be "
                "'<image>,<wnid> ...', as in Kaggle's LOC_val_solution.csv"
            )
        stems.append(stem)
        synsets.append(match[0])
    refuse_duplicates(path, stems, first_line=2)
    return dict(zip(stems, synsets, strict=True))
