"""Nothing on the command line goes without words: the help, the documents and the manual pages."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from fastconv.cli import cli

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## `fastconv ([\w-]+)`\n(.*?)(?=^## |\Z)", REFERENCE, re.M | re.S))
COMMANDS = sorted(cli.commands)
WIDTHS = (80, 100)


def options(command: str) -> list[click.Option]:
    return [p for p in cli.commands[command].params if isinstance(p, click.Option)]


def arguments(command: str) -> list[click.Argument]:
    return [p for p in cli.commands[command].params if isinstance(p, click.Argument)]


def help_of(command: str | None, width: int) -> str:
    """What ``fastconv [COMMAND] --help`` prints on a terminal of that width."""
    settings = {**cli.context_settings, "terminal_width": width}
    root = click.Context(cli, info_name="fastconv", **settings)
    if command is None:
        return cli.get_help(root)
    inner = click.Context(cli.commands[command], root, command, **settings)
    return cli.commands[command].get_help(inner)


def rows_of(command: str) -> dict[str, list[str]]:
    """By its name, the cells of each option's row in the command's own section; `plan`'s says in
    what its options differ from those of `shards`."""
    rows = rows_of("shards") if command == "plan" else {}
    for line in re.findall(r"^\| (`--.*) \|$", SECTIONS[command], re.M):
        cells = [cell.strip() for cell in line.split(" | ")]
        for name in re.findall(r"`(--[\w-]+)", cells[0]):
            rows[name] = cells
    return rows


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_fits_the_terminal(command: str | None, width: int) -> None:
    text = help_of(command, width)
    assert [line for line in text.splitlines() if len(line) > width] == []
    assert "..." not in text.replace("[ARGS]...", "").replace("SHARDS...", ""), "a text is cut off"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_begins_with_a_sentence(command: str) -> None:
    first = (cli.commands[command].help or "").split("\n\n")[0]
    assert first, "a command without a docstring"
    assert first.endswith((".", "?", ":")) and first[0].isupper(), first


@pytest.mark.parametrize("command", COMMANDS)
def test_every_argument_is_explained(command: str) -> None:
    for argument in arguments(command):
        name = (argument.name or "").upper()
        assert re.search(rf"\b{name}\b", cli.commands[command].help or ""), f"help: {name}"
        assert re.search(rf"\b{name}\b", SECTIONS[command]), f"docs/cli.md: {name}"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_help(command: str) -> None:
    for option in options(command):
        text = (option.help or "").strip()
        choices = option.type.choices if isinstance(option.type, click.Choice) else ()
        assert len(text) > 10, f"{option.opts[0]}: {text!r}"
        assert text[0].isupper() or text.partition(":")[0] in choices, f"{option.opts[0]}: {text!r}"
        assert text.endswith((".", "]")), f"{option.opts[0]}: {text!r} is no sentence"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_default_is_shown_or_said(command: str) -> None:
    """A default that is a value, in the help; and in the reference each option's, if only off."""
    context = click.Context(cli.commands[command])
    rows = rows_of(command)
    for option in options(command):
        name = option.opts[0]
        assert name in rows, f"docs/cli.md has no row for {name} below fastconv {command}"
        cells = rows[name]
        assert len(cells) == 3 and all(cells), f"{name}: {cells}"
        default = option.get_default(context)
        if option.required:
            assert cells[1] == "required", name
        elif isinstance(default, (str, int, float)) and not isinstance(default, bool):
            record = option.get_help_record(context)
            assert record is not None
            assert "[default: " in record[1] or "[" in (option.help or ""), f"{name}: its default?"
            assert f"{default:g}" if isinstance(default, float) else str(default) in cells[1], name


@pytest.mark.parametrize("command", COMMANDS)
def test_the_synopsis_names_the_command(command: str) -> None:
    synopsis = REFERENCE.partition("## ")[0]
    (line,) = re.findall(rf"^    fastconv {command} .*$", synopsis, re.M)
    for argument in arguments(command):
        assert (argument.name or "").upper() in line


def test_manual_pages(tmp_path: Path) -> None:
    """Every command has one, with all that its help has; made twice, they are the same bytes."""
    pytest.importorskip("click_man")
    tool = ROOT / "tools" / "make_man.py"
    for folder in ("one", "two"):
        subprocess.run([sys.executable, tool, tmp_path / folder], check=True, cwd=ROOT)
    pages = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "one").iterdir()}
    assert pages.keys() == {"fastconv.1", *(f"fastconv-{command}.1" for command in COMMANDS)}
    for name, text in pages.items():
        assert (tmp_path / "two" / name).read_text(encoding="utf-8") == text
        assert not re.search(r"^['.](?!TH|SH|TP|PP|B )", text, re.M), f"{name}: no request is meant"
        assert not re.search(r"\\(?![-f])", text), f"{name}: a backslash that is not groff's"
    for command in COMMANDS:
        page = pages[f"fastconv-{command}.1"].replace("\\-", "-")
        for option in options(command):
            assert f"\\fB{option.opts[0]}" in page
        for word in ("NAME", "SYNOPSIS", "DESCRIPTION"):
            assert f".SH {word}\n" in page
