"""Resizing beside Pillow and, where it is installed, OpenCV: `python -m bench.bench_resample`.

One thread. All of a row run in turns, so that a machine that slows down slows all; the figures are
medians in microseconds. Tables of weights are made anew for each image, as a job's images differ in
size, and as Pillow does. OpenCV's filters do not antialias, but for INTER_AREA, which is a box;
they are for the speed only.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from PIL import Image, __version__

from bench.machine import machine
from fastconv import _resample

SIZES = [((375, 500), (256, 341)), ((2000, 3000), (256, 384)), ((256, 341), (512, 682))]
FILTERS = ("box", "bilinear", "bicubic", "lanczos")
RESAMPLER = _resample.Resampler()
OPENCV = {"box": "INTER_AREA", "bilinear": "INTER_LINEAR"}


def opencv() -> Any:
    try:
        cv2 = importlib.import_module("cv2")
    except ImportError:
        return None
    cv2.setNumThreads(1)
    return cv2


def contestants(
    pixels: np.ndarray[Any, Any], height: int, width: int, name: str
) -> dict[str, Callable[[], object]]:
    image, kind = Image.fromarray(pixels), Image.Resampling[name.upper()]
    out = np.empty((height, width, *pixels.shape[2:]), np.uint8)

    def forced(kernel: str) -> Callable[[], object]:
        def run() -> None:
            _resample.force_resample_kernel(kernel)
            RESAMPLER.resize(pixels, out, name)

        return run

    runs: dict[str, Callable[[], object]] = {"Pillow": lambda: image.resize((width, height), kind)}
    cv2 = opencv()
    if cv2 is not None and name in OPENCV:
        interpolation = getattr(cv2, OPENCV[name])
        runs["OpenCV"] = lambda: cv2.resize(pixels, (width, height), interpolation=interpolation)
    return runs | {kernel: forced(kernel) for kernel in _resample.resample_kernels()}


def forget() -> None:
    """Another size, so that the tables of the one before are gone."""
    RESAMPLER.resize(np.zeros((9, 9), np.uint8), np.empty((3, 3), np.uint8), "box")


def medians(runs: dict[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Microseconds of each, from at least five rounds of all and so many seconds."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    end = perf_counter() + seconds
    while perf_counter() < end or len(taken["Pillow"]) < 5:
        for name, run in runs.items():
            forget()
            begun = perf_counter()
            run()
            taken[name].append((perf_counter() - begun) * 1e6)
    return {name: median(times) for name, times in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each row of the table")
    seconds = parser.parse_args().seconds
    names = ["Pillow", *(["OpenCV"] if opencv() else []), *_resample.resample_kernels()]
    print(f"{machine_line()}\nmicroseconds; in brackets, how many times as fast as Pillow\n")
    print(f"{'from':>10} {'to':>8} {'':4} {'filter':9}" + "".join(f"{name:>15}" for name in names))
    for (h, w), (height, width) in SIZES:
        for colour, shape in (("RGB", (h, w, 3)), ("gray", (h, w))):
            pixels = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
            for name in FILTERS:
                took = medians(contestants(pixels, height, width, name), seconds)
                cells = [
                    f"{took[n]:.0f} ({took['Pillow'] / took[n]:.1f})" if n in took else "-"
                    for n in names
                ]
                row = f"{f'{w}x{h}':>10} {f'{width}x{height}':>8} {colour:4} {name:9}"
                print(row + "".join(f"{cell:>15}" for cell in cells), flush=True)


def machine_line() -> str:
    about = machine(Path.cwd())
    return f"{about['cpu']}, {about['cores']} cores, Pillow {__version__}"


if __name__ == "__main__":
    main()
