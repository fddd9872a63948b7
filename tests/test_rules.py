"""What a record must hold: the quick native answer and the one in words are the same, always."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from twin.framing import crc32c
from twin.jpeg import jpeg_facts
from twin.proto import encode_example

from fastconv import _verify
from fastconv.checking.rules import KINDS, Expected

LABELS = ("a", "n01440764", "ü\udcff")
STRICT = Expected(strict=True, labels=LABELS)
NATIVE = STRICT.native()
assert NATIVE is not None
RULES = NATIVE


def jpeg(mode: str = "RGB", size: tuple[int, int] = (7, 5)) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, 70).save(buffer, "JPEG", quality=10)
    return buffer.getvalue()


IMAGES = {mode: jpeg(mode) for mode in ("RGB", "L", "CMYK")}
Features = dict[str, tuple[str, list[Any]]]


def good(boxes: int = 1, gray: bool = False) -> Features:
    """A record that is as it must be."""
    values: dict[str, list[Any]] = {
        "image/height": [5],
        "image/width": [7],
        "image/colorspace": [b"Grayscale" if gray else b"RGB"],
        "image/channels": [1 if gray else 3],
        "image/format": [b"JPEG"],
        "image/class/label": [2],
        "image/class/synset": [b"n01440764"],
        "image/class/text": [b"tench"],
        "image/filename": [b"x.JPEG"],
        "image/encoded": [IMAGES["L" if gray else "RGB"]],
        "image/object/bbox/xmin": [0.25] * boxes,
        "image/object/bbox/ymin": [0.0] * boxes,
        "image/object/bbox/xmax": [0.25] * boxes,
        "image/object/bbox/ymax": [1.0] * boxes,
        "image/object/bbox/label": [2] * boxes,
    }
    return {key: (KINDS[key], value) for key, value in values.items()}


def agree(payload: bytes) -> bool:
    """What both say, which must be the same."""
    problems = STRICT.problems(payload)
    assert RULES.hold(payload) == (problems == []), problems
    return problems == []


def encoded(features: Features | list[tuple[str, str, list[Any]]]) -> bytes:
    if isinstance(features, dict):
        features = [(key, kind, values) for key, (kind, values) in features.items()]
    return encode_example(features)


@pytest.mark.parametrize("boxes", [0, 1, 3])
@pytest.mark.parametrize("gray", [False, True])
def test_what_is_right(boxes: int, gray: bool) -> None:
    features = good(boxes, gray)
    assert agree(encoded(features))
    assert agree(encoded(dict(reversed(features.items()))))
    features["image/class/label"] = ("int64", [3])
    features["image/class/synset"] = ("bytes", ["ü\udcff".encode("utf-8", "surrogateescape")])
    features["image/object/bbox/label"] = ("int64", [3] * boxes)
    assert agree(encoded(features))


INTS = st.sampled_from([-(1 << 63), -1, 0, 1, 2, 3, 4, 5, 7, (1 << 63) - 1])
FLOATS = st.sampled_from([-0.0, 0.0, 0.25, 1.0, 1.5, -1e-9, float("nan"), float("inf")])
TEXTS = st.sampled_from(
    [b"", b"RGB", b"Grayscale", b"JPEG", b"PNG", b"a", b"n01440764", b"\xff", *IMAGES.values()]
)
VALUES = {"int64": INTS, "float": FLOATS, "bytes": TEXTS}


@st.composite
def changed(draw: st.DrawFn) -> bytes:
    features = good(draw(st.integers(0, 2)), draw(st.booleans()))
    listed = [(key, kind, values) for key, (kind, values) in features.items()]
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(listed) - 1))
        key, kind, values = listed[at]
        what = draw(st.sampled_from(["drop", "twice", "kind", "value", "count", "name"]))
        if what == "drop" and len(listed) > 1:
            del listed[at]
        elif what == "twice":
            listed.append((key, kind, values))
        elif what == "kind":
            other = draw(st.sampled_from([name for name in VALUES if name != kind]))
            listed[at] = (key, other, draw(st.lists(VALUES[other], max_size=2)))
        elif what == "value" and values:
            listed[at] = (key, kind, [draw(VALUES[kind]), *values[1:]])
        elif what == "count":
            listed[at] = (key, kind, draw(st.lists(VALUES[kind], max_size=3)))
        elif what == "name":
            listed[at] = (draw(st.sampled_from(["", "x", "image", key + "x"])), kind, values)
    return encoded(listed)


@settings(deadline=None, max_examples=300)
@given(changed())
def test_of_changed_records_both_say_the_same(payload: bytes) -> None:
    agree(payload)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_of_damaged_bytes_both_say_the_same(data: st.DataObject) -> None:
    payload = bytearray(encoded(good(1)))
    for _ in range(data.draw(st.integers(1, 3))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    size = data.draw(st.sampled_from([len(payload), data.draw(st.integers(0, len(payload)))]))
    agree(bytes(payload[:size]))


def test_an_image_whose_components_are_wrong() -> None:
    for image, channels, colorspace, right in (
        ("L", 3, b"RGB", True),  # as slim writes it
        ("L", 1, b"Grayscale", True),
        ("L", 1, b"RGB", False),
        ("RGB", 1, b"Grayscale", False),
        ("CMYK", 3, b"RGB", False),
        ("RGB", 2, b"RGB", False),
    ):
        features = good()
        features["image/encoded"] = ("bytes", [IMAGES[image]])
        features["image/channels"] = ("int64", [channels])
        features["image/colorspace"] = ("bytes", [colorspace])
        assert agree(encoded(features)) == right, (image, channels, colorspace)


def test_without_labels_or_strictness_less_is_asked() -> None:
    loose = Expected(strict=False)
    features = good()
    features["image/class/label"] = ("int64", [999])
    features["image/object/bbox/label"] = ("int64", [999])
    del features["image/class/text"]
    assert loose.problems(encoded(features)) == []
    assert loose.problems(encoded(good())) == [
        "image/class/text is there, which the first record has not"
    ]
    features["image/filename"] = ("bytes", [])  # nothing, of no kind
    assert loose.problems(encoded(features)) == ["image/filename has 0 values, not 1"]


# ---- sides of JPEGs -----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", IMAGES)
def test_sides_of_every_cut(mode: str) -> None:
    """The twin's answer, or none, wherever the bytes end."""
    data = IMAGES[mode]
    components = {"RGB": 3, "L": 1, "CMYK": 4}[mode]
    answers = {_verify.jpeg_sides(data[:size]) for size in range(len(data) + 1)}
    assert answers == {(0, 0, 0), (5, 7, components)}
    assert (jpeg_facts(data).height, jpeg_facts(data).width) == (5, 7)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda d: d[:2] + b"\xff\xff\xff" + d[2:], True),  # fill bytes
        (lambda d: d[:2] + b"garbage" + d[2:], True),  # libjpeg passes it over
        (lambda d: d[:2] + b"\xff\xfe\x00\x02" + d[2:], True),  # an empty comment
        (lambda d: d[:2] + b"\xff\xfe\x00\x01" + d[2:], False),  # shorter than its length
        (lambda d: d[:2] + b"\xff\xfe\xff\xff" + d[2:], False),  # beyond the end
        (lambda d: d[:2] + b"\xff\x01\xff\xd0" + d[2:], True),  # markers without a segment
        (lambda d: d[:2] + b"\xff\xd9" + d[2:], False),  # the end
        (lambda d: b"\xff\xd8\xff\xda" + d[2:], False),  # a scan first
        (lambda d: b"x" + d, False),
    ],
)
def test_sides_of_odd_headers(change: Callable[[bytes], bytes], found: bool) -> None:
    assert (_verify.jpeg_sides(change(IMAGES["RGB"])) == (5, 7, 3)) == found


# ---- walking ------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(st.lists(st.binary(max_size=200), max_size=12), st.integers(0, 4096))
def test_a_walk_gives_the_files_checksum_and_index(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], large: int
) -> None:
    from twin.framing import frame, index_lines

    if large % 3 == 0:
        payloads = [*payloads, bytes(large * 300)]  # across the buffer's end
    data = b"".join(map(frame, payloads))
    path = tmp_path_factory.getbasetemp() / "walk"
    path.write_bytes(data)
    seen = []
    with path.open("rb") as file:
        walk = _verify.Walk(
            file.fileno(),
            len(data),
            None,
            False,
            lambda record, offset, payload, holds: seen.append((record, bytes(payload))),
            lambda *damage: pytest.fail(f"{damage}"),
        )
        assert walk.run() == _verify.WHOLE
    assert seen == list(enumerate(payloads))
    assert walk.index.decode() == index_lines(data)
    if len(data) < 100_000:
        assert walk.crc32c == crc32c(data)


def test_outline() -> None:
    assert _verify.outline(encoded(good())) == [key.encode() for key in KINDS]
    assert _verify.outline(b"") == [] and _verify.outline(b"\x08") is None
