"""The corpus: ImageNet-sized JPEGs cut from real photographs, as a class tree and as an archive.

    python -m bench.corpus --storage DIR

The photographs are those that scikit-image and scikit-learn carry in their wheels; nothing is
downloaded. ``base`` has distinct images. ``large`` repeats them under names of their own, in an
archive and in a tree, until there are bytes enough to measure a copy.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.measure import remove
from bench.tarwriter import Body, packed

# Those that make JPEGs of ImageNet's bytes; gray and plain ones make smaller files.
PHOTOGRAPHS = {
    "skimage": (
        *("data/astronaut.png", "data/chelsea.png", "data/coffee.png", "data/grass.png"),
        *("data/gravel.png", "data/hubble_deep_field.jpg", "data/motorcycle_left.png"),
        "data/motorcycle_right.png",
    ),
    "sklearn": ("datasets/images/china.jpg", "datasets/images/flower.jpg"),
}
PHOTOGRAPHS_MIN = 4
TRAIN = "ILSVRC2012_img_train.tar"
STAMP = "made.json"
MEAN_BYTES_MIN, MEAN_BYTES_MAX = 90_000, 120_000
# fastconv makes these new, as slim does. ImageNet has 23 of them in 1,281,167, so the large corpus
# gets one and the base none.
MADE_NEW = ("cmyk", "ycck", "png")
COPY_STEP = 1_000_000  # added to an image's number for each repetition, so that names differ

Tell = Callable[[str], None]


class CorpusError(Exception):
    """The corpus cannot be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """``path``: a folder that ``fastconv shards`` takes, ``bytes``: of the images alone."""

    path: Path
    images: int
    classes: int
    bytes: int

    @property
    def archive(self) -> Path:
        return self.path / TRAIN


def reuse_or_make(
    folder: Path, parameters: dict[str, Any], make: Callable[[Path], dict[str, Any]]
) -> dict[str, Any]:
    """What ``make`` says of the folder that it made, now or, with these parameters, before."""
    stamp = folder / STAMP
    if stamp.is_file():
        made: dict[str, Any] = json.loads(stamp.read_text(encoding="utf-8"))
        if made["parameters"] == parameters:
            return dict(made["facts"])
    remove(folder)
    partial = folder.with_name(f"{folder.name}.partial")
    remove(partial)
    partial.mkdir(parents=True)
    facts = make(partial)
    text = json.dumps({"parameters": parameters, "facts": facts}, indent=1)
    (partial / STAMP).write_text(text + "\n", encoding="utf-8")
    partial.rename(folder)
    return facts


def photographs() -> list[Path]:
    """The photographs that installed packages carry."""
    found = []
    for package, names in PHOTOGRAPHS.items():
        # Not imported: only their files are wanted.
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            continue
        folder = Path(spec.origin).parent
        found += [folder / name for name in names if (folder / name).is_file()]
    if len(found) < PHOTOGRAPHS_MIN:
        raise CorpusError("install scikit-image and scikit-learn: their photographs are needed")
    return found


def build_base(
    storage: Path,
    images: int = 6000,
    classes: int = 100,
    seed: int = 1,
    photos: list[Path] | None = None,
    tell: Tell = lambda _line: None,
) -> Corpus:
    """A class tree ``train/<wnid>/*.JPEG`` of distinct images."""
    from fastconv.sample import make_sample

    sources = photographs() if photos is None else photos
    prints = {p.name: hashlib.sha256(p.read_bytes()).hexdigest()[:16] for p in sources}
    parameters = {"images": images, "classes": classes, "seed": seed, "photographs": prints}

    def make(out: Path) -> dict[str, Any]:
        tell(f"cutting {images:,} images from {len(sources)} photographs")
        folder = out / "photographs"
        folder.mkdir()
        for path in sources:
            shutil.copyfile(path, folder / path.name)
        # As many more as will be taken out again.
        report = make_sample(
            out / "sample",
            classes=classes,
            train_images=images + len(MADE_NEW),
            validation_images=1,
            seed=seed,
            photos=folder,
            tree=True,
            on_progress=lambda done, total: (
                tell(f"  {done:,} of {total:,}") if not done % 1000 else None
            ),
        )
        (out / "sample" / "tree" / "train").rename(out / "train")
        (out / "odd").mkdir()
        for kind in MADE_NEW:
            if kind in report.odd and (found := list(out.glob(f"train/*/{report.odd[kind]}"))):
                found[0].rename(out / "odd" / found[0].name)
        shutil.rmtree(out / "sample")
        shutil.rmtree(folder)
        files = sorted(out.glob("train/*/*.JPEG"))
        for path in files[images:]:
            path.unlink()
        sizes = [path.stat().st_size for path in files[:images]]
        distinct = {hashlib.sha256(path.read_bytes()).digest() for path in files[:images]}
        if len(distinct) != images:
            raise CorpusError(f"{images - len(distinct)} images are not distinct")
        return {"images": len(sizes), "bytes": sum(sizes)}

    facts = reuse_or_make(storage / "base", parameters, make)
    mean = facts["bytes"] / facts["images"]
    if images >= 1000 and not MEAN_BYTES_MIN <= mean <= MEAN_BYTES_MAX:
        raise CorpusError(f"images have {mean:,.0f} bytes on average, which is not ImageNet's size")
    return Corpus(storage / "base", facts["images"], classes, facts["bytes"])


