"""The options of an earlier job, from what its manifest says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastconv.errors import InputError, UsageError
from fastconv.image_options import given_again
from fastconv.layout import Layout
from fastconv.options import PARTS, Options, PathLike
from fastconv.schema import stored_schema


def remembered_options(
    facts: dict[str, Any],
    out: Path,
    elsewhere: dict[str, PathLike | None],
    workers: int | None = None,
) -> Options:
    """The options that an output was written with. ``elsewhere`` says where its source is now: a
    folder as ``source``, which then stands for all of its parts, and single parts by their names.

    Raises InputError where the manifest does not say it.
    """
    try:
        given: dict[str, Any] = {name: path for name, path in elsewhere.items() if path is not None}
        if "columns" in given and not facts["options"].get("schema", {}).get("columns"):
            raise UsageError(f"{out}: its records have no added features for --columns to give")
        table = given.pop("columns", None) or (facts["source"].get("columns") or {}).get("path")
        if "source" not in given:
            parts = {name: facts["source"][name] for name in PARTS}
            given = {name: part["path"] for name, part in parts.items() if part} | given
        asked = facts["options"]
        layout = Layout.of_facts(facts)
        shards = {split["split"]: split["shards"] for split in facts["plan"]}
        return Options(
            **given,
            out=out,
            split=asked["split"],
            train_shards=shards.get("train"),
            validation_shards=shards.get("validation"),
            seed=asked["seed"],
            slim_threads=asked["slim_threads"],
            label_offset=asked["label_offset"],
            layout=layout.kind,
            name=layout.name if layout.kind == "tfds" else None,
            dataset_version=layout.version if layout.kind == "tfds" else None,
            schema=stored_schema(facts, table and str(table)),
            compression="gzip" if layout.compressed else "none",
            on_error=asked["on_error"],
            use_cut_archives=asked["use_cut_archives"],
            workers=workers,
            **given_again(asked["images"]),
        )
    except (KeyError, TypeError, AttributeError):
        raise InputError(
            f"{out}: its manifest does not say with which options it was written"
        ) from None
