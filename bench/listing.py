"""List an archive, and nothing else: ``python -m bench.listing fastconv|tarfile ARCHIVE``."""

from __future__ import annotations

import json
import sys
import tarfile
import time
from pathlib import Path


def with_tarfile(path: Path) -> int:
    """Members of all inner archives, by Python's tarfile at its best: each is read where it lies,
    by way of the outer file itself, and nothing is kept of a member."""
    images = 0
    with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as outer:
        inners = [(member.offset_data, member.name) for member in outer if member.isreg()]
        for offset, _ in inners:
            file.seek(offset)
            with tarfile.open(fileobj=file, mode="r:") as inner:
                images += sum(member.isreg() for member in inner)
    return images


def with_fastconv(path: Path) -> int:
    """By fastconv, which keeps each member's place, size, class and name."""
    from fastconv.sources.archives import list_archive

    return len(list_archive(path, threads=1).offset)


if __name__ == "__main__":
    how, archive = sys.argv[1:]
    began = time.monotonic()
    count = (with_fastconv if how == "fastconv" else with_tarfile)(Path(archive))
    print(json.dumps({"members": count, "seconds": time.monotonic() - began}))
