"""What a figure of the page is, and the ones of classes, images and boxes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastconv.page.facts import Facts
from fastconv.page.survey import BOXES_MAX, GRID, LOG_STEPS
from fastconv.page.svg import FIRST, HEAT, MUTED, SECOND, draw

WIDE, NARROW = 526, 318  # of a drawing, in the page's own pixels: for screens, and for telephones
TALL = 190
ROWS_MAX = 2000  # of a table of numbers
# Of an axis of counts: 12M, 350k, 1,200.
COUNTS = (
    "datum.value >= 1e6 ? format(datum.value / 1e6, '~r') + 'M' : "
    "datum.value >= 1e4 ? format(datum.value / 1e3, '~r') + 'k' : format(datum.value, ',d')"
)
Spec = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart with its caption, and its numbers. ``wide`` and ``narrow``: SVG."""

    ident: str
    title: str
    caption: str
    wide: str
    narrow: str
    head: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    left_out: int = 0


def figure(
    ident: str,
    title: str,
    caption: str,
    spec: Callable[[int], Spec],
    head: tuple[str, ...],
    rows: Sequence[tuple[Any, ...]],
) -> Figure:
    label = f"Chart: {title}. {caption}"
    wide, narrow = (
        draw(spec(width), f"{ident}-{width}", label) for width in (WIDE, NARROW)
    )  # fmt: skip
    return Figure(
        ident, title, caption, wide, narrow, head, rows[:ROWS_MAX], max(len(rows) - ROWS_MAX, 0)
    )


def share(part: float, whole: float) -> str:
    """A share in percent, without the false precision of many digits."""
    percent = 100 * part / whole if whole else 0.0
    if 0 < percent < 0.1:
        return "under 0.1%"
    return f"{percent:.0f}%" if percent >= 9.95 or percent == 0 else f"{percent:.1f}%"


def bars(values: list[dict[str, Any]], x: Spec, y_title: str, color: str = FIRST) -> Spec:
    """Bars from `low` to `high`, as high as `n`."""
    return {
        "height": TALL,
        "data": {"values": values},
        "mark": {"type": "rect", "color": color, "stroke": "var(--paper)", "strokeWidth": 0.5},
        "encoding": {
            "x": {"field": "low", "type": "quantitative", **x},
            "x2": {"field": "high"},
            "y": {"field": "n", "type": "quantitative", "title": y_title,
                  **count_axis(max(value["n"] for value in values))},
            "y2": {"datum": 0},
        },
    }  # fmt: skip


