"""The table of images made smaller."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench import corpus, quality
from bench.commands import ROOT, Bench, convert
from bench.corpus import Corpus
from bench.groups import Group, Row, inside, phase_of
from bench.measure import Command, Run, of, ratio, remove, run_once
from bench.peers.common import cut_of
from bench.peers.resize_floor import PIXELS, PLACES
from bench.peers.resizing import Smaller, frames

PART = 3  # of the base's images, one in so many
LOOKED_AT = 100  # images whose pixels are compared
SHARDS = 8
SHORT = Smaller(256, long=False)
LONG = Smaller(500, long=True)  # as FFCV's own settings for ImageNet are
OWN_LONG = ("--resize", str(LONG.side), "--resize-mode", "long", "--reencode-all")


@dataclass(frozen=True, slots=True)
class Tool:
    """Beside fastconv's options (``own``), or a peer's module and the package that it needs.
    ``filter``: of what its resampling comes nearest to (bench.quality); none for the floor."""

    name: str
    label: str
    filter: str = "bilinear"
    smaller: Smaller = SHORT
    own: tuple[str, ...] = ()
    module: str = ""
    package: str = ""
    workers: tuple[int, ...] = (1, 2)


TOOLS = (
    Tool("floor", "decoding and encoding alone", "", module="resize_floor", package="simplejpeg"),
    Tool("fastconv", "fastconv", own=("--resize", str(SHORT.side))),
    Tool("exact", "fastconv --exact", own=("--resize", str(SHORT.side), "--exact"), workers=(1,)),
    Tool("pillow", "Pillow", module="resize_pillow", package="PIL"),
    Tool("opencv", "OpenCV", "area", module="resize_opencv", package="cv2"),
    Tool("vips", "pyvips", "lanczos", module="resize_vips", package="pyvips"),
    Tool("tensorflow", "TensorFlow", module="resize_tensorflow", package="tensorflow"),
    Tool("long fastconv", "fastconv, long side 500", smaller=LONG, own=OWN_LONG),
    Tool(
        "long opencv",
        "FFCV's method, by OpenCV",
        "area",
        LONG,
        module="resize_opencv",
        package="cv2",
    ),
)
PEERS = tuple(tool for tool in TOOLS if tool.module and tool.filter)


def command(bench: Bench, tool: Tool, source: Path, workers: int) -> Command:
    name = f"{tool.name} {workers}"
    if tool.own:
        return convert(bench, name, source, workers, SHARDS, *tool.own)
    side = "--long" if tool.smaller.long else "--short"
    return Command(
        name,
        (
            *(sys.executable, "-m", f"bench.peers.{tool.module}", "--tree", str(source / "train")),
            *("--out", str(bench.out), "--workers", str(workers), "--shards", str(SHARDS)),
            *(side, str(tool.smaller.side), "--pixels", str(bench.storage / "resized")),
        ),
        (bench.out,),
        env={"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


def make_pixels(tree: Path, out: Path, smaller: Smaller) -> None:
    """The resized pixels of a tree's images, for the floor; those that are kept have none."""
    remove(out)
    out.mkdir(parents=True)
    places, at = {}, 0
    with (out / PIXELS).open("wb") as file:
        for path in sorted(tree.glob("*/*")):
            pixels = quality.decoded(path.read_bytes())
            sides = smaller.sides(*pixels.shape[:2])
            if sides is None:
                continue
            places[path.name] = (at, *sides, pixels.nbytes)
            at += file.write(quality.resized(pixels, *sides, "bilinear").tobytes())
    (out / PLACES).write_text(json.dumps(places), encoding="utf-8")


def sample(part: Corpus, folder: Path, count: int) -> dict[str, bytes]:
    """Images of the corpus whose sides are all larger than any that is asked for, as a tree of
    their own: {name: bytes}. Kept images would only say that they are the same."""
    remove(folder)
    found: dict[str, bytes] = {}
    paths = sorted(part.path.glob("train/*/*"))
    for path in _spread_out(paths):
        data = path.read_bytes()
        if SHORT.sides(*quality.decoded(data).shape[:2]) is None:
            continue
        place = folder / "train" / path.parent.name
        place.mkdir(parents=True, exist_ok=True)
        os.link(path, place / path.name)
        found[path.name] = data
        if len(found) == count:
            break
    return found


