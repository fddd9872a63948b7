"""Results as a page for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MEGA = 1e6
HEAD = """\
# What fastconv takes, measured

Written by `make bench`; [the benchmark](README.md) says what is measured and how to read it. All
figures of a table are of one run on one machine, with its commands taken in turns. Times are
medians, with the least and the most in brackets; a ratio is of two runs of one round, and its
figure the median of the rounds. Memory is the peak resident size, in megabytes (10^6 bytes), of the
process and of the largest process below it.
"""


def number(value: float) -> str:
    """Three digits that count, and no exponent."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.1 else f"{value:.3f}"


def spread(value: Mapping[str, float] | None, unit: str = "") -> str:
    if value is None:
        return "not taken"
    text = f"{number(value['median'])}{unit}"
    if value["min"] != value["max"]:
        text += f" ({number(value['min'])}–{number(value['max'])})"
    return text


def _unit(unit: str) -> str:
    return f" {unit}" if unit else ""


def table(head: tuple[str, ...], right: int, rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Lines of a table whose last ``right`` columns are numbers."""
    marks = ["---"] * (len(head) - right) + ["---:"] * right
    return [f"| {' | '.join(cells)} |" for cells in (head, tuple(marks), *rows)]


def rows_table(rows: list[dict[str, Any]]) -> list[str]:
    images = any(row["images"] for row in rows)
    size = any(row["bytes"] for row in rows)
    head: tuple[str, ...] = ("what", "seconds", "CPU s")
    if images:
        head += ("images/s",)
    if size:
        head += ("MB/s",)
    head += ("parent MB", "largest worker MB")
    lines = []
    for row in rows:
        cells: tuple[str, ...] = (
            row["label"],
            spread(row["wall_seconds"]),
            number(row["cpu_seconds"]),
        )
        if images:
            cells += (number(row["images_per_second"]) if row["images"] else "",)
        if size:
            cells += (number(row["megabytes_per_second"]) if row["bytes"] else "",)
        worker = row["worker_megabytes"]
        cells += (number(row["parent_megabytes"]), number(worker) if worker else "–")
        lines.append(cells)
    return table(head, len(head) - 1, lines)


def target(figure: Mapping[str, Any]) -> str:
    for key, word in (("at_least", "at least"), ("at_most", "at most")):
        if figure[key] is not None:
            return f"{word} {figure[key]:g}{_unit(figure['unit'])}"
    return "–"


def verdict(figure: Mapping[str, Any]) -> str:
    return {True: "yes", False: "**no**", None: "–"}[figure["met"]]


def figures_table(figures: list[dict[str, Any]]) -> list[str]:
    rows = [
        (each["label"], spread(each["value"], _unit(each["unit"])), target(each), verdict(each))
        for each in figures
    ]
    return table(("figure", "measured", "target", "met"), 3, rows)


def phases_table(rows: list[dict[str, Any]]) -> list[str]:
    told = [row for row in rows if row["phase_seconds"]]
    if not told:
        return []
    names: list[str] = []
    for row in told:
        names += [name for name in row["phase_seconds"] if name not in names]
    lines = [
        (row["label"], *(number(row["phase_seconds"].get(name, 0.0)) for name in names))
        for row in told
    ]
    return ["", *table(("seconds of the phases", *names), len(names), lines)]


def made_tables(rows: list[dict[str, Any]]) -> list[str]:
    """Of images that were made: how fast with starts left out, how many bytes, how well."""
    told = [row for row in rows if row.get("made")]
    if not told:
        return []
    speeds = [
        (
            row["label"],
            number(row["images"] / row["inside_seconds"]["median"]),
            number(1000 * row["cpu_seconds"] / row["images"]),
            number(row["made"]["bytes"] / MEGA),
        )
        for row in told
    ]
    head: tuple[str, ...] = ("what", "images/s, start left out", "CPU ms an image", "MB written")
    lines = ["", *table(head, 3, speeds)]
    qualities = [
        (
            row["tool"],
            quality["filter"],
            number(quality["bytes"] / 1e3),
            f"{quality['alone']['mean']:.1f}",
            *(f"{quality['psnr'][of]:.1f}" for of in ("mean", "min")),
            *(f"{quality['ssim'][of]:.4f}" for of in ("mean", "min")),
        )
        for row in told
        if (quality := row["made"]["quality"])
    ]
    if qualities:
        head = ("quality", "against", "kB an image", "PSNR at best, dB", "PSNR, dB", "least")
        lines += ["", *table((*head, "SSIM", "least"), 6, qualities)]
    return lines


def group(data: dict[str, Any], date: str, chart: str | None = None) -> list[str]:
    lines = [f"## {data['title']}", "", data["text"], ""]
    if chart:
        lines += [f"![Images a second, peak memory and quality]({chart})", ""]
    if data["date"] and data["date"][:10] != date[:10]:
        lines += [f"Measured on {data['date'][:10]}.", ""]
    lines += rows_table(data["rows"])
    lines += made_tables(data["rows"])
    lines += phases_table(data["rows"])
    if data["figures"]:
        lines += ["", *figures_table(data["figures"])]
    for note in data["notes"]:
        lines += ["", note]
    return [*lines, ""]


def render(results: Mapping[str, Any]) -> str:
    """The page for what ``bench.run`` measured."""
    machine = results["machine"]
    lines = [
        HEAD,
        f"- Machine: {machine['cpu']}, {machine['cores']} cores usable, "
        f"{machine['memory_gigabytes']:.0f} GB of memory, Linux {machine['kernel']}",
        f"- Source and output: {machine['storage']}",
        f"- Date: {results['date'][:10]}",
        "- Versions: " + ", ".join(f"{k} {v}" for k, v in results["versions"].items()),
        f"- Rounds: {results['rounds']}",
        "",
    ]
    if results.get("quick"):
        lines += ["**A quick run on small corpora: it shows that all works, and no speed.**", ""]
    if results.get("chart"):
        lines += ["![Images a second and peak memory](chart.png)", ""]
    lines += ["## In short", ""]
    short = [
        (
            f"[{each['title']}](#{_anchor(each['title'])})",
            figure["label"],
            spread(figure["value"], _unit(figure["unit"])),
            target(figure),
            verdict(figure),
        )
        for each in results["groups"]
        for figure in each["figures"]
        if figure["at_least"] is not None or figure["at_most"] is not None
    ]
    lines += [*table(("question", "figure", "measured", "target", "met"), 3, short), ""]
    for each in results["groups"]:
        lines += group(each, results["date"], results.get("charts", {}).get(each["name"]))
    return "\n".join(lines).rstrip() + "\n"


def _anchor(title: str) -> str:
    kept = "".join(c for c in title.lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")
