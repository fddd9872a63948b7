"""The bundled tables: counts, known facts, and that no byte of them has changed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from importlib import resources

import numpy as np
import pytest

from fastconv.annotations.tables import (
    imagenet_synsets,
    imagenet_texts,
    imagenet_validation_labels,
)


def test_synsets_are_1000_sorted_wnids() -> None:
    synsets = imagenet_synsets()
    assert len(synsets) == len(set(synsets)) == 1000
    assert list(synsets) == sorted(synsets)
    assert all(len(s) == 9 and s[0] == "n" and s[1:].isdigit() for s in synsets)
    assert (synsets[0], synsets[-1]) == ("n01440764", "n15075141")


def test_texts_are_those_of_slim() -> None:
    texts = imagenet_texts()
    assert tuple(texts) == imagenet_synsets()
    assert texts["n01440764"] == "tench, Tinca tinca"
    assert texts["n02012849"] == texts["n03126707"] == "crane"
    assert texts["n04356056"] == "sunglasses, dark glasses, shades"
    assert texts["n15075141"] == "toilet tissue, toilet paper, bathroom tissue"
    assert all(text == text.strip() and "_" not in text and text for text in texts.values())


def test_texts_belong_to_the_caller() -> None:
    imagenet_texts().clear()
    assert len(imagenet_texts()) == 1000


def test_validation_labels_are_50_a_class() -> None:
    labels = imagenet_validation_labels()
    assert (labels.dtype, labels.shape) == (np.dtype(np.uint16), (50000,))
    assert np.bincount(labels, minlength=1000).tolist() == [50] * 1000
    known = ["n01751748", "n09193705", "n02105855", "n04263257", "n03125729"]
    assert [imagenet_synsets()[i] for i in labels[:5]] == known
    assert not labels.flags.writeable


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("synsets.tsv", "c98cf8e050b2f67f824762ebdb5bcf683adc7955382b9ff8b1c0f49548bb449b"),
        (
            "validation_labels.u16",
            "f5350687a5a78da7e645040d352767bc06c1c99d9dfb34f1623b2d1a1d046b76",
        ),
    ],
)
def test_no_byte_has_changed(name: str, digest: str) -> None:
    data = resources.files("fastconv.annotations").joinpath("data", name).read_bytes()
    assert hashlib.sha256(data).hexdigest() == digest


@pytest.mark.parametrize("name", ["WordNet-3.0.txt", "tensorflow-datasets-Apache-2.0.txt"])
def test_licences_are_beside_the_tables(name: str) -> None:
    folder = resources.files("fastconv.annotations").joinpath("data", "LICENSES")
    text = folder.joinpath(name).read_text(encoding="utf-8")
    assert "Princeton" in text or "Apache License" in text


def test_importing_the_module_does_not_load_numpy() -> None:
    code = "import sys, fastconv.annotations.tables; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
