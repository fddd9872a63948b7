"""The benchmark's own parts: its corpora, its arithmetic, its page. No other tool is needed."""

from __future__ import annotations

import hashlib
import io
import json
import random
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench import corpus, scale_corpus  # noqa: E402
from bench.groups import Group, Row, inside, phase_of  # noqa: E402
from bench.measure import Command, MeasureError, Run, measure, ratio, run_once, spread  # noqa: E402
from bench.render import number, render  # noqa: E402
from bench.tarwriter import Body, packed  # noqa: E402

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures by way of /proc")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(3)
    for number_ in range(4):
        small = rng.integers(0, 255, (40, 60, 3), np.uint8)
        Image.fromarray(small).resize((900, 700)).save(folder / f"{number_}.png")
    return sorted(folder.iterdir())


def digest(folder: Path) -> str:
    sha = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != corpus.STAMP:
            sha.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return sha.hexdigest()


def test_a_corpus_is_made_of_its_seed_and_made_once(tmp_path: Path, photos: list[Path]) -> None:
    def build(folder: str, images: int = 9, seed: int = 1) -> Path:
        return corpus.build_base(tmp_path / folder, images, 3, seed, photos).path

    assert digest(build("a")) == digest(build("b")) != digest(build("c", seed=2))
    before = (build("a") / corpus.STAMP).stat().st_mtime_ns
    assert (build("a") / corpus.STAMP).stat().st_mtime_ns == before
    assert len(list(build("a", 8).glob("train/*/*"))) == 8


def test_archive_and_tree_hold_the_same_images(tmp_path: Path, photos: list[Path]) -> None:
    base = corpus.build_base(tmp_path, 45, 3, 1, photos)
    archive = corpus.build_archive(tmp_path, base, 3 * base.bytes - 1)
    tree = corpus.build_tree(tmp_path, base, 3 * base.bytes - 1)
    assert (archive.images, archive.bytes) == (tree.images, tree.bytes)
    assert archive.images == 3 * 45 + 1  # and one that is made new
    inside_: dict[str, bytes] = {}
    with tarfile.open(archive.archive) as outer:
        for member in outer:
            taken = outer.extractfile(member)
            assert taken is not None
            with tarfile.open(fileobj=taken) as inner:
                for image in inner:
                    data = inner.extractfile(image)
                    assert data is not None
                    inside_[image.name] = data.read()
    assert inside_ == {path.name: path.read_bytes() for path in tree.path.glob("train/*/*")}
    assert len(inside_) == archive.images


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513])
def test_the_fast_tar_is_a_tar(size: int) -> None:
    data = bytes(range(256)) * 3
    made = packed([(b"n01440764/a.xml", Body(data[:size])), (b"b" * 100, Body(b"x"))])
    assert len(made) % 10240 == 0
    with tarfile.open(fileobj=io.BytesIO(made)) as archive:
        first, second = archive.getmembers()
        assert (first.name, first.size, first.mode) == ("n01440764/a.xml", size, 0o644)
        assert second.name == "b" * 100
        taken = archive.extractfile(first)
        assert taken is not None and taken.read() == data[:size]


def test_class_sizes_are_those_of_imagenet() -> None:
    sizes = scale_corpus.class_sizes(random.Random(1))
    assert len(sizes) == 1000
    assert sum(sizes) == 1_281_167
    assert (min(sizes), max(sizes)) >= (732, 1300)
    assert sizes.count(1300) == 895
    assert abs(sum(scale_corpus.class_sizes(random.Random(1), 16)) - 1_281_167 / 16) < 1


def test_a_small_corpus_of_scale(tmp_path: Path) -> None:
    from fastconv.annotations.boxes import read_boxes
    from fastconv.annotations.tables import imagenet_synsets
    from fastconv.sources.archives import list_archive

    made = scale_corpus.build_scale(tmp_path, 512)
    again = scale_corpus.build_scale(tmp_path / "again", 512)
    assert digest(made.path) == digest(again.path)
    assert len(list_archive(made.archive).offset) == made.images == 1_281_167 // 512
    boxes = read_boxes(made.path / scale_corpus.BOXES, frozenset(imagenet_synsets()))
    assert len(boxes) == made.annotated > 1000
    assert not boxes.bad
    for data in scale_corpus.tiny_jpegs(random.Random(1), 30):
        assert len(data) < 1000
        with Image.open(io.BytesIO(data)) as image:
            image.load()


def run(name: str, round_number: int, wall: float, **printed: object) -> Run:
    return Run(name, round_number, wall, 0.5, 0.25, 10**7, 2 * 10**7, 1, 1, 2, dict(printed))


