from array import array

CUT: int
NO_END: int
REASONS: tuple[str, ...]

def scan(
    fd: int, begin: int, end: int, stop: array[int] | None = None
) -> tuple[int, int, int, bytes, bytes, bytes, bytes, bytes]: ...
