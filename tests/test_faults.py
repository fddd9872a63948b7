"""What ends a job early: each with the right message and code, and no wrong file left behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import WhenWriting, leftovers
from disks import ROOT, command, on_its_own_disk
from PIL import Image

import fastconv
from fastconv.errors import InputError


def start(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )


def children(process: subprocess.Popen[str]) -> list[int]:
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(pid) for pid in path.read_text().split()]


def wait_until(what: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return value


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def whole_shards(out: Path) -> int:
    """Every file under a final name is whole: its index names its records and reaches its end."""
    for path in (out / "data_dir").iterdir():
        records = list(fastconv.read_records(path))
        lines = (out / "idx_dir" / path.name).read_text().splitlines()
        assert len(lines) == len(records)
        assert sum(int(line.split()[1]) for line in lines) == path.stat().st_size
    return len(list((out / "data_dir").iterdir()))


def running(slow: Path, out: Path, *words: object) -> tuple[subprocess.Popen[str], list[int]]:
    """A job that has written its first shard and is at the next, and its workers' process ids."""
    process = start("shards", slow, "--out", out, "--train-shards", 80, *words)
    wait_until(lambda: (out / "data_dir").exists() and any((out / "data_dir").iterdir()))
    return process, children(process)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_worker_is_named(slow: Path, tmp_path: Path, workers: int) -> None:
    out = tmp_path / "out"
    process, pids = running(slow, out, "--workers", workers)
    assert len(pids) == workers
    os.kill(pids[-1], signal.SIGKILL)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 4
    message = errors.splitlines()[-1]
    assert f"worker {workers - 1} (process {pids[-1]}) was killed by SIGKILL" in message
    assert re.search(
        rf"with ({slow}/./\d+\.png in hand, record \d+ of train-\d+-of-00080, which was not written"
        r"|train-\d+-of-00080 in hand, at none of its records; it was not written)",
        message,
    )
    assert whole_shards(out) > 0 and leftovers(out) == []
    assert all(gone(pid) for pid in pids)
    assert not (out / "manifest.json").exists()


def test_the_image_in_hand_is_named(tmp_path: Path) -> None:
    """A worker that one image keeps busy for seconds, as one does that runs out of memory."""
    image = tmp_path / "in" / "a" / "large.png"
    image.parent.mkdir(parents=True)
    Image.new("RGB", (9000, 9000), "red").save(image, compress_level=1)
    process = start("shards", tmp_path / "in", "--out", tmp_path / "out")
    wait_until(lambda: list((tmp_path / "out").glob(".fastconv-partial/*.shard")))
    (pid,) = children(process)
    time.sleep(0.2)
    os.kill(pid, signal.SIGKILL)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 4
    assert f"with {image} in hand, record 0 of train-00000-of-00001, which" in errors


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_job_within_a_second(
    slow: Path, tmp_path: Path, end: signal.Signals
) -> None:
    out = tmp_path / "out"
    process, pids = running(slow, out, "--workers", 2)
    asked = time.monotonic()
    process.send_signal(end)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert time.monotonic() - asked < 3  # a second where the machine has nothing else to do
    assert "interrupted" in errors and "Traceback" not in errors
    assert all(gone(pid) for pid in pids)
    assert whole_shards(out) > 0 and leftovers(out) == []


