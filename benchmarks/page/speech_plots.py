"""Plots of runs of networks on waveforms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from page.chart import INNER_HEIGHT, INNER_WIDTH, LEFT, TOP, Chart

_ALONE, _ANCHORED = "#c0532b", "#2f81c4"


def confusion_plot(run: Mapping[str, Any], title: str) -> str:
    """The confusion of a run in percent of each true class, as Figure 1 of Ismail."""
    labels, counts = run["labels"], run["confusion"]
    width, height = INNER_WIDTH / len(labels), INNER_HEIGHT / len(labels)
    chart = Chart(title, "recognised as", "true class, % of its recordings")
    for i, (label, row) in enumerate(zip(labels, counts, strict=True)):
        chart.vertical(LEFT + (i + 0.5) * width, label)
        chart.horizontal(TOP + (i + 0.5) * height, label)
        for j, count in enumerate(row):
            share = count / max(1, sum(row))
            place = LEFT + j * width, TOP + i * height
            chart.cell(*place, width, height, share, f"{100 * share:.0f}")
    return chart.svg()


def folds_plot(alone: Mapping[str, Any], anchored: Mapping[str, Any], title: str) -> str:
    """UA and F1 of each class without and with an anchor: mean and SD over the folds."""
    keys = ["ua", *alone["labels"]]
    chart = Chart(title, "UA, and F1 of each class", "%, mean and SD over folds")

    def x(i: int, shift: float) -> float:
        return LEFT + (i + 0.5 + shift) / len(keys) * INNER_WIDTH

    def y(value: float) -> float:
        return TOP + (1 - min(max(value, 0.0), 1.0)) * INNER_HEIGHT

    for tick in range(0, 101, 20):
        chart.horizontal(y(tick / 100), str(tick))
    for i, key in enumerate(keys):
        chart.vertical(x(i, 0.0), "UA" if key == "ua" else key)
    runs = (("alone", alone, _ALONE, -0.12), ("with CREMA-D", anchored, _ANCHORED, 0.12))
    for number, (name, run, colour, shift) in enumerate(runs):
        for i, key in enumerate(keys):
            mean, sd = run["folds"][key]["mean"], run["folds"][key]["sd"] or 0.0
            chart.whisker(x(i, shift), y(mean - sd), y(mean + sd), colour)
            chart.dot(x(i, shift), y(mean), colour, f"{name}, {key}: {100 * mean:.1f} %")
        chart.legend(number, colour, name)
    return chart.svg()
