"""Small conversions that meet faults, and what must hold of an output at any moment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import crc32c

import fastconv
from fastconv.runs import read_runs

ROOT = Path(__file__).resolve().parents[2]
Files = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Job:
    """A conversion that is always the same one: `words` are its source and its options."""

    source: Path
    words: tuple[str, ...]

    def command(self, out: Path, workers: int, *more: str) -> list[str]:
        words = ("shards", *self.words, "--out", str(out), "--workers", str(workers), "--quiet")
        return [*words, *more]


class Server:
    """Runs commands in forks of one process (server.py)."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process, self._errors = process, folder / "errors"

    def run(self, words: list[str], env: Mapping[str, str]) -> tuple[int, str]:
        """(exit code, or minus the signal that ended it; standard error)."""
        task = {"words": words, "env": dict(env), "errors": str(self._errors)}
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline()), self._errors.read_text()


@contextmanager
def server(library: Path, folder: Path) -> Iterator[Server]:
    """Its processes have the shim in them, and errors go by way of a file in `folder`."""
    with subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "faults" / "server.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**environment(), "LD_PRELOAD": str(library), "OPENBLAS_NUM_THREADS": "1"},
    ) as process:
        try:
            yield Server(process, folder)
        finally:
            process.kill()


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Without a cache, so that every run reads the same."""
    return {**os.environ, "FASTCONV_CACHE": "", **(more or {})}


def files(out: Path) -> Files:
    """Everything below a folder, by relative path; of runs.json, which is another after each run,
    whether it is whole."""
    found = {
        str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()
    }
    if "runs.json" in found:
        found["runs.json"] = b"whole" if read_runs(out) else b"damaged"
    return found


def differences(out: Path, right: Files) -> list[str]:
    """In what an output that should be finished differs from an undisturbed run's."""
    found = files(out)
    wrong = [name for name in sorted(found.keys() & right.keys()) if found[name] != right[name]]
    return [
        *(f"{name}: other bytes" for name in wrong),
        *(f"{name}: is not there" for name in sorted(right.keys() - found.keys())),
        *(f"{name}: is there" for name in sorted(found.keys() - right.keys())),
    ]


def claimed_and_false(out: Path, right: Files) -> list[str]:
    """What is under a final name in an output and not whole, and what its journal or its manifest
    says that is not so; whatever moment the job that writes it was ended at."""
    wrong = []
    for name, data in files(out).items():
        if name.startswith(".fastconv-partial/") or name == "manifest.journal":
            continue
        if right.get(name) != data:
            wrong.append(f"{name}: has its final name, and other bytes than it should")
        if name.startswith("data_dir/"):
            index = f"idx_dir/{Path(name).name}"
            wrong += _damage(out / name, out / index if index in right else None)
    if (out / "manifest.journal").exists():
        wrong += _journal(out, (out / "manifest.journal").read_bytes(), right)
    if (out / "manifest.json").exists():
        wrong += [
            f"{name}: the manifest is there, and it is not"
            for name in right
            if not (out / name).exists()
        ]
    return wrong


def _damage(shard: Path, index: Path | None) -> list[str]:
    """What a reader finds wrong with a shard: lengths, both checksums of each record, its index;
    None where it is compressed, and has none."""
    if index is not None and not index.exists():
        return [f"{shard.name}: has its final name, and no index"]
    lines, at = [], 0
    try:
        for record in fastconv.read_records(shard):
            lines.append(f"{at} {len(record) + 16}\n")
            at += len(record) + 16
    except fastconv.FastconvError as error:
        return [str(error)]
    if index is None:
        return []
    if at != shard.stat().st_size or "".join(lines) != index.read_text():
        return [f"{shard.name}: its index is of another file"]
    return []


def _journal(out: Path, journal: bytes, right: Files) -> list[str]:
    lines = journal.split(b"\n")
    # What is behind the last newline is of a line that was being written.
    parsed = [json.loads(line) for line in lines[:-1]]
    if not parsed or not parsed[0]["tool"].startswith("fastconv "):
        return ["the journal has not its first line"]
    wrong = []
    for line in parsed[1:]:
        shard = line["shard"]
        for folder, crc in (("data_dir", "crc32c"), ("idx_dir", "index_crc32c")):
            path = out / folder / shard["name"]
            if f"{folder}/{shard['name']}" not in right:
                continue
            if not path.exists() or f"{crc32c.crc32c(path.read_bytes()):08x}" != shard[crc]:
                wrong.append(f"{folder}/{shard['name']}: the journal says it is whole")
    return wrong


def copied(folder: Path, out: Path) -> None:
    """`out` as `folder` is, or gone where there is no such folder."""
    shutil.rmtree(out, ignore_errors=True)
    if folder.exists():
        shutil.copytree(folder, out)
