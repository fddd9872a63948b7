"""The command line's options, by what they are about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from fastconv.errors import UsageError
from fastconv.remote.path import is_remote

Command = TypeVar("Command", bound=Callable[..., Any])

SOURCE_PATHS = (
    click.option("--train", metavar="PATH", help="Train images: an archive or a folder."),
    click.option("--validation", metavar="PATH", help="Validation images: an archive or a folder."),
    click.option("--boxes", metavar="PATH", help="Boxes: tar.gz or folder of XML, or slim's CSV."),
    click.option(
        "--validation-labels",
        metavar="PATH",
        help="Labels of flat validation images: slim's text, Kaggle's CSV, or the devkit tar.gz.",
    ),
    click.option("--synsets", metavar="PATH", help="The class list, one a line, in label order."),
    click.option("--synset-text", metavar="PATH", help="A text a class: <class><tab><text>."),
)
SOURCE_OPTIONS = (
    click.argument("source", required=False),
    *SOURCE_PATHS,
    click.option(
        "--split",
        type=click.Choice(["train", "validation", "all"]),
        default="all",
        show_default=True,
        help="What to convert.",
    ),
    click.option(
        "--use-cut-archives",
        is_flag=True,
        help="Of archives of images that are cut off, use what is whole.",
    ),
)
IMAGE_OPTIONS = (
    click.option("--resize", type=int, metavar="N", help="Make larger images so many pixels."),
    click.option(
        "--resize-mode",
        type=click.Choice(["short", "long", "squash", "crop"]),
        help="What has N pixels: the short side, the long side, or both: squashed, or cropped in "
        "the middle [short].",
    ),
    click.option(
        "--filter",
        type=click.Choice(["bilinear", "bicubic", "lanczos", "box"]),
        help="The resampling filter, antialiased [bilinear].",
    ),
    click.option("--quality", type=int, metavar="1-100", help="Of JPEGs that are made [90]."),
    click.option(
        "--subsampling",
        type=click.Choice(["420", "444", "keep"]),
        help="Chroma subsampling of JPEGs that are made; keep: their file's [420].",
    ),
    click.option("--reencode-all", is_flag=True, help="Encode small images anew, too."),
    click.option("--max-side", type=int, metavar="N", help="Make longer sides so many pixels."),
    click.option("--max-bytes", type=int, metavar="N", help="Make larger files fit."),
    click.option(
        "--exif",
        type=click.Choice(["keep", "strip", "apply"]),
        help="Metadata: kept, taken out without loss, or applied: the image is turned upright, "
        "and its boxes [keep; apply with --resize].",
    ),
    click.option(
        "--check",
        type=click.Choice(["headers", "decode"]),
        help="Of kept images: read the headers, or decode all of each [headers].",
    ),
    click.option(
        "--grayscale",
        type=click.Choice(["keep", "rgb"]),
        help="Grayscale JPEGs: kept, or made RGB [keep].",
    ),
    click.option(
        "--max-pixels",
        type=int,
        metavar="N",
        help="An image of more is bad [178956970].",
    ),
    click.option(
        "--exact", is_flag=True, help="Decode large images in full, not at a half or less."
    ),
)
NAME_OPTIONS = (
    click.option(
        "--name", metavar="NAME", help="The dataset's name in TensorFlow Datasets [imagenet2012]."
    ),
    click.option(
        "--dataset-version",
        metavar="X.Y.Z",
        help="Its version there [5.1.0 of imagenet2012; 1.0.0].",
    ),
)
RECORD_OPTIONS = (
    click.option(
        "--layout",
        type=click.Choice(["slim", "tfds"]),
        default="slim",
        show_default=True,
        help="Names and places of the files: slim's, or those that TensorFlow Datasets looks for.",
    ),
    *NAME_OPTIONS,
    click.option(
        "--schema",
        metavar="SCHEMA",
        help="Which features records have: slim, tfds, a TOML file, or a function, as "
        "module:function or file.py:function [the layout's].",
    ),
    click.option(
        "--compression",
        type=click.Choice(["none", "gzip"]),
        default="none",
        show_default=True,
        help="gzip: compressed shards, which have no indexes.",
    ),
)


OUT = click.option(
    "--out",
    required=True,
    metavar="DIR",
    help="Folder for the output: new, empty, or what this very command left there unfinished.",
)
SHARE_OPTIONS = (
    click.option(
        "--plan",
        metavar="FILE",
        help="In place of SOURCE and its options: the plan that fastconv plan wrote.",
    ),
    click.option(
        "--only",
        metavar="K/N",
        help="Of a plan's shards, the K-th of N shares, K from 1 to N [1/1: all].",
    ),
)
OUT_OR_PLAN = click.option(  # not required: with --plan there is none
    "--out",
    metavar="DIR",
    help="Folder, or s3://, gs:// or az:// URL, for the output: new, empty, or what this very "
    "command left there unfinished.",
)
WORKERS = click.option(
    "--workers", type=int, metavar="N", help="Worker processes [all usable cores]."
)
CLUSTER_OPTIONS = (
    click.option(
        "--scheduler",
        metavar="ADDRESS",
        help="Have the shards written by the workers of this Dask scheduler, as tcp://host:8786.",
    ),
    click.option(
        "--local-cluster",
        type=click.IntRange(1),
        metavar="N",
        help="Have them written by a Dask cluster of N workers on this machine, for trying.",
    ),
)
JOB_OPTIONS = (
    click.option(
        "--resume/--no-resume",
        default=True,
        show_default=True,
        help="Go on where the same command ended before, or refuse a DIR that is not empty.",
    ),
    click.option(
        "--check-archives",
        is_flag=True,
        help="First compare the archives' MD5 sums with those in files beside them, or the "
        "published.",
    ),
    click.option(
        "--no-space-check", is_flag=True, help="Begin even where the output does not seem to fit."
    ),
    click.option("--dry-run", is_flag=True, help="Show the plan and write nothing."),
)
PROCESSES = click.option(
    "--workers", type=click.IntRange(1), metavar="N", help="Processes [all usable cores]."
)
SHOW_OPTIONS = (
    click.option("--quiet", is_flag=True, help="Show nothing but errors."),
    click.option("--json", "as_json", is_flag=True, help="A JSON summary on standard output."),
)


def on_error(what: str) -> Callable[[Command], Command]:
    """The option of a command that meets ``what`` it cannot use."""
    return click.option(
        "--on-error",
        type=click.Choice(["stop", "skip"]),
        default="stop",
        show_default=True,
        help=f"What to do about {what}: end the job, or leave it out.",
    )


def with_options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def on_disk(_ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """What an argument or option names, if that is on disk. Raises UsageError for a URL."""
    is_option = isinstance(parameter, click.Option)
    name = max(parameter.opts, key=len) if is_option else parameter.human_readable_name
    for one in value if isinstance(value, tuple) else (value,):
        if is_remote(one):
            raise UsageError(
                f"{name} is a file or a folder here, and not in an object "
                f"store: copy it, or mount the bucket"
            )
    return value


# Of `fastconv shards` and `fastconv plan`, all but --out.
SHARDS_OPTIONS = (
    *SOURCE_OPTIONS,
    click.option("--train-shards", type=int, metavar="N", help="Train shards [from the data]."),
    click.option("--validation-shards", type=int, metavar="N", help="Validation shards."),
    click.option("--seed", type=int, default=12345, show_default=True, help="Seed of the shuffle."),
    click.option(
        "--slim-threads",
        type=int,
        default=8,
        show_default=True,
        help="Parts that the shards are cut from, as slim's num_threads.",
    ),
    click.option(
        "--label-offset",
        type=click.IntRange(0, 1),
        help="Label of the first class: 1 leaves 0 for background [1; 0 in the schema tfds].",
    ),
    *RECORD_OPTIONS,
    on_error("a bad image, an image without a label, or a bad box file"),
    *IMAGE_OPTIONS,
    WORKERS,
    click.option("--overwrite", is_flag=True, help="Replace what fastconv wrote to DIR before."),
    *JOB_OPTIONS,
    *SHOW_OPTIONS,
)
