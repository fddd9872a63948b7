import numpy as np
import numpy.typing as npt

Octets = npt.NDArray[np.uint8]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]

def gather(blob: Octets, starts: Int64s, order: Int64s) -> tuple[bytes, bytes]: ...
def stem_sizes(blob: Octets, starts: Int64s) -> bytes: ...
def match(
    blob: Octets,
    starts: Int64s,
    sizes: Int64s,
    groups: Int32s,
    other: Octets,
    other_starts: Int64s,
    other_sizes: Int64s,
    other_groups: Int32s,
) -> bytes: ...
def padded(blob: Octets, starts: Int64s, words: int) -> bytes: ...
def shuffle(order: Int64s, at: int, words: npt.NDArray[np.uint32]) -> int: ...
