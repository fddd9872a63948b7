"""Shares of a plan, however they overlap, end or are repeated, give what one machine gives."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import made_once
from hypothesis import given
from hypothesis import strategies as st
from job_arrays import (
    copy,
    listed,
    planned,
    share,
    start,
    tree,
    unfinished,
    wait_for_writing,
    whole_names,
)

import fastconv
from fastconv import Options, finish, write_plan, write_share
from fastconv.arrays.shares import share_of
from fastconv.board import FIRST, NO_ROW, ROW, Board
from fastconv.errors import BadImageError, InputError, OutputError, UsageError
from fastconv.job import ShardTask
from fastconv.manifest import locked, remove_partial
from fastconv.past import read_past
from fastconv.runs import read_runs
from fastconv.sample import make_sample

SHARDS = {"train_shards": 5, "validation_shards": 2}
# Work enough for a shard to be met while it is written: every image is decoded and encoded.
IMAGES: dict[str, Any] = {"resize": 128, "reencode_all": True}


def options(source: Path, out: Path, **more: Any) -> Options:
    return Options(**{"source": source, "out": out, **SHARDS, "workers": 1, **more})


@pytest.fixture(scope="module")
def right(mini: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one machine writes."""
    out = tmp_path_factory.mktemp("right") / "out"
    fastconv.convert(options(mini, out))
    return tree(out)


@pytest.fixture(scope="module")
def shared_out(mini: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output of which two shares are done, and finish is not; tests copy it."""
    out = planned(options(mini, tmp_path_factory.mktemp("shared") / "out"))
    for k in (1, 2):
        write_share(out, k, 2, workers=1)
    return out


@pytest.fixture(scope="module")
def working(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(
        tmp_path_factory,
        "working",
        lambda path: make_sample(path, classes=4, train_images=80, validation_images=4, seed=5),
    )


# ---- the split ----------------------------------------------------------------------------------


@given(st.integers(0, 300), st.integers(1, 400), st.data())
def test_every_shard_is_in_one_share(shards: int, n: int, data: st.DataObject) -> None:
    tasks = [ShardTask(f"{k}", "train", k, k + 1) for k in range(shards)]
    shares = [share_of(tasks, k, n) for k in range(1, n + 1)]
    assert sorted((t for share in shares for t in share), key=lambda t: t.start) == tasks
    counts = [len(share) for share in shares]
    assert max(counts) - min(counts) <= 1
    k = data.draw(st.integers(1, n))
    assert share_of(tasks, k, n) == shares[k - 1] == sorted(shares[k - 1], key=lambda t: t.start)


def test_rows_counted_from_a_shards_first() -> None:
    """As a share's workers count them; what watches sees rows of the plan."""
    board = Board.create(2)
    try:
        assert (board.row(0), board.row(1)) == (NO_ROW, NO_ROW)
        board.of(0)[FIRST] = board.of(1)[FIRST] = 10
        board.of(1)[ROW] = 0
        assert (board.row(0), board.row(1)) == (NO_ROW, 10)
    finally:
        os.close(board.fd)


# ---- the same bytes -----------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_three_shares_at_once_one_twice_one_killed(
    working: Path, tmp_path: Path, workers: int
) -> None:
    one, out = tmp_path / "one", tmp_path / "out"
    more = {**IMAGES, "train_shards": 9, "workers": 2}
    fastconv.convert(options(working, one, **more))
    planned(options(working, out, **more))
    victim = share(tmp_path / "victim", out, "3/3", workers)
    others = [
        share(tmp_path / f"other{n}", out, f"{k}/3", workers) for n, k in enumerate((1, 2, 1))
    ]
    while not any(f"-{victim.process.pid}-" in path.name for path in unfinished(out)):
        assert victim.process.poll() is None
    victim.send(signal.SIGKILL)
    assert victim.end()[0] == -signal.SIGKILL
    left = {path.name for path in unfinished(out)}
    again = share(tmp_path / "again", out, "3/3", workers)
    for command in (*others, again):
        assert command.end() == (0, "")
    # What the dead share left is nobody's to remove but finish's.
    assert {path.name for path in unfinished(out)} <= left
    report = finish(out)
    assert report is not None and report.kept_shards == 11 and report.exit_code == 0
    assert tree(out) == tree(one)
    assert whole_names(out) == whole_names(one)
    assert fastconv.verify(out, against_source=True, workers=1).findings == ()


