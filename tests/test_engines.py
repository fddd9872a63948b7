"""Executors as engines: the same bytes as by this machine's crew, and its errors."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import (
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from pathlib import Path
from typing import Any

import pytest
from conftest import digests, leftovers

import fastconv
from fastconv import errors
from fastconv.board import NO_ROW
from fastconv.engines import engine_for, flow, task
from fastconv.engines.futures import ExecutorEngine
from fastconv.engines.seats import Seats
from fastconv.errors import (
    BadImageError,
    FastconvError,
    InputError,
    OutputError,
    UsageError,
    WorkerError,
)
from fastconv.job import ShardResult, ShardTask
from fastconv.manifest import PARTIAL, TOOL, remove_partial
from fastconv.progress import Progress

TRAIN, VALIDATION = 7, 2
SPAWN = multiprocessing.get_context("spawn")


def options(source: Path, out: Path, **more: Any) -> fastconv.Options:
    given = {"train_shards": TRAIN, "validation_shards": VALIDATION, **more}
    return fastconv.Options(source=source, out=out, **given)


def files(out: Path) -> dict[str, str]:
    assert leftovers(out) == []
    found = digests(out, "")
    found.pop("runs.json", None)
    return found


@pytest.fixture(scope="module")
def right(mini: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("right") / "out"
    fastconv.convert(options(mini, out))
    return files(out)


@pytest.fixture(params=["processes", "one process", "threads"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    makers: dict[str, Callable[[], Executor]] = {
        "processes": lambda: ProcessPoolExecutor(2, mp_context=SPAWN),
        "one process": lambda: ProcessPoolExecutor(1, mp_context=SPAWN),
        "threads": lambda: ThreadPoolExecutor(3),
    }
    with makers[request.param]() as executor:
        yield executor


def test_the_same_bytes(
    executor: Executor, mini: Path, right: dict[str, str], tmp_path: Path
) -> None:
    seen: list[Progress] = []
    out = tmp_path / "out"
    report = fastconv.convert(options(mini, out), seen.append, executor)
    assert (report.exit_code, report.written) == (0, 80)
    assert files(out) == right
    assert executor.submit(os.getpid).result() > 0, "it is its owner's, and was not shut down"
    run = json.loads((out / "runs.json").read_text())["runs"][0]
    samples = run["samples"]
    assert sum(worker[-1] for worker in samples["records"]) == 80
    assert sum(worker[-1] for worker in samples["bytes"]) == sum(
        path.stat().st_size for path in (out / "data_dir").iterdir()
    )
    assert len(samples["records"]) >= run["workers"]
    writing = [moment for moment in seen if moment.total_shards]
    assert {moment.total_images for moment in writing} == {80}
    assert all(moment.shards <= TRAIN + VALIDATION for moment in writing)


def test_it_goes_on(executor: Executor, mini: Path, right: dict[str, str], tmp_path: Path) -> None:
    """From what the crew left, and the crew from what it leaves."""
    out = tmp_path / "out"
    for engines in ((None, executor), (executor, None)):
        limit = 4

        def stop(progress: Progress, limit: int = limit) -> None:
            if progress.shards >= limit:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fastconv.convert(options(mini, out, overwrite=True), stop, engines[0])
        assert leftovers(out) == []
        report = fastconv.convert(options(mini, out), None, engines[1])
        assert report.kept_shards >= limit
        assert files(out) == right


class Counted(ThreadPoolExecutor):
    """Counts how many tasks it has that are not done."""

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        self.now = self.most = self.all = 0
        self._lock = threading.Lock()

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        with self._lock:
            self.now += 1
            self.all += 1
            self.most = max(self.most, self.now)
        self.bytes = len(pickle.dumps((args, kwargs)))
        future = super().submit(*args, **kwargs)
        future.add_done_callback(self._less)
        return future

    def _less(self, _future: object) -> None:
        with self._lock:
            self.now -= 1


@pytest.mark.parametrize("workers", [1, 2])
def test_a_few_small_tasks_at_a_time(workers: int, mini: Path, tmp_path: Path) -> None:
    with Counted(workers) as executor:
        fastconv.convert(options(mini, tmp_path / "out", train_shards=20), None, executor)
        assert executor.all == 20 + VALIDATION
        assert executor.most == workers * flow.TASKS_A_WORKER
        assert executor.bytes < 500
    with Counted(8) as executor:
        fastconv.convert(
            options(mini, tmp_path / "few", train_shards=20, workers=workers), None, executor
        )
        assert executor.most == workers * flow.TASKS_A_WORKER


def _broken_tree(mini: Path, tree: Path) -> Path:
    for number, image in enumerate(sorted(mini.glob("tree/train/*/*.JPEG"))[:20]):
        path = tree / "ab"[number % 2] / f"{number:02d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image.read_bytes() if number != 6 else b"none")
    return tree


def test_a_bad_image(executor: Executor, mini: Path, tmp_path: Path) -> None:
    tree, out = _broken_tree(mini, tmp_path / "tree"), tmp_path / "out"
    with pytest.raises(errors.BadImageError, match=r"a/06\.jpg: bad image: .*--on-error skip"):
        fastconv.convert(options(tree, out), None, executor)
    assert leftovers(out) == []
    report = fastconv.convert(options(tree, out, on_error="skip"), None, executor)
    assert report.exit_code == 1
    assert [image.image[-6:] for image in report.skipped] == ["06.jpg"]


class Killing(ProcessPoolExecutor):
    """Its third task ends the process that does it."""

    given = 0

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        self.given += 1
        if self.given == 3:
            return super().submit(_die)
        return super().submit(*args, **kwargs)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_dies(mini: Path, right: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with Killing(2, mp_context=SPAWN) as executor, pytest.raises(WorkerError) as raised:
        fastconv.convert(options(mini, out), None, executor)
    assert "died with one of these in hand" in str(raised.value)
    assert "train-0000" in str(raised.value) and raised.value.exit_code == 4
    assert leftovers(out) == []
    fastconv.convert(options(mini, out))
    assert files(out) == right


class Answering(Executor):
    """Ends every task in one way."""

    def __init__(self, end: Callable[[Future[Any]], object]) -> None:
        self.end = end

    def submit(self, *_args: Any, **_kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.end(future)
        return future


def _refused(name: str, text: str, host: str = "there") -> Callable[[Future[Any]], object]:
    return lambda future: future.set_result(("refused", (host, 1, 2), name, text))


@pytest.mark.parametrize(
    ("end", "error", "said"),
    [
        (
            _refused("InputError", "x: gone"),
            InputError,
            "^x: gone \\(worker on host there, process 1\\)$",
        ),
        (
            _refused("OutputError", "x: full", socket.gethostname()),
            OutputError,
            f"^x: full \\(worker on host {socket.gethostname()}, process 1\\)$",
        ),
        (
            _refused("OutputError", "the worker on host there does not see x"),
            OutputError,
            "^the worker on host there does not see x$",
        ),
        (_refused("BadImageError", "x: bad"), BadImageError, "^x: bad$"),
        (_refused("Unheard", "x"), OutputError, "^x"),
        (
            lambda f: f.set_result(("crashed", ("there", 1, 2), "Trace\n")),
            WorkerError,
            "there \\(process 1\\) met an error of fastconv's own with train-00000-of-0000. in",
        ),
        (
            lambda f: f.set_exception(ModuleNotFoundError("No module named 'fastconv.engines'")),
            OutputError,
            f"cannot load {TOOL} .*fastconv.engines.*install the same version",
        ),
        (lambda f: f.set_exception(KeyError("a")), WorkerError, "train-.*: KeyError: 'a'"),
        (lambda f: f.cancel() and f.set_running_or_notify_cancel(), WorkerError, "was cancelled"),
    ],
)
def test_what_else_goes_wrong(
    end: Callable[[Future[Any]], object],
    error: type[FastconvError],
    said: str,
    mini: Path,
    tmp_path: Path,
) -> None:
    with pytest.raises(error, match=said):
        fastconv.convert(options(mini, tmp_path / "out", workers=1), None, Answering(end))
    assert leftovers(tmp_path / "out") == []


def test_an_executor_that_was_shut_down(mini: Path, tmp_path: Path) -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(OutputError, match="the engine takes no tasks: cannot schedule"):
        fastconv.convert(options(mini, tmp_path / "out"), None, executor)


def test_what_is_no_engine(mini: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"engine is a .*Executor or a .*Client, not 'dask'"):
        fastconv.convert(options(mini, tmp_path / "out"), None, "dask")
    assert not (tmp_path / "out").exists()
    with ThreadPoolExecutor(5) as executor:
        assert engine_for(executor, None).workers_for(100) == 5
        assert engine_for(executor, 3).workers_for(100) == 3
        engine = engine_for(executor, 3)
        assert engine.workers_for(2) == 2
        assert engine_for(engine, None) is engine, "who has its methods is one"


# ---- the worker's side --------------------------------------------------------------------------


def test_a_worker_of_another_version(tmp_path: Path) -> None:
    kind, _, name, text = task.write_one("fastconv 0.0.0", str(tmp_path), "job", ())
    assert (kind, name) == ("refused", "OutputError")
    assert f"has {TOOL}, and this is fastconv 0.0.0" in text


def test_a_worker_that_does_not_see_the_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "SEEN_WITHIN_SECONDS", 0.15)
    shard = ("train-00000-of-00001", "train", 0, 1, None)
    for out, unseen in (
        (tmp_path / "none", f"does not see {tmp_path}/none: "),
        (tmp_path, f"does not see {tmp_path}/{PARTIAL}/job-1/plan: "),
    ):
        kind, _, name, text = task.write_one(TOOL, str(out), "job-1", shard)
        assert (kind, name) == ("refused", "OutputError")
        assert unseen in text and "under the same paths" in text


def test_what_a_worker_did_not_foresee(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "open_plan", lambda out, job: 1 // 0)
    kind, _, trace = task.write_one(TOOL, str(tmp_path), "job-1", ())
    assert kind == "crashed" and "ZeroDivisionError" in trace


def test_a_worker_left_from_an_earlier_job_writes_nothing(
    mini: Path, right: dict[str, str], tmp_path: Path
) -> None:
    """It has its plan open, and would begin a shard, or give it its name."""
    out = tmp_path / "out"
    given: list[tuple[Any, ...]] = []

    class Keeping(ThreadPoolExecutor):
        def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
            given.append(args)
            return super().submit(*args, **kwargs)

    with Keeping(1) as executor:
        fastconv.convert(options(mini, out, seed=1), None, executor)
    function, *arguments = given[0]
    fastconv.convert(options(mini, out, overwrite=True))

    def another_job_begins(_board: memoryview) -> None:
        remove_partial(out)
        (out / PARTIAL).mkdir(exist_ok=True)

    (out / PARTIAL / arguments[2]).mkdir(parents=True)
    for moment in (another_job_begins, lambda _board: None):
        answer = function(*arguments, moment)
        assert answer[0] == "refused" and "cannot be written: No such file" in answer[3]
    remove_partial(out)
    assert files(out) == right


def test_folders_of_earlier_jobs_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    partial = tmp_path / PARTIAL
    for name in ("job-0123456789abcdef", "job-0123456789abcdef.gone-01234567"):
        (partial / name).mkdir(parents=True)
        (partial / name / "plan").write_bytes(b"plan")
    (partial / "runs.json").touch()
    remove_partial(tmp_path)
    assert not partial.exists()
    (partial / "job-mine").mkdir(parents=True)  # is none, by its name
    with pytest.raises(OSError):
        remove_partial(tmp_path)
    (partial / "job-mine").rmdir()
    # What a network disk keeps, since somebody has it open, is left for the next.
    held = partial / "job-0123456789abcdef"
    held.mkdir()

    def keeps(path: Path) -> None:
        raise OSError(39, "Directory not empty", str(path))

    with monkeypatch.context() as patched:
        patched.setattr("shutil.rmtree", keeps)
        remove_partial(tmp_path)
    assert [path.name[:25] for path in partial.iterdir()] == [f"{held.name}.gone"]
    remove_partial(tmp_path)
    assert not partial.exists()


# ---- what is shown ------------------------------------------------------------------------------


def test_seats() -> None:
    seats = Seats(2)
    shard = ShardTask("a", "train", 0, 10)

    def records() -> list[int]:
        return [seats.board.of(n)[2] for n in range(seats.board.workers)]

    seats.at("w1", 3, 3, 300, 1)
    seats.at("w2", 15, 5, 500, 1)
    assert records() == [3, 5] and seats.board.total(3) == 800
    seats.done("w1", ShardResult(shard, 10, 1000, skipped=[(1, "x", "y")]))
    assert records() == [11, 5] and seats.board.of(0)[1] == NO_ROW
    seats.leave(lambda who: who != "w2")  # what it had in hand is not written
    assert records() == [11, 0]
    seats.at("w3", 15, 2, 200, 1)
    seats.at("w4", 25, 1, 100, 1)  # there is one more than was known
    assert records() == [11, 2, 1] and seats.board.total(3) == 1300


def test_an_engine_is_told_how_many_it_has() -> None:
    class Nameless(Executor):
        pass

    class Told(Executor):
        num_workers = 12

    assert ExecutorEngine(Nameless(), 3).workers_for(9) == 3
    assert ExecutorEngine(Nameless()).workers_for(10**6) >= 1
    assert ExecutorEngine(Told()).workers_for(10**6) == 12
