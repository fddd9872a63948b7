"""A crew of workers: the same results by any number, and an error with a name when one dies."""

from __future__ import annotations

import gc
import inspect
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import crew_tasks
import numpy as np
import pytest
from conftest import children

from fastconv import errors
from fastconv.errors import FastconvError, InputError, WorkerError
from fastconv.shared import share
from fastconv.workers import Crew, in_parallel, usable_cores

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.usefixtures("no_children")
KINDS = [
    name
    for name, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, FastconvError)
]


def crew(function: str, count: int = 1, *arguments: Any, **options: Any) -> Crew:
    return Crew(count, ("crew_tasks", function), lambda _worker: arguments, **options)


def run(crew: Crew, tasks: Any) -> list[tuple[Any, Any]]:
    return list(crew.run(tasks, lambda: None))


@pytest.fixture(autouse=True)
def soon() -> Iterator[None]:
    """Whatever a crew meets, its end is a matter of seconds."""
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < 15


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_any_number_of_workers_comes_to_the_same(workers: int) -> None:
    expected = [(n, n * n) for n in range(200)]
    with crew("squares", workers) as some:
        assert sorted(run(some, range(200))) == expected
        assert list(some.map(range(200))) == [result for _, result in expected]
        assert list(some.map([])) == run(some, []) == []
        assert list(some.map([3])) == [9]


def test_map_keeps_the_order_of_tasks_that_end_in_another() -> None:
    with crew("sleep", 2) as some:
        assert list(some.map([0.3, 0.0, 0.0, 0.1, 0.0])) == [None] * 5


def test_two_workers_are_two_processes() -> None:
    with crew("process", 2) as some:
        pids = {pid for _, pid in run(some, range(20))}
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_tasks_and_results_that_count_as_false() -> None:
    tasks: list[Any] = [0, "", [], False, 0.0, {}]
    with crew("echo") as some:
        assert list(some.map(tasks)) == [((), task) for task in tasks]


def test_tasks_of_megabytes() -> None:
    tasks = [bytes((n,)) * (4 << 20) for n in range(4)]
    with crew("echo", 2, 7) as some:
        assert list(some.map(tasks)) == [((7,), task) for task in tasks]


def test_arguments_of_each_worker() -> None:
    def arguments(number: int) -> tuple[Any, ...]:
        return number, f"worker {number}"

    with Crew(2, ("crew_tasks", "echo"), arguments) as some:
        found = {told for _, (told, _) in run(some, range(40))}
    assert found <= {(0, "worker 0"), (1, "worker 1")}


def test_tasks_are_taken_as_workers_are_free() -> None:
    taken: list[int] = []

    def tasks() -> Iterator[int]:
        for n in range(50):
            taken.append(n)
            yield n

    with crew("squares", 2) as some:
        for done, _ in enumerate(some.run(tasks(), lambda: None), 1):
            assert len(taken) <= done + 2
    assert len(taken) == 50


def test_descriptors_are_handed_down() -> None:
    fd = share({"a": np.arange(10) * 3}, {})
    try:
        with crew("column", 2, fds=(fd,)) as some:
            assert list(some.map(range(10))) == [3 * n for n in range(10)]
    finally:
        os.close(fd)


def test_nothing_else_is_handed_down() -> None:
    with Path("/dev/null").open() as file, crew("column", 1, file.fileno()) as some:
        os.set_inheritable(file.fileno(), True)
        with pytest.raises(WorkerError):
            run(some, [0])


def test_where_modules_are_looked_for_is_handed_down() -> None:
    with crew("path") as some:
        assert list(some.map([1])) == [[entry for entry in sys.path if isinstance(entry, str)]]


def test_workers_have_nothing_to_print_to() -> None:
    with crew("standard_streams") as some:
        assert list(some.map([1])) == [["/dev/null"] * 3]


def test_ticks() -> None:
    ticks: list[float] = []
    with crew("sleep") as some:
        list(some.run([0.6], lambda: ticks.append(time.monotonic())))
    assert 2 <= len(ticks) <= 8


# ---- errors ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_an_error_of_fastconvs_comes_back_as_it_is(name: str) -> None:
    with (
        crew("refuse", 2) as some,
        pytest.raises(FastconvError, match="^" + f"{name} of a task, with ü$") as caught,
    ):
        run(some, [name])
    assert type(caught.value) is getattr(errors, name)


