"""Class folders whose making is ended at any moment: nothing that is not whole has a name, and the
same command goes on to the same tree."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import WhenWriting, children, made_once
from disks import on_its_own_disk
from faults.jobs import ROOT, Files, differences, environment, files
from faults.shim import DEATHS, OUT, Fault, build, compiler, shim
from layouts import put
from twin import unpack

import fastconv
from fastconv import _process
from fastconv.errors import InputError, OutputError, WorkerError
from fastconv.folders import prepare, publish
from fastconv.folders.plan import plan_parts
from fastconv.sample import make_sample

needs_shim = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the shim is for glibc"),
    pytest.mark.skipif(compiler() is None, reason="there is no C compiler"),
]


def raw(source: Path, out: Path, **more: object) -> fastconv.FolderReport:
    on_progress = more.pop("on_progress", None)
    options: dict[str, object] = {"source": source, "out": out, "workers": 1, **more}
    return fastconv.write_folders(fastconv.FolderOptions(**options), on_progress)  # type: ignore[arg-type]


def claimed_and_false(out: Path, right: Files) -> list[str]:
    """What is in a class folder and not whole, and what the journal claims that is not so."""
    wrong = [
        f"{name}: has its name, and other bytes than it should"
        for name, data in files(out).items()
        if not name.startswith((".fastconv-partial/", "manifest.journal"))
        and right.get(name) != data
    ]
    if (out / "manifest.json").exists():
        wrong += [f"{name}: is claimed" for name in right if not (out / name).exists()]
    if (out / "manifest.journal").exists():
        lines = (out / "manifest.journal").read_bytes().split(b"\n")[1:-1]
        for part in (json.loads(line)["part"] for line in lines):
            folder = f"{part['split']}/{part['class']}"
            due = {name for name in right if name.startswith(f"{folder}/")}
            there = {f"{folder}/{path.name}" for path in (out / folder).iterdir()}
            if (part["parts"] == 1 and due != there) or len(there) < part["images"]:
                wrong.append(f"{folder}: is claimed")
    return wrong


def times(out: Path) -> dict[str, int]:
    return {name: seconds for name, (_, seconds) in unpack.read(out).items()}


# ---- what a finished job finds amiss ------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_amiss_is_written_again(mini: Path, tmp_path: Path, workers: int) -> None:
    out = tmp_path / "out"
    raw(mini, out)
    right, when = files(out), times(out)
    names = sorted(unpack.read(out))
    by_folder = {name.rpartition("/")[0]: name for name in names}
    gone, short, folder, link, *_ = by_folder.values()
    (out / gone).unlink()
    with (out / short).open("r+b") as file:
        file.truncate(10)
    (out / link).unlink()
    (out / link).symlink_to(out / names[0])
    report = raw(mini, out, workers=workers)
    said = dict(report.rewritten)
    assert said[gone.rpartition("/")[0]].endswith("is not there")
    assert "has 10 bytes, not" in said[short.rpartition("/")[0]]
    assert said[link.rpartition("/")[0]].endswith("is no file")
    assert report.kept_parts == report.parts - 3
    assert differences(out, right) == [] and times(out) == when
    (out / folder).unlink()
    (out / folder).mkdir()
    with pytest.raises(OutputError, match="Is a directory"):
        raw(mini, out)


@pytest.mark.parametrize("name", ["labels.txt", "boxes.csv", "manifest.json"])
def test_a_file_beside_the_folders_that_is_gone(mini: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    raw(mini, out)
    right = files(out)
    if name != "manifest.json":
        (out / name).unlink()
        assert raw(mini, out).kept_images == 80
        assert differences(out, right) == []
        return
    (out / name).unlink()
    with pytest.raises(OutputError, match="already holds something"):
        raw(mini, out)


@pytest.mark.parametrize("name", ["train/{}/stranger.jpg", "train/stranger/1.jpg", "train/1.jpg"])
def test_strangers_among_the_images(mini: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    raw(mini, out)
    klass = next(iter(os.listdir(out / "train")))  # noqa: PTH208
    put(out, name.format(klass))
    with pytest.raises(OutputError, match=r"is none of this job's.*move it away"):
        raw(mini, out)
    hidden = put(tmp_path / "other", "1.jpg")
    raw(put(tmp_path / "in", "a/1.jpg", "b/1.jpg"), tmp_path / "two")
    (tmp_path / "two" / "train" / "a" / ".DS_Store").write_bytes(b"")
    assert raw(tmp_path / "in", tmp_path / "two").kept_images == 2
    assert hidden.exists()


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"tool": "fastconv 0", "kind": "raw"}'])
def test_a_manifest_that_cannot_be_understood(mini: Path, tmp_path: Path, data: bytes) -> None:
    out = tmp_path / "out"
    raw(mini, out)
    (out / "manifest.json").write_bytes(data)
    with pytest.raises(OutputError):
        raw(mini, out)
    facts = {"tool": f"fastconv {fastconv.__version__}", "kind": "raw", "format": 1}
    (out / "manifest.json").write_text(json.dumps({**facts, "options": {}, "plan": 3}))
    with pytest.raises(OutputError, match="is damaged"):
        raw(mini, out)


# ---- ended in the middle ------------------------------------------------------------------------


def test_interrupted(mini: Path, tmp_path: Path, no_children: None) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        raw(mini, tmp_path / "out", on_progress=WhenWriting(interrupt), workers=2)
    assert [name for name in files(tmp_path / "out") if name != "manifest.journal"] == []
    raw(mini, tmp_path / "right")
    raw(mini, tmp_path / "out")
    assert differences(tmp_path / "out", files(tmp_path / "right")) == []


def test_a_worker_dies(slow: Path, tmp_path: Path, no_children: None) -> None:
    def kill() -> None:
        for pid in children():
            os.kill(int(pid), signal.SIGKILL)

    with pytest.raises(WorkerError, match=r"was killed by SIGKILL"):
        raw(slow, tmp_path / "out", on_progress=WhenWriting(kill), workers=2)
    assert not (tmp_path / "out" / ".fastconv-partial").exists()
    raw(slow, tmp_path / "out", workers=2)
    assert len(unpack.read(tmp_path / "out")) == 400


def test_a_source_that_changed(mini: Path, tmp_path: Path) -> None:
    """What was written before the file that has another size now is kept."""
    source = put(tmp_path / "in", "a/1.jpg", "b/1.jpg", "c/1.jpg")

    def cut() -> None:
        os.truncate(source / "c" / "1.jpg", 5)

    with pytest.raises(InputError, match=r"c/1\.jpg: should have \d+ bytes, but 5 are there"):
        raw(source, tmp_path / "out", on_progress=WhenWriting(cut))
    lines = (tmp_path / "out" / "manifest.journal").read_text().splitlines()[1:]
    assert [json.loads(line)["part"]["class"] for line in lines] == ["a", "b"]
    put(source, "c/1.jpg")
    assert raw(source, tmp_path / "out").kept_images == 2


@pytest.mark.parametrize("what", ["gone", "pipe", "no archive"])
def test_a_source_that_cannot_be_read(mini: Path, tmp_path: Path, what: str) -> None:
    source = put(tmp_path / "in", "a/1.jpg", "b/1.jpg")

    def spoil() -> None:
        (source / "b" / "1.jpg").unlink()
        if what == "pipe":
            os.mkfifo(source / "b" / "1.jpg")
        if what == "no archive":
            (source / "b" / "1.jpg").mkdir()

    said = {"gone": "cannot be opened: No such file", "pipe": "it is no regular file any more"}
    with pytest.raises(InputError, match=said.get(what, "it is no regular file any more")):
        raw(source, tmp_path / "out", on_progress=WhenWriting(spoil))
    assert set(unpack.read(tmp_path / "out")) == {"train/a/1.jpg"}


def test_an_archive_cut_meanwhile(mini: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    archive = source / "train.tar"
    archive.write_bytes((mini / "ILSVRC2012_img_train.tar").read_bytes())

    def cut() -> None:
        os.truncate(archive, archive.stat().st_size // 2)

    with pytest.raises(InputError, match=r"should have [\d]+ bytes, but \d+ are there"):
        raw(source, tmp_path / "out", on_progress=WhenWriting(cut))


# ---- what is synced before it is claimed --------------------------------------------------------


@pytest.fixture
def fragments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many parts, so that there is more than one moment."""
    monkeypatch.setattr(prepare, "plan_parts", partial(plan_parts, part_images=9))


