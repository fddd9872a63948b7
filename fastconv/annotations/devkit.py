"""The validation labels in ILSVRC2012's development kit, ``ILSVRC2012_devkit_t12.tar.gz``.

``data/ILSVRC2012_validation_ground_truth.txt`` holds an ILSVRC id for each validation image, which
is no index into the sorted WNIDs; the struct array ``synsets`` of ``data/meta.mat`` says which WNID
an id stands for. The kit's ``readme.txt`` specifies both.
"""

from __future__ import annotations

import contextlib
import io
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastconv.annotations.gunzip import DamageError, decompressed
from fastconv.annotations.lists import lines_of, shown
from fastconv.annotations.tarstream import TarStream
from fastconv.errors import InputError, UsageError

META = "meta.mat"
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
MEMBER_BYTES_MAX = 64 << 20
META_MEMORY_BYTES = 1 << 30  # the real one takes a few megabytes
VALIDATION_COUNT_MAX = 50_000


def is_archive(data: bytes) -> bool:
    """Whether the bytes begin as gzip or as a tar archive does."""
    return data[:2] == b"\x1f\x8b" or data[257:262] == b"ustar"


def read_devkit(path: Path, data: bytes) -> tuple[str, ...]:
    """The WNIDs of the validation images in the order of their numbers; ``data`` is the archive.

    Members may stand in any folder. Raises InputError that names the member for a kit that is
    damaged or incomplete, UsageError if SciPy is missing.
    """
    members = _read_members(path, data)
    synset_of = _leaf_synsets(f"{path}, {META}", members[META])
    ground_truth = f"{path}, {GROUND_TRUTH}"
    lines = lines_of(ground_truth, members[GROUND_TRUTH])
    if len(lines) > VALIDATION_COUNT_MAX:
        raise InputError(f"{ground_truth}: {len(lines):,} labels, more than {VALIDATION_COUNT_MAX}")
    for number, line in enumerate(lines, 1):
        if line not in synset_of:
            raise InputError(
                f"{ground_truth}, line {number}: found {shown(line)}, which is the ILSVRC id of no "
                f"leaf class in {META}; download the development kit again"
            )
    return tuple([synset_of[line] for line in lines])


def _read_members(path: Path, data: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    pieces, is_gzip = decompressed(iter([data]))
    stream = TarStream(pieces, end_marker=not is_gzip)
    try:
        while stream.advance():
            folder, _, name = f"/{stream.name.decode('utf-8', 'surrogateescape')}".rpartition("/")
            if name not in (META, GROUND_TRUTH) or not folder.endswith("/data"):
                continue
            if stream.size > MEMBER_BYTES_MAX:
                raise InputError(f"{path}, {name}: {stream.size:,} bytes, too large")
            found[name] = stream.read()
    except DamageError as error:
        raise InputError(
            f"{path}: damaged or cut off: {error}; download ILSVRC2012_devkit_t12.tar.gz again "
            "(MD5 fa75699e90414af021442c21a62c3abf)"
        ) from error
    for name in (META, GROUND_TRUTH):
        if name not in found:
            raise InputError(
                f"{path}: holds no member data/{name}, so it is not the development kit; "
                "ILSVRC2012_devkit_t12.tar.gz is expected"
            )
    return found


def _leaf_synsets(where: str, meta: bytes) -> dict[str, str]:
    """ILSVRC id, as it is written in the ground truth, to WNID, for the classes without children.

    ``synsets`` has the fields ILSVRC2012_ID, WNID, words, gloss, num_children, children,
    wordnet_height and num_train_images.
    """
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise UsageError(
            "the development kit's meta.mat is read with SciPy, which is missing: "
            "pip install 'fastconv[devkit]'"
        ) from error
    try:
        with _memory_of(META_MEMORY_BYTES):
            rows: Any = loadmat(io.BytesIO(meta), squeeze_me=True)["synsets"].reshape(-1)
        leaves = rows[rows["num_children"] == 0]
        ids = [str(int(i)) for i in leaves["ILSVRC2012_ID"]]
        wnids = [str(wnid) for wnid in leaves["WNID"]]
    except Exception as error:  # loadmat raises nearly anything at a damaged file
        raise InputError(
            f"{where}: no MATLAB 5 file with the struct array 'synsets' of ILSVRC2012: {error!r}; "
            "download the development kit again"
        ) from error
    if not ids or len(set(ids)) != len(ids):
        raise InputError(f"{where}: no classes, or one ILSVRC id for two; download the kit again")
    return dict(zip(ids, wnids, strict=True))


@contextlib.contextmanager
def _memory_of(more: int) -> Iterator[None]:
    """This process can have no more memory than so many bytes besides what it has: loadmat asks for
    as much as a file claims to need. Where the system does not say what it has, there is no limit.
    """
    if sys.platform != "linux":
        yield
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + more
    for other in (soft, hard):
        if other != resource.RLIM_INFINITY:
            limit = min(limit, other)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
