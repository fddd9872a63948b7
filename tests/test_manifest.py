"""The manifest and its journal: what they hold, and what they allow to be overwritten."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastconv.errors import OutputError
from fastconv.journal import Journal, labels_text
from fastconv.manifest import (
    FOLDERS,
    JOURNAL,
    LABELS,
    MANIFEST,
    PARTIAL,
    TOOL,
    clear_for,
    contents,
    dump,
    refuse_occupied,
    remove_partial,
)

FILES = [
    *(f"{folder}/train-{n:05d}-of-00002" for n in range(2) for folder in FOLDERS),
    LABELS,
    MANIFEST,
]


def everything(out: Path) -> list[str]:
    """Every file and folder below out."""
    return sorted(str(path.relative_to(out)) for path in out.rglob("*"))


def finished(out: Path, files: list[str] = FILES) -> Path:
    """An output as a job leaves it."""
    for name in files:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(f"old {name}")
    (out / MANIFEST).write_bytes(dump({"format": 1, "tool": TOOL, "files": files}))
    return out


def broken_off(out: Path, written: list[str]) -> Path:
    """An output that a killed job left: its journal, some shards, and something half done."""
    journal = Journal(out, FOLDERS, {"format": 1, "tool": TOOL, "files": FILES}, [])
    for name in written:
        (out / name).write_text(f"old {name}")
        journal.add({"shard": name})
    journal.close()
    (out / PARTIAL / "0.shard").write_text("half")
    return out


# ---- what counts as empty -------------------------------------------------------------------


def test_empty_folders(tmp_path: Path) -> None:
    assert contents(tmp_path / "none") == contents(tmp_path) == []
    (tmp_path / ".nfs0001").touch()
    (tmp_path / ".git").mkdir()
    (tmp_path / "lost+found").mkdir()
    assert contents(tmp_path) == []
    refuse_occupied(tmp_path)
    refuse_occupied(tmp_path)
    clear_for(tmp_path, FILES)
    assert everything(tmp_path) == [".git", ".nfs0001", "lost+found"]


def test_what_a_job_leaves_that_ended_before_its_journal(tmp_path: Path) -> None:
    for name in (*FOLDERS, PARTIAL):
        (tmp_path / name).mkdir()
    (tmp_path / PARTIAL / "half").touch()
    assert contents(tmp_path) == []
    Journal(tmp_path, FOLDERS, {}, []).close()
    assert everything(tmp_path) == sorted([*FOLDERS, PARTIAL, JOURNAL])


@pytest.mark.parametrize("name", ["notes.txt", "data_dir", MANIFEST, JOURNAL, "lost"])
def test_occupied_folders(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    if name in FOLDERS:
        (tmp_path / name / "x").mkdir()
    assert contents(tmp_path) == [name]
    with pytest.raises(OutputError, match=rf"{tmp_path}: already holds something \({name}\)"):
        refuse_occupied(tmp_path)
    before = everything(tmp_path)
    with pytest.raises(OutputError, match="--overwrite"):
        refuse_occupied(tmp_path)
    assert everything(tmp_path) == before


def test_only_some_names_are_shown(tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / name).touch()
    with pytest.raises(OutputError, match=r"\(a, b, c, d\)"):
        refuse_occupied(tmp_path)
    (tmp_path / "e").touch()
    with pytest.raises(OutputError, match=r"\(a, b, c, d, …\)"):
        refuse_occupied(tmp_path)


def test_out_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(OutputError, match="out: cannot be written: Not a directory"):
        clear_for(tmp_path / "out", FILES)


# ---- overwriting ----------------------------------------------------------------------------


def test_a_finished_output_is_cleared(tmp_path: Path) -> None:
    out = finished(tmp_path)
    (out / "mine.txt").write_text("kept")
    (out / "data_dir" / "mine.txt").write_text("kept")
    with pytest.raises(OutputError, match="already holds"):
        refuse_occupied(out)
    clear_for(out, FILES)
    assert everything(out) == ["data_dir", "data_dir/mine.txt", "idx_dir", "mine.txt"]


def test_files_of_other_numbers_go_too(tmp_path: Path) -> None:
    """Readers glob train-*: shards of an earlier cut must not lie beside those of a later."""
    out = finished(tmp_path)
    clear_for(out, ["data_dir/train-00000-of-00001", MANIFEST])
    assert everything(out) == ["data_dir", "idx_dir"]


def test_what_is_ours_and_gone_is_no_error(tmp_path: Path) -> None:
    out = finished(tmp_path)
    (out / FILES[0]).unlink()
    clear_for(out, FILES)
    assert everything(out) == ["data_dir", "idx_dir"]


@pytest.mark.parametrize("written", [0, 1, 4])
def test_a_broken_off_output_is_cleared(tmp_path: Path, written: int) -> None:
    out = broken_off(tmp_path / "out", FILES[:written])
    clear_for(out, FILES)
    assert everything(out) == ["data_dir", "idx_dir"]


def test_a_job_broken_off_over_another(tmp_path: Path) -> None:
    """The old manifest and the new journal: what either names is ours."""
    old = ["data_dir/train-00000-of-00009", MANIFEST]
    out = broken_off(tmp_path, FILES[:2])
    finished(tmp_path, old)
    clear_for(out, FILES)
    assert everything(out) == ["data_dir", "idx_dir"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_a_foreign_file_in_the_way(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / "mine.txt").touch()
    if kind == "folder":
        (tmp_path / name).mkdir()
    elif kind == "file":
        (tmp_path / name).write_text("{}")
    else:
        (tmp_path / name).symlink_to(tmp_path / "nowhere")
    before = everything(tmp_path)
    with pytest.raises(OutputError, match=f"{tmp_path / name}: .*|{name}.*"):
        clear_for(tmp_path, FILES)
    assert everything(tmp_path) == before


def test_nothing_is_removed_when_one_file_is_foreign(tmp_path: Path) -> None:
    out = finished(tmp_path, FILES[:3])
    (out / FILES[3]).write_text("mine")
    before = everything(out)
    with pytest.raises(OutputError, match=f"{FILES[3]}: is in the way"):
        clear_for(out, FILES)
    assert everything(out) == before


FORGED = ["../victim", "/etc/hostname", "data_dir/../../victim", "..", "data_dir/.."]


@pytest.mark.parametrize("holder", [MANIFEST, JOURNAL])
@pytest.mark.parametrize("name", FORGED)
def test_a_forged_list_reaches_nothing_outside(tmp_path: Path, holder: str, name: str) -> None:
    victim, out = tmp_path / "victim", tmp_path / "out"
    victim.write_text("precious")
    (out / "data_dir").mkdir(parents=True)
    (out / holder).write_bytes(
        json.dumps({"tool": TOOL, "files": [FILES[0], name]}).encode() + b"\n"
    )
    (out / FILES[0]).write_text("ours, perhaps")
    with pytest.raises(OutputError, match=f"{holder}: cannot be understood.*nothing here is overw"):
        clear_for(out, FILES)
    assert victim.read_text() == "precious"
    assert sorted(everything(out)) == sorted(["data_dir", FILES[0], holder])


@pytest.mark.parametrize("holder", [MANIFEST, JOURNAL])
@pytest.mark.parametrize(
    "content",
    [
        b"not json",
        b"[]",
        b"5",
        b"null",
        b'"files"',
        b"{",
        b"\xff\xfe",
        b'{"tool": "fastconv 0", "files": [5]}',
        b'{"tool": "fastconv 0", "files": [null]}',
        b'{"tool": "fastconv 0", "files": [["a"]]}',
        b'{"tool": "fastconv 0", "files": 5}',
        b'{"tool": "fastconv 0", "files": null}',
        b'{"tool": "fastconv 0", "files": "data_dir"}',
        b'{"tool": "fastconv 0", "files": {"mine.txt": 1}}',
        b'{"tool": "fastconv 0", "files": ["a\\u0000b"]}',
        b'{"tool": "fastconv 0", "files": ["", "manifest.json"]}',
        b'{"tool": "fastconv 0", "files": [".", "manifest.json"]}',
        b'{"tool": "fastconv 0", "files": ["data_dir", "manifest.json"]}',
    ],
)
def test_a_list_that_cannot_be_understood(tmp_path: Path, holder: str, content: bytes) -> None:
    """An error of fastconv's, with nothing removed: not the manifest either."""
    (tmp_path / holder).write_bytes(content + b"\n")
    (tmp_path / "data_dir").mkdir()
    (tmp_path / "mine.txt").touch()
    before = everything(tmp_path)
    with pytest.raises(OutputError):
        clear_for(tmp_path, FILES)
    assert everything(tmp_path) == before


