"""Use an installed fastconv as a new user would, in a folder that is empty but for what it makes.

    python tools/try_installed.py

For wheels, before they are given to anybody: makes a sample, converts it, indexes, verifies and
compares the shards, makes them smaller, reads a record, writes class folders, the files of
TensorFlow Datasets and a contact sheet. The package is the installed one; of the source tree
nothing is imported.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

LAZY = "import fastconv, sys; assert not {'tensorflow', 'numpy'} & set(sys.modules)"
COUNTS = ("--classes", "2", "--train-images", "40", "--validation-images", "20")
READ = """
import fastconv
record = next(fastconv.read_records("out/data_dir/train-00000-of-00004"))
assert fastconv.parse_example(record)["image/encoded"][0][:2] == bytes((255, 216))
"""


def main() -> None:
    command = Path(sys.executable).with_name("fastconv")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with tempfile.TemporaryDirectory() as empty:

        def run(*words: str) -> str:
            print("$", *(word if "\n" not in word else "…" for word in words), flush=True)
            done = subprocess.run(
                words, cwd=empty, env=clean, stdout=subprocess.PIPE, encoding="utf-8"
            )
            if done.returncode:
                raise SystemExit(f"{done.stdout}\nended with {done.returncode}")
            return done.stdout

        run(str(command), "--version")
        run(sys.executable, "-c", LAZY)
        run(str(command), "sample", "in", *COUNTS, "--quiet")
        run(str(command), "shards", "in", "--out", "out", "--train-shards", "4", "--quiet")
        shards = sorted(str(path) for path in Path(empty, "out", "data_dir").iterdir())
        assert len(shards) == 5, shards
        run(str(command), "verify", "out", "--decode", "--against-source", "--quiet")
        run(str(command), "index", *shards, "--out", "indexes", "--quiet")
        for shard in shards:
            index = Path(shard).name
            inline = Path(empty, "out", "idx_dir", index).read_bytes()
            assert Path(empty, "indexes", index).read_bytes() == inline, index
        small = ("shards", "in", "--out", "small", "--resize", "64", "--exif", "apply", "--quiet")
        run(str(command), *small)
        run(str(command), "diff", "out", "out", "--bytes", "--quiet")
        run(sys.executable, "-c", READ)
        assert "complete" in run(str(command), "completion", "fish")
        run(str(command), "raw", "in", "--out", "folders", "--quiet")
        from_folders = ("shards", "folders", "--out", "again", "--train-shards", "4", "--quiet")
        run(str(command), *from_folders)
        run(str(command), "diff", "out", "again", "--bytes", "--quiet")
        run(str(command), "shards", "in", "--out", "tfds", "--layout", "tfds", "--quiet")
        run(str(command), "verify", "tfds", "--quiet")
        run(str(command), "tfds-info", "out", "--quiet")
        run(str(command), "show", "out", "--random", "4", "--sheet", "sheet.png", "--quiet")
        assert Path(empty, "sheet.png").read_bytes()[:4] == b"\x89PNG"
    print(f"fastconv works on Python {platform.python_version()}, {platform.machine()}")


if __name__ == "__main__":
    main()
