"""What people meet first: the names, the types, the help and the README agree with the code."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import BuiltinFunctionType
from typing import Any

import pytest

import fastconv
from fastconv.cli import cli

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it there

ROOT = Path(__file__).resolve().parent.parent
COMPILED = sorted(path.stem for path in (ROOT / "ext").glob("*.pyx"))
PUBLIC = sorted(set(fastconv.__all__) - {"__version__"})


def stub_of(module: str) -> ast.Module:
    return ast.parse((ROOT / "fastconv" / f"{module}.pyi").read_text(encoding="utf-8"))


def public_functions(name: str) -> Iterator[tuple[str, object]]:
    """(name, function) of a public name: itself, or its own public methods and its __init__."""
    value = getattr(fastconv, name)
    if not inspect.isclass(value):
        yield name, value
        return
    for attribute, member in vars(value).items():
        if attribute.startswith("_") and attribute != "__init__":
            continue
        function = member.fget if isinstance(member, property) else member
        function = getattr(function, "__func__", function)
        if inspect.isfunction(function):
            yield f"{name}.{attribute}", function


def project() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)


def test_there_is_one_version() -> None:
    stated = project()["project"]["version"]
    assert fastconv.__version__ == stated == version("fastconv")


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_say_what_they_are(name: str) -> None:
    value = getattr(fastconv, name)
    assert name in dir(fastconv)
    assert inspect.getdoc(value), f"{name} has no docstring"
    if inspect.isclass(value):
        assert vars(value).get("__doc__"), f"{name} has no docstring of its own"


@pytest.mark.parametrize("name", PUBLIC)
def test_public_functions_are_annotated(name: str) -> None:
    for called, function in public_functions(name):
        module = getattr(function, "__module__", "").removeprefix("fastconv.")
        if module in COMPILED or isinstance(function, BuiltinFunctionType):
            assert called in {getattr(node, "name", "") for node in stub_of(module).body}
            continue
        signature = inspect.signature(function)  # type: ignore[arg-type]
        bare = [
            parameter.name
            for parameter in signature.parameters.values()
            if parameter.annotation is parameter.empty and parameter.name not in {"self", "cls"}
        ]
        assert bare == [], f"{called} does not say what these are"
        assert signature.return_annotation is not signature.empty, f"{called} returns what?"


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        fastconv.nonsense  # noqa: B018


@pytest.mark.parametrize("module", COMPILED)
def test_compiled_modules_have_a_stub_that_tells_the_truth(module: str) -> None:
    built = importlib.import_module(f"fastconv.{module}")
    for node in stub_of(module).body:
        if isinstance(node, ast.ClassDef):
            kind = getattr(built, node.name)
            members = [part.name for part in node.body if isinstance(part, ast.FunctionDef)]
            assert [name for name in members if not hasattr(kind, name)] == []
        elif isinstance(node, ast.FunctionDef):
            assert callable(getattr(built, node.name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            assert hasattr(built, node.target.id)


def test_the_types_are_shipped() -> None:
    assert (ROOT / "fastconv" / "py.typed").exists()
    stubs = {path.stem for path in (ROOT / "fastconv").glob("*.pyi")}
    assert stubs == set(COMPILED)


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_commands_stand_in_the_readme(name: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"\bfastconv {re.escape(name)}\b", readme)


def test_the_licence_is_there() -> None:
    licence = (ROOT / "LICENSE").read_text(encoding="ascii")
    assert "Apache License" in licence
    assert "Version 2.0, January 2004" in licence
    for notice in ("WordNet-3.0.txt", "tensorflow-datasets-Apache-2.0.txt"):
        assert (ROOT / "fastconv/annotations/data/LICENSES" / notice).stat().st_size > 500


def test_the_citation_is_of_this_version() -> None:
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    stated = dict(re.findall(r"^([\w-]+): *(.*)$", text.partition("references:")[0], re.M))
    about = project()["project"]
    assert stated["cff-version"] == "1.2.0"
    assert (stated["title"], stated["version"]) == (about["name"], about["version"])
    assert (stated["license"], stated["type"]) == (about["license"], "software")
    assert stated.keys() >= {"message", "authors", "abstract", "keywords"}


def test_the_changelog_keeps_its_form() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", text, re.M)) <= kinds
    releases = re.findall(r"^## (.+)$", text, re.M)
    assert releases[0] == "Unreleased"
    for release in releases[1:]:
        assert re.fullmatch(r"\d+\.\d+\.\d+ - \d{4}-\d{2}-\d{2}", release), release


def test_wheels_are_for_the_pythons_that_are_named() -> None:
    settings = project()
    oldest = int(settings["project"]["requires-python"].removeprefix(">=3."))
    named = [
        int(minor)
        for line in settings["project"]["classifiers"]
        for minor in re.findall(r"^Programming Language :: Python :: 3\.(\d+)$", line)
    ]
    assert named == list(range(oldest, 15))
    built = re.findall(r"cp3(\d+)-\*", settings["tool"]["cibuildwheel"]["build"])
    assert list(map(int, built)) == named
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    tested = re.search(r"python: \[(.*)\]", workflow)
    assert tested is not None
    assert [int(minor) for minor in re.findall(r"3\.(\d+)", tested[1])] == named


def test_the_workflow_runs_what_must_pass() -> None:
    steps = re.search(r"^for step in (.*); do$", (ROOT / ".ci" / "run").read_text(), re.M)
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    parts = re.search(r"step: \[(.*)\]", workflow)
    assert steps is not None and parts is not None
    assert {*parts[1].split(", "), "test"} == set(steps[1].split())
