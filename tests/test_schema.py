"""Schemas as data: from Python, from TOML files and functions, and from manifests, damaged ones
among them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from schemas import csv_text, features, options, tree

import fastconv
from fastconv import SLIM, TFDS, Schema
from fastconv.differences import differences
from fastconv.errors import InputError, OutputError, UsageError
from fastconv.past import read_past
from fastconv.schema_given import schema_of

NAMES = ("a/1.jpg", "a/2.jpg", "b/1x.jpg")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tree(tmp_path_factory.mktemp("schema") / "in", NAMES)


def toml(folder: Path, text: str) -> Path:
    path = folder / "s.toml"
    path.write_text(text)
    return path


def table(folder: Path, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_text(csv_text(["file_name", "iso", "who"], [[n, 100, "me"] for n in NAMES]))
    return path


# ---- from Python --------------------------------------------------------------------------------


def test_left_out_renamed_and_added() -> None:
    schema = SLIM.without("image/colorspace", "image/format").renamed({"image/height": "h"})
    assert "image/colorspace" not in schema.features and schema.features["image/height"] == "h"
    assert schema.without("h").features.keys() == schema.features.keys() - {"image/height"}
    swapped = SLIM.renamed({"image/height": "image/width", "image/width": "image/height"})
    assert swapped.features["image/width"] == "image/height"
    assert SLIM.features == Schema("slim", dict(SLIM.features)).features  # left as they were
    added = TFDS.with_columns("t.csv", {"iso": "ISO", "who": ("name", "bytes")}, key="k")
    assert [(c.feature, c.column, c.kind) for c in added.columns] == [
        ("iso", "ISO", None),
        ("who", "name", "bytes"),
    ]
    assert (SLIM.first_label, TFDS.first_label, added.first_label) == (1, 0, 0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SLIM.without("image"), "there is no feature 'image'; there are image/encoded, "),
        (lambda: TFDS.without("image"), "image/encoded cannot be left out"),
        (lambda: SLIM.renamed({"image/height": "image/width"}), "two features .* 'image/width'"),
        (lambda: SLIM.renamed({"image/height": ""}), "'' is no name for a feature"),
        (lambda: SLIM.renamed({"image/height": "a\0"}), "is no name for a feature"),
        (lambda: SLIM.renamed({"image/height": "\udcff"}), "is no name for a feature"),
        (lambda: SLIM.renamed({"image/height": 3}), "3 is no name for a feature"),  # type: ignore[dict-item]
        (lambda: Schema("slim", {"image": "image"}), "image/encoded cannot be left out"),
        (lambda: Schema("slim", {"image/encoded": "x", "y": "y"}), "there is no feature 'y'"),
        (lambda: Schema("flat", dict(SLIM.features)), "base is slim or tfds, not 'flat'"),  # type: ignore[arg-type]
        (lambda: SLIM.with_columns("t.csv", []), "no columns of t.csv are named"),
        (lambda: SLIM.with_columns("t.csv", ["image/width"]), "two features would have the name"),
        (lambda: SLIM.with_columns("t.csv", {"a": ("a", "int")}), "kind of 'a' is bytes, int64 or"),
        (lambda: SLIM.with_columns("t.csv", {"a": (1, "int64")}), "1 is no column's name"),
        (lambda: SLIM.with_columns("t.csv", ["a"], missing="no"), "missing is stop or empty"),  # type: ignore[arg-type]
        (lambda: SLIM.with_columns("t.csv", ["a"], key=1), "1 is no column's name"),  # type: ignore[arg-type]
        (lambda: SLIM.with_columns("t", ["a"]).with_columns("u", ["b"]), "of one table"),
    ],
)  # fmt: skip
def test_what_is_no_schema(make: Callable[[], Schema], message: str) -> None:
    with pytest.raises(UsageError, match=f"^--schema: .*{message}"):
        make()


def test_from_facts_and_back() -> None:
    schema = SLIM.without("image/format").with_columns(
        "t.csv", {"a": "b", "c": ("d", "float")}, key="k", missing="empty"
    )
    facts = json.loads(json.dumps(schema.as_facts()))
    assert Schema.of_facts(facts, "t.csv") == schema
    assert Schema.of_facts(TFDS.as_facts(), None) == TFDS


# ---- as it is given -----------------------------------------------------------------------------

FULL = """
base = "tfds"
leave_out = ["file_name"]
rename = { image = "picture" }
[columns]
file = "t.csv"
key = "file_name"
missing = "empty"
[columns.features]
iso = "iso"
person = { column = "who", kind = "bytes" }
who = {}
"""


def test_a_toml_file(tmp_path: Path) -> None:
    schema = schema_of(toml(tmp_path, FULL), "slim")
    assert schema.base == "tfds"
    assert dict(schema.features) == {"image/encoded": "picture", "image/class/label": "label"}
    assert [(c.feature, c.column, c.kind) for c in schema.columns] == [
        ("iso", "iso", None),
        ("person", "who", "bytes"),
        ("who", "who", None),
    ]
    assert schema.table is not None
    assert (schema.table.file, schema.table.missing) == (str(tmp_path / "t.csv"), "empty")
    short = toml(tmp_path, '[columns]\nfile = "t.csv"\nfeatures = ["iso", "who"]')
    assert [c.feature for c in schema_of(short, "slim").columns] == ["iso", "who"]
    assert schema_of(toml(tmp_path, ""), "tfds") == TFDS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("leave_out = [", "is no TOML: "),
        ("\xff", "is no TOML: "),
        ("leaveout = []", "leaveout is not known; known: base, leave_out, rename, columns"),
        ("leave_out = 'x'", "leave_out is no list"),
        ("leave_out = [1]", "1 is no feature's name"),
        ("leave_out = ['x']", "there is no feature 'x'; there are image/encoded"),
        ("base = 'x'", "base is slim or tfds, not 'x'"),
        ("rename = {'image/height' = 1}", "1 is no feature's name"),
        ("columns = 1", "columns is no table"),
        ("[columns]\nfile = 'x'", "columns needs file and features"),
        ("[columns]\nfile = 'x'\nfeatures = 1", "columns.features is no table"),
        ("[columns]\nfile = 'x'\nfeatures = [1]", "1 is no feature's name"),
        ("[columns]\nfile = 1\nfeatures = {}", "columns.file is no text"),
        ("[columns]\nfile = 'x'\nfeatures = {}", "no columns of .*x are named"),
        ("[columns]\nfile = 'x'\nfeatures = {a = {kind = 'int'}}", "the kind of 'a' is bytes"),
        ("[columns]\nfile = 'x'\nfeatures = {a = {knd = 'x'}}", "features.a.knd is not known"),
    ],
)
def test_what_is_no_schema_in_toml(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "s.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=f"^--schema {path}: .*{message}"):
        schema_of(path, "slim")


def test_a_toml_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        given = path if path.suffix else path / ".toml"
        with pytest.raises(UsageError, match="cannot be read: No such file"):
            schema_of(given, "slim")


CODE = """
from __future__ import annotations
from dataclasses import dataclass
import fastconv

