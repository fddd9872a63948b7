"""Where a command's outcome goes, and what it says on the way."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from fastconv.errors import OutputError, one_line

if TYPE_CHECKING:
    from rich.console import Console


def consoles() -> tuple[Console, Console]:
    """(for the outcome, for everything on the way): standard output and standard error."""
    from fastconv.display import PlainConsole

    return PlainConsole(), PlainConsole(stderr=True)


def say(console: Console, lines: Iterable[str]) -> None:
    """Lines as they are, however long, so that paths can be copied and output searched."""
    with suppress(OSError):  # a job does not end because nobody watches it
        for line in lines:
            console.print(one_line(line), soft_wrap=True)


def outcome(
    summary: dict[str, Any], lines: Iterable[str], quiet: bool, as_json: bool, table: Any = None
) -> None:
    """What a command came to, on standard output."""
    if sys.stdout is None:  # it was closed from the beginning
        return
    try:
        if as_json:
            click.echo(json.dumps(summary))
        elif not quiet:
            if table is not None:
                consoles()[0].print(table)
            for line in lines:
                click.echo(one_line(line))
        sys.stdout.flush()
    except BrokenPipeError:
        return  # who asked has read enough
    except OSError as error:
        raise OutputError(f"standard output: cannot be written: {error.strerror}") from None
