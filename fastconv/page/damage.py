"""What is not as it should be with an output, as the page says it at its top."""

from __future__ import annotations

from fastconv.manifest import JOURNAL, MANIFEST
from fastconv.page.facts import Facts


def counted(count: int, what: str, ending: str = "s") -> str:
    """1 shard; 2 shards."""
    return f"{count:,} {what}{ending if count != 1 else ''}"


def warnings_of(facts: Facts) -> list[str]:
    said = []
    if facts.unfinished:
        said.append("The conversion is not finished: this page tells of the shards that are there.")
    elif facts.manifest is None:
        said.append(f"{_no_manifest(facts)}: options, source and skipped images are not known.")
    bad, unreadable = len(facts.damaged), facts.survey.unreadable
    if bad:
        said.append(
            f"{counted(bad, 'shard')} {'are' if bad != 1 else 'is'} missing, or could not be read "
            f"to the end.{_what_is_missing(facts)}"
        )
    if unreadable:
        said.append(
            f"{counted(unreadable, 'record')} could not be understood, and "
            f"{'are' if unreadable != 1 else 'is'} not counted among images and boxes."
        )
    return said


def _no_manifest(facts: Facts) -> str:
    for finding in facts.output.findings:
        if facts.output.past is None and finding.file in (MANIFEST, JOURNAL):
            return f"{finding.file} {finding.what.partition(', ')[0]}"
    return "There is no manifest of fastconv’s"


def _what_is_missing(facts: Facts) -> str:
    if facts.manifest is None:
        return " The records that are missing there are not counted below."
    return (
        f" Of the {facts.records:,} records that the manifest tells of, {facts.missing:,} could "
        f"not be read. Totals, classes and shards below are the manifest’s numbers, of what was "
        f"written; images, boxes and the contact sheet are of what could be read."
    )


def by_manifest(facts: Facts) -> str:
    """Said where numbers are of records that are no longer there; empty where all can be read."""
    if facts.manifest is None or not facts.damaged:
        return ""
    return (
        f"The manifest’s numbers, of what was written: {facts.missing:,} of the {facts.records:,} "
        f"records could not be read when this page was written."
    )


def of_what(facts: Facts) -> str:
    """Said where sizes and boxes are not those of all records."""
    seen = facts.survey
    if facts.sample != 1:
        return (
            f"A sample: sizes and boxes are those of {seen.read:,} of {seen.records:,} records"
            f"{' that could be read' if facts.damaged else ''}, each {facts.sample:,}th of a shard."
        )
    if facts.manifest is not None and facts.damaged:
        return (
            f"Sizes and boxes are those of the {seen.records - seen.unreadable:,} records that "
            f"could be read, of {facts.records:,}."
        )
    return ""
