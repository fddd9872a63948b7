"""Are two outputs the same dataset? By bytes, or record by record as parsed features. See diff."""

from __future__ import annotations

from fastconv.comparison.job import diff
from fastconv.comparison.report import Difference, DiffReport, FeatureDifference, Place

__all__ = ["DiffReport", "Difference", "FeatureDifference", "Place", "diff"]
