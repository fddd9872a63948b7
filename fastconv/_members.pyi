from collections.abc import Callable

import numpy as np
import numpy.typing as npt

IMAGE_ENDINGS: frozenset[bytes]

def is_image_name(name: bytes) -> bool: ...
def images(
    blob: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    types: npt.NDArray[np.uint8],
    clean: Callable[[bytes], bytes],
) -> tuple[bytes, bytes, list[bytes], bytes, bytes, int, int, int]: ...
def entries(
    path: bytes,
) -> tuple[bytes, bytes, bytes, list[bytes], list[bytes], int, bytes | None]: ...
