"""How well labels are mixed over the shards of a split."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fastconv.page.facts import Shard

Floats = npt.NDArray[np.float64]

# A shard is told of where chance hardly ever puts a mix: so many standard deviations of Pearson's
# statistic away, and at least so much further from the whole than a shuffle does on average.
FAR_DEVIATIONS, FAR_MORE = 6, 0.02


@dataclass(frozen=True, slots=True)
class ShardMix:
    """``distinct``: labels in the shard; ``distance``: of its mix from that of its split, 0 (the
    same shares) to 1 (no class in common): half the sum of the shares' differences, the total
    variation distance; ``expected``: what a random shuffle gives on average; ``is_far``: whether
    chance hardly ever gives such a mix; ``most``: the largest share of one label, and
    ``most_label``: that label."""

    name: str
    records: int
    distinct: int
    distance: float
    expected: float
    is_far: bool
    most: float
    most_label: str


def mixes(shards: list[Shard]) -> list[ShardMix]:
    """Of each shard of one split that has records with labels, in order."""
    labels = list(dict.fromkeys(label for shard in shards for label in shard.labels))
    row = {label: n for n, label in enumerate(labels)}
    totals = np.zeros(len(labels), np.float64)
    for shard in shards:
        for label, count in shard.labels.items():
            totals[row[label]] += count
    everything = float(totals.sum())
    if not everything:
        return []
    shares = totals / everything
    expected: dict[int, float] = {}
    found = []
    for shard in shards:
        size = sum(shard.labels.values())
        if not size:
            continue
        own = np.zeros(len(labels), np.float64)
        for label, count in shard.labels.items():
            own[row[label]] = count / size
        if size not in expected:
            expected[size] = expected_distance(shares, size, everything)
        most = int(own.argmax())
        distance = float(np.abs(own - shares).sum()) / 2
        is_far = distance > expected[size] + FAR_MORE and is_odd(own, shares, size, everything)
        found.append(
            ShardMix(shard.name, size, int((own > 0).sum()), distance, expected[size], is_far,
                     float(own[most]), labels[most])
        )  # fmt: skip
    return found


def is_odd(own: Floats, shares: Floats, size: int, everything: float) -> bool:
    """Whether a shard's shares are hardly a random draw's, by Pearson's statistic: its mean is the
    number of labels less 1, and its variance grows where labels are rare (Haldane, 1937)."""
    left = (everything - size) / max(everything - 1, 1)
    count = len(shares)
    if left <= 0 or count < 2:
        return False
    statistic = size * float(((own - shares) ** 2 / shares).sum()) / left
    rare = float((1 / shares).sum()) - count * count - 2 * count + 2
    variance = 2 * (count - 1) + max(rare / size, 0)
    return statistic > count - 1 + FAR_DEVIATIONS * math.sqrt(variance)


def expected_distance(shares: Floats, size: int, everything: float) -> float:
    """The mean total variation distance of a random draw of `size` records from `everything`,
    whose labels have these shares: half the sum of the binomials' mean absolute deviations (De
    Moivre), less as the draw is without replacement."""
    p, times = np.unique(shares, return_counts=True)
    total = 0.0
    for share, count in zip(p.tolist(), times.tolist(), strict=True):
        if 0 < share < 1:
            total += count * _mean_deviation(share, size)
    left = max(everything - size, 0) / max(everything - 1, 1)
    return min(total / size / 2 * math.sqrt(left), 1.0)


def _mean_deviation(p: float, n: int) -> float:
    """E|X - np| of X binomial: 2 (m + 1) C(n, m + 1) p^(m + 1) (1 - p)^(n - m), m = floor(np)."""
    m = min(math.floor(n * p), n - 1)
    log = (
        math.lgamma(n + 1) - math.lgamma(m + 2) - math.lgamma(n - m)
        + (m + 1) * math.log(p) + (n - m) * math.log1p(-p)
    )  # fmt: skip
    return 2 * (m + 1) * math.exp(log)
