"""Workers and clients of a Dask cluster are killed at any instant, 50 times: in the end every byte
is right, and meanwhile nothing that is not whole has its final name."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import made_once
from faults.jobs import Files, Job, claimed_and_false, differences
from faults.jobs import files as everything

from cluster.dasks import Client, Dask, children_of, done, kill
from fastconv.sample import make_sample

pytestmark = [pytest.mark.cluster, pytest.mark.torture]

KILLS = 50
SHARDS = 12
SECONDS_MAX = 60
WORDS = ("--train-shards", str(SHARDS), "--resize", "160", "--reencode-all", "--check", "decode")


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    source = made_once(
        tmp_path_factory,
        "killed-by-dask",
        lambda path: make_sample(path, classes=4, train_images=240, validation_images=4, seed=5),
    )
    return Job(source, (str(source), *WORDS))


@pytest.fixture(scope="module")
def right(job: Job, tmp_path_factory: pytest.TempPathFactory) -> Files:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    log = out.parent / "log"
    code, said = Client(job.command(out, 2)[:], log).end()
    assert code == 0, said
    return everything(out)


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    with Dask(tmp_path_factory.mktemp("dask")) as dask:
        dask.start()
        for _ in range(2):
            dask.work(nanny=True)
        yield dask


_tally: Counter[str] = Counter()


@pytest.mark.parametrize("number", range(KILLS))
def test_a_kill(number: int, dask: Dask, job: Job, right: Files, tmp_path: Path) -> None:
    choose = random.Random(number)
    victim = choose.choice(["worker", "worker", "client", "both workers"])
    at, later = choose.randrange(SHARDS), choose.uniform(0, 0.15)
    out = tmp_path / "out"
    words = ["shards", *job.words, "--out", out, "--quiet", "--scheduler", dask.address]
    client = Client(words, tmp_path / "log")
    _until(client, out, at)
    time.sleep(later)
    if victim == "client":
        kill(client.process)
    else:
        nannies = [process for process in dask.processes[1:] if process.poll() is None]
        assert len(nannies) == 2
        for nanny in nannies if victim == "both workers" else [choose.choice(nannies)]:
            with suppress(ProcessLookupError, IndexError):  # it is being started just now
                os.kill(children_of(nanny)[-1], signal.SIGKILL)
    if victim == "client":
        assert _false(out, right) == []
    code, said = client.end(SECONDS_MAX)
    _tally[victim if client.process.returncode != 0 or victim != "client" else "too late"] += 1
    rounds = 0
    while code != 0:  # the client was killed, or a shard's workers too often
        assert code in (-signal.SIGKILL, 4), said
        rounds += 1
        assert rounds < 4, said
        code, said = Client(words, tmp_path / "log").end(SECONDS_MAX)
    time.sleep(0.2)  # a worker that is left from the first may still be at it
    assert differences(out, right) == []


def test_all_were_hit() -> None:
    print(dict(_tally))  # noqa: T201
    assert sum(_tally.values()) == KILLS


def _false(out: Path, right: Files) -> list[str]:
    """claimed_and_false, though workers are still at it, whose files come and go."""
    while True:
        try:
            return claimed_and_false(out, right)
        except FileNotFoundError as error:
            assert ".fastconv-partial" in str(error.filename), error


def _until(client: Client, out: Path, shards: int) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while len(done(out)) < shards and client.process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