def test_shares_that_overlap(mini: Path, tmp_path: Path, right: dict[str, bytes]) -> None:
    out = planned(options(mini, tmp_path / "out"))
    first = write_share(out / "plan", 1, 2, workers=2)
    # Empty as it is, another share may be about to write there.
    (folder,) = (out / ".fastconv-partial").iterdir()
    assert listed(folder) == []
    assert (first.shards, first.kept_shards, first.exit_code) == (4, 0, 0)
    second = write_share(out / "plan", 2, 3, workers=1)
    assert (second.shards, second.kept_shards) == (2, 1)
    assert second.written > second.written_now > 0 and second.bytes > second.bytes_now > 0
    rest = write_share(out / "plan", workers=1)
    assert (rest.shards, rest.kept_shards) == (7, 5)
    assert write_share(out, 9, 9, workers=1).shards == 0  # more shares than shards
    assert write_share(out, 3, 4, workers=1).written_now == 0
    report = finish(out)
    assert report is not None and tree(out) == right
    runs = read_runs(out)
    written = {run.get("share"): run["shards_written"] for run in runs}
    assert written == {"1/2": 4, "2/3": 1, "1/1": 2, None: 0} and len(runs) == 4
    fastconv.write_report(out, tmp_path / "page.html")


def schema(rows: str, folder: Path) -> fastconv.Schema:
    table = folder / "table.csv"
    table.write_text(rows)
    return fastconv.SLIM.with_columns(table, {"image/licence": "licence"})


@pytest.mark.parametrize("kind", ["gzip", "tfds", "table", "images"])
def test_what_is_asked_for_is_in_the_plan(mini: Path, tmp_path: Path, kind: str) -> None:
    """All of it, so that a table may be gone when the shares begin."""
    names = [f"ILSVRC2012_val_{n:08d}.JPEG" for n in range(1, 21)]
    rows = "file_name,licence\n" + "".join(f"{name},{k % 3}\n" for k, name in enumerate(names))
    jobs: dict[str, dict[str, Any]] = {
        "gzip": {"compression": "gzip"},
        "tfds": {"layout": "tfds", "name": "tiny"},
        "table": {"schema": schema(rows, tmp_path), "split": "validation"},
        "images": {**IMAGES, "seed": 7, "label_offset": 0, "exif": "strip"},
    }
    more, one, out = jobs[kind], tmp_path / "one", tmp_path / "many"
    fastconv.convert(options(mini, one, **more))
    root = planned(options(mini, out, **more))
    if kind == "table":
        (tmp_path / "table.csv").rename(tmp_path / "gone.csv")
    assert root == (out / "tiny" / "1.0.0" if kind == "tfds" else out)
    for k in (1, 2):
        # OUT/plan leads to the plan in the layout of TensorFlow Datasets, too.
        write_share(out / "plan", k, 2, workers=1)
    assert finish(out) is not None and finish(out) is None
    assert tree(out) == tree(one)
    assert fastconv.verify(out, workers=1).findings == ()
    assert write_share(out / "plan", 1, 2).finished