@dataclass
class Mine:
    name: str = "picture"

def schema(base: fastconv.Schema) -> fastconv.Schema:
    return base.without("image/format").renamed({"image/encoded": Mine().name})

def nothing(base): pass
def wrong(base): return base.without("x")
def broken(base): return 1 / 0
number = 3
"""


def test_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine_of_test.py"
    path.write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    expected = SLIM.without("image/format").renamed({"image/encoded": "picture"})
    assert schema_of(f"{path}:schema", "slim") == expected
    assert schema_of("mine_of_test:schema", "slim") == expected
    assert schema_of(lambda base: base.without("label"), "tfds") == TFDS.without("label")
    assert schema_of(expected, "tfds") is expected
    for words, message in (
        (f"{path}:nothing", "returned NoneType, not a Schema"),
        (f"{path}:wrong", "there is no feature 'x'"),
        (f"{path}:broken", "raised ZeroDivisionError: division by zero"),
        (f"{path}:number", "raised TypeError: "),
        (f"{path}:none", "cannot be loaded: AttributeError: "),
        (f"{tmp_path}/no.py:x", "cannot be loaded: FileNotFoundError: "),
        ("no_such_module:x", "cannot be loaded: ModuleNotFoundError: .*; a file is named as"),
    ):
        with pytest.raises(UsageError, match=message):
            schema_of(words, "slim")
    for words in ("flat", "", "x:", ":x", "a:b c", "s.yaml"):
        with pytest.raises(
            UsageError, match=r"^--schema is slim, tfds, a TOML file, or a function"
        ):
            schema_of(words, "slim")


# ---- a whole job --------------------------------------------------------------------------------


def everything(out: Path) -> dict[str, bytes]:
    files = (p for p in out.rglob("*") if p.is_file() and p.name != "runs.json")
    return {str(p.relative_to(out)): p.read_bytes() for p in files}


def test_a_job_is_gone_on_with_and_checked(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From another folder, and with the table somewhere else."""
    home = tmp_path / "home"
    home.mkdir()
    table(home)
    monkeypatch.chdir(home)
    toml(home, FULL)
    told = options(source, tmp_path / "out", schema="s.toml", workers=2, train_shards=2)
    monkeypatch.chdir(tmp_path)  # what was asked for is settled already
    report = fastconv.convert(told)
    assert report.written == 3
    before = everything(tmp_path / "out")
    one = options(source, tmp_path / "one", schema="home/s.toml", train_shards=2)
    fastconv.convert(one)
    assert everything(tmp_path / "one") == before

    first = features(tmp_path / "out" / "data_dir" / "train-00000-of-00002")
    assert all(
        set(record) == {"picture", "label", "iso", "person", "who"}
        and (record["iso"], record["person"], record["who"]) == ([100], [b"me"], [b"me"])
        for record in first
    )
    shard = tmp_path / "out" / "data_dir" / "train-00001-of-00002"
    shard.unlink()
    (tmp_path / "out" / "manifest.json").rename(tmp_path / "kept")
    assert fastconv.verify(tmp_path / "out").found
    (tmp_path / "kept").rename(tmp_path / "out" / "manifest.json")
    assert fastconv.convert(told).kept_shards == 1
    assert everything(tmp_path / "out") == before

    assert fastconv.verify(tmp_path / "out", against_source=True, workers=1).found == 0
    shard.write_bytes(b"x")
    fixed = fastconv.verify_and_repair(tmp_path / "out", workers=1)
    assert fixed.found == 0 and everything(tmp_path / "out") == before

    moved = (home / "t.csv").rename(tmp_path / "moved.csv")
    with pytest.raises(InputError, match=r"home/t.csv: cannot be read: No such file"):
        fastconv.verify(tmp_path / "out", against_source=True)
    again = fastconv.verify(tmp_path / "out", against_source=True, workers=1, columns=moved)
    assert again.found == 0
    moved.write_text(moved.read_text().replace("100", "101", 1))
    with pytest.raises(InputError, match=r"its source is not what it was: .*fingerprint"):
        fastconv.verify(tmp_path / "out", against_source=True, columns=moved)


