"""The figure of the model of a cluster (bench/cluster_model.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

# Okabe and Ito's colours; marks and dashes differ besides.
STYLES = (
    ("#0072B2", "o", "-"),
    ("#56B4E9", "s", "--"),
    ("#D55E00", "^", "-"),
    ("#E69F00", "D", "--"),
)
IDEAL = "#777777"


def draw(found: dict[str, Any], path: Path) -> None:
    """Time of the writing, and how well the nodes' time is used, over the nodes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10.5, 4.4), dpi=144)
    plans: dict[str, float] = {}
    for (title, each), (colour, mark, dash) in zip(found.items(), STYLES, strict=True):
        nodes = [row["nodes"] for row in each["rows"]]
        seconds = [row["writing"] for row in each["rows"]]
        style = {"color": colour, "marker": mark, "linestyle": dash, "label": title}
        left.plot(nodes, seconds, **style)
        left.plot(nodes, [seconds[0] / n for n in nodes], color=IDEAL, linewidth=0.6, zorder=0)
        right.plot(nodes, [100 * row["efficiency"] for row in each["rows"]], **style)
        plans[title.partition(",")[0]] = each["plan"]
    for name, plan in plans.items():
        left.axhline(plan, color="black", linestyle=":", linewidth=1)
        left.annotate(
            f"before it, the plan of {name}",
            (nodes[-1], plan),
            xytext=(0, 3),
            textcoords="offset points",
            ha="right",
            fontsize=8,
        )
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.set_xlabel("nodes")
        axes.xaxis.set_major_locator(FixedLocator(nodes))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.0f}"))
        axes.grid(visible=True, color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    left.set_yscale("log")
    ticks = {10: "10 s", 30: "30 s", 60: "1 min", 120: "2 min", 300: "5 min", 900: "15 min"}
    ticks |= {3600: "1 h", 14400: "4 h"}
    left.set_ylim(bottom=8)
    left.yaxis.set_major_locator(FixedLocator(list(ticks)))
    left.yaxis.set_minor_locator(NullLocator())
    left.yaxis.set_major_formatter(FuncFormatter(lambda y, _: ticks.get(y, "")))
    left.set_title("Writing the shards (grey: twice the nodes, half the time)", fontsize=10)
    right.set_ylim(0, 105)
    right.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:.0f} %"))
    right.set_title("How well the nodes' time is used, against one node", fontsize=10)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=4, frameon=False, fontsize=9)
    figure.suptitle("Simulated: a model of a cluster, not a measurement on one", fontsize=11)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    figure.savefig(path)
    pyplot.close(figure)
