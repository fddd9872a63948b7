"""Lists of classes, texts and validation labels: the formats people have, and what is refused."""

from __future__ import annotations

import builtins
import io
import pickle
import random
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastconv.annotations.labels import (
    ValidationLabels,
    bundled_validation_labels,
    read_synset_texts,
    read_synsets,
    read_validation_labels,
)
from fastconv.annotations.lists import LIST_BYTES_MAX
from fastconv.annotations.tables import imagenet_synsets, imagenet_validation_labels
from fastconv.errors import InputError, UsageError
from fastconv.names import Names

A, B, C = "n01440764", "n01443537", "n01484850"
BOM = b"\xef\xbb\xbf"


def put(path: Path, data: bytes | str) -> Path:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "list.txt"


# --- classes and texts


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (f"{A}\n{B}\n", (A, B)),
        (f"{B}\n{A}", (B, A)),
        (BOM + f"{A}\r\n{B}\r\n\r\n \n".encode(), (A, B)),
        (f"{A} tench, Tinca tinca\n{B} goldfish\n", (A, B)),
        (f"{A}\ttench\n{B}\n", (A, B)),
        ("great white shark\ncat\n", ("great white shark", "cat")),
        (f"{A} tench\nnot a wnid\n", (f"{A} tench", "not a wnid")),
        ("n014407641 x\nn01440764x\n", ("n014407641 x", "n01440764x")),
        ("猫 三毛\ncaf\u00e9\u2028x\n", ("猫 三毛", "caf\u00e9\u2028x")),
    ],
)
def test_synsets(file: Path, content: bytes | str, expected: tuple[str, ...]) -> None:
    assert read_synsets(put(file, content)) == expected
    assert read_synsets(str(file)) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"{A}\n\n{B}\n", r"line 2: blank"),
        (f"\n{A}\n", r"line 1: blank"),
        (f"{A}\n{B}\n{A} again\n", rf"line 3: '{A}' stands on line 1"),
        ("cat\ndog\ncat\n", r"line 3: 'cat' stands on line 1"),
        (b"cat\nd\xf6g\n", r"line 2: byte 5 \(0xf6\) is not UTF-8"),
        ("cat\n".encode("utf-16"), r"line 1: byte 0 \(0xff\) is not UTF-8"),
        ("cat\ndog\n".encode("utf-16-le"), r"line 1: holds the control character '\\x00'"),
        (f"{A}\r{B}\r", r"line 1: holds the control character '\\r'"),
        (b"", r"holds no entry"),
        (BOM + b"\r\n\n", r"holds no entry"),
    ],
)
def test_synsets_refused(file: Path, content: bytes | str, message: str) -> None:
    with pytest.raises(InputError, match=rf"list\.txt.*{message}"):
        read_synsets(put(file, content))


def test_a_path_that_cannot_be_read(tmp_path: Path) -> None:
    for read in (read_synsets, read_synset_texts, read_validation_labels):
        with pytest.raises(InputError, match="cannot be read"):
            read(tmp_path)
        with pytest.raises(InputError, match="cannot be read"):
            read(tmp_path / "missing")


def test_an_archive_in_place_of_a_list_is_not_read_whole(file: Path) -> None:
    with file.open("wb") as sparse:
        sparse.truncate(LIST_BYTES_MAX + 2)
    with pytest.raises(InputError, match="too large for a text file"):
        read_synsets(file)


