"""The table of class folders made from the archives."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from bench.commands import PEERS, Bench, fastconv
from bench.corpus import TRAIN, Corpus, reuse_or_make
from bench.groups import Group, Row, inside
from bench.measure import Command, MeasureError, ratio
from bench.tarwriter import Body, packed
from fastconv.sources.archives import list_archive

VALIDATION = "ILSVRC2012_img_val.tar"
LABELS = "imagenet_2012_validation_synset_labels.txt"
EVERY = 25  # ImageNet has one validation image for so many train images
PLAN, PREPARE = "plan.txt", "valprep.sh"


def build_raw(storage: Path, archive: Corpus, base: Corpus) -> Corpus:
    """The train archive, and a flat validation archive with its labels; with them what other tools
    are handed: a line for each image, and the shell script that sorts the validation images."""
    count = archive.images // EVERY

    def make(out: Path) -> dict[str, Any]:
        os.link(archive.archive, out / TRAIN)
        files = sorted(base.path.glob("train/*/*.JPEG"))
        chosen = [files[k * 7919 % len(files)] for k in range(count)]
        bodies = {path: Body(path.read_bytes()) for path in set(chosen)}
        names = [f"ILSVRC2012_val_{k:08d}.JPEG" for k in range(1, count + 1)]
        members = [(name.encode(), bodies[p]) for name, p in zip(names, chosen, strict=True)]
        (out / VALIDATION).write_bytes(packed(members))
        classes = [path.parent.name for path in chosen]
        (out / LABELS).write_text("".join(f"{klass}\n" for klass in classes))
        moves = [f"mv {name} {klass}/\n" for name, klass in zip(names, classes, strict=True)]
        folders = [f"mkdir -p {klass}\n" for klass in sorted(set(classes))]
        (out / PREPARE).write_text("".join((*folders, *moves)))
        label_of = dict(zip(names, classes, strict=True))
        with (out / PLAN).open("w") as plan:
            for name, split in ((TRAIN, "train"), (VALIDATION, "validation")):
                found = list_archive(out / name)
                for place, image, offset, size in zip(
                    found.container.tolist(),
                    found.names,
                    found.offset.tolist(),
                    found.size.tolist(),
                    strict=True,
                ):
                    text = image.decode()
                    klass = found.containers[place].group or label_of[text]
                    plan.write(f"{name} {offset} {size} {split}/{klass}/{text}\n")
        total = sum(bodies[path].length for path in chosen)
        return {"images": archive.images + count, "bytes": archive.bytes + total}

    facts = reuse_or_make(storage / "raw", {"of": archive.bytes, "count": count}, make)
    return Corpus(storage / "raw", facts["images"], archive.classes, facts["bytes"])


def raw(bench: Bench) -> Group:
    source = build_raw(bench.storage, bench.archive(), bench.base())
    group = Group(
        "raw",
        "From the archives to class folders",
        f"The archive, and a flat one of validation images, to {source.images:,} files of "
        f"{source.bytes / 1e9:.2f} GB. The shell is the field's usual script: `tar xf` of the "
        "train archive, then a `mkdir` and a `tar xf` for each class; `tar xf` of the validation "
        "images, and a `mv` for each. The plain write is two processes of Python that read the "
        "same bytes from the archives and do `open`, `write` and `close` for each file; they are "
        "told beforehand where each image is, and set no times. Neither waits for the disk, as "
        "`fastconv raw` does before it gives a file its name; with `sync` they do so at their end. "
        "Where all of this lies in memory, there is no disk to wait for.",
    )
    out = bench.out
    untar = ("sh", str(PEERS / "untar.sh"), str(source.path), str(out))
    plain = (sys.executable, str(PEERS / "plain_write.py"), str(source.path), str(out), "2")

    def own(name: str, workers: int) -> Command:
        words = (*fastconv(), "raw", str(source.path), "--out", str(out), "--quiet", "--json")
        return Command(
            name,
            (*words, "--workers", str(workers)),
            outputs=(out, bench.cache),
            env={"FASTCONV_CACHE": str(bench.cache)},
            warm_ups=1,
        )

    runs = bench.run(
        [
            Command("shell", untar, (out,)),
            Command("plain", plain, (out,)),
            own("2", 2),
            Command("shell, sync", (*untar, "sync"), (out,)),
            Command("plain, sync", (*plain, "sync"), (out,)),
            own("1", 1),
        ],
        fill_bytes=source.bytes,
    )
    for run in runs:
        if run.printed.get("written", source.images) != source.images:
            raise MeasureError(f"{run.name}: wrote {run.printed['written']} of {source.images}")
    whole = (source.images, source.bytes)
    group.add_rows(
        [
            Row("shell", "the shell's loop of `tar`", *whole),
            Row("shell, sync", "the same, and `sync`", *whole),
            Row("plain", "a plain write, 2 processes", *whole, "a plain write", 2),
            Row("plain, sync", "the same, and `sync`", *whole, "a plain write, and sync", 2),
            Row("1", "fastconv, 1 worker", *whole, "fastconv"),
            Row("2", "fastconv, 2 workers", *whole, "fastconv", 2),
        ],
        runs,
    )
    for name, label in (("shell", "the shell"), ("shell, sync", "the shell and `sync`")):
        group.add_figure(f"2 workers against {label}", ratio(runs, name, "2"), at_least=4)
    for name, label in (("plain", "a plain write"), ("plain, sync", "a plain write and `sync`")):
        group.add_figure(f"2 workers, speed of {label}", ratio(runs, name, "2"), at_least=0.7)
    group.add_figure("the same, starts left out", ratio(runs, "plain", "2", inside), at_least=0.7)
    group.add_figure("2 workers against 1", ratio(runs, "1", "2"))
    return group
