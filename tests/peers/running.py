"""fastconv as people run it, in a process of its own, and what came of it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MAIN = "import sys; from fastconv.cli import main; sys.exit(main())"
_SECONDS_MAX = 500


def run(command: list[str]) -> str:
    """The command's standard output; a failure shows all that it printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS_MAX)
    assert done.returncode == 0, (
        f"{' '.join(command)}\nexit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    )
    return done.stdout


def fastconv(*arguments: str | Path) -> str:
    return run([sys.executable, "-c", _MAIN, *map(str, arguments)])


# What Python 3.12 and later say of PyTorch's workers, which are forks.
_OF_FORKS = "ignore:This process:DeprecationWarning"


def apart(program: str, **given: Any) -> Any:
    """What a program of tests/peers/apart says of what it is given. A warning is an error there."""
    path = Path(__file__).resolve().parent / "apart" / f"{program}.py"
    strict = ["-W", "error", "-W", _OF_FORKS]
    printed = run([sys.executable, *strict, str(path), json.dumps(given, default=str)])
    return json.loads(printed.splitlines()[-1])


@dataclass(frozen=True)
class Converted:
    """A class tree and the shards made of it; `synsets` are in the order of their labels."""

    tree: Path
    out: Path
    synsets: list[str]
    texts: dict[str, str]
    label_offset: int
    shard_counts: dict[str, int]

    def shards(self, split: str) -> list[Path]:
        return self._named("data_dir", split)

    def indexes(self, split: str) -> list[Path]:
        return self._named("idx_dir", split)

    def _named(self, folder: str, split: str) -> list[Path]:
        found = sorted((self.out / folder).glob(f"{split}-*"))
        count = self.shard_counts[split]
        # Spelled out, so that a missing or a misnamed file fails here and not as fewer records.
        assert [path.name for path in found] == [
            f"{split}-{number:05d}-of-{count:05d}" for number in range(count)
        ]
        return found


def convert_tree(
    tree: Path,
    out: Path,
    texts: dict[str, str],
    *,
    label_offset: int = 1,
    train_shards: int = 16,
    validation_shards: int = 8,
) -> Converted:
    """`fastconv shards` over a tree of `train`, `validation` and perhaps `bounding_boxes`.

    `texts` has every class that counts for the labels, also those without images.
    """
    counts = {"train": train_shards, "validation": validation_shards}
    fastconv(
        "shards",
        tree,
        "--out",
        out,
        "--workers",
        "2",
        "--train-shards",
        str(counts["train"]),
        "--validation-shards",
        str(counts["validation"]),
        "--label-offset",
        str(label_offset),
        "--quiet",
    )
    return Converted(tree, out, sorted(texts), texts, label_offset, counts)
