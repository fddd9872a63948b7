"""The tables that fastconv carries: ILSVRC2012's classes and its validation labels.

``data/README.md`` says where each came from, how it was made, and under which licence.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def _read(name: str) -> bytes:
    from importlib import resources  # here, like numpy below: importing this module costs nothing

    return resources.files("fastconv.annotations").joinpath("data", name).read_bytes()


@cache
def _synset_rows() -> tuple[tuple[str, str], ...]:
    lines = _read("synsets.tsv").decode("ascii").splitlines()
    rows = tuple((wnid, text) for wnid, _, text in (line.partition("\t") for line in lines))
    assert len(rows) == 1000
    return rows


@cache
def imagenet_synsets() -> tuple[str, ...]:
    """The 1,000 WNIDs of ILSVRC2012, sorted: ``n01440764`` first."""
    return tuple(wnid for wnid, _ in _synset_rows())


def imagenet_texts() -> dict[str, str]:
    """Each WNID's words, ``{'n01440764': 'tench, Tinca tinca', ...}``, in sorted order.

    The dict is the caller's own.
    """
    return dict(_synset_rows())


@cache
def imagenet_validation_labels() -> npt.NDArray[np.uint16]:
    """The classes of the validation images, uint16 of shape (50000,), read-only.

    Element k is the 0-based index into ``imagenet_synsets()`` of ``ILSVRC2012_val_<k + 1>``.
    """
    import numpy as np

    labels = np.frombuffer(_read("validation_labels.u16"), "<u2").astype(np.uint16)
    assert labels.shape == (50000,)
    labels.flags.writeable = False
    return labels
