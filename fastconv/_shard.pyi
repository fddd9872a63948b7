from fastconv._tfrecord import RecordFile

DONE: int
FOREIGN: int
BAD: int
OPEN: int
READ: int
CHANGED: int
WRITE: int
BOARD_SLOTS: int

class ShardLoop:
    def __init__(
        self,
        columns: dict[str, memoryview],
        keys: tuple[bytes, ...],
        out: RecordFile,
        board: memoryview,
    ) -> None: ...
    def run(self, row: int, stop: int) -> tuple[int, int]: ...
    def append(self, row: int, image: bytes, height: int, width: int) -> None: ...
    def image(self) -> bytes: ...
    @property
    def errno(self) -> int: ...
    @property
    def jpeg_status(self) -> int: ...
    @property
    def found_bytes(self) -> int: ...
