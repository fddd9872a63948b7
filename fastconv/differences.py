"""In what two jobs differ that can change a shard, in words, from what their manifests say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastconv.layout import Layout
from fastconv.schema import SLIM

# Options that can make no byte of a whole shard another one, or that the plan says better.
FREE = (
    *("split", "on_error", "train_shards", "validation_shards", "slim_threads"),
    "use_cut_archives",  # the fingerprint tells which images are used
)
# Of outputs that were written before there were these options.
UNSAID = {"layout": Layout().as_facts(), "schema": SLIM.as_facts()}
LAYOUT_OPTIONS = {
    "kind": "--layout",
    "name": "--name",
    "version": "--dataset-version",
    "compressed": "--compression",
}
PARTS_SHOWN = 4


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
            table = here.get("columns")
            more = f", or {table['path']} has other values for them" if table else ""
            found.append(
                f"the source's images are not the same by names, sizes, classes or boxes{more} "
                f"(fingerprint was {str(was.get('fingerprint'))[:12]}…, "
                f"is {here['fingerprint'][:12]}…)"
            )
    return found


def _of_options(was: dict[str, Any], now: dict[str, Any]) -> list[str]:
    was = {**UNSAID, **was, **was.get("images", {})}
    found: list[str] = []
    for name, value in {**now, **now.get("images", {})}.items():
        then = was.get(name)
        if name in (*FREE, "images") or then == value:
            continue
        if name == "layout":
            found += _of_layouts(then or UNSAID["layout"], value)
            continue
        option = f"--{name.replace('_', '-')}"
        if isinstance(then, dict) and isinstance(value, dict):  # a schema
            parts = [f"{what} was {a}, is {b}" for what, a, b in _parts(then, value)]
            more = [f"and {len(parts) - PARTS_SHOWN} more"] if parts[PARTS_SHOWN:] else []
            found.append(f"{option}: {', '.join([*parts[:PARTS_SHOWN], *more])}")
        else:
            found.append(f"{option} was {_shown(then)}, is {_shown(value)}")
    return found


def _of_layouts(was: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    for part, option in LAYOUT_OPTIONS.items():
        a, b = (layout.get(part) for layout in (was, now))
        if a != b:
            if part == "compressed":
                a, b = ("gzip" if packed else "none" for packed in (a, b))
            yield f"{option} was {a}, is {b}"


def _parts(was: dict[str, Any], now: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What differs between two schemas: (its name, what it was, what it is)."""
    for name in {**was, **now}:
        a, b = was.get(name), now.get(name)
        if a == b:
            continue
        if name == "features" and isinstance(a, dict) and isinstance(b, dict):
            for feature in {**a, **b}:
                if a.get(feature) != b.get(feature):
                    yield feature, a.get(feature, "left out"), b.get(feature, "left out")
        elif name == "columns":
            yield "added features", _columns(a), _columns(b)
        else:
            yield name, _shown(a), _shown(b)


def _columns(told: Any) -> str:
    """Added features, in short: a name alone is a column's of that name."""
    shown = []
    for one in told or []:
        text = str(one["feature"])
        text += f" of {one['column']}" if one["column"] != one["feature"] else ""
        shown.append(f"{text} as {one['kind']}" if one["kind"] else text)
    return " and ".join(shown) or "none"


def _shown(value: object) -> str:
    if value is None or isinstance(value, bool):
        return "given" if value else "not given"
    return str(value)


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
