"""The chart: how fast, and in how much memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Okabe and Ito's colours, which those who see red and green alike can tell apart.
COPY, OWN, OTHER = "#555555", "#0072B2", "#D55E00"
CHARTED = {
    "tar": "From a tar archive",
    "tree": "From class folders",
    "peers-large": "From class folders, beside other tools",
    "peers": "Few images, beside other tools: starts weigh",
}
RESIZED = {
    # and whether they are the table's rows of the long side
    "Short side 256, quality 90": False,
    "Long side at most 500, quality 90, all encoded anew": True,
}
LABEL_SIZE, NUMBER_SIZE = 10, 8
NARROW = 20  # from the least to the most


Lines = list[tuple[str, list[dict[str, Any]]]]
Value = Callable[[dict[str, Any]], float | None]


@dataclass(frozen=True, slots=True)
class Panel:
    """``width`` beside the others'; ``low``: where a scale that is no logarithm's begins."""

    label: str
    value: Value
    width: int
    low: float | None = None
    digits: int = 0


def _colour(tool: str) -> str:
    if tool.startswith(("`", "one copy", "two copies", "decoding")):
        return COPY
    return OWN if tool.startswith("fastconv") else OTHER


def _by_tool(rows: list[dict[str, Any]]) -> Lines:
    tools: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        tools.setdefault(row["tool"], []).append(row)
    return list(tools.items())


def lines_of(results: dict[str, Any]) -> Lines:
    """(tool, its rows) from the top down; a title has no rows."""
    groups = {each["name"]: each for each in results["groups"]}
    lines: Lines = []
    for name, title in CHARTED.items():
        if name in groups:
            lines += [(title, []), *_by_tool(groups[name]["rows"])]
    return lines


def resize_lines_of(results: dict[str, Any]) -> Lines:
    """The same of the images made smaller."""
    rows = [row for each in results["groups"] if each["name"] == "resize" for row in each["rows"]]
    lines: Lines = []
    for title, is_long in RESIZED.items():
        own = [row for row in rows if row["name"].startswith("long ") == is_long]
        if own:
            lines += [(title, []), *_by_tool(own)]
    return lines


def _dots(axes: Any, place: int, colour: str, values: list[tuple[int, float]], digits: int) -> None:
    """A mark for each number of workers: hollow for one, filled for two."""
    if not values:
        return
    ends = sorted(value for _, value in values)
    near = ends[-1] < 1.1 * ends[0]  # one number will do
    axes.plot((ends[0], ends[-1]), (place, place), color=colour, linewidth=1.5, zorder=2)
    for workers, value in values:
        axes.plot(
            value,
            place,
            marker="o" if workers == 1 else "s",
            markersize=7,
            markerfacecolor="white" if workers == 1 else colour,
            markeredgecolor=colour,
            markeredgewidth=1.6,
            zorder=3,
        )
    for value, side in ((ends[0], "right"), (ends[-1], "left"))[near:]:
        axes.annotate(
            f"{value:,.{digits}f}",
            (value, place),
            (7 if side == "left" else -7, 0),
            textcoords="offset points",
            ha=side,
            va="center",
            fontsize=NUMBER_SIZE,
        )


def _memory(row: dict[str, Any]) -> float:
    return max(float(row["parent_megabytes"]), float(row["worker_megabytes"]), 1.0)


def _psnr(row: dict[str, Any]) -> float | None:
    quality = row["made"]["quality"]
    return float(quality["psnr"]["mean"]) if quality else None


def _speed(row: dict[str, Any]) -> float:
    return float(row["images_per_second"])


PANELS = (
    Panel("images a second, whole process (log scale)", _speed, 3),
    Panel("peak memory, largest process, MB (log scale)", _memory, 2),
)
RESIZE_PANELS = (
    Panel("images a second,\nwhole process (log scale)", _speed, 3),
    Panel("peak memory, largest\nprocess, MB (log scale)", _memory, 2),
    Panel("PSNR, dB,\nmean of a sample", _psnr, 2, 30, 1),
)


def draw(results: dict[str, Any], path: Path) -> bool:
    """Draw what there is of the speeds; False if there is nothing to draw."""
    return _draw(lines_of(results), PANELS, "a copy of the same bytes", path)


def draw_resize(results: dict[str, Any], path: Path) -> bool:
    """The same of the images made smaller."""
    lines = resize_lines_of(results)
    return _draw(lines, RESIZE_PANELS, "the floor: no resizing", path)


def _draw(lines: Lines, panels: tuple[Panel, ...], floor: str, path: Path) -> bool:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if not lines:
        return False
    figure, plots = pyplot.subplots(
        1,
        len(panels),
        figsize=(12, 1.8 + 0.34 * len(lines)),
        sharey=True,
        width_ratios=[panel.width for panel in panels],
    )
    for place, (tool, rows) in enumerate(lines):
        if not rows:
            continue
        colour = _colour(tool)
        for axes, panel in zip(plots, panels, strict=True):
            values = [(row["workers"], panel.value(row)) for row in rows]
            told = [(workers, value) for workers, value in values if value is not None]
            _dots(axes, place, colour, told, panel.digits)
    for axes, panel in zip(plots, panels, strict=True):
        axes.set_xlabel(panel.label)
        low, high = axes.get_xlim()
        if panel.low is None:
            axes.set_xscale("log")
            low, high = axes.get_xlim()
            axes.set_xlim(low / 1.6, high * 1.6)
            if high / low < NARROW:  # powers of ten alone would be few
                axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_minor_formatter(NullFormatter())
        else:
            axes.set_xlim(panel.low, high + 0.25 * (high - panel.low))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.grid(axis="x", which="major", color="#cccccc", linewidth=0.8)
        axes.grid(axis="x", which="minor", color="#eeeeee", linewidth=0.5)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        for place, (_, rows) in enumerate(lines):
            if not rows and place:
                axes.axhline(place - 0.5, color="#888888", linewidth=0.8)
    first = plots[0]
    first.set_ylim(len(lines) - 0.5, -0.6)
    labels = [tool.replace("`", "") for tool, _ in lines]
    for tick, (tool, rows) in zip(
        (first.set_yticks(range(len(lines)), labels), first.get_yticklabels())[1],
        lines,
        strict=True,
    ):
        tick.set_fontsize(LABEL_SIZE)
        tick.set_fontweight("normal" if rows else "bold")
        tick.set_color(_colour(tool) if rows else "black")

    def mark(colour: str, shape: str, filled: bool, label: str) -> Any:
        return Line2D(
            [],
            [],
            color=colour,
            marker=shape,
            markersize=7,
            linewidth=0,
            markeredgewidth=1.6,
            markerfacecolor=colour if filled else "white",
            label=label,
        )

    figure.legend(
        handles=[
            mark(OWN, "s", True, "fastconv"),
            mark(COPY, "s", True, floor),
            mark(OTHER, "s", True, "other tools"),
            mark("#000000", "o", False, "1 worker"),
            mark("#000000", "s", True, "2 workers"),
        ],
        loc="upper center",
        ncols=5,
        frameon=False,
        fontsize=LABEL_SIZE,
    )
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.35 / figure.get_figheight()))
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return True
