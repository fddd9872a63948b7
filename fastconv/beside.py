"""The files beside the shards: labels.txt, and what TensorFlow Datasets reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastconv import tfds
from fastconv._tfrecord import crc32c
from fastconv.journal import labels_text
from fastconv.layout import Layout
from fastconv.manifest import LABELS
from fastconv.regular import content
from fastconv.schema import stored_schema


def asked_metadata(layout: Layout, earlier: dict[str, Any]) -> dict[str, Any] | None:
    """The dataset that an output's TFDS metadata is to describe, as its facts say it: the one of
    its layout, or the one that ``earlier`` facts of the same output name; None where it gets none.
    """
    told = layout.as_facts() if layout.kind == "tfds" else earlier.get("metadata")
    return {"name": told["name"], "version": told["version"]} if told else None


def beside(manifest: dict[str, Any], labels: Sequence[str]) -> dict[str, bytes]:
    """The files' contents by their paths, from a finished conversion's manifest and its classes."""
    files = {LABELS: labels_text(labels)}
    told = manifest.get("metadata")
    if told:
        layout = Layout.of_facts(manifest)
        schema = stored_schema(manifest)
        described = replace(layout, name=told["name"], version=told["version"])
        made = tfds.metadata_of(manifest, schema, described, labels)
        files |= {layout.shard_file(name): data for name, data in made.items()}
    return files


def file_names(facts: dict[str, Any]) -> list[str]:
    """The files' paths, from a job's facts."""
    if not facts.get("metadata"):
        return [LABELS]
    layout = Layout.of_facts(facts)
    names = tfds.metadata(layout, stored_schema(facts), {}, (), 0, ())
    return [LABELS, *(layout.shard_file(name) for name in names)]


def with_checksums(manifest: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """The manifest with the checksums of the metadata among these files."""
    if not manifest.get("metadata"):
        return manifest
    sums = {name: f"{crc32c(data):08x}" for name, data in files.items() if name != LABELS}
    return {**manifest, "metadata": {**manifest["metadata"], "files": sums}}


def not_as_written(out: Path, files: dict[str, bytes]) -> list[str]:
    """Those of the files that are not there, or hold something else."""

    def holds(path: Path, data: bytes) -> bool:
        try:
            return content(path) == data
        except OSError:
            return False

    return [name for name, data in files.items() if not holds(out / name, data)]
