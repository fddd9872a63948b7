"""What an adversary found, each once: two jobs on one output, threads, labels, odd streams."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import digests
from layouts import JPEG, add, put

import fastconv
from fastconv import cache, manifest
from fastconv.errors import InputError, OutputError, UsageError
from fastconv.names import Names
from fastconv.options import SourceOptions
from fastconv.sources import memory
from fastconv.sources.assemble import load

ROOT = Path(__file__).resolve().parent.parent


def run(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fastconv", *map(str, words)]
    return subprocess.run(command, text=True, **{"capture_output": True, "cwd": ROOT, **options})


def labels_of(out: Path, split: str) -> dict[str, int]:
    return {
        record["image/filename"][0].decode(): int(record["image/class/label"][0])
        for shard in (out / "data_dir").glob(f"{split}-*")
        for record in map(fastconv.parse_example, fastconv.read_records(shard))
    }


# ---- the output ---------------------------------------------------------------------------------


def test_two_jobs_on_one_output(slow: Path, tmp_path: Path) -> None:
    words = ["shards", slow, "--out", tmp_path / "out", "--overwrite", "--train-shards", 40]
    command = [sys.executable, "-m", "fastconv", *map(str, words)]
    first = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while not (tmp_path / "out" / "manifest.journal").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    second = run(*words)
    assert second.returncode == 4 and "another fastconv is writing here" in second.stderr
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=20)
    assert first.returncode == 130


def test_an_overwrite_that_ends_half_way_can_be_done_again(
    mini: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = fastconv.Options(source=mini, out=tmp_path / "out", train_shards=4, overwrite=True)
    fastconv.convert(options)
    calls = 0
    unlink = Path.unlink

    def some(path: Path, missing_ok: bool = False) -> None:
        nonlocal calls
        if path.parent.name in manifest.FOLDERS:
            calls += 1
            if calls == 3:
                raise KeyboardInterrupt
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", some)
    with pytest.raises(KeyboardInterrupt):
        fastconv.convert(options)
    assert not (tmp_path / "out" / "manifest.json").exists()
    monkeypatch.setattr(Path, "unlink", unlink)
    fastconv.convert(options)
    assert len(digests(tmp_path / "out")) == 10


def test_a_forged_manifest_removes_nothing(mini: Path, tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    for tool in ("fastconv 0.1.0", "other"):
        files = ["precious.txt", "manifest.json"]
        (tmp_path / "manifest.json").write_text(json.dumps({"tool": tool, "files": files}))
        with pytest.raises(OutputError, match="cannot be understood"):
            fastconv.convert(fastconv.Options(source=mini, out=tmp_path, overwrite=True))
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_threads_may_share_a_writer(tmp_path: Path) -> None:
    with fastconv.RecordWriter(tmp_path / "shard", index=tmp_path / "index") as writer:

        def write(size: int) -> None:
            for _ in range(500):
                writer.write(bytes([size % 256]) * size)

        threads = [threading.Thread(target=write, args=(1 << n,)) for n in (3, 9, 13, 16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    payloads = list(fastconv.read_records(tmp_path / "shard"))
    assert sorted(map(len, payloads)) == sorted(500 * [8, 512, 8192, 65536])
    fastconv.index_shards([tmp_path / "shard"], tmp_path / "idx")
    assert (tmp_path / "idx" / "shard").read_bytes() == (tmp_path / "index").read_bytes()


def test_a_writer_that_is_dropped_leaves_nothing(tmp_path: Path) -> None:
    writer = fastconv.RecordWriter(tmp_path / "shard")
    writer.write(b"x")
    del writer
    assert list(tmp_path.iterdir()) == []


# ---- labels -------------------------------------------------------------------------------------


def test_a_split_alone_has_the_labels_it_has_with_the_other(tmp_path: Path) -> None:
    put(tmp_path / "in", "train/a/1.jpg", "train/b/2.jpg", "train/c/3.jpg")
    put(tmp_path / "in", "val/a/4.jpg", "val/c/5.jpg")
    for split in ("all", "validation"):
        options = fastconv.Options(source=tmp_path / "in", out=tmp_path / split, split=split)
        fastconv.convert(options)
        assert labels_of(tmp_path / split, "validation") == {"4.jpg": 1, "5.jpg": 3}


def test_renamed_classes_with_imagenets_validation_names(tmp_path: Path) -> None:
    put(tmp_path, "train/tench/n01440764_1.JPEG", "train/shark/n01484850_1.JPEG")
    put(tmp_path, "val/tench/ILSVRC2012_val_00000001.JPEG")
    put(tmp_path, "val/shark/ILSVRC2012_val_00000002.JPEG")
    dataset = load(SourceOptions(source=tmp_path), lambda _phase: None)
    assert dataset.classes.names == ("shark", "tench")
    assert [catalog.klass.tolist() for catalog in dataset.catalogs] == [[0, 1], [0, 1]]


def test_a_split_that_comes_to_nothing_is_an_error(tmp_path: Path) -> None:
    put(tmp_path / "in", "train/a/1.jpg", "val/a/2.jpg")
    (tmp_path / "synsets.txt").write_text("x\ny\n")
    with pytest.raises(InputError, match="holds no train images of the classes in"):
        load(
            SourceOptions(source=tmp_path / "in", synsets=tmp_path / "synsets.txt"),
            lambda _phase: None,
        )
    shutil.rmtree(tmp_path / "in" / "train" / "a")
    with pytest.raises(InputError, match="in/train: holds no train images"):
        load(SourceOptions(source=tmp_path / "in"), lambda _phase: None)


def test_a_class_with_a_line_break_in_its_name(tmp_path: Path) -> None:
    put(tmp_path, "train/a\nb/1.jpg", "train/c/2.jpg")
    with pytest.raises(InputError, match="has a line break"):
        load(SourceOptions(source=tmp_path), lambda _phase: None)


def test_a_folder_beside_its_archive(tmp_path: Path) -> None:
    put(tmp_path, "train/x/1.jpg")
    with tarfile.open(tmp_path / "train" / "x.tar", "w") as tar:
        add(tar, "1.jpg", JPEG)
    with pytest.raises(InputError, match="stands beside an archive of its name"):
        load(SourceOptions(source=tmp_path), lambda _phase: None)


@pytest.mark.parametrize("prefix", ["", "train/", "./some/where/"])
def test_nested_folders_of_an_archive_are_of_the_class_that_a_tree_gives(
    tmp_path: Path, prefix: str
) -> None:
    names = ("a/x/1.jpg", "a/2.jpg", "b/3.jpg", "c/y/z/4.jpg")
    with tarfile.open(tmp_path / "train.tar", "w") as tar:
        for name in names:
            add(tar, prefix + name, JPEG)
    archive = load(SourceOptions(train=tmp_path / "train.tar"), lambda _phase: None)
    tree = load(SourceOptions(train=put(tmp_path / "tree", *names)), lambda _phase: None)
    assert archive.classes.names == tree.classes.names == ("a", "b", "c")
    assert archive.catalogs[0].digest() == tree.catalogs[0].digest()


def test_a_hidden_member_is_no_inner_archive(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as tar:
        add(tar, "1.jpg", JPEG)
    with tarfile.open(tmp_path / "train.tar", "w") as tar:
        add(tar, "cat.tar", inner.getvalue())
        add(tar, "._cat.tar", b"Mac OS X")
    assert len(load(SourceOptions(train=tmp_path / "train.tar"), lambda _p: None).catalogs[0]) == 1


def test_a_label_file_is_looked_at_even_where_nothing_needs_it(tmp_path: Path) -> None:
    put(tmp_path, "train/a/1.jpg", "val/a/2.jpg")
    (tmp_path / "garbage").write_bytes(b"\xff\xfe\0\0 garbage")
    with pytest.raises(InputError, match="garbage"):
        load(
            SourceOptions(source=tmp_path, validation_labels=tmp_path / "garbage"),
            lambda _phase: None,
        )


# ---- words, streams, files ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["shards", "x" * 300, "--out", "o"], 3),
        (["shards", "~nobody-of-this-name/x", "--out", "o"], 2),
        (["shards", ".", "--out", ""], 2),
        (["shards", "--train", "", "--out", "o"], 2),
        (["index", "/dev/null", "--out", "o"], 3),
        (["index", "/dev/stdin", "--out", "o"], 3),
    ],
)
def test_odd_words_get_a_message(words: list[str], code: int, tmp_path: Path) -> None:
    done = run(*words, cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert done.returncode == code and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()[-1]) > 20


def test_a_pipe_has_no_index(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="no regular file"):
        fastconv.index_shards([tmp_path / "pipe"], tmp_path / "idx")
    with pytest.raises(InputError, match="no regular file"):
        list(fastconv.read_records(tmp_path / "pipe"))
    assert list((tmp_path / "idx").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in ("seed", "slim_threads") for value in ("2", 2.5, True, None)),
        *(("label_offset", value) for value in ("1", 0.5, True)),
    ],
)
def test_options_of_another_type(name: str, value: Any) -> None:
    words: dict[str, Any] = {"source": "s", "out": "o", name: value}
    with pytest.raises(UsageError, match="is a whole number"):
        fastconv.Options(**words)


def test_streams_that_nobody_reads(mini: Path, tmp_path: Path) -> None:
    """The job goes on, and its code is its own."""
    command = f"{sys.executable} -m fastconv shards {mini} --out"
    unread = ("2>&1 | true", "| true", "--json | true", "2>/dev/full", ">&-", "2>&-", ">&- 2>&-")
    for number, words in enumerate(unread):
        out = tmp_path / str(number)
        script = f"set -o pipefail; {command} {out} {words}"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, (words, done.stderr)
        assert (out / "manifest.json").exists()
    script = f"{command} {tmp_path / 'full'} --json >/dev/full"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 4 and "standard output: cannot be written" in done.stderr


def test_what_is_ignored_from_the_beginning_stays_so(mini: Path, tmp_path: Path) -> None:
    """A job under nohup goes on when its terminal is gone."""
    command = [sys.executable, "-m", "fastconv", "shards", str(mini), "--out", str(tmp_path / "o")]
    process = subprocess.Popen(
        command, cwd=ROOT, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    )
    while process.poll() is None:
        process.send_signal(signal.SIGHUP)
        time.sleep(0.02)
    assert process.returncode == 0
    assert (tmp_path / "o" / "manifest.json").exists()


@pytest.mark.parametrize("delay", [0.03, 0.08, 0.15, 0.3])
def test_an_interrupt_at_the_very_beginning(mini: Path, tmp_path: Path, delay: float) -> None:
    command = [sys.executable, "-m", "fastconv", "shards", str(mini), "--out", str(tmp_path / "o")]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    # Python itself, before it comes to fastconv, ends with 1 or by the signal.
    early = (1, -signal.SIGINT) if delay < 0.1 else (-signal.SIGINT,)
    assert process.returncode in (130, 0, *early)
    if delay >= 0.15:
        assert "Traceback" not in errors


@pytest.mark.parametrize("seed", range(40))
def test_a_mutated_cache_is_not_used(
    mini: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    import random

    monkeypatch.setenv("FASTCONV_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "WORTH_SECONDS", 0.0)
    archive = mini / "ILSVRC2012_img_train.tar"
    before = memory.listed(archive)
    (file,) = (tmp_path / "cache").glob("*.npz")
    data, dice = bytearray(file.read_bytes()), random.Random(seed)
    for _ in range(4):
        data[dice.randrange(len(data))] = dice.randrange(256)
    file.write_bytes(data)
    after = memory.listed(archive)
    assert list(after.names) == list(before.names)
    assert after.offset.tolist() == before.offset.tolist()


def test_one_long_name_among_many() -> None:
    names = [b"b" * 5000, b"a", b"c" * 200, b"", b"b" * 4999, b"a.b"]
    order = Names.of(names).sorted_within(_zeros(len(names)))
    assert [names[row] for row in order] == sorted(names)


def _zeros(count: int) -> Any:
    import numpy as np

    return np.zeros(count, np.int32)


def test_few_open_files_are_enough(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    for number in range(60):
        with tarfile.open(tmp_path / "train" / f"c{number:02}.tar", "w") as tar:
            add(tar, "1.jpg", JPEG)
    words = f"ulimit -n 40; exec {sys.executable} -m fastconv shards {tmp_path} --out {tmp_path}/o"
    done = subprocess.run(["bash", "-c", words], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_listing_can_be_interrupted(tmp_path: Path) -> None:
    """A flat archive of very many members, of which only the headers are on disk."""
    path, members = tmp_path / "train.tar", 400_000
    header = bytearray(tarfile.TarInfo("a/1.jpg").tobuf())
    with path.open("wb") as file:
        for number in range(members):
            file.write(header)
            del number
    process = subprocess.Popen(
        [sys.executable, "-m", "fastconv", "shards", "--train", str(path), "--out", "never"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    time.sleep(0.35)
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode in (130, -signal.SIGINT, 3) and "Traceback" not in errors
    assert time.monotonic() - asked < 5
