"""Columns of tables that become features: whose row it is, of which kind, and what is refused."""

from __future__ import annotations

import os
import random
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import twin
from hypothesis import given, settings
from hypothesis import strategies as st
from schemas import csv_text, prepared, tree, written
from twin.schema import ORDER, record

from fastconv.errors import InputError, UsageError
from fastconv.schema import FEATURES, SLIM, Schema
from fastconv.sources.columns import Added
from fastconv.sources.kinds_of_cells import Cells, values_of
from fastconv.sources.table import read_table

NAMES = ("b/1.jpg", "b/x.y.jpg", "b/ü.jpg", "ä/1.jpg", "ä/2.JPEG")  # sorted bytewise


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tree(tmp_path_factory.mktemp("columns") / "in", NAMES)


def read(source: Path, table: Path | str, columns: Any, **more: Any) -> Added:
    return prepared(source, schema=SLIM.with_columns(table, columns, **more)).added


def cells(added: Added, number: int = 0) -> list[Any]:
    """The values of each image of the first catalog, in its order, which is that of NAMES."""
    counts, values = added.columns[number].taken(added.rows[0])
    flat, found = list(values), []
    for count in counts:
        found.append(flat[:count])
        flat = flat[count:]
    return found


def table(folder: Path, text: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


# ---- whole records, against the twin ------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "bytes": TEXTS | st.binary(max_size=12),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32),
}
STORED = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@st.composite
def schemas(draw: st.DrawFn) -> tuple[dict[str, str], list[tuple[str, str, bool]]]:
    """Some of slim's features under some names, and what is added: (name, kind, whether lists)."""
    kept = [name for name in FEATURES if name == "image/encoded" or draw(st.booleans())]
    count = draw(st.integers(0, 3))
    renamed = draw(st.booleans())
    names = draw(st.lists(STORED, unique=True, min_size=len(kept) + count, max_size=30))
    stored = names[count:] if renamed else kept
    added = [
        (name, draw(st.sampled_from(sorted(VALUES))), draw(st.booleans()))
        for name in names[:count]
        if name not in stored
    ]
    return dict(zip(kept, stored, strict=False)), added


@settings(deadline=None, max_examples=25)
@given(schemas(), st.data())
def test_records_of_any_schema_are_the_twins(
    source: Path,
    tmp_path_factory: pytest.TempPathFactory,
    drawn: tuple[dict[str, str], list[tuple[str, str, bool]]],
    data: st.DataObject,
) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    names, added = drawn
    schema = Schema("slim", names)
    rows: dict[str, list[list[Any]]] = {name: [] for name in NAMES}
    if added:
        columns: dict[str, Any] = {"file_name": list(NAMES)}
        for number, (_, kind, is_list) in enumerate(added):
            own = st.lists(VALUES[kind], max_size=4) if is_list else st.none() | VALUES[kind]
            column = [data.draw(own) for _ in NAMES]
            for name, cell in zip(NAMES, column, strict=True):
                values = cell if isinstance(cell, list) else [] if cell is None else [cell]
                rows[name].append([v.encode() if isinstance(v, str) else v for v in values])
            kinds = {
                "bytes": pyarrow.binary(),
                "int64": pyarrow.int64(),
                "float": pyarrow.float32(),
            }
            told = pyarrow.list_(kinds[kind]) if is_list else kinds[kind]
            columns[f"c{number}"] = pyarrow.array(column, told)
        path = tmp_path_factory.getbasetemp() / "any.parquet"
        parquet.write_table(pyarrow.table(columns), path)
        given = {name: (f"c{number}", kind) for number, (name, kind, _) in enumerate(added)}
        schema = schema.with_columns(path, given)
    out = tmp_path_factory.getbasetemp() / "any"
    first = data.draw(st.integers(0, 1))
    (shard,) = written(prepared(source, schema=schema, label_offset=first), out)

    order = list(range(len(NAMES)))
    random.Random(12345).shuffle(order)
    payloads = []
    for at in order:
        folder, name = NAMES[at].split("/")
        label = sorted({"ä", "b"}).index(folder) + first
        more = [
            (feature, kind, values)
            for (feature, kind, _), values in zip(added, rows[NAMES[at]], strict=True)
        ]
        image = (source / NAMES[at]).read_bytes()
        payloads.append(record(image, name, folder, folder, label, names, more))
    assert shard == b"".join(map(twin.frame, payloads))


