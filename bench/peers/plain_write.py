"""What writing the files takes by itself: each process reads its share and writes it, no more.

plain_write.py SOURCE OUT PROCESSES [sync]

SOURCE holds the archives and plan.txt, a line for each image: archive, offset, bytes, path.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def write(source: Path, out: Path, lines: list[list[str]]) -> None:
    open_archives = {
        name: os.open(source / name, os.O_RDONLY) for name in {line[0] for line in lines}
    }
    buffer = memoryview(bytearray(max(int(line[2]) for line in lines)))
    for name, offset, size, path in lines:
        view = buffer[: int(size)]
        os.preadv(open_archives[name], [view], int(offset))
        file = os.open(f"{out}/{path}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        os.write(file, view)
        os.close(file)


def main() -> None:
    source, out, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    began = time.perf_counter()
    lines = [line.split() for line in (source / "plan.txt").read_text().splitlines()]
    folders = sorted({line[3].rpartition("/")[0] for line in lines})
    for folder in folders:
        (out / folder).mkdir(parents=True)
    # Each folder is one process's, so that none waits for another's lock on it.
    own = {folder: number % count for number, folder in enumerate(folders)}
    children = []
    for process in range(count):
        pid = os.fork()
        if pid == 0:
            write(source, out, [x for x in lines if own[x[3].rpartition("/")[0]] == process])
            os._exit(0)
        children.append(pid)
    if any(os.waitpid(pid, 0)[1] for pid in children):
        sys.exit("a process failed")
    if sys.argv[4:]:
        os.sync()
    print(json.dumps({"seconds": time.perf_counter() - began, "written": len(lines)}))


if __name__ == "__main__":
    main()
