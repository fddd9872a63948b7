"""What an earlier run left in an output: which job it was, and which of its shards are whole.

A job may be gone on with where nothing differs that could change a byte of a finished shard.
"""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import crc32c

from fastconv import store_journal
from fastconv.atomic import output_error
from fastconv.differences import differences
from fastconv.errors import OutputError, UsageError
from fastconv.layout import Layout, named
from fastconv.manifest import (
    FORMAT,
    JOURNAL,
    MANIFEST,
    is_there,
    parse,
    refuse_occupied,
)
from fastconv.planned import IDENTITY, PLANNED, share_journals
from fastconv.regular import content
from fastconv.remote.path import Place, RemotePath
from fastconv.schema import KINDS, Schema, stored_schema

NOTES = ("repaired", "skipped")
CRC = re.compile("[0-9a-f]{8}")
# What must be there, each of its type, for anything to be made of it.
FACTS = {
    "options": dict,
    "plan": list,
    "source": dict,
    "classes": int,
    "labels_crc32c": str,
    "files": list,
}
WHOLE = {  # which only a manifest has
    "totals": dict,
    "splits": list,
    "repaired": list,
    "skipped": list,
    "shards": list,
}
SHARD = {
    "name": str,
    "split": str,
    "records": int,
    "bytes": int,
    "crc32c": str,
    "index_crc32c": str,
    "changes": dict,
    "boxes_lost": int,
}


@dataclass(frozen=True, slots=True)
class Past:
    """``path``: the manifest or journal that says it; ``facts``: of the job, as they stand there;
    ``shards``: what is said of each that is done, by name, with its ``repaired`` and ``skipped``
    images as [row of the shard, image, reason]; ``layout``: where they lie."""

    path: Place
    facts: dict[str, Any]
    shards: dict[str, dict[str, Any]]
    layout: Layout = field(default=Layout())

    @property
    def is_finished(self) -> bool:
        return self.path.name == MANIFEST

    @property
    def planned(self) -> str | None:
        """The identity of the plan by which a job array writes this output."""
        identity: str | None = self.facts.get(PLANNED)
        return identity


def read_past(out: Place) -> Past | None:
    """What the journal in `out` says, with those of shares, or else its manifest; None where there
    is neither. Raises OutputError where it cannot be read or understood."""
    said = store_journal.read_journal(out) if isinstance(out, RemotePath) else _read(out)
    if said is None:
        return None
    path, data = said
    first, _, rest = (data, b"", b"") if path.name == MANIFEST else data.partition(b"\n")
    facts = parse(path, first)
    if facts.get("format") != FORMAT:
        return Past(path, facts, {})
    try:
        if "options" in facts or path.name == MANIFEST:
            _must_have(facts, FACTS)
            _must_have(facts["options"], {"label_offset": int, "images": dict})
        layout = Layout.of_facts(facts)
        _must_have_columns(stored_schema(facts), facts.get("columns"))
        _must_be_metadata(facts.get("metadata"), facts.get("files", []))
        if not IDENTITY.fullmatch(facts.get(PLANNED, "0" * 16)):
            raise ValueError
        if path.name == MANIFEST:
            _must_have(facts, WHOLE)
        shards = _of_manifest(facts) if path.name == MANIFEST else dict(_of_journal(rest))
    except (KeyError, TypeError, AttributeError, ValueError, UsageError):
        raise OutputError(
            f"{path}: is damaged, so that nothing is known of the shards here; replace them with "
            f"--overwrite"
        ) from None
    if facts.get(PLANNED) and isinstance(out, Path):
        shards = _with_shares(out, facts[PLANNED], layout, shards)
    return Past(path, facts, shards, layout)