def test_skips(tmp_path: Path) -> None:
    for number in range(6):
        path = tmp_path / "in" / "ab"[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(fastconv_jpeg())
    bad = tmp_path / "in" / "a" / "bad.jpg"
    bad.write_bytes(b"\xff\xd8\xff")
    more = {"train_shards": 3, "validation_shards": None, "on_error": "skip"}
    one, out = tmp_path / "one", tmp_path / "out"
    assert fastconv.convert(options(tmp_path / "in", one, **more)).exit_code == 1
    planned(options(tmp_path / "in", out, **more))
    reports = [write_share(out, k, 3, workers=1) for k in (1, 2, 3)]
    assert sorted(report.exit_code for report in reports) == [0, 0, 1]
    (note,) = (note for report in reports for note in report.skipped)
    assert str(bad) in note.image
    # Repeated, it says so again; and a plan without skipping does not take that shard.
    (k,) = (report.share for report in reports if report.exit_code)
    assert write_share(out, k, 3, workers=1).exit_code == 1
    strict = copy(out, tmp_path / "strict")
    assert write_plan(options(tmp_path / "in", strict, **more | {"on_error": "stop"})).kept == 2
    with pytest.raises(OutputError, match="1 of 3 shards are missing"):
        finish(strict)
    with pytest.raises(BadImageError, match=r"bad image: .*plan again with fastconv plan … --on"):
        write_share(strict, k, 3, workers=1)
    report = finish(out)
    assert report is not None and report.exit_code == 1 and tree(out) == tree(one)


def fastconv_jpeg() -> bytes:
    from schemas import jpeg

    return jpeg(20, 10)


def test_one_machine_goes_on(mini: Path, tmp_path: Path, right: dict[str, bytes]) -> None:
    """It keeps what shares did, and finishes; another job is refused, or replaces all."""
    out = planned(options(mini, tmp_path / "out"))
    write_share(out, 2, 3, workers=1)
    with pytest.raises(OutputError, match="--seed was 12345, is 7"):
        fastconv.convert(options(mini, out, seed=7))
    report = fastconv.convert(options(mini, out))
    assert report.kept_shards == 2 and tree(out) == right
    assert write_share(out / "plan", 1, 3).finished

    again = planned(options(mini, tmp_path / "again"))
    write_share(again, 2, 3, workers=1)
    other = fastconv.convert(options(mini, again, train_shards=4, overwrite=True))
    assert other.kept_shards == 0 and not {"plan", "shares"} & set(listed(again))
    assert fastconv.verify(again, workers=1).findings == ()


def test_one_machine_ended_half_way(mini: Path, tmp_path: Path, right: dict[str, bytes]) -> None:
    """The plan holds on: shares go on from what it did."""
    out = planned(options(mini, tmp_path / "out"))
    write_share(out, 2, 7, workers=1)

    def stop(progress: fastconv.Progress) -> None:
        if progress.shards >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fastconv.convert(options(mini, out), stop)
    assert write_share(out, workers=1).kept_shards >= 3
    assert finish(out) is not None and tree(out) == right


# ---- plans --------------------------------------------------------------------------------------


def test_planned_again(mini: Path, tmp_path: Path, right: dict[str, bytes]) -> None:
    out = tmp_path / "out"
    first = write_plan(options(mini, out))
    assert (first.path, first.shards, first.kept, first.finished) == (out / "plan", 7, 0, False)
    write_share(out, 1, 2, workers=1)
    before = tree(out)
    again = write_plan(options(mini, out, workers=2))
    assert again.kept == 4 and tree(out) == before
    (out / "plan").unlink()  # lost, or its writing was ended
    assert write_plan(options(mini, out)).kept == 4
    assert (out / "plan").read_bytes() == before["plan"]
    with pytest.raises(OutputError, match="train: shards were 5, are 6"):
        write_plan(options(mini, out, train_shards=6))
    write_share(out, 2, 2, workers=1)
    assert finish(out) is not None and tree(out) == right
    assert write_plan(options(mini, out)).finished and tree(out) == right
    # Of a finished output that is damaged, what is whole counts.
    (out / "data_dir" / "train-00001-of-00005").unlink()
    assert write_plan(options(mini, out)).kept == 6 and not (out / "manifest.json").exists()
    write_share(out, workers=1)
    assert finish(out) is not None and tree(out) == right


def test_a_plan_that_is_replaced(mini: Path, tmp_path: Path) -> None:
    """All that was planned goes, and what the old plan's shares say counts no more."""
    out = planned(options(mini, tmp_path / "out"))
    write_share(out, 1, 2, workers=1)
    old = copy(out, tmp_path / "old")
    write_plan(options(mini, out, seed=7, overwrite=True))
    assert listed(out) == ["data_dir", "idx_dir", "manifest.journal", "plan"]
    assert listed(out / "data_dir") == []
    (out / "shares").mkdir()
    for path in (old / "shares").iterdir():  # as a share writes that knows nothing of it yet
        (out / "shares" / path.name).write_bytes(path.read_bytes())
    assert write_share(out, workers=1).kept_shards == 0
    assert finish(out) is not None
    fastconv.convert(options(mini, tmp_path / "one", seed=7))
    assert tree(out) == tree(tmp_path / "one")


def test_plans_that_are_none(mini: Path, tmp_path: Path, shared_out: Path) -> None:
    with pytest.raises(InputError, match="there is no plan; write one with fastconv plan"):
        write_share(tmp_path / "plan")
    with pytest.raises(InputError, match="there is no plan"):
        finish(tmp_path)
    out = copy(shared_out, tmp_path / "out")
    data = (out / "plan").read_bytes()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "plan").write_bytes(data)
    other = planned(options(mini, tmp_path / "other", seed=3))
    (other / "plan").write_bytes(data)
    for folder in (elsewhere, other):
        for act in (write_share, finish):
            with pytest.raises(InputError, match="is not the plan of the folder it is in"):
                act(folder)
    for end in (0, 8, len(data) // 2, len(data) - 64):
        (out / "plan").write_bytes(data[:end])
        for act in (write_share, finish):
            with pytest.raises(InputError, match="is no plan of fastconv's, or is damaged"):
                act(out)
    at = data.index(b'"tool": "fastconv ') + len(b'"tool": "fastconv ')
    (out / "plan").write_bytes(data[:at] + b"9" + data[at + 1 :])
    with pytest.raises(InputError, match="must be of one version"):
        write_share(out)
    # A plan is mended by planning again.
    assert write_plan(options(mini, out)).kept == 7
    assert finish(out) is not None


def test_moved(mini: Path, tmp_path: Path, right: dict[str, bytes]) -> None:
    out = planned(options(mini, tmp_path / "out"))
    write_share(out, 1, 2, workers=1)
    moved = tmp_path / "a" / "b c"
    moved.parent.mkdir()
    out.rename(moved)
    write_share(moved / "plan", 2, 2, workers=1)
    assert finish(moved) is not None and tree(moved) == right


# ---- what is there when it is put together ------------------------------------------------------


def test_finish_says_what_is_missing(
    shared_out: Path, tmp_path: Path, right: dict[str, bytes]
) -> None:
    def gone(path: Path) -> None:
        path.unlink()

    def shorter(path: Path) -> None:
        path.write_bytes(path.read_bytes()[:-1])

    def flipped(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[0] ^= 1
        path.write_bytes(data)

    damages: list[tuple[str, Callable[[Path], None], str]] = [
        ("data_dir", gone, "is not there"),
        ("data_dir", shorter, "bytes, not"),
        ("idx_dir", gone, "has no index"),
        ("idx_dir", flipped, "has another index"),
    ]
    for folder, damage, said in damages:
        out = copy(shared_out, tmp_path / "out")
        damage(out / folder / "train-00003-of-00005")
        before = tree(out)
        with pytest.raises(OutputError, match="make them with fastconv shards") as caught:
            finish(out)
        assert caught.value.exit_code == 4
        text = str(caught.value)
        assert "1 of 7 shards are missing: train-00003-of-00005" in text and said in text
        assert f"--plan {out / 'plan'} --only 2/2, then finish again" in text
        assert tree(out) == before
        assert write_share(out, 2, 2, workers=1).rewritten[0][0] == "train-00003-of-00005"
        assert finish(out) is not None and tree(out) == right


def test_finish_names_each_share_that_is_missing(mini: Path, tmp_path: Path) -> None:
    out = planned(options(mini, tmp_path / "out"))
    write_share(out, 1, 3, workers=1)
    with pytest.raises(OutputError, match="--only 2/3 and --only 3/3, then finish again"):
        finish(out)


def test_nothing_was_written_yet(mini: Path, tmp_path: Path) -> None:
    out = planned(options(mini, tmp_path / "out"))
    with pytest.raises(OutputError, match=r"7 of 7 .*, …; .*--only K/N, for each K from 1 to N"):
        finish(out)
    found = fastconv.verify(out, workers=1).findings
    assert "not finished (0 of 7 shards are done)" in str(found[0])


def test_a_journal_torn_at_any_byte(
    shared_out: Path, tmp_path: Path, right: dict[str, bytes]
) -> None:
    out = copy(shared_out, tmp_path / "out")
    journal = sorted((out / "shares").iterdir())[0]
    lines = journal.read_bytes().splitlines(keepends=True)
    assert b'"run"' in lines[-1] and b'"shard"' in lines[-2]
    before, last = b"".join(lines[:-2]), lines[-2]
    lost = json.loads(last)["shard"]["name"]
    for end in range(len(last)):
        journal.write_bytes(before + last[:end])
        past = read_past(out)
        assert past is not None
        whole = end == len(last) - 1  # all but the line's end
        assert past.shards.keys() == {name for name in names(right) if whole or name != lost}
    for end in (0, 1, len(last) // 2, len(last) - 2):
        out = copy(shared_out, tmp_path / "out")
        journal.write_bytes(before + last[:end])
        with pytest.raises(OutputError, match=f"1 of 7 shards are missing: {lost}"):
            finish(out)
        assert write_share(out, workers=1).kept_shards == 6
        assert finish(out) is not None and tree(out) == right


def names(right: dict[str, bytes]) -> list[str]:
    return [Path(name).name for name in right if name.startswith("data_dir/")]


def test_journals_that_are_not_ours(
    shared_out: Path, tmp_path: Path, right: dict[str, bytes]
) -> None:
    out = copy(shared_out, tmp_path / "out")
    for name, data in {
        "a.journal": b"",
        "b.journal": b"\xff\n{}\n",
        "c.journal": b"[1]\n",
        "d.journal": b'{"planned": 3}\n{"shard": 1}\n',
        "e.journal": b'{"planned": "0123456789abcdef"}\n',
    }.items():
        (out / "shares" / name).write_bytes(data)
    (out / "shares" / "mine.txt").write_text("kept")
    assert finish(out) is not None
    assert tree(out) == {**right, "shares/mine.txt": b"kept"}


def test_shares_that_disagree(shared_out: Path, tmp_path: Path, right: dict[str, bytes]) -> None:
    """Two say different things of one shard: the shard itself decides."""
    out = copy(shared_out, tmp_path / "out")
    journal = sorted((out / "shares").iterdir())[0]
    first, line = journal.read_bytes().splitlines()[:2]
    told = json.loads(line)
    told["shard"]["crc32c"] = "00000000"
    wrong = json.dumps(told).encode()
    for name in ("a.journal", "z.journal"):
        (out / "shares" / name).write_bytes(first + b"\n" + wrong + b"\n")
    assert finish(copy(out, tmp_path / "copy")) is not None
    assert tree(tmp_path / "copy") == right
    shard = out / "data_dir" / told["shard"]["name"]
    data = bytearray(shard.read_bytes())
    data[20] ^= 1
    shard.write_bytes(data)  # neither is right
    with pytest.raises(OutputError, match=f"1 of 7 shards are missing: {shard.name}"):
        finish(out)
    write_share(out, workers=1)
    assert finish(out) is not None and tree(out) == right


def test_finish_ended_behind_the_manifest(
    mini: Path, shared_out: Path, tmp_path: Path, right: dict[str, bytes]
) -> None:
    """Whatever is left of plan and journals then, it is finished, and the rest goes."""
    whole = copy(shared_out, tmp_path / "whole")
    finish(whole)
    for kept in (("plan", "shares", "manifest.journal"), ("shares", "manifest.journal"), ()):
        out = copy(shared_out, tmp_path / "out")
        for name in {"plan", "manifest.journal"} - set(kept):
            (out / name).unlink()
        if "shares" not in kept:
            for path in (out / "shares").iterdir():
                path.unlink()
        for name in ("manifest.json", "labels.txt"):
            (out / name).write_bytes((whole / name).read_bytes())
        if "plan" not in kept:
            assert write_share(out / "plan", 1, 2).finished
        report = finish(out)
        assert (report is None) == ("plan" not in kept)
        remove_partial(out)
        assert tree(out) == right, kept


# ---- at the same time ---------------------------------------------------------------------------


def test_locks(mini: Path, shared_out: Path, tmp_path: Path) -> None:
    """Shares stand beside shares, and nothing else beside them."""
    out = copy(shared_out, tmp_path / "out")
    with locked(out, shared=True):
        assert write_share(out, workers=1).kept_shards == 7
        for act in (
            lambda: finish(out),
            lambda: write_plan(options(mini, out, seed=3, overwrite=True)),
            lambda: fastconv.convert(options(mini, out)),
        ):
            with pytest.raises(OutputError, match="another fastconv is writing here"):
                act()
    with locked(out), pytest.raises(OutputError, match="another fastconv is writing here"):
        write_share(out)
    assert finish(out) is not None


def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(fd: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)


def test_one_shard_written_by_two_one_stopped(
    working: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on when all is finished, on a file system without locks: it harms nothing."""
    more: dict[str, Any] = {**IMAGES, "train_shards": 2, "validation_shards": 1}
    one, out = tmp_path / "one", tmp_path / "out"
    fastconv.convert(options(working, one, **more))
    planned(options(working, out, **more))
    stopped = share(tmp_path / "stopped", out, "1/1", 1)
    wait_for_writing(out, stopped)
    stopped.send(signal.SIGSTOP)
    try:
        (begun,) = unfinished(out)
        without_locks(monkeypatch)
        report = write_share(out, workers=1)
        assert report.kept_shards < report.shards == 3
        assert begun.exists()  # nobody knows that its writer will not go on
        assert finish(out) is not None
        assert tree(out) == tree(one) and whole_names(out) == whole_names(one)
    finally:
        stopped.send(signal.SIGCONT)
    assert stopped.end() == (0, "")
    assert tree(out) == tree(one) and whole_names(out) == whole_names(one)


@pytest.mark.parametrize("what", ["replaced", "the same again"])
def test_replaced_while_a_share_is_stopped(
    working: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    more: dict[str, Any] = {**IMAGES, "train_shards": 2, "validation_shards": 1}
    out = planned(options(working, tmp_path / "out", **more))
    stopped = share(tmp_path / "stopped", out, "1/1", 1)
    wait_for_writing(out, stopped)
    stopped.send(signal.SIGSTOP)
    try:
        without_locks(monkeypatch)
        if what == "replaced":
            more["seed"] = 7
        write_plan(options(working, out, **more, overwrite=True))
        before = tree(out)
    finally:
        stopped.send(signal.SIGCONT)
    code, said = stopped.end()
    assert code == 4 and "was planned anew or cleared while this share was at work" in said
    assert tree(out) == before
    write_share(out, workers=2)
    assert finish(out) is not None
    fastconv.convert(options(working, tmp_path / "one", **more))
    assert tree(out) == tree(tmp_path / "one")


def test_a_worker_that_dies(slow: Path, tmp_path: Path) -> None:
    """The image in hand is named, and what is not whole is removed."""
    out = planned(options(slow, tmp_path / "out", train_shards=2, validation_shards=None))
    command = share(tmp_path / "errors", out, "2/2", 1)
    wait_for_writing(out, command, bytes_min=1)
    for pid in command.workers():
        os.kill(pid, signal.SIGKILL)
    code, said = command.end()
    assert code == 4
    assert "was killed by SIGKILL" in said and "in hand, record " in said
    assert f"{slow}/" in said and "of train-00001-of-00002, which was not written" in said
    assert unfinished(out) == []


def test_an_interrupted_share(working: Path, tmp_path: Path) -> None:
    out = planned(options(working, tmp_path / "out", **IMAGES, train_shards=4))
    command = share(tmp_path / "errors", out, "1/1", 2)
    wait_for_writing(out, command)
    command.send(signal.SIGTERM, workers=False)
    code, said = command.end()
    assert code == 130 and "Run the same command again to go on" in said
    assert unfinished(out) == []


# ---- the command line ---------------------------------------------------------------------------


def run(*words: object) -> tuple[int, str, str]:
    import contextlib
    import io

    from fastconv.cli import run as run_words

    said, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(errors):
        code = run_words([*map(str, words)])
    return code, said.getvalue(), errors.getvalue()


def test_the_commands(mini: Path, tmp_path: Path, right: dict[str, bytes]) -> None:
    out = tmp_path / "out it"
    words = (mini, "--out", out, "--train-shards", 5, "--validation-shards", 2)
    assert run("plan", *words, "--dry-run", "--quiet") == (0, "", "") and not out.exists()
    code, said, _ = run("plan", *words)
    assert code == 0
    assert f"next: fastconv shards --plan '{out}/plan' --only K/N, for each K from 1 to N" in said
    assert f"then: fastconv finish '{out}'" in said
    code, said, _ = run("plan", *words, "--json")
    told = json.loads(said)
    assert (told["plan"], told["shards"], told["finished"]) == (str(out / "plan"), 7, False)
    code, said, _ = run("shards", "--plan", out / "plan", "--only", "1/2", "--workers", 1)
    assert code == 0 and "share 1/2: 4 shards, " in said
    code, said, _ = run("shards", "--plan", out / "plan", "--only", "1/2")
    assert code == 0 and "share 1/2: all of its 4 shards were there already" in said
    assert "share 9/9 has no shards" in run("shards", "--plan", out, "--only", "9/9")[1]
    code, _, said = run("finish", out, "--quiet")
    assert code == 4 and "3 of 7 shards are missing" in said
    code, said, _ = run("shards", "--plan", out / "plan", "--json", "--quiet")
    told = json.loads(said)
    assert code == 0 == told["exit_code"] and (told["shards"], told["kept_shards"]) == (7, 4)
    code, said, _ = run("finish", out, "--json")
    told = json.loads(said)
    assert code == 0 and told["kept_shards"] == 7 and not told["finished_before"]
    assert tree(out) == right
    code, said, _ = run("finish", out)
    assert code == 0 and "is finished already" in said
    code, said, _ = run("shards", "--plan", out / "plan", "--only", "2/2")
    assert code == 0 and "finished already" in said
    code, said, _ = run("plan", *words)
    assert code == 0 and "nothing is to be done" in said
    assert tree(out) == right


def test_bad_usage(mini: Path, tmp_path: Path, shared_out: Path) -> None:
    plan = shared_out / "plan"
    for words, said in (
        (("--only", "1/2"), "--only is for a share of a plan's shards"),
        (("--only", "1/2", mini, "--out", tmp_path / "o"), "--only is for a share of a plan's"),
        (
            (mini, "--plan", plan, "--out", "x", "--seed", 12345, "--no-resume"),
            "SOURCE, --seed, --no",
        ),
        ((mini, "--plan", plan, "--dry-run", "--overwrite"), "SOURCE, --overwrite, --dry-run and"),
        (("--plan", plan, "--only", "0/2"), "--only 0/2: K is from 1 to N; where an array's"),
        (("--plan", plan, "--only", "3/2"), "--only 3/2: K is from 1 to N"),
        (("--plan", plan, "--only", "1"), "--only is K/N, such as 3/16: share 3 of 16; not '1'"),
        (("--plan", plan, "--only", "-1/2"), "not '-1/2'"),
        (("--plan", plan, "--only", "1/٢"), "--only is K/N"),
        (("--plan", plan, "--only", ""), "--only is K/N"),
        (("--plan", ""), "--plan is empty"),
        (("--plan", "s3://bucket/out/plan"), "--plan: plans and shares are in folders"),
        (("--plan", plan, "--local-cluster", 2), "--local-cluster and --plan: the plan says what"),
        (("--plan", plan, "--workers", "0"), "--workers is a whole number from 1 on, not 0"),
    ):
        code, _, errors = run("shards", *words)
        assert code == 2, words
        if "--no-resume" in words:
            assert "SOURCE, --seed" in errors and "--no-resume" in errors and "--out" in errors
        else:
            assert said in errors
    assert "Missing option '--out'" in run("shards", mini)[2]
    code, _, errors = run("plan", mini, "--out", "s3://bucket/out")
    assert code == 2 and "shares of a plan need a folder that all machines reach" in errors
    assert run("finish", "s3://bucket/out")[0] == 2
    for k, n in ((0, 1), (True, 2), (1, "2")):
        with pytest.raises(UsageError, match="--only"):
            write_share(plan, k, n)  # type: ignore[arg-type]


def test_raw_folders_have_no_plan(tmp_path: Path, mini: Path) -> None:
    assert run("raw", mini / "tree", "--out", tmp_path / "raw", "--quiet")[0] == 0
    with pytest.raises(InputError, match="holds class folders"):
        finish(tmp_path / "raw")
    assert start(tmp_path / "errors", "finish", tmp_path / "raw").end()[0] == 3


@pytest.mark.parametrize("grown", [0, 10_240])
def test_an_archive_that_is_replaced_between_plan_and_share(
    mini: Path, tmp_path: Path, grown: int
) -> None:
    """By one with other images at the places that were planned: of another size, or of another
    time alone."""
    archive, out = tmp_path / "train.tar", tmp_path / "out"
    data = (mini / "ILSVRC2012_img_train.tar").read_bytes()
    archive.write_bytes(data)
    write_plan(Options(train=archive, out=out, train_shards=2, workers=1, on_error="skip"))
    os.utime(archive, ns=(0, 0))
    archive.write_bytes(data + bytes(grown))
    with pytest.raises(InputError, match=r"train\.tar.*changed or replaced since it was listed"):
        write_share(out / "plan", workers=1)
    assert [name for name in whole_names(out) if name.startswith("data_dir/")] == []
