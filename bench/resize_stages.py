"""Where the time of a worker that makes images smaller goes: `python -m bench.resize_stages TREE`.

One process makes the images of a class tree smaller as a worker does, and the stages are timed.
What is a record's, reading, scanning, checksum and writing, is not in it; all of it is in the phase
of writing that `fastconv shards --workers 1 --json` prints.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from fastconv import _jpeg, images, verdict
from fastconv.recipe import Recipe
from fastconv.remake import Remaker


class Stages:
    """Seconds by stage, of functions that are called by way of ``timed``."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            begun = perf_counter()
            try:
                return function(*arguments)
            finally:
                spent = perf_counter() - begun
                self.seconds[stage] = self.seconds.get(stage, 0.0) + spent

        return run


class Timed:
    """A resampler whose time is taken."""

    def __init__(self, stages: Stages, resampler: Any) -> None:
        self.resize = stages.timed("resample", resampler.resize)


def microseconds(files: list[bytes], recipe: Recipe) -> dict[str, float]:
    """An image's, by stage, of one pass over all files."""
    stages = Stages()
    remaker = Remaker(recipe)
    remaker._resampler = Timed(stages, remaker._resampler)  # type: ignore[assignment]
    kept = verdict.decode, images.encode
    verdict.decode = stages.timed("decode", verdict.decode)
    images.encode = stages.timed("encode", images.encode)
    whole = stages.timed("whole", remaker.jpeg)
    try:
        for data in files:
            _, *facts = _jpeg.look(data)
            whole(data, tuple(facts))
    finally:
        verdict.decode, images.encode = kept
    found = {stage: 1e6 * spent / len(files) for stage, spent in stages.seconds.items()}
    total = found.pop("whole")
    return {**found, "rest": total - sum(found.values()), "whole": total}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tree", type=Path, help="folder of class folders")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    paths = sorted(given.tree.glob("*/*"))
    files = [path.read_bytes() for path in paths[:: max(1, len(paths) // given.images)]]
    recipes = {
        "short side 256": Recipe(side=256, exif="apply"),
        "long side 500, all": Recipe(side=500, mode="long", every=True, exif="apply"),
    }
    print(f"{len(files)} images, microseconds an image, medians of {given.rounds} rounds")
    for name, recipe in recipes.items():
        microseconds(files[:20], recipe)
        rounds = [microseconds(files, recipe) for _ in range(given.rounds)]
        middle = {stage: median(each.get(stage, 0.0) for each in rounds) for stage in rounds[0]}
        cells = (f"{stage} {spent:.0f}" for stage, spent in middle.items())
        print(f"{name}: {', '.join(cells)}")


if __name__ == "__main__":
    main()
