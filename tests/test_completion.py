"""Shell completion: what fastconv answers, and what real shells make of it on a terminal."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.shell_completion import get_completion_class

from fastconv.cli import cli

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """One in which ``fastconv`` is a command, and no start-up file of a person's is read."""
    command = tmp_path / "tools" / "fastconv"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m fastconv "$@"\n')
    command.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
        "TERM": "dumb",
    }


def answers(environment: dict[str, str], *words: str) -> list[str]:
    """What bash is told about the last word of a command line that is being typed."""
    asked = {
        "COMP_WORDS": "\n".join(["fastconv", *words]),
        "COMP_CWORD": str(len(words)),
        "_FASTCONV_COMPLETE": "bash_complete",
    }
    done = subprocess.run(
        ["fastconv"], env={**environment, **asked}, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_commands_options_choices_and_paths(environment: dict[str, str]) -> None:
    assert answers(environment, "shar") == ["plain,shards"]
    assert {"plain,shards", "plain,verify", "plain,completion"} <= set(answers(environment, ""))
    found = answers(environment, "shards", "--res")
    assert found == ["plain,--resize", "plain,--resize-mode", "plain,--resume"]
    found = answers(environment, "shards", "in", "--split", "")
    assert found == ["plain,train", "plain,validation", "plain,all"]
    assert answers(environment, "shards", "im") == ["file,im"]
    assert answers(environment, "shards", "in", "--boxes", "") == ["file,"]
    assert answers(environment, "shards", "in", "--out", "o") == ["dir,o"]
    assert answers(environment, "diff", "one", "t") == ["file,t"]
    assert answers(environment, "completion", "") == ["plain,bash", "plain,zsh", "plain,fish"]


def test_an_answer_loads_almost_nothing(environment: dict[str, str]) -> None:
    """A person waits for it with a finger on the key."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "fastconv"],
        env={
            **environment,
            "COMP_WORDS": "fastconv shards --",
            "COMP_CWORD": "2",
            "_FASTCONV_COMPLETE": "bash_complete",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert "plain,--out" in done.stdout
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.split("\n")}
    assert "click" in loaded
    assert loaded & {"numpy", "PIL", "simplejpeg", "rich", "multiprocessing"} == set()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_clicks(environment: dict[str, str], shell: str) -> None:
    done = subprocess.run(
        ["fastconv", "completion", shell], env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = get_completion_class(shell)
    assert found is not None
    script = found(cli, {}, "fastconv", "_FASTCONV_COMPLETE").source()
    assert done.stdout.rstrip() == script.rstrip()


def test_a_shell_that_is_not_known(environment: dict[str, str]) -> None:
    words = ["fastconv", "completion", "tcsh"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in done.stderr


# ---- on a terminal ------------------------------------------------------------------------------


class Terminal:
    """A shell on a terminal of its own."""

    def __init__(self, words: list[str], environment: dict[str, str], folder: Path) -> None:
        self.text = ""
        master, slave = pty.openpty()
        self.master = master
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *words],
            env=environment,
            cwd=folder,
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)

    def type(self, keys: str, until: str) -> None:
        """Type, and wait for a text that appears after that."""
        self.text = ""
        os.write(self.master, keys.encode())
        ends = time.monotonic() + 30
        while until not in self.text:
            ready = select.select([self.master], [], [], max(0, ends - time.monotonic()))[0]
            assert ready, f"{until!r} did not appear behind {keys!r}: {self.text!r}"
            self.text += os.read(self.master, 4096).decode(errors="replace")


BEGUN = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'eval "$(fastconv completion bash)"'),
    "zsh": (
        ["zsh", "-f", "-i"],
        "unsetopt zle_bracketed_paste prompt_sp; autoload -Uz compinit; compinit -u -D; "
        'eval "$(fastconv completion zsh)"',
    ),
    "fish": (["fish", "--no-config", "-i"], "fastconv completion fish | source"),
}


@pytest.mark.parametrize("shell", BEGUN)
def test_a_real_shell_completes(shell: str, environment: dict[str, str], tmp_path: Path) -> None:
    for needed in (shell, "setsid"):
        if shutil.which(needed) is None:
            pytest.skip(f"{needed} is not installed")
    (tmp_path / "imagenet-as-downloaded").mkdir()
    words, begin = BEGUN[shell]
    with Terminal(words, environment, tmp_path) as terminal:
        terminal.type(f"{begin}; echo rea''dy\n", "ready")
        for typed, rest in (
            ("fastconv ver\t", "ify "),
            ("fastconv shards --train-sh\t", "ards "),
            ("fastconv shards --split val\t", "idation "),
            ("fastconv shards imagenet-as\t", "-downloaded/"),
            ("fastconv shards in --out imagenet-as\t", "-downloaded/"),
        ):
            terminal.type(typed, typed[:-1] + rest)
            terminal.type("\x15echo nex''t\n", "next")  # Ctrl-U: the line is taken away
