"""fastconv report: the page says what the manifest and the records say, and loads nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from pages import Page, page_of
from PIL import Image

import fastconv
from fastconv.annotations.tables import imagenet_texts
from fastconv.cli import run
from fastconv.errors import InputError, OutputError, UsageError
from fastconv.page import write
from fastconv.page.figures import NARROW, WIDE, bars, count_axis
from fastconv.page.paths import Paths
from fastconv.page.shard_figures import untold
from fastconv.page.svg import draw
from fastconv.runs import write_runs

HOSTILE = "<script>alert(1)<"


def options(source: Path, out: Path, **more: Any) -> fastconv.Options:
    return fastconv.Options(source=source, out=out, **{"train_shards": 2, "workers": 1, **more})


@pytest.fixture(scope="module")
def out(mini: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report") / "imagenet"
    fastconv.convert(options(mini, out))
    return out


@pytest.fixture(scope="module")
def page(out: Path) -> Page:
    fastconv.write_report(out, out / "report.html", workers=1)
    return page_of(out / "report.html")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, Path]:
    """A tree whose every name is markup, with images that are skipped and repaired."""
    folder = tmp_path_factory.mktemp("hostile")
    for name in (HOSTILE, "&amp; \"x\" 'y'"):
        klass = folder / "in" / "train" / name
        klass.mkdir(parents=True)
        for n in range(3):
            Image.new("RGB", (40 + n, 30), "red").save(klass / f"{n}<b>.jpg", "JPEG")
        (klass / "x<script>&.jpg").write_bytes(b"\xff\xd8 damaged")
        Image.new("RGB", (20, 20)).save(klass / "\x1b[31m.png")
    fastconv.convert(options(folder / "in", folder / "out", on_error="skip", train_shards=1))
    licence, citation = folder / "licence", folder / "citation"
    licence.write_text("Free </pre><script>evil()</script> & all\n")
    citation.write_text("@misc{x</script>}")
    fastconv.write_report(
        folder / "out", folder / "page.html", title="</title><script>1</script>", verify=False,
        licence_file=licence, citation_file=citation, workers=1,
    )  # fmt: skip
    return page_of(folder / "page.html"), folder / "out"


# ---- what it says ---------------------------------------------------------------------------


def test_every_section_is_there(page: Page) -> None:
    names = [text for _, text in page.all("h2")]
    assert names == [
        "Totals", "Verification", "How it was made", "Images that are not as they were", "Classes",
        "Images", "Boxes", "Contact sheet", "Shards", "Throughput", "Licence and citation",
    ]  # fmt: skip
    assert len(page.all("figure")) == len(page.all("figcaption"))
    # Each chart is drawn for two widths, and has a table of its numbers.
    charts = [attrs for attrs, _ in page.all("figure") if "id" in attrs]
    assert len(page.all("svg")) == 2 * len(charts) and len(page.all("details")) == len(charts)
    assert {attrs["id"] for attrs in charts} == {
        "classes-0", "classes-1", "sides", "aspects", "bytes", "boxes", "heat", "shard-bytes-0",
        "shard-bytes-1", "mix-0", "mix-1", "speed", "workers",
    }  # fmt: skip


def test_its_numbers_are_the_manifests(page: Page, out: Path) -> None:
    manifest = json.loads((out / "manifest.json").read_text())
    told, pairs = manifest["totals"], dict(page.pairs())
    assert pairs["Images found"] == f"{told['found']:,}"
    assert pairs["Images written"] == f"{told['written']:,} 100%"
    assert pairs["Skipped"] == "0" and pairs["Repaired"] == f"{told['repaired']:,}"
    assert pairs["Boxes"] == f"{told['boxes']:,}"
    assert pairs["Size"].endswith(f"{told['bytes']:,} bytes")
    assert pairs["seed"] == "12345" and pairs["kind"] == "archives"
    assert pairs["fingerprint"] == manifest["source"]["fingerprint"]
    rows = page.table("Totals of each split")[1:]
    assert [row[:8] for row in rows] == [
        [s["split"], *(f"{s[n]:,}" for n in ("shards", "found", "written", "repaired", "skipped",
                                             "boxes", "bytes"))]
        for s in manifest["splits"]
    ]  # fmt: skip
    repaired = page.table("Repaired images")[1:]
    folder = str(Path(manifest["source"]["train"]["path"]).parent)
    assert [f"{folder}/{row[1]}" for row in repaired] == [n["image"] for n in manifest["repaired"]]
    shards = page.table("Numbers of “Bytes a shard: train”")[1:]
    assert shards == [
        [s["name"], f"{s['records']:,}", f"{s['bytes']:,}"]
        for s in manifest["shards"]
        if s["split"] == "train"
    ]


def test_each_class_has_its_row(page: Page, out: Path) -> None:
    manifest = json.loads((out / "manifest.json").read_text())
    head, *rows = page.table("Images of each class, by split")
    assert head == ["label", "class", "text", "train", "validation", "all"]
    assert len(rows) == manifest["classes"] == 1000
    counts: dict[tuple[str, str], int] = {}
    for shard in manifest["shards"]:
        for label, count in shard["images_per_label"].items():
            counts[label, shard["split"]] = counts.get((label, shard["split"]), 0) + count
    labels = (out / "labels.txt").read_text().split()
    for n, (label, name, text, train, validation, total) in enumerate(rows):
        assert (label, name) == (str(n + 1), labels[n])
        found = [counts.get((label, split), 0) for split in ("train", "validation")]
        assert [int(train), int(validation), int(total)] == [*found, sum(found)]
        assert text == imagenet_texts()[name]  # also of classes without images


def test_sizes_and_boxes_are_the_records(page: Page, out: Path) -> None:
    examples = [
        fastconv.parse_example(record)
        for shard in sorted((out / "data_dir").iterdir())
        for record in fastconv.read_records(shard)
    ]
    sizes: dict[str, int] = {}
    boxes: dict[int, int] = {}
    for example in examples:
        size = f"{example['image/width'][0]:,} × {example['image/height'][0]:,}"
        sizes[size] = sizes.get(size, 0) + 1
        count = len(example["image/object/bbox/xmin"])
        boxes[count] = boxes.get(count, 0) + 1
    rows = page.table("Numbers of “Width and height”")[1:]
    assert {row[0]: int(row[1]) for row in rows}.items() <= sizes.items()
    assert [int(row[1]) for row in rows] == sorted(sizes.values(), reverse=True)[:20]
    told = {int(row[0]): int(row[1]) for row in page.table("Numbers of “Boxes an image”")[1:]}
    assert {count: n for count, n in told.items() if n} == boxes
    for name in ("Aspect ratio", "Bytes of an image"):
        assert sum(int(r[1]) for r in page.table(f"Numbers of “{name}”")[1:]) == len(examples)
    grid = page.table("Numbers of “Where boxes are”")[1:]
    assert len(grid) == 32 and all(len(row) == 33 for row in grid)
    pictures = page.all("img")
    assert len(pictures) == 24
    assert sum(len(attrs["src"]) for attrs, _ in pictures) < 400_000
    assert all(re.search(r"Label \d+ n\d{8}, .+; \d+ × \d+", a["alt"]) for a, _ in pictures)


def test_imagenets_terms_and_citations_are_there(page: Page) -> None:
    text = "".join(next(e for e in page.elements if e[0] == "main")[2])
    assert "non-commercial research and educational purposes" in text
    assert ("https://image-net.org/download.php") in [a.get("href") for a, _ in page.all("a")]
    assert [t.split("{")[1].split(",")[0] for _, t in page.all("pre")] == [
        "ILSVRC15", "imagenet_cvpr09",
    ]  # fmt: skip


def test_the_throughput_is_that_of_the_runs(page: Page, out: Path) -> None:
    (run_,) = json.loads((out / "runs.json").read_text())["runs"]
    _, row = page.table("Runs of the conversion")
    assert row[0] == run_["began"] and row[1] == "finished" and row[3] == "1"
    assert row[6] == "80"


def test_the_same_output_gives_the_same_page(page: Page, out: Path) -> None:
    other = out.parent / "again.html"
    report = fastconv.write_report(out, other, workers=2)
    assert other.read_bytes() == (out / "report.html").read_bytes()
    assert report.as_dict() == {
        "html": str(other), "exit_code": 0, "bytes": other.stat().st_size, "shards": 3,
        "records": 80, "read": 80, "found": 0, "seconds": round(report.seconds, 3),
    }  # fmt: skip


# ---- what comes from data is escaped --------------------------------------------------------


def test_markup_in_data_is_text(hostile: tuple[Page, Path]) -> None:
    page, out = hostile
    assert [text for _, text in page.all("title")] == ["</title><script>1</script>"]
    assert [text for _, text in page.all("h1")] == ["</title><script>1</script>"]
    names = [row[1] for row in page.table("Images of each class, by split")[1:]]
    assert names == ["&amp; \"x\" 'y'", HOSTILE]
    skipped = page.table("Skipped images")[1:]
    manifest = json.loads((out / "manifest.json").read_text())
    folder = str(out.parent / "in")
    assert [f"{folder}/{row[1]}" for row in skipped] == [n["image"] for n in manifest["skipped"]]
    assert all("x<script>&.jpg" in row[1] for row in skipped) and len(skipped) == 2
    repaired = page.table("Repaired images")[1:]
    assert all("\ufffd[31m.png" in row[1] for row in repaired) and len(repaired) == 2
    assert "\x1b" not in page.html
    assert [text for _, text in page.all("pre")] == [
        "Free </pre><script>evil()</script> & all", "@misc{x</script>}",
    ]  # fmt: skip
    assert any(HOSTILE in attrs["alt"] for attrs, _ in page.all("img"))


def test_what_there_is_none_of_is_said(hostile: tuple[Page, Path]) -> None:
    page, _ = hostile
    text = "".join(next(e for e in page.elements if e[0] == "main")[2])
    assert "Not verified" in page.html and "--no-verify" in text
    assert "No image has a box." in text
    assert "There is one shard, so that its mix is that of the whole." in text


# ---- outputs of other kinds -----------------------------------------------------------------


def test_files_without_a_manifest_are_told_of_by_their_records(out: Path, tmp_path: Path) -> None:
    shutil.copytree(out / "data_dir", tmp_path / "foreign")
    report = fastconv.write_report(tmp_path / "foreign", tmp_path / "page.html", verify=False)
    page = page_of(tmp_path / "page.html")
    assert report.records == 80 and report.found is None and report.exit_code == 0
    assert "How it was made" not in [text for _, text in page.all("h2")]
    assert "no manifest of fastconv’s: options, source and skipped" in page.html
    rows = page.table("Totals of each split")[1:]
    assert [row[:3] for row in rows] == [["train", "2", "60"], ["validation", "1", "20"]]
    assert [row[1] for row in page.table("Images of each class, by split")[1:]] == sorted(
        {row[1] for row in page.table("Images of each class, by split")[1:]}
    )
    assert "There is no runs.json" in page.html


@pytest.mark.parametrize("words", [{"layout": "tfds"}, {"compression": "gzip"}])
def test_other_layouts(mini: Path, tmp_path: Path, words: dict[str, Any]) -> None:
    fastconv.convert(options(mini, tmp_path / "out", **words))
    report = fastconv.write_report(tmp_path / "out", tmp_path / "page.html")
    page = page_of(tmp_path / "page.html")
    assert (report.records, report.read, report.found) == (80, 80, 0)
    assert len(page.all("img")) == 24
    assert sum(int(r[1]) for r in page.table("Numbers of “Aspect ratio”")[1:]) == 80
    boxes = [text for _, text in page.all("h3") if text == "Boxes an image"]
    assert bool(boxes) == ("compression" in words)
    if not boxes:
        assert "The records have no features for boxes" in page.html
        assert dict(page.pairs())["Boxes"] == "– not in the schema"
        assert {row[6] for row in page.table("Totals of each split")[1:]} == {"–"}


@pytest.mark.parametrize("left", [0, 40_000])
@pytest.mark.parametrize("sample", [None, 20])
def test_numbers_of_the_manifest_and_of_what_is_left_are_told_apart(
    out: Path, tmp_path: Path, left: int, sample: int | None
) -> None:
    shutil.copytree(out, tmp_path / "out")
    shard = tmp_path / "out" / "data_dir" / "train-00001-of-00002"
    os.truncate(shard, left)
    report = fastconv.write_report(
        tmp_path / "out", tmp_path / "page.html", sample_records=sample, workers=1
    )
    page = page_of(tmp_path / "page.html")
    assert 50 <= report.records < 80
    missing = 80 - report.records
    banner = next(t for a, t in page.all("p") if a.get("class") == "badge warn")
    assert "1 shard is missing, or could not be read to the end. Of the 80 records" in banner
    assert f"tells of, {missing} could not be read" in banner
    said = f"of what was written: {missing} of the 80 records could not be read"
    assert page.html.count(said) == 3  # at totals, classes and shards
    assert "shards, " in page.html and "as the manifest tells." in page.html
    of_what = (
        f"of {report.records} records that could be read"
        if sample
        else (f"those of the {report.records} records that could be read, of 80.")
    )
    assert page.html.count(of_what) == 2  # at images and boxes
    assert "read as far as that was possible" in page.html and "end to end" not in page.html


@pytest.mark.parametrize(
    ("text", "what"),
    [("{", "manifest.json cannot be understood: options"), (None, "manifest.json is of format 99")],
)
def test_a_manifest_that_cannot_be_used(
    out: Path, tmp_path: Path, text: str | None, what: str
) -> None:
    shutil.copytree(out, tmp_path / "out")
    manifest = json.loads((out / "manifest.json").read_text())
    text = json.dumps({**manifest, "format": 99}) if text is None else text
    (tmp_path / "out" / "manifest.json").write_text(text)
    fastconv.write_report(tmp_path / "out", tmp_path / "page.html", workers=1)
    html = page_of(tmp_path / "page.html").html
    assert what in html and "There is no manifest" not in html


def test_no_whole_path_is_on_the_page(page: Page, hostile: tuple[Page, Path], mini: Path) -> None:
    assert str(mini) not in page.html and str(Path.home()) not in page.html
    assert dict(page.pairs())["train"].startswith("ILSVRC2012_img_train.tar (")
    first = page.table("Repaired images")[1][1]
    assert re.match(r"ILSVRC2012_img_\w+\.tar: \S+ \(at offset \d+\)", first)
    other, folder = hostile
    assert str(folder.parent) not in other.html
    assert dict(other.pairs())["train"] == "train"
    assert all(row[1].startswith("train/") for row in other.table("Skipped images")[1:])


def test_paths_in_words() -> None:
    train, validation = ({"path": path} for path in ("/data/in", "/data/in/val.tar"))
    source = {"kind": "x", "train": train, "validation": validation, "boxes": None}
    paths = Paths({"source": source}, Path("/out"))
    assert paths.text("/data/in/val.tar: is cut; /data/in/a b.jpg") == "val.tar: is cut; in/a b.jpg"
    assert paths.text("x/data/in/y /data/inner") == "x/data/in/y /data/inner"
    assert paths.path("/home/me/boxes/a: b.xml") == "boxes/a: b.xml"
    assert paths.path("n01/a.jpg") == "n01/a.jpg" and paths.text("/out: gone") == "out: gone"


@pytest.mark.parametrize("most", [0, 0.4, 1, 2, 3, 4, 5, 6, 9, 11, 99, 1234, 1_281_167])
def test_axes_of_counts_have_whole_numbers_once(most: float) -> None:
    axis = count_axis(most)
    ticks = axis["axis"]["values"]
    assert all(isinstance(tick, int) for tick in ticks) and len(set(ticks)) == len(ticks)
    assert ticks[0] == 0 and most <= ticks[-1] == axis["scale"]["domain"][1] <= 2 * max(most, 1)
    assert 2 <= len(ticks) <= 6


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_a_few_classes_are_counted_in_whole_numbers(width: int) -> None:
    for most in (1, 2, 5):
        values = [{"low": 0, "high": 1, "n": most}]
        spec = {**bars(values, {"axis": None}, "classes"), "width": width}
        texts = re.findall(r"<text[^>]*>([^<]*)<", draw(spec, "x", "x"))
        assert texts == [*map(str, range(most + 1)), "classes"]


def test_runs_that_were_killed_are_known_by_their_shards(page: Page) -> None:
    def run_of(written: int, kept: int) -> dict[str, Any]:
        return {"began": f"run {written}", "shards_written": written, "shards_kept": kept}

    assert untold([run_of(3, 0), run_of(4, 3), run_of(1, 6)]) == []
    (note,) = untold([run_of(3, 0), run_of(4, 5), run_of(1, 9)])
    assert "The run of run 4 kept 5 shards, 2 more than" in note
    assert "each run of the conversion was that could say so" in page.html


def test_skipped_images_are_among_those_done(hostile: tuple[Page, Path]) -> None:
    page, _ = hostile
    head, row = page.table("Runs of the conversion")
    assert head[6] == "images done" and row[6] == "10"  # 8 written, 2 skipped
    assert "skipped ones are among them" in page.html


@pytest.mark.parametrize(
    ("words", "text"),
    [(["--html", "-"], "--html -: a page is not written to standard output"),
     (["--html", "x.html", "--title", " "], "--title is empty")],
)  # fmt: skip
def test_words_that_cannot_be_meant(
    out: Path, words: list[str], text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", str(out), *words]) == 2
    assert text in capfd.readouterr().err


def test_one_shard_is_one_shard(
    out: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shard = out / "data_dir" / "validation-00000-of-00001"
    html = str(tmp_path / "page.html")
    assert run(["report", str(shard), "--html", html, "--no-verify"]) == 0
    assert "of 1 shard with 20 records, in" in capfd.readouterr().out


def test_damage_is_told_and_the_page_is_written(
    out: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(out, tmp_path / "out")
    shard = tmp_path / "out" / "data_dir" / "train-00001-of-00002"
    os.truncate(shard, shard.stat().st_size // 2)
    (tmp_path / "out" / "data_dir" / "validation-00000-of-00001").unlink()
    html = tmp_path / "page.html"
    assert run(["report", str(tmp_path / "out"), "--html", str(html), "--quiet"]) == 5
    assert capfd.readouterr() == ("", "")
    page = page_of(html)
    findings = [text for attrs, text in page.all("li") if attrs.get("class") == "path"]
    assert any("train-00001-of-00002" in text and "cut off" in text for text in findings)
    assert any("validation-00000-of-00001: is missing" in text for text in findings)
    assert "Verification: " in page.html and "could not be read to the end" in page.html
    assert dict(page.pairs())["Images written"].startswith("80")


def test_an_unfinished_job_is_told_of(out: Path, tmp_path: Path) -> None:
    shutil.copytree(out, tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    header = {k: manifest[k] for k in ("format", "tool", "options", "plan", "source", "classes",
                                       "labels_crc32c", "files")}  # fmt: skip
    lines = [header, *({"shard": {**s, "repaired": [], "skipped": []}}
                       for s in manifest["shards"][:1])]  # fmt: skip
    (tmp_path / "out" / "manifest.json").unlink()
    (tmp_path / "out" / "manifest.journal").write_text(
        "".join(json.dumps(line) + "\n" for line in lines)
    )
    for shard in list((tmp_path / "out" / "data_dir").iterdir())[1:]:
        if shard.name != "train-00000-of-00002":
            shard.unlink()
    fastconv.write_report(tmp_path / "out", tmp_path / "page.html", verify=False)
    assert "The conversion is not finished" in page_of(tmp_path / "page.html").html


def test_shards_without_records(tmp_path: Path) -> None:
    fastconv.RecordWriter(tmp_path / "empty.tfrecord").close()
    report = fastconv.write_report(tmp_path, tmp_path / "page.html", verify=False)
    page = page_of(tmp_path / "page.html")
    assert report.records == 0
    for text in ("The records have no labels.", "There is no record with an image.",
                 "No record has an image whose sides are known."):  # fmt: skip
        assert text in page.html


def test_records_that_are_no_examples(tmp_path: Path) -> None:
    with fastconv.RecordWriter(tmp_path / "x.tfrecord") as writer:
        writer.write(b"no Example")
        writer.write(fastconv.encode_example({"a": 1}))
    report = fastconv.write_report(tmp_path, tmp_path / "page.html", verify=False)
    assert report.read == 2
    assert "1 record could not be understood, and is not" in page_of(tmp_path / "page.html").html


def test_a_sample_of_the_records_is_said_to_be_one(out: Path, tmp_path: Path) -> None:
    report = fastconv.write_report(out, tmp_path / "page.html", verify=False, sample_records=20)
    assert report.records == 80 and 20 <= report.read <= 21
    page = page_of(tmp_path / "page.html")
    assert f"those of {report.read} of 80 records, each 4th of a shard" in page.html


def test_many_runs(out: Path, tmp_path: Path) -> None:
    shutil.copytree(out, tmp_path / "out")
    (one,) = json.loads((out / "runs.json").read_text())["runs"]
    slow = {**one, "workers": 80, "finished": False}
    slow["samples"] = {
        "seconds": [10.0 * n for n in range(200)],
        "records": [[n * w for n in range(200)] for w in range(80)],
        "bytes": [[1000 * n * w for n in range(200)] for w in range(80)],
    }
    still = {**one, "samples": {"seconds": [0.0], "records": [[0]], "bytes": [[0]]}}
    (tmp_path / "out" / ".fastconv-partial").mkdir()
    write_runs(tmp_path / "out", [one, slow, still])
    fastconv.write_report(tmp_path / "out", tmp_path / "page.html", verify=False)
    page = page_of(tmp_path / "page.html")
    rows = page.table("Runs of the conversion")[1:]
    assert [row[1] for row in rows] == ["finished", "before its end", "finished"]
    assert rows[2][-2:] == ["–", "–"]
    assert len(page.table("Numbers of “Images a second of each worker”")) == 81
    assert "The first 64 of 80 are drawn." in page.html


# ---- where it may be ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        ("labels.txt", OutputError, "is there already, and is no report"),
        ("data_dir/train-x.html", UsageError, "readers would take it for a shard"),
        ("idx_dir/x.html", UsageError, "readers would take it for a shard or an index"),
        ("nowhere/x.html", OutputError, "there is no folder"),
        ("data_dir", OutputError, "cannot be written: Is a directory"),
        ("", UsageError, "--html is empty"),
    ],
)
def test_a_page_takes_no_other_files_place(
    out: Path, name: str, error: type[Exception], text: str
) -> None:
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    with pytest.raises(error, match=re.escape(text)):
        fastconv.write_report(out, out / name if name else "", verify=False)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_a_pipe_is_no_page(out: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.html")
    with pytest.raises(OutputError, match="it is no regular file"):
        fastconv.write_report(out, tmp_path / "pipe.html", verify=False)


def test_what_cannot_be_written_leaves_the_old_page(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = f'<meta name="generator" content="{write.GENERATOR}, fastconv 0">'
    (tmp_path / "page.html").write_text(old)
    monkeypatch.setattr(write, "_rendered", lambda *_: "x" * 10)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("fastconv.atomic.os.fsync", full)
        with pytest.raises(OutputError, match=r"page\.html: cannot be written: No space"):
            fastconv.write_report(out, tmp_path / "page.html", verify=False)
    assert (tmp_path / "page.html").read_text() == old
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    fastconv.write_report(out, tmp_path / "page.html", verify=False)
    assert (tmp_path / "page.html").read_text() == "x" * 10


@pytest.mark.parametrize("option", ["licence_file", "citation_file"])
def test_texts_that_cannot_be_read(out: Path, tmp_path: Path, option: str) -> None:
    given: dict[str, Any] = {option: tmp_path / "missing"}
    with pytest.raises(InputError, match="missing: cannot be read: No such file"):
        fastconv.write_report(out, tmp_path / "page.html", **given)
    (tmp_path / "missing").write_bytes(bytes((1 << 20) + 1))
    with pytest.raises(InputError, match="is a text of up to 1 MiB"):
        fastconv.write_report(out, tmp_path / "page.html", **given)
    (tmp_path / "missing").write_bytes("Free\nf\u00fcr alle".encode("latin-1"))
    with pytest.raises(InputError, match="missing, line 2: is no UTF-8"):
        fastconv.write_report(out, tmp_path / "page.html", **given)
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize("missing", ["jinja2", "vl_convert"])
def test_without_its_libraries_it_says_what_to_install(
    out: Path, tmp_path: Path, missing: str, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, missing, None)
    assert run(["report", str(out), "--html", str(tmp_path / "page.html")]) == 2
    assert capfd.readouterr().err == (
        "fastconv: a report needs Vega-Lite and Jinja: pip install 'fastconv[report]'\n"
    )


def test_nothing_there(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["report", str(tmp_path), "--html", str(tmp_path / "page.html"), "--json"]) == 3
    assert json.loads(capfd.readouterr().out)["exit_code"] == 3
    assert list(tmp_path.iterdir()) == []
