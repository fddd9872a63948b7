"""Archives that nobody means well with, through the command (the scan alone: test_tar.py)."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from conftest import WhenWriting
from hostile import Command, refused, stored
from layouts import JPEG
from test_tar import END_MARK, extended, member, raw, record

import fastconv
from fastconv.errors import InputError

__all__ = ["refused", "stored"]
ROOT = Path(__file__).resolve().parent.parent
GIB = 1 << 30

IMAGE = member("n1/a.jpg", JPEG)
INNER = member("n1.tar", member("a.jpg", JPEG) + END_MARK)
OLD_SPARSE = {257: b"ustar  \0", 482: b"\0"}


def broken(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def base_256(size: int) -> dict[int, bytes]:
    return {124: b"\x80" + size.to_bytes(11, "big")}


def sparse_pax(version: str, name: str) -> bytes:
    """What GNU tar writes with --sparse: a plain member whose data begin with a map, or lack the
    holes that the records tell of."""
    keys = {
        "0.0": {"size": "9", "numblocks": "1", "offset": "0", "numbytes": "9"},
        "0.1": {"size": "9", "numblocks": "1", "map": "0,9", "name": name},
        "1.0": {"major": "1", "minor": "0", "name": name, "realsize": "9"},
    }[version]
    records = b"".join(record(f"GNU.sparse.{k}".encode(), v.encode()) for k, v in keys.items())
    shown = name if version == "0.0" else f"GNUSparseFile.0/{name.rpartition('/')[2]}"
    return extended(records) + member(shown, JPEG)


REFUSED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "ends here without its end mark, so it may be cut off: header at offset 0"),
    "a zero block": (bytes(512), "holds no images"),
    "zeros": (bytes(10240), "holds no images"),
    "zeros, and far more": (bytes(512 * 4000), "the archive's end mark stands here, but more than"),
    "joined archives": (
        IMAGE + END_MARK + member("n2/b.jpg", JPEG) + END_MARK,
        f"its padding follows: .* archives were joined: header at offset {len(IMAGE) + 1024}",
    ),
    "a hole in an inner archive": (
        member("n1.tar", member("a.jpg", JPEG) + bytes(4 << 20)) + END_MARK,
        "n1.tar: the archive's end mark stands here, but .* reads as zeros",
    ),
    "..": (member("n1/../n2/a.jpg", JPEG) + END_MARK, r"n1/../n2: has '\.\.' in its name"),
    ".. first": (member("../n1/a.jpg", JPEG) + END_MARK, r"\.\./n1: has '\.\.' in its name"),
    "inner ..": (
        member("../n1.tar", member("a.jpg", JPEG) + END_MARK) + END_MARK,
        r"\.\./n1.tar: has '\.\.' in its name",
    ),
    ".. in an inner archive": (
        member("n1.tar", member("x/../a.jpg", JPEG) + END_MARK) + END_MARK,
        r"train.tar: n1.tar: x/\.\.: has '\.\.' in its name",
    ),
    "old sparse": (
        IMAGE + raw(OLD_SPARSE, b"n1/s.jpg", 512, b"S") + bytes(512) + END_MARK,
        "n1/s.jpg: is stored as a sparse file.* again without --sparse",
    ),
    "old sparse inner archive": (
        INNER + raw(OLD_SPARSE, b"n2.tar", 512, b"S") + bytes(512) + END_MARK,
        "n2.tar: is stored as a sparse file",
    ),
    **{
        f"pax sparse {version}": (
            IMAGE + sparse_pax(version, "n1/s.jpg") + END_MARK,
            "s.jpg: is stored as a sparse file",
        )
        for version in ("0.0", "0.1", "1.0")
    },
    "sparse in an inner archive": (
        member("n1.tar", sparse_pax("1.0", "s.jpg") + END_MARK) + END_MARK,
        "train.tar: n1.tar: GNUSparseFile.0/s.jpg: is stored as a sparse file",
    ),
    "all sparse": (
        extended(record(b"GNU.sparse.major", b"1"), b"g") + IMAGE + END_MARK,
        "global pax header gives all members one name, size or sparse map: header at offset 0",
    ),
    "all of one size": (
        extended(record(b"size", b"3"), b"g") + IMAGE + END_MARK,
        "global pax header",
    ),
    "negative": (
        IMAGE + raw({124: b"\xff" * 12}, b"n1/b.jpg") + END_MARK,
        f"a size that is no number, negative or absurd: header at offset {len(IMAGE)}, after",
    ),
    "octal beyond the end": (
        IMAGE + raw({124: b"7" * 12}, b"n1/b.jpg") + END_MARK,
        "the archive is cut off here: .* of member 'n1/b.jpg', after member 'n1/a.jpg'",
    ),
    "beyond int64": (
        IMAGE + raw(base_256((1 << 80) - 1), b"n1/b.jpg") + END_MARK,
        "negative or absurd",
    ),
    "offset and size beyond int64": (
        IMAGE + raw(base_256((1 << 62) - 1), b"n1/b.jpg") + END_MARK,
        "the archive is cut off here",
    ),
    "pax size beyond int64": (
        extended(record(b"size", b"9" * 19)) + IMAGE + END_MARK,
        "negative or absurd",
    ),
    "pax size of many digits": (
        extended(record(b"size", b"9" * 9000)) + IMAGE + END_MARK,
        "negative or absurd",
    ),
    "an inner archive that reaches into the next": (
        raw({}, b"n0.tar", 2048) + raw({}, b"a.jpg", 5000) + bytes(1536) + INNER + END_MARK,
        "n0.tar: the archive is cut off here: header at offset 512, of member 'a.jpg'",
    ),
    "first checksum": (broken(INNER, 3) + END_MARK, "its header is wrong: header at offset 0;"),
    "later checksum": (
        INNER + broken(INNER, 3) + END_MARK,
        f"header is wrong: header at offset {len(INNER)}, after member 'n1.tar'; 1 members",
    ),
    "inner checksum": (broken(INNER, 515) + END_MARK, "n1.tar: the checksum .* at offset 512;"),
    "NUL in a name": (
        extended(record(b"path", b"n1/a\0.jpg")) + member("b", JPEG) + END_MARK,
        "its name is over 4,096 bytes, or holds a NUL",
    ),
    "a long name": (member(f"n1/{'x' * 5000}.jpg", JPEG) + END_MARK, "over 4,096 bytes"),
    "a million folders": (
        b"".join(member("a/" * 400_000 + name, JPEG) for name in ("b/1.jpg", "c/1.jpg")),
        "over 4,096 bytes",
    ),
    "a class with a line break": (
        extended(record(b"path", b"n\n1/a.jpg")) + member("b", JPEG) + END_MARK,
        r"name 'n\\n1' has a line break",
    ),
    "an inner archive with a line break": (
        extended(record(b"path", b"n\n\x1b[31m1.tar")) + member("x", broken(IMAGE, 3)) + END_MARK,
        r"train.tar: n\\n\\x1b\[31m1.tar: the checksum of its header is wrong",
    ),
    "no image": (member("n1/a.txt", b"x") + END_MARK, "holds no images"),
    "an inner archive in an inner archive alone": (
        member("n1.tar", INNER + END_MARK) + END_MARK,
        "holds no images",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_before_anything_is_written(case: str, tmp_path: Path, refused: Command) -> None:
    data, message = REFUSED[case]
    archive = tmp_path / "train.tar"
    archive.write_bytes(data)
    said = refused("--train", archive)
    assert said.startswith(f"{archive}: ")
    assert re.search(message, said), said


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("name", "shown"),
    [(b"n1/a\nb\x1b[31m.jpg", r"n1/a\nb\x1b[31m.jpg"), (b"n1/\xff.jpg", r"n1/\udcff.jpg")],
)
def test_names_of_bad_images(
    name: bytes, shown: str, workers: int, tmp_path: Path, refused: Command, stored: Any
) -> None:
    """In one line in a message, and as they are in the manifest."""
    archive = tmp_path / "train.tar"
    bad = extended(record(b"path", name)) + member("x", b"no image")
    archive.write_bytes(IMAGE + bad + END_MARK)
    place = len(IMAGE) + len(bad) - 512
    said = refused("--train", archive, workers=workers)
    assert f"{shown} (at offset {place}): bad image" in said
    manifest = stored("--train", archive, "--on-error", "skip", code=1, workers=workers)
    assert manifest["records"] == 1
    image = manifest["skipped"][0]["image"].encode("utf-8", "surrogateescape")
    assert image == f"{archive}: ".encode() + name + f" (at offset {place})".encode()


LINKS = b"".join(
    member(f"n1/{kind.decode()}.jpg", type=kind, linkname="/etc/passwd")
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE,
                 tarfile.FIFOTYPE)
)  # fmt: skip
TOLERATED: dict[str, tuple[bytes, int, str]] = {
    "absolute names": (member("/etc/n1/a.jpg", JPEG), 1, "n1"),
    "points and slashes": (
        member("./n1/./a.jpg", b"older") + member("n1//a.jpg", b"old") + IMAGE,
        1,
        "n1",
    ),
    "links and devices": (IMAGE + LINKS, 1, "n1"),
    "an inner archive in another": (
        INNER + member("n2.tar", INNER + member("a.jpg", JPEG) + END_MARK),
        2,
        "n1\nn2",
    ),
    "inner archives of one name": (
        member("n1.tar", member("a.jpg", b"old") + END_MARK) + member("./n1.tar", INNER[512:]),
        1,
        "n1",
    ),
    "Solaris's long name": (
        extended(record(b"path", b"n1/" + b"x" * 200 + b".jpg"), b"X") + member("cut", JPEG),
        1,
        "n1",
    ),
    "an empty pax name": (extended(record(b"path", b"")) + IMAGE, 1, "n1"),
    "a sparse file that is no image": (IMAGE + sparse_pax("1.0", "n1/notes.txt"), 1, "n1"),
    "garbage behind the end": (IMAGE + END_MARK + b"garbage" * 999, 1, "n1"),
}


@pytest.mark.parametrize("case", TOLERATED)
def test_tolerated(case: str, tmp_path: Path, stored: Any) -> None:
    data, records, classes = TOLERATED[case]
    archive = tmp_path / "train.tar"
    archive.write_bytes(data + END_MARK)
    assert stored("--train", archive)["records"] == records
    assert (tmp_path / "stored" / "labels.txt").read_text() == f"{classes}\n"


def test_what_is_no_file(tmp_path: Path, refused: Command) -> None:
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for path, message in (
        (tmp_path / "empty", "holds no images"),
        (tmp_path / "pipe", "cannot be opened: it is no regular file"),
        (Path("/dev/zero"), "cannot be opened: it is no regular file"),
        (tmp_path / "gone", "does not exist (--train)"),
    ):
        assert refused("--train", path) == f"{path}: {message}"


def test_folders_of_deep_names_are_compared_in_a_moment(tmp_path: Path, stored: Any) -> None:
    """Two thousand folders deep, as far as a name can be; and what they have in common is found."""
    archive = tmp_path / "train.tar"
    names = [f"{'a/' * 2000}{name}/1.jpg" for name in ("n1", "n2")] * 2
    archive.write_bytes(b"".join(member(name, JPEG) for name in names) + END_MARK)
    assert stored("--train", archive)["records"] == 2
    assert (tmp_path / "stored" / "labels.txt").read_text() == "n1\nn2\n"


def test_many_empty_members(tmp_path: Path, refused: Command, stored: Any) -> None:
    archive = tmp_path / "train.tar"
    heads = b"".join(raw({}, b"n%d/%05d.jpg" % (n % 9, n)) for n in range(20_000))
    archive.write_bytes(IMAGE + heads + END_MARK)
    assert "bad image: the file is empty" in refused("--train", archive)
    manifest = stored("--train", archive, "--on-error", "skip", code=1)
    assert manifest["records"] == 1
    assert len(manifest["skipped"]) == 20_000


@pytest.mark.parametrize("workers", [1, 2])
def test_an_image_as_large_as_a_disk_is_never_read(workers: int, tmp_path: Path) -> None:
    """Nor is memory asked for it, nor disk, nor shards planned for its sake."""
    archive = tmp_path / "train.tar"
    with archive.open("wb") as file:
        file.write(IMAGE + raw(base_256(900 * GIB), b"n1/b.jpg"))
        file.truncate(len(IMAGE) + 512 + 900 * GIB)
        file.seek(0, os.SEEK_END)
        file.write(END_MARK)
    words = [sys.executable, "-m", "fastconv", "shards", "--train", str(archive)]
    words += ["--on-error", "skip", "--workers", str(workers), "--out", str(tmp_path / "out")]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (GIB, GIB))

    done = subprocess.run(
        words, capture_output=True, text=True, cwd=ROOT, preexec_fn=limit,
        env={**os.environ, "FASTCONV_CACHE": ""},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "n1/b.jpg (at offset" in done.stdout and "its file has over 1 GiB" in done.stdout
    assert [path.name for path in (tmp_path / "out" / "data_dir").iterdir()] == [
        "train-00000-of-00001"
    ]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("becomes", ["nothing", "a pipe", "a folder", "short"])
def test_an_archive_that_is_replaced_while_it_is_read(
    becomes: str, workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTCONV_CACHE", "")
    archive = tmp_path / "train.tar"
    archive.write_bytes(b"".join(member(f"n1/{n}.jpg", JPEG) for n in range(50)) + END_MARK)

    def replace() -> None:
        archive.unlink()
        if becomes == "a pipe":
            os.mkfifo(archive)
        elif becomes == "a folder":
            archive.mkdir()
        elif becomes == "short":
            archive.write_bytes(IMAGE)

    options = fastconv.Options(
        train=archive, out=tmp_path / "out", workers=workers, train_shards=40
    )
    message = {
        "nothing": "No such file",
        "a pipe": "cannot be read: it is no regular file any more",
        "a folder": "cannot be read: Is a directory",
        "short": "changed since it was listed",
    }[becomes]
    with pytest.raises(InputError, match=message) as caught:
        fastconv.convert(options, WhenWriting(replace))
    assert str(caught.value).startswith(f"{archive}: n1/")


def test_an_archive_that_grows_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was listed stays where it was."""
    monkeypatch.setenv("FASTCONV_CACHE", "")
    archive = tmp_path / "train.tar"
    archive.write_bytes(IMAGE + END_MARK)

    def grow() -> None:
        with archive.open("ab") as file:
            file.write(IMAGE * 9)

    report = fastconv.convert(
        fastconv.Options(train=archive, out=tmp_path / "out"), WhenWriting(grow)
    )
    assert report.written == 1