def test_texts(file: Path) -> None:
    metadata = f"{A}\ttench, Tinca tinca\n{B}\tgoldfish\n"
    expected = {A: "tench, Tinca tinca", B: "goldfish"}
    assert read_synset_texts(put(file, metadata)) == expected
    assert read_synset_texts(put(file, BOM + metadata.replace("\n", "\r\n").encode())) == expected
    assert read_synset_texts(put(file, metadata.replace("\t", " "))) == expected
    assert read_synset_texts(put(file, "great white\ta shark\n")) == {"great white": "a shark"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"{A}\ttench\n{B}\n", "line 2: found 'n01443537'"),
        (f"{A}\ttench\nbig cat\n", "line 2: found 'big cat'"),
        (f"{A}\ta\tb\n", "line 1: found"),
        (f"{A}\ta\n{A}\tb\n", "line 2: 'n01440764' stands on line 1"),
        (f"{A}\ta\n\n{B}\tb\n", "line 2: blank"),
    ],
)
def test_texts_refused(file: Path, content: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_synset_texts(put(file, content))


# --- validation labels


def test_slim_labels(file: Path) -> None:
    labels = read_validation_labels(put(file, BOM + f"{B}\r\n{A}\r\n{B}\r\n\r\n".encode()))
    assert (labels.by_number, labels.by_stem, labels.path) == ((B, A, B), None, str(file))
    assert labels.synset_of(b"ILSVRC2012_val_00000002") == A
    assert labels.synset_of(b"ILSVRC2012_val_3") == B


@pytest.mark.parametrize(
    "stem",
    [
        b"ILSVRC2012_val_00000000",
        b"ILSVRC2012_val_00000004",
        b"ILSVRC2012_val_00000001_n01440764",
        b"ILSVRC2012_val_x_00000001",
        b"ILSVRC2012_val_",
        b"ILSVRC2012_val_-1",
        b"ILSVRC2012_val_1\n",
        b"ILSVRC2012_val_" + b"1" * 10_000,
        "ILSVRC2012_val_\u0661".encode(),
        b"ILSVRC2012_test_00000001",
        b"n01440764_1",
        b"00000001",
        b"",
        b"\xff",
    ],
)
def test_stems_without_label(stem: bytes) -> None:
    assert ValidationLabels((B, A, B), {"other": A}, "x").synset_of(stem) is None


def test_labels_by_stem_and_by_number_together() -> None:
    labels = ValidationLabels((A,), {"cat é": B, "ILSVRC2012_val_00000009": C}, "x")
    assert labels.synset_of("cat é".encode()) == B
    assert labels.synset_of(b"ILSVRC2012_val_00000001") == A
    assert labels.synset_of(b"ILSVRC2012_val_00000009") == C
    assert pickle.loads(pickle.dumps(labels)) == labels


KAGGLE = (
    "ImageId,PredictionString\n"
    "ILSVRC2012_val_00048981,n01440764 85 1 499 272 \n"
    "ILSVRC2012_val_00037956,n01443537 131 0 499 254 n01443537 0 1 2 3 \n"
)


def test_kaggle_labels(file: Path) -> None:
    expected = {"ILSVRC2012_val_00048981": A, "ILSVRC2012_val_00037956": B}
    labels = read_validation_labels(put(file, KAGGLE))
    assert (labels.by_number, labels.by_stem) == (None, expected)
    assert labels.synset_of(b"ILSVRC2012_val_00037956") == B
    assert labels.synset_of(b"ILSVRC2012_val_37956") is None
    assert read_validation_labels(put(file, KAGGLE.replace("\n", "\r\n"))).by_stem == expected
    assert read_validation_labels(put(file, KAGGLE.replace("1,n", "1.JPEG,n"))).by_stem == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("ImageId,Label\nx,n01440764\n", "line 1: found 'ImageId,Label'"),
        (KAGGLE + "ILSVRC2012_val_00000001,\n", "line 4: found"),
        (KAGGLE + "ILSVRC2012_val_00000001\n", "line 4: found"),
        (KAGGLE + "ILSVRC2012_val_00000001,1 1 1 1\n", "line 4: found"),
        (KAGGLE + ",n01440764 1 1 1 1\n", "line 4: found"),
        (KAGGLE + "ILSVRC2012_val_00048981,n01440764\n", "line 4: .* stands on line 2"),
        (KAGGLE.replace("\n", "\n\n", 1), "line 2: blank"),
        ("490\n361\n", "line 1: found '490'; ILSVRC ids mean nothing without"),
        (f"{A}\n{B} goldfish\n", "line 2: found 'n01443537 goldfish'"),
        ("cat\n", "line 1: found 'cat'"),
        (f"{A}\n" * 50_001, "line 50001: found 50,001 labels"),
        (b"", "holds no entry"),
    ],
)
def test_validation_labels_refused(file: Path, content: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_validation_labels(put(file, content))


def test_bundled_labels() -> None:
    labels = bundled_validation_labels()
    assert labels.by_number is not None and len(labels.by_number) == 50_000
    assert labels.synset_of(b"ILSVRC2012_val_00000001") == "n01751748"
    assert labels.synset_of(b"ILSVRC2012_val_00050001") is None


def test_labels_of_many_names() -> None:
    index = {synset: i for i, synset in enumerate(imagenet_synsets())}
    numbers = list(range(1, 50_001))
    random.Random(1).shuffle(numbers)
    names = Names.of([b"ILSVRC2012_val_%08d.JPEG" % k for k in numbers])
    labels = bundled_validation_labels().labels_of(names, index)
    assert labels.dtype == np.int32
    assert np.array_equal(labels, imagenet_validation_labels()[np.array(numbers) - 1])


def test_labels_of_unknown_names_and_synsets() -> None:
    labels = ValidationLabels((A, B), {"a.b": C, "bare": A}, "x")
    names = [
        b"ILSVRC2012_val_1.JPEG",
        b"ILSVRC2012_val_00000002.png",
        b"a.b.jpg",
        b"bare",
        b"x.JPG",
    ]
    assert labels.labels_of(Names.of(names), {C: 7, A: 0}).tolist() == [0, -2, 7, 0, -1]
    assert labels.labels_of(Names.of([]), {}).shape == (0,)


# --- the development kit


def meta_mat(rows: Sequence[tuple[int, str, int]]) -> bytes:
    """A meta.mat as ILSVRC2012 has it, from (ILSVRC id, WNID, number of children)."""
    savemat = pytest.importorskip("scipy.io").savemat
    fields = "ILSVRC2012_ID WNID words gloss num_children children wordnet_height num_train_images"
    synsets = np.empty((len(rows), 1), [(name, object) for name in fields.split()])
    for i, (number, wnid, children) in enumerate(rows):
        below = np.arange(children, dtype=np.float64).reshape(1, -1)
        values: list[Any] = [float(number), wnid, f"words of {wnid}", "a gloss", float(children)]
        values += [below, 0.0 if not children else 3.0, 1300.0 if not children else 0.0]
        synsets[i, 0] = tuple(values)
    file = io.BytesIO()
    savemat(file, {"synsets": synsets})
    return file.getvalue()


def tar_of(members: Mapping[str, bytes], mode: str = "w:gz") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


TRUTH = "data/ILSVRC2012_validation_ground_truth.txt"


@pytest.mark.parametrize("top", ["", "./", "ILSVRC2012_devkit_t12/"])
@pytest.mark.parametrize("mode", ["w:gz", "w"])
def test_devkit_of_real_size(file: Path, top: str, mode: str) -> None:
    leaves = list(imagenet_synsets())
    random.Random(2).shuffle(leaves)  # ILSVRC ids are in another order than the WNIDs
    rows = [(i, wnid, 0) for i, wnid in enumerate(leaves, 1)]
    rows += [(1001 + i, f"n{i:08d}", 1 + i % 3) for i in range(860)]
    number = {wnid: i for i, wnid, _ in rows}
    wanted = [imagenet_synsets()[i] for i in imagenet_validation_labels()[:2000]]
    members = {
        f"{top}readme.txt": b"x",
        f"{top}data/._meta.mat": b"junk of macOS",
        f"{top}{TRUTH}": "".join(f"{number[wnid]}\n" for wnid in wanted).encode(),
        f"{top}data/meta.mat": meta_mat(rows),
    }
    labels = read_validation_labels(put(file, tar_of(members, mode)))
    assert labels.by_number == tuple(wanted)
    assert labels.by_stem is None


SMALL = [(1, A, 0), (2, B, 0), (3, C, 2)]


def test_devkit_of_one_class(file: Path) -> None:
    kit = tar_of({TRUTH: b"1\r\n1\r\n", "data/meta.mat": meta_mat(SMALL[:1])})
    assert read_validation_labels(put(file, kit)).by_number == (A, A)


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        (b"1\n3\n", "ground_truth.txt, line 2: found '3', which is the ILSVRC id of no leaf"),
        (b"1\n\n2\n", "ground_truth.txt, line 2: blank"),
        (b"1\nx\n", "ground_truth.txt, line 2: found 'x'"),
        (b"1\n" * 50_001, "50,001 labels"),
        (b"", "ground_truth.txt: holds no entry"),
    ],
)
def test_devkit_with_bad_ground_truth(file: Path, truth: bytes, message: str) -> None:
    kit = tar_of({TRUTH: truth, "data/meta.mat": meta_mat(SMALL)})
    with pytest.raises(InputError, match=message):
        read_validation_labels(put(file, kit))


