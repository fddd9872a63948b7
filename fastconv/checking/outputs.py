"""What is there to be checked: shards, their indexes, and what is said of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import crc32c

from fastconv.checking.findings import Finding
from fastconv.errors import InputError, OutputError
from fastconv.layout import DATA, INDEXES, Layout
from fastconv.manifest import (
    FORMAT,
    JOURNAL,
    LABELS,
    MANIFEST,
    RUNS,
    refuse_class_folders,
    root_of,
)
from fastconv.past import Past, read_past
from fastconv.regular import content
from fastconv.tfds import is_metadata

NUMBERED = re.compile(r"(.*)-(\d{5})-of-(\d{5})(\..*)?", re.S)
TFRECORD = re.compile(r".*\.tfrecords?(\b.*)?", re.S)
# Beside an output's folder of shards these are no shards.
OTHERS = (LABELS, MANIFEST, JOURNAL, RUNS)


@dataclass(slots=True)
class Output:
    """``root``: the folder that its paths are relative to; ``named``: what is to be checked;
    ``shards``: each by its name, None where it is missing; ``indexes`` likewise, empty where
    there are none at all; ``said``: what manifest or journal says of each; ``labels``: the classes
    in label order, where they are known. ``findings``: what the files' names show."""

    root: Path
    named: Path
    shards: dict[str, Path | None]
    indexes: dict[str, Path | None]
    said: dict[str, dict[str, Any]] = field(default_factory=dict)
    past: Past | None = None
    labels: tuple[str, ...] | None = None
    findings: list[Finding] = field(default_factory=list)

    def shown(self, path: Path) -> str:
        """A path as it is named in findings."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    def shard_file(self, name: str) -> str:
        path = self.shards[name]
        return self.shown(path) if path else self.layout.shard_file(name)

    @property
    def layout(self) -> Layout:
        """Where its parts lie: what the manifest says, or what can be seen."""
        if self.past is not None:
            return self.past.layout
        return Layout("slim" if (self.root / DATA).is_dir() else "tfds")


def look_at(path: Path) -> Output:
    """An output of fastconv's, a folder of TFRecord files, or one such file. Raises InputError
    where there is nothing to be checked."""
    if path.is_file():
        return _with_indexes(Output(path.parent, path, {path.name: path}, {}), path.parent)
    if not path.is_dir():
        raise InputError(f"{path}: {'is no file or folder' if path.exists() else 'does not exist'}")
    path = root_of(path)
    refuse_class_folders(path)
    has_data = (path / DATA).is_dir()
    folder = path / DATA if has_data else path
    found: dict[str, Path | None] = {file.name: file for file in _files(folder)}
    if not has_data:
        names = [n for n in found if NUMBERED.fullmatch(n) or TFRECORD.fullmatch(n)]
        found = {name: found[name] for name in names}
    output = _with_indexes(Output(path, path, found, {}), folder)
    _hear(output)
    if not output.shards and not output.findings:
        raise InputError(
            f"{folder}: holds no TFRecord files: none that is named like train-00000-of-01024 or "
            f"x.tfrecord. Name a file, or the folder that they are in"
        )
    return output


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(
            entry
            for entry in folder.iterdir()
            if not entry.name.startswith(".")
            and entry.name not in OTHERS
            and not is_metadata(entry.name)
            and not entry.is_dir()
        )
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror}") from None


def _with_indexes(output: Output, folder: Path) -> Output:
    for indexes in (output.root / INDEXES, folder.parent / INDEXES):
        if indexes.is_dir():
            output.indexes = {file.name: file for file in _files(indexes)}
            break
    return output


def _hear(output: Output) -> None:
    """Add what manifest or journal says; without one, what the names say themselves."""
    try:
        past = read_past(output.root)
    except OutputError:
        name = JOURNAL if (output.root / JOURNAL).exists() else MANIFEST
        what = "cannot be understood, so that counts, checksums and labels were not compared"
        output.findings.append(Finding(name, what))
        past = None
    if past is not None and past.facts.get("format") != FORMAT:
        what = f"is of format {past.facts.get('format')}, which this fastconv does not read"
        output.findings.append(Finding(past.path.name, what))
        past = None
    if past is None:
        _missing_by_number(output)
        return
    output.past, output.said = past, past.shards
    names = _shards_named(past)
    if not past.is_finished:
        done = f"{len(past.shards):,} of {len(names):,} shards are done"
        what = f"the conversion is not finished ({done}); the same command goes on with it"
        output.findings.append(Finding(JOURNAL, what))
        names = [name for name in names if name in past.shards or name in output.shards]
    for name in output.shards.keys() - set(names):
        what = "no manifest names it, and readers would take it for a shard; move it away"
        output.findings.append(Finding(past.layout.shard_file(name), what))
    indexed = set(names) if past.layout.indexes else set()
    for name in output.indexes.keys() - indexed:
        what = "is the index of no shard; move it away"
        if name in names:
            what = "is the index of a compressed shard, which can have none; move it away"
        output.findings.append(Finding(f"{INDEXES}/{name}", what))
    output.shards = {name: output.shards.get(name) for name in names}
    output.indexes = {name: output.indexes.get(name) for name in names if name in indexed}
    _labels(output, past)
    _metadata(output, past)


def _shards_named(past: Past) -> list[str]:
    """The shards among the files that a manifest or journal names."""
    prefix = f"{past.layout.data}/" if past.layout.data else ""
    files = (name.removeprefix(prefix) for name in past.facts["files"] if name.startswith(prefix))
    return [name for name in files if "/" not in name and NUMBERED.fullmatch(name)]


def _metadata(output: Output, past: Past) -> None:
    """What stands beside the shards for TensorFlow Datasets."""
    for name, crc in (past.facts.get("metadata") or {}).get("files", {}).items():
        try:
            if f"{crc32c.crc32c(content(output.root / name)):08x}" != crc:
                output.findings.append(Finding(name, "is not the one that was written"))
        except FileNotFoundError:
            output.findings.append(Finding(name, "is missing"))
        except OSError as error:
            output.findings.append(Finding(name, f"cannot be read: {error.strerror}"))


def _labels(output: Output, past: Past) -> None:
    path = output.root / LABELS
    if not past.is_finished and not path.exists():
        return
    try:
        text = content(path)
    except OSError as error:
        output.findings.append(Finding(LABELS, f"cannot be read: {error.strerror}"))
        return
    lines = text.decode("utf-8", "surrogateescape").split("\n")
    if lines.pop() or len(lines) != past.facts["classes"]:
        what = f"has {len(lines):,} lines, but there are {past.facts['classes']:,} classes"
        output.findings.append(Finding(LABELS, what))
        return
    if f"{crc32c.crc32c(text):08x}" != past.facts["labels_crc32c"]:
        output.findings.append(Finding(LABELS, "is not the one that was written"))
        return
    output.labels = tuple(lines)


def _missing_by_number(output: Output) -> None:
    """Of shards that are numbered, those that are not there."""
    sets: dict[tuple[str, int, str], set[int]] = {}
    for name in output.shards:
        if match := NUMBERED.fullmatch(name):
            prefix, number, count, rest = match.groups()
            sets.setdefault((prefix, int(count), rest or ""), set()).add(int(number))
    for (prefix, count, rest), numbers in sets.items():
        for number in sorted(set(range(count)) - numbers):
            name = f"{prefix}-{number:05d}-of-{count:05d}{rest}"
            output.shards[name] = None
    if output.indexes:
        output.indexes = {name: output.indexes.get(name) for name in output.shards}