def test_a_manifest_of_something_else(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text('{"name": "a web page", "icons": []}')
    with pytest.raises(OutputError, match=f"{MANIFEST}: cannot be understood"):
        clear_for(tmp_path, FILES)
    assert everything(tmp_path) == [MANIFEST]


@pytest.mark.parametrize("content", [b"", b"\n"])
def test_a_journal_that_was_never_begun(tmp_path: Path, content: bytes) -> None:
    """A kill before its first line: nothing is ours but it."""
    (tmp_path / JOURNAL).write_bytes(content)
    clear_for(tmp_path, FILES)
    assert everything(tmp_path) == []


def test_a_journal_cut_off_in_a_later_line(tmp_path: Path) -> None:
    out = broken_off(tmp_path / "out", FILES[:2])
    whole = (out / JOURNAL).read_bytes()
    (out / JOURNAL).write_bytes(whole[:-5])
    clear_for(out, FILES)
    assert everything(out) == ["data_dir", "idx_dir"]


@pytest.mark.parametrize("holder", [MANIFEST, JOURNAL])
def test_a_folder_where_the_list_should_be(tmp_path: Path, holder: str) -> None:
    (tmp_path / holder).mkdir()
    with pytest.raises(OutputError, match=holder):
        clear_for(tmp_path, FILES)
    assert everything(tmp_path) == [holder]


def test_a_folder_among_the_unfinished_files(tmp_path: Path) -> None:
    out = broken_off(tmp_path / "out", [])
    (out / PARTIAL / "mine").mkdir()
    with pytest.raises(OutputError, match="mine: cannot be written"):
        clear_for(out, FILES)
    assert (out / PARTIAL / "mine").is_dir()


def test_removing_unfinished_files(tmp_path: Path) -> None:
    remove_partial(tmp_path)
    (tmp_path / PARTIAL).mkdir()
    (tmp_path / PARTIAL / "train-00000.shard").touch()
    remove_partial(tmp_path)
    assert everything(tmp_path) == []


# ---- journal and manifest -------------------------------------------------------------------


def test_a_journals_way(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    journal = Journal(out, FOLDERS, {"tool": TOOL, "files": FILES}, [])
    assert everything(out) == sorted([*FOLDERS, PARTIAL, JOURNAL])
    journal.add({"shard": {"name": "train-00000-of-00002", "text": "ü\n"}})
    lines = (out / JOURNAL).read_bytes().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"tool": TOOL, "files": FILES},
        {"shard": {"name": "train-00000-of-00002", "text": "ü\n"}},
    ]
    manifest: dict[str, Any] = {"tool": TOOL, "files": FILES, "shards": [{"records": 5}]}
    (out / PARTIAL / "left over").touch()
    journal.finish(manifest, {LABELS: labels_text(["tench", "ü", "raw \udcff"])})
    assert everything(out) == sorted([*FOLDERS, LABELS, MANIFEST])
    assert json.loads((out / MANIFEST).read_bytes()) == manifest
    assert (out / LABELS).read_bytes() == "tench\nü\nraw ".encode() + b"\xff\n"
    journal.close()
    clear_for(out, FILES)
    assert everything(out) == [*FOLDERS]


