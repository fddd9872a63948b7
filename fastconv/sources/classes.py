"""Which classes a dataset has, in label order, and what they are called."""

from __future__ import annotations

from collections.abc import Iterable

from fastconv.annotations.labels import read_synset_texts, read_synsets
from fastconv.annotations.lists import CONTROL
from fastconv.annotations.tables import imagenet_synsets, imagenet_texts
from fastconv.catalog import Classes
from fastconv.errors import InputError
from fastconv.sources.detect import Found
from fastconv.sources.fetched import on_disk

NAMED_AT_MOST = 5


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _unlisted(name: str) -> str:
    """Why lines_of would not read a name as it was written."""
    if "\n" in name or "\r" in name:
        return "has a line break"
    if CONTROL.search(name):
        return "has a control character"
    if name != name.strip() or name.startswith("\ufeff"):
        return "has white space at an end"
    return ""


def choose_classes(found: Found, groups: Iterable[str]) -> Classes:
    """The class list: the one given; ImageNet's where every class found is one of its 1,000; the
    folders' names, sorted bytewise, for any other dataset.

    Raises InputError where most, but not all, of the classes are ImageNet's: the labels of such a
    mixture would silently differ from what its owner expects.
    """
    known = imagenet_synsets()
    present = set(groups)
    if found.synsets is not None:
        with on_disk(found.synsets) as local:
            names, origin = read_synsets(local), str(found.synsets)
    else:
        foreign = sorted(present - set(known), key=_bytes)
        if not foreign:
            names, origin = known, "the 1,000 of ILSVRC2012"
        elif 2 * len(foreign) <= len(present):
            shown = ", ".join(foreign[:NAMED_AT_MOST])
            more = f" and {len(foreign) - NAMED_AT_MOST} more" if foreign[NAMED_AT_MOST:] else ""
            raise InputError(
                f"{found.train or found.validation}: {len(present) - len(foreign)} of its classes "
                f"are ImageNet's, but not {shown}{more}. Take them away, or name the class list, "
                f"in label order, with --synsets"
            )
        else:
            names, origin = tuple(sorted(present, key=_bytes)), "the folders' names"
            for name in names:
                if reason := _unlisted(name):
                    raise InputError(
                        f"{found.train or found.validation}: a class folder's name {name!r} "
                        f"{reason}, which no list of labels can hold; rename it"
                    )
    texts = dict(imagenet_texts())
    if found.synset_text is not None:
        with on_disk(found.synset_text) as local:
            texts.update(read_synset_texts(local))
    return Classes(names, tuple(texts.get(name, name) for name in names), origin)