def test_ratios_are_taken_within_rounds() -> None:
    # A machine twice as slow in the second round changes no ratio.
    runs = [run("a", 0, 4.0), run("b", 0, 2.0), run("a", 1, 8.0), run("b", 1, 4.0)]
    assert ratio(runs, "a", "b") == {"median": 2.0, "min": 2.0, "max": 2.0}
    runs += [run("a", 2, 9.0), run("b", 2, 3.0)]
    assert ratio(runs, "a", "b") == {"median": 2.0, "min": 2.0, "max": 3.0}
    assert ratio(runs, "a", "c") is None
    assert ratio(runs, "a", "b", phase_of("writing")) is None
    assert spread([3.0, 1.0, 2.0, 10.0]) == {"median": 2.5, "min": 1.0, "max": 10.0}


def test_phases_and_seconds_that_a_program_prints() -> None:
    told = run("a", 0, 4.0, seconds=3.5, phases={"writing": 2.0})
    assert (phase_of("writing")(told), phase_of("reading")(told)) == (2.0, None)
    assert (inside(told), inside(run("a", 0, 4.0))) == (3.5, None)


def test_a_process_is_measured_with_those_below_it(tmp_path: Path) -> None:
    child = "import time; taken = bytearray(80_000_000); time.sleep(0.15)"
    code = (
        "import json, subprocess, sys, pathlib\n"
        f"subprocess.run([sys.executable, '-c', {child!r}], check=True)\n"
        f"pathlib.Path({str(tmp_path / 'out')!r}).write_text('x')\n"
        "print('words')\nprint(json.dumps({'seconds': 1.5}))"
    )
    command = Command("a", (sys.executable, "-c", code), outputs=(tmp_path / "out",))
    (first, _) = measure([command], 2)
    assert first.printed == {"seconds": 1.5}
    assert 0.15 < first.wall_seconds < 20
    assert first.worker_bytes > 80_000_000 > 60_000_000 > first.parent_bytes > 5_000_000
    assert first.worker_private_bytes > 80_000_000
    assert first.processes == 2
    assert not (tmp_path / "out").exists()
    with pytest.raises(MeasureError, match=r"b: exit code 3\nwhy"):
        run_once(Command("b", (sys.executable, "-c", "print('why'); exit(3)")), 0)


def test_turns_are_shared() -> None:
    lines: list[str] = []
    commands = [Command(name, ("true",)) for name in "abc"]
    runs = measure(commands, 2, lines.append)
    assert [(r.name, r.round) for r in runs] == [(c, n) for n in (0, 1) for c in "abc"]
    assert lines[0].startswith("round 1 of 2: a: 0.0")


def results() -> dict[str, object]:
    group = Group("tar", "From the archive, against a copy of it", "Text.", date="2026-01-02T03:04")
    runs = [
        *(run("cat", n, 2.0) for n in (0, 1, 2)),
        *(
            run("1", n, 2.5 + n, out="/tmp/x", phases={"listing": 0.1, "writing": 2.0})
            for n in (0, 1, 2)
        ),
    ]
    group.add_rows([Row("cat", "`cat`", 40_000, 4 * 10**9), Row("1", "fastconv", 40_000)], runs)
    group.add_figure("speed of `cat`", ratio(runs, "cat", "1"), at_least=0.7)
    group.add_figure("missing", None, at_most=5, unit="s")
    from dataclasses import asdict

    return {
        "date": "2026-01-02T05:00:00",
        "machine": {
            "cpu": "A CPU",
            "cores": 2,
            "memory_gigabytes": 25.1,
            "kernel": "6.1",
            "storage": "memory-backed (tmpfs)",
        },
        "versions": {"Python": "3.11.2", "cat": "9.1"},
        "rounds": 3,
        "groups": [asdict(group)],
    }


def test_the_page() -> None:
    text = json.dumps(results())
    assert "/tmp" not in text  # no path of the machine's
    page = render(json.loads(text))
    assert "| `cat` | 2.00 | 0.75 | 20,000 | 2,000 | 10.0 | 20.0 |" in page
    assert "| fastconv | 3.50 (2.50–4.50) | 0.75 | 11,429 |  | 10.0 | 20.0 |" in page
    assert "| speed of `cat` | 0.57 × (0.44–0.80) | at least 0.7 × | **no** |" in page
    assert "| missing | not taken | at most 5 s | – |" in page
    assert "| fastconv | 0.100 | 2.00 |" in page or "| fastconv | 0.10 | 2.00 |" in page
    assert "(#from-the-archive-against-a-copy-of-it)" in page
    assert [number(v) for v in (0.0123, 0.456, 7.891, 45.67, 12345.6)] == [
        *("0.012", "0.46", "7.89", "45.7", "12,346")
    ]
