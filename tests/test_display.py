"""What is shown of a running job, where images are counted and where only bytes are."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from fastconv.display import LiveDisplay, Rates, counts
from fastconv.progress import Progress

BYTES_ALONE = [
    Progress("comparing", 1.0, 0, 0, 1_000_000, 9_000_000, 1, 9),
    Progress("comparing", 3.0, 0, 0, 5_000_000, 9_000_000, 5, 9),
]
IMAGES = [
    Progress("writing", 1.0, 10, 100, 1_000_000, 9_000_000, 0, 2),
    Progress("writing", 3.0, 50, 100, 5_000_000, 9_000_000, 1, 2),
]


@pytest.mark.parametrize(
    ("moments", "said"),
    [
        (BYTES_ALONE, "5.0 MB of 9.0 MB  5 of 9 shards  2.0 MB/s  0:02 left"),
        (IMAGES, "50 of 100 images  1 of 2 shards  20 images/s  2.0 MB/s  0:03 left"),
        ([Progress("looking", 1.0, 1, 9), Progress("looking", 2.0, 3, 9)],
         "3 of 9 images  2 images/s  0:03 left"),
    ],
)  # fmt: skip
def test_counts(moments: list[Progress], said: str) -> None:
    rates = Rates()
    first, second = moments
    rates.add(first)
    assert counts(second, rates.add(second)) == said


@pytest.mark.parametrize("moments", [BYTES_ALONE, IMAGES])
def test_a_bar_is_drawn(moments: list[Progress]) -> None:
    screen = io.StringIO()
    with LiveDisplay(Console(file=screen, force_terminal=True, width=60)) as display:
        for moment in moments:
            display.show(moment)
    assert "━" in screen.getvalue() and "0:0" in screen.getvalue()
