"""All that comes before the first byte is written: what is there, and what would be made of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from fastconv import store_journal
from fastconv.annotations.tables import imagenet_synsets
from fastconv.errors import InputError, UsageError
from fastconv.layout import IMAGENET_NAME
from fastconv.manifest import FORMAT, TOOL, refuse_mixture
from fastconv.options import Options, Split
from fastconv.past import look_back
from fastconv.plan import Overhead, SplitPlan, default_shard_count, plan_split
from fastconv.progress import Watch
from fastconv.remote.path import Place, RemotePath
from fastconv.sources.assemble import Dataset, load
from fastconv.sources.columns import Added, read_columns
from fastconv.sources.detect import detect
from fastconv.sources.sums import check_archives
from fastconv.workers import in_parallel, usable_cores


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job that could begin: what was found, and what would be written. ``checked``: what the
    check of the archives' sums came to, in lines; none where it was not asked for. ``added``: the
    features that the schema adds."""

    options: Options
    dataset: Dataset
    plans: tuple[SplitPlan, ...]
    checked: tuple[str, ...] = ()
    added: Added = field(default_factory=Added)

    @property
    def output_bytes(self) -> int:
        """About how many bytes the output will take."""
        return sum(plan.output_bytes for plan in self.plans)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what the records are made of, the images' own bytes left out."""
        return fingerprint_of(self.dataset, self.added.digest() if self.added.rows else "")


def fingerprint_of(dataset: Dataset, more: str = "") -> str:
    """SHA-256 of a dataset's classes and images, their own bytes left out, and of what goes into
    records besides."""
    sha = hashlib.sha256()
    classes = dataset.classes
    for text in (*classes.names, *classes.texts, *(c.digest() for c in dataset.catalogs)):
        sha.update(text.encode("utf-8", "surrogateescape") + b"\0")
    sha.update(more.encode())
    return sha.hexdigest()


def prepare(options: Options, watch: Watch, to_write: bool = True) -> Prepared:
    """List the source and plan the shards; nothing is written.

    Raises InputError, naming the file, where something is missing or damaged, and OutputError
    where the output holds something that this job cannot go on from, unless it is to be overwritten
    or `to_write` is off.
    """
    if to_write:
        _refuse_mixture(options.out_place, options.out_path)
    if not options.overwrite and to_write:  # now, and not after an hour of listing
        facts = {"tool": TOOL, "format": FORMAT, "options": options.as_facts()}
        look_back(options.out_path, facts, options.resume)
    checked: tuple[str, ...] = ()
    if options.check_archives:
        watch.phase("checking MD5 sums")
        checked = check_archives(detect(options), options, watch.reading)
    workers = options.workers or usable_cores()
    dataset = load(options, watch.phase, in_parallel(workers))
    _refuse_foreign_name(options, dataset)
    schema = options.record_schema
    if schema.table is not None:
        watch.phase(f"reading {schema.table.file.rpartition('/')[2]}")
    added = read_columns(schema, dataset.catalogs, dataset.classes)
    watch.phase("planning")
    plans = []
    for number, catalog in enumerate(dataset.catalogs):
        overhead = Overhead.of(schema, added.bytes_of(number))
        split: Split = "train" if catalog.split == "train" else "validation"
        image_bytes = options.recipe.stored_bytes(catalog.size)
        shards = options.shards_asked(split)
        if shards is None:
            shards = default_shard_count(catalog, len(dataset.classes), image_bytes, overhead)
        stem = options.places.stem(split)
        seed, threads = options.seed, options.slim_threads
        plans.append(plan_split(catalog, shards, seed, threads, image_bytes, stem, overhead))
    if options.on_error == "stop":
        refuse_what_would_be_skipped(dataset)
    return Prepared(options, dataset, tuple(plans), checked, added)


def _refuse_mixture(out: Place, root: Place) -> None:
    if isinstance(out, RemotePath) and isinstance(root, RemotePath):
        store_journal.refuse_mixture(out, root)
    elif isinstance(out, Path) and isinstance(root, Path):
        refuse_mixture(out, root)


def _refuse_foreign_name(options: Options, dataset: Dataset) -> None:
    if options.layout != "tfds" or options.places.name != IMAGENET_NAME:
        return
    if dataset.classes.names != imagenet_synsets():
        raise UsageError(
            f"the classes are not ImageNet's, and under the name {IMAGENET_NAME} TensorFlow "
            f"Datasets would give them wrong names; name the dataset with --name"
        )


def refuse_what_would_be_skipped(dataset: Dataset) -> None:
    """InputError for an image without a label, or boxes that cannot be used."""
    for catalog in dataset.catalogs:
        if catalog.unlabelled:
            labels = "give --validation-labels, " if catalog.split == "validation" else ""
            raise InputError(
                f"{catalog.unlabelled[0]}: has no label (of {catalog.split} images without one "
                f"there are {len(catalog.unlabelled):,}); {labels}sort the images into class "
                f"folders, or leave them out with --on-error skip"
            )
    if dataset.bad_boxes:
        member, reason = dataset.bad_boxes[0]
        # Of an archive's files only the member is known.
        whole = member.startswith(("/", f"{dataset.found.boxes}/"))
        where = member if whole else f"{dataset.found.boxes}: {member}"
        raise InputError(
            f"{where}: {reason} (of such files there are {len(dataset.bad_boxes):,}); mend it, or "
            f"leave such boxes out with --on-error skip"
        )
