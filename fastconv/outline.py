"""What there is to know of a plan to say what came of it: without where the images are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastconv.catalog import CutArchive, Int32Array, Int64Array
from fastconv.job import ShardTask
from fastconv.plan import SplitPlan, shard_names
from fastconv.prepare import Prepared
from fastconv.report import odd_of, odd_of_all
from fastconv.schema import SIDES


@dataclass(frozen=True, slots=True)
class SplitOutline:
    """One split's records in order: ``klass`` int32 (n,), rows of the classes, and ``box_count``
    int64 (n,). Shard s holds records ``bounds[s]`` to ``bounds[s + 1]``, int64 (shards + 1,).
    ``unlabelled``: the images that got no record, since they have no class."""

    split: str
    stem: str
    bounds: Int64Array
    klass: Int32Array
    box_count: Int64Array
    unlabelled: tuple[str, ...]

    @property
    def shard_names(self) -> list[str]:
        return shard_names(self.stem or self.split, len(self.bounds) - 1)


@dataclass(frozen=True, slots=True)
class Outline:
    """A whole job: ``classes`` are their names, in label order; ``has_boxes``: whether records
    hold boxes; ``bad_boxes``: annotation files left out, each with the reason; ``cut``: archives
    of which only what is whole is used; ``odd``: what a person may want to look at, in words."""

    splits: tuple[SplitOutline, ...]
    classes: tuple[str, ...]
    has_boxes: bool
    bad_boxes: tuple[tuple[str, str], ...]
    cut: tuple[CutArchive, ...]
    odd: tuple[str, ...]

    @classmethod
    def of(cls, prepared: Prepared) -> Outline:
        dataset = prepared.dataset
        odd = [line for plan in prepared.plans for line in odd_of(plan.catalog)]
        odd += odd_of_all(prepared.plans, dataset)
        if prepared.added.unused:
            odd.append(f"columns: rows that no image took: {prepared.added.unused:,}")
        return cls(
            tuple(map(_of_split, prepared.plans)),
            dataset.classes.names,
            SIDES[0] in prepared.options.record_schema.features,
            dataset.bad_boxes,
            dataset.cut,
            tuple(odd),
        )

    @property
    def tasks(self) -> list[ShardTask]:
        """The shards of all splits, with rows counted through them."""
        return _tasks([(split.split, split.stem, split.bounds.tolist()) for split in self.splits])

    def as_facts(self) -> dict[str, Any]:
        """It as values that JSON knows, but for the columns, which of_facts is given again."""
        return {
            "splits": [
                {
                    "split": split.split,
                    "stem": split.stem,
                    "bounds": split.bounds.tolist(),
                    "unlabelled": list(split.unlabelled),
                }
                for split in self.splits
            ],
            "classes": list(self.classes),
            "has_boxes": self.has_boxes,
            "bad_boxes": [list(item) for item in self.bad_boxes],
            "cut": [[part.archive, part.reason, part.offset, part.members] for part in self.cut],
            "odd": list(self.odd),
        }

    @classmethod
    def of_facts(cls, facts: dict[str, Any], klass: Int32Array, box_start: Int64Array) -> Outline:
        """``klass`` (n,) and ``box_start`` (n + 1,) are the plan's, of all splits one behind the
        other. Raises KeyError, TypeError and ValueError for facts that are none."""
        splits, first = [], 0
        for told in facts["splits"]:
            bounds = np.array(told["bounds"], np.int64)
            end = first + int(bounds[-1])
            counts = np.diff(box_start[first : end + 1])
            names = tuple(told["unlabelled"])
            splits.append(
                SplitOutline(told["split"], told["stem"], bounds, klass[first:end], counts, names)
            )
            first = end
        return cls(
            tuple(splits),
            tuple(facts["classes"]),
            bool(facts["has_boxes"]),
            tuple((member, reason) for member, reason in facts["bad_boxes"]),
            tuple(CutArchive(*part) for part in facts["cut"]),
            tuple(facts["odd"]),
        )


def tasks_of_facts(facts: dict[str, Any]) -> list[ShardTask]:
    """The tasks of an outline as facts. Raises KeyError, TypeError and ValueError for what is
    none."""
    return _tasks([(str(s["split"]), str(s["stem"]), list(s["bounds"])) for s in facts["splits"]])


def _tasks(splits: list[tuple[str, str, list[int]]]) -> list[ShardTask]:
    tasks, row = [], 0
    for split, stem, bounds in splits:
        names = shard_names(stem or split, len(bounds) - 1)
        for name, start, stop in zip(names, bounds, bounds[1:], strict=False):
            tasks.append(ShardTask(name, split, row + start, row + stop))
        row += bounds[-1]
    return tasks


def _of_split(plan: SplitPlan) -> SplitOutline:
    catalog = plan.catalog
    return SplitOutline(
        catalog.split,
        plan.stem,
        plan.bounds,
        catalog.klass[plan.order],
        np.diff(catalog.box_start)[plan.order],
        catalog.unlabelled,
    )
