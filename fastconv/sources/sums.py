"""Archives' MD5 sums, compared with those that are known of them.

A sum is known from a file beside the archive, in the form of md5sum, or from where the archive was
published (fastconv.sources.published).
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from fastconv.annotations.xmlfiles import ARCHIVE_SUFFIXES
from fastconv.errors import InputError, UsageError
from fastconv.options import PARTS, SourceOptions
from fastconv.regular import regular
from fastconv.remote.path import RemotePath
from fastconv.sources.detect import Found
from fastconv.sources.published import published_md5

SUMS_NAMES = ("MD5SUMS", "md5sums.txt", "md5sum.txt")
SUMS_BYTES_MAX = 16 << 20
# A backslash leads a line whose name has one.
LINE = re.compile(r"\\?([0-9a-fA-F]{32})(?: [ *](.+))?")
READ_BYTES = 1 << 20
THREADS = 4
TELL_SECONDS = 0.1
NAMED_AT_MOST = 3

# Called with the bytes read and those there are to read.
Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Known:
    """What an archive's sum should be, and who says so."""

    md5: str
    origin: str


def check_archives(found: Found, options: SourceOptions, tell: Tell) -> tuple[str, ...]:
    """Read every archive that is used, and compare its MD5 sum with the one known of it.

    Returns what there is to say about it, a line each. Raises InputError, naming the file, where a
    sum differs, where none is known of any archive, and for a file of sums that is damaged;
    UsageError where there is no archive. What `tell` raises ends the reading.
    """
    for part in PARTS:
        if isinstance(path := getattr(found, part), RemotePath):
            raise UsageError(
                f"--check-archives reads archives on disk, and {path} is in an object store, which "
                f"has checksums of its own; leave the option out"
            )
    archives = used_archives(found, options)
    if not archives:
        raise UsageError(
            "--check-archives: the source holds no archives, but folders; leave the option out"
        )
    known = {path: sum for path in archives if (sum := known_sum(path)) is not None}
    if not known:
        raise InputError(
            f"{_named(archives)}: no MD5 sum is known to check; put the sum into a file beside the "
            f"archive, {archives[0].name}.md5, as md5sum writes it, or leave --check-archives out"
        )
    _compare(known, tell)
    lines = [f"MD5 of {path} is right, by {known[path].origin}" for path in known]
    unknown = [path for path in archives if path not in known]
    if unknown:
        lines.append(f"no MD5 sum is known of {_named(unknown)}, so it was not checked")
    return tuple(lines)


def _named(archives: list[Path]) -> str:
    more = len(archives) - NAMED_AT_MOST
    names = ", ".join(map(str, archives[:NAMED_AT_MOST]))
    return f"{names} and {more:,} more" if more > 0 else names


def used_archives(found: Found, options: SourceOptions) -> list[Path]:
    """The archives that a conversion reads, class archives in a folder among them."""
    archives: list[Path] = []
    for split in options.splits:
        path = found.images_of(split)
        if isinstance(path, Path):
            archives += _class_archives(path) if path.is_dir() else [path]
    labels = found.validation_labels if "validation" in options.splits else None
    for path in (found.boxes, labels):
        if isinstance(path, Path) and path.is_file():
            archives += [path] if path.name.lower().endswith(ARCHIVE_SUFFIXES) else []
    return list(dict.fromkeys(archives))


def _class_archives(folder: Path) -> list[Path]:
    """As fastconv.sources.folders takes them."""
    try:
        return sorted(
            file
            for file in folder.iterdir()
            if file.name.lower().endswith(".tar") and file.name[0] != "." and file.is_file()
        )
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror}") from None


def known_sum(archive: Path) -> Known | None:
    """The sum that is known of an archive: from ``<archive>.md5``, else from a list of sums beside
    it, else from where it was published. InputError, naming file and line, for a damaged list."""
    own = archive.with_name(f"{archive.name}.md5")
    said = _sums(own)
    if said is not None:
        # It may have been made elsewhere, under another path.
        sums = {sum for name, sum in said if name is None or Path(name).name == archive.name}
        if len(sums) != 1:
            what = "two sums" if sums else "no sum"
            raise InputError(f"{own}: gives {what} of {archive.name}; mend or remove it")
        return Known(sums.pop(), own.name)
    for path in map(archive.with_name, SUMS_NAMES):
        listed = _sums(path) or []
        sums = {sum for name, sum in listed if name and os.path.normpath(name) == archive.name}
        if len(sums) > 1:
            raise InputError(f"{path}: gives two sums of {archive.name}; mend or remove it")
        if sums:
            return Known(sums.pop(), path.name)
    published = published_md5(archive, archive.stat().st_size)
    return Known(published, "what was published") if published else None


def _sums(path: Path) -> list[tuple[str | None, str]] | None:
    """(name, sum) for each line of a file of md5sum's form; None where there is no such file."""
    try:
        with open(path, "rb", opener=regular) as file:
            data = file.read(SUMS_BYTES_MAX + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; mend or remove it") from None
    if len(data) > SUMS_BYTES_MAX:
        raise InputError(f"{path}: is too large for a list of sums; remove it")
    said: list[tuple[str | None, str]] = []
    for number, line in enumerate(os.fsdecode(data).split("\n"), 1):
        text = line.rstrip("\r \t")
        if not text or text.startswith("#"):
            continue
        match = LINE.fullmatch(text)
        if match is None or (match[2] is None and path.suffix != ".md5"):
            raise InputError(
                f"{path}: line {number}: is not <MD5 sum>  <name>, as md5sum writes it, but "
                f"{text[:60]!a}; mend or remove it"
            )
        said.append((match[2], match[1].lower()))
    return said


class _Reading:
    """Archives read in threads; each counts what it has read in a place of its own."""

    def __init__(self, count: int) -> None:
        self.done = [0] * count
        self.stop = threading.Event()

    def md5_of(self, number: int, path: Path) -> str:
        md5 = hashlib.md5(usedforsecurity=False)
        buffer = bytearray(READ_BYTES)
        view = memoryview(buffer)
        try:
            with open(path, "rb", buffering=0, opener=regular) as file:
                while not self.stop.is_set() and (got := file.readinto(buffer)):
                    md5.update(view[:got])
                    self.done[number] += got
        except OSError as error:
            raise InputError(
                f"{path}: cannot be read at offset {self.done[number]}: {error.strerror}"
            ) from None
        return md5.hexdigest()


def _compare(known: dict[Path, Known], tell: Tell) -> None:
    total = sum(path.stat().st_size for path in known)
    reading = _Reading(len(known))
    pool = ThreadPoolExecutor(min(THREADS, len(known)), thread_name_prefix="fastconv-md5")
    try:
        ahead: dict[Future[str], Path] = {
            pool.submit(reading.md5_of, number, path): path for number, path in enumerate(known)
        }
        left = set(ahead)
        while left:
            # Not for ever, so that Ctrl-C reaches this thread, and whoever watches sees something.
            done, left = wait(left, TELL_SECONDS, FIRST_EXCEPTION)
            for future in done:
                path, found = ahead[future], future.result()
                if found != known[path].md5:
                    raise InputError(
                        f"{path}: is not what it should be: its MD5 sum is {found}, and by "
                        f"{known[path].origin} {known[path].md5}. Fetch it again"
                    )
            tell(sum(reading.done), total)
    finally:
        # Not waited for: a read of a dead network disk ends when it likes.
        reading.stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
