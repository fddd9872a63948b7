"""Where a benchmark runs, and the commands that it measures."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from bench import corpus, scale_corpus
from bench.corpus import Corpus, Tell
from bench.groups import inside
from bench.measure import Command, Run, measure, of, spread
from bench.scale_corpus import Scale

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "bench" / "peers"
SHARD_BYTES = 140_000_000  # ImageNet's, when it is cut into 1,024
IMAGENET_SHARDS = 1024


@dataclass(frozen=True, slots=True)
class Sizes:
    """``parts``: what the scale corpora are of ImageNet, the smallest first."""

    images: int = 6_000
    classes: int = 100
    copy_bytes: int = 4_200_000_000
    parts: tuple[int, int, int] = (16, 4, 1)


QUICK = Sizes(images=200, classes=4, copy_bytes=60_000_000, parts=(1024, 256, 64))


@dataclass(frozen=True, slots=True)
class Bench:
    """Where and how: ``storage`` holds corpora and outputs; ``tell`` says what is going on."""

    storage: Path
    sizes: Sizes
    rounds: int
    tell: Tell
    seed: int = 1

    @property
    def out(self) -> Path:
        return self.storage / "out"

    @property
    def cache(self) -> Path:
        return self.storage / "cache"

    def base(self) -> Corpus:
        sizes = self.sizes
        return corpus.build_base(
            self.storage, sizes.images, sizes.classes, self.seed, tell=self.tell
        )

    def archive(self) -> Corpus:
        return corpus.build_archive(self.storage, self.base(), self.sizes.copy_bytes, self.seed)

    def tree(self) -> Corpus:
        return corpus.build_tree(self.storage, self.base(), self.sizes.copy_bytes, self.seed)

    def scale(self, part: int) -> Scale:
        self.tell(f"making 1/{part} of ImageNet's images, tiny ones")
        return scale_corpus.build_scale(self.storage, part, self.seed)

    def run(
        self, commands: list[Command], rounds: int | None = None, fill_bytes: int = 0
    ) -> list[Run]:
        """The commands in turns, each after so many bytes were written beside its output, and
        removed. Where a machine is virtual, memory that nobody used for a while is given back to
        its host, and taken again page by page: that would be paid by whichever command comes."""
        return measure(
            commands, rounds or self.rounds, self.tell, ROOT, lambda: self._fill(fill_bytes)
        )

    def _fill(self, count: int) -> None:
        path, block = self.storage / "fill", bytes(1 << 20)
        with path.open("wb") as file:
            for _ in range(count >> 20):
                file.write(block)
        path.unlink()


def fastconv() -> tuple[str, ...]:
    """The installed command, or the module where the package is not installed."""
    script = Path(sys.executable).with_name("fastconv")
    return (str(script),) if script.exists() else (sys.executable, "-m", "fastconv")


def shards_of(size: int) -> int:
    """As many shards as make them ImageNet's size, a multiple of 8."""
    return max(1, round(size / SHARD_BYTES / 8)) * 8


def convert(
    bench: Bench, name: str, source: Path, workers: int, shards: int, *more: str
) -> Command:
    """A conversion that knows nothing of an earlier one."""
    return Command(
        name,
        (
            *fastconv(),
            *("shards", str(source), "--out", str(bench.out), "--workers", str(workers)),
            *("--train-shards", str(shards), "--quiet", "--json", *more),
        ),
        outputs=(bench.out, bench.cache),
        env={"FASTCONV_CACHE": str(bench.cache)},
        warm_ups=1,
    )


def copy(bench: Bench, name: str, archive: Path) -> Command:
    script = str(PEERS / "cat_tar.sh")
    return Command(name, ("sh", script, str(archive), str(bench.out)), (bench.out,), warm_ups=1)


def copy_tree(bench: Bench, name: str, tree: Path) -> Command:
    listed = bench.storage / f"{name}.list"
    files = sorted(str(path) for path in tree.glob("train/*/*"))
    listed.write_bytes(b"".join(file.encode() + b"\0" for file in files))
    script = str(PEERS / "cat_tree.sh")
    return Command(name, ("sh", script, str(bench.out)), (bench.out,), stdin=listed, warm_ups=1)


def walls(runs: list[Run], name: str) -> dict[str, float]:
    """The spread of a command's seconds."""
    return spread([run.wall_seconds for run in of(runs, name).values()])


def insides(runs: list[Run], name: str) -> dict[str, float]:
    """The same with its start left out, where it says so."""
    return spread([inside(run) or run.wall_seconds for run in of(runs, name).values()])