def test_any_other_error_comes_with_its_traceback() -> None:
    with crew("crash") as some, pytest.raises(WorkerError) as caught:
        run(some, ["word"])
    said = str(caught.value)
    assert said.startswith("worker 0 met an error of fastconv's own:\nTraceback")
    assert "crew_tasks.py" in said
    assert "LookupError: no such thing: word" in said


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGKILL, "was killed by SIGKILL .*lack of memory"),
        (signal.SIGSEGV, "was killed by SIGSEGV"),
        (signal.SIGTERM, "was killed by SIGTERM"),
        (signal.SIGBUS, "was killed by SIGBUS"),
        (signal.SIGRTMIN + 6, f"was killed by .*{signal.SIGRTMIN + 6}"),
    ],
)
def test_a_killed_worker(workers: int, number: int, words: str) -> None:
    begin = time.monotonic()
    with (
        crew(
            "kill", workers, in_hand=lambda n, task: f" with image {n}.JPEG in hand, {task}"
        ) as some,
        pytest.raises(
            WorkerError,
            match=rf"^worker (\d) \(process \d+\) {words}.* with image \1.JPEG in hand, {number}$",
        ),
    ):
        run(some, [number] * workers)
    assert time.monotonic() - begin < 5


def test_an_interrupt_is_for_the_parent_alone() -> None:
    with crew("kill") as some:
        assert list(some.map([signal.SIGINT])) == ["alive"]


@pytest.mark.parametrize("function", ["leave", "exit"])
@pytest.mark.parametrize("code", [0, 1, 7])
def test_a_worker_that_leaves(function: str, code: int) -> None:
    with (
        crew(function, in_hand=lambda _worker, task: f", alas, at {task}") as some,
        pytest.raises(
            WorkerError, match=rf"worker 0 \(process \d+\) ended with code {code}, alas, at {code}"
        ),
    ):
        run(some, [code])


def test_a_worker_that_was_killed_while_it_waited() -> None:
    with crew("process") as some:
        (pid,) = some.map([1])
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
        with pytest.raises(WorkerError, match=rf"process {pid}\) was killed by SIGKILL"):
            run(some, [1])


def test_a_result_that_cannot_be_sent() -> None:
    with crew("unpicklable") as some, pytest.raises(WorkerError):
        run(some, [1])


