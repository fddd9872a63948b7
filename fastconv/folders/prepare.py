"""All that comes before the first file is written."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import crc32c
import numpy as np

from fastconv.errors import InputError, UsageError
from fastconv.folders.boxes import BOXES, boxes_csv
from fastconv.folders.part import Part
from fastconv.folders.past import FORMAT, look_back
from fastconv.folders.plan import check_names, plan_parts, with_real_paths
from fastconv.journal import labels_text
from fastconv.manifest import RAW, TOOL
from fastconv.options import FolderOptions
from fastconv.plan import SplitPlan
from fastconv.preflight import BLOCK_BYTES, Need
from fastconv.prepare import fingerprint_of, refuse_what_would_be_skipped
from fastconv.progress import Watch
from fastconv.remote.path import RemotePath
from fastconv.sources.assemble import Dataset, load
from fastconv.sources.detect import Found, detect
from fastconv.sources.sums import check_archives
from fastconv.summary import source_facts
from fastconv.workers import in_parallel, usable_cores

# Journal, labels, boxes, manifest, and the folder of unfinished files.
OTHER_FILES = 5
# What a file takes in its folder, and in manifest and journal with its part.
ENTRY_BYTES = 64


@dataclass(frozen=True, slots=True)
class Prepared:
    """Class folders that could be written. ``boxes``: what boxes.csv will hold, empty where there
    is to be none; ``box_count``: its lines; ``checked``: of the archives' sums, in lines."""

    options: FolderOptions
    dataset: Dataset
    plans: tuple[SplitPlan, ...]
    parts: tuple[Part, ...]
    boxes: bytes
    box_count: int
    checked: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self.dataset)

    @property
    def images(self) -> int:
        return sum(part.images for part in self.parts)

    @property
    def bytes(self) -> int:
        """Of all images."""
        return sum(part.bytes for part in self.parts)

    def facts(self) -> dict[str, Any]:
        """What the manifest says before anything is written; nothing differs from run to run."""
        names = self.dataset.classes.names
        return {
            "format": FORMAT,
            "kind": RAW,
            "tool": TOOL,
            "options": self.options.as_facts(),
            "plan": [
                {
                    "split": plan.catalog.split,
                    "images": len(plan.order),
                    "bytes": int(plan.catalog.size.sum()),
                    "parts": plan.shard_count,
                }
                for plan in self.plans
            ],
            "source": source_facts(self.dataset.found, self.fingerprint),
            "classes": len(names),
            "labels_crc32c": f"{crc32c.crc32c(labels_text(names)):08x}",
            "boxes_crc32c": f"{crc32c.crc32c(self.boxes):08x}" if self.boxes else None,
        }

    def need(self, done: set[int]) -> Need:
        """What the parts take that are not among the numbers `done`."""
        count, size, first = OTHER_FILES, 0, 0
        for plan in self.plans:
            blocks = np.zeros(len(plan.order) + 1, np.int64)
            sizes = plan.catalog.size[plan.order]
            np.cumsum(-(-sizes // BLOCK_BYTES) * BLOCK_BYTES, out=blocks[1:])
            if self.options.links:  # whose paths lie beside their names, mostly
                blocks[:] = 0
            for part in self.parts:
                if part.split == plan.catalog.split and part.number not in done:
                    size += int(blocks[part.stop - first] - blocks[part.start - first])
                    size += BLOCK_BYTES + ENTRY_BYTES * part.images
                    count += part.images + 1
            first += len(plan.order)
        return Need(size + len(self.boxes) + BLOCK_BYTES * OTHER_FILES, count, True)


def prepare(options: FolderOptions, watch: Watch, to_write: bool = True) -> Prepared:
    """List the source, and look at every name; nothing is written.

    Raises InputError where something is missing or damaged, or cannot stand in a class folder, and
    OutputError where the output holds something that this job cannot go on from, unless `to_write`
    is off.
    """
    if to_write:  # now, and not after an hour of listing
        facts = {"tool": TOOL, "format": FORMAT, "options": options.as_facts()}
        look_back(options.out_path, facts, options.resume)
    found = detect(options)
    for part in (found.train, found.validation):
        if isinstance(part, RemotePath):
            raise UsageError(
                f"{part}: class folders are made from archives and folders on disk; fetch it first"
            )
    _refuse_inside(options, found)
    checked: tuple[str, ...] = ()
    if options.check_archives:
        watch.phase("checking MD5 sums")
        checked = check_archives(found, options, watch.reading)
    dataset = load(options, watch.phase, in_parallel(options.workers or usable_cores()))
    watch.phase("planning")
    if options.on_error == "stop":
        refuse_what_would_be_skipped(dataset)
    check_names(dataset.catalogs, dataset.classes)
    if options.links:
        dataset = replace(dataset, catalogs=with_real_paths(dataset.catalogs))
    boxes, count, unfit = boxes_csv(dataset.catalogs, dataset.classes)
    if unfit and options.on_error == "stop":
        raise InputError(
            f"{unfit[0][0]}: {unfit[0][1]} (of such images there are {len(unfit):,}); rename it, "
            f"or leave such boxes out of {BOXES} with --on-error skip"
        )
    dataset = replace(dataset, bad_boxes=(*dataset.bad_boxes, *unfit))
    plans, parts = plan_parts(dataset.catalogs, dataset.classes)
    return Prepared(options, dataset, plans, parts, boxes, count, checked)


def _refuse_inside(options: FolderOptions, found: Found) -> None:
    """Where the output lay among the images, the next run would take it for a class."""
    out = os.path.realpath(options.out_path)
    for split in options.splits:
        path = found.images_of(split)
        if isinstance(path, Path) and path.is_dir():
            folder = os.path.realpath(path)
            if os.path.commonpath([out, folder]) == folder:
                raise UsageError(
                    f"--out {options.out}: lies inside of {path}, which holds the {split} images; "
                    f"choose a folder elsewhere"
                )
