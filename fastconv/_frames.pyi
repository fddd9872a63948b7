WHOLE: int
READ: int
HEAD_CUT: int
HEAD_WRONG: int
CUT: int

def index(fd: int, end: int) -> tuple[int, int, int, int, bytes]: ...
