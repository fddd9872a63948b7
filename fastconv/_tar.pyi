NO_END: int
REASONS: tuple[str, ...]

def scan(
    fd: int, begin: int, end: int
) -> tuple[int, int, int, bytes, bytes, bytes, bytes, bytes]: ...
