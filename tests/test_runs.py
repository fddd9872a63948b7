"""runs.json: how fast each run was. Nothing else of an output differs from run to run."""

from __future__ import annotations

import json
import os
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import fastconv
from fastconv.board import BYTES, RECORDS, Board
from fastconv.errors import OutputError
from fastconv.progress import Progress, Watch
from fastconv.runs import RUNS_MAX, SAMPLES_MAX, Samples, read_runs, write_runs


def options(source: Path, out: Path, **more: Any) -> fastconv.Options:
    return fastconv.Options(source=source, out=out, **{"train_shards": 4, "workers": 2, **more})


def test_a_conversion_leaves_its_run(mini: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = fastconv.convert(options(mini, out))
    (run,) = read_runs(out)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", run["began"])
    assert run["finished"] is True and run["workers"] == 2
    assert 0 < run["seconds"] <= report.seconds + 0.001
    assert {"listing", "planning", "writing"} <= run["phases"].keys()
    assert (run["shards_written"], run["shards_kept"]) == (5, 0)
    samples = run["samples"]
    seconds = samples["seconds"]
    assert 2 <= len(seconds) <= SAMPLES_MAX and seconds == sorted(seconds)
    assert seconds[0] > 0 and seconds[-1] <= run["seconds"]
    payloads = report.bytes - 16 * report.written
    for kind, total in (("records", report.written), ("bytes", payloads)):
        assert len(samples[kind]) == 2
        assert all(worker == sorted(worker) and worker[0] >= 0 for worker in samples[kind])
        assert sum(worker[-1] for worker in samples[kind]) == total
    assert "runs.json" in json.loads((out / "manifest.json").read_text())["files"]


def test_a_job_that_goes_on_adds_a_run_and_one_that_overwrites_begins_anew(
    mini: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    fastconv.convert(options(mini, out))
    first = (out / "runs.json").read_bytes()
    manifest = (out / "manifest.json").read_bytes()
    fastconv.convert(options(mini, out))
    assert (out / "runs.json").read_bytes() == first
    (out / "data_dir" / "train-00002-of-00004").unlink()
    fastconv.convert(options(mini, out, workers=1))
    one, two = read_runs(out)
    assert [one] == json.loads(first)["runs"]
    assert (two["shards_written"], two["shards_kept"], two["workers"]) == (1, 4, 1)
    assert len(two["samples"]["records"]) == 1
    fastconv.convert(options(mini, out, overwrite=True))
    (run,) = read_runs(out)
    assert run["shards_written"] == 5
    assert (out / "manifest.json").read_bytes() == manifest


def test_a_run_that_was_ended_leaves_what_it_did(mini: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def stop(progress: Progress) -> None:
        if progress.shards >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fastconv.convert(options(mini, out, train_shards=20, workers=1), stop)
    (run,) = read_runs(out)
    assert run["finished"] is False and run["shards_written"] >= 2
    fastconv.convert(options(mini, out, train_shards=20))
    one, two = read_runs(out)
    assert one == run and two["finished"] is True
    assert one["shards_written"] + two["shards_written"] == 21
    assert two["shards_kept"] == one["shards_written"]


def test_a_run_that_wrote_no_shard_leaves_nothing(mini: Path, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.phase == "writing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fastconv.convert(options(mini, tmp_path / "out"), stop)
    assert not (tmp_path / "out" / "runs.json").exists()


def test_what_cannot_be_written_is_an_error(mini: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    fastconv.convert(options(mini, out))
    (out / "data_dir" / "train-00002-of-00004").unlink()
    (out / "runs.json").unlink()
    (out / "runs.json").mkdir()
    with pytest.raises(OutputError, match=r"runs\.json: cannot be written: Is a directory"):
        fastconv.convert(options(mini, out))
    assert not (out / "manifest.json").exists()
    (out / "runs.json").rmdir()
    assert fastconv.convert(options(mini, out)).kept_shards == 5


GOOD = {
    "began": "2026-01-01T00:00:00Z",
    "finished": True,
    "seconds": 1.0,
    "workers": 1,
    "phases": {"writing": 1.0},
    "shards_written": 1,
    "shards_kept": 0,
    "samples": {"seconds": [0.0, 1.0], "records": [[0, 5]], "bytes": [[0, 500]]},
}


@pytest.mark.parametrize(
    "damage",
    [
        *({name: None} for name in GOOD),
        *({"samples": {**GOOD["samples"], name: value}}  # type: ignore[dict-item]
          for name in ("seconds", "records", "bytes")
          for value in (None, [], [[0]], [["a", "b"]], [[0, -1]], ["ab"], [[0, 1], [0, 1]])),
        {"seconds": float("nan")}, {"seconds": 1e300}, {"phases": {"writing": "x"}},
    ],
)  # fmt: skip
def test_runs_of_another_form_are_passed_over(tmp_path: Path, damage: dict[str, Any]) -> None:
    (tmp_path / ".fastconv-partial").mkdir()
    write_runs(tmp_path, [GOOD, {**GOOD, **damage}, GOOD])
    assert read_runs(tmp_path) == [GOOD, GOOD]


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", "[" * 100_000, "\xff"),
        *('{"format": 2, "runs": []}', '{"format": 1}', '{"format": 1, "runs": 3}'),
    ],
)
def test_a_file_of_another_form_is_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "runs.json").write_text(text, "latin-1")
    assert read_runs(tmp_path) == []


def test_a_pipe_is_passed_over_and_replaced(mini: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    fastconv.convert(options(mini, out))
    (out / "runs.json").unlink()
    os.mkfifo(out / "runs.json")
    assert read_runs(out) == []
    (out / "data_dir" / "train-00002-of-00004").unlink()
    fastconv.convert(options(mini, out))
    assert len(read_runs(out)) == 1


def test_only_the_last_runs_are_remembered(tmp_path: Path) -> None:
    (tmp_path / ".fastconv-partial").mkdir()
    write_runs(tmp_path, [{**GOOD, "workers": n} for n in range(RUNS_MAX + 5)])
    assert [run["workers"] for run in read_runs(tmp_path)] == list(range(5, RUNS_MAX + 5))


@pytest.mark.parametrize("ticks", [1, 199, 200, 201, 5000])
def test_samples_are_bounded_and_cover_the_whole_run(
    monkeypatch: pytest.MonkeyPatch, ticks: int
) -> None:
    now = 0.0
    monkeypatch.setattr("fastconv.progress.time.monotonic", lambda: now)
    watch, board = Watch(None), Board.create(3)
    samples = Samples(watch)
    for tick in range(ticks):
        now = 5 + tick / 10
        for worker in range(3):
            board.of(worker)[RECORDS] = tick * (worker + 1)
            board.of(worker)[BYTES] = 1000 * tick
        samples.take(board)
    now += 0.01
    samples.take(board, last=True)
    told = samples.as_dict()
    seconds = told["seconds"]
    assert SAMPLES_MAX / 2 * (ticks > SAMPLES_MAX) < len(seconds) <= SAMPLES_MAX
    assert len(seconds) == min(ticks + 1, len(seconds))
    assert seconds[0] == 5 and seconds[-1] == round(now, 3)
    steps = [b - a for a, b in pairwise(seconds[:-1])]
    assert not steps or max(steps) < 2.5 * min(steps)
    for worker in range(3):
        expected = [round((s - 5) * 10 - 0.05) * (worker + 1) for s in seconds]
        assert told["records"][worker] == expected
    os.close(board.fd)


def test_a_run_without_samples_is_whole() -> None:
    assert Samples(Watch(None)).as_dict() == {"seconds": [], "records": [], "bytes": []}
