"""Outputs of other forms than slim's: as TensorFlow Datasets looks for them, and compressed; and
class trees of any kind, end to end."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from schemas import csv_text, features, options, tree

import fastconv
from fastconv import SLIM
from fastconv.errors import InputError, OutputError, RecordError, UsageError
from fastconv.index import index_of
from fastconv.manifest import root_of

NAMES = ("train/a/1.jpg", "train/a/2.jpg", "train/b/3.jpg", "val/b/4.jpg")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tree(tmp_path_factory.mktemp("layouts") / "in", NAMES)


def everything(out: Path) -> dict[str, bytes]:
    files = (p for p in out.rglob("*") if p.is_file() and p.name != "runs.json")
    return {str(p.relative_to(out)): p.read_bytes() for p in files}


def tfds(source: Path, out: Path, **more: Any) -> fastconv.Options:
    given = {"layout": "tfds", "name": "mine", "train_shards": 2, "validation_shards": 1}
    return options(source, out, **{**given, **more})


# ---- as TensorFlow Datasets looks for them ------------------------------------------------------


def test_what_tensorflow_datasets_reads(source: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    rows = [[name, "1", "x"] for name in NAMES[:3]]
    table.write_text(csv_text(["file_name", "iso", "who"], rows))
    schema = fastconv.TFDS.with_columns(table, ["iso", "who"], missing="empty")
    report = fastconv.convert(tfds(source, tmp_path / "out", schema=schema, split="train"))
    root = tmp_path / "out" / "mine" / "1.0.0"
    assert report.out == root
    shards = [f"mine-train.tfrecord-0000{n}-of-00002" for n in (0, 1)]
    assert sorted(everything(tmp_path / "out")) == sorted(
        f"mine/1.0.0/{name}"
        for name in (
            *shards,
            *(f"idx_dir/{name}" for name in shards),
            *("dataset_info.json", "features.json", "label.labels.txt"),
            *("labels.txt", "manifest.json"),
        )
    )
    payload = sum(len(p) for name in shards for p in fastconv.read_records(root / name))
    assert json.loads((root / "dataset_info.json").read_text()) == {
        "fileFormat": "tfrecord",
        "name": "mine",
        "version": "1.0.0",
        "splits": [
            {
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
                "name": "train",
                "numBytes": str(payload),
                "shardLengths": ["1", "2"],
            }
        ],
        "supervisedKeys": {"tuple": {"items": [{"featureKey": "image"}, {"featureKey": "label"}]}},
    }
    core = "tensorflow_datasets.core.features"
    text = {"pythonClassName": f"{core}.text_feature.Text", "text": {}}
    number = {
        "pythonClassName": f"{core}.tensor_feature.Tensor",
        "tensor": {"dtype": "int64", "encoding": "none", "shape": {}},
    }
    told = json.loads((root / "features.json").read_text())["featuresDict"]["features"]
    assert told == {
        "image": {
            "pythonClassName": f"{core}.image_feature.Image",
            "image": {
                "dtype": "uint8",
                "encodingFormat": "jpeg",
                "shape": {"dimensions": ["-1", "-1", "3"]},
            },
        },
        "label": {
            "pythonClassName": f"{core}.class_label_feature.ClassLabel",
            "classLabel": {"numClasses": "2"},
        },
        "file_name": text,
        "iso": number,
        "who": text,
    }
    assert (root / "label.labels.txt").read_text() == "a\nb\n"
    both = [*features(root / shards[0]), *features(root / shards[1])]
    assert sorted(record["label"] for record in both) == [[0], [0], [1]]
    assert sorted(record["file_name"][0] for record in both) == [b"1.jpg", b"2.jpg", b"3.jpg"]


@pytest.mark.parametrize("schema", ["slim", "tfds"])
def test_labels_with_a_background(source: Path, tmp_path: Path, schema: str) -> None:
    for offset, names in ((0, "a\nb\n"), (1, "background\na\nb\n")):
        out = tmp_path / str(offset)
        fastconv.convert(tfds(source, out, schema=schema, label_offset=offset))
        label = "label" if schema == "tfds" else "image.class.label"
        assert (out / "mine" / "1.0.0" / f"{label}.labels.txt").read_text() == names
        assert fastconv.verify(out, workers=1).found == 0


def test_a_label_of_any_name(source: Path, tmp_path: Path) -> None:
    """Whose file is ours to replace, too."""
    schema = fastconv.TFDS.renamed({"label": "../Étiquette"})
    for _ in range(2):
        fastconv.convert(tfds(source, tmp_path / "out", schema=schema, overwrite=True))
    root = tmp_path / "out" / "mine" / "1.0.0"
    assert (root / "...Étiquette.labels.txt").read_text() == "a\nb\n"
    fastconv.convert(tfds(source, tmp_path / "out", overwrite=True))
    assert not (root / "...Étiquette.labels.txt").exists()
    for length, fits in ((244, True), (245, False)):
        named = fastconv.TFDS.renamed({"label": "x" * length})
        if fits:
            fastconv.convert(tfds(source, tmp_path / "long", schema=named))
        else:
            with pytest.raises(UsageError, match="no file can have the name that the label's"):
                tfds(source, tmp_path / "long", schema=named)


def test_imagenets_name_is_imagenets(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the classes are not ImageNet's, and under the name"):
        fastconv.convert(tfds(source, tmp_path / "out", name=None))
    assert not (tmp_path / "out").exists() or not everything(tmp_path / "out")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"name": "Mine"}, "--name is small letters, digits and _, beginning with a letter"),
        ({"name": "../x"}, "--name is small letters"),
        ({"name": "1x"}, "--name is small letters"),
        ({"dataset_version": "1"}, "--dataset-version is like 1.0.0, not '1'"),
        ({"dataset_version": "01.0.0"}, "--dataset-version is like 1.0.0"),
        ({"layout": "slim"}, "--name and --dataset-version name a dataset for --layout tfds"),
        ({"layout": "flat"}, "--layout is slim or tfds, not 'flat'"),
        ({"compression": "gzip"}, "--layout tfds has no --compression gzip"),
        ({"compression": "zip"}, "--compression is none or gzip, not 'zip'"),
    ],
)
def test_what_cannot_be_asked_for(
    source: Path, tmp_path: Path, more: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        tfds(source, tmp_path / "out", **more)


def test_repaired(source: Path, tmp_path: Path) -> None:
    """Whatever of it is gone or wrong, from the source, to the byte."""
    out = tmp_path / "out"
    fastconv.convert(tfds(source, out))
    right = everything(out)
    names = [out / name for name in right if not name.endswith("manifest.json")]
    for damage in (Path.unlink, lambda path: path.write_bytes(b"x")):
        for name in names:
            damage(name)
        found = fastconv.verify(out, workers=1)
        for name in names:
            assert any(name.name in finding.file for finding in found.findings), name
        assert fastconv.verify_and_repair(out, workers=1).found == 0
        assert everything(out) == right
    for name in names:
        if name.suffix in (".json", ".txt"):
            name.unlink()
    assert fastconv.convert(tfds(source, out)).kept_shards == 3
    assert everything(out) == right


def test_found_by_its_dataset_or_its_version(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    fastconv.convert(tfds(source, out))
    root = out / "mine" / "1.0.0"
    for path in (out, out / "mine", root):
        assert root_of(path) == root
        assert fastconv.verify(path, workers=1).found == 0
        assert fastconv.diff(path, root, workers=1).same
    fastconv.convert(tfds(source, out, dataset_version="1.0.1"))
    with pytest.raises(InputError, match=r"holds several outputs \(\S+/1.0.0, \S+/1.0.1\); name"):
        fastconv.verify(out)
    # What others have beside their shards is no output of ours.
    other = tmp_path / "other"
    (other / "web").mkdir(parents=True)
    (other / "web" / "manifest.json").write_text("{}")
    assert root_of(other) == other


def test_one_folder_is_for_one_layout(source: Path, tmp_path: Path) -> None:
    """Nothing is lost, and nothing mixed: not with --overwrite either."""
    for first, second, kind in (
        (options, tfds, "slim"),
        (tfds, options, "tfds"),
    ):
        out = tmp_path / kind
        fastconv.convert(first(source, out))
        before = everything(out)
        for more in ({}, {"overwrite": True}, {"resume": False}):
            message = f"shards of --layout {kind}, and one folder is for one kind of output"
            with pytest.raises(OutputError, match=message):
                fastconv.convert(second(source, out, **more))
            assert everything(out) == before
        shutil.rmtree(out / "mine" if kind == "tfds" else out)
        fastconv.convert(second(source, out))
    # Datasets and versions of TensorFlow Datasets are beside each other.
    out = tmp_path / "slim"
    before = everything(out)
    fastconv.convert(tfds(source, out, name="other"))
    fastconv.convert(tfds(source, out, dataset_version="2.0.0", overwrite=True))
    assert before.items() <= everything(out).items()


# ---- compressed ---------------------------------------------------------------------------------


def test_compressed(mini: Path, tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    fastconv.convert(options(mini, plain, train_shards=3, workers=2))
    report = fastconv.convert(options(mini, packed, train_shards=3, compression="gzip"))
    assert report.compression == "gzip" and report.as_dict()["compression"] == "gzip"
    assert not (packed / "idx_dir").exists()
    shards = sorted((packed / "data_dir").iterdir())
    assert len(shards) == 4
    for shard in shards:
        data = shard.read_bytes()
        assert gzip.decompress(data) == (plain / "data_dir" / shard.name).read_bytes()
        assert data[4:8] == bytes(4)  # no time, by which each run would differ
        with pytest.raises(RecordError, match="compressed with GZIP"):
            index_of(shard)
    again = tmp_path / "again"
    fastconv.convert(options(mini, again, train_shards=3, compression="gzip", workers=2))
    assert everything(again) == everything(packed)

    for against in (False, True):
        checked = fastconv.verify(packed, decode=True, against_source=against, workers=2)
        assert checked.found == 0 and checked.records == 80
    assert fastconv.diff(plain, packed, workers=1).same
    assert fastconv.diff(packed, plain, any_order=True, workers=1).same

    (again / "data_dir" / shards[0].name).unlink()
    (again / "data_dir" / shards[1].name).write_bytes(b"x")
    assert fastconv.verify_and_repair(again, workers=1).found == 0
    assert everything(again) == everything(packed)
    # From the one to the other: no index outlives its shard, no folder is left empty.
    fastconv.convert(options(mini, plain, train_shards=3, compression="gzip", overwrite=True))
    assert everything(plain) == everything(packed) and not (plain / "idx_dir").exists()
    fastconv.convert(options(mini, plain, train_shards=3, overwrite=True))
    assert (plain / "idx_dir").is_dir() and fastconv.verify(plain, workers=1).found == 0


def test_damaged_and_compressed(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = options(source, out, validation_shards=1, compression="gzip")
    fastconv.convert(told)
    shard = out / "data_dir" / "train-00000-of-00001"
    whole = shard.read_bytes()
    content = gzip.decompress(whole)

    def said(data: bytes) -> list[str]:
        shard.write_bytes(data)
        found = fastconv.verify(out, workers=1)
        assert found.bad_shards == (shard.name,)
        return [finding.what for finding in found.findings]

    size = "bytes, but the manifest says"
    assert any("its GZIP data cannot be read: the gzip data are cut" in w for w in said(whole[:-9]))
    assert any(
        "its GZIP data cannot be read: corrupt gzip" in w for w in said(whole[:-8] + b"x" * 8)
    )
    assert any("its GZIP data cannot be read: other data follow" in w for w in said(whole + b"x"))
    assert any("is cut off; the file ends at" in w for w in said(gzip.compress(content[:-1])))
    longer = gzip.compress(content + bytes(40))
    assert any("the checksum of its length is wrong" in what for what in said(longer))
    assert any(size in what for what in said(gzip.compress(content, compresslevel=9)))
    assert any(size in what for what in said(content))  # plain, and not what was written
    # A thousand bytes of one: no more of it is read than the first that is no record.
    assert said(gzip.compress(bytes(64 << 20)))[0] == "the checksum of its length is wrong"
    shard.write_bytes(whole)
    (out / "idx_dir").mkdir()
    (out / "idx_dir" / shard.name).write_text("0 1\n")
    (finding,) = fastconv.verify(out, workers=1).findings
    assert finding.what == "is the index of a compressed shard, which can have none; move it away"


def test_somebody_elses_compressed_file(source: Path, tmp_path: Path) -> None:
    fastconv.convert(options(source, tmp_path / "out", validation_shards=1))
    data = (tmp_path / "out" / "data_dir" / "train-00000-of-00001").read_bytes()
    path = tmp_path / "x.tfrecord.gz"
    path.write_bytes(gzip.compress(data))
    report = fastconv.verify(path, decode=True, workers=1)
    assert (report.found, report.records, report.bytes) == (0, 3, path.stat().st_size)


def test_what_is_said_of_it(source: Path, tmp_path: Path) -> None:
    from fastconv.preflight import need_of
    from fastconv.prepare import prepare
    from fastconv.progress import Watch
    from fastconv.tables import plan_table, report_table

    told = options(source, tmp_path / "out", compression="gzip")
    _, lines = plan_table(prepare(told, Watch(None)))
    assert any("compressed with GZIP, and so have no indexes" in line for line in lines)
    _, lines = report_table(fastconv.convert(told))
    assert any("compressed with GZIP, and so have no indexes" in line for line in lines)
    plans = prepare(told, Watch(None)).plans
    plain, packed = need_of(plans, told.recipe), need_of(plans, told.recipe, (), True)
    assert packed.bytes < plain.bytes and packed.files == plain.files - 2
    assert plain.exact and not packed.exact
    _, lines = plan_table(prepare(tfds(source, tmp_path / "tfds"), Watch(None)))
    assert "layout: TensorFlow Datasets', of mine 1.0.0" in lines
    assert "features: image, label, file_name" in lines


@pytest.mark.parametrize("schema", ["slim", "tfds", "added"])
def test_the_estimate_is_near(source: Path, tmp_path: Path, schema: str) -> None:
    """Small images in a schema of little: what records take besides is most of it."""
    from fastconv.prepare import prepare
    from fastconv.progress import Watch

    given: Any = schema
    if schema == "added":
        table = tmp_path / "t.csv"
        table.write_text(csv_text(["file_name", "t"], [[n, "x" * 3000] for n in NAMES]))
        given = SLIM.with_columns(table, ["t"])
    told = options(source, tmp_path / "out", schema=given)
    estimate = prepare(told, Watch(None)).output_bytes
    assert fastconv.convert(told).bytes == pytest.approx(estimate, rel=0.15)


# ---- any class tree -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        ["alone"],
        [f"c{number:04d}" for number in range(3000)],
        ["猫", "собака", "Ünïcödé ✓", "a b", "قط", "e\u0301", "\u00e9", "'", '"', "#"],
    ],
    ids=["one", "3000", "of any letters"],
)
@pytest.mark.parametrize("layout", ["slim", "tfds"])
def test_classes_of_any_number_and_name(tmp_path: Path, names: list[str], layout: str) -> None:
    source = tree(tmp_path / "in", [f"{name}/{name}.jpg" for name in names])
    out = tmp_path / "out"
    more = {"layout": "tfds", "name": "mine"} if layout == "tfds" else {}
    report = fastconv.convert(options(source, out, **more))
    assert report.written == len(names)
    root = Path(str(report.out))
    ordered = sorted(names, key=str.encode)
    assert (root / "labels.txt").read_text() == "".join(f"{name}\n" for name in ordered)
    assert fastconv.verify(out, against_source=True, workers=1).found == 0
    shard = next(root.glob("mine-train*" if layout == "tfds" else "data_dir/train*"))
    stored = fastconv.TFDS if layout == "tfds" else SLIM
    label, name = (stored.features[f] for f in ("image/class/label", "image/filename"))
    for record in features(shard):
        row = record[label][0] - stored.first_label
        assert record[name] == [f"{ordered[row]}.jpg".encode()]
    if layout == "tfds":
        told = json.loads((root / "features.json").read_text())["featuresDict"]["features"]
        assert told["label"]["classLabel"]["numClasses"] == str(len(names))
