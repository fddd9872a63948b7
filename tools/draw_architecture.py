"""Draw docs/images/architecture.svg: the way of the data, and the layers of the modules.

    python tools/draw_architecture.py

The picture brings its own ground, and turns dark with its reader's settings.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

OUT = Path(__file__).resolve().parent.parent / "docs" / "images" / "architecture.svg"
WIDTH, HEIGHT = 1000, 676
STYLE = """
    text { font: 13px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2933 }
    .head { font-size: 17px; font-weight: 600 }
    .name { font-size: 14.5px; font-weight: 600 }
    .code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 12px }
    .soft { fill: #51606f }
    .ground { fill: #fbfcfd; stroke: #c9d1d9 }
    .room { fill: none; stroke: #8593a1; stroke-dasharray: 5 4 }
    .source { fill: #fdebc8; stroke: #b7791f }
    .parent { fill: #dcebfb; stroke: #2b6cb0 }
    .worker { fill: #e6e0f8; stroke: #6b46c1 }
    .output { fill: #d9f2e3; stroke: #2f855a }
    .band { fill: #eef2f6; stroke: #9aa7b4 }
    .way { fill: none; stroke: #51606f; stroke-width: 1.8; marker-end: url(#tip) }
    .bytes { stroke: #b7791f; stroke-width: 5; stroke-linecap: butt; marker-end: url(#broad) }
    #tip path { fill: #51606f }
    #broad path { fill: #b7791f }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 }
      .soft { fill: #a9b6c3 }
      .ground { fill: #161b22; stroke: #3d4652 }
      .room { stroke: #8593a1 }
      .source { fill: #4a3510; stroke: #d69e2e }
      .parent { fill: #14304d; stroke: #63a4e8 }
      .worker { fill: #33275c; stroke: #a78bfa }
      .output { fill: #123d27; stroke: #48bb78 }
      .band { fill: #232b35; stroke: #5b6875 }
      .way { stroke: #a9b6c3 }
      .bytes { stroke: #d69e2e }
      #tip path { fill: #a9b6c3 }
      #broad path { fill: #d69e2e }
    }
"""
DEFINED = """
    <marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="9" markerHeight="9"
            markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0 10 5 0 10z"/></marker>
    <marker id="broad" viewBox="0 0 10 10" refX="3" refY="5" markerWidth="15" markerHeight="15"
            markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0 10 5 0 10z"/></marker>
"""
TITLE = "The architecture of fastconv"
DESCRIPTION = (
    "Sources are listed into a catalog, which becomes a plan; the plan is shared with worker "
    "processes, which read the images' bytes from the sources and write shards and indexes; the "
    "manifest says what was written, and verify, show and report look at it. Below: the layers of "
    "modules, whose imports point down only."
)
# From the top: a layer's name, and its modules.
LAYERS = (
    ("the command", "entry  cli  cli_…  display  tables  page"),
    ("the whole", "conversion  folders  repair  tfds_info  checking  show"),
    ("the work", "shard  rows  writing  summary"),
    ("prepared", "prepare  preflight  job  records  report  comparison"),
    ("what is to be done", "sources  plan  remake  pictures  sample"),
    ("columns and files", "catalog  annotations  images  manifest  options  workers  writer"),
    ("single things", "reader  example  atomic  board  cache  names  errors  …"),
    ("compiled, in C", "_shard  _tfrecord  _tar  _jpeg  _reader  _verify  _resample  …"),
)  # fmt: skip


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def rectangle(x: float, y: float, width: float, height: float, kind: str) -> str:
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="7" class="{kind}"/>'


def box(x: float, y: float, width: float, height: float, kind: str, name: str, *lines: str) -> str:
    """A box with its name and lines under that, all of them in its middle."""
    middle = x + width / 2
    first = y + height / 2 - 8.5 * len(lines) + 5
    parts = [rectangle(x, y, width, height, kind), text(middle, first, name, "name", "middle")]
    parts += [
        text(middle, first + 18 * number, line, "", "middle")
        for number, line in enumerate(lines, 1)
    ]
    return "\n".join(parts)


def way(path: str, kind: str = "way") -> str:
    return f'<path d="{path}" class="{kind}"/>'


def data_way() -> list[str]:
    return [
        text(28, 40, "The way of the data", "head"),
        box(28, 84, 146, 128, "source", "Source", "tar of tars, flat tar", "class folders",
            "Kaggle's tree", "labels, boxes"),
        rectangle(204, 58, 256, 180, "room"),
        text(332, 79, "parent process", "soft", "middle"),
        box(216, 94, 106, 108, "parent", "Catalog", "every image", "as columns:", "where it is"),
        box(342, 94, 106, 108, "parent", "Plan", "the order,", "cut into", "shards"),
        text(332, 225, "reads no image", "soft", "middle"),
        rectangle(530, 58, 194, 180, "room"),
        text(627, 79, "worker processes, N of them", "soft", "middle"),
        rectangle(550, 102, 160, 124, "worker"),
        rectangle(545, 97, 160, 124, "worker"),
        box(540, 92, 160, 124, "worker", "Worker", "read, into its place", "keep or make anew",
            "encode, checksum", "sync, rename"),
        box(764, 58, 208, 56, "output", "Shards and indexes", "or class folders"),
        box(764, 130, 208, 74, "output", "Manifest", "a line for each shard done,",
            "then counts and checksums"),
        box(764, 222, 208, 56, "parent", "Verify, show, report", "with code of their own"),
        way("M174 148H214"), way("M322 148H340"),
        way("M448 148H538"),
        text(495, 141, "shared", "soft", "middle"),
        text(495, 165, "memory", "soft", "middle"),
        way("M710 105C735 105 735 86 762 86"), way("M710 167H762"),
        way("M972 86H984V250H974"), way("M868 204V220"),
        way("M101 212V272H620V242", "way bytes"),
        text(364, 294, "the images' bytes: straight to the worker, once", "soft", "middle"),
    ]  # fmt: skip


def layers() -> list[str]:
    top, height = 358, 36
    parts = [
        text(28, 342, "The layers of the modules", "head"),
        way(f"M46 {top + 4}V{top + height * len(LAYERS) - 8}"),
    ]
    middle = top + height * len(LAYERS) / 2
    parts.append(
        f'<text x="34" y="{middle}" class="soft" text-anchor="middle" '
        f'transform="rotate(-90 34 {middle})">imports point down</text>'
    )
    for number, (name, modules) in enumerate(LAYERS):
        y = top + height * number
        parts += [
            rectangle(64, y, 908, height - 6, "band"),
            text(78, y + 20, name, "name"),
            text(252, y + 20, modules.replace("  ", "\u00a0\u00a0 "), "code"),
        ]
    return parts


def main(out: Path) -> None:
    parts = "\n".join([*data_way(), *layers()])
    out.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-labelledby="title desc">\n<title id="title">{TITLE}</title>\n'
        f'<desc id="desc">{DESCRIPTION}</desc>\n<style>{STYLE}</style>\n<defs>{DEFINED}</defs>\n'
        f'<rect x="1" y="1" width="{WIDTH - 2}" height="{HEIGHT - 2}" rx="10" class="ground"/>\n'
        f"{parts}\n</svg>\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main(OUT)
