"""Shards by the workers of a Dask cluster: the same bytes, whatever dies on the way."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import digests, leftovers

from cluster.dasks import Client, Dask, children_of, done, environment, kill
from cluster.jobs import SHARDS, files, gone_on
from fastconv.errors import OutputError, WorkerError

pytestmark = pytest.mark.cluster


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Dask]:
    with Dask(tmp_path) as dask:
        yield dask.start()


def shards(dask: Dask, source: Path, out: Path, *more: object, **given: object) -> Client:
    words = ["shards", source, "--out", out, "--train-shards", SHARDS, *more]
    if "--scheduler" not in more:
        words += ["--scheduler", dask.address]
    return Client(words, out.parent / f"{out.name}.log", **given)  # type: ignore[arg-type]


def test_the_same_bytes(dask: Dask, source: Path, right: dict[str, str], tmp_path: Path) -> None:
    dask.work(threads=1)
    dask.work(threads=2)
    out = tmp_path / "out"
    code, said = shards(dask, source, out, "--json").end()
    assert code == 0, said
    assert files(out) == right
    assert "distributed" not in said and "Traceback" not in said
    run = json.loads((out / "runs.json").read_text())["runs"][0]
    assert run["workers"] == 3
    samples = run["samples"]
    assert sum(worker[-1] for worker in samples["records"]) == 160
    # Between two shards' ends they tell how far they are.
    assert any(count % 10 for worker in samples["records"] for count in worker)
    assert os.listdir(tmp_path / "out" / "data_dir")  # noqa: PTH208
    assert not (tmp_path / "dask-scratch-space").exists()


def test_a_killed_worker_comes_back(
    dask: Dask, source: Path, right: dict[str, str], tmp_path: Path
) -> None:
    nanny, out = dask.work(nanny=True), tmp_path / "out"
    client = shards(dask, source, out)
    for shards_done in (1, 6):
        client.until(out, shards_done)
        os.kill(children_of(nanny)[-1], signal.SIGKILL)
    code, said = client.end()
    assert code == 0, said
    assert files(out) == right


def test_another_takes_over(
    dask: Dask, source: Path, right: dict[str, str], tmp_path: Path
) -> None:
    first, out = dask.work(), tmp_path / "out"
    dask.work()
    client = shards(dask, source, out)
    client.until(out, 2)
    kill(first)
    code, said = client.end()
    assert code == 0, said
    assert files(out) == right


def test_all_are_killed_and_one_joins(
    dask: Dask, source: Path, right: dict[str, str], tmp_path: Path
) -> None:
    both, out = [dask.work(), dask.work()], tmp_path / "out"
    client = shards(dask, source, out)
    client.until(out, 2)
    for worker in both:
        kill(worker)
    client.until_said("waiting for a worker of the cluster (at most 30 s)")
    dask.work()
    code, said = client.end()
    assert code == 0, said
    assert files(out) == right


def test_no_worker_comes(dask: Dask, source: Path, tmp_path: Path) -> None:
    out, env = tmp_path / "out", {"DASK_FASTCONV__WAIT_FOR_WORKERS": "2s"}
    code, said = shards(dask, source, out, env=env).end()
    assert code == 4
    assert "the cluster has had no worker for 2 s; start some" in said
    assert leftovers(out) == [] == done(out)


def test_the_scheduler_is_killed(
    dask: Dask, source: Path, right: dict[str, str], tmp_path: Path
) -> None:
    dask.work()
    out = tmp_path / "out"
    client = shards(dask, source, out)
    client.until(out, 2)
    kill(dask.scheduler)
    code, said = client.end(40)
    assert code == 4, said
    assert "the scheduler of the cluster has not answered" in said and "to go on" in said
    assert "Traceback" not in said
    assert leftovers(out) == []
    assert "kept" in gone_on(source, out)
    assert files(out) == right


def test_the_scheduler_is_stopped_for_good(dask: Dask, source: Path, tmp_path: Path) -> None:
    """It is there, and says nothing: the connection stands."""
    dask.work()
    out = tmp_path / "out"
    client = shards(dask, source, out)
    client.until(out, 2)
    dask.scheduler.send_signal(signal.SIGSTOP)
    code, said = client.end(40)
    assert code == 4, said
    assert "the scheduler of the cluster has not answered for 8 s" in said
    assert leftovers(out) == []


def test_the_scheduler_starts_anew(
    dask: Dask, source: Path, right: dict[str, str], tmp_path: Path
) -> None:
    dask.work(nanny=True)
    out = tmp_path / "out"
    client = shards(dask, source, out)
    client.until(out, 2)
    kill(dask.scheduler)
    dask.start(int(dask.address.rpartition(":")[2]))
    dask.work()
    code, said = client.end()
    assert code == 0, said
    assert files(out) == right


def test_the_client_is_killed(
    dask: Dask, source: Path, right: dict[str, str], tmp_path: Path
) -> None:
    dask.work()
    dask.work()
    out = tmp_path / "out"
    client = shards(dask, source, out)
    client.until(out, 3)
    kill(client.process)
    for path in done(out):
        assert digests(out)[f"data_dir/{path.name}"] == right[f"data_dir/{path.name}"]
        assert digests(out)[f"idx_dir/{path.name}"] == right[f"idx_dir/{path.name}"]
    code, said = shards(dask, source, out).end()
    assert code == 0, said
    assert "kept" in said
    assert files(out) == right


def test_it_is_interrupted(dask: Dask, source: Path, right: dict[str, str], tmp_path: Path) -> None:
    dask.work()
    out = tmp_path / "out"
    client = shards(dask, source, out)
    client.until(out, 1)
    client.process.send_signal(signal.SIGINT)
    code, said = client.end(15)
    assert code == 130, said
    assert "Run the same command again to go on" in said and "Traceback" not in said
    code, said = shards(dask, source, out).end()
    assert code == 0 and files(out) == right, said


def test_a_shard_that_kills_its_workers(source: Path, tmp_path: Path) -> None:
    """Dask gives up, by its own setting, and so do we, by name."""
    with Dask(tmp_path) as strict:
        strict.start(env={"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"})
        worker, out = strict.work(), tmp_path / "out"
        client = shards(strict, source, out)
        client.until(out, 2)
        kill(worker)
        code, said = client.end(20)
    assert code == 4, said
    assert "every worker that was to write it died, 1 of them" in said
    assert "fastconv: train-000" in said and "Traceback" not in said
    assert leftovers(out) == []


def test_a_bad_image(dask: Dask, tmp_path: Path, mini: Path) -> None:
    tree = tmp_path / "tree"
    for number in range(40):
        path = tree / "ab"[number % 2] / f"{number}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(next(iter(sorted(mini.glob("tree/train/*/*.JPEG")))).read_bytes())
    (tree / "a" / "6.JPEG").write_bytes(b"none")
    dask.work()
    out = tmp_path / "out"
    code, said = shards(dask, tree, out).end()
    assert code == 3, said
    assert "a/6.JPEG: bad image: " in said and "--on-error skip" in said
    assert leftovers(out) == []
    code, said = shards(dask, tree, out, "--on-error", "skip").end()
    assert code == 1, said


def test_workers_without_this_fastconv(dask: Dask, source: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "fastconv"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("raise ImportError('it is another one')")
    dask.work(env={"PYTHONPATH": str(other.parent)})
    code, said = shards(dask, source, tmp_path / "out").end()
    assert code == 4, said
    assert "a worker cannot load fastconv " in said and "install the same version" in said
    assert "Traceback" not in said


def test_nobody_answers(source: Path, tmp_path: Path) -> None:
    with Dask(tmp_path) as none:
        out, env = tmp_path / "out", {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "1s"}
        none.address = "tcp://127.0.0.1:9"
        code, said = shards(none, source, out, env=env).end(20)
        assert code == 4 and "no scheduler answers there within 1s" in said, said
        for none.address in ("tcp://", "", "tcp://host:x"):
            code, said = shards(none, source, out, env=env).end(20)
            assert code == 2 and "is no address of a Dask scheduler; it is like" in said, said
        none.address = "tcp://me:secret@127.0.0.1:9"
        code, said = shards(none, source, out, env=env).end(20)
        assert code == 2 and "has no user and no password" in said and "secret" not in said, said
    assert not out.exists()


def test_who_answers_is_no_scheduler(source: Path, tmp_path: Path) -> None:
    out, env = tmp_path / "out", {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "1s"}
    with socket.create_server(("127.0.0.1", 0)) as silent, Dask(tmp_path) as none:
        none.address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        code, said = shards(none, source, out, env=env).end(30)
    assert code == 4 and "no scheduler answers there within 1s" in said, said
    assert "Traceback" not in said and said.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize("local", [True, False])
def test_workers_that_are_gone_for_good(local: bool) -> None:
    import dask

    from fastconv.engines.dask import LOCAL_SECONDS, _Pulse

    client = SimpleNamespace(status="running", scheduler_comm=None)
    with dask.config.set({"fastconv.wait-for-workers": "1h"}):
        pulse = _Pulse(client, lambda: " (Dask says: it died)", local)
    assert f"at most {LOCAL_SECONDS if local else 3600:.0f} s" in pulse.check()
    pulse._alone = 3600.0
    if local:
        with pytest.raises(
            WorkerError, match=r"workers of the local cluster ended.*\(Dask says: it"
        ):
            pulse.check()
    else:
        with pytest.raises(OutputError, match="has had no worker for 3600 s; start some"):
            pulse.check()


def test_interrupted_on_a_terminal(source: Path, tmp_path: Path) -> None:
    """^C goes to all processes of the terminal, the cluster's too, and one that was started again.
    None of them but ours says anything."""
    if shutil.which("setsid") is None:
        pytest.skip("setsid is not installed")
    out = tmp_path / "out"
    ours, theirs = pty.openpty()
    words = ["shards", source, "--out", out, "--train-shards", SHARDS, "--local-cluster", 2]
    process = subprocess.Popen(
        ["setsid", "--ctty", sys.executable, "-m", "fastconv", *map(str, words), "--quiet"],
        env=environment(),
        cwd=tmp_path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)

    def workers() -> list[int]:
        lines = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children_of(process)}
        return [pid for pid, line in lines.items() if b"spawn_main" in line]

    try:
        deadline = time.monotonic() + 40
        killed = 0
        while len(done(out)) < 3 or not killed or killed in workers() or len(workers()) < 2:
            assert process.poll() is None and time.monotonic() < deadline
            if not killed and done(out):
                killed = workers()[0]
                os.kill(killed, signal.SIGKILL)
            time.sleep(0.02)
        for pid in workers():
            (blocked,) = (
                int(line.split()[1], 16)
                for line in Path(f"/proc/{pid}/status").read_text().splitlines()
                if line.startswith("SigBlk")
            )
            assert blocked & 1 << signal.SIGINT - 1
        os.write(ours, b"\x03")
        assert process.wait(timeout=20) == 130
        said = ""
        with suppress(OSError):  # when none of its processes is left
            while part := os.read(ours, 1 << 16):
                said += part.decode()
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    said = said.replace("^C\r\n", "", 1)  # the terminal's own
    assert said.count("\n") == 1 and "Run the same command again to go on" in said, said


def test_a_cluster_of_its_own(source: Path, right: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = set(Path("/tmp").glob("fastconv-dask-*"))
    words = ["shards", source, "--out", out, "--train-shards", SHARDS, "--local-cluster", 2]
    code, said = Client(words, tmp_path / "log").end()
    assert code == 0, said
    assert files(out) == right
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "out"]
    assert set(Path("/tmp").glob("fastconv-dask-*")) <= before
