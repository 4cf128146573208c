"""What an evaluation measures unless it is told otherwise, and what its files are called."""

from __future__ import annotations

from collections.abc import Mapping

SIZES: Mapping[int, int | None] = {256: 10, 512: 5}
"""Short sides of the photographs in pixels, and how many at each."""
ITERATIONS = (50, 100, 300, 500)
SMALLEST = 16  # short side in pixels

REPORT, JSON, FIGURE = "report.md", "report.json", "figure.png"
OUTPUTS, MEANS = "outputs.csv", "means.csv"
