"""One conversion of archives into a store, and what is to come of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import fastconv
from cluster.conftest import Server, wait_for
from fastconv.sample import make_sample

SHARDS: dict[str, Any] = {"train_shards": 4, "validation_shards": 2}


def archives(out: Path) -> None:
    """Some 45 MB of images in archives: shards of two parts and of one."""
    make_sample(out, classes=5, train_images=400, validation_images=60, workers=1)


def in_folder(source: Path, out: Path, **more: Any) -> dict[str, bytes]:
    """What the job writes into a folder, by paths."""
    fastconv.convert(fastconv.Options(source=source, out=out, workers=1, **{**SHARDS, **more}))
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def objects(server: Server, bucket: str, prefix: str = "set/") -> dict[str, bytes]:
    """All objects below a prefix, by another client. The server lists a folder now and then, too,
    which is none."""
    client = server.client()
    found = {}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            if item["Key"].endswith("/"):
                continue
            with client.get_object(Bucket=bucket, Key=item["Key"])["Body"] as body:
                found[item["Key"][len(prefix) :]] = body.read()
    return found


def must_be_same(found: Mapping[str, bytes], wanted: Mapping[str, bytes]) -> None:
    """But for how long it took."""
    assert found.keys() == wanted.keys()
    differ = [
        name for name in wanted if not name.endswith("runs.json") and found[name] != wanted[name]
    ]
    assert differ == []


def words(source: Path | str, out: str, *more: str) -> list[str]:
    """The command."""
    arguments = ["shards", str(source), "--out", out, "--quiet", "--workers", "2"]
    arguments += ["--train-shards", "4", "--validation-shards", "2", *more]
    return [sys.executable, "-m", "fastconv", *arguments]


def run(command: list[str]) -> tuple[int, str]:
    """(exit code, what it says of errors)."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    return done.returncode, done.stderr


def must_refuse_a_second(command: list[str], has_begun: Callable[[], bool]) -> None:
    """While a job runs, the same one again ends, and names the first, which goes on to its end."""
    first = subprocess.Popen(command)
    try:
        wait_for(has_begun, "an upload")
        code, said = run(command)
        assert code == 4
        assert f"another fastconv is writing here (process {first.pid} on " in said
        assert first.wait(timeout=60) == 0
    finally:
        first.kill()
        first.wait()
