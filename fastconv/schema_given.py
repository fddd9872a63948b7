"""The schema that a person asks for, by name, by a TOML file or by a function."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fastconv.errors import FastconvError, UsageError
from fastconv.regular import content
from fastconv.remote.path import is_remote
from fastconv.schema import BASES, Schema

WORDS: dict[Any, str] = {str: "text", list: "list", dict: "table"}
SchemaLike = Schema | str | Path | Callable[[Schema], Schema]


def schema_of(given: SchemaLike | None, layout: str) -> Schema:
    """The schema that a person asks for: "slim", "tfds", a TOML file, ``module:function`` or
    ``file.py:function``, or from Python a Schema or a function that makes one of another. None is
    the layout's own. Raises UsageError."""
    base = BASES[layout]
    if given is None:
        return base
    if isinstance(given, Schema):
        return given
    if callable(given):
        return _made_by(given, base, "--schema")
    words = str(given)
    if words in BASES:
        return BASES[words]
    if is_remote(words):
        raise UsageError(
            "--schema is a file on disk, and not one in an object store: copy it from there"
        )
    module, colon, name = words.rpartition(":")
    if words.endswith(".toml"):
        return _of_toml(Path(words).expanduser(), base)
    if colon and module and name.isidentifier():
        return _made_by(_function(module, name), base, f"--schema {words}")
    raise UsageError(
        f"--schema is slim, tfds, a TOML file, or a function as module:function or "
        f"file.py:function, not {words!r}"
    )


def _function(module: str, name: str) -> Callable[[Schema], Schema]:
    try:
        if module.endswith(".py"):
            path = Path(module).expanduser()
            spec = importlib.util.spec_from_file_location("fastconv_schema", path)
            assert spec is not None and spec.loader is not None
            loaded = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = loaded  # where dataclasses, for one, look for it
            spec.loader.exec_module(loaded)
        else:
            loaded = importlib.import_module(module)
        function: Callable[[Schema], Schema] = getattr(loaded, name)
    except (Exception, SystemExit) as error:  # whatever a person's module does
        hint = "; a file is named as file.py:function" if isinstance(error, ImportError) else ""
        raise UsageError(
            f"--schema {module}:{name}: cannot be loaded: {type(error).__name__}: {error}{hint}"
        ) from None
    return function


def _made_by(function: Callable[[Schema], Schema], base: Schema, said: str) -> Schema:
    try:
        made = function(base)
    except FastconvError:
        raise
    except (Exception, SystemExit) as error:  # whatever a person's function does
        raise UsageError(f"{said}: raised {type(error).__name__}: {error}") from None
    if not isinstance(made, Schema):
        raise UsageError(f"{said}: returned {type(made).__name__}, not a Schema")
    return made


def _of_toml(path: Path, base: Schema) -> Schema:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        told = tomllib.loads(content(path).decode("utf-8"))
    except OSError as error:
        raise UsageError(f"--schema {path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"--schema {path}: is no TOML: {error}") from None
    try:
        return _of_words(path, told, base)
    except UsageError as error:
        raise UsageError(str(error).replace("--schema", f"--schema {path}", 1)) from None


def _of_words(path: Path, told: dict[str, Any], base: Schema) -> Schema:
    def taken(value: object, known: Mapping[str, type], where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise UsageError(f"--schema: {where.rstrip('.')} is no table")
        for name, item in value.items():
            if name not in known:
                raise UsageError(f"--schema: {where}{name} is not known; known: {', '.join(known)}")
            if not isinstance(item, known[name]):
                raise UsageError(f"--schema: {where}{name} is no {WORDS[known[name]]}")
        return value

    known = {"base": str, "leave_out": list, "rename": dict, "columns": dict}
    told = taken(told, known, "")
    schema = base
    if "base" in told:
        if told["base"] not in BASES:
            raise UsageError(f"--schema: base is slim or tfds, not {told['base']!r}")
        schema = BASES[told["base"]]
    schema = schema.without(*_texts(told.get("leave_out", [])))
    schema = schema.renamed({name: _text(new) for name, new in told.get("rename", {}).items()})
    if "columns" not in told:
        return schema
    if isinstance(told["columns"].get("features"), list):  # columns whose names are the features'
        told["columns"]["features"] = {name: name for name in _texts(told["columns"]["features"])}
    parts = {"file": str, "key": str, "missing": str, "features": dict}
    columns = taken(told["columns"], parts, "columns.")
    if "file" not in columns or "features" not in columns:
        raise UsageError("--schema: columns needs file and features")
    features = {}
    for name, value in columns["features"].items():
        if not isinstance(value, str):
            value = taken(value, {"column": str, "kind": str}, f"columns.features.{name}.")
            value = (value.get("column", name), value.get("kind"))
        features[name] = value
    rest = {name: columns[name] for name in ("key", "missing") if name in columns}
    table = columns["file"]
    if not is_remote(table):
        table = path.parent / Path(table).expanduser()
    return schema.with_columns(table, features, **rest)


def _texts(values: list[object]) -> list[str]:
    texts = list(map(_text, values))
    for text in texts:
        if texts.count(text) > 1:
            raise UsageError(f"--schema: {text!r} is named twice")
    return texts


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise UsageError(f"--schema: {value!r} is no feature's name")
    return value
