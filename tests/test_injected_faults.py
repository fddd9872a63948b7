"""Every call to the file system that a conversion makes fails once, or ends the job there.

Whatever it meets, nothing that is not whole has a final name, the error names the file, and the
same command run again gives the bytes of a run that nothing happened to. A sample of the calls is
tried here; `make torture` tries them all.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from conftest import made_once
from faults.jobs import (
    Files,
    Job,
    Server,
    claimed_and_false,
    copied,
    differences,
    environment,
    files,
    server,
)
from faults.shim import DEATHS, OUT, SOURCE, Fault, Seen, build, compiler, shim

from fastconv.sample import make_sample

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the shim is for glibc"),
    pytest.mark.skipif(compiler() is None, reason="there is no C compiler"),
]

# What each kind of call can really meet. Names of errnos, or what the shim does instead.
INTERRUPTED = {
    "open": ["EINTR"],
    "read": ["EINTR", "short"],
    "write": ["EINTR", "short"],
    "sync": ["EINTR"],
    "truncate": ["EINTR"],
    "allocate": ["EINTR"],
    "lock": ["EINTR"],
}
REFUSED = {
    "open": ["EIO", "ENOSPC", "EDQUOT", "EROFS"],
    "read": ["EIO"],
    "write": ["ENOSPC", "EDQUOT", "EIO"],
    "sync": ["EIO", "ENOSPC", "EDQUOT"],
    "rename": ["EIO", "ENOSPC", "EDQUOT", "EROFS"],
    "unlink": ["EIO", "EROFS"],
    "mkdir": ["EIO", "ENOSPC", "EDQUOT", "EROFS"],
    "truncate": ["EIO"],
    "allocate": ["ENOSPC", "EIO", "EOPNOTSUPP"],
    "close": ["EIO", "EDQUOT"],
    "list": ["EIO"],
    "stat": ["EIO"],
    "lock": ["ENOLCK"],
}
OF_SOURCE = {"open": ["EIO", "EACCES"], "read": ["EIO"], "list": ["EIO"], "stat": ["EIO"]}
ENDED = {
    "open": ["dead", "done"],
    "write": ["dead", "torn", "done"],
    "sync": ["dead", "done"],
    "rename": ["dead", "done"],
    "unlink": ["dead", "done"],
    "mkdir": ["dead", "done"],
    "truncate": ["dead"],
    "allocate": ["dead"],
}
# Those that also come to stay: a disk stays full, and an NFS server gone.
LASTING = {"write": ["ENOSPC", "EIO"], "sync": ["EIO"], "rename": ["EROFS"], "unlink": ["EIO"]}


@dataclass(frozen=True, slots=True)
class Case:
    """A job, what is in its output already, and how it is run."""

    name: str
    kind: str  # of its source
    before: str
    workers: int
    more: tuple[str, ...] = ()


CASES = {
    case.name: case
    for case in (
        Case("archives", "archives", "nothing", 1),
        Case("two workers", "archives", "nothing", 2),
        Case("tree", "tree", "nothing", 1),
        Case("resumed", "archives", "part", 1),
        Case("finished", "archives", "whole", 1),
        Case("overwriting", "archives", "whole", 1, ("--overwrite",)),
        Case("compressed", "compressed", "nothing", 1),
        Case("compressed, resumed", "compressed", "part", 2),
        Case("overwriting a part", "tree", "part", 2, ("--overwrite",)),
    )
}


class Bench:
    """What all tests here share: the shim, sources, and outputs as they are before a job."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.library = folder / "shim" / "shim.so"
        shards = ("--train-shards", "3", "--validation-shards", "1")
        archives, tree = folder / "in", folder / "in" / "tree"
        self.jobs = {
            "archives": Job(archives, (str(archives), *shards)),
            "tree": Job(tree, (str(tree), *shards)),
            "compressed": Job(archives, (str(archives), *shards, "--compression", "gzip")),
        }
        self._right: dict[str, Files] = {}

    def before(self, kind: str, what: str) -> Path:
        return self._folder / f"{kind} {what}"

    def right(self, kind: str) -> Files:
        if kind not in self._right:
            self._right[kind] = files(self.before(kind, "whole"))
        return self._right[kind]

    def make(self) -> None:
        build(self._folder / "shim")
        source = self._folder / "in"
        make_sample(source, classes=2, train_images=14, validation_images=3, seed=4, tree=True)
        for kind, job in self.jobs.items():
            with server(self.library, self._folder) as jobs:
                whole, part = self.before(kind, "whole"), self.before(kind, "part")
                code, errors = jobs.run(job.command(whole, 1), environment())
                assert code == 0, errors
                # Killed in the middle of the journal's third line for a shard.
                fault = Fault(OUT, "write", 3, "torn", match="/manifest.journal")
                with shim(self.library, self._folder, (part, job.source), fault) as rig:
                    assert jobs.run(job.command(part, 1), rig.env)[0] == -9


