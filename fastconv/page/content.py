"""What stands on the page, section by section, as its template takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastconv.display import size
from fastconv.errors import FastconvError, one_line
from fastconv.page import figures, shard_figures
from fastconv.page.damage import by_manifest, counted, of_what, warnings_of
from fastconv.page.facts import Facts
from fastconv.page.figures import Figure, share
from fastconv.page.mix import mixes
from fastconv.page.paths import Paths
from fastconv.pictures.shown import SIDES
from fastconv.schema import stored_schema

if TYPE_CHECKING:
    from fastconv.checking.findings import VerifyReport

NOTES_MAX = 2000  # images that are named in a table
SPLITS_DRAWN = 6
FROM_DATA = ("train_shards", "validation_shards")


def content_of(
    facts: Facts, verdict: VerifyReport | None, runs: list[dict[str, Any]], paths: Paths
) -> dict[str, Any]:
    manifest = facts.manifest
    drawn = facts.splits[:SPLITS_DRAWN]
    run = shard_figures.busiest(runs)
    rows = [row for row in facts.classes if row.name or row.total]
    return {
        "badge": _badge(verdict),
        "warnings": warnings_of(facts),
        "by_manifest": by_manifest(facts),
        "lead": _lead(facts),
        "totals": _totals(facts),
        "split_head": _split_head(facts),
        "split_rows": _split_rows(facts),
        "verdict": verdict,
        "findings": paths.texts(verdict.findings[:NOTES_MAX]) if verdict else [],
        "made": _made(manifest, paths) if manifest else None,
        "notes_max": NOTES_MAX,
        "splits": facts.splits,
        "class_rows": rows if any(row.total for row in rows) else [],
        "has_texts": any(row.text for row in rows),
        "class_figures": _drawn(figures.images_a_class(facts, split) for split in drawn),
        "of_what": of_what(facts),
        "image_figures": _drawn(
            draw(facts) for draw in (figures.sides, figures.aspects, figures.image_bytes)
        ),
        "box_figures": _drawn(draw(facts) for draw in (figures.boxes, figures.box_places)),
        "numberless": f"{counted(facts.survey.numberless, 'more box', 'es')} cannot be drawn, as a "
        "side is no number; they are not counted here."
        if facts.survey.numberless
        else "",
        "no_boxes": "No image has a box."
        if facts.survey.has_boxes
        else "The records have no features for boxes, so nothing is known of any.",
        "shard_figures": _drawn(
            part
            for split in drawn
            for part in (
                shard_figures.shard_bytes(facts, split),
                shard_figures.label_mix(facts, split, mixes(facts.of(split))),
            )
        ),
        "run_rows": [_run_row(run) for run in runs],
        "run_notes": shard_figures.untold(runs),
        "run_figures": [shard_figures.speed(run), shard_figures.workers(run)] if run else [],
    }


def _drawn(parts: Any) -> list[Figure]:
    return [part for part in parts if part is not None]


def _badge(verdict: VerifyReport | None) -> dict[str, str]:
    if verdict is None:
        return {"kind": "none", "sign": "–", "text": "Not verified"}
    if not verdict.found:
        return {"kind": "good", "sign": "✓", "text": "Verified: nothing is wrong"}
    what = counted(verdict.found, "finding")
    return {"kind": "bad", "sign": "✗", "text": f"Verification: {what}"}


def _lead(facts: Facts) -> str:
    shards, classes = len(facts.shards), sum(1 for row in facts.classes if row.total)
    of = f" of {classes:,} class{'es' if classes != 1 else ''}" if classes else ""
    told = ", as the manifest tells" if by_manifest(facts) else ""
    return (
        f"{counted(facts.records, 'image')}{of} in {counted(shards, 'TFRecord shard')}, "
        f"{size(facts.bytes)}{told}."
    )


def _totals(facts: Facts) -> list[tuple[str, str, str]]:
    used = sum(1 for row in facts.classes if row.total)
    listed = len(facts.classes)
    classes = ("Classes", f"{used:,}", f"of {listed:,} in labels.txt" if used < listed else "")
    told = facts.manifest["totals"] if facts.manifest else None
    if told is None:
        boxes = f"{facts.survey.box_count:,}" if facts.survey.has_boxes else "none known"
        return [
            ("Records", f"{facts.records:,}", ""),
            ("Boxes", boxes, "" if facts.sample == 1 else "of the records that were read"),
            ("Shards", f"{len(facts.shards):,}", ""),
            ("Size", size(facts.bytes), f"{facts.bytes:,} bytes"),
            classes,
        ]
    return [
        ("Images found", f"{told['found']:,}", ""),
        ("Images written", f"{told['written']:,}", share(told["written"], told["found"])),
        ("Skipped", f"{told['skipped']:,}", ""),
        ("Repaired", f"{told['repaired']:,}", ""),
        ("Boxes", f"{told['boxes']:,}", "") if _has_boxes(facts.manifest) else NO_BOXES,
        classes,
        ("Shards", f"{len(facts.shards):,}", ""),
        ("Size", size(told["bytes"]), f"{told['bytes']:,} bytes"),
    ]


NO_BOXES = ("Boxes", "–", "not in the schema")


def _has_boxes(manifest: dict[str, Any] | None) -> bool:
    """Whether the records have features for boxes; without them nothing is known of any."""
    return set(SIDES) <= stored_schema(manifest).features.keys()


def _split_head(facts: Facts) -> tuple[str, ...]:
    if facts.manifest is None:
        return ("split", "shards", "records", "bytes")
    return ("split", "shards", "found", "written", "repaired", "skipped", "boxes", "bytes",
            "changed")  # fmt: skip


def _split_rows(facts: Facts) -> list[tuple[str, ...]]:
    if facts.manifest is None:
        return [
            (split, f"{len(own):,}", f"{sum(s.records for s in own):,}",
             f"{sum(s.bytes for s in own):,}")
            for split in facts.splits
            for own in [facts.of(split)]
        ]  # fmt: skip
    names = ("shards", "found", "written", "repaired", "skipped", "boxes", "bytes")
    unknown = () if _has_boxes(facts.manifest) else ("boxes",)
    return [
        (
            told["split"],
            *("–" if name in unknown else f"{told[name]:,}" for name in names),
            ", ".join(f"{kind}: {n:,}" for kind, n in told["changes"].items()) or "none",
        )
        for told in facts.manifest["splits"]
    ]


def _made(manifest: dict[str, Any], paths: Paths) -> dict[str, Any]:
    source = manifest["source"]
    parts = [
        (name.replace("_", " "), _part(source[name], paths))
        for name in source
        if name not in ("kind", "fingerprint")
    ]
    options = dict(manifest["options"])
    if options.get("layout", {}).get("kind") == "slim":  # whose name and version are used nowhere
        options["layout"] = {
            name: value
            for name, value in options["layout"].items()
            if name not in ("name", "version")
        }
    return {
        "options": [("written by", manifest["tool"]), *_flat(options)],
        "source": [
            ("kind", source["kind"]),
            *parts,
            ("fingerprint", source["fingerprint"]),
            ("format of the manifest", manifest["format"]),
        ],
        **{
            kind: [{**note, "image": paths.path(note["image"])} for note in manifest[kind]]
            for kind in ("skipped", "repaired")
        },
        "odd": paths.texts(manifest["odd"]),
        "bad_boxes": [(paths.path(file), paths.text(why)) for file, why in manifest["bad_boxes"]],
        "cut_archives": [
            (paths.path(one["archive"]), one["reason"], f"{one['offset']:,}", f"{one['members']:,}")
            for one in manifest["cut_archives"]
        ],
    }


def _part(part: Any, paths: Paths) -> str:
    if not part:
        return "none"
    name = paths.path(part["path"])
    return f"{name} ({part['bytes']:,} bytes)" if "bytes" in part else name


def _flat(options: dict[str, Any], before: str = "") -> list[tuple[str, str]]:
    found = []
    for name, value in options.items():
        shown = f"{before}{name.replace('_', ' ')}"
        if isinstance(value, dict):
            if name == "features":
                names = [k if k == v else f"{k} as {v}" for k, v in value.items()]
                found.append((f"{before}features", ", ".join(names)))
            else:
                found += _flat(value, "" if name == "images" else f"{name}: ")
        elif isinstance(value, bool):
            found.append((shown, "yes" if value else "no"))
        elif value is None:
            found.append((shown, "from the data" if name in FROM_DATA else "not given"))
        elif isinstance(value, list):
            found.append((shown, ", ".join(map(str, value)) or "none"))
        else:
            found.append((shown, str(value)))
    return found


def _run_row(run: dict[str, Any]) -> tuple[str, ...]:
    records, data = shard_figures.written(run)
    times = run["samples"]["seconds"]
    spent = times[-1] - times[0] if len(times) > 1 else 0
    rates = (f"{records / spent:,.0f}", f"{data / spent / 1e6:,.1f}") if spent else ("–", "–")
    return (
        run["began"], "finished" if run["finished"] else "before its end", f"{run['seconds']:,.1f}",
        f"{run['workers']:,}", f"{run['shards_written']:,}", f"{run['shards_kept']:,}",
        f"{records:,}", size(data), *rates,
    )  # fmt: skip


def why_not(error: FastconvError) -> str:
    return f"No picture could be drawn: {one_line(str(error))}"
