"""What `--check decode` refuses is what TensorFlow refuses."""

from __future__ import annotations

import pytest
import tensorflow as tf
from test_verdict import cases, refused

pytestmark = [pytest.mark.peers, pytest.mark.timeout(600)]

# Of damage that no file has by chance: where libjpeg comes to the end of a file behind the last
# pixel, TensorFlow does not mind that the end itself is missing.
FALSE_REFUSALS_MAX = 0.02


def decoded(data: bytes) -> bool:
    try:
        tf.io.decode_jpeg(data, channels=3)
    except tf.errors.InvalidArgumentError:
        return False
    return True


@pytest.mark.parametrize("seed", [1, 2])
def test_the_verdict_is_tensorflows(seed: int) -> None:
    wrong_accepts, wrong_refusals, count = [], [], 0
    for what, data in cases(seed):
        ours, theirs = refused(data), decoded(data)
        count += 1
        if ours is None and not theirs:
            wrong_accepts.append(what)
        elif ours is not None and theirs:
            wrong_refusals.append(f"{what}: {ours}")
    assert wrong_accepts == []
    assert len(wrong_refusals) <= FALSE_REFUSALS_MAX * count, wrong_refusals
