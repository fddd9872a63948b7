"""What there is to say of an output: from its manifest, or else from its records alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from fastconv.annotations.tables import imagenet_texts
from fastconv.checking.outputs import NUMBERED, Output
from fastconv.page.survey import Survey

RECORDS = "records"  # what shards are called that are of no split


@dataclass(frozen=True, slots=True)
class Shard:
    """``labels``: records by label, in order."""

    name: str
    split: str
    records: int
    bytes: int
    labels: dict[str, int]


@dataclass(frozen=True, slots=True)
class ClassRow:
    """``counts``: its images, by split."""

    label: str
    name: str
    text: str
    counts: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(slots=True)
class Facts:
    """``manifest``: of a finished conversion, else None; ``unfinished``: there is a journal
    instead; ``sample``: one record in so many was read; ``survey``: of all shards together;
    ``damaged``: the shards that are missing or could not be read to their end; ``missing``: records
    that the manifest tells of, and that could not be read."""

    output: Output
    manifest: dict[str, Any] | None
    unfinished: bool
    shards: list[Shard]
    classes: list[ClassRow]
    survey: Survey
    sample: int = 1
    splits: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    missing: int = 0

    @property
    def records(self) -> int:
        return sum(shard.records for shard in self.shards)

    @property
    def bytes(self) -> int:
        return sum(shard.bytes for shard in self.shards)

    def of(self, split: str) -> list[Shard]:
        return [shard for shard in self.shards if shard.split == split]

    @property
    def is_imagenet(self) -> bool:
        """Whether all classes are named as ImageNet's are: n01440764."""
        names = [row.name for row in self.classes if row.name or row.total]
        return bool(names) and all(
            len(n) == 9 and n[0] == "n" and n[1:].isascii() and n[1:].isdigit() for n in names
        )


def manifest_of(output: Output) -> dict[str, Any] | None:
    """The manifest of a finished conversion, where there is one that can be understood."""
    past = output.past
    return past.facts if past is not None and past.is_finished else None


def facts_of(output: Output, surveys: dict[str, Survey], sample: int) -> Facts:
    manifest = manifest_of(output)
    whole = Survey()
    for one in surveys.values():
        whole.add(one)
    if manifest is not None:
        shards = [
            Shard(told["name"], told["split"], told["records"], told["bytes"],
                  told["images_per_label"])
            for told in manifest["shards"]
        ]  # fmt: skip
    else:
        shards = [_seen(output, name, surveys.get(name)) for name in sorted(output.shards)]
    splits = list(dict.fromkeys(shard.split for shard in shards))
    unfinished = output.past is not None and not output.past.is_finished
    classes = _classes(output, shards, whole)
    facts = Facts(output, manifest, unfinished, shards, classes, whole, sample, splits)
    for shard in shards:
        seen = surveys.get(shard.name)
        short = max(shard.records - seen.records, 0) if seen else shard.records
        if seen is None or seen.troubles or short:
            facts.damaged.append(shard.name)
            facts.missing += short
    return facts


def _seen(output: Output, name: str, seen: Survey | None) -> Shard:
    match = NUMBERED.fullmatch(name)
    split = match.group(1).removesuffix(".tfrecord") if match else RECORDS
    path = output.shards[name]
    try:
        size = path.stat().st_size if path else 0
    except OSError:
        size = 0
    labels = dict(sorted(seen.labels.items(), key=_by_number)) if seen else {}
    return Shard(name, split or RECORDS, seen.records if seen else 0, size, labels)


def _by_number(item: tuple[str, int]) -> tuple[int, int, str]:
    label = item[0]
    is_number = label.isascii() and label.isdigit() and len(label) < 19
    return (0, int(label), "") if is_number else (1, 0, label)


def _classes(output: Output, shards: list[Shard], whole: Survey) -> list[ClassRow]:
    counts: dict[str, Counter[str]] = {}
    for shard in shards:
        counts.setdefault(shard.split, Counter()).update(shard.labels)
    labels: dict[str, str] = {}
    if output.labels is not None and output.past is not None:
        first = output.past.facts["options"]["label_offset"]
        labels = {str(first + n): name for n, name in enumerate(output.labels)}
    for split in counts.values():
        for label in split:
            labels.setdefault(label, "")
    rows = []
    texts = _texts(output)
    for label, _ in sorted(((label, 0) for label in labels), key=_by_number):
        name, text = whole.names.get(label, ("", ""))
        each = {split: split_counts[label] for split, split_counts in counts.items()}
        name = (labels[label] or name).encode("utf-8", "replace").decode()
        text = text or texts.get(name, "")
        rows.append(ClassRow(label, name, "" if text == name else text, each))
    return rows


def _texts(output: Output) -> dict[str, str]:
    """ImageNet's words for its classes, whose records may be none or have none; not where others
    were given."""
    past = output.past
    if past is not None and past.facts.get("source", {}).get("synset_text"):
        return {}
    return imagenet_texts()
