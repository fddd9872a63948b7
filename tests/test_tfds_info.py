"""What TensorFlow Datasets reads beside shards: written, named, checked, repaired, replaced."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import digests, leftovers

import fastconv
from fastconv.errors import FastconvError, InputError, OutputError, UsageError

BESIDE = ("dataset_info.json", "features.json", "image.class.label.labels.txt")


def convert(source: Path, out: Path, **options: Any) -> fastconv.Report:
    return fastconv.convert(fastconv.Options(source=source, out=out, workers=1, **options))


@pytest.fixture(scope="module")
def written(mini: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tfds") / "out"
    convert(mini, out, train_shards=4)
    return out


@pytest.fixture
def out(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "out"))


@pytest.fixture
def foreign(written: Path, tmp_path: Path) -> Path:
    """The same shards, with nothing that says whose they are."""
    return Path(shutil.copytree(written / "data_dir", tmp_path / "foreign"))


def info_in(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "dataset_info.json").read_bytes())
    return told


def records_of(folder: Path, split: str) -> list[int]:
    return [
        len(list(fastconv.read_records(path))) for path in sorted(folder.glob(f"{split}-*-of-*"))
    ]


def test_what_is_written_is_counted_named_and_checked(out: Path) -> None:
    before = digests(out, "data_dir", "idx_dir")
    info = fastconv.write_tfds_info(out)
    assert info.files == tuple(f"data_dir/{name}" for name in BESIDE)
    told = info_in(out / "data_dir")
    for split in told["splits"]:
        records = records_of(out / "data_dir", split["name"])
        assert [int(length) for length in split["shardLengths"]] == records
        assert info.splits[split["name"]] == tuple(records)
        payloads = sum(
            len(payload)
            for path in (out / "data_dir").glob(f"{split['name']}-*-of-*")
            for payload in fastconv.read_records(path)
        )
        assert int(split["numBytes"]) == payloads
    names = (out / "data_dir" / BESIDE[2]).read_text().splitlines()
    assert names == ["background", *(out / "labels.txt").read_text().splitlines()]
    after = digests(out, "data_dir", "idx_dir")
    assert {name: after[name] for name in before} == before
    assert fastconv.verify(out).found == 0
    assert leftovers(out) == []


def test_the_same_again_is_the_same(out: Path) -> None:
    fastconv.write_tfds_info(out)
    first = digests(out, "data_dir"), (out / "manifest.json").read_bytes()
    fastconv.write_tfds_info(out / "data_dir")
    assert (digests(out, "data_dir"), (out / "manifest.json").read_bytes()) == first


@pytest.mark.parametrize("name", BESIDE)
@pytest.mark.parametrize("harm", ["removed", "changed"])
def test_harm_is_found_and_repaired(out: Path, mini: Path, name: str, harm: str) -> None:
    fastconv.write_tfds_info(out)
    path = out / "data_dir" / name
    whole = path.read_bytes()
    path.unlink() if harm == "removed" else path.write_bytes(whole + b" ")
    report = fastconv.verify(out)
    what = "is missing" if harm == "removed" else "is not the one that was written"
    assert [str(finding) for finding in report.findings] == [f"data_dir/{name}: {what}"]
    mended = fastconv.verify_and_repair(out, source=mini)
    assert (mended.found, mended.repaired) == (0, (f"data_dir/{name}",))
    assert path.read_bytes() == whole


def test_the_same_job_again_keeps_it_and_makes_it_whole(out: Path, mini: Path) -> None:
    fastconv.write_tfds_info(out)
    whole = digests(out, "data_dir"), (out / "manifest.json").read_bytes()
    convert(mini, out, train_shards=4)
    assert (digests(out, "data_dir"), (out / "manifest.json").read_bytes()) == whole
    (out / "data_dir" / "features.json").unlink()
    (out / "data_dir" / "train-00001-of-00004").unlink()
    convert(mini, out, train_shards=4)
    assert (digests(out, "data_dir"), (out / "manifest.json").read_bytes()) == whole


def test_overwriting_takes_it_away(out: Path, mini: Path) -> None:
    fastconv.write_tfds_info(out)
    convert(mini, out, train_shards=2, overwrite=True)
    assert not [name for name in BESIDE if (out / "data_dir" / name).exists()]


def test_another_name(out: Path) -> None:
    fastconv.write_tfds_info(out, name="dogs", dataset_version="2.3.4")
    told = info_in(out / "data_dir")
    assert (told["name"], told["version"]) == ("dogs", "2.3.4")
    assert fastconv.verify(out).found == 0


def test_a_file_in_the_way_stays(out: Path) -> None:
    mine = out / "data_dir" / "dataset_info.json"
    mine.write_text("{}")
    with pytest.raises(OutputError, match=r"dataset_info\.json: is in the way"):
        fastconv.write_tfds_info(out)
    assert mine.read_text() == "{}"
    assert not (out / "data_dir" / "features.json").exists()


def test_labels_that_are_not_those_that_were_written(out: Path) -> None:
    (out / "labels.txt").write_text("x\n")
    with pytest.raises(InputError, match="mend it with fastconv verify --repair"):
        fastconv.write_tfds_info(out)


def test_foreign_shards_come_to_the_same(out: Path, foreign: Path) -> None:
    fastconv.write_tfds_info(out)
    fastconv.write_tfds_info(foreign)
    for name in BESIDE:
        assert (foreign / name).read_bytes() == (out / "data_dir" / name).read_bytes()
    assert {path.name for path in foreign.iterdir()} == {
        path.name for path in (out / "data_dir").iterdir()
    }


def rewrite(foreign: Path, **changes: Any) -> None:
    """One shard of one record."""
    for path in foreign.iterdir():
        path.unlink()
    features = {
        "image/encoded": b"\xff\xd8",
        "image/class/label": 1,
        "image/class/synset": b"n01440764",
        **changes,
    }
    features = {name: value for name, value in features.items() if value is not None}
    with fastconv.RecordWriter(foreign / "train-00000-of-00001") as writer:
        writer.write(fastconv.encode_example(features))


def test_foreign_shards_say_where_labels_begin(foreign: Path, tmp_path: Path) -> None:
    for label, names in ((1, ["background", "n01440764"]), (0, ["n01440764", "n01443537"])):
        rewrite(foreign, **{"image/class/label": label})
        fastconv.write_tfds_info(foreign)
        assert (foreign / BESIDE[2]).read_text().splitlines()[:2] == names
    rewrite(foreign, **{"image/class/synset": None})
    with pytest.raises(UsageError, match="--label-offset 1 or 0"):
        fastconv.write_tfds_info(foreign)
    classes = tmp_path / "classes"
    classes.write_text("cat\nüber\n")
    fastconv.write_tfds_info(foreign, name="pets", labels=classes, label_offset=0)
    assert (foreign / BESIDE[2]).read_text() == "cat\nüber\n"
    assert info_in(foreign)["version"] == "1.0.0"


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"name": "Dogs"}, UsageError, "--name is small letters"),
        ({"name": "a-b"}, UsageError, "--name is small letters"),
        ({"dataset_version": "1.0"}, UsageError, "--dataset-version is like 1.0.0"),
        ({"dataset_version": "01.0.0"}, UsageError, "--dataset-version is like 1.0.0"),
        ({"labels": "x"}, UsageError, "are for shards without a manifest"),
        ({"label_offset": 0}, UsageError, "are for shards without a manifest"),
    ],
)
def test_what_cannot_be(
    out: Path, given: dict[str, Any], error: type[FastconvError], words: str
) -> None:
    before = digests(out, "data_dir"), (out / "manifest.json").read_bytes()
    with pytest.raises(error, match=words):
        fastconv.write_tfds_info(out, **given)
    assert (digests(out, "data_dir"), (out / "manifest.json").read_bytes()) == before


def test_foreign_shards_that_cannot_be(foreign: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name them, one a line in label order, with --labels"):
        fastconv.write_tfds_info(foreign, name="dogs")
    (foreign / "train-00002-of-00004").unlink()
    with pytest.raises(InputError, match="train-00002-of-00004 is missing"):
        fastconv.write_tfds_info(foreign)
    rewrite(foreign, jpeg=b"x", **{"image/encoded": None})
    with pytest.raises(InputError, match="not of slim's schema: the first one has no"):
        fastconv.write_tfds_info(foreign)
    rewrite(foreign, **{"image/class/label": 7})
    with pytest.raises(UsageError, match="has label 7 for n01440764, which is class 0"):
        fastconv.write_tfds_info(foreign)
    with pytest.raises(InputError, match="holds no shards that are named like"):
        fastconv.write_tfds_info(tmp_path)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        fastconv.write_tfds_info(tmp_path / "nothing")


def test_class_folders_are_no_shards(mini: Path, tmp_path: Path) -> None:
    fastconv.write_folders(fastconv.FolderOptions(source=mini, out=tmp_path / "raw"))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match="holds class folders, by `fastconv raw`, and no shards"):
        fastconv.write_tfds_info(tmp_path / "raw")
    assert sorted(tmp_path.rglob("*")) == before


def test_classes_of_its_own_need_a_name(mini: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    folders = sorted((mini / "tree" / "train").iterdir())[:2]
    for folder, name in zip(folders, ("cat", "dog"), strict=True):
        shutil.copytree(folder, tree / "train" / name)
    with pytest.raises(UsageError, match="name the dataset with --name"):
        convert(tree, tmp_path / "tfds", layout="tfds")
    assert not (tmp_path / "tfds").exists()
    convert(tree, tmp_path / "tfds", layout="tfds", name="pets", train_shards=2)
    root = tmp_path / "tfds" / "pets" / "1.0.0"
    assert (root / "label.labels.txt").read_text() == "cat\ndog\n"
    assert fastconv.verify(tmp_path / "tfds").found == 0
    convert(tree, tmp_path / "slim", train_shards=2)
    with pytest.raises(UsageError, match="name the dataset with --name"):
        fastconv.write_tfds_info(tmp_path / "slim")


def test_compressed_shards_are_refused(mini: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="reads no such shards"):
        fastconv.Options(source=mini, out=tmp_path / "o", layout="tfds", compression="gzip")
    convert(mini, tmp_path / "out", compression="gzip")
    with pytest.raises(InputError, match="its shards are compressed"):
        fastconv.write_tfds_info(tmp_path / "out")


def test_imagenet2012_is_what_tensorflow_datasets_takes_it_for(mini: Path, tmp_path: Path) -> None:
    """Its features and labels come from code there, whatever our files say."""
    for options in ({"label_offset": 1}, {"schema": "slim"}, {"schema": fastconv.SLIM}):
        words: dict[str, Any] = {"source": mini, "out": tmp_path / "o", "layout": "tfds", **options}
        with pytest.raises(UsageError, match="needs another --name"):
            fastconv.Options(**words)
        fastconv.Options(**words, name="mine")


@pytest.mark.parametrize("name", BESIDE)
def test_nobodys_file_is_replaced_unasked(foreign: Path, name: str) -> None:
    mine = foreign / name
    mine.write_text("mine")
    with pytest.raises(OutputError, match=f"{name}: is in the way"):
        fastconv.write_tfds_info(foreign)
    assert mine.read_text() == "mine"
    assert [other for other in BESIDE if (foreign / other).exists()] == [name]
    fastconv.write_tfds_info(foreign, overwrite=True)
    fastconv.write_tfds_info(foreign)
    assert mine.read_text() != "mine"


def test_what_is_restored_is_told(out: Path, mini: Path) -> None:
    fastconv.write_tfds_info(out)
    (out / "data_dir" / "features.json").unlink()
    (out / "labels.txt").write_text("x\n")
    report = convert(mini, out, train_shards=4)
    assert sorted(name for name, _ in report.rewritten) == ["data_dir/features.json", "labels.txt"]
    assert fastconv.verify(out).found == 0
    assert convert(mini, out, train_shards=4).rewritten == ()
