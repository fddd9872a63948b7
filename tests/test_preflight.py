"""What is looked at before the first byte is written: the room for it, and the archives' sums."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import tarfile
import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import shown_on_a_terminal
from disks import ROOT, command, on_its_own_disk
from layouts import class_tars, put
from PIL import Image

import fastconv
from fastconv import display, manifest, preflight
from fastconv.errors import InputError, OutputError, UsageError
from fastconv.options import Options
from fastconv.prepare import Prepared, prepare
from fastconv.progress import Progress, Watch
from fastconv.sources import published, sums
from fastconv.sources.archives import list_archive
from fastconv.sources.detect import Found
from fastconv.tables import plan_dict

BLOCK = 4096


def run(*words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command(*words), capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def prepared_of(source: Path, out: Path, **options: Any) -> Prepared:
    return prepare(Options(source=source, out=out, **options), Watch(None))


# ---- what is needed -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def jpegs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree of JPEGs that are kept as they are: two classes, some 2 MB."""
    tree = tmp_path_factory.mktemp("jpegs")
    for n in range(40):
        path = tree / "train" / "ab"[n % 2] / f"{n}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((200, 150 + n), 90).convert("RGB").save(path, "JPEG", quality=95)
    return tree


@pytest.mark.parametrize("shards", [1, 7, 60])
def test_the_need_is_what_is_taken(jpegs: Path, tmp_path: Path, shards: int) -> None:
    out = tmp_path / "out"
    prepared = prepared_of(jpegs, out, train_shards=shards)
    need = preflight.need_of(prepared.plans, prepared.options.recipe)
    fastconv.convert(prepared.options)
    files = [path for path in out.rglob("*") if path.is_file()]
    taken = sum(-(-path.stat().st_size // BLOCK) * BLOCK for path in files)
    spare = shards * (2 * BLOCK + 512) + 8 * BLOCK + 0.02 * taken
    assert need.exact and taken <= need.bytes <= taken + spare
    # Besides files, and OUT, which is there: three folders and the journal.
    assert need.files == len(files) + 4


def test_the_need_of_what_is_left(jpegs: Path, tmp_path: Path) -> None:
    prepared = prepared_of(jpegs, tmp_path / "out", train_shards=5)
    recipe, (plan,) = prepared.options.recipe, prepared.plans
    whole, nothing = (
        preflight.need_of([plan], recipe),
        preflight.need_of([plan], recipe, set(plan.shard_names)),
    )
    assert (nothing.bytes, nothing.files) == (7 * BLOCK, 7)
    parts = [
        preflight.need_of([plan], recipe, set(plan.shard_names) - {name})
        for name in plan.shard_names
    ]
    assert {part.files for part in parts} == {9}
    assert abs(sum(part.bytes - nothing.bytes for part in parts) + nothing.bytes - whole.bytes) < 10
    assert min(part.bytes for part in parts) > whole.bytes / 6


@pytest.mark.parametrize(
    ("words", "exact"),
    [
        ({}, True),
        ({"check": "decode"}, True),
        ({"resize": 100}, False),
        ({"max_side": 100}, False),
        ({"max_bytes": 5000}, False),
        ({"exif": "strip"}, False),
        ({"grayscale": "rgb"}, False),
    ],
)
def test_estimates_of_images_that_change_are_rough(
    jpegs: Path, tmp_path: Path, words: dict[str, Any], exact: bool
) -> None:
    prepared = prepared_of(jpegs, tmp_path / "out", **words)
    assert preflight.need_of(prepared.plans, prepared.options.recipe).exact is exact


@pytest.mark.parametrize(
    ("names", "exact"),
    [
        (("a/1.jpg", "a/2.JPEG", "a/3.jpe", "a/4.JPG"), True),
        *((("a/1.jpg", f"a/2.{end}"), False) for end in ("png", "bmp", "gif", "webp", "TIFF")),
    ],
)
def test_estimates_of_files_that_are_no_jpegs_are_rough(
    tmp_path: Path, names: tuple[str, ...], exact: bool
) -> None:
    prepared = prepared_of(put(tmp_path / "in", *names), tmp_path / "out")
    assert preflight.need_of(prepared.plans, prepared.options.recipe).exact is exact


# ---- what is there --------------------------------------------------------------------------


def disk(monkeypatch: pytest.MonkeyPatch, **numbers: int) -> None:
    status = {"f_bavail": 10, "f_frsize": 100, "f_blocks": 99, "f_favail": 20, "f_files": 99}
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(**{**status, **numbers}))


@pytest.mark.parametrize(
    ("needed", "files", "exact", "sure"),
    [
        (1000, 20, True, None),
        (1001, 20, True, True),
        (1000, 21, True, True),
        (1000, 20, False, None),
        (1001, 20, False, False),
        (2000, 20, False, False),
        (2001, 20, False, True),
        (1000, 21, False, True),
    ],
)
def test_both_sides_of_each_boundary(
    monkeypatch: pytest.MonkeyPatch, needed: int, files: int, exact: bool, sure: bool | None
) -> None:
    disk(monkeypatch)
    out = Path("/out")
    for spare in (0, 5):  # as much more is needed as makes way
        words = (out, needed + spare, files + spare, exact, (spare, spare))
        if spare and not exact and needed > 1000:
            continue  # twice what is free is another number then
        found = preflight.shortage(*words)
        assert (found.sure if found else None) is sure
        if sure:
            with pytest.raises(OutputError, match=r"^/out: .*--no-space-check"):
                preflight.check_space(*words)
        else:
            preflight.check_space(*words)


def test_file_systems_that_do_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    disk(monkeypatch, f_files=0, f_favail=0)  # btrfs
    assert preflight.room_at(Path("/out")) == preflight.Room(1000, None)
    assert preflight.shortage(Path("/out"), 1000, 1 << 40, True) is None
    disk(monkeypatch, f_blocks=0, f_bavail=0)  # a tmpfs without a limit
    assert preflight.room_at(Path("/out")) == preflight.Room(None, 20)
    assert preflight.shortage(Path("/out"), 1 << 60, 20, True) is None


def test_the_room_of_an_output_that_is_not_there_yet(tmp_path: Path) -> None:
    seen = preflight.room_at(tmp_path / "not" / "there" / "yet").bytes
    status = os.statvfs(tmp_path)
    assert seen is not None
    assert abs(seen - status.f_bavail * status.f_frsize) < 1 << 30


def test_what_an_overwriting_job_frees(tmp_path: Path, jpegs: Path) -> None:
    out = tmp_path / "out"
    assert manifest.removable(out) == (0, 0)
    fastconv.convert(Options(source=jpegs, out=out, train_shards=3))
    (out / "mine").write_bytes(bytes(100_000))
    files = [path for path in out.rglob("*") if path.is_file() and path.name != "mine"]
    assert manifest.removable(out) == (sum(512 * p.stat().st_blocks for p in files), 9)
    os.link(out / "labels.txt", out / "data_dir" / "another name")
    assert manifest.removable(out)[1] == 8
    (out / "manifest.json").write_text("damaged")
    assert manifest.removable(out) == (0, 0)


# ---- on real disks --------------------------------------------------------------------------


def needs(source: Path, out: Path, **options: Any) -> tuple[int, int]:
    """(bytes, files) of the plan."""
    plan = plan_dict(prepared_of(source, out, **options))
    return plan["bytes_needed"], plan["files_needed"]


def listed(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The files that were there at the end."""
    return [line for line in done.stdout.rpartition("\n\n")[2].splitlines() if line]


@pytest.mark.parametrize("pages", [0, -1])
def test_a_disk_with_just_the_bytes(jpegs: Path, tmp_path: Path, pages: int) -> None:
    out = tmp_path / "disk"
    words = ("shards", jpegs, "--out", out, "--train-shards", 4)
    needed, _ = needs(jpegs, out, train_shards=4)
    size = (-(-needed // BLOCK) + pages) * BLOCK
    done = on_its_own_disk(f"size={size}", out, *words)
    if pages == 0:
        assert done.returncode == 0, done.stderr
        assert len(listed(done)) == 11
        return
    assert done.returncode == 4
    assert done.stderr.splitlines()[-1] == (
        f"fastconv: {out}: about {needed:,} bytes are needed, and {size:,} are free. Free "
        f"{needed - size:,} bytes, or choose another folder with --out; --no-space-check goes on "
        f"where the file system's numbers are wrong"
    )
    assert "writing" not in done.stderr and listed(done) == []


@pytest.mark.parametrize("fewer", [0, 1])
def test_a_disk_with_just_the_files(jpegs: Path, tmp_path: Path, fewer: int) -> None:
    out = tmp_path / "disk"
    words = ("shards", jpegs, "--out", out, "--train-shards", 4)
    _, needed = needs(jpegs, out, train_shards=4)
    assert needed == 15
    done = on_its_own_disk(f"size=64m,nr_inodes={needed + 1 - fewer}", out, *words)  # and its root
    if not fewer:
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode == 4
    assert (
        f"{out}: 15 files are needed, and the file system has 14 left. Free 1 files" in done.stderr
    )
    assert listed(done) == []
    out.rmdir()
    done = on_its_own_disk(f"size=64m,nr_inodes={needed}", out, *words, "--no-space-check")
    assert done.returncode == 4 and "No space left on device" in done.stderr


def pngs(folder: Path) -> Path:
    """Images whose files are many times larger than the JPEGs that are made of them."""
    for n in range(12):
        path = folder / "a" / f"{n}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.linear_gradient("L").convert("RGB").save(path, "PNG", compress_level=0)
    return folder


def test_a_rough_estimate_is_a_note_within_twice_the_room(tmp_path: Path) -> None:
    source, out = pngs(tmp_path / "in"), tmp_path / "disk"
    words = ("shards", source, "--out", out)
    needed, _ = needs(source, out)
    more = -(-needed // 2 // BLOCK) + 1
    done = on_its_own_disk(f"size={more * BLOCK}", out, *words)
    assert done.returncode == 0, done.stderr
    note = f"note: {out}: by a rough estimate {needed:,} bytes are needed, and {more * BLOCK:,} are"
    assert note in done.stderr
    out.rmdir()
    done = on_its_own_disk(f"size={(more - 2) * BLOCK}", out, *words)
    assert done.returncode == 4 and "by a rough estimate" in done.stderr
    assert listed(done) == []
    out.rmdir()
    done = on_its_own_disk(f"size={(more - 2) * BLOCK}", out, *words, "--no-space-check")
    assert done.returncode == 0 and "by a rough estimate" not in done.stderr


def test_an_old_output_makes_way_for_a_new_one_that_fits_then(jpegs: Path, tmp_path: Path) -> None:
    out = tmp_path / "disk"
    words = ("shards", jpegs, "--out", out)
    size = -(-needs(jpegs, out)[0] // BLOCK) * BLOCK * 3 // 2
    done = on_its_own_disk(f"size={size}", out, *words, "--overwrite", before=words)
    assert done.returncode == 0, done.stderr


def test_an_old_output_stays_where_the_new_one_does_not_fit(jpegs: Path, tmp_path: Path) -> None:
    out = tmp_path / "disk"
    small = put(tmp_path / "small", "train/a/1.jpg", "train/a/2.jpg")
    done = on_its_own_disk(
        "size=1m", out, *("shards", jpegs, "--out", out, "--overwrite"),
        before=("shards", small, "--out", out),
    )  # fmt: skip
    assert done.returncode == 4 and "are needed, and" in done.stderr
    assert sorted(map(os.path.basename, listed(done))) == [
        "labels.txt", "manifest.json", "runs.json", "train-00000-of-00001", "train-00000-of-00001",
    ]  # fmt: skip


def test_the_plan_says_whether_it_fits(jpegs: Path, tmp_path: Path) -> None:
    out = tmp_path / "disk"
    words = ("shards", jpegs, "--out", out, "--dry-run")
    done = on_its_own_disk("size=64k", out, *words)
    assert done.returncode == 0 and "; THIS DOES NOT FIT: " in done.stdout
    out.rmdir()
    done = on_its_own_disk("size=64m,nr_inodes=99", out, *words, "--json")
    plan = json.loads(done.stdout)
    assert plan["fits"] and plan["bytes_free"] == 64 << 20 and plan["files_free"] == 98
    assert "NOT FIT" not in run(*words).stdout


# ---- the published archives -----------------------------------------------------------------


def test_sizes_beside_the_published(mini: Path, tmp_path: Path) -> None:
    train = tmp_path / "ILSVRC2012_img_train.tar"
    train.symlink_to(mini / train.name)
    validation = tmp_path / "ILSVRC2012_img_val.tar"
    validation.write_bytes((mini / validation.name).read_bytes())
    with tarfile.open(validation, "a") as tar:  # a hole, as a member
        filler = tarfile.TarInfo("filler")
        filler.size = 6_744_924_160 - tar.offset - 512 - 1024
        header, at = filler.tobuf(tarfile.GNU_FORMAT), tar.offset
    with validation.open("r+b") as file:
        file.seek(at)
        file.write(header)
    os.truncate(validation, 6_744_924_160)
    done = run("shards", tmp_path, "--out", tmp_path / "out", "--dry-run")
    lines = done.stderr.splitlines()
    assert f"  train: {train} (not the published archive, which has 147,897,477,120 bytes)" in lines
    assert f"  validation: {validation} (of the published size)" in lines
    plan = plan_dict(prepared_of(tmp_path, tmp_path / "out"))
    assert plan["source"]["sizes"] == {
        "train": {"bytes": train.stat().st_size, "published_bytes": 147_897_477_120},
        "validation": {"bytes": 6_744_924_160, "published_bytes": 6_744_924_160},
    }
    os.truncate(validation, 6_744_924_161)
    assert published.size_note(validation) != "of the published size"


def test_of_other_names_nothing_is_said(mini: Path, tmp_path: Path) -> None:
    other = tmp_path / "train.tar"
    other.symlink_to(mini / "ILSVRC2012_img_train.tar")
    assert published.size_note(other) is None
    folder = tmp_path / "ILSVRC2012_img_train.tar"
    folder.mkdir()
    assert published.size_note(folder) is None


# ---- sums -----------------------------------------------------------------------------------


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture
def source(mini: Path, tmp_path: Path) -> Path:
    """The archives of the small sample, by links."""
    folder = tmp_path / "in"
    folder.mkdir()
    for path in mini.iterdir():
        if path.is_file():
            (folder / path.name).symlink_to(path)
    return folder


TRAIN, VALIDATION = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
BOXES = "ILSVRC2012_bbox_train_v2.tar.gz"


def checked(source: Path, on_progress: Any = None, **options: Any) -> tuple[str, ...]:
    given = Options(source=source, out=source / "none", check_archives=True, **options)
    return prepare(given, Watch(on_progress)).checked


@pytest.mark.parametrize(
    ("file", "line"),
    [
        (f"{TRAIN}.md5", "{sum}\n"),
        (f"{TRAIN}.md5", "{sum}"),
        (f"{TRAIN}.md5", "{sum}  {name}\n"),
        (f"{TRAIN}.md5", "{sum} *{name}\r\n"),
        (f"{TRAIN}.md5", "{SUM}  /mnt/elsewhere/{name}\n"),
        (f"{TRAIN}.md5", "# a comment\n\n00000000000000000000000000000000  other\n{sum}  {name}\n"),
        ("MD5SUMS", "{sum}  {name}\n"),
        ("MD5SUMS", "{sum} *./{name}\n00000000000000000000000000000000  folder/{name}\n"),
        ("MD5SUMS", "\\00000000000000000000000000000000  a\\\\nb\n{sum}  {name}\n"),
        ("md5sums.txt", "{SUM}  {name}\n"),
        ("md5sum.txt", "00000000000000000000000000000000  \udcff\n{sum}  {name}\n{sum}  {name}\n"),
    ],
)
def test_sums_as_they_are_written(source: Path, file: str, line: str) -> None:
    right = md5(source / TRAIN)
    text = line.format(sum=right, SUM=right.upper(), name=TRAIN)
    (source / file).write_bytes(os.fsencode(text))
    lines = checked(source, split="train")
    assert lines == (
        f"MD5 of {source / TRAIN} is right, by {file}",
        f"no MD5 sum is known of {source / BOXES}, so it was not checked",
    )
    wrong = ("0" if right[0] != "0" else "1") + right[1:]
    text = line.format(sum=wrong, SUM=wrong.upper(), name=TRAIN)
    (source / file).write_bytes(os.fsencode(text))
    with pytest.raises(InputError) as caught:
        checked(source, split="train")
    assert str(caught.value) == (
        f"{source / TRAIN}: is not what it should be: its MD5 sum is {right}, and by {file} "
        f"{wrong}. Fetch it again"
    )


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        (f"{TRAIN}.md5", "", "gives no sum of"),
        (f"{TRAIN}.md5", "<html>\n", "line 1: is not"),
        (f"{TRAIN}.md5", "0" * 31, "line 1: is not"),
        (f"{TRAIN}.md5", "0" * 33, "line 1: is not"),
        (f"{TRAIN}.md5", "0" * 32 + "  other.tar", "gives no sum of"),
        (f"{TRAIN}.md5", "0" * 32 + f"\n{'1' * 32}\n", "gives two sums of"),
        ("MD5SUMS", "0" * 32, "line 1: is not"),
        ("MD5SUMS", f"{'0' * 32}  a\n{'0' * 32} a\nnonsense", "line 2: is not"),
        ("MD5SUMS", f"{'0' * 40}  sha1\n", "line 1: is not"),
        ("md5sum.txt", f"{'0' * 32}  {TRAIN}\n{'1' * 32}  {TRAIN}\n", "gives two sums of"),
    ],
)
def test_damaged_files_of_sums(source: Path, file: str, text: str, says: str) -> None:
    (source / file).write_text(text)
    with pytest.raises(InputError) as caught:
        checked(source, split="train")
    assert str(caught.value).startswith(f"{source / file}: {says}")
    assert "mend or remove it" in str(caught.value)


@pytest.mark.parametrize("kind", ["folder", "pipe", "large"])
def test_files_of_sums_that_are_none(
    source: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = source / "MD5SUMS"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        monkeypatch.setattr(sums, "SUMS_BYTES_MAX", 10)
        path.write_bytes(bytes(11))
    with pytest.raises(InputError, match=f"^{path}: (cannot be read|is too large)"):
        checked(source)


def test_a_file_of_ones_own_has_the_last_word(source: Path) -> None:
    right = md5(source / TRAIN)
    (source / "md5sum.txt").write_text(f"{'0' * 32}  {TRAIN}\n")
    (source / "MD5SUMS").write_text(f"{right}  {TRAIN}\n")
    assert checked(source)[0].endswith("by MD5SUMS")
    (source / f"{TRAIN}.md5").write_text("0" * 32)
    with pytest.raises(InputError, match=f"by {TRAIN}.md5 0"):
        checked(source)


def test_all_archives_that_are_used_are_checked(source: Path) -> None:
    labels = source / "devkit.tgz"
    labels.symlink_to(source / BOXES)
    found = sums.used_archives(
        Found("", source / TRAIN, source / VALIDATION, source / BOXES, labels),
        Options(source=source, out="none"),
    )
    assert [path.name for path in found] == [TRAIN, VALIDATION, BOXES, "devkit.tgz"]
    names = [TRAIN, VALIDATION, BOXES]
    (source / "MD5SUMS").write_text(
        "".join(f"{md5(source / name)}  {name}\n" for name in reversed(names))
    )
    assert [line.split()[2] for line in checked(source)] == [str(source / name) for name in names]
    lines = checked(source, split="validation")
    assert [line.split()[2] for line in lines] == [str(source / name) for name in names[1:]]


def test_no_sum_is_known(source: Path) -> None:
    with pytest.raises(InputError) as caught:
        checked(source)
    message = str(caught.value)
    assert f"{source / TRAIN}, {source / VALIDATION}" in message
    assert "no MD5 sum is known to check; put the sum into a file beside" in message
    assert f"{TRAIN}.md5, as md5sum writes it" in message


@pytest.mark.parametrize("step", [-1, 0, 1, None])
def test_the_published_sum_counts_for_the_published_size(
    source: Path, monkeypatch: pytest.MonkeyPatch, step: int | None
) -> None:
    size = None if step is None else (source / TRAIN).stat().st_size + step
    (source / f"{VALIDATION}.md5").write_text(md5(source / VALIDATION))
    monkeypatch.setitem(published.PUBLISHED, TRAIN, published.Published(size, md5(source / TRAIN)))
    line = f"MD5 of {source / TRAIN} is right, by what was published"
    assert (line in checked(source)) is (step in (0, None))
    monkeypatch.setitem(published.PUBLISHED, TRAIN, published.Published(size, "0" * 32))
    if step in (0, None):
        with pytest.raises(InputError, match=r"and by what was published 0{32}. Fetch it again"):
            checked(source)
    else:
        checked(source)


def test_what_was_published() -> None:
    """Against another spelling of it, since nothing here has these archives."""
    assert {name: (known.bytes, known.md5) for name, known in published.PUBLISHED.items()} == {
        TRAIN: (144_431_130 * 1024, "1d675b47d978889d74fa0da5fadfb00e"),
        VALIDATION: (6_586_840 * 1024, "29b22e2961454d5413ddabcf34fc5622"),
        "ILSVRC2012_devkit_t12.tar.gz": (None, "fa75699e90414af021442c21a62c3abf"),
    }


def test_class_archives_in_a_folder_are_archives(mini: Path, tmp_path: Path) -> None:
    train = class_tars(mini / "tree", tmp_path / "in") / "train"
    names = sorted(path.name for path in train.iterdir())
    (train / "MD5SUMS").write_text("".join(f"{md5(train / name)}  {name}\n" for name in names))
    assert [line.split()[2] for line in checked(tmp_path / "in")] == [
        str(train / name) for name in names
    ]
    with (train / names[1]).open("r+b") as file:
        file.seek(2000)
        file.write(b"damage")
    with pytest.raises(InputError, match=f"{train / names[1]}: is not what it should be"):
        checked(tmp_path / "in")


def test_a_class_tree_has_no_archives(jpegs: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--check-archives: the source holds no archives"):
        checked(jpegs)
    done = run("shards", jpegs, "--out", tmp_path / "out", "--check-archives", code=2)
    assert "holds no archives, but folders; leave the option out" in done.stderr


def test_sums_come_before_the_listing(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = source / TRAIN
    data = archive.read_bytes()
    archive.unlink()
    archive.write_bytes(data[:100_000])
    with pytest.raises(InputError, match="is cut off here"):
        list_archive(archive)
    (source / f"{TRAIN}.md5").write_text(hashlib.md5(data).hexdigest())
    with pytest.raises(InputError, match="is not what it should be: its MD5 sum is"):
        checked(source)
    for name in (VALIDATION, BOXES):  # however many there are at once
        (source / f"{name}.md5").write_text(md5(source / name))
        monkeypatch.setattr(sums, "THREADS", 1)
        with pytest.raises(InputError, match=f"{TRAIN}: is not what it should be"):
            checked(source)


def test_the_progress_is_of_all_bytes(source: Path) -> None:
    names = (TRAIN, VALIDATION)
    (source / "MD5SUMS").write_text("".join(f"{md5(source / name)}  {name}\n" for name in names))
    moments: list[Progress] = []
    checked(source, moments.append)
    total = sum((source / name).stat().st_size for name in names)
    reading = [moment for moment in moments if moment.total_bytes]
    assert {(m.phase, m.total_bytes, m.images, m.total_images) for m in reading} == {
        ("checking MD5 sums", total, 0, 0)
    }
    done = [moment.bytes for moment in reading]
    assert done == sorted(done) and done[-1] == total
    assert Counter(moment.phase for moment in moments)["planning"] == 1


def huge(folder: Path) -> Path:
    """An archive that is read for minutes: a hole of 400 GB."""
    archive = folder / "train.tar"
    archive.touch()
    os.truncate(archive, 400_000_000_000)
    (folder / "train.tar.md5").write_text("0" * 32)
    return archive


def test_what_the_progress_function_raises_ends_the_check(tmp_path: Path) -> None:
    class Mine(Exception):
        pass

    def refuse(progress: Progress) -> None:
        if progress.total_bytes:
            raise Mine

    with pytest.raises(Mine):
        checked(tmp_path, refuse, train=huge(tmp_path))
    deadline = time.monotonic() + 20
    while any(thread.name.startswith("fastconv-md5") for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "it is read on"
        time.sleep(0.01)


def test_an_archive_that_cannot_be_read(tmp_path: Path) -> None:
    pipe = tmp_path / "train.tar"
    os.mkfifo(pipe)
    (tmp_path / "train.tar.md5").write_text("0" * 32)
    with pytest.raises(InputError, match=f"{pipe}: cannot be read.*no regular file"):
        checked(tmp_path, train=pipe)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_check(tmp_path: Path, end: signal.Signals) -> None:
    words = ("shards", "--train", huge(tmp_path), "--out", tmp_path / "out", "--check-archives")
    process = subprocess.Popen(command(*words), stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stderr is not None
    assert process.stderr.readline() == "checking MD5 sums …\n"
    time.sleep(0.3)
    process.send_signal(end)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.lstrip() == (
        "fastconv: interrupted; what is not whole was removed. Run the same command again to go "
        "on\n"
    )
    assert not (tmp_path / "out").exists()


def test_a_terminal_sees_how_far_the_check_is(tmp_path: Path) -> None:
    words = ("shards", "--train", huge(tmp_path), "--out", tmp_path / "out", "--check-archives")
    parts = (b"\x1b[", b"checking MD5 sums", b" of 400 GB", b"B/s", b" left")
    shown = shown_on_a_terminal(words, parts, 30)
    assert b"images" not in shown


def test_lines_of_bytes_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(display, "LINE_SECONDS", 0.0)
    with display.LineDisplay(display.PlainConsole()) as lines:
        lines.show(Progress("checking MD5 sums", 0.0))
        lines.show(Progress("checking MD5 sums", 1.0, bytes=10**9, total_bytes=10**10))
        lines.show(Progress("checking MD5 sums", 3.0, bytes=2 * 10**9, total_bytes=10**10))
        lines.show(Progress("checking MD5 sums", 4.0, bytes=2 * 10**9, total_bytes=10**9))
    first, second, third, last = capsys.readouterr().out.splitlines()
    assert first == "checking MD5 sums …"
    assert second == "checking MD5 sums: 1.0 GB of 10.0 GB  1.0 GB/s  0:09 left"
    assert third == "checking MD5 sums: 2.0 GB of 10.0 GB  667 MB/s  0:12 left"
    assert last.endswith("0:00 left")  # a file that grew meanwhile


def test_the_command_line_says_what_was_checked(source: Path, tmp_path: Path) -> None:
    (source / f"{TRAIN}.md5").write_text(md5(source / TRAIN))
    words = ("shards", source, "--out", tmp_path / "out", "--check-archives", "--dry-run")
    done = run(*words)
    lines = done.stderr.splitlines()
    assert lines[0] == "checking MD5 sums …"
    assert f"  MD5 of {source / TRAIN} is right, by {TRAIN}.md5" in lines
    assert any(line.startswith("  no MD5 sum is known of ") for line in lines)
    assert len(json.loads(run(*words, "--json").stdout)["source"]["checked"]) == 2
    report = fastconv.convert(
        Options(source=source, out=tmp_path / "out", check_archives=True, split="train")
    )
    assert "checking" in report.phases and report.exit_code == 0
