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

from bench import (  # noqa: E402
    bench_resume,
    bench_verify,
    corpus,
    draft_quality,
    quality,
    scale_corpus,
)
from bench.bench_resize import (  # noqa: E402
    LOOKED_AT,
    PEERS,
    SHORT,
    TOOLS,
    add_figures,
    add_made,
    make_pixels,
    sample,
)
from bench.chart import resize_lines_of  # noqa: E402
from bench.commands import QUICK, Bench, Sizes  # noqa: E402
from bench.groups import Group, Row, inside, phase_of  # noqa: E402
from bench.measure import (  # noqa: E402
    Command,
    MeasureError,
    Run,
    difference,
    measure,
    ratio,
    run_once,
    spread,
)
from bench.peers.common import Picture, Shard, cut_of  # noqa: E402
from bench.peers.resize_floor import PIXELS, PLACES  # noqa: E402
from bench.peers.resize_floor import start as start_floor  # noqa: E402
from bench.peers.resize_pillow import start as start_pillow  # noqa: E402
from bench.peers.resizing import Smaller, frames, scaled, writing  # noqa: E402
from bench.questions import QUESTIONS  # noqa: E402
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


def test_differences_are_taken_within_rounds() -> None:
    runs = [run("a", 0, 4.0), run("b", 0, 1.5), run("a", 1, 8.0), run("b", 1, 9.0)]
    assert difference(runs, "a", "b") == {"median": 0.75, "min": -1.0, "max": 2.5}
    assert difference(runs, "a", "c") is None
    assert [number(v) for v in (-0.05, -0.5, -12.34, -1234.5)] == [
        *("-0.050", "-0.50", "-12.3", "-1,234")
    ]


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


# ---- images made smaller -------------------------------------------------------------------------


