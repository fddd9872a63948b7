"""``fastconv tfds-info``: what TensorFlow Datasets needs beside shards that are there already."""

from __future__ import annotations

from typing import Any

import click

from fastconv.cli_options import NAME_OPTIONS, SHOW_OPTIONS, on_disk, with_options
from fastconv.cli_output import outcome


@click.command("tfds-info")
@click.argument("path", callback=on_disk)
@with_options(*NAME_OPTIONS)
@click.option(
    "--labels",
    metavar="FILE",
    help="Of shards without a manifest: their classes, one a line, in label order [ImageNet's].",
)
@click.option(
    "--label-offset",
    type=click.IntRange(0, 1),
    help="Of shards without a manifest: the first class's label [as the first record has it].",
)
@click.option("--overwrite", is_flag=True, help="Replace files of these names, whoever wrote them.")
@with_options(*SHOW_OPTIONS)
def tfds_info(path: str, quiet: bool, as_json: bool, **given: Any) -> int:
    """Write what TensorFlow Datasets needs beside shards, so that it opens them in place.

    PATH is an output of fastconv's, or a folder of anybody's shards in slim's schema. Written are
    dataset_info.json, features.json and the names of the classes.
    """
    from fastconv.tfds_info import write_tfds_info

    info = write_tfds_info(path, **given)
    splits = (
        f"{split} {sum(records):,} records in {len(records):,} shard{'s' * (len(records) != 1)}"
        for split, records in info.splits.items()
    )
    lines = [
        f"{info.folder}: {info.name} {info.version}: {'; '.join(splits)}",
        f'opens with tfds.builder_from_directory("{info.folder}")',
    ]
    outcome(info.as_dict(), lines, quiet, as_json)
    return 0