def _spread_out(paths: list[Path]) -> Iterator[Path]:
    """All of them, far from one another first."""
    step = max(1, len(paths) // LOOKED_AT)
    for begin in range(step):
        yield from paths[begin::step]


def looked_at(bench: Bench, tool: Tool, folder: Path, originals: dict[str, bytes]) -> Any:
    """What the tool makes of the sample, by the command that is measured."""
    remove(bench.out)
    run_once(replace(command(bench, tool, folder, 1), outputs=()), -1, ROOT)
    if tool.own:
        made = quality.records(bench.out)
    else:
        made = {}
        for shard in cut_of(folder / "train", bench.out, SHARDS):
            images = frames(Path(shard.path))
            made |= {p.name: data for p, data in zip(shard.pictures, images, strict=True)}
    remove(bench.out)
    return quality.compared(made, originals, tool.filter)


def add_made(rows: list[dict[str, Any]], runs: list[Run], qualities: dict[str, Any]) -> None:
    """To each row what came out of its runs."""
    for row in rows:
        sizes = {run.printed.get("bytes") for run in of(runs, row["name"]).values()}
        if len(sizes) != 1:
            raise ValueError(f"{row['name']}: wrote {sizes} bytes, not the same each time")
        row["made"] = {"bytes": sizes.pop(), "quality": qualities.get(row["name"])}


def add_figures(group: Group, runs: list[Run], peers: list[Tool]) -> None:
    writing = phase_of("writing")
    group.add_figure("1 worker, speed of the floor", ratio(runs, "floor 1", "fastconv 1"))
    for workers in (1, 2):
        floor, own = f"floor {workers}", f"fastconv {workers}"
        word = "worker" if workers == 1 else "workers"
        group.add_figure(
            f"{workers} {word}, speed of the floor with starts left out",
            ratio(runs, floor, own, inside),
        )
        group.add_figure(
            f"{workers} {word}, writing alone, speed of the floor with its start left out",
            ratio(runs, floor, own, inside, writing),
        )
    group.add_figure("2 workers against 1", ratio(runs, "fastconv 1", "fastconv 2"))
    group.add_figure(
        "2 workers against 1, writing alone", ratio(runs, "fastconv 1", "fastconv 2", writing)
    )
    group.add_figure(
        "two floors at once against one, starts left out",
        ratio(runs, "floor 1", "floor 2", inside),
    )
    group.add_figure("time of `--exact`, 1 worker", ratio(runs, "exact 1", "fastconv 1"))
    for tool in peers:
        for workers in tool.workers:
            name = f"{tool.name} {workers}"
            own = f"{'long ' if tool.smaller.long else ''}fastconv {workers}"
            label = f"against {tool.label}, {workers} each"
            group.add_figure(label, ratio(runs, name, own))
            group.add_figure(f"{label}, starts left out", ratio(runs, name, own, inside))


def resize(bench: Bench) -> Group:
    part = corpus.build_part(bench.storage, bench.base(), PART)
    group = Group(
        "resize",
        "Images made smaller",
        f"{part.images:,} images ({part.bytes / 1e9:.2f} GB) of the base corpus from class folders "
        f"to a short side of {SHORT.side} as JPEGs of quality 90 with 4:2:0, by as many processes "
        "(TensorFlow: threads); then with FFCV's settings: a long side of at most "
        f"{LONG.side}, and all images encoded anew. The floor decodes each image, and encodes its "
        "resized pixels, which were made beforehand: the same without a resampler, by the same "
        "libjpeg-turbo; its memory is those pixels. fastconv writes TFRecords and indexes, all "
        "others their JPEGs one behind the other into a file a shard, which is less work. Most of "
        "these images are less than twice as large as the target, so that nobody's scaled decoding "
        "gains anything here, `--exact` takes as long, and the speeds are those of full decodes.",
    )
    installed = [tool for tool in TOOLS if tool.own or importlib.util.find_spec(tool.package)]
    missing = sorted({tool.package for tool in TOOLS} - {tool.package for tool in installed})
    if missing:
        group.notes.append(f"Not installed, and so not measured: {', '.join(missing)}.")
    bench.tell("resizing for the floor, and looking at what each tool makes")
    make_pixels(part.path / "train", bench.storage / "resized", SHORT)
    originals = sample(part, bench.storage / "looked", min(LOOKED_AT, part.images // 2))
    qualities = {
        f"{tool.name} 1": looked_at(bench, tool, bench.storage / "looked", originals)
        for tool in installed
        if tool.filter
    }
    commands, rows = [], []
    for tool in installed:
        for workers in tool.workers:
            made = command(bench, tool, part.path, workers)
            commands.append(made)
            count = f"{workers} worker{'s' if workers > 1 else ''}"
            label = f"{tool.label}, {count if tool.own else workers}"
            rows.append(Row(made.name, label, part.images, part.bytes, tool.label, workers))
    for tool in installed:
        if not tool.own:  # its files are read once, as those of fastconv are by its warm-up
            run_once(replace(command(bench, tool, bench.storage / "looked", 1)), -1, ROOT)
    runs = bench.run(commands, fill_bytes=part.bytes)
    for run in runs:
        if run.printed["written"] != part.images:
            raise ValueError(f"{run.name}: wrote {run.printed['written']} of {part.images} images")
    group.add_rows(rows, runs)
    add_made(group.rows, runs, qualities)
    add_figures(group, runs, [tool for tool in PEERS if tool in installed])
    group.notes.append(
        f"Quality is of {len(originals)} of the images, all of which are made smaller: each as it "
        "was written, decoded again, against its file decoded in full and resized by Pillow with "
        "the filter that the tool's own comes nearest to (area: each pixel by how much of it is "
        "covered, in floating point), before any encoding. So it holds what "
        "the encoding loses, which nobody is spared: the column of what is at best has those very "
        "pixels encoded by simplejpeg. What a tool has less than that is lost by its shortcuts, "
        "or because its filter is another. Filters themselves are not judged: what is sharper "
        "loses more in an encoding. At a long side of 500 most images keep their size, and "
        "nearly all is the encoding's."
    )
    remove(bench.storage / "looked")
    remove(bench.storage / "resized")
    return group