def test_the_twin_has_slims_features_in_their_order() -> None:
    assert tuple(ORDER) == FEATURES


def test_csv_and_parquet_give_the_same_bytes(source: Path, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns: dict[str, list[Any]] = {
        "file_name": list(NAMES),
        "n": [-(2**63), 2**63 - 1, 0, None, 300],
        "x": [0.5, float("nan"), float("-inf"), None, 1e38],
        "t": ["", "line\nbreak", 'a "quote", a comma', "\u00fc\U0001f600", "nul\0nul"],
    }
    rows = [["" if v is None else v for v in row] for row in zip(*columns.values(), strict=True)]
    paths = [table(tmp_path, csv_text(list(columns), rows)), tmp_path / "t.parquet"]
    parquet.write_table(pyarrow.table(columns), paths[1])
    features: dict[str, Any] = {"n": "n", "x": ("x", "float"), "t": "t"}
    jobs = [prepared(source, schema=SLIM.with_columns(path, features)) for path in paths]
    assert jobs[0].fingerprint == jobs[1].fingerprint
    assert jobs[0].added.facts == {
        "n": {"kind": "int64", "single": False},
        "x": {"kind": "float", "single": False},
        "t": {"kind": "bytes", "single": True},
    }
    shards = [written(job, tmp_path / "out") for job in jobs]
    assert shards[0] == shards[1]


# ---- kinds --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "kind", "values"),
    [
        (["1", "-2", "+3", "0"], "int64", [1, -2, 3, 0]),
        (["1", ""], "int64", [1]),
        ([f"{2**63 - 1}", f"{-(2**63)}"], "int64", [2**63 - 1, -(2**63)]),
        ([f"{2**63}"], "bytes", [b"9223372036854775808"]),  # as a float another number
        (["0.5", f"{2**63}"], "bytes", [b"0.5", b"9223372036854775808"]),
        (["1", "0.5"], "float", [1.0, 0.5]),
        (["1e3", ".5", "5.", "-1E-2"], "float", [1000.0, 0.5, 5.0, np.float32(-0.01)]),
        (["nan", "inf", "-Infinity"], "float", [float("nan"), float("inf"), float("-inf")]),
        (["007", "1"], "bytes", [b"007", b"1"]),  # a number would lose the zeros
        (["1_000"], "bytes", [b"1_000"]),
        ([" 1"], "bytes", [b" 1"]),
        (["\uff11"], "bytes", ["\uff11".encode()]),  # a digit to Python
        (["0x10"], "bytes", [b"0x10"]),
        (["", ""], "bytes", [b"", b""]),
        ([], "bytes", []),
        (["9" * 5000], "bytes", [b"9" * 5000]),
    ],
)
def test_kinds_of_texts(texts: list[str], kind: str, values: list[Any]) -> None:
    from fastconv.schema import Column

    found, starts, made = values_of(Cells(texts), Column("f", "c"), str)
    assert found == kind
    assert len(starts) == len(texts) + 1
    assert (
        struct.pack(f"{len(values)}f", *made) == struct.pack(f"{len(values)}f", *values)
        if (kind == "float")
        else list(made) == values
    )


@pytest.mark.parametrize(
    ("kind", "text", "good"),
    [
        ("int64", " 12 ", True),
        ("int64", "007", True),
        ("int64", "1.0", False),
        ("int64", f"{2**63}", False),
        ("int64", "1_0", False),
        ("int64", "9" * 5000, False),
        ("int64", "", True),
        ("float", " 1.5", True),
        ("float", "1", True),
        ("float", "1,5", False),
        ("float", "x", False),
        ("bytes", "1", True),
        ("bytes", "", True),
    ],
)
def test_a_kind_that_is_asked_for(
    source: Path, tmp_path: Path, kind: Any, text: str, good: bool
) -> None:
    rows = [[name, "1"] for name in NAMES]
    rows[3][1] = text
    path = table(tmp_path, csv_text(["file_name", "c"], rows))
    if good:
        assert read(source, path, {"f": ("c", kind)}).columns[0].kind == kind
        return
    with pytest.raises(InputError, match=f"t.csv: line 5: column 'c' has .*, which is no {kind}"):
        read(source, path, {"f": ("c", kind)})


