"""The package's order, read from its imports: arrows point down only.

A module may import what stands below it in LAYERS, and nothing beside or above it. A package counts
as one there, and inside it no two modules may need each other.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE, EXT = ROOT / "fastconv", ROOT / "ext"

# The lowest first. A new module is put where it belongs, by hand.
LAYERS: dict[str, tuple[str, ...]] = {
    "compiled": (
        *("_columns", "_frames", "_jpeg", "_members", "_process", "_raw", "_reader", "_resample"),
        *("_shard", "_tar", "_tfrecord", "_verify"),
    ),
    "ground": (
        *("errors", "geometry", "metadata", "recipe", "regular", "shared"),
        *("version", "whereabouts"),
    ),
    "places in stores": ("remote",),
    "forms": ("layout", "schema"),
    "single things": (
        *("atomic", "board", "cache", "differences", "example", "image_options", "names"),
        *("planned", "reader"),
        *("recruits", "schema_given", "tfds", "verdict", "worker"),
    ),
    "columns and files": (
        *(
            "annotations",
            "catalog",
            "gzipped",
            "images",
            "index",
            "manifest",
            "options",
            "progress",
        ),
        *("workers", "writer"),
    ),
    "in stores": ("store_journal", "store_lock"),
    "what was done before": ("foreign_shards", "goal", "journal", "past", "remembered", "runs"),
    "what is to be done": ("pictures", "plan", "remake", "sample", "sources"),
    "prepared": ("beside", "records", "comparison", "job", "preflight", "prepare", "report"),
    "of object stores": ("spooled", "store_output"),
    "its records": ("outline", "output", "rows"),
    "the work": ("shard",),
    "its account": ("summary", "writing"),
    "for other machines": ("engine", "planfile"),
    "on other machines": ("engines",),
    "checked": ("checking", "show"),
    "the whole": ("conversion", "folders", "repair", "tfds_info"),
    "job arrays": ("arrays",),
    "what a person sees": ("display",),
    "in tables": ("page", "tables", "tables_show"),
    "its words": ("cli_options", "cli_output"),
    "a command of its own": (
        *("cli_completion", "cli_diff", "cli_plan", "cli_raw", "cli_report", "cli_show"),
        *("cli_tfds", "cli_verify"),
    ),
    "the command line": ("cli",),
    "its beginning": ("entry",),
    "the command": ("__main__",),
}
LEVEL = {module: n for n, modules in enumerate(LAYERS.values()) for module in modules}

WRITES = {"_tfrecord", "_shard", "example", "shard", "writer"}
READS = {  # what is written is checked with code of its own
    *("_frames", "_reader", "_verify", "checking", "comparison", "pictures", "reader"),
}
FACES = {
    "click": {
        *("cli", "cli_completion", "cli_diff", "cli_options", "cli_output", "cli_plan"),
        "cli_raw",
        *("cli_report", "cli_show", "cli_tfds", "cli_verify"),
    },
    "rich": {"cli_output", "display", "tables", "tables_show"},
}
LIBRARIES = {
    *("numpy", "crc32c", "simplejpeg", "PIL", "chafa", "jinja2", "markupsafe", "pyarrow", "scipy"),
    *("tomli", "vl_convert", "obstore", "botocore", "dask", "distributed"),
    *FACES,
}
MAY_PRINT = {"cli", "cli_output", "__main__"}
LINES_MAX = 400

SOURCES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path != PACKAGE / "__init__.py"
}
COMPILED = {path.stem: path for path in sorted(EXT.glob("*.pyx"))}
MODULES = SOURCES.keys() | COMPILED.keys()


@functools.cache
def tree(module: str) -> ast.Module:
    return ast.parse(SOURCES[module].read_text(encoding="utf-8"))


@functools.cache
def imported(module: str) -> frozenset[str]:
    """Full names of what the module imports, wherever in it: for types alone, or when called."""
    if module in COMPILED:
        text = COMPILED[module].read_text(encoding="utf-8")
        found = re.findall(r"^\s*(?:from\s+([\w.]+)\s+)?c?import\s+([\w.]+)", text, re.MULTILINE)
        return frozenset(origin or name for origin, name in found)
    names: set[str] = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute here"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                whole = name.removeprefix("fastconv.")
                names.add(name if whole in MODULES else str(node.module))
    return frozenset(names)


def inside(module: str) -> set[str]:
    """The fastconv modules that it imports, without the package's name."""
    return {
        name.removeprefix("fastconv.") for name in imported(module) if name.startswith("fastconv.")
    }


