"""``fastconv completion``: the script by which a shell asks what could come next, and answers."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem, get_completion_class
from click.types import StringParamType

from fastconv.cli_output import outcome

PATHS = {"DIR": "dir", "PATH": "file", "FILE": "file"}  # a metavar: what a shell offers for it


class Place(StringParamType):
    """A string that stands for a path: the shell completes it, and nothing is checked here."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type=self.kind)]


def complete_paths(command: click.Command) -> None:
    """Have a command's paths completed: options by their metavar, and all of its arguments."""
    for parameter in command.params:
        if parameter.type is click.STRING:
            default = "file" if isinstance(parameter, click.Argument) else ""
            kind = PATHS.get(parameter.metavar or "", default)
            if kind:
                parameter.type = Place(kind)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that has SHELL complete fastconv's commands, options and paths.

    In bash: eval "$(fastconv completion bash)", in zsh the same with zsh, both in the shell's
    start-up file; in fish: fastconv completion fish > ~/.config/fish/completions/fastconv.fish
    """
    found = get_completion_class(shell)
    assert found is not None, "click knows each of these shells"
    root = ctx.find_root()
    script = found(root.command, {}, "fastconv", "_FASTCONV_COMPLETE").source()
    outcome({}, script.splitlines(), quiet=False, as_json=False)
