"""What the peers share: the same words on the command line, and the same images in each hand."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

SEED = 12345


@dataclass(frozen=True, slots=True)
class Picture:
    """A file of the tree; ``label`` counts from 1 in the order of the classes."""

    path: str
    name: str
    synset: str
    label: int


@dataclass(frozen=True, slots=True)
class Given:
    tree: Path
    out: Path
    workers: int
    shards: int


def parser(description: str | None) -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(description=description)
    words.add_argument("--tree", type=Path, required=True, help="folder of class folders")
    words.add_argument("--out", type=Path, required=True, help="folder for the output")
    words.add_argument("--workers", type=int, default=1)
    words.add_argument("--shards", type=int, default=8)
    return words


def arguments(description: str | None) -> Given:
    return given_of(parser(description).parse_args())


def given_of(words: argparse.Namespace) -> Given:
    words.out.mkdir(parents=True, exist_ok=True)
    return Given(words.tree, words.out, words.workers, words.shards)


def pictures(tree: Path) -> list[Picture]:
    """All images of the tree, shuffled."""
    found = []
    for label, folder in enumerate(sorted(tree.iterdir()), 1):
        found += [
            Picture(str(path), path.name, folder.name, label) for path in sorted(folder.iterdir())
        ]
    random.Random(SEED).shuffle(found)
    return found


@dataclass(frozen=True, slots=True)
class Shard:
    number: int
    path: str
    pictures: Sequence[Picture]


def cut(given: Given) -> list[Shard]:
    """The images as shards of equal length."""
    return cut_of(given.tree, given.out, given.shards)


def cut_of(tree: Path, out: Path, shards: int) -> list[Shard]:
    found = pictures(tree)
    edges = [len(found) * n // shards for n in range(shards + 1)]
    return [
        Shard(n, str(out / f"train-{n:05d}-of-{shards:05d}"), found[edges[n] : edges[n + 1]])
        for n in range(shards)
    ]


Write = Callable[[Shard], int]
_write: Write


def _begin(start: Callable[[], Write]) -> None:
    global _write
    _write = start()


def _timed(shard: Shard) -> tuple[int, float, float]:
    began = time.monotonic()
    return _write(shard), began, time.monotonic()


def write_all(
    shards: Sequence[Shard], workers: int, start: Callable[[], Write], threads: bool = False
) -> None:
    """Write each shard, by processes (or threads) of their own where there are several workers.

    ``start`` is called once a process, and gives what writes a shard. It may import what must not
    be there before a fork. What is printed leaves that time, and the interpreter's start, out.
    """
    if workers == 1:
        _begin(start)
        done = [_timed(shard) for shard in shards]
    elif threads:
        _begin(start)
        with ThreadPoolExecutor(workers) as pool:
            done = list(pool.map(_timed, shards))
    else:
        with multiprocessing.get_context("fork").Pool(workers, _begin, (start,)) as crew:
            done = list(crew.imap_unordered(_timed, shards, chunksize=1))
    seconds = max(end for _, _, end in done) - min(begin for _, begin, _ in done)
    written = sum(n for n, _, _ in done)
    size = sum(path.stat().st_size for path in Path(shards[0].path).parent.iterdir())
    print(json.dumps({"written": written, "seconds": seconds, "bytes": size}))
