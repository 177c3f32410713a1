"""Plot of accuracy against file size."""

from __future__ import annotations

import math
from typing import Any

from page.chart import INNER_HEIGHT, INNER_WIDTH, LEFT, TOP, Chart
from page.names import plan_name

COLOURS = ("#1b6ca8", "#c0532b", "#3f8f4f", "#7a4fa3", "#b08a1e")


def frontier(title: str, series: dict[str, list[dict[str, Any]]]) -> str:
    """Plot accuracy with its interval against file size, which is logarithmic, as SVG.

    Args:
        title: Above the plot.
        series: Rows by network, each with `name`, `bytes` and `accuracy`.
    """
    rows = [row for network in series.values() for row in network]
    lows, highs = zip(*map(_interval, rows), strict=True)
    per_unit = 20 if max(highs) - min(lows) > 0.1 else 100
    bottom = math.floor(per_unit * min(lows)) / per_unit
    top = min(1.0, math.ceil(per_unit * max(highs)) / per_unit)
    first = math.log10(min(row["bytes"] for row in rows)) - 0.1
    last = math.log10(max(row["bytes"] for row in rows)) + 0.1

    def x(size: float) -> float:
        return LEFT + (math.log10(size) - first) / (last - first) * INNER_WIDTH

    def y(accuracy: float) -> float:
        return TOP + (top - accuracy) / (top - bottom) * INNER_HEIGHT

    chart = Chart(title, "file, KB", "accuracy %")
    for step in range(round((top - bottom) * per_unit) + 1):
        level = bottom + step / per_unit
        chart.horizontal(y(level), f"{100 * level:.0f}")
    for size in (5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6):
        if first <= math.log10(size) <= last:
            chart.vertical(x(size), f"{size / 1e3:.0f}")
    for i, ((name, network), colour) in enumerate(zip(series.items(), COLOURS, strict=False)):
        ordered = sorted(network, key=lambda row: row["bytes"])
        chart.line([(x(r["bytes"]), y(r["accuracy"]["mean"])) for r in ordered], colour)
        for row in ordered:
            low, high = _interval(row)
            chart.whisker(x(row["bytes"]), y(low), y(high), colour)
            label = f"{name}, {plan_name(row['name'])}"
            chart.dot(x(row["bytes"]), y(row["accuracy"]["mean"]), colour, label)
        chart.legend(i, colour, name)
    return chart.svg()


def _interval(row: dict[str, Any]) -> tuple[float, float]:
    """The interval of the accuracy; the accuracy twice if there are too few seeds for one."""
    accuracy = row["accuracy"]
    low, high = accuracy.get("interval") or (accuracy["mean"], accuracy["mean"])
    return low, high
