"""The network between the hosts of a Dask cluster is cut: the job heals, or ends with a clear
error, and hangs never."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import leftovers

from cluster import networks
from cluster.dasks import Client, Dask
from cluster.jobs import SHARDS, files, gone_on

pytestmark = pytest.mark.cluster


@pytest.fixture
def network(request: pytest.FixtureRequest) -> Iterator[networks.Network]:
    if reason := networks.why_not():
        pytest.skip(reason)
    with networks.Network("net") as network:
        yield network


@pytest.fixture
def dask(network: networks.Network, tmp_path: Path) -> Iterator[Dask]:
    """The scheduler is on host 0."""
    with Dask(tmp_path, network.addresses[0], network.within(0)) as dask:
        yield dask.start()


def begun(dask: Dask, network: networks.Network, host: int, source: Path, out: Path) -> Client:
    words = ["shards", source, "--out", out, "--train-shards", SHARDS]
    client = Client(
        [*words, "--scheduler", dask.address],
        out.parent / "log",
        env={"DASK_FASTCONV__SCHEDULER_SILENCE": "20s"},
        within=network.within(host),
    )
    client.until(out, 2)
    return client


def test_the_client_is_cut_off_for_seconds(
    dask: Dask, network: networks.Network, source: Path, right: dict[str, str], tmp_path: Path
) -> None:
    dask.work()
    out = tmp_path / "out"
    client = begun(dask, network, 1, source, out)
    network.cut()
    time.sleep(3)
    network.mend()
    code, said = client.end()
    assert code == 0, said
    assert files(out) == right


def test_the_client_is_cut_off_for_good(
    dask: Dask, network: networks.Network, source: Path, right: dict[str, str], tmp_path: Path
) -> None:
    dask.work()
    out = tmp_path / "out"
    client = begun(dask, network, 1, source, out)
    network.cut()
    code, said = client.end(60)
    assert code == 4, said
    assert "the scheduler of the cluster has not answered for" in said and "to go on" in said
    assert "Traceback" not in said
    assert leftovers(out) == []
    gone_on(source, out)
    time.sleep(1)  # what the worker, which nobody told, still did
    assert files(out) == right


def test_a_worker_is_cut_off_for_good(
    dask: Dask, network: networks.Network, source: Path, right: dict[str, str], tmp_path: Path
) -> None:
    """The other one does its shards, which it may write at the same time."""
    dask.work()
    dask.work(within=network.within(1))
    out = tmp_path / "out"
    client = begun(dask, network, 0, source, out)
    network.cut()
    code, said = client.end(100)
    assert code == 0, said
    assert files(out) == right
