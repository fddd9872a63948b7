"""The command on hostile input: what it must say, and what it must not do."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import leftovers

from fastconv import read_records
from fastconv.cli import run

Command = Callable[..., str]


def _words(words: tuple[object, ...], out: Path, workers: int) -> list[str]:
    given = [os.fspath(word) if isinstance(word, Path) else str(word) for word in words]
    return ["shards", *given, "--out", str(out), "--workers", str(workers), "--quiet"]


@pytest.fixture
def refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Command:
    """refused(*words): what the command says, which is one message of one line, as it ends with
    code 3 (or another) and leaves no manifest and nothing half done."""
    monkeypatch.setenv("FASTCONV_CACHE", "")

    def refused(*words: object, code: int = 3, workers: int = 2) -> str:
        out = tmp_path / "refused"
        assert run([*_words(words, out, workers), "--overwrite"]) == code
        said = capsys.readouterr().err
        assert said.startswith("fastconv: ") and said.count("\n") == 1 and said.endswith("\n")
        assert said[:-1].isprintable()
        assert not (out / "manifest.json").exists()
        assert leftovers(out) == []
        return said.removeprefix("fastconv: ").rstrip("\n")

    return refused


@pytest.fixture
def stored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, Any]]:
    """stored(*words): the manifest of what the command wrote, with the split's records' count in
    "records", as it ends with code 0 (or another)."""
    monkeypatch.setenv("FASTCONV_CACHE", "")

    def stored(*words: object, code: int = 0, workers: int = 2) -> dict[str, Any]:
        out = tmp_path / "stored"
        assert run([*_words(words, out, workers), "--overwrite"]) == code, capsys.readouterr().err
        said = capsys.readouterr()
        assert said.err == said.out == ""
        manifest: dict[str, Any] = json.loads((out / "manifest.json").read_text("ascii"))
        shards = sorted((out / "data_dir").iterdir())
        manifest["records"] = sum(1 for shard in shards for _ in read_records(shard))
        return manifest

    return stored
