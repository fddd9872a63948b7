"""Which features a record has, and what they are called: a schema as data.

Features go by the names that slim gives them, here and in manifests: the *canonical* names. A
schema says under which name each is stored, which are left out, and which are added from a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from fastconv.errors import UsageError

Kind = Literal["bytes", "int64", "float"]
KINDS: tuple[Kind, ...] = get_args(Kind)
IMAGE, LABEL = "image/encoded", "image/class/label"
SIDES = tuple(f"image/object/bbox/{side}" for side in ("xmin", "ymin", "xmax", "ymax"))
# In the order that they have in a record (docs/formats.md, "Order of the features"): those of the
# image itself, those of its class, and those that differ from image to image.
OF_CLASS = (
    "image/channels",
    LABEL,
    "image/class/synset",
    "image/class/text",
    "image/colorspace",
    "image/format",
)
OF_IMAGE = (
    "image/filename",
    "image/height",
    "image/width",
    *SIDES,
    "image/object/bbox/label",
)
FEATURES = (IMAGE, *OF_CLASS, *OF_IMAGE)
TFDS_FEATURES = {IMAGE: "image", LABEL: "label", "image/filename": "file_name"}


def _has_utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Column:
    """A feature that is added: the table's column that it is taken from, and its kind, None where
    the table's own values say it."""

    feature: str
    column: str
    kind: Kind | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Where added features come from: a CSV or Parquet file, its column ``key`` with the images'
    names (``n01440764_10026.JPEG``, or with their class's folder before them), and what is to
    happen to images that it does not name: "stop", or "empty": their features are empty lists."""

    file: str
    key: str = "file_name"
    missing: Literal["stop", "empty"] = "stop"


@dataclass(frozen=True, slots=True)
class Schema:
    """``features``: canonical name → the name that it is stored under, without those that are left
    out. ``columns``: what is added, in the order that it has in a record, from ``table``.
    ``base``: "slim" or "tfds", which it was made from. Raises UsageError for what cannot be."""

    base: Literal["slim", "tfds"]
    features: Mapping[str, str]
    columns: tuple[Column, ...] = ()
    table: Table | None = None

    def __post_init__(self) -> None:
        if IMAGE not in self.features:
            raise UsageError(f"--schema: {IMAGE} cannot be left out: it is what a record is about")
        names = [*self.features.values(), *(column.feature for column in self.columns)]
        for name in names:
            if not name or "\0" in name or not _has_utf8(name):
                raise UsageError(f"--schema: {name!r} is no name for a feature")
            if names.count(name) > 1:
                raise UsageError(f"--schema: two features would have the name {name!r}")

    @property
    def first_label(self) -> int:
        """What the first class's label is, where nothing else is asked for."""
        return 0 if self.base == "tfds" else 1

    def without(self, *features: str) -> Schema:
        """Without these features, by canonical or stored name."""
        gone = {self._canonical(name) for name in features}
        kept = {name: stored for name, stored in self.features.items() if name not in gone}
        return replace(self, features=kept)

    def renamed(self, names: Mapping[str, str]) -> Schema:
        """With features, by canonical or stored name, stored under other names."""
        new = {self._canonical(name): stored for name, stored in names.items()}
        return replace(self, features={**self.features, **new})

    def with_columns(
        self,
        file: str | Path,
        columns: Mapping[str, str | tuple[str, Kind]] | Iterable[str],
        key: str = "file_name",
        missing: Literal["stop", "empty"] = "stop",
    ) -> Schema:
        """With features from a CSV or Parquet file: feature → its column, or (column, kind); or
        the columns alone, whose names are the features' then."""
        if self.table is not None:
            raise UsageError("--schema: columns of one table can be added, not of two")
        if missing not in ("stop", "empty"):
            raise UsageError(f"--schema: missing is stop or empty, not {missing!r}")
        named = columns if isinstance(columns, Mapping) else {name: name for name in columns}
        added = []
        for feature, column in named.items():
            name, kind = (column, None) if isinstance(column, str) else column
            if kind is not None and kind not in KINDS:
                raise UsageError(
                    f"--schema: the kind of {feature!r} is bytes, int64 or float, not {kind!r}"
                )
            added.append(Column(feature, name, kind))
        if not added:
            raise UsageError(f"--schema: no columns of {file} are named")
        return replace(self, columns=tuple(added), table=Table(str(file), key, missing))

    def _canonical(self, name: str) -> str:
        if name in self.features:
            return name
        for canonical, stored in self.features.items():
            if stored == name:
                return canonical
        raise UsageError(
            f"--schema: there is no feature {name!r}; there are {', '.join(self.features.values())}"
        )

    def as_facts(self) -> dict[str, Any]:
        """What a manifest says of it. Where the table lies is no part of it."""
        return {
            "base": self.base,
            "features": dict(self.features),
            "columns": [
                {"feature": c.feature, "column": c.column, "kind": c.kind} for c in self.columns
            ],
            "key": self.table.key if self.table else None,
            "missing": self.table.missing if self.table else None,
        }

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any], table: str | None) -> Schema:
        """A schema from what a manifest says of it, and where its table is. Raises KeyError and
        TypeError where that is none."""
        schema = cls(facts["base"], dict(facts["features"]))
        if not facts["columns"]:
            return schema
        columns = {c["feature"]: (c["column"], c["kind"]) for c in facts["columns"]}
        return schema.with_columns(str(table), columns, facts["key"], facts["missing"])


SLIM = Schema("slim", {name: name for name in FEATURES})
TFDS = Schema("tfds", TFDS_FEATURES)
BASES = {"slim": SLIM, "tfds": TFDS}


def stored_schema(facts: Mapping[str, Any] | None, table: str | None = None) -> Schema:
    """The schema of an output whose manifest says these facts; slim's where nothing is said.
    ``table``: where its table is. Raises KeyError, TypeError, AttributeError, ValueError and
    UsageError for what is none."""
    said = (facts or {}).get("options", {}).get("schema")
    return Schema.of_facts(said, table) if said else SLIM


def stored_names(facts: Mapping[str, Any] | None) -> dict[str, str]:
    """Canonical name → stored name of an output's features, for facts that were read by
    fastconv.past."""
    return dict(stored_schema(facts).features)