def test_every_line_is_on_disk_before_add_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bytes] = []
    real = os.fsync

    def fsync(fd: int) -> None:
        path = Path(f"/proc/self/fd/{fd}")
        if not path.is_dir():
            synced.append(path.read_bytes())
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    journal = Journal(tmp_path, FOLDERS, {"n": 0}, [{"n": 1}])
    for n in range(2, 4):
        journal.add({"n": n})
    journal.close()
    assert [text.count(b"\n") for text in synced] == [2, 3, 4]


def test_a_journal_takes_a_manifest_away_and_what_was_half_done(tmp_path: Path) -> None:
    out = finished(tmp_path)
    (out / PARTIAL).mkdir()
    (out / PARTIAL / "0.shard").touch()
    Journal(out, FOLDERS, {"n": 0}, []).close()
    assert not (out / MANIFEST).exists()
    assert (out / JOURNAL).read_bytes() == b'{"n": 0}\n'
    assert list((out / PARTIAL).iterdir()) == []


def test_a_journal_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file.*cannot be written"):
        Journal(tmp_path / "file", FOLDERS, {}, [])
    (tmp_path / "out" / JOURNAL).mkdir(parents=True)
    with pytest.raises(OutputError, match=f"{JOURNAL}: cannot be written: Is a directory"):
        Journal(tmp_path / "out", FOLDERS, {}, [])


def test_a_journal_on_a_full_disk(tmp_path: Path) -> None:
    journal = Journal(tmp_path, FOLDERS, {}, [])
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, journal._file.fileno(), inheritable=False)
    os.close(full)
    with pytest.raises(OutputError, match=rf"{JOURNAL}: .*No space left.*free some space"):
        journal.add({"n": 1})
    journal.close()


def test_a_manifest_that_cannot_be_written_is_not_there(tmp_path: Path) -> None:
    journal = Journal(tmp_path, FOLDERS, {"tool": TOOL, "files": FILES}, [])
    (tmp_path / MANIFEST).mkdir()
    with pytest.raises(OutputError, match=f"{MANIFEST}: cannot be written"):
        journal.finish({"tool": TOOL, "files": FILES}, {})
    journal.close()
    assert (tmp_path / JOURNAL).exists()
    assert list((tmp_path / MANIFEST).iterdir()) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=9), JSON, max_size=6))
def test_dump_is_json_of_the_same(manifest: dict[str, Any]) -> None:
    text = dump(manifest)
    assert json.loads(text) == manifest
    assert list(json.loads(text)) == list(manifest)
    assert text.endswith(b"}\n")
    assert text.isascii()


def test_dump_has_a_line_for_each_thing() -> None:
    manifest = {"format": 1, "shards": [{"name": "a", "records": 1}, {"name": "b"}], "none": []}
    assert dump(manifest).decode().splitlines() == [
        "{",
        ' "format": 1,',
        ' "shards": [',
        '  {"name": "a", "records": 1},',
        '  {"name": "b"}',
        " ],",
        ' "none": []',
        "}",
    ]
