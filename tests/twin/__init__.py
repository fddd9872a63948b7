"""The twin: a second derivation of every byte fastconv writes, sharing no code with it.

It is written to be read beside the formats' own descriptions, one byte at a time and slowly. A test
that compares the package with the twin fails when either is wrong, so nothing here may import
fastconv, and fastconv may not import this.
"""

from twin.boxes import boxes_by_image
from twin.compare import compare_record
from twin.derive import SLIM_KINDS, derive, image_paths, shard_bounds, truncated_linspace
from twin.framing import crc32c, frame, index_lines, masked_crc32c, read_frames
from twin.jpeg import JpegFacts, jpeg_facts
from twin.pixels import Reencoded, mean_difference, reencoded_source
from twin.proto import Feature, decode_example, encode_example
from twin.resample import resized
from twin.sides import sides

__all__ = [
    "SLIM_KINDS",
    "Feature",
    "JpegFacts",
    "Reencoded",
    "boxes_by_image",
    "compare_record",
    "crc32c",
    "decode_example",
    "derive",
    "encode_example",
    "frame",
    "image_paths",
    "index_lines",
    "jpeg_facts",
    "masked_crc32c",
    "mean_difference",
    "read_frames",
    "reencoded_source",
    "resized",
    "shard_bounds",
    "sides",
    "truncated_linspace",
]