def test_places_come_after_the_disk(
    mini: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fragments: None
) -> None:
    """At each sync, what was written since the last has no name, and what is named no claim."""
    monkeypatch.setattr(publish, "BATCH_BYTES", 1)
    out = tmp_path / "out"
    named: list[set[str]] = []
    claims: list[int] = []

    def sync_all(fd: int) -> None:
        named.append(set(unpack.read(out)))
        claims.append(len((out / "manifest.journal").read_text().splitlines()) - 1)

    monkeypatch.setattr(_process, "sync_all", sync_all)
    report = raw(mini, out)
    assert named[0] == set() and claims[0] == 0
    assert len(named[-1]) == 80 and claims[-1] < report.parts
    assert all(before <= after for before, after in pairwise(named))
    manifest = json.loads((out / "manifest.json").read_text())
    assert len(manifest["parts"]) == report.parts


def test_a_system_that_cannot_sync_all(
    mini: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fragments: None
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def lacks(fd: int) -> None:
        raise OSError(errno.ENOSYS, "lacking")

    def noted(fd: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{fd}").readlink()))
        fsync(fd)

    monkeypatch.setattr(_process, "sync_all", lacks)
    monkeypatch.setattr(os, "fsync", noted)
    out = tmp_path / "out"
    raw(mini, out)
    assert len({Path(name).name for name in synced if name.endswith(".JPEG")}) == 80
    assert {str(path) for path in out.glob("*/*") if path.is_dir()} <= set(synced)
    assert {str(out), str(out / "train"), str(out / "validation")} <= set(synced)
    raw(mini / "tree", tmp_path / "links", links=True)
    assert len(unpack.read(tmp_path / "links")) == 80


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_disk_that_says_so_when_it_is_synced(
    mini: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fails(fd: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(_process, "sync_all", fails)
        with pytest.raises(OutputError, match=os.strerror(number)):
            raw(mini, tmp_path / "out")
    assert unpack.read(tmp_path / "out") == {}
    assert raw(mini, tmp_path / "out").kept_images == 0


def test_sync_all_of_what_is_not_open() -> None:
    if sys.platform.startswith("linux"):
        with pytest.raises(OSError, match="Bad file descriptor"):
            _process.sync_all(99_999)


# ---- faults on demand ---------------------------------------------------------------------------


class Bench:
    """The shim, a source, and what an undisturbed run makes of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.source = folder, folder / "in"
        self.library = folder / "shim" / "shim.so"

    def make(self) -> None:
        self.folder.mkdir()
        build(self.folder / "shim")
        make_sample(self.source, classes=2, train_images=10, validation_images=4, seed=4)
        assert self.run(self.folder / "right", None, 1)[0] == 0

    @property
    def right(self) -> Files:
        return files(self.folder / "right")

    def run(self, out: Path, fault: Fault | None, workers: int) -> tuple[int, str, int]:
        """(exit code, standard error, how often the fault was met)."""
        words = [sys.executable, "-m", "fastconv", "raw", str(self.source), "--out", str(out)]
        words += ["--workers", str(workers), "--quiet"]
        with shim(self.library, out.parent, (out, self.source), fault) as rig:
            done = subprocess.run(
                words,
                env=environment(rig.env),
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=60,
            )
            return done.returncode, done.stderr, rig.seen().fired


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(made_once(tmp_path_factory, "raw bench", lambda path: Bench(path).make()))


FAULTS = [
    *(Fault(OUT, "open", 8, what) for what in ("EIO", "ENOSPC", "dead", "done")),
    *(Fault(OUT, "write", 5, what) for what in ("ENOSPC", "EDQUOT", "torn", "dead", "done")),
    Fault(OUT, "write", 3, "short"),
    Fault(OUT, "write", 3, "EINTR"),
    Fault(OUT, "open", 8, "EINTR"),
    *(Fault(OUT, "sync", 4, what) for what in ("EIO", "dead", "done")),
    *(Fault(OUT, "rename", k, what) for k in (2, 4) for what in ("EIO", "dead", "done")),
    *(Fault(OUT, "mkdir", 3, what) for what in ("ENOSPC", "dead")),
    *(Fault(OUT, "close", 9, what) for what in ("EIO",)),
    Fault(OUT, "write", 2, "torn", match="/manifest.journal"),
    Fault(OUT, "unlink", 1, "dead"),
]


def met(bench: Bench, folder: Path, fault: Fault, workers: int) -> str:
    """What is wrong after a run that met the fault, and the same command again; "" if nothing."""
    out = folder / "out"
    code, errors, fired = bench.run(out, fault, workers)
    good = (0,) if fault.what in ("short", "EINTR") else (-9, 4) if fault.what in DEATHS else (0, 4)
    if not fired:
        good = (0,)
    if code not in good or "Traceback" in errors:
        return f"{fault}: ended with {code}: {errors}"
    if code == 4 and fault.what not in DEATHS and fault.said not in errors:
        return f"{fault}: does not say {fault.said}: {errors}"
    wrong = claimed_and_false(out, bench.right) if out.exists() else []
    if wrong:
        return f"{fault}: {wrong}"
    code, errors, _ = bench.run(out, None, workers)
    if code or differences(out, bench.right) or times(out) != times(bench.folder / "right"):
        return f"{fault}: run again: {code} {errors} {differences(out, bench.right)}"
    return ""


@pytest.mark.parametrize(
    "fault", [pytest.param(fault, id=str(fault), marks=needs_shim) for fault in FAULTS[::3]]
)
def test_some_faults(bench: Bench, tmp_path: Path, fault: Fault) -> None:
    assert met(bench, tmp_path, fault, 1) == ""


@pytest.mark.torture
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    "fault", [pytest.param(fault, id=str(fault), marks=needs_shim) for fault in FAULTS]
)
def test_faults_at_many_calls(bench: Bench, tmp_path: Path, fault: Fault, workers: int) -> None:
    for k in (1, 2, 3, 5, 8, 12, 20):
        folder = tmp_path / str(k)
        folder.mkdir()
        other = Fault(fault.root, fault.kind, k, fault.what, fault.when, fault.match)
        assert met(bench, folder, other, workers) == ""


# ---- kills --------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many small files, of which writing takes long enough to be killed in the middle."""

    def make(folder: Path) -> None:
        for klass in range(12):
            (folder / f"c{klass:02}").mkdir(parents=True)
            for number in range(400):
                path = folder / f"c{klass:02}" / f"{number}.jpg"
                path.write_bytes(f"{klass} {number} ".encode() * (number % 97 + 1))

    return made_once(tmp_path_factory, "many small", make)


def start(source: Path, out: Path, workers: int) -> subprocess.Popen[bytes]:
    words = ["raw", str(source), "--out", str(out), "--workers", str(workers), "--quiet"]
    return subprocess.Popen(
        [sys.executable, "-m", "fastconv", *words],
        env=environment(),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def killed_and_gone_on(many: Path, folder: Path, chance: random.Random, kills: int) -> int:
    right = {f"train/{name}": data for name, data in files(many).items()}
    out, hits = folder / "out", 0
    for _ in range(kills):
        running = start(many, out, chance.choice((1, 2)))
        deadline = time.monotonic() + chance.choice((0.05, 10))
        moment = chance.choice(("begun", "some", "any"))
        while time.monotonic() < deadline and running.poll() is None:
            if moment == "begun" and (out / "manifest.journal").exists():
                break
            if moment == "some" and any((out / "train").glob("*")):
                break
        time.sleep(chance.choice((0, 0.01, 0.1)))
        with contextlib.suppress(ProcessLookupError):
            running.kill()
        running.communicate(timeout=30)
        hits += running.returncode == -signal.SIGKILL
        for name, data in files(out).items() if out.exists() else ():
            if name.startswith("train/"):
                assert data == right[name], name
    running = start(many, out, 2)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 0, errors
    found = {name: data for name, data in files(out).items() if name.startswith("train/")}
    assert found == right
    assert not (out / ".fastconv-partial").exists() and not (out / "manifest.journal").exists()
    return hits


@pytest.mark.parametrize("seed", range(2))
def test_some_kills(many: Path, tmp_path: Path, seed: int) -> None:
    killed_and_gone_on(many, tmp_path, random.Random(seed), 2)


@pytest.mark.torture
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(10))
def test_many_kills(many: Path, tmp_path: Path, seed: int) -> None:
    hits = 0
    for round_number in range(10):
        folder = tmp_path / str(round_number)
        folder.mkdir()
        hits += killed_and_gone_on(many, folder, random.Random(100 * seed + round_number), 2)
    assert hits > 5


def test_what_a_kill_at_the_very_end_leaves_goes(mini: Path, tmp_path: Path) -> None:
    raw(mini, tmp_path / "out")
    (tmp_path / "out" / ".fastconv-partial").mkdir()
    assert raw(mini, tmp_path / "out").kept_images == 80
    assert not (tmp_path / "out" / ".fastconv-partial").exists()


def test_ctrl_c_says_what_to_do(many: Path, tmp_path: Path) -> None:
    running = start(many, tmp_path / "out", 2)
    deadline = time.monotonic() + 20
    while not any((tmp_path / "out").glob(".fastconv-partial/*")) and running.poll() is None:
        assert time.monotonic() < deadline
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=30)
    if running.returncode:  # else it was over
        assert running.returncode == 130
        assert b"Run the same command again to go on" in errors
    raw(many, tmp_path / "out")
    assert not (tmp_path / "out" / ".fastconv-partial").exists()


# ---- full disks ---------------------------------------------------------------------------------


@pytest.mark.torture
@pytest.mark.parametrize("limits", ["size=3m", "size=64m,nr_inodes=40", "size=8m"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk(mini: Path, tmp_path: Path, limits: str, workers: int) -> None:
    place = tmp_path / "disk"
    words = ("raw", mini, "--out", place / "out", "--workers", workers, "--quiet")
    done = on_its_own_disk(limits, place, *words, "--no-space-check")
    if done.returncode == 99:
        pytest.skip("a disk cannot be mounted")
    if limits == "size=8m" and done.returncode == 0:
        pytest.fail("it fits")
    assert done.returncode == 4, done.stderr
    assert "No space left on device; free some space, then run the same command" in done.stderr
    assert ".fastconv-partial" not in done.stdout
    place.rmdir()
    done = on_its_own_disk(limits, place, *words)  # and so it is said beforehand
    assert done.returncode == 4 and "--no-space-check" in done.stderr
