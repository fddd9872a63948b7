"""What a source folder turns out to be, and which classes it has."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from layouts import JPEG, put

import fastconv
from fastconv.annotations.tables import imagenet_synsets
from fastconv.errors import InputError
from fastconv.options import SourceOptions
from fastconv.sources.assemble import load
from fastconv.sources.detect import detect


def look(source: Path, **options: Any) -> Any:
    return load(SourceOptions(source=source, **options), lambda _phase: None)


def test_archives_are_found_by_name(tmp_path: Path) -> None:
    put(
        tmp_path,
        "ILSVRC2012_img_train.tar",
        "ILSVRC2012_img_val.tar",
        "ILSVRC2012_bbox_train_v2.tar.gz",
        "ILSVRC2012_devkit_t12.tar.gz",
        "imagenet_2012_validation_synset_labels.txt",
        "imagenet_lsvrc_2015_synsets.txt",
        "imagenet_metadata.txt",
        "tree/train/n01440764/a.JPEG",
    )
    found = detect(SourceOptions(source=tmp_path))
    assert found.kind == "archives"
    assert found.train == tmp_path / "ILSVRC2012_img_train.tar"
    assert found.validation == tmp_path / "ILSVRC2012_img_val.tar"
    assert found.boxes == tmp_path / "ILSVRC2012_bbox_train_v2.tar.gz"
    assert found.validation_labels == tmp_path / "imagenet_2012_validation_synset_labels.txt"
    assert found.synsets == tmp_path / "imagenet_lsvrc_2015_synsets.txt"
    assert found.synset_text == tmp_path / "imagenet_metadata.txt"


def test_two_candidates_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "a_train.tar", "b_train.tar")
    with pytest.raises(InputError, match=r"2 archives could be meant: a_train.tar, b_train.tar"):
        detect(SourceOptions(source=tmp_path))


@pytest.mark.parametrize("name", ["validation", "val"])
def test_a_class_tree(tmp_path: Path, name: str) -> None:
    put(tmp_path, "train/b/1.jpg", "train/a/2.PNG", f"{name}/a/3.jpeg", "bounding_boxes/a/2.xml")
    found = detect(SourceOptions(source=tmp_path))
    assert (found.kind, found.validation) == ("class tree", tmp_path / name)
    assert found.boxes == tmp_path / "bounding_boxes"


def test_any_class_folders(tmp_path: Path) -> None:
    put(tmp_path, "dog/1.jpg", "cat/a/2.jpg", "cat/3.JPG", "zebra/notes.txt", ".hidden/4.jpg")
    dataset = look(tmp_path)
    assert dataset.found.kind == "class folders"
    assert dataset.classes.names == ("cat", "dog")
    (catalog,) = dataset.catalogs
    assert list(catalog.names) == [b"2.jpg", b"3.JPG", b"1.jpg"]
    assert catalog.klass.tolist() == [0, 0, 1]
    assert catalog.left_out == {"files that are no images by name": 1, "folders without images": 1}


def test_explicit_paths_override_detection(tmp_path: Path) -> None:
    put(tmp_path / "one", "train/a/1.jpg")
    put(tmp_path / "two", "a/2.jpg", "a/3.jpg")
    dataset = look(tmp_path / "one", train=tmp_path / "two")
    assert len(dataset.catalogs[0]) == 2


def test_the_split_asked_for_must_be_there(tmp_path: Path) -> None:
    put(tmp_path, "train/a/1.jpg", "val/a/1.jpg")
    assert [c.split for c in look(tmp_path, split="validation").catalogs] == ["validation"]
    assert [c.split for c in look(tmp_path).catalogs] == ["train", "validation"]
    (tmp_path / "val").rename(tmp_path / "other")
    with pytest.raises(InputError, match="no validation images found"):
        look(tmp_path, split="validation")


def test_imagenets_classes_keep_imagenets_labels(tmp_path: Path) -> None:
    known = imagenet_synsets()
    put(tmp_path, f"train/{known[7]}/1.JPEG", f"train/{known[500]}/2.JPEG")
    dataset = look(tmp_path)
    assert dataset.classes.names == known
    assert dataset.catalogs[0].klass.tolist() == [7, 500]


@pytest.mark.parametrize(("foreign", "custom"), [(1, False), (2, False), (3, True)])
def test_a_mixture_of_classes(tmp_path: Path, foreign: int, custom: bool) -> None:
    known = imagenet_synsets()
    put(tmp_path, f"train/{known[7]}/1.JPEG", f"train/{known[500]}/2.JPEG")
    put(tmp_path, *(f"train/n9999999{number}/3.JPEG" for number in range(foreign)))
    if custom:
        assert look(tmp_path).classes.origin == "the folders' names"
    else:
        with pytest.raises(InputError, match=r"n99999990.*--synsets"):
            look(tmp_path)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a ", "white space at an end"),
        ("\u3000a", "white space at an end"),
        ("\ufeffa", "white space at an end"),
        ("a\x07b", "a control character"),
        ("a\tb", ""),
        ("a b", ""),
    ],
)
def test_names_that_no_list_holds(tmp_path: Path, name: str, reason: str) -> None:
    """What is accepted is read again from the list that is written of it."""
    put(tmp_path / "in", f"train/{name}/1.jpg", "train/b/2.jpg")
    if reason:
        with pytest.raises(InputError, match=f"a class folder's name .* has {reason}"):
            look(tmp_path / "in")
        return
    fastconv.write_folders(fastconv.FolderOptions(source=tmp_path / "in", out=tmp_path / "raw"))
    again = look(tmp_path / "raw")
    assert again.classes.origin.endswith("labels.txt")
    assert again.classes.names == look(tmp_path / "in").classes.names
    assert again.catalogs[0].klass.tolist() == [0, 1]


def test_a_list_that_was_found_and_leaves_classes_out(tmp_path: Path) -> None:
    put(tmp_path, "train/a/1.jpg", "train/b/2.jpg", "train/c/3.jpg")
    found = tmp_path / "imagenet_lsvrc_2015_synsets.txt"
    found.write_text("a\nc\n")
    with pytest.raises(InputError, match=r"b/2.jpg: its class is not in .* \(of such") as said:
        look(tmp_path)
    assert str(found) in str(said.value) and "--synsets" in str(said.value)
    catalog = look(tmp_path, synsets=found).catalogs[0]
    assert catalog.klass.tolist() == [0, 1]
    assert catalog.left_out == {"images of classes that are not in the class list": 1}


def test_links_are_followed_once(tmp_path: Path) -> None:
    put(tmp_path / "store", "1.jpg", "2.jpg")
    (tmp_path / "in" / "train").mkdir(parents=True)
    (tmp_path / "in" / "train" / "a").symlink_to(tmp_path / "store")
    (tmp_path / "store" / "round").symlink_to(tmp_path / "store")
    put(tmp_path / "in" / "train" / "b", "3.jpg")
    (tmp_path / "in" / "train" / "b" / "4.jpg").symlink_to(tmp_path / "store" / "1.jpg")
    assert len(look(tmp_path / "in").catalogs[0]) == 4


def test_a_link_to_nothing_is_named(tmp_path: Path) -> None:
    put(tmp_path, "train/a/1.jpg")
    (tmp_path / "train" / "a" / "2.jpg").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"train/a/2.jpg: cannot be read: No such file"):
        look(tmp_path)


def test_a_pipe_is_no_image(tmp_path: Path) -> None:
    put(tmp_path, "train/a/1.jpg")
    os.mkfifo(tmp_path / "train" / "a" / "2.jpg")
    assert len(look(tmp_path).catalogs[0]) == 1


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path / "train") + b"/caf\xe9"
    os.makedirs(folder)  # noqa: PTH103
    with open(folder + b"/\xff.jpg", "wb") as file:  # noqa: PTH123
        file.write(JPEG)
    report = fastconv.convert(fastconv.Options(source=tmp_path, out=tmp_path / "out"))
    assert report.written == 1
    payload = next(fastconv.read_records(tmp_path / "out" / "data_dir" / "train-00000-of-00001"))
    record = fastconv.parse_example(payload)
    assert record["image/filename"][0] == b"\xff.jpg"
    assert record["image/class/synset"][0] == b"caf\xe9"


def test_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.tar").write_bytes(b"\x1f\x8b\x08" + bytes(1000))
    with pytest.raises(InputError, match="is compressed with gzip"):
        look(tmp_path)


def test_an_empty_source(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(InputError, match="holds no images"):
        look(tmp_path)
    with pytest.raises(InputError, match="SOURCE is a folder"):
        look(put(tmp_path, "file") / "file")


def test_a_validation_archive_with_a_folder_is_flat_all_the_same(
    mini: Path, tmp_path: Path
) -> None:
    folder, archive = tmp_path / "folder", tmp_path / "ILSVRC2012_img_val.tar"
    with tarfile.open(mini / "ILSVRC2012_img_val.tar") as tar:
        tar.extractall(folder / "val", filter="data")
    with tarfile.open(archive, "w") as tar:
        tar.add(folder / "val", "val")
    labels = mini / "imagenet_2012_validation_synset_labels.txt"
    want = look(mini, split="validation").catalogs[0]
    for source in (archive, folder, folder / "val"):
        found = look(mini, validation=source, validation_labels=labels, split="validation")
        assert found.catalogs[0].klass.tolist() == want.klass.tolist()