def build_part(storage: Path, base: Corpus, step: int) -> Corpus:
    """One in ``step`` of the base's images, from all classes, as links to its files."""

    def make(out: Path) -> dict[str, Any]:
        paths = sorted(base.path.glob("train/*/*"))[::step]
        for path in paths:
            folder = out / "train" / path.parent.name
            folder.mkdir(parents=True, exist_ok=True)
            os.link(path, folder / path.name)
        return {"images": len(paths), "bytes": sum(path.stat().st_size for path in paths)}

    facts = reuse_or_make(storage / "part", _of_base(base, step=step), make)
    return Corpus(storage / "part", facts["images"], base.classes, facts["bytes"])


def repeated(base: Path, copies: int, seed: int) -> Iterator[tuple[str, list[tuple[str, Path]]]]:
    """Each class with (name, file of the base) of its images, in no useful order."""
    odd = sorted((base / "odd").glob("n*.JPEG"))[:1]
    for folder in sorted((base / "train").iterdir()):
        members = []
        for path in sorted(folder.iterdir()):
            wnid, _, number = path.stem.partition("_")
            for copy in range(copies):
                members.append((f"{wnid}_{int(number) + copy * COPY_STEP}.JPEG", path))
        members += [(path.name, path) for path in odd if path.name.startswith(folder.name)]
        random.Random(f"{seed} {folder.name}").shuffle(members)
        yield folder.name, members


def _copies(base: Corpus, bytes_min: int) -> int:
    return -(-bytes_min // base.bytes)


def build_archive(storage: Path, base: Corpus, bytes_min: int, seed: int = 1) -> Corpus:
    """A folder with a tar of tars of at least ``bytes_min`` bytes of images."""
    copies = _copies(base, bytes_min)

    def make(out: Path) -> dict[str, Any]:
        images = total = 0
        with (out / TRAIN).open("wb") as file:
            for wnid, members in repeated(base.path, copies, seed):
                bodies = {path: Body(path.read_bytes()) for _, path in members}
                inner = packed([(name.encode(), bodies[path]) for name, path in members])
                file.write(packed([(f"{wnid}.tar".encode(), Body(inner))])[: 512 + len(inner)])
                images += len(members)
                total += sum(bodies[path].length for _, path in members)
            file.write(bytes(1024))
            file.write(bytes(-file.tell() % 10240))
        return {"images": images, "bytes": total}

    facts = reuse_or_make(storage / "archive", _of_base(base, copies=copies, seed=seed), make)
    return Corpus(storage / "archive", facts["images"], base.classes, facts["bytes"])


def build_tree(storage: Path, base: Corpus, bytes_min: int, seed: int = 1) -> Corpus:
    """The same images under the same names in class folders, each a file of its own."""
    copies = _copies(base, bytes_min)

    def make(out: Path) -> dict[str, Any]:
        images = total = 0
        for wnid, members in repeated(base.path, copies, seed):
            folder = out / "train" / wnid
            folder.mkdir(parents=True)
            for name, path in members:
                shutil.copyfile(path, folder / name)
                images += 1
                total += path.stat().st_size
        return {"images": images, "bytes": total}

    facts = reuse_or_make(storage / "tree", _of_base(base, copies=copies, seed=seed), make)
    return Corpus(storage / "tree", facts["images"], base.classes, facts["bytes"])


def _of_base(base: Corpus, **parameters: int) -> dict[str, Any]:
    made = json.loads((base.path / STAMP).read_text(encoding="utf-8"))
    return {"base": made["parameters"], **parameters}


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the corpus of photographs.")
    parser.add_argument("--storage", type=Path, required=True)
    parser.add_argument("--images", type=int, default=6000)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--archive-bytes", type=int, default=4_200_000_000)
    given = parser.parse_args()
    base = build_base(given.storage, given.images, given.classes, given.seed, tell=print)
    built = {
        "base": base,
        "archive": build_archive(given.storage, base, given.archive_bytes, given.seed),
        "tree": build_tree(given.storage, base, given.archive_bytes, given.seed),
    }
    for name, corpus in built.items():
        print(name, json.dumps({**asdict(corpus), "path": str(corpus.path)}))


if __name__ == "__main__":
    main()