def test_workers_die_with_their_parent(slow: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process, pids = running(slow, out, "--workers", 2)
    process.kill()
    process.communicate(timeout=20)
    wait_until(lambda: all(gone(pid) for pid in pids), 5)
    assert whole_shards(out) > 0


def test_after_any_end_overwrite_makes_a_whole_output(slow: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process, _ = running(slow, out, "--workers", 2)
    process.kill()
    process.communicate(timeout=20)
    small = tmp_path / "small" / "a"
    small.mkdir(parents=True)
    os.link(slow / "a" / "0000.png", small / "0.png")
    done = subprocess.run(
        command("shards", small.parent, "--out", out), capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 4 and "holds what another job wrote" in done.stderr
    done = subprocess.run(
        command("shards", small.parent, "--out", out, "--overwrite"),
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0
    names = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    shard, other = "train-00000-of-00001", {"labels.txt", "runs.json", "manifest.json"}
    assert names == {f"data_dir/{shard}", f"idx_dir/{shard}"} | other


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("megabytes", [0.02, 1, 5])
def test_a_full_disk(mini: Path, tmp_path: Path, workers: int, megabytes: float) -> None:
    done = on_its_own_disk(
        f"size={int(megabytes * 1024)}k",
        tmp_path / "disk",
        *("shards", mini, "--out", tmp_path / "disk", "--train-shards", 8, "--workers", workers),
        "--no-space-check",
    )
    assert done.returncode == 4, done.stderr
    assert (
        "No space left on device; free some space, then run the same command again" in done.stderr
    )
    assert str(tmp_path / "disk") in done.stderr.splitlines()[-1]
    left = [Path(line).name for line in done.stdout.split() if line.startswith("/")]
    assert not any(name.endswith((".shard", ".index")) for name in left)
    assert "manifest.json" not in left


def test_a_read_only_output(mini: Path, tmp_path: Path) -> None:
    out = tmp_path / "disk" / "out"
    done = on_its_own_disk("ro", tmp_path / "disk", "shards", mini, "--out", out)
    assert done.returncode == 4
    message = done.stderr.splitlines()[-1]
    assert str(out) in message and "Read-only file system; choose another folder" in message


def test_an_output_that_is_a_file(mini: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    done = subprocess.run(
        command("shards", mini, "--out", tmp_path / "out"), capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 4 and "Not a directory" in done.stderr
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_tree_that_vanishes_half_way(
    mini: Path, tmp_path: Path, workers: int, no_children: None
) -> None:
    shutil.copytree(mini / "tree", tmp_path / "in")
    options = fastconv.Options(
        source=tmp_path / "in", out=tmp_path / "out", workers=workers, train_shards=8
    )
    with pytest.raises(InputError, match=r"cannot be opened: No such file or directory") as caught:
        fastconv.convert(options, WhenWriting(lambda: shutil.rmtree(tmp_path / "in" / "train")))
    assert f"{tmp_path}/in/train/" in str(caught.value) and ".JPEG" in str(caught.value)
    assert leftovers(tmp_path / "out") == []
    whole_shards(tmp_path / "out")


def test_a_file_that_changes_while_it_is_read(mini: Path, tmp_path: Path) -> None:
    shutil.copytree(mini / "tree", tmp_path / "in")
    image = min((tmp_path / "in" / "train").rglob("*.JPEG"))
    for change in (lambda: image.write_bytes(b"short"), lambda: os.truncate(image, 1 << 20)):
        options = fastconv.Options(source=tmp_path / "in", out=tmp_path / "out", overwrite=True)
        with pytest.raises(InputError, match="changed since it was listed") as caught:
            fastconv.convert(options, WhenWriting(change))
        assert str(image) in str(caught.value)


def test_an_archive_that_is_cut_while_it_is_read(mini: Path, tmp_path: Path) -> None:
    archive = tmp_path / "train.tar"
    shutil.copy(mini / "ILSVRC2012_img_train.tar", archive)
    options = fastconv.Options(train=archive, out=tmp_path / "out")
    with pytest.raises(InputError, match=r"changed (or replaced )?since it was listed"):
        fastconv.convert(options, WhenWriting(lambda: os.truncate(archive, 1 << 20)))
    assert leftovers(tmp_path / "out") == []


@pytest.mark.parametrize("keep", [0.02, 0.5, 0.97])
def test_a_truncated_archive_is_found_before_anything_is_written(
    mini: Path, tmp_path: Path, keep: float
) -> None:
    archive = tmp_path / "train.tar"
    shutil.copy(mini / "ILSVRC2012_img_train.tar", archive)
    os.truncate(archive, int(archive.stat().st_size * keep))
    done = subprocess.run(
        command("shards", "--train", archive, "--out", tmp_path / "out"),
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 3
    message = done.stderr.splitlines()[-1]
    assert f"{archive}: the archive is cut off here: header at offset " in message
    assert not (tmp_path / "out").exists()


def test_what_the_progress_function_raises_ends_the_job(
    mini: Path, tmp_path: Path, no_children: None
) -> None:
    class Mine(Exception):
        pass

    def refuse() -> None:
        raise Mine

    with pytest.raises(Mine):
        fastconv.convert(fastconv.Options(source=mini, out=tmp_path / "out"), WhenWriting(refuse))
    assert leftovers(tmp_path / "out") == []