def test_numbers_that_a_float_has_no_room_for(source: Path, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    for value in ("1e39", "-1e300", "9" * 400):
        rows = [[name, "inf"] for name in NAMES]
        rows[3][1] = value
        path = table(tmp_path, csv_text(["file_name", "c"], rows))
        with pytest.raises(InputError, match=r"t.csv: line 5: column 'c' has .* has no room"):
            read(source, path, {"f": ("c", "float")})
    parquet.write_table(
        pyarrow.table({"file_name": list(NAMES), "c": [1.0, None, float("inf"), 1e39, 0.0]}),
        tmp_path / "t.parquet",
    )
    with pytest.raises(InputError, match=r"row 3: column 'c' has 1e\+39, for which a float"):
        read(source, tmp_path / "t.parquet", ["c"])


def test_values_of_parquet_that_no_feature_holds(source: Path, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    good = {
        "flag": ([True, False, None, True, True], "int64", [[1], [0], [], [1], [1]]),
        "words": (
            pyarrow.array(list("abcab")).dictionary_encode(),
            "bytes",
            [[b"a"], [b"b"], [b"c"], [b"a"], [b"b"]],
        ),
        "digits": (list("12345"), "bytes", [[b"1"], [b"2"], [b"3"], [b"4"], [b"5"]]),
        "lists": ([[1, 2], [], None, [3], [4]], "int64", [[1, 2], [], [], [3], [4]]),
        "large": (
            pyarrow.array([2**64 - 1, 1, 1, 1, 1], pyarrow.uint64()),
            None,
            "row 0: column 'large'",
        ),
        "holes": ([[1, None], [], [], [], []], None, "row 0: column 'holes' has None"),
        "day": (pyarrow.array([1, 2, 3, 4, 5], pyarrow.date32()), None, "row 0: column 'day'"),
        "deep": ([[[1]], [], [], [], []], None, r"row 0: column 'deep' has \[1\]"),
    }  # fmt: skip
    path = tmp_path / "t.parquet"
    columns = {name: values for name, (values, _, _) in good.items()}
    parquet.write_table(pyarrow.table({"file_name": list(NAMES), **columns}), path)
    for name, (_, kind, found) in good.items():
        if kind is None:
            with pytest.raises(InputError, match=f"t.parquet: {found}"):
                read(source, path, [name])
        else:
            added = read(source, path, [name])
            assert (added.columns[0].kind, cells(added)) == (kind, found)
    assert cells(read(source, path, {"f": ("digits", "int64")})) == [[1], [2], [3], [4], [5]]


# ---- whose row it is ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "keys",
    [
        NAMES,
        ("b/1.jpg", "x.y", "b/ü.jpg", "ä/1", "2"),  # without extensions or folders
        ("train/b/1.jpg", "b/x.y", "ü", "any/where/ä/1.jpg", "2.JPEG"),
        ("b/1", "x.y.jpg", "/b/ü.jpg", "ä/1.jpg", "train/ä/2"),
    ],
)
def test_keys(source: Path, tmp_path: Path, keys: tuple[str, ...]) -> None:
    rows = [[key, str(number)] for number, key in enumerate(keys)]
    random.Random(1).shuffle(rows)
    path = table(tmp_path, csv_text(["file_name", "n"], [*rows, ["other.jpg", "9"]]))
    added = read(source, path, ["n"])
    assert cells(added) == [[0], [1], [2], [3], [4]]
    assert added.unused == 1
    assert added.facts == {"n": {"kind": "int64", "single": True}}


def test_names_that_are_the_same_in_both_splits(tmp_path: Path) -> None:
    source = tree(tmp_path / "in", ["train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg"])
    rows = [["train/a/1.jpg", "0"], ["train/b/1", "1"], ["val/a/1.jpg", "2"]]
    path = table(tmp_path, csv_text(["file_name", "n"], rows))
    added = read(source, path, ["n"])
    assert [rows.tolist() for rows in added.rows] == [[0, 1], [2]]
    for keys, message in (
        (["1.jpg"], r"line 2: '1.jpg' could be \S+/train/a/1.jpg, or \S+/train/b/1.jpg; name"),
        (["a/1", "b/1"], r"line 2: 'a/1' could be \S+/train/a/1.jpg, or \S+/val/a/1.jpg"),
        (["a/1.jpg", "train/b/1.jpg"], r"line 2: 'a/1.jpg' could be"),
    ):
        path = table(tmp_path, csv_text(["file_name", "n"], [[key, "1"] for key in keys]))
        with pytest.raises(InputError, match=message):
            read(source, path, ["n"])


def test_images_without_a_row(source: Path, tmp_path: Path) -> None:
    rows = [[name, "1", "t"] for name in NAMES if name not in ("b/1.jpg", "b/ü.jpg")]
    path = table(tmp_path, csv_text(["file_name", "n", "t"], rows))
    message = r"t.csv: has no row for \S+/b/1.jpg \(of train images without one there are 2\)"
    with pytest.raises(InputError, match=message):
        read(source, path, ["n"])
    added = read(source, path, ["n", "t"], missing="empty")
    assert cells(added, 0) == [[], [1], [], [1], [1]]
    assert cells(added, 1) == [[], [b"t"], [], [b"t"], [b"t"]]
    assert not any(told["single"] for told in added.facts.values())


def test_an_empty_table(source: Path, tmp_path: Path) -> None:
    path = table(tmp_path, "file_name,n\n")
    with pytest.raises(InputError, match=r"has no row for .* there are 5"):
        read(source, path, ["n"])
    assert cells(read(source, path, ["n"], missing="empty")) == [[]] * 5


# ---- what is no such table ----------------------------------------------------------------------

LINES = "".join(f"{name},1\r\n" for name in NAMES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "has no column 'file_name'; its columns are none: it is empty"),
        ("file_name\nx\n", "has no column 'n'; its columns are 'file_name'"),
        ("file_name,n,n\n", "has two columns 'n'; its columns are 'file_name', 'n', 'n'"),
        ("file_name;n\n", "has no column 'file_name'; its columns are 'file_name;n'"),
        (f"file_name,n\n{NAMES[0]},1\n{NAMES[1]}\n", "line 3 has 1 cells, but the first line 2"),
        (f'file_name,n\n{NAMES[0]},"1\n2"\n\n{NAMES[1]},1,2\n', "line 5 has 3 cells"),
        (
            f"file_name,n\n{NAMES[0]},1\n{NAMES[0]},2\n",
            f"line 2: names '{NAMES[0]}', and so does line 3",
        ),
        (f'file_name,n\n"{NAMES[0]}",1\n,2\n', "line 3: has no name of an image"),
        (f'file_name,n\n{NAMES[0]},"1\n', "line 2 is no CSV: unexpected end of data"),
        (f'file_name,n\n{NAMES[0]},"1"x\n', "line 2 is no CSV: "),
        ('"file_name"x,n\n', "line 1 is no CSV: "),
        ("x" * 200_000, "line 1 is no CSV: field larger"),
        (b"file_name,n\nx,1\n\xfc.jpg,2\n", "line 3 is no UTF-8: byte 0xfc; save"),
        ("file_name,n\n".encode("utf-16"), "line 1 is no UTF-8: byte 0xff"),
        (b"PAR1 and no more", "is no Parquet file that can be read: "),
    ],
)  # fmt: skip
def test_what_cannot_be_read(source: Path, tmp_path: Path, text: str | bytes, message: str) -> None:
    path = table(tmp_path, text)
    with pytest.raises(InputError, match=f"^{re.escape(f'{path}: {message}')}"):
        read(source, path, ["n"])


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("\r\n", "\n"),
        lambda text: text.replace("\r\n", "\n\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.removesuffix("\r\n"),
        lambda text: text.replace("1\r\n", '"1"\r\n'),
    ],
)
def test_forms_of_csv(source: Path, tmp_path: Path, change: Callable[[str], str]) -> None:
    path = table(tmp_path, change("file_name,n\r\n" + LINES))
    assert cells(read(source, path, ["n"])) == [[1]] * 5


def test_the_line_of_a_cell_behind_line_breaks(source: Path, tmp_path: Path) -> None:
    rows = [[name, "a\nb\r\nc", "1"] for name in NAMES]
    rows[3][2] = "x"
    path = table(tmp_path, csv_text(["file_name", "t", "n"], rows))
    with pytest.raises(InputError, match=r"t.csv: line 11: column 'n' has 'x'"):
        read(source, path, {"n": ("n", "int64")})


def test_files_that_cannot_be_opened(source: Path, tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(InputError, match=f"{path}: cannot be read: "):
            read(source, path, ["n"])
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe: cannot be read"):
        read(source, tmp_path / "pipe", ["n"])


def test_parquet_without_pyarrow(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    path = table(tmp_path, b"PAR1")
    with pytest.raises(UsageError, match=r"needs pyarrow: pip install 'fastconv\[parquet\]'"):
        read_table(path, ["n"])
