"""A comparison, from top to bottom."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from fastconv.comparison import anyorder
from fastconv.comparison.beside import compare_indexes, compare_labels, manifest_notes
from fastconv.comparison.features import CLASS, KEY, Rules
from fastconv.comparison.inorder import Pair, Side, compare_files, equal_bytes
from fastconv.comparison.report import Difference, DiffReport, Place, Tally
from fastconv.comparison.sides import (
    Dataset,
    named,
    open_side,
    split_of,
    splits_count,
    splits_that_differ,
)
from fastconv.comparison.spread import Spread
from fastconv.errors import UsageError
from fastconv.progress import OnProgress
from fastconv.workers import usable_cores

LIMIT = 20
BESIDE = ("labels.txt", "manifest.json", "manifest.journal")  # which are no records and no surprise


def diff(
    a: str | Path,
    b: str | Path,
    *,
    same_bytes: bool = False,
    any_order: bool = False,
    key: Sequence[str] = (),
    ignore: Sequence[str] = (),
    float_tolerance: float = 0.0,
    limit: int = LIMIT,
    workers: int | None = None,
    on_progress: OnProgress | None = None,
) -> DiffReport:
    """Whether two sides are the same dataset, and the first `limit` differences by name.

    A side is an output of fastconv's, a folder of TFRecord files, or one such file; files that are
    compressed with GZIP are compared by what is in them. Files of the
    same name belong together. Where their bytes differ, record k of one is compared with record k
    of the other, as parsed features; with `any_order`, records are matched by the features `key`
    (default: image/filename, and the class where names need it), wherever they stand. `same_bytes`:
    the same features in another wire form are a difference, too. Features in `ignore` are passed
    over, and floats may differ by `float_tolerance`. ``workers`` of None is every usable core.

    Raises UsageError for what contradicts itself, InputError where a side cannot be read, and
    WorkerError. A damaged record is no error here, but a difference.
    """
    began = time.monotonic()
    rules = _rules(same_bytes, key, ignore, float_tolerance)
    if key and not any_order:
        raise UsageError("--key is for --any-order; without it record k is compared with record k")
    if limit < 0:
        raise UsageError(f"--limit is 0 or more, not {limit}")
    if workers is not None and workers < 1:
        raise UsageError(f"--workers is 1 or more, not {workers}")
    left, right = open_side(a), open_side(b)
    if left.single != right.single and not any_order:
        raise UsageError(
            f"{a if left.single else b} is a file, the other a folder; name two of a kind, or "
            f"compare the records wherever they stand with --any-order"
        )
    spread = Spread(workers or usable_cores(), on_progress)
    job = _Job(left, right, rules, limit, spread)
    beside = compare_labels(left, right, job.tally)
    notes = job.any_order() if any_order else job.in_order()
    notes += beside
    notes += compare_indexes(left, right, job.equal, job.tally)
    notes += manifest_notes(left, right)
    for mine, side in (("A", left), ("B", right)):
        other = [name for name in side.passed_over if name not in BESIDE]
        notes += [f"{mine}: {len(other):,} files without records: {named(other)}"] if other else []
    tally = job.tally
    return DiffReport(
        str(a),
        str(b),
        len(left.files),
        len(right.files),
        tally.equal_files,
        tally.records,
        tally.other_bytes,
        tally.elsewhere,
        {kind: count for kind, count in sorted(tally.kinds.items()) if count},
        dict(sorted(tally.features.items(), key=lambda item: (-item[1], item[0]))),
        tuple(tally.first),
        tuple(notes),
        spread.workers,
        time.monotonic() - began,
    )


def _rules(same_bytes: bool, key: Sequence[str], ignore: Sequence[str], tolerance: float) -> Rules:
    if isinstance(key, str) or isinstance(ignore, str):
        raise UsageError("key and ignore are lists of features, not one text")
    if not 0 <= tolerance < math.inf:
        raise UsageError(f"--float-tolerance is 0 or more, not {tolerance}")
    if same_bytes and (ignore or tolerance):
        raise UsageError("--bytes asks for equal bytes: --ignore and --float-tolerance contradict")
    return Rules(tuple(key) or (KEY,), bool(key), frozenset(ignore), float(tolerance), same_bytes)


class _Job:
    """What both kinds of comparison share: the sides, the rules, the processes, the tally."""

    def __init__(
        self,
        a: Dataset,
        b: Dataset,
        rules: Rules,
        limit: int,
        spread: Spread,
    ) -> None:
        self.a, self.b, self.rules = a, b, rules
        self.tally = Tally(limit)
        self.equal: set[str] = set()  # names of files whose bytes are the same
        self._spread = spread

    def _pairs(self) -> list[Pair]:
        """Files that belong together: those of a name, or the only ones."""
        if self.a.single and self.b.single:
            both = [(self.a.files[0], self.b.files[0])]
        else:
            others = {side.name: side for side in self.b.files}
            both = [(side, others[side.name]) for side in self.a.files if side.name in others]
        return [Pair(x, y, self.a.sizes[x.name] + self.b.sizes[y.name]) for x, y in both]

    def in_order(self) -> list[str]:
        """Record k with record k; returns notes."""
        pairs = self._pairs()
        if not (self.a.single and self.b.single):
            self._lonely_files()
        compare = partial(compare_files, rules=self.rules, limit=self.tally.limit)
        sizes = [pair.bytes for pair in pairs]
        found = self._spread.map("comparing", compare, pairs, sizes, lambda pair: str(pair.a.path))
        with closing(found) as tallies:
            for pair, tally in zip(pairs, tallies, strict=True):
                if tally.equal_files:
                    self.equal.add(pair.a.name)
                self.tally.add(tally)
        notes = splits_that_differ(self.a, self.b)
        if not notes and any(
            difference.kind == "record" and difference.key_a != difference.key_b
            for difference in self.tally.first
        ):
            notes = [
                f"records of one number differ in {self.rules.key[0]}: one may be missing, or the "
                f"order another; --any-order compares records wherever they stand"
            ]
        return notes

    def _lonely_files(self) -> None:
        for side in self.a.files:
            if side.name not in self.b.sizes:
                self.tally.found(Difference("file", Place(side.name), None))
        for side in self.b.files:
            if side.name not in self.a.sizes:
                self.tally.found(Difference("file", None, Place(side.name)))

    def any_order(self) -> list[str]:
        """Records matched by their key; returns notes."""
        rest_a, rest_b = self._without_equal_files()
        if not rest_a and not rest_b:
            return []
        with_splits, why = splits_count(self.a, self.b)
        files = [(side, True) for side in rest_a] + [(side, False) for side in rest_b]
        tasks = [(side, is_a, split_of(side.name) if with_splits else "") for side, is_a in files]
        sizes = [(self.a if is_a else self.b).sizes[side.name] for side, is_a in files]
        digest = partial(anyorder.digest_file, rules=self.rules, limit=self.tally.limit)
        with closing(
            self._spread.map("reading", digest, tasks, sizes, lambda task: str(task[0].path))
        ) as found:
            parts = list(found)
        for part in parts:
            self.tally.add(part.tally)
        a = anyorder.Table(rest_a, parts[: len(rest_a)])
        b = anyorder.Table(rest_b, parts[len(rest_a) :])
        keyless = sum(part.keyless for part in parts)
        del parts  # of 1.28 million records on each side, 140 MB
        if self.rules.given and keyless == len(a) + len(b) > 0:
            raise UsageError(f"no record has a feature {' or '.join(self.rules.key)}; see --key")
        matching = anyorder.match(a, b, self.rules)
        self._count(a, b, matching)
        return self._key_notes(with_splits, why, matching.by_class, keyless)

    def _without_equal_files(self) -> tuple[list[Side], list[Side]]:
        """The files of each side, without those whose bytes are the same: as many records of each
        kind are gone on both sides, which changes nothing about the others."""
        pairs = self._pairs()
        sizes = [pair.bytes for pair in pairs]
        with closing(
            self._spread.map("comparing", _same_files, pairs, sizes, lambda pair: str(pair.a.path))
        ) as found:
            equal = {pair for pair, same in zip(pairs, found, strict=True) if same}
        self.equal = {pair.a.name for pair in equal}
        self.tally.equal_files = len(equal)
        gone_a, gone_b = {pair.a for pair in equal}, {pair.b for pair in equal}
        return (
            [side for side in self.a.files if side not in gone_a],
            [side for side in self.b.files if side not in gone_b],
        )

    def _count(self, a: anyorder.Table, b: anyorder.Table, matching: anyorder.Matching) -> None:
        tally = self.tally
        for rows, _ in (matching.same, matching.other_bytes, matching.pairs):
            tally.records += len(rows)
        tally.other_bytes += len(matching.other_bytes[0])
        tally.elsewhere = anyorder.count_elsewhere(a, b, matching)
        compare = partial(anyorder.compare_pairs, rules=self.rules, limit=tally.limit)
        with closing(
            self._spread.map(
                "looking at what differs",
                compare,
                anyorder.tasks(a, b, matching.pairs),
                anyorder.task_sizes(matching.pairs),
                lambda task: str(task[0][0].path),
                "images",
            )
        ) as found:
            for part in found:
                tally.add(part)
        anyorder.only_on_one_side(a, matching.only[0], "A", self.rules, tally)
        anyorder.only_on_one_side(b, matching.only[1], "B", self.rules, tally)

    def _key_notes(self, with_splits: bool, why: str, by_class: bool, keyless: int) -> list[str]:
        key = [*self.rules.key, *(["split"] if with_splits else [])]
        text = f"records are matched by {' and '.join(key)}"
        if by_class:
            text += f" and {' or '.join(CLASS)}, since a name comes in more than one class"
        if why:
            text += f"; not by split: {why}"
        notes = [text]
        if keyless:
            notes.append(
                f"{keyless:,} records have nothing of {', '.join(self.rules.key)}: they match only "
                f"where all of them is equal; choose another feature with --key"
            )
        return notes


def _same_files(pair: Pair) -> bool:
    return equal_bytes(pair.a.path, pair.b.path)
