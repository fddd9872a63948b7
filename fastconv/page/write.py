"""The page, written: one file that needs no other, and no network."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastconv.atomic import ANEW, output_error, write_file
from fastconv.checking.outputs import Output, look_at
from fastconv.checking.whole import verify as verify_output
from fastconv.errors import InputError, OutputError, UsageError
from fastconv.image_options import check_whole
from fastconv.layout import INDEXES, refuse_among
from fastconv.manifest import TOOL
from fastconv.options import PathLike, clean_path
from fastconv.page.content import content_of
from fastconv.page.facts import Facts, facts_of
from fastconv.page.licences import licence_of
from fastconv.page.paths import Paths
from fastconv.page.sheet import pictures_of
from fastconv.page.survey import ShardToRead, survey
from fastconv.page.svg import required
from fastconv.pictures.places import count
from fastconv.progress import OnProgress, Watch
from fastconv.regular import content
from fastconv.runs import read_runs
from fastconv.schema import stored_names
from fastconv.workers import usable_cores

if TYPE_CHECKING:
    from fastconv.checking.findings import VerifyReport
    from fastconv.recruits import Recruits

GENERATOR = "fastconv report"  # what a page begins with that may be replaced
HEAD_BYTES = 4096
TEXT_MAX = 1 << 20  # of a licence, or of a citation
NOT_SHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class PageReport:
    """``html``: the page, of so many ``bytes``; ``records``: how many there are, of which ``read``
    were looked at; ``found``: what verifying found, None where it was not asked for."""

    html: Path
    bytes: int
    shards: int
    records: int
    read: int
    found: int | None
    seconds: float

    @property
    def exit_code(self) -> int:
        """0, or 5 where verifying found anything."""
        from fastconv.errors import FOUND_WRONG

        return FOUND_WRONG if self.found else 0

    def as_dict(self) -> dict[str, Any]:
        """All of it as values that JSON knows."""
        return {
            "html": str(self.html),
            "exit_code": self.exit_code,
            "bytes": self.bytes,
            "shards": self.shards,
            "records": self.records,
            "read": self.read,
            "found": self.found,
            "seconds": round(self.seconds, 3),
        }


def write_report(
    out: PathLike,
    html: PathLike,
    *,
    title: str | None = None,
    verify: bool = True,
    sample_records: int | None = None,
    licence_file: PathLike | None = None,
    citation_file: PathLike | None = None,
    workers: int | None = None,
    on_progress: OnProgress | None = None,
    recruits: Recruits | None = None,
) -> PageReport:
    """Write a page that says what is in ``out``: an output of fastconv's, or anybody's TFRecord
    files, of which less is known. It is one file, which opens from disk and loads nothing.

    ``verify``: check it as fastconv.verify does, and say what that found. ``sample_records``: read
    about so many records' sizes and boxes, not all. ``licence_file``, ``citation_file``: texts
    (UTF-8) that stand in place of ImageNet's. The same output gives the same bytes, but for what
    runs.json says. A page that is there is replaced, another file never.

    Raises InputError where there is nothing to report on, OutputError where the page cannot be
    written, and UsageError, also where the extra ``report`` is not installed.
    """
    required()
    watch = Watch(on_progress)
    folder = clean_path(out, "OUT", absolute=False)
    page = clean_path(html, "--html", absolute=False)
    if str(html) == "-":
        raise UsageError("--html -: a page is not written to standard output; name a file")
    if title is not None and not title.strip():
        raise UsageError("--title is empty; give a title, or leave it out")
    if workers is not None:
        check_whole("workers", workers, 1, 99_999)
    if sample_records is not None:
        check_whole("sample_records", sample_records, 1)
    texts = [_given(licence_file, "--licence-file"), _given(citation_file, "--citation-file")]
    output = look_at(folder)
    _refuse(page, output)
    verdict = None
    if verify:
        verdict = verify_output(folder, workers=workers, on_progress=on_progress, recruits=recruits)
    elif recruits is not None:
        recruits.dismiss()
    stored = stored_names(output.past.facts if output.past else None)
    shards, step = _to_read(output, sample_records)
    surveys = survey(shards, stored, workers or usable_cores(), watch)
    facts = facts_of(output, surveys, step)
    watch.phase("drawing")
    name = folder.absolute().name if title is None else title
    data = _rendered(facts, verdict, name, texts, stored).encode("utf-8", "replace")
    _save(page, data)
    return PageReport(
        page, len(data), len(facts.shards), facts.survey.records, facts.survey.read,
        verdict.found if verdict else None, watch.seconds,
    )  # fmt: skip


def _given(path: PathLike | None, option: str) -> str | None:
    if path is None:
        return None
    name = clean_path(path, option)
    try:
        data = content(name)
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror}") from None
    if len(data) > TEXT_MAX:
        raise InputError(f"{name}: has {len(data):,} bytes; {option} is a text of up to 1 MiB")
    try:
        return data.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{name}, line {number}: is no UTF-8; {option} is a text, saved as UTF-8"
        ) from None


def _refuse(page: Path, output: Output) -> None:
    """OutputError or UsageError where a page must not be."""
    try:
        inside = {path.parent.resolve() for path in output.shards.values() if path is not None} - {
            output.root.resolve()
        }
        refuse_among(page, "--html", {*inside, output.root / INDEXES})
    except OSError as error:
        raise output_error(page, error, ANEW) from None
    try:
        data = content(page)[:HEAD_BYTES]
    except FileNotFoundError:
        if not page.parent.is_dir():
            raise OutputError(f"{page}: there is no folder {page.parent}") from None
        return
    except OSError as error:
        raise output_error(page, error, ANEW) from None
    if data and f'name="generator" content="{GENERATOR}'.encode() not in data:
        raise OutputError(f"{page}: is there already, and is no report; choose another name")


def _to_read(output: Output, sample_records: int | None) -> tuple[list[ShardToRead], int]:
    """(shards, the step from one record that is read to the next)."""
    there = {name: path for name, path in sorted(output.shards.items()) if path is not None}
    step = 1
    if sample_records is not None:
        total = 0
        for name, path in there.items():
            said = output.said.get(name)
            with suppress(InputError):
                total += said["records"] if said else count(path, output.indexes.get(name))
        step = max(1, total // sample_records)
    return [
        ShardToRead(name, str(path), str(index) if (index := output.indexes.get(name)) else None,
                    step)
        for name, path in there.items()
    ], step  # fmt: skip


def _rendered(
    facts: Facts,
    verdict: VerifyReport | None,
    title: str,
    texts: list[str | None],
    stored: dict[str, str],
) -> str:
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    def part(name: str) -> str:
        return (resources.files("fastconv.page") / "data" / name).read_text("utf-8")

    style, script = "\n" + part("report.css"), "\n" + part("report.js")
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_clean,
        trim_blocks=False,
        keep_trailing_newline=True,
    )
    policy = (
        "default-src 'none'; img-src data:; "
        f"style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    pictures, why = pictures_of(facts.output, stored)
    paths = Paths(facts.manifest, facts.output.root, facts.output.named)
    what = content_of(facts, verdict, read_runs(facts.output.root), paths)
    sections = [
        ("totals", "Totals"), ("verify", "Verification"),
        *([("made", "How it was made"), ("noted", "Skipped and repaired")] if what["made"] else []),
        ("classes", "Classes"), ("images", "Images"), ("boxes-of", "Boxes"),
        ("sheet", "Contact sheet"), ("shards", "Shards"), ("throughput", "Throughput"),
        ("licence", "Licence and citation"),
    ]  # fmt: skip
    return environment.from_string(part("report.html.j2")).render(
        **what,
        title=title,
        generator=f"{GENERATOR}, {TOOL}",
        policy=Markup(policy),  # of our own making
        style=Markup(style),
        script=Markup(script),
        contents=sections,
        pictures=pictures,
        no_pictures=paths.text(why),
        licence=licence_of(facts.is_imagenet, *texts),
        footer=f"Written by {TOOL} report. This page needs no network and no other file.",
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"


def _clean(value: Any) -> Any:
    """Values without what a page may not hold: control characters, and halves of characters."""
    from markupsafe import Markup

    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return NOT_SHOWN.sub("\ufffd", value)


def _save(page: Path, data: bytes) -> None:
    write_file(page, data, page.with_name(f".{page.name}.{os.getpid()}.partial"))
