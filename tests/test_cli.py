"""The command line as a person meets it: words in, text and an exit code out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import digests, shown_on_a_terminal

ROOT = Path(__file__).resolve().parent.parent


def fastconv(*words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "fastconv", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100"},
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_the_main_job(mini: Path, tmp_path: Path) -> None:
    done = fastconv("shards", mini, "--out", tmp_path / "out", "--workers", 2)
    for part in ("source: archives", f"train: {mini}/ILSVRC2012_img_train.tar", "writing"):
        assert part in done.stderr
    for part in ("train", "validation", "60", "20", "images/s", "label mix, train", "repaired: "):
        assert part in done.stdout
    assert "997 of 1,000 classes have no images" in done.stdout


def test_quiet_says_nothing(mini: Path, tmp_path: Path) -> None:
    done = fastconv("shards", mini, "--out", tmp_path / "out", "--quiet")
    assert (done.stdout, done.stderr) == ("", "")


def test_json_is_all_of_standard_output(mini: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = json.loads(fastconv("shards", mini, "--out", out, "--json").stdout)
    assert (summary["found"], summary["written"], summary["exit_code"]) == (80, 80, 0)
    assert [split["split"] for split in summary["splits"]] == ["train", "validation"]
    failed = fastconv("shards", mini, "--out", out, "--json", "--no-resume", code=4)
    assert json.loads(failed.stdout)["exit_code"] == 4


def test_a_dry_run_writes_nothing(mini: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("shards", mini, "--out", out, "--dry-run", "--train-shards", 3)
    text = fastconv(*words).stdout
    assert "a count of 3 shards is not divisible by 8 slim threads" in text and "(T = 1)" in text
    assert "needed" in text and "free" in text
    plan = json.loads(fastconv(*words, "--json").stdout)
    assert not out.exists()
    fastconv("shards", mini, "--out", out, "--train-shards", 3, "--quiet")
    for split in plan["splits"]:
        written = sum(
            path.stat().st_size for path in (out / "data_dir").glob(f"{split['split']}-*")
        )
        assert abs(split["bytes"] - written) < 0.02 * written
    # The plan of an output that is there can be looked at; it cannot be written over.
    fastconv(*words)
    refused = fastconv(*words[:4], code=4).stderr
    assert "holds what another job wrote: train: shards were 3, are 1. Go on with the" in refused
    assert "already holds something" in fastconv(*words[:4], "--no-resume", code=4).stderr


def test_overwrite_replaces_only_what_the_tool_wrote(mini: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    fastconv("shards", mini, "--out", out, "--train-shards", 4)
    (out / "notes.txt").write_text("mine")
    (out / "data_dir" / "train-00000-of-00002").write_text("mine too")
    fastconv("shards", mini, "--out", out, "--train-shards", 3, "--overwrite")
    assert (out / "notes.txt").read_text() == "mine"
    assert not list((out / "data_dir").glob("*-of-00004"))
    before = digests(out)
    done = fastconv("shards", mini, "--out", out, "--train-shards", 2, "--overwrite", code=4)
    assert "data_dir/train-00000-of-00002: is in the way" in done.stderr
    assert digests(out) == before


def test_index_of_foreign_shards(mini: Path, tmp_path: Path) -> None:
    fastconv("shards", mini, "--out", tmp_path / "out", "--train-shards", 2, "--quiet")
    data = tmp_path / "out" / "data_dir"
    shards = sorted(data.iterdir())
    done = fastconv("index", *shards, "--out", tmp_path / "idx")
    assert done.stdout == f"{tmp_path}/idx: 3 indexes of 80 records\n"
    for shard in shards:
        inline = tmp_path / "out" / "idx_dir" / shard.name
        assert (tmp_path / "idx" / shard.name).read_bytes() == inline.read_bytes()
    assert "replace it with --overwrite" in fastconv(
        "index", *shards, "--out", tmp_path / "idx", code=4
    ).stderr  # fmt: skip
    assert "shards' own folder" in fastconv("index", *shards, "--out", data, code=2).stderr
    os.truncate(shards[0], 1000)
    done = fastconv("index", shards[0], "--out", tmp_path / "idx2", code=3)
    assert f"{shards[0]}: record 0 at offset 0: is cut off" in done.stderr


def test_sample_reports(tmp_path: Path) -> None:
    words = ("--classes", 2, "--train-images", 4, "--validation-images", 2, "--json")
    summary = json.loads(fastconv("sample", tmp_path / "new", *words).stdout)
    assert (summary["classes"], summary["train_images"]) == (2, 4)
    fastconv("sample", tmp_path / "new", *words, code=4)


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["shards"], 2, "Missing option '--out'"),
        (["shards", "--out", "x"], 2, "name a SOURCE folder"),
        (["shards", "s", "--out", "x", "--workers", "0"], 2, "--workers is from 1"),
        (["shards", "s", "--out", "x", "--train-shards", "100000"], 2, "--train-shards is from 1"),
        (["shards", "s", "--out", "x", "--nonsense"], 2, "No such option"),
        (["shards", "/nonexistent/s", "--out", "x"], 3, "/nonexistent/s: does not exist"),
        (["shards", "/dev", "--out", "x"], 3, "/dev: holds no dataset that fastconv knows"),
        (["index", "/nonexistent", "--out", "{tmp}/x"], 3, "/nonexistent: cannot be opened"),
        (["nonsense"], 2, "No such command"),
    ],
)
def test_mistakes_get_one_message_and_a_code(
    words: list[str], code: int, text: str, tmp_path: Path
) -> None:
    done = fastconv(*(word.format(tmp=tmp_path) for word in words), code=code)
    assert text in done.stderr


def test_help_and_version() -> None:
    assert "Exit codes: 0 all written" in fastconv("--help").stdout
    assert fastconv("--version").stdout.startswith("fastconv, version ")


def test_a_terminal_sees_a_live_display(slow: Path, tmp_path: Path) -> None:
    words = ("shards", slow, "--out", tmp_path / "out", "--workers", 2)
    parts = (b"\x1b[", b"of 400 images", b" left", b"worker 0", b"worker 1")
    shown_on_a_terminal(words, parts, 60)
