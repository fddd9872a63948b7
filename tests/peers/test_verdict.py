"""--check decode refuses what TensorFlow refuses, of images with every kind of damage."""

from __future__ import annotations

import random

import pytest
import tensorflow as tf
from damage import SOI
from test_verdict import BASES, damaged, refused

from fastconv import _jpeg

pytestmark = [pytest.mark.peers, pytest.mark.timeout(600)]

# What TensorFlow decodes and we refuse. Where all rows are there, it does not mind that a table, a
# note or a marker behind them is cut off by the file's end; nor does it mind a bare marker (TEM) or
# a short note of Adobe's in a header, which Pillow does where simplejpeg has a warning of it.
LUCKY = ("tail without EOI/DHT", "tail without EOI/FF", "tail without EOI/00FF",
         "bytes before EOI/DHT", "cut end/1 bytes", "Adobe/short",
         "marker in header/01")  # fmt: skip
# The same by chance: what damage in the last blocks of an image looks like.
LUCKY_KINDS = ("marker in scan", "block random", "block of FF", "overwrite in scan", "flip in scan")
LUCKY_KINDS_MAX = 4
FALSE_REFUSALS_MAX = 0.02


def tensorflows(data: bytes) -> str | None:
    """Why TensorFlow refuses to decode an image; None where it decodes it."""
    try:
        image = tf.io.decode_jpeg(data, channels=3)
    except tf.errors.InvalidArgumentError as error:
        return str(error)
    status, height, width, *_ = _jpeg.look(data)
    assert status or image.shape == (height, width, 3)
    return None


@pytest.mark.parametrize("name", BASES)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_verdict_is_tensorflows(name: str, seed: int) -> None:
    """Never is one accepted that it refuses; the other way round, few, and of known kinds."""
    accepted = count = 0
    false_refusals = []
    for what, data in damaged(name, seed):
        theirs, ours = tensorflows(data), refused(data)
        assert theirs is None or ours is not None, (what, theirs)
        accepted += theirs is None
        count += 1
        if theirs is None and ours is not None:
            false_refusals.append((what, ours))
    assert 100 < accepted < count - 100
    others = [case for case in false_refusals if case[0] not in LUCKY]
    assert all(what.startswith(LUCKY_KINDS) for what, _ in others), others
    assert len(others) <= LUCKY_KINDS_MAX, others
    assert len(false_refusals) <= FALSE_REFUSALS_MAX * accepted, false_refusals


def test_damage_upon_damage() -> None:
    """A few hundred files with two kinds of damage each."""
    chance = random.Random(5)
    for name in ("baseline", "progressive restarts", "gray"):
        cases = damaged(name, n=1)
        false_refusals = 0
        for _ in range(150):
            (_, one), (_, other) = chance.sample(cases, 2)
            at = chance.randrange(2, 600)
            data = SOI + one[2:at] + other[at:]
            theirs, ours = tensorflows(data), refused(data)
            assert theirs is None or ours is not None, (name, theirs)
            false_refusals += theirs is None and ours is not None
        assert false_refusals <= 5
