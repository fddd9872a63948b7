"""A stored record against the derived one."""

from __future__ import annotations

from twin.derive import SLIM_KINDS, Expected
from twin.jpeg import jpeg_facts
from twin.pixels import Reencoded, as_reference_jpeg, decoded, mean_difference
from twin.proto import Feature, decode_example

# Decoders differ in how they round k*c/255 (up to two levels, one way) and encoders of quality 100
# in their DCTs (half a level); a wrong formula or channel order differs by tens.
_MEAN_DIFFERENCE_MAX = 3.0
_SAMPLING_420 = ((2, 2), (1, 1), (1, 1))


def _shown(values: object) -> str:
    text = repr(values)
    return text if len(text) <= 120 else f"{text[:100]}... ({len(text)} characters)"


def _sizes(features: dict[str, Feature]) -> list[str]:
    """Differences between the record's own facts and its own image."""
    encoded = features.get("image/encoded", Feature("", [])).values
    if len(encoded) != 1 or not isinstance(encoded[0], bytes):
        return []
    facts = jpeg_facts(encoded[0])
    found = []
    if facts.verdict != "ok":
        found.append(f"image/encoded: no whole JPEG: {facts.verdict}")
    for key, size in (("image/height", facts.height), ("image/width", facts.width)):
        stored = features.get(key, Feature("", [])).values
        if stored != [size]:
            found.append(f"{key}: {_shown(stored)}, but image/encoded has {size}")
    return found


def _reencoded(expected: Reencoded, stored: bytes) -> list[str]:
    facts = jpeg_facts(stored)
    found = []
    if facts.components != 3:
        return [f"image/encoded: {facts.components} components, expected 3"]
    if facts.sampling != _SAMPLING_420:
        found.append(f"image/encoded: sampling {facts.sampling}, expected 4:2:0")
    if not facts.quantization or any(set(table) != {1} for table in facts.quantization):
        found.append("image/encoded: quantization tables are not quality 100's, all ones")
    if (facts.height, facts.width) != (expected.height, expected.width):
        return [
            *found,
            f"image/encoded: {facts.height} x {facts.width},"
            f" the source has {expected.height} x {expected.width}",
        ]
    image = decoded(stored)
    if image.mode != "RGB":
        return [*found, f"image/encoded: decodes to {image.mode}, expected RGB"]
    # Against the same pixels put through the same lossy step, so that strong colours, which 4:2:0
    # blurs in any encoder, do not force a tolerance that would hide wrong colours.
    difference = mean_difference(image, decoded(as_reference_jpeg(expected.image())))
    if difference > _MEAN_DIFFERENCE_MAX:
        found.append(f"image/encoded: pixels differ by {difference:.2f} levels in the mean")
    return found


def compare_record(expected: Expected, payload: bytes) -> list[str]:
    """Every difference between a serialized Example and what `derive` says; empty when equal.

    The order of the features is not compared: a map has none.
    """
    try:
        features = decode_example(payload)
    except ValueError as error:
        return [f"not an Example: {error}"]
    found = [f"{key}: missing" for key in expected if key not in features]
    found += [f"{key}: unexpected" for key in features if key not in expected]
    for key, values in expected.items():
        if key not in features:
            continue
        kind, stored = features[key]
        if kind != SLIM_KINDS[key]:
            found.append(f"{key}: kind {kind or 'not set'}, expected {SLIM_KINDS[key]}")
            continue
        first = values[0] if values else None
        if not isinstance(first, Reencoded):
            if stored != values:
                found.append(f"{key}: {_shown(stored)}, expected {_shown(values)}")
        elif len(stored) != 1 or not isinstance(stored[0], bytes):
            found.append(f"{key}: {len(stored)} values, expected one JPEG")
        else:
            found += _reencoded(first, stored[0])
    return found + _sizes(features)