def test_added_values_that_differ_are_told(source: Path, tmp_path: Path) -> None:
    """Of a shard whose checksums are right, by a manifest that is told another fingerprint."""
    rows = [[n, v, "nan", t] for n, v, t in zip(NAMES, (1, 2, 3), "xyz", strict=True)]
    path = tmp_path / "t.csv"
    path.write_text(csv_text(["file_name", "n", "x", "t"], rows))
    out = tmp_path / "out"
    schema = SLIM.with_columns(path, ["n", "x", "t"])
    fastconv.convert(options(source, out, schema=schema))
    assert fastconv.verify(out, against_source=True, workers=1).found == 0  # NaN is NaN
    path.write_text(path.read_text().replace(",2,nan,y", ",4,0.5,ü"))
    other = tmp_path / "other"
    fastconv.convert(options(source, other, schema=schema))
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["source"] = json.loads((other / "manifest.json").read_text())["source"]
    (out / "manifest.json").write_text(json.dumps(manifest))
    findings = fastconv.verify(out, against_source=True, workers=1).findings
    assert [f.what.partition(" (from")[0] for f in findings] == [
        "n is 2, but the table's 4",
        "x is nan, but the table's 0.5",
        "t is 'y', but the table's 'ü'",
    ]


def test_another_schema_is_refused_by_the_difference(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    path = table(tmp_path)
    fastconv.convert(options(source, out))
    for more, message in (
        ({"schema": "tfds"}, "--label-offset was 1, is 0; --schema: base was slim, is tfds, "
         "image/encoded was image/encoded, is image, image/channels was image/channels, is left "
         "out, image/class/label was image/class/label, is label, and "),
        ({"schema": SLIM.without("image/format")}, "--schema: image/format was image/format, is "
         "left out. Go on"),
        ({"schema": SLIM.with_columns(path, ["iso", "who"])}, "--schema: added features was none, "
         "is iso and who, key was not given, is file_name, missing was not given, is stop. Go on"),
        ({"compression": "gzip"}, "--compression was none, is gzip. Go on"),
    ):  # fmt: skip
        with pytest.raises(OutputError) as error:
            fastconv.convert(options(source, out, **more))
        assert f"out: holds what another job wrote: {message}" in str(error.value)
    fastconv.convert(options(source, out, schema=SLIM.with_columns(path, ["iso"]), overwrite=True))
    with pytest.raises(OutputError, match="added features was iso, is i of iso as float"):
        given = SLIM.with_columns(path, {"i": ("iso", "float")})
        fastconv.convert(options(source, out, schema=given))


def test_of_outputs_that_say_neither_layout_nor_schema(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    fastconv.convert(options(source, out))
    manifest = json.loads((out / "manifest.json").read_text())
    now = json.loads(json.dumps(manifest))
    del manifest["options"]["layout"], manifest["options"]["schema"]
    assert differences(manifest, now) == []
    del manifest["columns"], manifest["metadata"]
    (out / "manifest.json").write_text(json.dumps(manifest))
    assert fastconv.verify(out, against_source=True, workers=1).found == 0
    assert fastconv.convert(options(source, out)).kept_shards == 1


DAMAGES: list[tuple[str, Any]] = [
    ("options.schema", []),
    ("options.schema", 3),
    ("options.schema.base", "x"),
    ("options.schema.base", []),
    ("options.schema.features", None),
    ("options.schema.features", {"image/encoded": 3}),
    ("options.schema.features", {"image/encoded": []}),
    ("options.schema.features", {"image/encoded": "x", "y": "y"}),
    ("options.schema.features", {"image/class/label": "x"}),
    ("options.schema.columns", {}),
    ("options.schema.columns", [{}]),
    ("options.schema.columns", [{"feature": [], "column": "c", "kind": None}]),
    ("options.schema.columns", [{"feature": "x", "column": 3, "kind": None}]),
    ("options.schema.columns", [{"feature": "x", "column": "c", "kind": "int"}]),
    ("options.schema.columns", [{"feature": "y", "column": "c", "kind": None}]),
    ("options.schema.key", 3),
    ("options.schema.missing", "x"),
    ("options.layout", []),
    ("options.layout", "slim"),
    ("options.layout.kind", "x"),
    ("options.layout.kind", {}),
    ("options.layout.name", "../x"),
    ("options.layout.name", 3),
    ("options.layout.version", "1"),
    ("columns", None),
    ("columns", []),
    ("columns", {"y": {"kind": "int64", "single": True}}),
    ("columns", {"iso": 3}),
    ("columns", {"iso": {"kind": "x", "single": True}}),
    ("columns", {"iso": {"kind": "int64", "single": 3}}),
    ("columns", {"iso": {"kind": [], "single": True}}),
    ("metadata", 3),
    ("metadata", {}),
    ("metadata", {"name": 3, "version": "1.0.0"}),
    ("metadata", {"name": "x", "version": "1.0.0", "files": []}),
    ("metadata", {"name": "x", "version": "1.0.0", "files": {"../x": "00000000"}}),
    ("metadata", {"name": "x", "version": "1.0.0", "files": {"labels.txt": 3}}),
]


def test_damaged_manifests(source: Path, tmp_path: Path) -> None:
    """Nothing in one is a traceback."""
    out = tmp_path / "out"
    told = options(source, out, schema=SLIM.with_columns(table(tmp_path), ["iso"]))
    fastconv.convert(told)
    path = out / "manifest.json"
    whole = path.read_text()
    assert read_past(out) is not None
    for place, value in DAMAGES:
        manifest = json.loads(whole)
        *parts, last = place.split(".")
        inside = manifest
        for part in parts:
            inside = inside[part]
        inside[last] = value
        path.write_text(json.dumps(manifest))
        with pytest.raises(OutputError, match=r"manifest.json: is damaged, so that nothing is"):
            read_past(out)
        assert any(
            finding.file == "manifest.json" and "cannot be understood" in finding.what
            for finding in fastconv.verify(out, workers=1).findings
        ), (place, value)


def test_on_the_command_line(source: Path, tmp_path: Path) -> None:
    """From a folder of one's own, with a table and a schema there."""
    table(tmp_path)
    toml(tmp_path, FULL)

    def run(*words: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "fastconv", *words],
            capture_output=True, text=True, cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    shards = ("shards", str(source), "--out", "out", "--train-shards", "1", "--workers", "1")
    code, shown, _ = run(*shards, "--schema", "s.toml", "--dry-run", "--json")
    plan = json.loads(shown)
    assert code == 0 and plan["label_offset"] == 0
    assert plan["schema"]["features"] == {"image/encoded": "picture", "image/class/label": "label"}
    assert plan["columns"]["iso"] == {"kind": "int64", "single": True}
    assert plan["layout"] == {
        "kind": "slim", "name": "imagenet2012", "version": "5.1.0", "compressed": False,
    }  # fmt: skip
    code, shown, _ = run(*shards, "--schema", "s.toml", "--dry-run")
    assert "features: picture, label\n" in shown and "added: iso, one int64\n" in shown
    code, _, error = run(*shards, "--schema", "s.tml")
    assert code == 2 and error.startswith("fastconv: --schema is slim, tfds, a TOML file")
    code, _, error = run(*shards, "--schema", "s.toml", "--quiet")
    assert (code, error) == (0, "")
    code, shown, _ = run("verify", "out", "--against-source", "--columns", "t.csv")
    assert code == 0 and "nothing is wrong" in shown


def test_schemas_that_wait_or_leave(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    leaves = tmp_path / "leaves.py"
    leaves.write_text("def make(schema):\n    raise SystemExit(0)\n")
    twice = tmp_path / "twice.toml"
    twice.write_text('leave_out = ["image/format", "image/format"]\n')
    for given, words in (
        (tmp_path / "pipe.toml", "it is no regular file"),
        (f"{leaves}:make", "raised SystemExit"),
        (twice, "is named twice"),
    ):
        with pytest.raises(fastconv.UsageError, match=words):
            fastconv.Options(source="s", out="o", schema=given)
