"""The same images, laid out as people have them."""

from __future__ import annotations

import io
import os
import random
import tarfile
from pathlib import Path

from PIL import Image

_buffer = io.BytesIO()
Image.effect_noise((20, 10), 60).convert("RGB").save(_buffer, "JPEG")
JPEG = _buffer.getvalue()


def put(folder: Path, *names: str) -> Path:
    """Small JPEGs of these names below a folder, which is returned."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(JPEG)
    return folder


def link_tree(source: Path, target: Path) -> None:
    """The files below source at the same places below target, as hard links."""
    for path in source.rglob("*"):
        if path.is_file():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, place)


def flat_validation(tree: Path, out: Path) -> Path:
    """A class tree whose validation images lie in one folder, `val`, without their classes."""
    link_tree(tree / "train", out / "train")
    (out / "val").mkdir(parents=True)
    for path in (tree / "validation").rglob("*.JPEG"):
        os.link(path, out / "val" / path.name)
    return out


def kaggle(tree: Path, out: Path) -> Path:
    """Kaggle's tree: flat val, labels in LOC_val_solution.csv, XML below Annotations."""
    base = out / "ILSVRC"
    link_tree(tree / "train", base / "Data" / "CLS-LOC" / "train")
    (base / "Data" / "CLS-LOC" / "val").mkdir()
    lines = ["ImageId,PredictionString"]
    for path in (tree / "validation").rglob("*.JPEG"):
        os.link(path, base / "Data" / "CLS-LOC" / "val" / path.name)
        lines.append(f"{path.stem},{path.parent.name} 10 20 30 40 {path.parent.name} 1 2 3 4 ")
    (out / "LOC_val_solution.csv").write_text("\n".join(lines) + "\n")
    link_tree(tree / "bounding_boxes", base / "Annotations" / "CLS-LOC" / "train")
    # The real download has boxes of validation images too; slim's records do not.
    val = base / "Annotations" / "CLS-LOC" / "val"
    val.mkdir()
    (val / "ILSVRC2012_val_00000001.xml").write_text(
        "<annotation><size><width>10</width><height>10</height></size><object><name>n1</name>"
        "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object>"
        "</annotation>"
    )
    return out


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def tar_of_tars(
    tree: Path, target: Path, format: int, prefix: str = "", strays: bool = False
) -> None:
    """The train archive from a tree, in a tar format of choice, members in a shuffled order."""
    order = random.Random(7)
    with tarfile.open(target, "w", format=format) as outer:
        folders = sorted(path for path in (tree / "train").iterdir())
        order.shuffle(folders)
        if strays:
            add(outer, f"{prefix}README.txt", b"about this archive")
            folder = tarfile.TarInfo(f"{prefix}folder")
            folder.type = tarfile.DIRTYPE
            outer.addfile(folder)
        for folder_path in folders:
            buffer = io.BytesIO()
            with tarfile.open(fileobj=buffer, mode="w", format=format) as inner:
                files = sorted(folder_path.iterdir())
                order.shuffle(files)
                for path in files:
                    add(inner, f"{prefix}{path.name}", path.read_bytes())
                if strays:
                    add(inner, f"{prefix}.DS_Store", b"x" * 700)
                    link = tarfile.TarInfo(f"{prefix}link.JPEG")
                    link.type, link.linkname = tarfile.SYMTYPE, files[0].name
                    inner.addfile(link)
            add(outer, f"{prefix}{folder_path.name}.tar", buffer.getvalue())


def class_tars(tree: Path, out: Path) -> Path:
    """The train archive unpacked once: a folder of class archives."""
    (out / "train").mkdir(parents=True)
    for folder in (tree / "train").iterdir():
        with tarfile.open(out / "train" / f"{folder.name}.tar", "w") as tar:
            for path in sorted(folder.iterdir(), reverse=True):
                tar.add(path, path.name)
    return out


def flat_tar_of_folders(tree: Path, split: str, target: Path) -> None:
    """One archive with a folder a class: ./train/<class>/<image>."""
    with tarfile.open(target, "w") as tar:
        for path in sorted((tree / split).rglob("*.JPEG"), key=lambda path: path.name[::-1]):
            tar.add(path, f"./{split}/{path.parent.name}/{path.name}")