def jpeg(height: int, width: int, seed: int = 1) -> bytes:
    small = np.random.default_rng(seed).integers(0, 255, (9, 12, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(small).resize((width, height)).save(out, "JPEG", quality=95)
    return out.getvalue()


@pytest.mark.parametrize(
    ("height", "width", "short", "long"),
    [
        (375, 500, (256, 341), (375, 500)),
        (500, 375, (341, 256), (500, 375)),
        (256, 900, None, (142, 500)),
        (100, 90, None, (100, 90)),
        (5000, 257, (4981, 256), (500, 26)),
        (60_000, 1, None, (500, 1)),
    ],
)
def test_peers_come_to_the_sides_that_fastconv_comes_to(
    height: int, width: int, short: tuple[int, int] | None, long: tuple[int, int]
) -> None:
    from fastconv.recipe import Recipe

    assert Smaller(256, long=False).sides(height, width) == short
    assert Smaller(500, long=True).sides(height, width) == long
    for recipe, wanted in (
        (Recipe(side=256), short or (height, width)),
        (Recipe(side=500, mode="long", every=True), long),
    ):
        target = recipe.target(height, width)
        assert (target.height, target.width) == wanted


def test_a_half_is_rounded_upwards() -> None:
    assert [scaled(length, 100, 50) for length in (1, 2, 3, 5, 0)] == [1, 1, 2, 3, 1]


def test_what_a_peer_writes_is_read_again(tmp_path: Path) -> None:
    given = {"a.JPEG": jpeg(30, 40), "b.JPEG": jpeg(300, 400)}
    for name, data in given.items():
        (tmp_path / name).write_bytes(data)
    pictures = [Picture(str(tmp_path / name), name, "n1", 1) for name in given]
    shard = Shard(0, str(tmp_path / "shard"), pictures)
    assert writing(start_pillow(Smaller(60, long=False)))(shard) == 2
    kept, made = frames(tmp_path / "shard")
    assert kept == given["a.JPEG"]
    assert quality.decoded(made).shape == (60, 80, 3)
    (tmp_path / "shard").write_bytes((tmp_path / "shard").read_bytes()[:-1])
    with pytest.raises(ValueError, match="shard is cut off"):
        list(frames(tmp_path / "shard"))


def test_the_floor_encodes_pixels_that_were_made_before(tmp_path: Path) -> None:
    folder = tmp_path / "train" / "n1"
    folder.mkdir(parents=True)
    for name, sides in (("a", (200, 300)), ("b", (40, 50)), ("c", (400, 300))):
        (folder / f"{name}.JPEG").write_bytes(jpeg(*sides))
    smaller = Smaller(60, long=False, pixels=tmp_path / "pixels")
    make_pixels(tmp_path / "train", tmp_path / "pixels", smaller)
    places = json.loads((tmp_path / "pixels" / PLACES).read_text())
    assert places == {
        "a.JPEG": [0, 60, 90, 200 * 300 * 3],
        "c.JPEG": [60 * 90 * 3, 80, 60, 400 * 300 * 3],
    }
    assert (tmp_path / "pixels" / PIXELS).stat().st_size == 60 * 90 * 3 + 80 * 60 * 3
    remake = start_floor(smaller)
    for path in folder.iterdir():
        data = path.read_bytes()
        made = remake(data, path.name)
        if path.name == "b.JPEG":
            assert made == data
            continue
        pixels = quality.decoded(data)
        height, width = places[path.name][1:3]
        assert made == quality.encoded(quality.resized(pixels, height, width, "bilinear"))


def test_a_part_and_a_sample_of_the_base(tmp_path: Path, photos: list[Path]) -> None:
    base = corpus.build_base(tmp_path, 20, 4, 1, photos)
    part = corpus.build_part(tmp_path, base, 3)
    names = [path.name for path in sorted(part.path.glob("train/*/*"))]
    every = [path.name for path in sorted(base.path.glob("train/*/*"))]
    assert (names, part.images) == (every[::3], 7)
    assert part.bytes == sum(path.stat().st_size for path in part.path.glob("train/*/*"))
    found = sample(part, tmp_path / "looked", 3)
    assert len(found) == 3
    assert {p.name: p.read_bytes() for p in (tmp_path / "looked").glob("train/*/*")} == found
    for data in found.values():
        assert SHORT.sides(*quality.decoded(data).shape[:2]) is not None
    shards = cut_of(tmp_path / "looked" / "train", tmp_path, 8)
    assert [picture.name for shard in shards for picture in shard.pictures] != []
    assert sum(len(shard.pictures) for shard in shards) == 3 < LOOKED_AT


def test_quality_is_of_the_pixels() -> None:
    black, gray = np.zeros((20, 20, 3), np.uint8), np.full((20, 20, 3), 51, np.uint8)
    assert quality.psnr(black, black) == float("inf")
    assert quality.psnr(gray, black) == pytest.approx(20 * np.log10(5))
    assert quality.ssim(gray, gray) == pytest.approx(1)
    data = jpeg(120, 160)
    best = quality.resized(quality.decoded(data), 60, 80, "bilinear")
    made = {"a": quality.encoded(best)}
    found = quality.compared(made, {"a": data}, "bilinear")
    assert found["psnr"] == found["alone"]
    assert found["psnr"]["min"] > 30
    assert 0.9 < found["ssim"]["mean"] <= 1
    assert found["bytes"] == len(made["a"])
    other = quality.compared(made, {"a": data}, "box")
    assert other["psnr"]["mean"] < found["psnr"]["mean"]
    with pytest.raises(ValueError, match="other images"):
        quality.compared(made, {}, "box")


def test_an_area_is_a_mean_of_what_is_covered() -> None:
    row = np.repeat(np.array([[0], [90], [240]], np.uint8)[None], 3, axis=2)
    assert quality.resized(row, 1, 2, "area")[0, :, 0].tolist() == [30, 190]
    assert (quality.resized(row, 1, 3, "area") == row).all()
    pixels = quality.decoded(jpeg(64, 96))
    halved = pixels.reshape(32, 2, 48, 2, 3).mean(axis=(1, 3))
    assert (abs(quality.resized(pixels, 32, 48, "area") - halved) <= 0.5).all()


def resize_group() -> Group:
    group = Group("resize", "Images made smaller", "Text.", date="2026-01-02T03:04")
    runs, rows = [], []
    for tool in TOOLS:
        for workers in tool.workers:
            name = f"{tool.name} {workers}"
            phases = {"phases": {"writing": 1.5}} if tool.own else {}
            runs.append(run(name, 0, 2.0, seconds=1.6, bytes=50 * 10**6, **phases))
            rows.append(Row(name, name, 2000, 2 * 10**8, tool.label, workers))
    group.add_rows(rows, runs)
    measures = {"mean": 40.0, "min": 35.55}
    likeness = {"mean": 0.98, "min": 0.9}
    found = {
        "filter": "box",
        "bytes": 24_500,
        "psnr": measures,
        "ssim": likeness,
        "alone": measures,
    }
    add_made(group.rows, runs, {"opencv 1": found})
    add_figures(group, runs, list(PEERS))
    again = [*runs, run("opencv 1", 1, 2.0, bytes=1)]
    with pytest.raises(ValueError, match="opencv 1: wrote"):
        add_made(group.rows, again, {})
    return group


def test_the_page_of_images_made_smaller() -> None:
    from dataclasses import asdict

    group = resize_group()
    page = render(
        {**results(), "groups": [asdict(group)], "charts": {"resize": "chart_resize.png"}}
    )
    assert "](chart_resize.png)" in page
    assert "| opencv 1 | 1,250 | 0.38 | 50.0 |" in page
    assert "| OpenCV | box | 24.5 | 40.0 | 40.0 | 35.5 | 0.9800 | 0.9000 |" in page
    assert (
        "| 1 worker, writing alone, speed of the floor with its start left out | 1.07 × |" in page
    )
    for tool in PEERS:
        assert f"| against {tool.label}, 2 each, starts left out | 1.00 × |" in page


def test_the_lines_of_the_chart_of_images_made_smaller() -> None:
    from dataclasses import asdict

    lines = resize_lines_of({"groups": [asdict(resize_group())]})
    titles = [place for place, (_, rows) in enumerate(lines) if not rows]
    assert titles == [0, 8]
    assert {tool: len(rows) for tool, rows in lines[1:8]} == {
        "decoding and encoding alone": 2,
        "fastconv": 2,
        "fastconv --exact": 1,
        "Pillow": 2,
        "OpenCV": 2,
        "pyvips": 2,
        "TensorFlow": 2,
    }
    assert [tool for tool, _ in lines[9:]] == ["fastconv, long side 500", PEERS[-1].label]
    assert resize_lines_of(results()) == []


def test_targets_of_scaled_decoding_are_those_where_fastconv_begins_it() -> None:
    from fastconv.recipe import Recipe, Target
    from fastconv.remake import Remaker

    remaker = Remaker(Recipe(side=1))
    for sampling, known in (("420", 0x22), ("444", 0x11), ("422", 0x21)):
        for fraction in draft_quality.FRACTIONS:
            ratio = draft_quality.enough(sampling, fraction)
            height, width = draft_quality.largest_target(1024, 1536, fraction, ratio)
            for more, expected in ((0, True), (1, False)):
                target = Target(height + more, width + more, (0, 0, 1536, 1024))
                scale = remaker._scale(target, (1024, 1536), known)
                assert (scale == fraction) is expected


def test_scaled_decoding_is_compared_with_a_full_one() -> None:
    found = dict(draft_quality.differences(jpeg(320, 480), 2, 2.0))
    assert list(found) == ["bilinear", "bicubic", "lanczos", "box"]
    assert min(found.values()) > 30
    assert not dict(draft_quality.differences(jpeg(48, 64), 4, 2.0))
    lines = draft_quality.table({("420", 2, name): [40.0, 42.0] for name in found})
    assert lines[2:] == [f"| 1/2, 4:2:0 | 2 |{' 41.0 / 40.0 |' * 4}"]


# ---- shards checked, and a finished job run again ------------------------------------------------


def test_a_small_archive_of_validation_images(tmp_path: Path) -> None:
    made = scale_corpus.build_validation(tmp_path, 500)
    assert digest(made.path.parent) == digest(
        scale_corpus.build_validation(tmp_path / "again", 500).path.parent
    )
    assert (made.images, made.bytes) == (100, made.path.stat().st_size)
    with tarfile.open(made.path) as archive:
        names = archive.getnames()
    assert (names[0], names[-1]) == ("ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000100.JPEG")


def test_files_are_read_at_once_and_all_of_them(tmp_path: Path) -> None:
    names = [tmp_path / name for name in ("a", "it's b", "c d", "e")]
    for path in names[:3]:
        path.write_bytes(b"x")
    for parts in ([names[:3]], [names[:1], names[1:3]], [names[:1], names[1:2], names[2:3]]):
        assert run_once(bench_verify.reading("cat", parts), 0).printed == {}
    for parts in ([names], [names[:1], names[1:]], [names[2:], names[:2]]):
        with pytest.raises(MeasureError, match=r"cat: exit code 1\n.*/e: No such file"):
            run_once(bench_verify.reading("cat", parts), 0)


def test_figures_of_shards_checked() -> None:
    runs = []
    for name, wall, within in (
        *(("cat", 1.0, None), ("cats", 0.75, None), ("1", 2.0, 1.6), ("2", 1.25, 1.0)),
        *(("tf 1", 30.0, 24.0), ("tf 2", 25.0, 16.0)),
        *(("tf batch 1", 20.0, 18.0), ("tf batch 2", 22.0, 17.0)),
    ):
        runs.append(run(name, 0, wall, **({"seconds": within} if within else {})))
    group = Group("verify", "", "")
    bench_verify.add_figures(group, runs, bench_verify.WAYS)
    assert {each["label"]: (each["value"]["median"], each["met"]) for each in group.figures} == {
        "1 worker, speed of `cat`": (0.5, True),
        "1 worker, speed of `cat`, start left out": (0.625, True),
        "2 workers, speed of two `cat`s at once": (0.6, None),
        "2 workers, speed of two `cat`s at once, start left out": (0.75, None),
        "2 workers against 1": (1.6, None),
        "2 workers against 1, starts left out": (1.6, None),
        "1 worker against TensorFlow, in batches of 64, 1 thread": (10.0, True),
        "1 worker against TensorFlow, one by one, 2 threads, starts left out": (10.0, True),
        "2 workers against TensorFlow, in batches of 64, 2 threads": (17.6, True),
        "2 workers against TensorFlow, one by one, 2 threads, starts left out": (16.0, True),
    }
    alone = Group("verify", "", "")
    bench_verify.add_figures(alone, runs[:4], ())
    assert alone.figures == group.figures[:6]


def test_a_check_that_saw_other_records_is_no_measurement() -> None:
    right = [run("cat", 0, 1.0), run("1", 0, 1.0, records=9, found=0)]
    bench_verify.all_were_read(right, 9)
    for wrong in ({"records": 8}, {"records": 9, "found": 1}):
        with pytest.raises(MeasureError, match=r"tf 1: saw \d records of 9"):
            bench_verify.all_were_read([*right, run("tf 1", 0, 1.0, **wrong)], 9)


def test_what_a_finished_job_writes_is_seen(tmp_path: Path) -> None:
    (tmp_path / "data_dir").mkdir()
    for name in ("data_dir/a", "data_dir/b", "manifest.json"):
        (tmp_path / name).write_bytes(b"x")
    before = bench_resume.files_of(tmp_path)
    assert sorted(before) == ["data_dir/a", "data_dir/b", "manifest.json"]
    runs = [run("plan cold", 0, 1.0), run("again cold", 0, 2.0, kept_shards=2)]
    bench_resume.nothing_was_written(runs, 2, before, bench_resume.files_of(tmp_path))
    with pytest.raises(MeasureError, match="again cold: kept 2 of 3 shards"):
        bench_resume.nothing_was_written(runs, 3, before, before)
    new = tmp_path / "new"
    new.write_bytes(b"x")
    new.replace(tmp_path / "data_dir" / "b")
    with pytest.raises(MeasureError, match="was written to: data_dir/b"):
        bench_resume.nothing_was_written(runs, 2, before, bench_resume.files_of(tmp_path))


def small_bench(folder: Path, photos: list[Path], monkeypatch: pytest.MonkeyPatch) -> Bench:
    """One round on less than QUICK, with no other tool."""
    monkeypatch.setattr(corpus, "photographs", lambda: photos)
    monkeypatch.setattr(bench_verify, "installed", tuple)
    sizes = Sizes(images=24, classes=QUICK.classes, copy_bytes=4_000_000, parts=(1024, 1024, 1024))
    return Bench(folder, sizes, 1, lambda _line: None)


@pytest.mark.parametrize("name", ["verify", "resume"])
def test_a_table_is_made(
    tmp_path: Path, photos: list[Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    bench = small_bench(tmp_path, photos, monkeypatch)
    group = QUESTIONS[name][0](bench)
    assert group.name == name
    rows = {row["name"] for row in group.rows}
    assert (
        rows
        == {
            "verify": {"cat", "cats", "1", "2"},
            "resume": {"cat", "plan cold", "again cold", "plan warm", "again warm"},
        }[name]
    )
    assert all(figure["value"] is not None for figure in group.figures)
    if name == "resume":
        again = [each["printed"] for each in group.runs if each["name"].startswith("again")]
        assert [each["kept_shards"] for each in again] == [16, 16]
    # What is left are corpora that the table's line in QUESTIONS names.
    left = {path.name.partition("-")[0] for path in tmp_path.iterdir()}
    assert left <= {"base", *QUESTIONS[name][1]}
