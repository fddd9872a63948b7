"""From runs to figures: what is kept of a group of commands that were measured together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.measure import Run, of, spread

MEGA = 1e6
KEPT = (
    *("seconds", "phases", "workers", "written", "members", "shards", "bytes"),
    *("records", "found", "kept_shards"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """A command in a group's table: ``images`` and ``bytes`` are what a run of it handles.

    The chart has a line for each ``tool``, with a mark for each number of ``workers``.
    """

    name: str
    label: str
    images: int = 0
    bytes: int = 0
    tool: str = ""
    workers: int = 1


@dataclass(slots=True)
class Group:
    """One question, its commands side by side, and the figures that answer it."""

    name: str
    title: str
    text: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    figures: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    date: str = ""

    def add_rows(self, rows: Sequence[Row], runs: Sequence[Run]) -> None:
        self.rows += [row_of(row, runs) for row in rows]
        # Of what a program printed, its times and counts: paths are the machine's own.
        self.runs += [
            {**asdict(run), "printed": {k: run.printed[k] for k in KEPT if k in run.printed}}
            for run in runs
        ]

    def add_figure(
        self,
        label: str,
        value: dict[str, float] | None,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        unit: str = "×",
    ) -> None:
        """A figure, with its target if it has one; None where it could not be taken."""
        met = None
        if value is not None:
            if at_least is not None:
                met = value["median"] >= at_least
            elif at_most is not None:
                met = value["median"] <= at_most
        self.figures.append(
            {
                "label": label,
                "value": value,
                "at_least": at_least,
                "at_most": at_most,
                "unit": unit,
                "met": met,
            }
        )


def row_of(row: Row, runs: Sequence[Run]) -> dict[str, Any]:
    """Medians and spreads of the row's runs; memory is the most of any of them."""
    own = list(of(runs, row.name).values())
    wall = spread([run.wall_seconds for run in own])
    phases: dict[str, float] = {}
    told = [run.printed["phases"] for run in own if isinstance(run.printed.get("phases"), dict)]
    for phase in told[0] if told else ():
        phases[phase] = spread([each.get(phase, 0.0) for each in told])["median"]
    inside = [run.printed["seconds"] for run in own if "seconds" in run.printed]
    return {
        "name": row.name,
        "label": row.label,
        "tool": row.tool or row.label,
        "workers": row.workers,
        "runs": len(own),
        "wall_seconds": wall,
        "inside_seconds": spread(inside) if inside else None,
        "cpu_seconds": spread([run.cpu_seconds for run in own])["median"],
        "images": row.images,
        "bytes": row.bytes,
        "images_per_second": row.images / wall["median"],
        "megabytes_per_second": row.bytes / MEGA / wall["median"],
        "parent_megabytes": max(run.parent_bytes for run in own) / MEGA,
        "worker_megabytes": max(run.worker_bytes for run in own) / MEGA,
        "parent_private_megabytes": max(run.parent_private_bytes for run in own) / MEGA,
        "worker_private_megabytes": max(run.worker_private_bytes for run in own) / MEGA,
        "phase_seconds": phases,
    }


def phase_of(name: str) -> Callable[[Run], float | None]:
    """The seconds of a phase as fastconv gives them, or None if it gives none."""

    def value(run: Run) -> float | None:
        phases = run.printed.get("phases")
        return float(phases[name]) if isinstance(phases, dict) and phases.get(name) else None

    return value


def inside(run: Run) -> float | None:
    """The seconds that a program gives for its work, without its start."""
    seconds = run.printed.get("seconds")
    return float(seconds) if seconds else None
