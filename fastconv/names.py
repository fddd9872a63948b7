"""Many names as two NumPy arrays: a column of byte strings without one Python object a name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


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
        return (data[a:b] for a, b in zip(ends, ends[1:], strict=False))

    @property
    def sizes(self) -> IntArray:
        """Bytes of each name, int64 of shape (n,)."""
        return np.diff(self.starts)
