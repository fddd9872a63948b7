"""The figures of shards, and of the time that it took to write them."""

from __future__ import annotations

import statistics
from itertools import pairwise
from typing import Any

from fastconv.display import duration, size
from fastconv.page.facts import Facts
from fastconv.page.figures import TALL, Figure, Spec, count_axis, figure, share, whole_ticks
from fastconv.page.mix import ShardMix
from fastconv.page.svg import FIRST, HEAT, INK, MUTED, SECOND

MARKS_MAX = 1500  # shards that get a mark each
TIMES_MAX = 100  # of a chart over time
WORKERS_MAX = 64
CELLS_MAX = 60
KINDS = ("records", "bytes")
UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("bytes", 1))


def unit_of(largest: float) -> tuple[str, float]:
    return next((u for u in UNITS if largest >= 1.5 * u[1]), UNITS[-1])


def shard_bytes(facts: Facts, split: str) -> Figure | None:
    shards = facts.of(split)
    if not shards:
        return None
    sizes = [shard.bytes for shard in shards]
    unit, scale = unit_of(max(sizes))
    each = -(-len(shards) // MARKS_MAX)
    values = [
        {"low": first - 0.5, "high": first + each - 0.5,
         "n": round(max(sizes[first : first + each]) / scale, 4)}
        for first in range(0, len(shards), each)
    ]  # fmt: skip
    of_several = f" Each step is the largest of {each} shards." if each > 1 else ""
    if len(shards) == 1:
        caption = f"The one shard has {size(sizes[0])}."
    else:
        caption = (
            f"{len(shards):,} shards, from {size(min(sizes))} to {size(max(sizes))}, "
            f"{size(statistics.mean(sizes))} on average.{of_several}"
        )

    def spec(width: int) -> Spec:
        axis: dict[str, Any] = {
            "title": f"shard of {split}",
            "scale": {"domain": [-0.5, len(shards) - 0.5], "nice": False},
            "axis": {"format": ",d", "values": whole_ticks(0, len(shards) - 1)},
        }  # fmt: skip
        return {
            "width": width - 60,
            "height": TALL,
            "data": {"values": values},
            "mark": {"type": "rect", "color": FIRST,
                     **({"stroke": "var(--paper)", "strokeWidth": 1}
                        if (width - 60) / len(values) > 4 else {})},
            "encoding": {
                "x": {"field": "low", "type": "quantitative", **axis},
                "x2": {"field": "high"},
                "y": {"field": "n", "type": "quantitative", "title": f"{unit} a shard",
                      "axis": {"format": ",~r"}, "scale": {"zero": True, "nice": 4}},
                "y2": {"datum": 0},
            },
        }  # fmt: skip

    rows = [(s.name, f"{s.records:,}", f"{s.bytes:,}") for s in shards]
    ident = f"shard-bytes-{facts.splits.index(split)}"
    return figure(ident, f"Bytes a shard: {split}", caption, spec,
                  ("shard", "records", "bytes"), rows)  # fmt: skip


def label_mix(facts: Facts, split: str, found: list[ShardMix]) -> Figure | None:
    if not found:
        return None
    far = [mix for mix in found if mix.is_far]
    each = -(-len(found) // MARKS_MAX)
    values = []
    for first in range(0, len(found), each):
        mix = max(found[first : first + each], key=lambda mix: mix.distance)
        values.append(
            {"shard": first, "d": round(mix.distance, 4),
             "kind": "further than chance" if mix.is_far else "as chance puts it"}
        )  # fmt: skip
    lines = [
        {"shard": max(n - 0.5, -0.5), "e": round(found[n].expected, 4)} for n in range(len(found))
    ][:: max(1, each)]
    lines.append({"shard": len(found) - 0.5, "e": lines[-1]["e"]})
    worst = max(found, key=lambda mix: mix.distance)
    if len(found) == 1:
        caption = "There is one shard, so that its mix is that of the whole."
    else:
        mean = statistics.mean(mix.distance for mix in found)
        caption = (
            f"How far each shard's mix of labels is from the mix of all of {split}: 0 is the same, "
            f"1 has no class in common. The mean is {mean:.2f}; the dashed line is what a random "
            f"shuffle gives. "
        )
        if far:
            caption += (
                f"{len(far):,} of {len(found):,} shards are further away than chance puts them, "
                f"{worst.name} the most ({worst.distance:.2f})."
            )
        else:
            caption += "No shard is further away than chance puts it."

    def spec(width: int) -> Spec:
        x = {
            "type": "quantitative", "title": f"shard of {split}",
            "scale": {"domain": [-0.5, len(found) - 0.5], "nice": False},
            "axis": {"format": ",d", "values": whole_ticks(0, len(found) - 1)},
        }  # fmt: skip
        y = {
            "type": "quantitative", "title": "distance from the whole",
            "scale": {"domain": [0, 1]}, "axis": {"values": [0, 0.25, 0.5, 0.75, 1]},
        }  # fmt: skip
        kinds = ["as chance puts it", "further than chance"]
        legend = {"title": None, "symbolSize": 60} if far else None
        return {
            "width": width - 60,
            "height": TALL,
            "layer": [
                {
                    "data": {"values": values},
                    "mark": {"type": "point", "filled": True, "opacity": 0.9,
                             "size": 40 if len(values) <= 128 else 14},
                    "encoding": {
                        "x": {"field": "shard", **x}, "y": {"field": "d", **y},
                        "color": {"field": "kind", "type": "nominal", "legend": legend,
                                  "scale": {"domain": kinds, "range": [FIRST, SECOND]}},
                        "shape": {"field": "kind", "type": "nominal", "legend": legend,
                                  "scale": {"domain": kinds, "range": ["circle", "triangle-up"]}},
                    },
                },
                {
                    "data": {"values": lines},
                    "mark": {"type": "line", "color": INK, "strokeDash": [5, 4],
                             "strokeWidth": 1.4, "interpolate": "step-after"},
                    "encoding": {"x": {"field": "shard", **x}, "y": {"field": "e", **y}},
                },
            ],
        }  # fmt: skip

    rows = [
        (m.name, f"{m.records:,}", f"{m.distinct:,}", f"{m.distance:.3f}", f"{m.expected:.3f}",
         f"{m.most_label}: {share(m.most, 1)}", "yes" if m.is_far else "no")
        for m in found
    ]  # fmt: skip
    head = ("shard", "records", "distinct labels", "distance", "by chance",
            "largest label: share", "further than chance")  # fmt: skip
    ident = f"mix-{facts.splits.index(split)}"
    return figure(ident, f"Label mix a shard: {split}", caption, spec, head, rows)


def busiest(runs: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The run to be drawn: the one that wrote most."""
    drawn = [run for run in runs if len(run["samples"]["seconds"]) > 2 and written(run)[0]]
    return max(drawn, key=written, default=None)


def written(run: dict[str, Any]) -> tuple[int, int]:
    """(images that it was through with, skipped ones among them; bytes) of a run."""
    records, data = (sum(worker[-1] for worker in run["samples"][kind] if worker) for kind in KINDS)
    return records, data


def untold(runs: list[dict[str, Any]]) -> list[str]:
    """Of each run that kept more shards than the runs before it say they left."""
    notes, before = [], 0
    for run in runs:
        kept = run["shards_kept"]
        if kept > before:
            notes.append(
                f"The run of {run['began']} kept {kept:,} shard{'s' if kept != 1 else ''}, "
                f"{kept - before:,} more than the runs before it here left: another run, which was "
                f"killed or is no longer told of, wrote those."
            )
        before = kept + run["shards_written"]
    return notes


def _spent(seconds: float) -> str:
    return f"{seconds:.1f} seconds" if seconds < 60 else duration(seconds)


def _clock(seconds: float) -> tuple[str, float]:
    return next(u for u in (("hours", 3600), ("minutes", 60), ("seconds", 1.0))
                if seconds >= 3 * u[1] or u[1] == 1)  # fmt: skip


def _at(times: list[float], worker: list[int], when: float) -> float:
    """What a counter showed at a time between two samples."""
    from bisect import bisect_right

    n = min(max(bisect_right(times, when), 1), len(times) - 1)
    a, b = times[n - 1], times[n]
    part = min(max((when - a) / (b - a), 0), 1) if b > a else 1.0
    return worker[n - 1] + part * (worker[n] - worker[n - 1])


def speed(run: dict[str, Any]) -> Figure:
    """Images a second over time."""
    samples = run["samples"]
    times: list[float] = samples["seconds"]
    count = min(len(times) - 1, TIMES_MAX)
    edges = [times[0] + (times[-1] - times[0]) * n / count for n in range(count + 1)]
    clock, second = _clock(times[-1])
    values, rows = [], []
    for a, b in pairwise(edges):
        step = max(b - a, 1e-9)
        images, data = (
            sum(_at(times, worker, b) - _at(times, worker, a) for worker in samples[kind]) / step
            for kind in ("records", "bytes")
        )
        values += [{"t": a / second, "n": round(images, 1)}]
        rows.append((f"{a:,.1f}–{b:,.1f}", f"{images:,.0f}", f"{data / 1e6:,.1f}"))
    values.append({"t": edges[-1] / second, "n": values[-1]["n"]})
    records, data = written(run)
    spent = max(times[-1] - times[0], 1e-9)
    caption = (
        f"Images done, skipped ones among them. While it wrote, for {_spent(spent)} with "
        f"{run['workers']} worker{'s' if run['workers'] != 1 else ''}: {records / spent:,.0f} "
        f"images and {size(data / spent)} a second on average."
    )

    def spec(width: int) -> Spec:
        return {
            "width": width - 60,
            "height": TALL,
            "data": {"values": values},
            "mark": {"type": "area", "interpolate": "step-after", "opacity": 0.85,
                     "line": {"color": FIRST, "strokeWidth": 1.5}, "fillOpacity": 0.25},
            "encoding": {
                "x": {"field": "t", "type": "quantitative", "title": f"{clock} since the job began",
                      "scale": {"nice": False, "zero": True}, "axis": {"format": ",~r"}},
                "y": {"field": "n", "type": "quantitative", "title": "images a second",
                      **count_axis(max(v["n"] for v in values))},
            },
        }  # fmt: skip

    return figure("speed", "Images a second over time", caption, spec,
                  ("seconds", "images a second", "MB a second"), rows)  # fmt: skip


def workers(run: dict[str, Any]) -> Figure:
    """Each worker's images a second, over time."""
    samples = run["samples"]
    times: list[float] = samples["seconds"]
    spent = max(times[-1] - times[0], 1e-9)
    count = min(len(times) - 1, CELLS_MAX)
    edges = [times[0] + spent * n / count for n in range(count + 1)]
    clock, second = _clock(times[-1])
    shown = samples["records"][:WORKERS_MAX]
    values = [
        {"a": edges[n] / second, "b": edges[n + 1] / second, "w": w,
         "n": round((_at(times, worker, edges[n + 1]) - _at(times, worker, edges[n]))
                    / max(edges[n + 1] - edges[n], 1e-9), 1)}
        for w, worker in enumerate(shown)
        for n in range(count)
    ]  # fmt: skip
    top = max(v["n"] for v in values) or 1
    step = next(s for s in _steps() if top <= 6 * s)
    cuts = [round(step * n, 6) for n in range(7)]
    means = [worker[-1] / spent for worker in samples["records"]]
    caption = (
        "The further a colour is from the background, the faster. On average a worker did "
        + (f"from {min(means):,.0f} to " if len(means) > 1 else "")
        + f"{max(means):,.0f} images a second."
    )
    if len(shown) < len(means):
        caption += f" The first {len(shown)} of {len(means)} are drawn."

    def spec(width: int) -> Spec:
        return {
            "width": width - 60,
            "height": {"step": 26 if len(shown) <= 8 else 12 if len(shown) <= 32 else 6},
            "data": {"values": values},
            "mark": {"type": "rect"},
            "encoding": {
                "x": {"field": "a", "type": "quantitative",
                      "title": f"{clock} since the job began",
                      "scale": {"nice": False, "zero": True}, "axis": {"format": ",~r"}},
                "x2": {"field": "b"},
                "y": {"field": "w", "type": "ordinal", "title": "worker",
                      "scale": {"paddingInner": 0.08}},
                "color": {
                    "field": "n", "type": "quantitative",
                    "scale": {"type": "threshold", "domain": cuts[1:], "range": HEAT},
                    "legend": {"type": "gradient", "title": "images a second", "format": "~s",
                               "orient": "bottom",
                               "gradientLength": min(width - 60, 330), "gradientThickness": 12,
                               "gradientStrokeColor": MUTED, "labelOverlap": False},
                },
            },
        }  # fmt: skip

    rows = [
        (str(w), f"{records[-1]:,}", f"{records[-1] / spent:,.0f}", size(data[-1]),
         f"{data[-1] / spent / 1e6:,.1f}")
        for w, (records, data) in enumerate(zip(samples["records"], samples["bytes"], strict=True))
    ]  # fmt: skip
    head = ("worker", "images done", "images a second", "bytes", "MB a second")
    return figure("workers", "Images a second of each worker", caption, spec, head, rows)


def _steps() -> list[float]:
    return [m * 10.0**e for e in range(-1, 9) for m in (1, 2, 2.5, 5)]
