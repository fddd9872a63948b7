"""Build the corpora, measure, and write RESULTS.md, results.json and the charts.

make bench
make bench ARGS="--only tar --only tree --storage DIR"
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.chart import draw, draw_resize
from bench.commands import QUICK, Bench, Sizes
from bench.corpus import CorpusError
from bench.machine import file_system, machine, memory, versions
from bench.measure import MeasureError, remove
from bench.questions import QUESTIONS
from bench.render import render

HERE = Path(__file__).resolve().parent
MEMORY = Path("/dev/shm")
SPARE_BYTES = 3_000_000_000  # for the processes that are measured
QUICK_SPARE_BYTES = 500_000_000
RESIZE_CHART = "chart_resize.png"
LARGE = ("archive", "tree", "foreign")  # each as large as an output


class RoomError(Exception):
    """There is no room for the corpora; the message says how much is needed."""


def tell(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def room(storage: Path) -> int:
    """Bytes that can still be written; of memory, those that are free."""
    free = shutil.disk_usage(storage).free
    return min(free, memory("MemAvailable")) if file_system(storage) == "tmpfs" else free


def make_room(storage: Path, sizes: Sizes, kept: tuple[str, ...], quick: bool) -> None:
    """Remove corpora that this group does not need, if there is no room for its own and output."""
    copies = 1 + sum(name in LARGE for name in kept)  # and the output
    here = sum((storage / name).exists() for name in kept if name in LARGE)
    needed = (copies - here) * sizes.copy_bytes + (QUICK_SPARE_BYTES if quick else SPARE_BYTES)
    for path in sorted(storage.iterdir()):
        if room(storage) >= needed:
            return
        name = path.name.partition("-")[0]
        if path.is_dir() and name not in (*kept, "base"):
            tell(f"removing the corpus {path.name}, to make room")
            remove(path)
    if room(storage) < needed:
        raise RoomError(
            f"{needed / 1e9:.1f} GB are needed for corpora, output and processes, and "
            f"{room(storage) / 1e9:.1f} GB are free; name another place with --storage"
        )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench", description="Measure fastconv beside a copy and beside other tools."
    )
    parser.add_argument(
        "--only", action="append", choices=list(QUESTIONS), help="one table; may be repeated"
    )
    parser.add_argument("--quick", action="store_true", help="small corpora, to try that all works")
    parser.add_argument("--rounds", type=int, help="rounds of runs [5; quick: 2]")
    parser.add_argument(
        "--storage",
        type=Path,
        help="folder for corpora and outputs, kept [a folder in memory, removed at the end]",
    )
    parser.add_argument("--images", type=int, help="distinct images of the base [6000]")
    parser.add_argument("--copy-bytes", type=int, help="bytes of the large corpora [4200000000]")
    parser.add_argument(
        "--parts", type=int, nargs=3, help="scale corpora, as parts of ImageNet [16 4 1]"
    )
    parser.add_argument("--results", type=Path, default=HERE, help="folder for the results [bench]")
    return parser.parse_args()


def sizes_of(given: argparse.Namespace) -> Sizes:
    usual = QUICK if given.quick else Sizes()
    return Sizes(
        images=given.images or usual.images,
        classes=usual.classes,
        copy_bytes=given.copy_bytes or usual.copy_bytes,
        parts=tuple(given.parts) if given.parts else usual.parts,
    )


def write(results: dict[str, Any], folder: Path) -> None:
    text = json.dumps(results, indent=1, ensure_ascii=False)
    (folder / "results.json").write_text(text + "\n", encoding="utf-8")
    (folder / "RESULTS.md").write_text(render(results), encoding="utf-8")


def measure_all(given: argparse.Namespace, storage: Path) -> None:
    sizes = sizes_of(given)
    bench = Bench(storage, sizes, given.rounds or (2 if given.quick else 5), tell)
    folder = given.results
    folder.mkdir(parents=True, exist_ok=True)
    names = [name for name in QUESTIONS if not given.only or name in given.only]
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    results: dict[str, Any] = {
        "date": now,
        "machine": machine(storage),
        "versions": versions(),
        "sizes": asdict(sizes),
        "rounds": bench.rounds,
        "quick": given.quick,
        "chart": False,
    }
    # With --only, the other tables of the same sizes stay as they were.
    old: dict[str, Any] = {}
    before = folder / "results.json"
    if given.only and before.is_file():
        read = json.loads(before.read_text(encoding="utf-8"))
        if read["sizes"] == json.loads(json.dumps(results["sizes"])):
            old = {each["name"]: each for each in read["groups"]}
    for number, name in enumerate(names, 1):
        question, kept = QUESTIONS[name]
        tell(f"{name}: table {number} of {len(names)}")
        make_room(storage, sizes, kept, given.quick)
        group = question(bench)
        group.date = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        old[name] = asdict(group)
        results["groups"] = [old[each] for each in QUESTIONS if each in old]
        write(results, folder)
    if importlib.util.find_spec("matplotlib"):
        results["chart"] = draw(results, folder / "chart.png")
        if draw_resize(results, folder / RESIZE_CHART):
            results["charts"] = {"resize": RESIZE_CHART}
        write(results, folder)
    print(folder / "RESULTS.md")


def main() -> int:
    given = arguments()
    storage = given.storage
    if storage is None:
        if not MEMORY.is_dir():
            print("there is no memory-backed folder here; name one with --storage", file=sys.stderr)
            return 2
        storage = MEMORY / "fastconv-bench"
    storage.mkdir(parents=True, exist_ok=True)
    try:
        measure_all(given, storage)
    except (CorpusError, MeasureError, RoomError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        if given.storage is None:
            shutil.rmtree(storage)
    return 0


if __name__ == "__main__":
    sys.exit(main())
