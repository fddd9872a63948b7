"""Repaired images show the colours that TensorFlow sees in their originals."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import twin

from peers import odd_images
from peers.running import Converted

pytestmark = [pytest.mark.peers, pytest.mark.timeout(600)]

_MEAN_DIFFERENCE_MAX = 2.5
_REPAIRED = {**odd_images.four_component_jpegs(), **odd_images.pngs()}


@pytest.fixture(scope="module")
def records(odd: Converted) -> dict[str, dict[str, twin.Feature]]:
    found = {}
    for shard in odd.shards("train"):
        for payload in tf.data.TFRecordDataset(str(shard)).as_numpy_iterator():
            record = twin.decode_example(payload)
            (name,) = record["image/filename"].values
            assert isinstance(name, bytes)
            found[name.decode()] = record
    return found


@pytest.mark.parametrize("name", _REPAIRED)
def test_a_repaired_image_has_the_originals_colours(
    name: str, records: dict[str, dict[str, twin.Feature]]
) -> None:
    original = _REPAIRED[name]
    decode = tf.image.decode_png if original.startswith(b"\x89PNG") else tf.image.decode_jpeg
    wanted = decode(original, channels=3).numpy().astype(int)
    (stored,) = records[name]["image/encoded"].values
    assert stored != original
    pixels = tf.image.decode_jpeg(stored, channels=0).numpy().astype(int)
    assert pixels.shape == wanted.shape
    assert np.abs(pixels - wanted).mean() < _MEAN_DIFFERENCE_MAX


@pytest.mark.parametrize("name", odd_images.kept_jpegs())
def test_other_odd_images_are_kept_as_they_are(
    name: str, records: dict[str, dict[str, twin.Feature]]
) -> None:
    data = odd_images.kept_jpegs()[name]
    assert records[name]["image/encoded"].values == [data]
    assert records[name]["image/width"].values == [tf.image.decode_jpeg(data).shape[1]]


def test_the_twins_colours_are_tensorflows() -> None:
    """So that comparing with the twin, as other tests do, is comparing with TensorFlow."""
    for name, data in _REPAIRED.items():
        source = twin.reencoded_source(data)
        assert source is not None
        decode = tf.image.decode_png if data.startswith(b"\x89PNG") else tf.image.decode_jpeg
        wanted = decode(data, channels=3).numpy().astype(int)
        pixels = np.asarray(source.image()).astype(int)
        assert np.abs(pixels - wanted).mean() < 1, name