def make_bench(folder: Path) -> None:
    folder.mkdir()
    Bench(folder).make()


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(made_once(tmp_path_factory, "bench", make_bench))


@pytest.fixture(scope="session")
def jobs(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(bench.library, tmp_path_factory.mktemp("server")) as running:
        yield running


def final_name(path: str, out: Path) -> str:
    """The file that a message should name for a call about `path`."""
    partial = f"{out}/.fastconv-partial/"
    name = path.removeprefix(partial)
    if name == path:
        return path
    if name.endswith((".shard", ".index")):
        folder = "data_dir" if name.endswith(".shard") else "idx_dir"
        return f"{out}/{folder}/{name.rpartition('.')[0]}"
    return f"{out}/{name}"


class Trial:
    """One case's job, run with one fault after another, each from the same beginning."""

    def __init__(self, bench: Bench, jobs: Server, case: Case, folder: Path) -> None:
        self.bench, self.jobs, self.case, self.folder = bench, jobs, case, folder
        self.job, self.right = bench.jobs[case.kind], bench.right(case.kind)
        self.out = folder / "out"
        self.words = self.job.command(self.out, case.workers, *case.more)
        self.problems: list[str] = []
        self.tried = 0

    def attempt(self, fault: Fault | None, log: bool = False) -> tuple[int, str, Seen]:
        copied(self.bench.before(self.case.kind, self.case.before), self.out)
        roots = (self.out, self.job.source)
        with shim(self.bench.library, self.folder, roots, fault, log) as rig:
            code, errors = self.jobs.run(self.words, rig.env)
            return code, errors, rig.seen()

    def undisturbed(self) -> Seen:
        code, errors, seen = self.attempt(None, log=True)
        assert code == 0, errors
        assert differences(self.out, self.right) == []
        return seen

    def meets(self, fault: Fault) -> None:
        """Run with the fault, check all that must hold, and note what does not."""
        self.tried += 1
        code, errors, seen = self.attempt(fault)
        problems = list(self._of_the_end(fault, code, errors, seen))
        problems += claimed_and_false(self.out, self.right)
        if code:
            again, errors = self.jobs.run(self.words, {})
            if again:
                problems.append(f"run again, it ended with {again}: {errors}")
            self.check_same(problems, "run again: ")
        else:
            self.check_same(problems, "")
        self.problems += [f"{fault} ({seen.fired_at}): {problem}" for problem in problems]

    def check_same(self, problems: list[str], when: str) -> None:
        problems += [f"{when}{what}" for what in differences(self.out, self.right)]

    def _of_the_end(self, fault: Fault, code: int, errors: str, seen: Seen) -> Iterator[str]:
        if "Traceback" in errors or code == 70:
            yield f"a traceback: {errors}"
        if not seen.fired:
            if code:
                yield f"nothing happened, and it ended with {code}: {errors}"
            if self.case.workers == 1:
                yield "was not met"
            return
        expected = self._expected(fault, seen.fired_at)
        if code not in expected:
            yield f"ended with {code}, not {' or '.join(map(str, expected))}: {errors}"
        elif code in (3, 4) and fault.what not in DEATHS and 3 not in expected[1:]:
            if not errors.startswith("fastconv: ") or fault.said not in errors:
                yield f"does not say {fault.said!r}: {errors}"
            name = final_name(seen.fired_at, self.out)
            # What lasts is met by parent and workers, and whoever comes first tells of it.
            named = {name, seen.fired_at} if fault.when == "once" else {str(self.out)}
            if not any(one in errors for one in named):
                yield f"does not name {name}: {errors}"
            if code == 4 and not re.search(
                r"; (free some space, then |your quota is used up: free some space, then |"
                r"mend that, then )run the same command again to go on$|"
                r"; choose another folder with --out$",
                errors.rstrip(),
            ):
                yield f"does not say what to do: {errors}"

    def _expected(self, fault: Fault, path: str) -> tuple[int, ...]:
        """The exit codes that will do. With 0 goes that the output is right."""
        if fault.what in INTERRUPTED.get(fault.kind, ()):
            return (0,)
        if fault.what in DEATHS:
            return (-9, 4)  # the parent was killed, or a worker
        if fault.root == SOURCE:
            # What is only asked for may be answered in another way.
            return (0, 3) if fault.kind == "stat" else (3,)
        if fault.kind in ("allocate", "lock", "range"):
            return (0,)  # hints, and what file systems may lack
        name = path.removeprefix(f"{self.out}/")
        if fault.kind == "close" and not name.startswith(".fastconv-partial/"):
            return (0, 3, 4)  # of folders, of what was only read, or of what was synced
        if (
            fault.kind == "stat"
            or name in (".fastconv-partial", "shares")  # what is in it is not needed
            or (fault.kind == "mkdir" and self.case.before != "nothing")  # it is there
            or (
                fault.kind in ("open", "read")
                and name.startswith(("idx_dir/", "labels.txt", "runs.json"))
            )  # made anew; how fast earlier runs were is not worth a job
            # What overwriting frees is only estimated before it is looked at in earnest.
            or (fault.kind in ("open", "read", "list") and "--overwrite" in self.case.more)
        ):
            return (0, 4)
        return (4,)


Draw = Callable[[Seen, int, dict[str, list[str]]], Iterator[Fault]]


def every(seen: Seen, root: int, table: dict[str, list[str]]) -> Iterator[Fault]:
    """Each call of each kind with each of its faults."""
    for kind, whats in table.items():
        for k in range(1, seen.count[root][kind] + 1):
            for what in whats:
                yield Fault(root, kind, k, what)


def in_turn(seen: Seen, root: int, table: dict[str, list[str]]) -> Iterator[Fault]:
    """Each call of each kind with one of its faults."""
    for kind, whats in table.items():
        for k in range(1, seen.count[root][kind] + 1):
            yield Fault(root, kind, k, whats[k % len(whats)])


def a_few(seen: Seen, root: int, table: dict[str, list[str]]) -> Iterator[Fault]:
    """The first call of each kind, one in the middle, and the last; each fault once at least."""
    for kind, whats in table.items():
        count = seen.count[root][kind]
        places = sorted({1, (count + 1) // 2, count})
        for number in range(max(len(whats), len(places)) if count else 0):
            yield Fault(root, kind, places[number % len(places)], whats[number % len(whats)])


def lasting(seen: Seen, draw: Draw) -> Iterator[Fault]:
    for fault in draw(seen, OUT, LASTING):
        yield replace(fault, when="from then on")
    for root in (OUT, SOURCE):
        for kind, whats in INTERRUPTED.items():
            if seen.count[root][kind]:
                for what in whats:
                    when = "every other" if what == "EINTR" else "from then on"
                    yield Fault(root, kind, 1, what, when)


GROUPS: dict[str, Callable[[Seen, Draw], Iterator[Fault]]] = {
    "interrupted": lambda seen, draw: draw(seen, OUT, INTERRUPTED),
    "refused": lambda seen, draw: draw(seen, OUT, REFUSED),
    "ended": lambda seen, draw: draw(seen, OUT, ENDED),
    "lasting": lasting,
    "source interrupted": lambda seen, draw: draw(seen, SOURCE, INTERRUPTED),
    "source refused": lambda seen, draw: draw(seen, SOURCE, OF_SOURCE),
}


# What of it there must be in any job: a shim that sees nothing would find nothing.
MUST_BE_SEEN = {
    OUT: ("open", "write", "sync", "rename", "unlink", "mkdir", "truncate", "close", "list"),
    SOURCE: ("open", "read"),
}


@pytest.mark.parametrize(
    ("case", "group"),
    [
        ("archives", "refused"),
        ("archives", "source refused"),
        ("two workers", "interrupted"),
        ("tree", "source refused"),
        ("compressed", "refused"),
        ("compressed, resumed", "ended"),
    ],
)
def test_some_calls(bench: Bench, jobs: Server, tmp_path: Path, case: str, group: str) -> None:
    trial = Trial(bench, jobs, CASES[case], tmp_path)
    seen = trial.undisturbed()
    for root, kinds in MUST_BE_SEEN.items():
        # What comes out of GZIP has a size that is not known before, so that none is set aside.
        known = set(kinds) - ({"truncate"} if case.startswith("compressed") else set())
        assert all(seen.count[root][kind] for kind in known)
    for fault in GROUPS[group](seen, a_few):
        trial.meets(fault)
    assert trial.tried
    assert not trial.problems, "\n".join(trial.problems)


@pytest.mark.parametrize(
    "case", ["archives", "two workers", "resumed", "overwriting", "compressed"]
)
def test_names_last(bench: Bench, jobs: Server, tmp_path: Path, case: str) -> None:
    """What a power cut could undo: a file is synced between its last write and its name, and a
    name before the journal claims it."""
    trial = Trial(bench, jobs, CASES[case], tmp_path)
    out, claims = str(trial.out), 0
    unsynced: set[str] = set()
    unsynced_names: set[str] = set()
    for _, _, kind, path in (call for call in trial.undisturbed().calls if call[1] == OUT):
        if kind == "write":
            unsynced.add(final_name(path, trial.out))
            if path == f"{out}/manifest.journal":
                claims += 1
                assert not {name for name in unsynced_names if "/data_dir/" in name}
        elif kind == "sync":
            unsynced.discard(final_name(path, trial.out))
            unsynced_names -= {name for name in unsynced_names if str(Path(name).parent) == path}
        elif kind == "rename":
            assert path not in unsynced
            unsynced_names.add(path)
        elif kind == "unlink" and path == f"{out}/manifest.journal":
            assert f"{out}/manifest.json" not in unsynced_names
    assert unsynced == set() and unsynced_names == set() and claims


def test_a_folder_above_that_may_not_be_read(bench: Bench, jobs: Server, tmp_path: Path) -> None:
    """As the folder of all users' folders often is: its names cannot be synced by us."""
    job, above = bench.jobs["archives"], tmp_path / "above"
    above.mkdir()
    words = job.command(above / "out", 1)
    with shim(bench.library, tmp_path, (above, job.source), None, log=True) as rig:
        assert jobs.run(words, rig.env) == (0, "")
        opened = [path for _, root, kind, path in rig.seen().calls if (root, kind) == (OUT, "open")]
    shutil.rmtree(above / "out")
    fault = Fault(OUT, "open", 1 + opened.index(str(above)), "EACCES")
    with shim(bench.library, tmp_path, (above, job.source), fault) as rig:
        assert jobs.run(words, rig.env) == (0, "")
        assert rig.seen().fired_at == str(above)
    assert differences(above / "out", bench.right("archives")) == []


# As file systems say that they cannot sync a folder, and as they say that it went wrong.
@pytest.mark.parametrize(("what", "code"), [("EINVAL", 0), ("ENOTSUP", 0), ("EIO", 4)])
def test_folders_that_cannot_be_synced(
    bench: Bench, jobs: Server, tmp_path: Path, what: str, code: int
) -> None:
    trial = Trial(bench, jobs, CASES["archives"], tmp_path)
    calls = [call for call in trial.undisturbed().calls if call[1:3] == (OUT, "sync")]
    folders = [n for n, call in enumerate(calls, 1) if Path(call[3]).name in ("idx_dir", "out")]
    for k in (folders[0], folders[-1]):
        ended, errors, seen = trial.attempt(Fault(OUT, "sync", k, what))
        assert seen.fired == 1 and ended == code, errors
        assert code or differences(trial.out, trial.right) == []


@pytest.mark.torture
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", range(3))
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("case", CASES)
def test_every_call(
    bench: Bench,
    jobs: Server,
    tmp_path: Path,
    case: str,
    group: str,
    part: int,
    record_property: Callable[[str, object], None],
) -> None:
    trial = Trial(bench, jobs, CASES[case], tmp_path)
    draw = every if case == "archives" else in_turn
    for number, fault in enumerate(GROUPS[group](trial.undisturbed(), draw)):
        if number % 3 == part:
            trial.meets(fault)
    record_property("faults", trial.tried)
    assert not trial.problems, "\n".join(trial.problems)
