"""The chart: how fast, and in how much memory."""

from __future__ import annotations

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
LABEL_SIZE, NUMBER_SIZE = 10, 8


def _colour(tool: str) -> str:
    if tool.startswith(("`", "one copy", "two copies")):
        return COPY
    return OWN if tool == "fastconv" else OTHER


def _lines(results: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """(tool, its rows) from the top down; a title has no rows."""
    groups = {each["name"]: each for each in results["groups"]}
    lines: list[tuple[str, list[dict[str, Any]]]] = []
    for name, title in CHARTED.items():
        if name not in groups:
            continue
        lines.append((title, []))
        tools: dict[str, list[dict[str, Any]]] = {}
        for row in groups[name]["rows"]:
            tools.setdefault(row["tool"], []).append(row)
        lines += tools.items()
    return lines


def _dots(axes: Any, place: int, colour: str, values: list[tuple[int, float]]) -> None:
    """A mark for each number of workers: hollow for one, filled for two."""
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
            f"{value:,.0f}",
            (value, place),
            (7 if side == "left" else -7, 0),
            textcoords="offset points",
            ha=side,
            va="center",
            fontsize=NUMBER_SIZE,
        )


def _memory(row: dict[str, Any]) -> float:
    return max(float(row["parent_megabytes"]), float(row["worker_megabytes"]), 1.0)


def draw(results: dict[str, Any], path: Path) -> bool:
    """Draw what there is of the speeds; False if there is nothing to draw."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FuncFormatter

    lines = _lines(results)
    if not lines:
        return False
    figure, both = pyplot.subplots(
        1, 2, figsize=(12, 1.8 + 0.34 * len(lines)), sharey=True, width_ratios=(3, 2)
    )
    speed, memory = both
    for place, (tool, rows) in enumerate(lines):
        if not rows:
            continue
        colour = _colour(tool)
        _dots(speed, place, colour, [(row["workers"], row["images_per_second"]) for row in rows])
        _dots(memory, place, colour, [(row["workers"], _memory(row)) for row in rows])
    speed.set_xlabel("images a second, whole process (log scale)")
    memory.set_xlabel("peak memory, largest process, MB (log scale)")
    for axes in both:
        axes.set_xscale("log")
        low, high = axes.get_xlim()
        axes.set_xlim(low / 1.6, high * 1.6)
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
    speed.set_ylim(len(lines) - 0.5, -0.6)
    labels = [tool.replace("`", "") for tool, _ in lines]
    for tick, (tool, rows) in zip(
        (speed.set_yticks(range(len(lines)), labels), speed.get_yticklabels())[1],
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
            mark(COPY, "s", True, "a copy of the same bytes"),
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
