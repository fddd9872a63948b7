"""The plan of ImageNet-21k: 14,197,122 images of 21,841 classes, simulated, beside ImageNet's.

    python -m bench.bench_scale [--storage DIR] [--rounds 3] [--form archives] [--form tree]

Of each, in turns: whole processes that list and plan the dataset, share the plan as workers see it,
and then account for it as if all shards had been written, up to the manifest's bytes. What is
simulated, bench/README.md says. Prints tables, and with --json all figures.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
from pathlib import Path
from typing import Any

from bench.commands import ROOT
from bench.measure import Command, MeasureError, Run, measure, of, ratio, spread
from bench.simulated import FORMS, SHAPES, Form, Simulated, build_simulated

MEMORY = Path("/dev/shm")
PEAK_BYTES_MAX, GROWTH_MAX = 5e9, 1.2
# From the source to the plan that workers see; what follows is done when all shards are there.
PLANNING = ("start", "prepare", "facts", "share")
SMALL, LARGE = SHAPES  # by their names


def command(name: str, made: Simulated) -> Command:
    return Command(name, (sys.executable, "-m", "bench.planned", str(made.path), "--accounts"))


def seconds_of(run: Run, steps: tuple[str, ...] | None = None, kind: str = "steps") -> float:
    taken: dict[str, float] = run.printed[kind]
    return sum(taken[step] for step in steps or tuple(taken))


def growth(runs: list[Run]) -> dict[str, dict[str, float]]:
    """How many times as long an image takes in the larger dataset, by what is counted."""

    def an_image(steps: tuple[str, ...] | None, kind: str) -> dict[str, float] | None:
        def each(run: Run) -> float:
            return seconds_of(run, steps, kind) / float(run.printed["images"])

        return ratio(runs, LARGE, SMALL, each)

    found = {
        "planning": an_image(PLANNING, "steps"),
        "planning, processor time": an_image(PLANNING, "cpu_steps"),
        "all of it": an_image(None, "steps"),
        "all of it, processor time": an_image(None, "cpu_steps"),
    }
    return {name: value for name, value in found.items() if value is not None}


def summary(runs: list[Run], sets: dict[str, Simulated]) -> dict[str, Any]:
    found: dict[str, Any] = {"an image, times as long": growth(runs)}
    for name, made in sets.items():
        own = list(of(runs, name).values())
        steps = {
            step: {
                "seconds": statistics.median(run.printed["steps"][step] for run in own),
                "peak_bytes": max(run.printed["peaks"][step] for run in own),
            }
            for step in own[0].printed["steps"]
        }
        found[name] = {
            "images": made.images,
            "classes": made.classes,
            "shards": own[0].printed["shards"],
            "planning_seconds": spread([seconds_of(run, PLANNING) for run in own]),
            "peak_bytes": max(step["peak_bytes"] for step in steps.values()),
            "plan_bytes": own[0].printed["plan_bytes"],
            "manifest_bytes": own[0].printed["manifest_bytes"],
            "steps": steps,
        }
    return found


def lines(form: str, found: dict[str, Any]) -> list[str]:
    """A page's part about one form of the source."""
    small, large = found[SMALL], found[LARGE]
    shown = [f"## {form}", "", f"| | {SMALL} | {LARGE} |", "| --- | ---: | ---: |"]
    for key in ("images", "classes", "shards"):
        shown.append(f"| {key} | {small[key]:,} | {large[key]:,} |")
    for step in small["steps"]:
        taken = [each["steps"][step] for each in (small, large)]
        cells = [f"{t['seconds']:.2f} s, {t['peak_bytes'] / 1e6:,.0f} MB" for t in taken]
        shown.append(f"| {step}: seconds, peak | {cells[0]} | {cells[1]} |")
    for key in ("peak_bytes", "plan_bytes", "manifest_bytes"):
        cells = [
            f"{each[key] / 1e6:,.1f} MB, {each[key] / each['images']:.1f} an image"
            for each in (small, large)
        ]
        shown.append(f"| {key.partition('_')[0]}: bytes | {cells[0]} | {cells[1]} |")
    shown += ["", "An image takes so many times as long in the larger one:", ""]
    for key, value in found["an image, times as long"].items():
        shown.append(f"- {key}: {value['median']:.2f} ({value['min']:.2f} to {value['max']:.2f})")
    flat = found["an image, times as long"]["planning"]["median"] <= GROWTH_MAX
    little = large["peak_bytes"] <= PEAK_BYTES_MAX
    shown += [
        "",
        f"At most {GROWTH_MAX} times: {'yes' if flat else 'NO'}. "
        f"Peak under {PEAK_BYTES_MAX / 1e9:.0f} GB: {'yes' if little else 'NO'}.",
        "",
    ]
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(description="The plan of ImageNet-21k beside ImageNet's.")
    parser.add_argument("--storage", type=Path, help="a folder for both, kept [in memory, removed]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--form", choices=FORMS, action="append", help="[both]")
    parser.add_argument("--part", type=int, default=1, help="one class of this many, to try it")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON besides")
    given = parser.parse_args()
    storage = given.storage or MEMORY / "fastconv-bench-scale"
    storage.mkdir(parents=True, exist_ok=True)
    results = {}
    try:
        form: Form
        for form in given.form or FORMS:
            sets = {name: build_simulated(storage, name, form, given.part) for name in SHAPES}
            runs = measure(
                [command(name, made) for name, made in sets.items()],
                given.rounds,
                lambda line: print(line, file=sys.stderr, flush=True),
                ROOT,
            )
            results[form] = summary(runs, sets)
            print("\n".join(lines(form, results[form])), flush=True)
    except MeasureError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        if given.storage is None:
            shutil.rmtree(storage)
    if given.json:
        print(json.dumps(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
