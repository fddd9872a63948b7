"""Where a shard goes, as whoever writes it is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fastconv.layout import Layout
from fastconv.manifest import PARTIAL
from fastconv.remote.path import Place, is_remote, remote_path

PLAN = "plan"


@dataclass(frozen=True, slots=True)
class Goal:
    """``out``: the place that a manifest's paths are relative to; ``places``: where shards and
    indexes lie in it. Until they are whole they lie in the folder of unfinished files, or in the
    folder ``job`` in it, and have ``tag`` in their names: so that two who write one shard, one
    taken for dead, are not in each other's way."""

    out: str
    places: Layout
    job: str = ""
    tag: str = ""

    @property
    def plan(self) -> Place:
        """Of a job with a folder of its own: where its plan lies while it runs."""
        root = remote_path(self.out, "--out") if is_remote(self.out) else Path(self.out)
        return root / PARTIAL / self.job / PLAN

    @property
    def partial(self) -> Path:
        folder = Path(self.out) / PARTIAL
        return folder / self.job if self.job else folder

    def unfinished(self, name: str) -> Path:
        """Of a shard or an index, by its name."""
        return self.partial / f"{self.tag}{name}"
