"""Make a small ImageNet, convert it, and show what came out.

    python tools/demo.py FOLDER

Runs the commands that a person would type, and says which. FOLDER is made anew.
"""

from __future__ import annotations

import filecmp
import shlex
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np

import fastconv

WIDTH = 72


def title(text: str) -> None:
    print(f"\n── {text} {'─' * max(0, WIDTH - len(text))}", flush=True)


def run(*words: object) -> None:
    """A fastconv command, by the environment that this script runs in."""
    print(f"$ {shlex.join(['fastconv', *map(str, words)])}", flush=True)
    subprocess.run([sys.executable, "-m", "fastconv", *map(str, words)], check=True)


def show_tree(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            print(f"{path.stat().st_size:>12,}  {path}")


def show_head(path: Path, lines: int = 3) -> None:
    print(f"{path}:")
    with path.open() as file:
        for line in islice(file, lines):
            print(f"    {line.rstrip()}")


def short(values: np.ndarray) -> str:
    shown = []
    for value in islice(values, 4):
        if isinstance(value, np.floating):
            shown.append(f"{value:.4g}")
        elif isinstance(value, bytes) and len(value) > 60:
            shown.append(f"{value[:8]!r}… ({len(value):,} bytes)")
        else:
            shown.append(f"{value!r}" if isinstance(value, bytes) else f"{value}")
    return ", ".join([*shown, "…"] if len(values) > len(shown) else shown) or "(none)"


def show_record(shard: Path) -> None:
    """The first record that has boxes."""
    records = enumerate(map(fastconv.parse_example, fastconv.read_records(shard)))
    number, features = next(pair for pair in records if len(pair[1]["image/object/bbox/xmin"]))
    print(f"record {number} of {shard}:")
    for name, values in sorted(features.items()):
        print(f"    {name:<28} {short(values)}")


def main(folder: Path) -> None:
    images, out, again = folder / "imagenet", folder / "out", folder / "indexes"
    for old in (images, out, again):
        shutil.rmtree(old, ignore_errors=True)

    title("a sample: drawn images in the three archives that ImageNet comes as")
    run("sample", images, "--classes", 20, "--train-images", 400, "--validation-images", 100)

    title("converted: shards, an index for each, labels and a manifest")
    run("shards", images, "--out", out)
    show_tree(out)

    title("the same indexes, made from the finished shards")
    shards = sorted((out / "data_dir").iterdir())
    run("index", *shards, "--out", again)
    names = [shard.name for shard in shards]
    same, *other = filecmp.cmpfiles(out / "idx_dir", again, names, shallow=False)
    if same != names:
        raise SystemExit(f"these indexes differ: {other}")
    print(f"{len(same)} of {len(names)} equal those that were written with the shards")

    title("looked at")
    show_head(out / "idx_dir" / names[0])
    show_head(out / "labels.txt")
    show_record(shards[0])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