@pytest.mark.parametrize("meta", [b"", b"no matlab file" * 40, None])
def test_devkit_with_bad_meta(file: Path, meta: bytes | None) -> None:
    data = meta_mat(SMALL)[:200] if meta is None else meta
    with pytest.raises(InputError, match=r"meta\.mat: no MATLAB 5 file"):
        read_validation_labels(put(file, tar_of({TRUTH: b"1\n", "data/meta.mat": data})))


def test_devkit_with_one_id_for_two_classes(file: Path) -> None:
    data = meta_mat([(1, A, 0), (1, B, 0)])
    with pytest.raises(InputError, match="one ILSVRC id for two"):
        read_validation_labels(put(file, tar_of({TRUTH: b"1\n", "data/meta.mat": data})))


def test_archive_that_is_no_devkit(file: Path) -> None:
    with pytest.raises(InputError, match=r"holds no member data/meta\.mat"):
        read_validation_labels(put(file, tar_of({TRUTH: b"1\n", "elsewhere/meta.mat": b"x"})))
    with pytest.raises(InputError, match="holds no member data/ILSVRC2012_validation_ground"):
        read_validation_labels(put(file, tar_of({"data/meta.mat": b"x"})))


def test_devkit_cut_off(file: Path) -> None:
    noise = random.Random(3).randbytes(20_000)
    kit = tar_of({"big": noise, TRUTH: b"1\n", "data/meta.mat": meta_mat(SMALL)})
    for length in (2, 11, 1000, 20_100, len(kit) - 200):
        with pytest.raises(InputError, match="damaged or cut off"):
            read_validation_labels(put(file, kit[:length]))


def test_devkit_without_scipy(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kit = tar_of({TRUTH: b"1\n", "data/meta.mat": meta_mat(SMALL)})
    real_import = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("scipy"):
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UsageError, match=r"pip install 'fastconv\[devkit\]'"):
        read_validation_labels(put(file, kit))
