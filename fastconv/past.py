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

from fastconv.atomic import output_error
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
from fastconv.regular import content
from fastconv.schema import stored_schema

# Options that can make no byte of a whole shard another one, or that the plan says better.
FREE = (
    *("split", "on_error", "train_shards", "validation_shards", "slim_threads"),
    "use_cut_archives",  # the fingerprint tells which images are used
)
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

    path: Path
    facts: dict[str, Any]
    shards: dict[str, dict[str, Any]]
    layout: Layout = field(default=Layout())

    @property
    def is_finished(self) -> bool:
        return self.path.name == MANIFEST


def read_past(out: Path) -> Past | None:
    """What the journal in `out` says, or else its manifest; None where there is neither. Raises
    OutputError where it cannot be read or understood."""
    path = out / JOURNAL
    try:
        if not is_there(path):
            path = out / MANIFEST
        data = content(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise output_error(path, error) from None
    first, _, rest = (data, b"", b"") if path.name == MANIFEST else data.partition(b"\n")
    facts = parse(path, first)
    if facts.get("format") != FORMAT:
        return Past(path, facts, {})
    try:
        if "options" in facts or path.name == MANIFEST:
            _must_have(facts, FACTS)
            _must_have(facts["options"], {"label_offset": int, "images": dict})
        layout = Layout.of_facts(facts)
        stored_schema(facts)
        if facts.get("metadata"):
            named(facts["metadata"]["name"], facts["metadata"]["version"])
        if path.name == MANIFEST:
            _must_have(facts, WHOLE)
        shards = _of_manifest(facts) if path.name == MANIFEST else dict(_of_journal(rest))
    except (KeyError, TypeError, AttributeError, ValueError, UsageError):
        raise OutputError(
            f"{path}: is damaged, so that nothing is known of the shards here; replace them with "
            f"--overwrite"
        ) from None
    return Past(path, facts, shards, layout)


def _must_have(value: object, form: Mapping[str, type]) -> None:
    if not isinstance(value, dict) or not all(isinstance(value.get(k), t) for k, t in form.items()):
        raise ValueError
    for name in ("crc32c", "index_crc32c", "labels_crc32c"):
        if name in form and not CRC.fullmatch(value[name]):
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


def look_back(out: Path, facts: dict[str, Any], resume: bool) -> Past | None:
    """What there is to go on from; None where `out` is empty. ``facts`` are those of the job that
    is to be done, all of them or those that are known so far.

    Raises OutputError where `out` holds anything else, or what another job wrote, naming the
    difference.
    """
    past = read_past(out) if resume else None
    if past is None:
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


def differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """In what two jobs differ that can change a shard, in words; only facts that ``now`` has are
    compared."""
    found = []
    for name in ("tool", "format"):
        if name in now and then.get(name) != now[name]:
            found.append(f"{name} was {then.get(name)}, is {now[name]}")
    found += _of_options(then.get("options", {}), now.get("options", {}))
    if found:
        return found
    if "plan" in now:
        found += _of_plans(then.get("plan", []), now["plan"])
    if "source" in now and not found:
        was, here = then.get("source", {}), now["source"]
        if was.get("fingerprint") != here["fingerprint"]:
            found.append(
                "the source's images are not the same by names, sizes, classes or boxes "
                f"(fingerprint was {str(was.get('fingerprint'))[:12]}…, "
                f"is {here['fingerprint'][:12]}…)"
            )
    return found


def _of_options(was: dict[str, Any], now: dict[str, Any]) -> list[str]:
    flat = [{**options, **options.get("images", {})} for options in (was, now)]
    return [
        f"--{name.replace('_', '-')} was {_shown(flat[0].get(name))}, is {_shown(value)}"
        for name, value in flat[1].items()
        if name not in (*FREE, "images") and flat[0].get(name) != value
    ]


def _shown(value: object) -> str:
    if isinstance(value, dict):  # a schema or a layout
        parts = (f"{key} {_shown(part)}" for key, part in value.items() if part not in (None, []))
        return f"({', '.join(parts)})"
    return "not given" if value is None else str(value)


def _of_plans(was: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[str]:
    old, new = ({split["split"]: split for split in plan} for plan in (was, now))
    if list(old) != list(new):
        return [f"its splits were {' and '.join(old)}, are {' and '.join(new)}"]
    found = []
    for split, facts in new.items():
        for key, value in facts.items():  # what comes first explains the others
            if key != "split" and old[split].get(key) != value:
                found.append(
                    f"{split}: {key.replace('_', ' ')} were {old[split].get(key)}, are {value}"
                )
                break
    return found


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