@pytest.mark.parametrize(
    ("module", "function"),
    [
        ("no_such_module", "squares"),
        ("crew_tasks", "no_such_function"),
        ("crew_tasks", "damaged_start"),
        ("crew_tasks", "echo_of_nothing"),
    ],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_cannot_start(module: str, function: str, workers: int) -> None:
    with (
        Crew(workers, (module, function), lambda _: ()) as some,
        pytest.raises(FastconvError, match=r"the plan is damaged|no_such|no attribute"),
    ):
        run(some, range(9))


def test_no_interpreter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Or no memory or process left for one: an error of fastconv's, and no socket left open."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        error = None
        try:
            with crew("squares", 2):
                pass
        except (OSError, FastconvError) as caught:
            error = repr(caught)
        gc.collect()
    assert [str(warning.message) for warning in warned] == []
    assert error is not None
    assert error.startswith("WorkerError")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_of_the_callers_ends_the_crew(error: type[BaseException]) -> None:
    def on_tick() -> None:
        raise error

    begin = time.monotonic()
    with pytest.raises(error), crew("sleep", 2) as some:
        list(some.run([60, 60], on_tick))
    assert time.monotonic() - begin < 3


def test_tasks_that_fail_to_be_named() -> None:
    def tasks() -> Iterator[float]:
        yield 60
        raise LookupError("no more")

    with pytest.raises(LookupError), crew("sleep", 2) as some:
        run(some, tasks())


# ---- in_parallel ----------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 60])
def test_in_parallel(workers: int, count: int) -> None:
    results = in_parallel(workers)(crew_tasks.with_process, iter(range(count)))
    squares, pids = list(zip(*results, strict=True)) or [(), ()]
    assert squares == tuple(n * n for n in range(count))
    own = sum(pid == os.getpid() for pid in pids)
    assert own == (count if workers == 1 else min(count, 1))


@pytest.mark.parametrize("workers", [1, 2])
def test_in_parallel_takes_items_as_they_come(workers: int) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for n in range(40):
            taken.append(n)
            yield n

    for done, (square, _) in enumerate(in_parallel(workers)(crew_tasks.with_process, items()), 1):
        assert square == (done - 1) ** 2
        assert done <= len(taken) <= (done if workers == 1 else 40) + 1
    assert len(taken) == 40


@pytest.mark.parametrize("workers", [1, 2])
def test_in_parallel_an_error_of_fastconvs_is_the_same(workers: int) -> None:
    run_all = in_parallel(workers)(crew_tasks.refused_from_three, iter(range(9)))
    with pytest.raises(InputError, match=r"^[3-8] is refused$"):
        list(run_all)


def test_in_parallel_left_early() -> None:
    results = in_parallel(2)(crew_tasks.with_process, iter(range(1000)))
    assert [next(results)[0] for _ in range(5)] == [0, 1, 4, 9, 16]
    results.close()  # type: ignore[attr-defined]
    assert children() == []


# ---- the end --------------------------------------------------------------------------------


def test_leaving_ends_workers_at_once_whatever_they_do() -> None:
    with crew("blocked", 2) as some:
        for worker in some._workers:
            worker.recruit.connection.send(60)
        time.sleep(0.3)
        assert len(children()) == 2
        begin = time.monotonic()
    assert time.monotonic() - begin < 2
    assert children() == []


def test_leaving_ends_workers_that_stand_still() -> None:
    with crew("process") as some:
        (pid,) = some.map([1])
        os.kill(pid, signal.SIGSTOP)
    assert children() == []


def test_leaving_before_they_have_started() -> None:
    with crew("squares", 3):
        pass
    assert children() == []


def test_leaving_in_the_middle_of_a_run() -> None:
    with crew("squares", 2) as some:
        for task, result in some.run(range(1000), lambda: None):
            assert result == task * task
            break
    assert children() == []


def test_closing_twice() -> None:
    some = crew("squares")
    with some:
        some.close()
    some.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_from_a_thread(workers: int) -> None:
    results: list[Any] = []

    def work() -> None:
        with crew("squares", workers) as some:
            results.extend(some.map(range(30)))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert sorted(results) == sorted([n * n for n in range(30)] * 2)


SCRIPT = """
import os, sys, threading, time
sys.path.insert(0, {tests!r})
from fastconv.workers import Crew
with Crew(2, ("crew_tasks", "blocked"), lambda _: ()) as crew:
    for worker in crew._workers:
        worker.recruit.connection.send(60)
    time.sleep(0.3)
    print(*(worker.recruit.process.pid for worker in crew._workers), flush=True)
    time.sleep(60)
"""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def test_workers_die_with_a_killed_parent() -> None:
    script = SCRIPT.format(tests=str(Path(__file__).parent))
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment()
    ) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert not any(is_gone(pid) for pid in pids)
        parent.kill()
    deadline = time.monotonic() + 5
    while not all(is_gone(pid) for pid in pids):
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.02)


@pytest.mark.parametrize("closed", [(0,), (1,), (0, 1), (0, 1, 2)])
def test_a_parent_without_standard_streams(closed: tuple[int, ...], tmp_path: Path) -> None:
    """As cron jobs and daemons may be started: then a socket may get one of their numbers."""
    script = f"""
import os, sys
for fd in {closed}:
    os.close(fd)
sys.path.insert(0, {str(Path(__file__).parent)!r})
from fastconv.workers import Crew
with Crew(2, ("crew_tasks", "squares"), lambda _: ()) as crew:
    squares = list(crew.map(range(5)))
open({str(tmp_path / "said")!r}, "w").write(str(squares))
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", script], env=environment(), timeout=20, check=False)
    assert (tmp_path / "said").read_text() == "[0, 1, 4, 9, 16]"


def test_a_main_module_without_a_guard(tmp_path: Path) -> None:
    """A plain script: its workers do not run it again."""
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "print('started')\n"
        "from fastconv.workers import Crew\n"
        "with Crew(2, ('crew_tasks', 'squares'), lambda _: ()) as crew:\n"
        "    print(*crew.map(range(4)))\n"
    )
    for words in ([str(script)], ["-c", script.read_text()]):
        said = subprocess.run(
            [sys.executable, *words], capture_output=True, text=True, env=environment(), check=True
        )
        assert said.stdout.split() == ["started", "0", "1", "4", "9"]


def test_usable_cores() -> None:
    assert 1 <= usable_cores() <= len(os.sched_getaffinity(0))
    core = min(os.sched_getaffinity(0))
    code = (
        f"import os; os.sched_setaffinity(0, [{core}]); "
        "from fastconv.workers import usable_cores; print(usable_cores())"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True
    )
    assert said.stdout == "1\n"


def test_the_tasks_are_found_by_name() -> None:
    assert crew_tasks.squares()(3) == 9
    with pytest.raises(InputError):
        crew_tasks.damaged_start()
