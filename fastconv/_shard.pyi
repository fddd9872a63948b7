import numpy as np
import numpy.typing as npt

from fastconv._tfrecord import RecordFile

DONE: int
FOREIGN: int
BAD: int
OPEN: int
READ: int
CHANGED: int
WRITE: int
LIMIT: int
BOARD_SLOTS: int

class ShardLoop:
    def __init__(
        self,
        columns: dict[str, memoryview],
        keys: tuple[bytes, ...],
        out: RecordFile,
        board: memoryview,
        limits: dict[str, int],
        gray_block: int = 0,
    ) -> None: ...
    def run(self, row: int, stop: int) -> tuple[int, int]: ...
    def append(
        self,
        row: int,
        image: bytes | memoryview,
        height: int,
        width: int,
        gray: bool = False,
        boxes: npt.NDArray[np.float32] | None = None,
    ) -> None: ...
    def image(self) -> bytes: ...
    @property
    def facts(self) -> tuple[int, int, int, int, int]: ...
    @property
    def errno(self) -> int: ...
    @property
    def jpeg_status(self) -> int: ...
    @property
    def found_bytes(self) -> int: ...
