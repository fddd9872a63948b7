"""A file system that fills up in the middle of a job, and then is given room: real ones, mounted
in a namespace of their own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import made_once
from faults.jobs import ROOT, Files, Job, claimed_and_false, differences, environment, files

from fastconv.cli import shards as command

KILO, MEGA = 1 << 10, 1 << 20

# $1: a folder for what is found, $2: where the disk is mounted, $3: how it is made, $4: how it gets
# room; then the job.
SCRIPT = """
set -u
found=$1 disk=$2 make=$3 more=$4
shift 4
eval "$make" || exit 99
mkdir "$disk/out"
"$@" 2>"$found/errors"
echo $? >"$found/code"
cp -a "$disk/out" "$found/full" || exit 98
eval "$more" || exit 97
"$@" 2>"$found/errors again"
echo $? >"$found/code again"
cp -a "$disk/out" "$found/again"
"""


@dataclass(frozen=True, slots=True)
class Disk:
    """How one is made, and how it is given room, in shell; `disk` and `found` are folders."""

    make: str
    more: str
    as_root: bool = False


def tmpfs(limits: str, more: str) -> Disk:
    return Disk(f"mount -t tmpfs -o {limits} tmpfs $disk", f"mount -o remount,{more} $disk")


def ext4(options: str, ballast: str) -> Disk:
    """An image of 24 MB, filled but for some room, which going of the ballast gives."""
    make = (
        "truncate -s 24M $found/image && "
        f"mke2fs -q -t ext4 -m 0 -b 4096 {options} $found/image && "
        f"mount -o loop $found/image $disk && mkdir $disk/ballast && {ballast}"
    )
    return Disk(make, "rm -r $disk/ballast", as_root=True)


def free_but(bytes_left: int) -> str:
    """A file that leaves so much of the disk."""
    return (
        "free=$(($(stat -f -c '%a * %S' $disk))) && "
        f"fallocate -l $((free - {bytes_left})) $disk/ballast/file"
    )


DISKS = {
    "tmpfs, 64 kB": tmpfs("size=64k", "size=64M"),
    "tmpfs, 1 MB": tmpfs("size=1M", "size=64M"),
    "tmpfs, 5 MB": tmpfs("size=5M", "size=64M"),
    "tmpfs, 8 files": tmpfs("size=64M,nr_inodes=8", "nr_inodes=10k"),
    "tmpfs, 20 files": tmpfs("size=64M,nr_inodes=20", "nr_inodes=10k"),
    "ext4, 2 MB": ext4("", free_but(2 * MEGA)),
    "ext4, 6 MB": ext4("", free_but(6 * MEGA)),
    "ext4, 60 kB": ext4("-O ^has_journal", free_but(60 * KILO)),
    "ext4, 14 files": ext4(
        "-N 64", "n=0; while touch $disk/ballast/$n 2>/dev/null; do n=$((n + 1)); done; "
        "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do rm $disk/ballast/$i; done",
    ),
}  # fmt: skip
IN_SHORT = ("tmpfs, 1 MB", "tmpfs, 20 files", "ext4, 6 MB")


@pytest.fixture(scope="module")
def right(mini: Path, tmp_path_factory: pytest.TempPathFactory) -> Files:
    def make(out: Path) -> None:
        words = [sys.executable, "-m", "fastconv", *job(mini).command(out, 2)]
        subprocess.run(words, check=True, cwd=ROOT, env=environment())

    return files(made_once(tmp_path_factory, "undisturbed on a small disk", make))


def job(source: Path) -> Job:
    return Job(source, (str(source), "--train-shards", "8", *no_space_check()))


def no_space_check() -> tuple[str, ...]:
    """What is known to be too large must be tried all the same."""
    names = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    return tuple(names & {"--no-space-check"})


def cannot_mount(disk: Disk) -> str:
    """Why this machine has no such disks; empty where it can have them."""
    if not sys.platform.startswith("linux"):
        return "mounting is of Linux here"
    words = ["unshare", "--mount"] if disk.as_root else ["unshare", "--mount", "--map-root-user"]
    trial = (
        "d=$(mktemp -d) && truncate -s 4M $d/i && mke2fs -q -t ext4 $d/i && mkdir $d/m && "
        "mount -o loop $d/i $d/m; c=$?; umount $d/m; rm -r $d; exit $c"
        if disk.as_root
        else "mount -t tmpfs -o size=64k tmpfs /mnt"
    )
    try:
        done = subprocess.run([*words, "sh", "-c", trial], capture_output=True, text=True)
    except OSError as error:
        return str(error)
    return f"a disk cannot be mounted: {done.stderr}" if done.returncode else ""


def filled_and_given_room(
    mini: Path, right: Files, tmp_path: Path, name: str, workers: int
) -> None:
    disk = DISKS[name]
    if reason := cannot_mount(disk):
        pytest.skip(reason)
    place, found = tmp_path / "disk", tmp_path / "found"
    place.mkdir()
    found.mkdir()
    unshare = ["unshare", "--mount", *(() if disk.as_root else ("--map-root-user",))]
    words = [sys.executable, "-m", "fastconv", *job(mini).command(place / "out", workers)]
    done = subprocess.run(
        [*unshare, "sh", "-c", SCRIPT, "sh", str(found), str(place), disk.make, disk.more, *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(),
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    errors = (found / "errors").read_text()
    assert (found / "code").read_text() == "4\n", errors
    assert errors.startswith(f"fastconv: {place}/out")
    assert "No space left on device; free some space, then run the same command again" in errors
    assert claimed_and_false(found / "full", right) == []
    assert (found / "code again").read_text() == "0\n", (found / "errors again").read_text()
    assert differences(found / "again", right) == []


@pytest.mark.parametrize("name", IN_SHORT)
def test_a_disk_that_fills_up(mini: Path, right: Files, tmp_path: Path, name: str) -> None:
    filled_and_given_room(mini, right, tmp_path, name, 2)


@pytest.mark.torture
@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("name", DISKS)
def test_every_disk_that_fills_up(
    mini: Path, right: Files, tmp_path: Path, name: str, workers: int
) -> None:
    filled_and_given_room(mini, right, tmp_path, name, workers)
