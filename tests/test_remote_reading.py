"""Reading by byte ranges, from a store that is a dictionary: what needs no server."""

from __future__ import annotations

import errno
import io
import os
import random
import signal
import tarfile
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastconv import _tar
from fastconv.errors import InputError
from fastconv.remote import spool, threads
from fastconv.remote.path import Extent, RemotePath, known_path
from fastconv.remote.spool import BATCH_BYTES, Batch, Spool
from fastconv.sources import archives, remote_archives
from fastconv.sources.remote_archives import CHAINS, HOP_BYTES, Pace, list_remote_archive

PLACE = RemotePath("s3", "bucket", "some/archive.tar")


class FakeStore:
    """Objects by key; ``delays`` in seconds and ``fails`` (an errno) by the range's first byte."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = objects
        self.asked: list[tuple[int, int]] = []
        self.fails: dict[int, int] = {}
        self.delays: dict[int, float] = {}

    def read_range(self, key: str, start: int, stop: int, version: str = "") -> bytes:
        self.asked.append((start, stop))
        time.sleep(self.delays.get(start, 0))
        if start in self.fails:
            raise OSError(self.fails[start], "said no", f"s3://bucket/{key}")
        assert stop <= len(self.objects[key])
        return self.objects[key][start:stop]

    def read_ranges(
        self, key: str, starts: Sequence[int], stops: Sequence[int], version: str = ""
    ) -> list[bytes]:
        return [self.read_range(key, *pair) for pair in zip(starts, stops, strict=True)]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> FakeStore:
    fake = FakeStore({})
    monkeypatch.setattr(remote_archives, "open_store", lambda path: fake)
    monkeypatch.setattr(spool, "open_store", lambda path: fake)
    monkeypatch.setattr(
        remote_archives, "facts_of", lambda path: (len(fake.objects[path.key]), '"v1"')
    )
    return fake


def tar_of_tars(sizes: Sequence[Sequence[int]]) -> bytes:
    """A class for each row of sizes; names are long here and there, so that pax headers stand
    between members."""
    outer = io.BytesIO()
    with tarfile.open(fileobj=outer, mode="w") as tar:
        for number, row in enumerate(sizes):
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w", format=tarfile.PAX_FORMAT) as own:
                for image, size in enumerate(row):
                    info = tarfile.TarInfo(f"{'x' * (150 if image % 7 == 3 else 5)}{image}.JPEG")
                    info.size = size
                    own.addfile(info, io.BytesIO(bytes(size)))
            info = tarfile.TarInfo(f"n{number:08}.tar")
            info.size = len(inner.getvalue())
            tar.addfile(info, io.BytesIO(inner.getvalue()))
    return outer.getvalue()


def same(a: Any, b: Any) -> bool:
    return (
        all((getattr(a, c) == getattr(b, c)).all() for c in ("container", "offset", "size"))
        and a.names.blob.tobytes() == b.names.blob.tobytes()
        and [(p.inside, p.group) for p in a.containers]
        == [(p.inside, p.group) for p in b.containers]
        and a.strays == b.strays
    )


def test_a_listing_by_ranges_is_that_of_the_file(store: FakeStore, tmp_path: Path) -> None:
    dice = random.Random(3)
    sizes = [
        [dice.choice([0, 1, 600, 5000, 90_000]) for _ in range(dice.randrange(40))]
        for _ in range(9)
    ]
    data = tar_of_tars(sizes)
    (tmp_path / "archive.tar").write_bytes(data)
    store.objects[PLACE.key] = data
    here = archives.list_archive(tmp_path / "archive.tar")
    there = list_remote_archive(PLACE)
    assert same(here, there)
    assert {(place.path, place.version) for place in there.containers} == {(str(PLACE), '"v1"')}
    for stop in (len(data) // 2, len(data) // 3 // 512 * 512, 700, 100):
        os.truncate(tmp_path / "archive.tar", stop)
        store.objects[PLACE.key] = data[:stop]
        messages = []
        ways: list[Callable[[], object]] = [
            lambda: archives.list_archive(tmp_path / "archive.tar"),
            lambda: list_remote_archive(PLACE),
        ]
        for lists in ways:
            with pytest.raises(InputError) as caught:
                lists()
            messages.append(str(caught.value))
        assert messages[1] == messages[0].replace(str(tmp_path / "archive.tar"), str(PLACE))
        whole = archives.list_archive(tmp_path / "archive.tar", True)
        assert same(whole, list_remote_archive(PLACE, True))


def test_requests_do_not_overlap_and_bring_many_headers_where_they_are_close(
    store: FakeStore,
) -> None:
    store.objects[PLACE.key] = tar_of_tars([[2000] * 500])
    pace = Pace()
    listing = list_remote_archive(PLACE, pace=pace)
    assert len(listing) == 500
    assert pace.requests == len(store.asked) - 1 < 10
    store.objects[PLACE.key], store.asked = tar_of_tars([[1_500_000] * 6]), []
    pace = Pace()
    assert len(list_remote_archive(PLACE, pace=pace)) == 6
    assert len(store.asked) < 20
    assert pace.bytes < 400_000


def test_a_window_is_settled_by_what_was_measured() -> None:
    pace = Pace()
    pace.began(CHAINS)
    first = pace.window(0)
    assert HOP_BYTES < first <= 1 << 20
    assert pace.window(100_000) == HOP_BYTES  # nothing is known yet
    pace.took(1, HOP_BYTES, 0.02)
    assert pace.window(100_000) == 1 << 20  # tried
    pace.took(1, 1 << 20, 0.02)
    assert pace.window(100_000) == 1 << 20  # ten headers in the time of one
    assert pace.window(3 << 20) == HOP_BYTES
    for _ in range(50):
        pace.took(1, 1 << 20, 2.0)  # a narrow line
    assert pace.window(100_000) == HOP_BYTES
    assert pace.window(3000) == 1 << 20
    pace.began(1 - CHAINS)
    assert pace.window(3000) == 8 << 20  # one chain may have it all


def test_what_a_store_refuses_while_it_lists_is_told_with_the_url(store: FakeStore) -> None:
    store.objects[PLACE.key] = tar_of_tars([[2000] * 5] * 3)
    store.fails[0] = errno.EACCES
    with pytest.raises(InputError, match=r"s3://bucket/some/archive\.tar: cannot be read: said no"):
        list_remote_archive(PLACE)


# ---- the spool ----------------------------------------------------------------------------------


def extents(sizes: Sequence[int], store: FakeStore) -> list[Extent]:
    at, made = 7, []
    store.objects["k"] = random.Random(5).randbytes(sum(sizes) + 14)
    for size in sizes:
        made.append(Extent(RemotePath("s3", "bucket", "k"), at, size, ""))
        at += size
    return made


@pytest.mark.parametrize(
    "sizes",
    [[], [0], [1], [0, 0, 5, 0], [700] * 100, [9 << 20, 1, (8 << 20) + 1], [3, 30 << 20]],
    ids=str,
)
def test_a_batch_holds_the_bytes_of_each_extent(sizes: list[int], store: FakeStore) -> None:
    wanted = extents(sizes, store)
    into = Spool()
    for _ in range(2):
        batch = Batch(into, wanted)
        assert batch.wait() is None
        fd = os.open(into.path, os.O_RDONLY)
        try:
            for extent, at in zip(wanted, batch.offsets, strict=True):
                data = store.objects["k"][extent.start : extent.start + extent.size]
                assert os.pread(fd, extent.size, at) == data
        finally:
            os.close(fd)
    assert max((stop - start for start, stop in store.asked), default=0) <= 8 << 20
    Batch(into, extents([5], store)).wait()
    assert Path(into.path).stat().st_size <= 2 * BATCH_BYTES  # what was large is given back


def test_of_several_failures_the_first_row_is_told_and_the_rest_not_begun(
    store: FakeStore,
) -> None:
    wanted = extents([10] * 400, store)
    store.fails = {wanted[9].start: errno.EIO, wanted[4].start: errno.ESTALE}
    store.delays = {wanted[4].start: 0.05}
    failed = Batch(Spool(), wanted).wait()
    assert failed is not None
    assert failed[0] == 4
    assert isinstance(failed[1], OSError)
    assert failed[1].errno == errno.ESTALE
    assert len(store.asked) < 200


def test_a_batch_that_is_given_up_holds_nobody(store: FakeStore) -> None:
    wanted = extents([10] * 400, store)
    store.delays = {extent.start: 0.02 for extent in wanted}
    into = Spool()
    path = Path(into.path)
    before = path.stat().st_ino
    batch = Batch(into, wanted)
    batch.give_up()
    del into
    batch.wait()
    assert len(store.asked) < 100
    del batch
    assert not path.exists() or path.stat().st_ino != before


# ---- threads ------------------------------------------------------------------------------------


def test_results_are_in_order_and_errors_are_raised() -> None:
    def slowly(n: int) -> int:
        time.sleep(0.001 * (n % 3))
        return n * n

    assert threads.on_threads(slowly, range(50), 7) == [n * n for n in range(50)]
    assert threads.on_threads(slowly, [], 7) == []
    begun = []

    def fails(n: int) -> None:
        begun.append(n)
        time.sleep(0.001)
        if n == 5:
            raise InputError("five")

    with pytest.raises(InputError, match="five"):
        threads.on_threads(fails, range(1000), 4)
    assert len(begun) < 100
    with pytest.raises(InputError, match="at once"):
        threads.heeding(lambda: (_ for _ in ()).throw(InputError("at once")))


def test_an_interrupt_is_heard_while_a_store_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "GRACE_SECONDS", 0.01)
    released = threading.Event()
    timer = threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            threads.heeding(lambda: released.wait(30))
        assert not released.is_set()
    finally:
        released.set()
        timer.join()


def test_paths_of_a_plan_are_known_again() -> None:
    for path in (
        RemotePath("s3", "b", "a b/ü?x#y%20"),
        RemotePath("gs", "b"),
        RemotePath("az", "c", "k"),
        RemotePath("https", "host:8443", "a b/ü?x#y%20"),
    ):
        assert known_path(str(path)) == path
    for local in ("/a/b", "/s3://b", "s3:/b", "file://x", ""):
        assert known_path(local) is None


def test_a_scan_has_no_more_members_than_were_seen() -> None:
    data = tar_of_tars([[10] * 3])
    scan = _tar.Scan(0, len(data), array("i", [0]))
    assert scan.members == 0
    assert not scan.feed(b"", 0)
    assert scan.feed(data, 0)
    assert scan.members == 1
    assert np.frombuffer(scan.answer()[3], np.int64).tolist() == [512]
