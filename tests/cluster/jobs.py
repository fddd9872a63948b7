"""One conversion, small and slow, that tests of clusters have done; and what is to come of it."""

from __future__ import annotations

import io
import os
from pathlib import Path

from conftest import digests, leftovers
from PIL import Image

import fastconv
from cluster.dasks import Client

SHARDS = 16


def images(folder: Path) -> None:
    """A class tree that takes a worker some seconds: every image must be encoded anew."""
    buffer = io.BytesIO()
    Image.effect_noise((1000, 800), 80).convert("RGB").save(buffer, "PNG", compress_level=1)
    first = folder / "a" / "0000.png"
    for number in range(160):
        path = folder / "ab"[number % 2] / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number == 0:
            path.write_bytes(buffer.getvalue())
        else:
            os.link(first, path)


def in_the_right_way(source: Path, out: Path) -> dict[str, str]:
    """What comes of it without a cluster."""
    fastconv.convert(fastconv.Options(source=source, out=out, train_shards=SHARDS))
    return files(out)


def files(out: Path) -> dict[str, str]:
    """All that an output holds, but for how long it took."""
    assert leftovers(out) == []
    found = digests(out, "")
    found.pop("runs.json", None)
    return found


def gone_on(source: Path, out: Path) -> str:
    """The same command on this machine, which goes on; what it says."""
    log = out.parent / "gone-on.log"
    code, said = Client(["shards", source, "--out", out, "--train-shards", SHARDS], log).end()
    assert code == 0, said
    return said
