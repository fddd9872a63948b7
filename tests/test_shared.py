"""Columns in shared memory, read back here and in another process."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastconv.shared import ALIGN_BYTES, FORMATS, anonymous_file, attach, share

DTYPES = sorted(FORMATS)
COLUMN = st.tuples(st.sampled_from(DTYPES), st.integers(0, 300), st.integers(0, 2**32 - 1))


def made(dtype: str, count: int, seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 127, count).astype(dtype)


def round_trip(columns: dict[str, np.ndarray[Any, Any]], facts: dict[str, Any]) -> None:
    fd = share(columns, facts)
    try:
        found, found_facts, _ = attach(fd)
    finally:
        os.close(fd)
    assert found_facts == facts
    assert list(found) == list(columns)
    for name, column in columns.items():
        view = found[name]
        assert view.format == FORMATS[column.dtype.name]
        assert view.nbytes == column.nbytes
        assert view.tolist() == column.reshape(-1).tolist()
        assert view.readonly
        if len(view):
            address = np.frombuffer(view, np.uint8).__array_interface__["data"][0]
            assert address % ALIGN_BYTES == 0


@settings(deadline=None, max_examples=50)
@given(
    st.dictionaries(st.text(max_size=30), COLUMN, max_size=8),
    st.dictionaries(
        st.text(max_size=9), st.none() | st.integers() | st.text(max_size=9), max_size=5
    ),
)
def test_round_trip(columns: dict[str, tuple[str, int, int]], facts: dict[str, Any]) -> None:
    round_trip({name: made(*column) for name, column in columns.items()}, facts)


@pytest.mark.parametrize("dtype", DTYPES)
def test_empty_columns(dtype: str) -> None:
    empty = np.empty(0, dtype)
    full = np.arange(5).astype(dtype)
    round_trip({"a": empty}, {})
    round_trip({"a": empty, "b": full, "c": empty}, {"n": 5})
    round_trip({"boxes": np.empty((0, 4), dtype)}, {})


def test_nothing_at_all() -> None:
    round_trip({}, {})


@pytest.mark.parametrize("key_bytes", range(64))
def test_headers_of_any_length(key_bytes: int) -> None:
    """The first column begins on a boundary of its own, wherever the header ends."""
    round_trip({"k" * key_bytes: np.arange(9)}, {})


def test_tables_are_flattened() -> None:
    table = np.arange(12, dtype=np.float32).reshape(3, 4)
    round_trip({"boxes": table, "turned": table.T}, {})


@pytest.mark.parametrize("dtype", ["float64", "uint64", "int16", "bool"])
def test_what_has_no_format(dtype: str) -> None:
    before = os.listdir("/proc/self/fd")  # noqa: PTH208
    with pytest.raises(KeyError):
        share({"a": np.zeros(3, dtype)}, {})
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208


def test_columns_outlive_the_descriptor() -> None:
    fd = share({"a": np.arange(3)}, {})
    columns, _, _ = attach(fd)
    os.close(fd)
    assert columns["a"].tolist() == [0, 1, 2]


def test_nobody_writes_to_what_is_shared() -> None:
    fd = share({"a": np.arange(3)}, {})
    columns, _, _ = attach(fd)
    os.close(fd)
    with pytest.raises(TypeError):
        columns["a"][0] = 7


def test_another_process_sees_it_without_numpy() -> None:
    fd = share({"a": np.arange(1000), "b": np.empty(0, np.float32)}, {"word": "ü"})
    code = (
        "import sys; from fastconv.shared import attach; "
        f"columns, facts, _ = attach({fd}); "
        "print(sum(columns['a']), len(columns['b']), ascii(facts['word']), 'numpy' in sys.modules)"
    )
    try:
        said = subprocess.run(
            [sys.executable, "-c", code], pass_fds=[fd], capture_output=True, text=True, check=True
        )
    finally:
        os.close(fd)
    assert said.stdout.split() == ["499500", "0", r"'\xfc'", "False"]


def test_an_anonymous_file_is_not_inherited() -> None:
    fd = anonymous_file()
    try:
        assert not os.get_inheritable(fd)
    finally:
        os.close(fd)


def test_without_memfd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    round_trip({"a": np.arange(100)}, {"x": 1})
