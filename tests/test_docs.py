"""The documents are run: their commands and programs do what they say, and their links lead on.

A fenced block is run where an HTML comment stands on the line before it:

- ``<!-- run -->`` before a console block: its ``$`` lines are commands, the others are all that
  these print (standard output and error together), where ``…`` stands for any text, and a line of
  nothing else for any lines. A command must succeed, unless the next one is ``echo $?``.
- ``<!-- run -->`` before an sh block: a script; what it prints is not looked at.
- ``<!-- run -->`` before a python block: a program; ``<!-- output -->`` before the text block after
  it says what it prints. ``<!-- run tensorflow -->`` does so only where TensorFlow is installed,
  which it is for ``make test-peers``: there, a missing module is a failure.

The blocks of one document are run in order, in a folder that holds a small sample ``imagenet``.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
import reader_packages

import fastconv
from fastconv import errors
from fastconv.cli import INTERRUPTED, OWN_ERROR, cli
from fastconv.errors import FOUND_WRONG
from fastconv.report import WRITTEN_WITH_SKIPS
from fastconv.sample import make_sample

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
GUARD = 'if __name__ == "__main__":'
RUN = ("console", "sh", "bash", "python")  # languages of blocks that can be run

FENCE = re.compile(
    r"^(?:<!-- (?P<mark>[a-z]+(?: [a-z_]+)*(?:: [^\n]+)?) -->\n)?"
    r"```(?P<language>[\w{}-]*)\n(?P<text>.*?)^```$",
    re.M | re.S,
)


@dataclass(frozen=True)
class Block:
    """A fenced block: ``mark`` is the comment before it, empty where there is none."""

    mark: str
    language: str
    text: str
    line: int

    @property
    def needs(self) -> str:
        """The module without which a block is not run."""
        return self.mark.removeprefix("run").strip() if self.mark.startswith("run") else ""


def blocks_of(document: Path) -> list[Block]:
    text = document.read_text(encoding="utf-8")
    return [
        Block(m["mark"] or "", m["language"], m["text"], text.count("\n", 0, m.start()) + 1)
        for m in FENCE.finditer(text)
    ]


def prose_of(document: Path) -> str:
    return FENCE.sub("", document.read_text(encoding="utf-8"))


def name_of(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


# ---- running ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("docs") / "imagenet"
    make_sample(out, classes=3, train_images=60, validation_images=20, seed=0, tree=True)
    return out


@dataclass(frozen=True)
class Place:
    """Where a document's blocks are run."""

    folder: Path
    environment: dict[str, str]

    def run(self, words: list[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words,
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=100,
            check=False,
        )


@pytest.fixture
def place(tmp_path: Path, imagenet: Path) -> Place:
    tools = tmp_path / "tools"
    tools.mkdir()
    command = tools / "fastconv"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m fastconv "$@"\n')
    command.chmod(0o755)
    folder = tmp_path / "here"
    folder.mkdir()
    shutil.copytree(imagenet, folder / "imagenet")
    package = Path(fastconv.__file__).resolve().parent.parent
    paths = [str(package), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUTF8": "1",
        # What TensorFlow says of itself, and of the processor, is not shown.
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "COLUMNS": "100",
        "TERM": "dumb",
    }
    return Place(folder, environment)


def matches(wanted: str, printed: str) -> bool:
    """Whether what was printed is what a document shows, ``…`` standing for anything."""
    pattern = ""
    for line in wanted.splitlines():
        if line.strip() == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*?".join(re.escape(part) for part in line.rstrip().split("…")) + "\n"
    lines = "".join(f"{line.rstrip()}\n" for line in printed.splitlines())
    return re.fullmatch(pattern, lines) is not None


def run_console(block: Block, place: Place, where: str) -> None:
    steps = re.split(r"^\$ ", block.text, flags=re.M)
    assert steps[0] == "", f"{where}: a console block begins with a command"
    code = 0
    for number, step in enumerate(steps[1:], 1):
        command, _, wanted = step.partition("\n")
        while command.endswith("\\"):
            more, _, wanted = wanted.partition("\n")
            command = f"{command[:-1]} {more.removeprefix('>').strip()}"
        done = place.run(["sh", "-c", f"(exit {code}); {command}"])
        code = done.returncode
        assert matches(wanted, done.stdout), f"{where}: $ {command}\nprinted:\n{done.stdout}"
        looked_at = number + 1 < len(steps) and steps[number + 1].startswith("echo $?")
        assert code == 0 or looked_at, f"{where}: $ {command}\nended with {code}:\n{done.stdout}"


def run_document(document: Path, place: Place, modules: set[str]) -> int:
    """Run a document's blocks, those that need a module only if it is among `modules`."""
    blocks = blocks_of(document)
    count = 0
    for block, after in zip(blocks, [*blocks[1:], None], strict=True):
        where = f"{name_of(document)}, line {block.line}"
        if not block.mark.startswith("run") or (block.needs and block.needs not in modules):
            continue
        count += 1
        if block.language == "console":
            run_console(block, place, where)
            continue
        if block.language == "sh":
            done = place.run(["sh", "-e", "-c", block.text])
        else:
            assert block.language == "python", f"{where}: cannot be run"
            # From standard input, where no __main__ could be imported again: none is needed.
            # PyTorch's workers are forks, which Python 3.12 and later warn of.
            forks = ["-W", "ignore:This process:DeprecationWarning"] if block.needs else []
            program = "-"
            if GUARD in block.text:  # it is for what imports __main__ again, which needs a file
                program = f"program_{block.line}.py"
                (place.folder / program).write_text(block.text)
            done = place.run([sys.executable, "-W", "error", *forks, program], block.text)
        assert done.returncode == 0, f"{where}: ended with {done.returncode}:\n{done.stdout}"
        if after is not None and after.mark == "output":
            assert matches(after.text, done.stdout), f"{where}: printed:\n{done.stdout}"
    return count


RUNNABLE = [
    document
    for document in DOCUMENTS
    if any(block.mark.startswith("run") for block in blocks_of(document))
]


@pytest.mark.docs
@pytest.mark.parametrize("document", RUNNABLE, ids=name_of)
def test_blocks_do_what_they_say(document: Path, place: Place) -> None:
    assert run_document(document, place, set()) > 0


# What is tried by `make test-cluster`: no readers.
ON_CLUSTERS = {"distributed"}


def needed_by(document: Path) -> set[str]:
    return {block.needs for block in blocks_of(document) if block.needs} - ON_CLUSTERS


@pytest.mark.peers
@pytest.mark.timeout(600)
@pytest.mark.parametrize("document", [d for d in RUNNABLE if needed_by(d)], ids=name_of)
def test_readers_read(document: Path, place: Place, request: pytest.FixtureRequest) -> None:
    needed = needed_by(document)
    missing = [module for module in sorted(needed) if importlib.util.find_spec(module) is None]
    if missing and request.config.getoption("markexpr") != "peers":
        pytest.skip(f"not installed: {', '.join(missing)}")
    assert not missing, "make test-peers installs them"
    run_document(document, place, needed)


@pytest.mark.cluster
@pytest.mark.parametrize(
    "document",
    [d for d in RUNNABLE if ON_CLUSTERS & {block.needs for block in blocks_of(d)}],
    ids=name_of,
)
def test_clusters_do_what_they_say(document: Path, place: Place) -> None:
    run_document(document, place, ON_CLUSTERS)


def test_every_reader_has_a_program_that_is_run() -> None:
    """Whoever adds a reader to what is installed is told to document it."""
    assert reader_packages.wanted()
    modules = set(reader_packages.READERS.values())
    assert needed_by(ROOT / "docs" / "readers.md") == modules


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_blocks_are_well_formed(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    blocks = blocks_of(document)
    assert len(blocks) * 2 == len(re.findall(r"^```", text, re.M)), "a fence is not closed"
    assert len([b for b in blocks if b.mark]) == len(
        re.findall(r"^<!-- (?:run|output|not run)", text, re.M)
    )
    for block in blocks:
        assert re.fullmatch(r"|run( [a-z_]+)?|output|not run: .+", block.mark), block
        assert block.mark or block.language not in RUN, f"line {block.line}: neither run nor not"
        if block.language == "python":
            compile(block.text, f"{name_of(document)}:{block.line}", "exec")


def test_a_wrong_document_is_found(place: Place, tmp_path: Path) -> None:
    """The judge itself: output that differs, a failure that is not shown, and wildcards."""
    for text in (
        "$ echo one\ntwo\n",
        "$ false\n$ echo later\nlater\n",
        "$ echo one; echo two\none\n",
        "$ false\n$ echo $?\n0\n",
    ):
        with pytest.raises(AssertionError):
            run_console(Block("run", "console", text, 1), place, "here")
    good = (
        "$ false\n$ echo $?\n1\n$ echo one; \\\n> echo two; echo three\none\n…\n$ echo ab cd\na…d\n"
    )
    run_console(Block("run", "console", good, 1), place, "here")


# ---- references ---------------------------------------------------------------------------------


def anchors_of(document: Path) -> set[str]:
    """The anchors that a Markdown reader makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", prose_of(document), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose_of(document)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (document.parent / path).resolve() if path else document
        assert there.exists(), f"{target}: no such file"
        assert not anchor or anchor in anchors_of(there), f"{target}: no such heading"


def code_files() -> Iterator[Path]:
    for folder in ("fastconv", "ext", "tests", "tools", "bench"):
        for path in sorted((ROOT / folder).rglob("*")):
            generated = path.suffix == ".c" and not path.stem.endswith("_impl")
            if path.suffix in (".py", ".pyi", ".pyx", ".pxd", ".c", ".h") and not generated:
                yield path


def test_references_in_code_resolve() -> None:
    found = 0
    for path in code_files():
        if path == Path(__file__):
            continue
        text = " ".join(line.strip(" #*") for line in path.read_text(encoding="utf-8").split("\n"))
        for match in re.finditer(r'(docs/[\w-]+\.md)((?:,? (?:and )?"[^"]+")*)', text):
            name, titles = match.groups()
            found += 1
            document = ROOT / name
            assert document.exists(), f"{path}: refers to {name}"
            headings = re.findall(r"^#+ (.+)$", prose_of(document), re.M)
            for title in re.findall(r'"([^"]+)"', titles):
                assert title in headings, f"{path}: {name} has no heading {title!r}"
    assert found >= 5


def test_every_document_is_in_the_index() -> None:
    """In a list below a heading: the site's navigation is made of these (docs/conf.py)."""
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    sections = index.partition("\n## ")[2]
    listed = re.findall(r"^- \[[^]]+\]\(([^)#]+\.md)\)", sections, re.M)
    documents = {(ROOT / "docs" / target).resolve() for target in listed}
    assert len(documents) == len(listed), "a document is listed twice"
    missing = {*DOCUMENTS} - documents - {ROOT / "docs" / "index.md"}
    assert sorted(map(name_of, missing)) == []


# ---- what documents list ------------------------------------------------------------------------


def command_options() -> list[tuple[str, str]]:
    return [
        (name, option)
        for name, command in sorted(cli.commands.items())
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
    ]


@pytest.mark.parametrize(("command", "option"), command_options())
def test_every_option_is_documented(command: str, option: str) -> None:
    """In the command's own section of docs/cli.md; what `plan` shares with `shards`, there."""
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## `fastconv ([\w-]+)`\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    if command == "plan":
        sections["plan"] += sections["shards"]
    assert re.search(rf"`{option}[` ]", sections[command])


def test_no_option_is_documented_that_is_not_there() -> None:
    known = {option for _, option in command_options()} | {"--version", "--help"}
    known |= {  # the other word of a pair
        option
        for command in cli.commands.values()
        for parameter in command.params
        for option in parameter.secondary_opts
    }
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        named = set(re.findall(r"(?<=`)--[a-z-]+", prose_of(document)))
        for line in re.findall(r"^\$? ?(?:\w+=\S+ )?fastconv .*(?:\\\n.*)*", text, re.M):
            named |= set(re.findall(r"(?<= )--[a-z-]+", line))
        assert named <= known, name_of(document)


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_readme_names_every_command(command: str) -> None:
    assert f"fastconv {command}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_exit_codes_are_those_of_the_code() -> None:
    text = (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8")
    rows = {
        int(code): set(re.findall(r"`(\w+Error)`", rest))
        for code, rest in re.findall(r"^\| (\d+) \|(.*)$", text, re.M)
    }
    plain = (0, WRITTEN_WITH_SKIPS, FOUND_WRONG, OWN_ERROR, INTERRUPTED)
    expected: dict[int, set[str]] = {code: set() for code in plain}
    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, errors.FastconvError):
            expected.setdefault(value.exit_code, set()).add(name)
    assert rows == expected
    assert set(map(int, re.findall(r"^## (\d+):", text, re.M))) == set(expected)
    assert sorted(map(int, re.findall(r"(\d+) [a-z]", cli.help or ""))) == sorted(expected)


def test_public_names_are_documented() -> None:
    text = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
    assert [name for name in fastconv.__all__ if not re.search(rf"`{name}\b", text)] == []


def test_every_module_is_in_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    package = ROOT / "fastconv"
    modules = [path.relative_to(package).as_posix() for path in sorted(package.rglob("*.py"))]
    sources = [path.name for path in code_files() if path.parent.name == "ext"]
    missing = [
        name
        for name in [*modules, *sources]
        if not name.endswith("__init__.py") and f"`{name}`" not in text
    ]
    assert missing == []


def test_every_dependency_is_documented() -> None:
    headings = re.findall(r"^#+ (.+)$", prose_of(ROOT / "docs" / "dependencies.md").lower(), re.M)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    needed = re.search(r"^dependencies = \[(.*?)^\]", project, re.M | re.S)
    assert needed is not None
    for name in [*re.findall(r'"([a-z0-9-]+)', needed[1]), "scipy"]:
        assert any(heading.startswith(name) for heading in headings), name