def whole_ticks(low: float, high: float, most: int = 7) -> list[int]:
    """Round whole numbers from low to high."""
    step = next(s for s in _round_steps() if (high - low) / s <= most)
    return list(range(-int(-low // step) * step, int(high) + 1, step))


def count_axis(most: float) -> Spec:
    """An axis from 0 to the round number above the ``most``, with a few whole numbers on it."""
    step = next(s for s in _round_steps() if most <= 5 * s)
    top = max(math.ceil(most / step), 1) * step
    values = list(range(0, top + 1, step))
    return {  # of more values than the count of ticks, some would be left out
        "axis": {"values": values, "tickCount": len(values), "labelExpr": COUNTS},
        "scale": {"domain": [0, top], "nice": False},
    }


# ---- classes --------------------------------------------------------------------------------


def images_a_class(facts: Facts, split: str) -> Figure | None:
    """How many classes have how many images."""
    every = [row.counts.get(split, 0) for row in facts.classes]
    counts = [count for count in every if count]
    if len(counts) < 2:
        return None
    low, high = min(counts), max(counts)
    step = next(s for s in _round_steps() if (high - low) / s <= 40)
    first = low // step * step
    bins = Counter((count - first) // step for count in counts)
    shift = 0.5 if step == 1 else 0  # a bar of one number stands over that number
    values = [
        {"low": first + n * step - shift, "high": first + (n + 1) * step - shift, "n": bins[n]}
        for n in range(max(bins) + 1)
    ]
    ordered = sorted(counts)
    ends = [values[0]["low"], values[-1]["high"]]
    if low == high:
        caption = f"Each of {len(counts):,} classes has {low:,} image{'s' if low > 1 else ''}."
        ends = [max(low - 3, 0), low + 3]
    else:
        caption = (
            f"Of {len(counts):,} classes, the smallest has {low:,} images, the largest {high:,}; "
            f"the median is {ordered[len(ordered) // 2]:,}."
        )
    if len(counts) < len(every):
        caption += f" {len(every) - len(counts):,} classes without images are left out."
    axis = {"title": f"images a class, {split}",
            "axis": {"format": ",d", "values": whole_ticks(ends[0], ends[1])},
            "scale": {"domain": ends, "nice": False, "zero": False}}  # fmt: skip
    starts = [first + n * step for n in range(max(bins) + 1)]
    rows = [
        (f"{start:,}" if step == 1 else f"{start:,}–{start + step - 1:,}", f"{bins[n]:,}")
        for n, start in enumerate(starts)
        if bins[n]
    ]
    return figure(
        f"classes-{facts.splits.index(split)}", f"Images a class: {split}", caption,
        lambda width: {**bars(values, axis, "classes"), "width": width - 60},
        ("images", "classes"), rows,
    )  # fmt: skip


def _round_steps() -> list[int]:
    return [m * 10**e for e in range(12) for m in (1, 2, 5)]


# ---- images ---------------------------------------------------------------------------------

SIDE_STEPS = 4  # bins an octave
TICKS = [2**n for n in range(3, 17)]


def _log_bins(pairs: dict[int, int], steps: int) -> list[dict[str, Any]]:
    """Bins of so many an octave, of values with how often each comes."""
    bins: Counter[int] = Counter()
    for value, count in pairs.items():
        bins[math.floor(math.log2(value) * steps + 1e-9)] += count
    if not bins:
        return []
    return [
        {"low": 2 ** (n / steps), "high": 2 ** ((n + 1) / steps), "n": bins[n]}
        for n in range(min(bins), max(bins) + 1)
    ]


def sides(facts: Facts) -> Figure | None:
    seen = facts.survey.sides
    if not seen:
        return None
    by: dict[str, Counter[int]] = {"width": Counter(), "height": Counter()}
    for (width, height), count in seen.items():
        by["width"][width] += count
        by["height"][height] += count
    binned = {name: _log_bins(counts, SIDE_STEPS) for name, counts in by.items()}
    low = min(values[0]["low"] for values in binned.values())
    high = max(values[-1]["high"] for values in binned.values())
    domain = [min(low, high / 4), max(high, low * 4)]
    ticks = [tick for tick in TICKS if domain[0] <= tick <= domain[1]]

    def spec(width: int) -> Spec:
        parts = []
        for name, color in (("width", FIRST), ("height", SECOND)):
            axis = {
                "title": f"{name} in pixels",
                "scale": {"type": "log", "base": 2, "domain": domain, "nice": False},
                "axis": {"values": ticks, "format": ",d"},
            }
            part = bars(binned[name], axis, "images", color)
            parts.append({**part, "width": width - 60, "height": 90})
        return {"vconcat": parts, "spacing": 14}

    total = sum(seen.values())
    (size, most), *_ = sorted(seen.items(), key=lambda item: (-item[1], item[0]))
    middles = [_middle(by[name]) for name in ("width", "height")]
    caption = (
        f"The median width is {middles[0]:,} and the median height {middles[1]:,} pixels. The most "
        f"frequent size, width × height, is {size[0]:,} × {size[1]:,}: {share(most, total)} of the "
        f"images."
    )
    common = sorted(seen.items(), key=lambda item: (-item[1], item[0]))[:20]
    rows = [(f"{w:,} × {h:,}", f"{n:,}", share(n, total)) for (w, h), n in common]
    return figure("sides", "Width and height", caption, spec,
                  ("width × height, the most frequent", "images", "share"), rows)  # fmt: skip


def _middle(counts: Counter[int]) -> int:
    left = (sum(counts.values()) + 1) // 2
    for value, count in sorted(counts.items()):
        left -= count
        if left <= 0:
            return value
    return 0


ASPECTS = ((1 / 8, "1:8"), (1 / 4, "1:4"), (1 / 2, "1:2"), (2 / 3, "2:3"), (1, "1:1"),
           (3 / 2, "3:2"), (2, "2:1"), (4, "4:1"), (8, "8:1"))  # fmt: skip
ASPECT_STEPS = 8


def aspects(facts: Facts) -> Figure | None:
    """Width over height; bins are so laid that 1:1 is in the middle of one."""
    bins: Counter[int] = Counter()
    for (width, height), count in facts.survey.sides.items():
        bins[round(min(max(math.log2(width / height), -4), 4) * ASPECT_STEPS)] += count
    if not bins:
        return None
    ends = min(*bins, -ASPECT_STEPS - 1), max(*bins, ASPECT_STEPS + 1)

    def edge(n: float) -> float:
        return float(2 ** (n / ASPECT_STEPS))

    values = [
        {"low": edge(n - 0.5), "high": edge(n + 0.5), "n": bins[n]}
        for n in range(ends[0], ends[1] + 1)
    ]
    domain = [values[0]["low"], values[-1]["high"]]
    ticks = [(value, text) for value, text in ASPECTS if domain[0] <= value <= domain[1]]
    labels = " : ".join(f"datum.value < {value * 1.01:.5f} ? '{text}'" for value, text in ticks)
    axis = {
        "title": "width : height",
        "scale": {"type": "log", "base": 2, "domain": domain, "nice": False},
        "axis": {"values": [value for value, _ in ticks], "labelExpr": f"{labels} : ''"},
    }
    total = sum(bins.values())
    lying = sum(n for (w, h), n in facts.survey.sides.items() if w > h)
    square = sum(n for (w, h), n in facts.survey.sides.items() if w == h)
    caption = (
        f"{share(lying, total)} of the images are wider than high, {share(square, total)} square, "
        f"{share(total - lying - square, total)} higher than wide."
    )
    rows = [(f"{v['low']:.2f}–{v['high']:.2f}", f"{v['n']:,}") for v in values if v["n"]]
    return figure("aspects", "Aspect ratio", caption,
                  lambda width: {**bars(values, axis, "images"), "width": width - 60},
                  ("width / height", "images"), rows)  # fmt: skip


def image_bytes(facts: Facts) -> Figure | None:
    counts = facts.survey.image_log
    there = np.flatnonzero(counts)
    if not len(there):
        return None
    first, last = int(there[0]), int(there[-1])
    values = [
        {"low": 2 ** (n / LOG_STEPS) / 1000, "high": 2 ** ((n + 1) / LOG_STEPS) / 1000,
         "n": int(counts[n])}
        for n in range(first, last + 1)
    ]  # fmt: skip
    domain = [min(values[0]["low"], values[-1]["high"] / 4), values[-1]["high"]]
    ticks = [m * 10.0**e for e in range(-3, 7) for m in (1, 3)]
    axis = {
        "title": "kB an image",
        "scale": {"type": "log", "domain": domain, "nice": False},
        "axis": {"values": [t for t in ticks if domain[0] <= t <= domain[1]], "format": ",~r"},
    }
    total = int(counts.sum())
    caption = (
        f"An image has {facts.survey.image_bytes / max(total, 1) / 1000:,.1f} kB on average, as it "
        f"is stored."
    )
    rows = [(f"{v['low']:,.1f}–{v['high']:,.1f}", f"{v['n']:,}") for v in values if v["n"]]
    return figure("bytes", "Bytes of an image", caption,
                  lambda width: {**bars(values, axis, "images"), "width": width - 60},
                  ("kB", "images"), rows)  # fmt: skip


# ---- boxes ----------------------------------------------------------------------------------


def boxes(facts: Facts) -> Figure | None:
    seen = facts.survey
    if not seen.box_count:
        return None
    counts = seen.boxes.tolist()
    last = max(n for n, count in enumerate(counts) if count)
    names = [f"{n} or more" if n == BOXES_MAX else str(n) for n in range(last + 1)]
    values = [{"boxes": name, "n": counts[n]} for n, name in enumerate(names)]
    total = sum(counts)
    with_one = total - counts[0]
    caption = (
        f"{with_one:,} of {total:,} images have boxes ({share(with_one, total)}); those that do "
        f"have {seen.box_count / max(with_one, 1):.2f} on average."
    )

    def spec(width: int) -> Spec:
        return {
            "width": width - 60,
            "height": TALL,
            "data": {"values": values},
            "mark": {"type": "bar"},
            "encoding": {
                "x": {"field": "boxes", "type": "ordinal", "sort": None, "title": "boxes an image",
                      "axis": {"labelAngle": 0},
                      "scale": {"paddingInner": 0.15, "paddingOuter": 0.1}},
                "y": {"field": "n", "type": "quantitative", "title": "images",
                      **count_axis(max(counts))},
            },
        }  # fmt: skip

    rows = [(name, f"{counts[n]:,}", share(counts[n], total)) for n, name in enumerate(names)]
    return figure("boxes", "Boxes an image", caption, spec, ("boxes", "images", "share"), rows)


def box_places(facts: Facts) -> Figure | None:
    seen = facts.survey
    if not seen.box_count:
        return None
    part = seen.coverage / seen.box_count
    top = float(part.max())
    step = next((s for s in (0.02, 0.05, 0.1) if top <= 7 * s), 0.15)
    cuts = [round(step * n, 4) for n in range(1, 7)]
    values = [
        {"x": x, "x2": x + 1, "y": y, "y2": y + 1, "v": round(float(part[y, x]), 4)}
        for y in range(GRID)
        for x in range(GRID)
    ]
    middle = float(part[GRID // 2, GRID // 2])
    edge = float(part[[0, 0, -1, -1], [0, -1, 0, -1]].mean())
    caption = (
        f"Each cell says which share of all {seen.box_count:,} boxes covers it, of an image drawn "
        f"as a square: {share(middle, 1)} the middle, {share(edge, 1)} a corner."
    )

    def spec(width: int) -> Spec:
        side = min(width - 60, 330)
        across = {
            "type": "quantitative",
            "scale": {"domain": [0, GRID], "nice": False},
            "axis": {"values": [0, GRID / 2, GRID], "ticks": False, "domain": False, "grid": False},
        }
        return {
            "width": side,
            "height": side,
            "data": {"values": values},
            "mark": {"type": "rect"},
            "encoding": {
                "x": {**across, "field": "x", "title": None,
                      "axis": {**across["axis"],  # type: ignore[dict-item]
                               "labelExpr": f"datum.value == 0 ? 'left' : datum.value == {GRID} ? "
                                            "'right' : 'middle'", "labelFlush": True}},
                "x2": {"field": "x2"},
                "y": {**across, "field": "y", "title": None,
                      "scale": {"domain": [GRID, 0], "nice": False},
                      "axis": {**across["axis"],  # type: ignore[dict-item]
                               "labelExpr": f"datum.value == 0 ? 'top' : datum.value == {GRID} ? "
                                            "'bottom' : 'middle'"}},
                "y2": {"field": "y2"},
                "color": {
                    "field": "v", "type": "quantitative",
                    "scale": {"type": "threshold", "domain": cuts, "range": HEAT},
                    "legend": {"type": "gradient", "title": "share of boxes", "format": ".0%",
                               "orient": "bottom",
                               "gradientLength": side, "gradientThickness": 12,
                               "gradientStrokeColor": MUTED, "labelOverlap": False},
                },
            },
        }  # fmt: skip

    head = ("row", *(str(x + 1) for x in range(GRID)))
    rows = [(str(y + 1), *(f"{100 * part[y, x]:.0f}" for x in range(GRID))) for y in range(GRID)]
    return figure("heat", "Where boxes are", caption, spec, head, rows)
