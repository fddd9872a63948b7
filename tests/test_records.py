"""TFRecord files and their indexes: written as the twin frames them, read with nothing let by."""

from __future__ import annotations

import errno
import gzip
import os
import random
import re
import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import crc32c as peer
import numpy as np
import pytest
import twin
from hypothesis import given, settings
from hypothesis import strategies as st

import fastconv
from fastconv._tfrecord import RecordFile
from fastconv.errors import InputError, OutputError, RecordError, UsageError
from fastconv.index import index_of
from fastconv.shared import anonymous_file

NOISE = random.Random(2).randbytes(300_000)
PAYLOADS = [b"", b"a", bytes(40), NOISE[:1000], b"", NOISE[:70_000], NOISE[:15], b"\xff" * 16]
PAYLOADS += [NOISE[:n] for n in (4079, 4080, 4081, 8176, 8177, 1, 12_000)]
SMALL = [b"", b"abc", b"\x80" * 5]


def shard_of(payloads: Sequence[bytes]) -> bytes:
    return b"".join(map(twin.frame, payloads))


def content(fd: int) -> bytes:
    return os.pread(fd, os.fstat(fd).st_size + 1, 0)


@contextmanager
def memory_file() -> Iterator[int]:
    fd = anonymous_file()
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def file_bytes_max(size: int) -> Iterator[None]:
    """No file of this process may grow beyond size: a write stops short there, the next fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# ---- RecordFile -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flush_bytes", [0, 1, 15, 16, 17, 33, 1016, 4095, 4096, 4097, 8192, 70_016, 1 << 20]
)
def test_the_same_bytes_whatever_the_buffer(flush_bytes: int) -> None:
    shard = shard_of(PAYLOADS)
    with memory_file() as fd:
        file = RecordFile(fd, flush_bytes)
        size = 0
        for n, payload in enumerate(PAYLOADS, 1):
            file.append(payload)
            size += len(payload) + 16
            assert (file.records, file.bytes) == (n, size)
            assert file.crc32c == peer.crc32c(shard[:size])
        file.flush()
        file.flush()
        assert content(fd) == shard
        assert file.index() == twin.index_lines(shard).encode()


@settings(deadline=None)
@given(
    st.lists(st.binary(max_size=60) | st.integers(0, 9000).map(lambda n: NOISE[:n]), max_size=12),
    st.integers(0, 200) | st.integers(4000, 20_000),
    st.sets(st.integers(0, 11)),
)
def test_any_records_any_buffer_flushed_anywhere(
    payloads: list[bytes], flush_bytes: int, flushed: set[int]
) -> None:
    shard = shard_of(payloads)
    with memory_file() as fd:
        file = RecordFile(fd, flush_bytes)
        for n, payload in enumerate(payloads):
            file.append(payload)
            if n in flushed:
                file.flush()
                assert content(fd) == shard[: file.bytes]
        file.flush()
        assert content(fd) == shard
        assert file.crc32c == peer.crc32c(shard)
        assert file.index() == twin.index_lines(shard).encode()


def test_a_file_of_no_records() -> None:
    with memory_file() as fd:
        file = RecordFile(fd)
        file.flush()
        assert (file.records, file.bytes, file.crc32c, file.index()) == (0, 0, 0, b"")
        assert content(fd) == b""


def test_an_index_of_many_lines() -> None:
    with memory_file() as fd:
        file = RecordFile(fd, 4096)
        for n in range(20_000):
            file.append(b"x" * (n % 3))
        file.flush()
        assert file.index() == twin.index_lines(content(fd)).encode()


def test_offsets_beyond_four_gigabytes() -> None:
    """The index goes by what was written, and /dev/null takes any number of bytes."""
    payload = bytes(1 << 26)
    with Path("/dev/null").open("wb", buffering=0) as null:
        file = RecordFile(null.fileno())
        for _ in range(65):
            file.append(payload)
        step = len(payload) + 16
        lines = [f"{n * step} {step}" for n in range(65)]
        assert file.index().decode().splitlines() == lines
        assert file.bytes == 65 * step > 1 << 32


def test_a_full_disk() -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        file = RecordFile(full.fileno(), 100)
        file.append(bytes(9000))  # held back, for nothing stood before it
        with pytest.raises(OSError) as caught:
            file.append(bytes(9000))
        assert caught.value.errno == errno.ENOSPC
        with pytest.raises(OSError):
            file.flush()


def test_a_descriptor_that_is_not_open() -> None:
    file = RecordFile(987_654, 100)
    file.append(b"")
    with pytest.raises(OSError) as caught:
        file.flush()
    assert caught.value.errno == errno.EBADF


def test_a_write_refused_half_way_can_be_tried_again(tmp_path: Path) -> None:
    """Space was freed after the error: then not a byte may be in the file twice."""
    fd = os.open(tmp_path / "shard", os.O_RDWR | os.O_CREAT)
    try:
        file = RecordFile(fd, 4096)
        file.append(NOISE[:3000])
        with file_bytes_max(1000), pytest.raises(OSError) as caught:
            file.flush()
        assert caught.value.errno == errno.EFBIG
        file.append(NOISE[:3000])
        file.flush()
        assert content(fd) == shard_of([NOISE[:3000]] * 2)
        assert file.index() == twin.index_lines(content(fd)).encode()
    finally:
        os.close(fd)


@pytest.mark.parametrize("size", [0, 1, 5000, 3 << 20])
def test_disk_set_aside_and_given_back(tmp_path: Path, size: int) -> None:
    fd = os.open(tmp_path / "shard", os.O_RDWR | os.O_CREAT)
    try:
        file = RecordFile(fd, 4096)
        file.allocate(size)
        assert os.fstat(fd).st_size == 0
        for payload in PAYLOADS:
            file.append(payload)
        file.finish()
        assert content(fd) == shard_of(PAYLOADS)
        assert os.fstat(fd).st_blocks * 512 < os.fstat(fd).st_size + (64 << 10)
    finally:
        os.close(fd)


def test_finishing_on_a_full_disk() -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        file = RecordFile(full.fileno())
        file.allocate(100)  # a device has no disk to set aside, and does without
        file.append(b"x")
        with pytest.raises(OSError) as caught:
            file.finish()
        assert caught.value.errno == errno.ENOSPC


# ---- RecordWriter ---------------------------------------------------------------------------


def test_a_file_and_its_index(tmp_path: Path) -> None:
    (tmp_path / "idx").mkdir()
    path, index = tmp_path / "shard", tmp_path / "idx" / "shard"
    with fastconv.RecordWriter(path, index) as writer:
        for n, payload in enumerate(PAYLOADS, 1):
            writer.write(payload)
            assert writer.records == n
            assert not path.exists()
        writer.write_example({"b": 1, "a": np.array([0.5], np.float32)})
    examples = [twin.encode_example([("a", "float", [0.5]), ("b", "int64", [1])])]
    shard = shard_of([*PAYLOADS, *examples])
    assert path.read_bytes() == shard
    assert index.read_text() == twin.index_lines(shard)
    assert list(fastconv.read_records(path)) == [*PAYLOADS, *examples]
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["idx", "shard", "shard"]


@pytest.mark.parametrize(
    "payload", [bytearray(b"abcd"), memoryview(b"abcd"), memoryview(b"abcd").cast("i"), b"abcd"]
)
def test_any_buffer_is_written(tmp_path: Path, payload: bytes) -> None:
    with fastconv.RecordWriter(tmp_path / "shard") as writer:
        writer.write(payload)
    assert (tmp_path / "shard").read_bytes() == twin.frame(b"abcd")


@pytest.mark.parametrize("payload", ["text", None, 5])
def test_nothing_but_a_buffer_is_written(tmp_path: Path, payload: bytes) -> None:
    with pytest.raises(TypeError), fastconv.RecordWriter(tmp_path / "shard") as writer:
        writer.write(payload)
    assert list(tmp_path.iterdir()) == []


def test_records_larger_than_the_buffer(tmp_path: Path) -> None:
    payloads = [bytes(3 << 20), b"between", bytes((1 << 20) - 16), bytes((1 << 20) - 15)]
    with fastconv.RecordWriter(tmp_path / "shard") as writer:
        for payload in payloads:
            writer.write(payload)
    assert list(fastconv.read_records(tmp_path / "shard")) == payloads


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), fastconv.RecordWriter(tmp_path / "a", tmp_path / "b") as writer:
        writer.write(bytes(3 << 20))
        raise error
    assert list(tmp_path.iterdir()) == []


def test_an_exception_leaves_what_was_there(tmp_path: Path) -> None:
    path, index = tmp_path / "shard", tmp_path / "index"
    path.write_text("old")
    index.write_text("older")
    with pytest.raises(ValueError), fastconv.RecordWriter(path, index) as writer:
        writer.write(bytes(3 << 20))
        raise ValueError
    assert (path.read_text(), index.read_text()) == ("old", "older")
    with fastconv.RecordWriter(path, index) as writer:
        writer.write(b"")
    assert (path.read_bytes(), index.read_bytes()) == (twin.frame(b""), b"0 16\n")


def test_closing_twice_and_writing_behind_it(tmp_path: Path) -> None:
    writer = fastconv.RecordWriter(tmp_path / "shard")
    writer.write(b"x")
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match="shard: is closed"):
        writer.write(b"y")
    assert writer.records == 1
    writer.discard()
    assert (tmp_path / "shard").read_bytes() == twin.frame(b"x")
    with pytest.raises(ValueError, match="is closed"), writer:
        writer.write(b"y")
    assert (tmp_path / "shard").read_bytes() == twin.frame(b"x")


def test_an_index_of_the_files_own_path(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for index in (tmp_path / "shard", tmp_path / "folder" / ".." / "shard"):
        with pytest.raises(UsageError, match="is the TFRecord file itself"):
            fastconv.RecordWriter(tmp_path / "shard", index)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"none/shard: cannot be written: No such file"):
        fastconv.RecordWriter(tmp_path / "none" / "shard")
    writer = fastconv.RecordWriter(tmp_path / "shard", tmp_path / "none" / "index")
    writer.write(b"x")
    with pytest.raises(OutputError, match=r"none/index: cannot be written: No such file"):
        writer.close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_files_place(tmp_path: Path) -> None:
    """Neither file may get its name where the other cannot."""
    (tmp_path / "shard").mkdir()
    with (
        pytest.raises(OutputError, match="shard: cannot be written"),
        fastconv.RecordWriter(tmp_path / "shard", tmp_path / "index") as writer,
    ):
        writer.write(b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["shard"]


def test_a_full_disk_is_named_and_nothing_stays(tmp_path: Path) -> None:
    for payloads in ([NOISE[:5000]], [NOISE, bytes(2 << 20), b"x"]):
        with (
            file_bytes_max(1000),
            pytest.raises(OutputError, match="shard: cannot be written: File too large"),
            fastconv.RecordWriter(tmp_path / "shard") as writer,
        ):
            for payload in payloads:
                writer.write(payload)
        assert list(tmp_path.iterdir()) == []


def test_no_space_says_what_to_do(tmp_path: Path) -> None:
    writer = fastconv.RecordWriter(tmp_path / "shard")
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, writer._fd, inheritable=False)
    os.close(full)
    writer.write(b"held back")
    with pytest.raises(OutputError, match=r"shard: .*No space left.*free some space"):
        writer.close()
    assert list(tmp_path.iterdir()) == []


def test_no_space_for_the_index(tmp_path: Path) -> None:
    writer = fastconv.RecordWriter(tmp_path / "shard", tmp_path / "index")
    for _ in range(200):
        writer.write(b"")
    writer._file.flush()  # 3,200 bytes; the index has fewer, and is refused at its last
    with (
        file_bytes_max(len(writer._file.index()) - 1),
        pytest.raises(OutputError, match="index: cannot be written"),
    ):
        writer.close()
    assert list(tmp_path.iterdir()) == []


def test_a_writer_caught_full_goes_on_with_whole_records(tmp_path: Path) -> None:
    """What a program of yours may do: catch the error, free some space, write the record again."""
    with fastconv.RecordWriter(tmp_path / "shard", tmp_path / "index") as writer:
        writer.write(NOISE)
        with file_bytes_max(100_000), pytest.raises(OutputError):
            writer.write(bytes(1 << 20))
        writer.write(bytes(1 << 20))
    sizes = [len(record) for record in fastconv.read_records(tmp_path / "shard")]
    assert sizes == [len(NOISE), 1 << 20]


# ---- read_records, frames -------------------------------------------------------------------


def refused(path: Path, words: str) -> list[bytes]:
    """The records before a refusal with these words."""
    records = []
    with pytest.raises(RecordError, match=words):
        for record in fastconv.read_records(path):
            records.append(record)
    return records


@settings(deadline=None, max_examples=50)
@given(payloads=st.lists(st.binary(max_size=200), max_size=8))
def test_reads_what_the_twin_frames(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes]
) -> None:
    path = tmp_path_factory.getbasetemp() / "read-what-the-twin-frames"
    path.write_bytes(shard_of(payloads))
    assert list(fastconv.read_records(path)) == payloads
    assert list(fastconv.read_records(str(path))) == payloads
    assert index_of(path).decode() == twin.index_lines(path.read_bytes())


def test_a_shard_of_no_records(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    assert list(fastconv.read_records(path)) == []
    assert index_of(path) == b""


def test_every_bit_is_guarded(tmp_path: Path) -> None:
    path = tmp_path / "shard"
    shard = shard_of(SMALL)
    starts = [0, 16, 35, len(shard)]
    for bit in range(8 * len(shard)):
        damaged = bytearray(shard)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        record = max(n for n, start in enumerate(starts) if start <= bit // 8)
        words = f"{re.escape(str(path))}: record {record} at offset {starts[record]}: "
        assert refused(path, words) == SMALL[:record]
        in_head = bit // 8 - starts[record] < 12
        if in_head:
            with pytest.raises(RecordError, match=words):
                index_of(path)
        else:
            assert index_of(path).count(b"\n") == len(SMALL)


def test_every_cut_is_seen_but_between_records(tmp_path: Path) -> None:
    path = tmp_path / "shard"
    shard = shard_of(SMALL)
    starts = [0, 16, 35, len(shard)]
    for size in range(len(shard) + 1):
        path.write_bytes(shard[:size])
        record = max(n for n, start in enumerate(starts) if start <= size)
        if size in starts:
            assert list(fastconv.read_records(path)) == SMALL[:record]
            assert index_of(path).count(b"\n") == record
            continue
        words = f"record {record} at offset {starts[record]}: is cut off.*the file ends at {size}"
        assert refused(path, words) == SMALL[:record]
        with pytest.raises(RecordError, match=words):
            index_of(path)


@pytest.mark.parametrize("size", [2**63, 2**64 - 1, 2**64 - 16, 2**31, 1, 2**62])
def test_a_length_beyond_the_file_whose_checksum_holds(tmp_path: Path, size: int) -> None:
    head = size.to_bytes(8, "little")
    path = tmp_path / "shard"
    path.write_bytes(head + twin.masked_crc32c(head).to_bytes(4, "little") + bytes(4))
    assert refused(path, f"record 0 at offset 0: is cut off: it needs {size + 16} bytes") == []


def test_text_is_no_tfrecord_file(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("n01440764 tench, Tinca tinca\n" * 9)
    refused(path, "this is no TFRecord file")


@pytest.mark.parametrize("size", [2, 9, 11, 12, None])
def test_no_index_of_gzip(tmp_path: Path, size: int | None) -> None:
    path = tmp_path / "shard.gz"
    path.write_bytes(gzip.compress(shard_of(PAYLOADS))[:size])
    with pytest.raises(RecordError, match=r"compressed with GZIP, .*; decompress it first"):
        index_of(path)


@pytest.mark.parametrize("cut", [None, *range(0, len(PAYLOADS) + 1, 4)])
def test_records_of_gzip(tmp_path: Path, cut: int | None) -> None:
    """In one file, or in several, one behind another, and with zeros behind them."""
    path = tmp_path / "shard.gz"
    parts = [PAYLOADS] if cut is None else [PAYLOADS[:cut], PAYLOADS[cut:]]
    path.write_bytes(b"".join(gzip.compress(shard_of(part)) for part in parts) + bytes(512))
    assert list(fastconv.read_records(path)) == PAYLOADS


def test_damaged_gzip(tmp_path: Path) -> None:
    path = tmp_path / "shard.gz"
    payloads = [NOISE[:50_000], NOISE[50_000:100_000]]
    whole = gzip.compress(shard_of(payloads), compresslevel=1)
    where = "of its content: its GZIP data is cut off or damaged"
    for size in (3, 12, 30_000, len(whole) - 40_000, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert refused(path, where) in ([], payloads[:1], payloads)
    path.write_bytes(whole[:-8] + bytes(8))
    assert refused(path, where) == payloads
    path.write_bytes(whole + b"garbage")
    assert refused(path, where) == payloads
    path.write_bytes(gzip.compress(shard_of(payloads)[:-1]))
    assert refused(path, "record 1 at offset 50016: is cut off: its content ends") == payloads[:1]
    path.write_bytes(gzip.compress(shard_of(payloads) + b"x"))
    assert refused(path, "record 2 at offset 100032: is cut off in its head") == payloads


def test_a_length_that_looks_like_gzip(tmp_path: Path) -> None:
    path = tmp_path / "shard"
    payload = bytes(0x8B1F)
    path.write_bytes(twin.frame(payload))
    assert list(fastconv.read_records(path)) == [payload]
    path.write_bytes(twin.frame(b"") + b"\x1f\x8b")
    assert refused(path, "record 1 at offset 16: is cut off in its head") == [b""]


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match=f"{path}: cannot be opened"):
            list(fastconv.read_records(path))
        with pytest.raises(InputError, match=f"{path}: cannot be opened"):
            index_of(path)


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "shard"
    path.write_bytes(shard_of([bytes(3 << 20), bytes(3 << 20)]))
    records = fastconv.read_records(path)
    assert next(records) == bytes(3 << 20)
    os.truncate(path, 4 << 20)
    with pytest.raises(RecordError, match=f"record 1 at offset {(3 << 20) + 16}: is cut off"):
        next(records)


# ---- index_shards ---------------------------------------------------------------------------


def shards_in(folder: Path, count: int = 3) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"train-{n:05d}-of-{count:05d}" for n in range(count)]
    for n, path in enumerate(paths):
        path.write_bytes(shard_of([NOISE[: 100 * n], *SMALL] if n else []))
    return paths


def test_indexes_are_those_written_with_the_shards(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "data").mkdir()
    for name in ("a", "b"):
        with fastconv.RecordWriter(tmp_path / "data" / name, tmp_path / "own" / name) as writer:
            for payload in PAYLOADS:
                writer.write(name.encode() + payload)
    seen: list[tuple[int, int]] = []
    shards = sorted((tmp_path / "data").iterdir())
    out = tmp_path / "deep" / "idx"
    count = fastconv.index_shards(shards, out, on_shard=lambda *done: seen.append(done))
    assert count == 2 * len(PAYLOADS)
    assert seen == [(1, 2), (2, 2)]
    for name in ("a", "b"):
        assert (out / name).read_bytes() == (tmp_path / "own" / name).read_bytes()
    assert sorted(path.name for path in out.iterdir()) == ["a", "b"]


def test_an_index_for_each_even_an_empty_shard(tmp_path: Path) -> None:
    shards = shards_in(tmp_path / "data")
    assert fastconv.index_shards(shards, tmp_path / "idx") == 8
    for shard in shards:
        index = tmp_path / "idx" / shard.name
        assert index.read_text() == twin.index_lines(shard.read_bytes())


def test_two_shards_of_one_name(tmp_path: Path) -> None:
    first, second = shards_in(tmp_path / "a", 1) + shards_in(tmp_path / "b", 1)
    with pytest.raises(UsageError, match=f"{second}: has the name of {first}"):
        fastconv.index_shards([first, second], tmp_path / "idx")
    assert not (tmp_path / "idx").exists()


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_shards_own_folder_is_refused(tmp_path: Path, overwrite: bool) -> None:
    shards = shards_in(tmp_path / "data")
    before = [shard.read_bytes() for shard in shards]
    (tmp_path / "link").symlink_to(tmp_path / "data")
    for out in (tmp_path / "data", tmp_path / "link", tmp_path / "data" / ".." / "data"):
        with pytest.raises(UsageError, match="shards' own folder"):
            fastconv.index_shards(shards, out, overwrite=overwrite)
    assert [shard.read_bytes() for shard in shards] == before
    assert sorted((tmp_path / "data").iterdir()) == shards


def test_an_index_that_is_there(tmp_path: Path) -> None:
    shards = shards_in(tmp_path / "data")
    (tmp_path / "idx").mkdir()
    last = tmp_path / "idx" / shards[-1].name
    last.write_text("mine")
    with pytest.raises(OutputError, match=f"{last}: is there already"):
        fastconv.index_shards(shards, tmp_path / "idx")
    assert list((tmp_path / "idx").iterdir()) == [last]
    assert last.read_text() == "mine"
    fastconv.index_shards(shards, tmp_path / "idx", overwrite=True)
    assert last.read_text() == twin.index_lines(shards[-1].read_bytes())


def test_a_dangling_link_is_there_too(tmp_path: Path) -> None:
    shards = shards_in(tmp_path / "data", 1)
    (tmp_path / "idx").mkdir()
    (tmp_path / "idx" / shards[0].name).symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match="is there already"):
        fastconv.index_shards(shards, tmp_path / "idx")


@pytest.mark.parametrize("damage", ["cut", "flip", "gzip", "gone"])
def test_a_damaged_shard_gets_no_index(tmp_path: Path, damage: str) -> None:
    shards = shards_in(tmp_path / "data")
    bad, whole = shards[1], shards[1].read_bytes()
    if damage == "gone":
        bad.unlink()
    else:
        forms = {"cut": whole[:-1], "flip": b"\x01" + whole[1:], "gzip": gzip.compress(whole)}
        bad.write_bytes(forms[damage])
    with pytest.raises(InputError, match=str(bad)):
        fastconv.index_shards(shards, tmp_path / "idx")
    assert [path.name for path in (tmp_path / "idx").iterdir()] == [shards[0].name]


def test_out_is_a_file(tmp_path: Path) -> None:
    shards = shards_in(tmp_path / "data", 1)
    (tmp_path / "idx").touch()
    with pytest.raises(OutputError, match="idx: cannot be written"):
        fastconv.index_shards(shards, tmp_path / "idx")


def test_no_space_for_an_index_leaves_none(tmp_path: Path) -> None:
    shards = shards_in(tmp_path / "data")
    with file_bytes_max(20), pytest.raises(OutputError, match=f"idx/{shards[1].name}: cannot be"):
        fastconv.index_shards(shards, tmp_path / "idx")
    assert [path.name for path in (tmp_path / "idx").iterdir()] == [shards[0].name]