def outside(module: str) -> set[str]:
    """The libraries that it imports: their first names."""
    first = {name.partition(".")[0] for name in imported(module)}
    return first - sys.stdlib_module_names - {"fastconv", "libc", "cpython"}


def reached(module: str) -> set[str]:
    """All that comes with it."""
    seen: set[str] = set()
    ahead = [module]
    while ahead:
        for name in inside(ahead.pop()) - seen:
            seen.add(name)
            ahead.append(name)
    return seen


def room(module: str) -> str:
    return module.partition(".")[0]


def test_every_module_has_its_layer() -> None:
    rooms = {room(module) for module in MODULES}
    assert rooms - LEVEL.keys() == set(), "put these into LAYERS"
    assert LEVEL.keys() - rooms == set(), "take these out of LAYERS"
    assert len(LEVEL) == sum(map(len, LAYERS.values())), "LAYERS names a module twice"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_down(module: str) -> None:
    for name in inside(module):
        if room(name) == room(module):
            continue
        if module in COMPILED:
            assert name in COMPILED, f"{module} is compiled, and imports {name}"
            continue
        assert LEVEL[room(name)] < LEVEL[room(module)], f"{module} imports {name}, not below it"


def test_no_two_modules_need_each_other() -> None:
    order = list(TopologicalSorter({name: inside(name) for name in MODULES}).static_order())
    assert set(order) >= MODULES


@pytest.mark.parametrize("module", sorted(MODULES))
def test_nothing_is_imported_from_the_package_itself(module: str) -> None:
    assert "fastconv" not in imported(module), "import from the module where it is at home"


@pytest.mark.parametrize("module", sorted(module for module in MODULES if room(module) in READS))
def test_reading_uses_nothing_that_writes(module: str) -> None:
    assert reached(module) & WRITES == set()


@pytest.mark.parametrize("module", sorted(WRITES))
def test_writing_uses_nothing_that_reads(module: str) -> None:
    assert set(map(room, reached(module))) & READS == set()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_libraries_are_few_and_in_their_places(module: str) -> None:
    assert outside(module) <= LIBRARIES
    for library, homes in FACES.items():
        assert library not in outside(module) or module in homes


@pytest.mark.parametrize("module", sorted(SOURCES.keys() - MAY_PRINT))
def test_only_the_command_line_prints(module: str) -> None:
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Name):
            assert node.id != "print", f"{module}, line {node.lineno}"
        elif isinstance(node, ast.Attribute):
            said = ast.unparse(node)
            assert said not in {"click.echo", "click.secho", "sys.stdout", "sys.stderr"}, (
                f"{module}, line {node.lineno}: {said}"
            )


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_modules_are_small(module: str) -> None:
    assert len(SOURCES[module].read_text(encoding="utf-8").splitlines()) <= LINES_MAX


def loaded_by(statement: str) -> set[str]:
    """The first names of the modules that a new interpreter loads for it."""
    code = (
        "import sys; before = set(sys.modules); "
        f"{statement}; print(*set(sys.modules) - before, sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_importing_the_package_loads_almost_nothing() -> None:
    heavy = {"numpy", "PIL", "simplejpeg", "click", "rich", "multiprocessing", "tensorflow"}
    assert loaded_by("import fastconv") & heavy == set()


def test_a_worker_loads_only_what_it_uses() -> None:
    heavy = {"numpy", "PIL", "simplejpeg", "click", "rich", "tensorflow"}
    assert loaded_by("import fastconv.worker, fastconv.shard") & heavy == set()


def test_the_picture_is_true(tmp_path: Path) -> None:
    """It is what its tool draws; the modules in it are there, and none is above what needs it."""
    specification = importlib.util.spec_from_file_location(
        "draw_architecture", ROOT / "tools" / "draw_architecture.py"
    )
    assert specification is not None and specification.loader is not None
    tool = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(tool)
    tool.main(tmp_path / "drawn.svg")
    picture = ROOT / "docs" / "images" / "architecture.svg"
    assert (tmp_path / "drawn.svg").read_bytes() == picture.read_bytes(), "draw it again"
    above = max(LEVEL.values()) + 1
    for name, modules in tool.LAYERS:
        levels = [LEVEL[module] for module in modules.split() if "…" not in module]
        assert max(levels) < above, f"{name}: stands too low"
        above = min(levels)
