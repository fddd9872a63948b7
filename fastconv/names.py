"""Many names as two NumPy arrays: a column of byte strings without one Python object a name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from fastconv import _columns

IntArray = npt.NDArray[np.int64]

WORDS_MAX = 16  # of 8 bytes: names of up to 128 bytes are sorted as numbers

GROUP_ROWS_MIN = 50  # on average, from which on groups are sorted one by one


@dataclass(frozen=True, slots=True)
class Names:
    """Byte strings in CSR form.

    ``blob`` is uint8 of shape (total bytes,); ``starts`` is int64 of shape (n + 1,);
    name *i* is ``blob[starts[i]:starts[i + 1]]``.
    """

    blob: npt.NDArray[np.uint8]
    starts: IntArray

    @classmethod
    def of(cls, names: Iterable[bytes]) -> Names:
        items = list(names)
        starts = np.zeros(len(items) + 1, np.int64)
        np.cumsum([len(name) for name in items], out=starts[1:])
        return cls(np.frombuffer(b"".join(items), np.uint8), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, i: int) -> bytes:
        return self.blob[self.starts[i] : self.starts[i + 1]].tobytes()

    def __iter__(self) -> Iterator[bytes]:
        data = self.blob.tobytes()
        ends = self.starts.tolist()
        return (data[a:b] for a, b in pairwise(ends))

    @property
    def sizes(self) -> IntArray:
        """Bytes of each name, int64 of shape (n,)."""
        return np.diff(self.starts)

    @property
    def stem_sizes(self) -> IntArray:
        """Bytes of each name without its extension, int64 of shape (n,)."""
        return np.frombuffer(_columns.stem_sizes(self.blob, self.starts), np.int64)

    def take(self, order: IntArray) -> Names:
        """The names at these rows, int64 of shape (m,)."""
        blob, starts = _columns.gather(
            self.blob, self.starts, np.ascontiguousarray(order, np.int64)
        )
        return Names(np.frombuffer(blob, np.uint8), np.frombuffer(starts, np.int64))

    def sorted_within(self, groups: npt.NDArray[np.int32]) -> IntArray:
        """Order that sorts by group, then by name bytewise, then by row: int64 of shape (n,)."""
        longest = int(self.sizes.max(initial=0))
        words = max(1, -(-longest // 8))
        if words > WORDS_MAX:
            # One long name would cost memory for all of them; Python's own sort takes seconds.
            names, of = list(self), groups.tolist()
            slowly = sorted(range(len(names)), key=lambda row: (of[row], names[row]))
            return np.array(slowly, np.int64)
        keys = np.frombuffer(_columns.padded(self.blob, self.starts, words), np.uint64)
        columns = keys.reshape(words, len(self))
        # A name that is the beginning of another sorts first; only NULs, which no name of a file
        # holds, could make the two equal.
        order: IntArray = np.argsort(groups, kind="stable").astype(np.int64, copy=False)
        ends = np.append(np.flatnonzero(np.diff(groups[order])) + 1, len(order))
        if len(order) < GROUP_ROWS_MIN * len(ends):
            by_all: IntArray = np.lexsort((*columns[::-1], groups)).astype(np.int64)
            return by_all
        # Group by group, what is compared stays in the processor's cache.
        begin = 0
        for end in ends.tolist():
            rows = order[begin:end]
            order[begin:end] = rows[np.lexsort(columns[::-1, rows])]
            begin = end
        return order

    @classmethod
    def joined(cls, parts: Sequence[Names]) -> Names:
        """The names of all parts, one part behind another."""
        if not parts:
            return cls.of([])
        if len(parts) == 1:  # most often there is one, and it may be a gigabyte
            return parts[0]
        sizes = np.concatenate([part.sizes for part in parts])
        starts = np.zeros(len(sizes) + 1, np.int64)
        np.cumsum(sizes, out=starts[1:])
        return cls(np.concatenate([part.blob for part in parts]), starts)


def match(
    names: Names,
    groups: npt.NDArray[np.int32],
    others: Names,
    other_groups: npt.NDArray[np.int32],
    whole: bool = False,
) -> npt.NDArray[np.int32]:
    """For each name, the last row of `others` of the same stem and group, or -1: shape (n,). With
    `whole`, of the same name, its extension included."""
    found = _columns.match(
        names.blob,
        names.starts,
        names.sizes if whole else names.stem_sizes,
        groups,
        others.blob,
        others.starts,
        others.sizes,
        other_groups,
    )
    return np.frombuffer(found, np.int32)