def _read(out: Path) -> tuple[Path, bytes] | None:
    """(the journal in `out`, or else its manifest, and what it holds)."""
    path = out / JOURNAL
    try:
        if not is_there(path):
            path = out / MANIFEST
        return path, content(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise output_error(path, error) from None


def _with_shares(
    out: Path, identity: str, layout: Layout, shards: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """These shards, and those that shares have done. Where two say different things of one, which
    they do only if the images' bytes changed meanwhile, the shard itself decides."""
    said = {name: [shard] for name, shard in shards.items()}
    try:
        for _, lines in share_journals(out, identity):
            for name, shard in _of_journal(lines):
                if shard not in said.setdefault(name, []):
                    said[name].append(shard)
    except OSError as error:
        raise output_error(error.filename or out, error) from None
    found = {}
    for name, several in said.items():
        if len(several) > 1:
            crc = _crc_of(out / layout.shard_file(name))
            several = [shard for shard in several if shard["crc32c"] == crc]
        if several:
            found[name] = several[0]
    return found


def _crc_of(path: Path) -> str:
    """Of a file's content; empty where it cannot be read."""
    crc = 0
    try:
        with path.open("rb") as file:
            while part := file.read(1 << 20):
                crc = crc32c.crc32c(part, crc)
    except OSError:
        return ""
    return f"{crc:08x}"


def _must_have(value: object, form: Mapping[str, type]) -> None:
    if not isinstance(value, dict) or not all(isinstance(value.get(k), t) for k, t in form.items()):
        raise ValueError
    for name in ("crc32c", "index_crc32c", "labels_crc32c"):
        if name in form and not CRC.fullmatch(value[name]):
            raise ValueError


def _must_have_columns(schema: Schema, told: Any) -> None:
    """Of each feature that is added, the kind that it has, and whether it is one value."""
    if list(told or {}) != [column.feature for column in schema.columns]:
        raise ValueError
    for one in (told or {}).values():
        if one["kind"] not in KINDS or not isinstance(one["single"], bool):
            raise ValueError


def _must_be_metadata(told: Any, files: list[str]) -> None:
    if told is None:
        return
    named(told["name"], told["version"])
    for name, crc in told.get("files", {}).items():
        if name not in files or not CRC.fullmatch(crc):
            raise ValueError


def _of_manifest(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    shards = {}
    for shard in manifest["shards"]:
        _must_have(shard, {**SHARD, "images_per_label": dict})
        shards[shard["name"]] = {**shard, **{kind: [] for kind in NOTES}}
    for kind in NOTES:
        for note in manifest.get(kind, []):
            if note["shard"] in shards:
                shards[note["shard"]][kind].append([note["row"], note["image"], note["reason"]])
    return shards


def _of_journal(lines: bytes) -> list[tuple[str, dict[str, Any]]]:
    """A line that was cut off while it was written ends what is known."""
    done = []
    for line in lines.splitlines():
        try:
            shard = json.loads(line)["shard"]
            _must_have(shard, {**SHARD, **dict.fromkeys(NOTES, list)})
            done.append((shard["name"], shard))
        except (ValueError, KeyError, TypeError):
            break
    return done


def look_back(out: Place, facts: dict[str, Any], resume: bool) -> Past | None:
    """What there is to go on from; None where `out` is empty. ``facts`` are those of the job that
    is to be done, all of them or those that are known so far.

    Raises OutputError where `out` holds anything else, or what another job wrote, naming the
    difference.
    """
    past = read_past(out) if resume else None
    if past is None:
        if isinstance(out, RemotePath):
            store_journal.refuse_occupied(out)
        else:
            refuse_occupied(out)
        return None
    if "options" not in past.facts:
        raise OutputError(
            f"{past.path}: says that what was here was being removed, to be replaced; run again, "
            f"with --overwrite"
        )
    found = differences(past.facts, facts)
    if found:
        raise OutputError(
            f"{out}: holds what another job wrote: {'; '.join(found)}. Go on with the same "
            f"options and source, replace it with --overwrite, or choose another folder with --out"
        )
    return past


def what_is_amiss(out: Path, places: Layout, shard: dict[str, Any]) -> str:
    """Why a shard that was done is not whole any more, by its size and its index; empty where it
    is. Its content is not read: that is what verifying is for."""
    try:
        status = (out / places.shard_file(shard["name"])).lstat()
        if not stat.S_ISREG(status.st_mode):
            return "is no file"
        if status.st_size != shard["bytes"]:
            return f"has {status.st_size:,} bytes, not {shard['bytes']:,}"
    except FileNotFoundError:
        return "is not there"
    except OSError as error:
        return f"cannot be looked at: {error.strerror}"
    if places.indexes is None:
        return ""
    try:
        index = content(out / places.indexes / shard["name"])
    except FileNotFoundError:
        return "has no index"
    except OSError as error:
        return f"has an index that cannot be read: {error.strerror}"
    if f"{crc32c.crc32c(index):08x}" != shard["index_crc32c"]:
        return "has another index than the one that was written"
    return ""
