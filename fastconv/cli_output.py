"""Where a command's outcome goes, and what it says on the way."""

from __future__ import annotations

import codecs
import io
import json
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from fastconv.errors import OutputError, one_line

if TYPE_CHECKING:
    from rich.console import Console

    from fastconv.options import Options
    from fastconv.pictures.terminal import Window
    from fastconv.prepare import Prepared
    from fastconv.progress import Watch


ANY_ENCODING = "fastconv.any_encoding"
CUT, CUT_PLAIN = "…", "~"  # as wide: it stands in tables


def _likeness(error: UnicodeError) -> tuple[str | bytes, int]:
    """What stands for letters that an encoding has not: ~ for …, and else their numbers."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    if error.object[error.start] == CUT:
        return CUT_PLAIN, error.start + 1
    error.end = error.start + 1
    return codecs.backslashreplace_errors(error)


def allow_any_encoding() -> None:
    """Let standard output and standard error take any text, whatever their encoding is."""
    codecs.register_error(ANY_ENCODING, _likeness)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ANY_ENCODING)


def consoles() -> tuple[Console, Console]:
    """(for the outcome, for everything on the way): standard output and standard error."""
    from fastconv.display import PlainConsole

    return PlainConsole(), PlainConsole(stderr=True)


def say(console: Console, lines: Iterable[str]) -> None:
    """Lines as they are, however long, so that paths can be copied and output searched."""
    with suppress(OSError):  # a job does not end because nobody watches it
        for line in lines:
            console.print(one_line(line), soft_wrap=True)


def prepare_and_say(
    options: Options, watch: Watch, status: Console, dry_run: bool, quiet: bool
) -> Prepared:
    """List and plan, of `fastconv shards` and `fastconv plan`, and say what was found."""
    from fastconv.prepare import prepare
    from fastconv.tables import source_lines, warning_lines

    prepared = prepare(options, watch, to_write=not dry_run)
    if not quiet:
        say(status, source_lines(prepared.dataset, prepared.checked))
        say(status, [] if dry_run else warning_lines(prepared))
    return prepared


def outcome(
    summary: dict[str, Any],
    lines: Iterable[str],
    quiet: bool,
    as_json: bool,
    table: Any = None,
    wide: int | None = None,
) -> None:
    """What a command came to, on standard output. ``wide``: the table's columns, see columns()."""
    if sys.stdout is None:  # it was closed from the beginning
        return
    try:
        if as_json:
            click.echo(json.dumps(summary))
        elif not quiet:
            if table is not None:
                console = consoles()[0]
                if wide is not None:
                    console.width = wide
                console.print(table)
            for line in lines:
                click.echo(one_line(line))
        sys.stdout.flush()
    except BrokenPipeError:
        return  # who asked has read enough
    except OSError as error:
        raise OutputError(f"standard output: cannot be written: {error.strerror}") from None


def columns(otherwise: int) -> int:
    """How wide standard output is, where a terminal or COLUMNS says it."""
    console = consoles()[0]
    return console.width if console.is_terminal or "COLUMNS" in os.environ else otherwise


def pictures_wanted(wanted: bool | None) -> str | None:
    """How to show pictures on standard output; None for not at all."""
    from fastconv.pictures.terminal import how_to_show

    return how_to_show(os.environ, wanted, sys.stdout is not None and sys.stdout.isatty())


def terminal_window() -> Window:
    """The size of the terminal that standard output is, or a usual one's."""
    from fastconv.pictures.terminal import window

    return window(sys.stdout.fileno() if sys.stdout is not None else -1)


def picture(escapes: bytes) -> None:
    """A picture, as the terminal's own sequences. OutputError where it cannot be written."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(escapes)
        sys.stdout.flush()
    except BrokenPipeError:
        return
    except OSError as error:
        raise OutputError(f"standard output: cannot be written: {error.strerror}") from None
