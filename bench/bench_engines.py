"""Dask and a pool of processes beside fastconv's own workers, on this machine.

    python -m bench.bench_engines [--only photographs|tiny] [--storage DIR] [--rounds 5]

A Dask scheduler and two workers of one thread each are processes of their own, started before and
left running; each run is a client of its own. Runs are taken in turns, and ratios within a round.
``photographs``: at least 5,000 of ImageNet's sizes. ``tiny``: as many images and shards as ImageNet
has, images of some hundred bytes, so that what a shard costs besides them counts most.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.commands import ROOT
from bench.corpus import build_archive, build_base
from bench.measure import Command, MeasureError, Run, measure, of, ratio, spread
from bench.scale_corpus import build_scale

MEMORY = Path("/dev/shm")
WORKERS = 2
START_SECONDS = 60
ENGINES = ("local", "pool", "dask")
QUESTIONS = ("photographs", "tiny")
PHOTOGRAPH_SHARDS, TINY_SHARDS = 32, 1024


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Dask cluster: its scheduler's address and process."""

    address: str
    scheduler: int

    @property
    def peak_bytes(self) -> int:
        status = Path(f"/proc/{self.scheduler}/status").read_text(encoding="ascii")
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])


@contextlib.contextmanager
def dask_cluster(folder: Path) -> Iterator[Cluster]:
    """A scheduler and WORKERS workers, until the context is left. MeasureError where they do not
    come within START_SECONDS."""
    folder.mkdir(parents=True, exist_ok=True)
    told = folder / "scheduler.json"
    told.unlink(missing_ok=True)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": ROOT}
    cli = (sys.executable, "-m")
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> int:
        started.append(subprocess.Popen([*cli, *words], **quiet))  # type: ignore[call-overload]
        return started[-1].pid

    end = time.monotonic() + START_SECONDS

    def wait_for(what: str) -> None:
        if time.monotonic() > end or any(process.poll() is not None for process in started):
            raise MeasureError(f"Dask: {what} did not come")
        time.sleep(0.05)

    try:
        place = ("--scheduler-file", str(told))
        scheduler = start(
            *("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"),
            *("--no-dashboard", "--dashboard-address", "127.0.0.1:0", *place),
        )
        while not told.is_file():
            wait_for("the scheduler")
        start(
            *("distributed.cli.dask_worker", *place, "--nthreads", "1", "--no-dashboard"),
            *("--nworkers", str(WORKERS), "--local-directory", str(folder / "dask")),
        )
        address = json.loads(told.read_text(encoding="utf-8"))["address"]
        from distributed import Client

        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(WORKERS, timeout=START_SECONDS)
        yield Cluster(address, scheduler)
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def commands(
    cluster: Cluster, source: Path, storage: Path, shards: int, names: list[str]
) -> list[Command]:
    made = []
    for name in names:
        out = storage / f"out-{name}"
        words = (cluster.address if name == "dask" else name, str(source), str(out))
        numbers = ("--shards", str(shards), "--workers", str(WORKERS))
        argv = (sys.executable, "-m", "bench.engine_job", *words, *numbers)
        made.append(Command(name, argv, (out,), warm_ups=1))
    return made


def writing(run: Run) -> float:
    return float(run.printed["phases"]["writing"])


def figures(runs: list[Run], cluster: Cluster, names: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in names:
        own = list(of(runs, name).values())
        found[name] = {
            "writing_seconds": spread([writing(run) for run in own]),
            "seconds": spread([run.printed["seconds"] for run in own]),
            "first_shard_seconds": spread([run.printed["first_shard_seconds"] for run in own]),
            "client_peak_bytes": max(run.parent_bytes for run in own),
        }
        shards = own[0].printed["shards"]
        if name != "local":
            found[name]["throughput"] = ratio(runs, "local", name, writing)
            found[name]["throughput, planning included"] = ratio(
                runs, "local", name, lambda run: float(run.printed["seconds"])
            )
            more = [
                (writing(of(runs, name)[k]) - writing(of(runs, "local")[k])) * WORKERS / shards
                for k in of(runs, name)
            ]
            found[name]["seconds_a_shard_more"] = spread(more)
    found["images"], found["bytes"], found["shards"] = (
        runs[0].printed[key] for key in ("written", "bytes", "shards")
    )
    found["scheduler_peak_bytes"] = cluster.peak_bytes
    return found


def text(value: dict[str, float], unit: str, times: float = 1.0, digits: int = 2) -> str:
    median, low, high = (times * value[key] for key in ("median", "min", "max"))
    return f"{median:.{digits}f} {unit} ({low:.{digits}f} to {high:.{digits}f})"


def lines(title: str, found: dict[str, Any], names: list[str]) -> list[str]:
    shown = [
        f"## {title}: {found['images']:,} images, {found['bytes'] / 1e9:.2f} GB, "
        f"{found['shards']:,} shards",
        "",
        "| | writing | first shard, beyond planning | client's peak |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name in names:
        own = found[name]
        shown.append(
            f"| {name} | {text(own['writing_seconds'], 's')} | "
            f"{text(own['first_shard_seconds'], 's')} | {own['client_peak_bytes'] / 1e6:.0f} MB |"
        )
    shown.append("")
    for name in names:
        if name != "local":
            shown += [
                f"- {name}: {text(found[name]['throughput'], 'of the local throughput')}; planning "
                f"included {text(found[name]['throughput, planning included'], 'of it')}",
                f"- {name}: a shard takes {text(found[name]['seconds_a_shard_more'], 'ms', 1e3)} "
                f"of a worker more",
            ]
    shown += [f"- scheduler's peak: {found['scheduler_peak_bytes'] / 1e6:.0f} MB", ""]
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(description="Engines beside fastconv's own workers.")
    parser.add_argument("--only", choices=QUESTIONS, action="append", help="[both]")
    parser.add_argument("--engine", choices=ENGINES[1:], action="append", help="[both]")
    parser.add_argument("--storage", type=Path, help="a folder, kept [in memory, removed]")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=6000, help="distinct photographs")
    parser.add_argument("--copy-bytes", type=int, default=4_200_000_000)
    parser.add_argument("--part", type=int, default=1, help="of ImageNet, for tiny")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON besides")
    given = parser.parse_args()
    storage = given.storage or MEMORY / "fastconv-bench-engines"
    names = ["local", *(given.engine or ENGINES[1:])]

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    results = {}
    try:
        for question in given.only or QUESTIONS:
            source, shards = storage, PHOTOGRAPH_SHARDS
            if question == "photographs":
                base = build_base(storage, given.images, tell=tell)
                source = build_archive(storage, base, given.copy_bytes).path
            else:
                source = build_scale(storage, given.part).path
                shards = max(8, TINY_SHARDS // given.part)
            with dask_cluster(storage / "cluster") as cluster:
                runs = measure(
                    commands(cluster, source, storage, shards, names), given.rounds, tell, ROOT
                )
                results[question] = figures(runs, cluster, names)
            print("\n".join(lines(question, results[question], names)), flush=True)
    except MeasureError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        if given.storage is None:
            shutil.rmtree(storage, ignore_errors=True)
    if given.json:
        print(json.dumps(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
