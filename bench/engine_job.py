"""One conversion by one engine: ``python -m bench.engine_job local|pool|ADDRESS SOURCE OUT``.

ADDRESS is a Dask scheduler's. Prints one line of JSON: the seconds of the whole and of its phases,
and after how many seconds beyond the planning the first shard was there.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

PLANNING = ("listing", "reading", "planning")


@contextlib.contextmanager
def engine_of(name: str, workers: int) -> Iterator[Any]:
    if name == "local":
        yield None
    elif name == "pool":
        import multiprocessing

        # Forks of this process would begin with all that it has loaded.
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            yield pool
    else:
        from distributed import Client

        with Client(name, set_as_default=False) as client:
            yield client


def job(name: str, source: str, out: str, workers: int, shards: int | None) -> dict[str, Any]:
    import fastconv

    options = fastconv.Options(
        source=source, out=out, split="train", train_shards=shards, workers=workers
    )
    first: list[float] = []

    def on_progress(progress: fastconv.Progress) -> None:
        if progress.shards and not first:
            first.append(time.monotonic() - began)

    with engine_of(name, workers) as engine:
        began = time.monotonic()
        report = fastconv.convert(options, on_progress=on_progress, engine=engine)
        seconds = time.monotonic() - began
    planning = sum(report.phases.get(phase, 0.0) for phase in PLANNING)
    return {
        "seconds": seconds,
        "phases": report.phases,
        "first_shard_seconds": first[0] - planning if first else None,
        "written": report.written,
        "bytes": report.bytes,
        "shards": sum(split.shards for split in report.splits),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine")
    parser.add_argument("source")
    parser.add_argument("out")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--shards", type=int)
    given = parser.parse_args()
    print(json.dumps(job(given.engine, given.source, given.out, given.workers, given.shards)))


if __name__ == "__main__":
    main()
