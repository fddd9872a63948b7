"""Names as columns against lists, dicts and sorted()."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastconv.names
from fastconv.names import Names, match

# Few letters, so that names share beginnings, stems and whole selves; every word size's edges.
NAME = st.one_of(
    st.text("ab.", max_size=5).map(str.encode),
    st.tuples(
        st.sampled_from([7, 8, 9, 15, 16, 17, 63, 64, 65, 130]), st.text("ab.\xff", max_size=2)
    ).map(lambda p: b"n" * p[0] + p[1].encode("latin-1")),
    st.binary(min_size=1, max_size=20).map(lambda name: name.replace(b"\0", b"0")),
)
LISTS = st.lists(NAME, max_size=30)
NAMED_GROUPS = st.lists(st.tuples(NAME, st.integers(-2, 3)), max_size=30)


def stem(name: bytes) -> bytes:
    """What stands before the last dot, unless that begins the name."""
    return name[: name.rfind(b".")] if name.rfind(b".") > 0 else name


def groups_of(pairs: list[tuple[bytes, int]]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.array([group for _, group in pairs], np.int32)


@settings(deadline=None)
@given(LISTS)
def test_a_list_and_back(items: list[bytes]) -> None:
    names = Names.of(items)
    assert len(names) == len(items)
    assert list(names) == items
    assert [names[i] for i in range(len(items))] == items
    assert names.sizes.tolist() == [len(item) for item in items]
    assert names.stem_sizes.tolist() == [len(stem(item)) for item in items]
    assert names.starts.dtype == np.int64
    assert list(Names.of(iter(items))) == items


@settings(deadline=None)
@given(LISTS, st.data())
def test_take(items: list[bytes], data: st.DataObject) -> None:
    names = Names.of(items)
    rows = st.lists(st.integers(0, len(items) - 1), max_size=40) if items else st.just([])
    order = data.draw(rows)
    taken = names.take(np.array(order, np.int64))
    assert list(taken) == [items[i] for i in order]
    assert list(names.take(np.arange(len(items))[::-1])) == items[::-1]
    assert list(names.take(np.arange(len(items), dtype=np.int32))) == items


@settings(deadline=None)
@given(NAMED_GROUPS, st.sampled_from([0, 3, 50]))
def test_sorted_within(pairs: list[tuple[bytes, int]], rows_min: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fastconv.names, "GROUP_ROWS_MIN", rows_min)  # one way to sort, or the other
        order = Names.of([name for name, _ in pairs]).sorted_within(groups_of(pairs))
    assert order.dtype == np.int64
    assert order.tolist() == sorted(range(len(pairs)), key=lambda i: (pairs[i][1], pairs[i][0], i))


@pytest.mark.parametrize("size", [1, 7, 8, 9, 15, 16, 17, 64, 65, 255])
def test_every_byte_of_a_name_sorts(size: int) -> None:
    start = b"n" * (size - 1)
    items = [start + bytes((byte,)) for byte in range(255, 0, -1)] + [start]
    order = Names.of(items).sorted_within(np.zeros(256, np.int32))
    assert [items[i] for i in order] == sorted(items)


@settings(deadline=None)
@given(st.lists(LISTS, max_size=5))
def test_joined(parts: list[list[bytes]]) -> None:
    joined = Names.joined([Names.of(part) for part in parts])
    assert list(joined) == [name for part in parts for name in part]
    assert joined.starts.dtype == np.int64


@settings(deadline=None, max_examples=300)
@given(NAMED_GROUPS, NAMED_GROUPS)
def test_match(names: list[tuple[bytes, int]], others: list[tuple[bytes, int]]) -> None:
    # Half of the others are stems of the names, so that there is something to be found.
    others = [*others, *((stem(name), group) for name, group in names[::2])]
    found = match(
        Names.of([name for name, _ in names]),
        groups_of(names),
        Names.of([name for name, _ in others]),
        groups_of(others),
    )
    rows = {pair: row for row, pair in enumerate(others)}
    assert found.dtype == np.int32
    assert found.tolist() == [rows.get((stem(name), group), -1) for name, group in names]


def test_match_of_many() -> None:
    """More than a table of the first size holds, half of them found."""
    others = [b"n%08d_%d" % (n % 1000, n) for n in range(0, 30_000, 2)]
    names = [b"n%08d_%d.JPEG" % (n % 1000, n) for n in range(30_000)]
    groups = np.arange(30_000, dtype=np.int32) % 7
    found = match(Names.of(names), groups, Names.of(others), groups[::2].copy())
    expected = np.full(30_000, -1)
    expected[::2] = np.arange(15_000)
    assert np.array_equal(found, expected)


def test_names_of_nothing() -> None:
    nothing, none = Names.of([]), np.empty(0, np.int32)
    assert len(nothing) == len(Names.joined([])) == 0
    assert list(nothing) == []
    assert nothing.sorted_within(none).shape == (0,)
    assert nothing.stem_sizes.shape == (0,)
    assert list(nothing.take(np.empty(0, np.int64))) == []
    one, group = Names.of([b""]), np.zeros(1, np.int32)
    assert match(nothing, none, one, group).shape == (0,)
    assert match(one, group, nothing, none).tolist() == [-1]
    assert match(one, group, one, group).tolist() == [0]
    assert one.sorted_within(group).tolist() == [0]
