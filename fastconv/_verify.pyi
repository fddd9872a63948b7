from collections.abc import Callable

WHOLE: int
READ: int
HEAD_CUT: int
HEAD_WRONG: int
CUT: int
SHRUNK: int
PAYLOAD_MAX: int

def jpeg_sides(data: bytes | memoryview) -> tuple[int, int, int]: ...
def outline(payload: bytes | memoryview) -> list[bytes] | None: ...

class Rules:
    def __init__(
        self,
        first_label: int,
        names: list[bytes],
        keys: list[tuple[bytes, str, bool]],
        added: list[tuple[bytes, str, bool]],
    ) -> None: ...
    def hold(self, payload: bytes | memoryview) -> bool: ...
    def taken(self) -> tuple[dict[int, int], int]: ...

class Walk:
    at: int
    record: int
    end: int
    leaps: int
    crc32c: int
    error: int
    def __init__(
        self,
        fd: int,
        end: int,
        rules: Rules | None,
        every: bool,
        on_record: Callable[[int, int, memoryview, bool], None],
        on_damage: Callable[[int, int, int], None],
    ) -> None: ...
    @property
    def index(self) -> bytes: ...
    def go_to(self, offset: int, record: int) -> None: ...
    def run(self) -> int: ...
