"""The sample's archives, text file and tree, each under its final name only when it is whole."""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path

from fastconv.sample.make import Made
from fastconv.sample.plan import TRAIN

TRAIN_NAME = "ILSVRC2012_img_train.tar"
VALIDATION_NAME = "ILSVRC2012_img_val.tar"
BOXES_NAME = "ILSVRC2012_bbox_train_v2.tar.gz"
LABELS_NAME = "imagenet_2012_validation_synset_labels.txt"
TREE_NAME = "tree"

# No clock, user or group of the machine gets into the archives: the same seed, the same bytes.
_MTIME = 1_340_000_000


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    member.mtime = _MTIME
    member.mode = 0o644
    archive.addfile(member, io.BytesIO(data))


def _tar_bytes(members: list[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in members:
            _add(archive, name, data)
    return out.getvalue()


@contextmanager
def _whole_or_none(out: Path, names: list[str]) -> Iterator[dict[str, Path]]:
    """Paths to write under, renamed to their ``names`` in ``out`` at the end, removed on error."""
    partial = {name: out / f"{name}.partial" for name in names}
    try:
        yield partial
        for name, path in partial.items():
            path.rename(out / name)
    except BaseException:
        for path in partial.values():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        raise


def _write_in_tree(tree: Path, wnid: str, made: Made) -> None:
    split = "train" if made.job.split == TRAIN else "validation"
    parts = [(tree / split / wnid / made.job.file_name, made.image)]
    if made.xml is not None:
        parts.append((tree / "bounding_boxes" / wnid / f"{made.job.stem}.xml", made.xml))
    for path, data in parts:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def write_sample(out: Path, wnids: tuple[str, ...], made: Iterator[Made], tree: bool) -> int:
    """Write all of ``made`` (train by class, then validation) into ``out``; gives the XML count.

    Raises OSError as it comes; what was not whole by then is removed.
    """
    names = [TRAIN_NAME, VALIDATION_NAME, BOXES_NAME, LABELS_NAME, *([TREE_NAME] if tree else [])]
    xml_count = 0
    with _whole_or_none(out, names) as partial, ExitStack() as stack:

        def archive(path: Path) -> tarfile.TarFile:
            return stack.enter_context(tarfile.open(path, "w", format=tarfile.USTAR_FORMAT))

        train, validation = archive(partial[TRAIN_NAME]), archive(partial[VALIDATION_NAME])
        packed = stack.enter_context(partial[BOXES_NAME].open("wb"))
        gz = stack.enter_context(gzip.GzipFile("", "wb", 6, packed, mtime=0))
        boxes = stack.enter_context(tarfile.open(fileobj=gz, mode="w", format=tarfile.USTAR_FORMAT))
        labels = stack.enter_context(partial[LABELS_NAME].open("w", encoding="ascii"))
        for (split, rank), group in groupby(made, lambda m: (m.job.split, m.job.rank)):
            wnid = wnids[rank]
            members = []
            for item in group:
                if tree:
                    _write_in_tree(partial[TREE_NAME], wnid, item)
                if item.xml is not None:
                    _add(boxes, f"{wnid}/{item.job.stem}.xml", item.xml)
                    xml_count += 1
                if split == TRAIN:
                    members.append((item.job.file_name, item.image))
                else:
                    _add(validation, item.job.file_name, item.image)
                    labels.write(wnid + "\n")
            if split == TRAIN:
                _add(train, f"{wnid}.tar", _tar_bytes(members))
    return xml_count
