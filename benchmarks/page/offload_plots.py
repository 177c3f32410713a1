"""Plots of the offload decision."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from page.chart import INNER_HEIGHT, INNER_WIDTH, LEFT, TOP, Chart
from page.names import corpus_name

_RULE, _RANDOM, _BEST = "#2f81c4", "#888888", "#3f8f4f"
_MODES = {"wav": "#7a4fa3", "opus": "#1b6ca8", "svd": "#3f8f4f", "basis": "#c0532b"}
_LINKS = ("#3f8f4f", "#2f81c4", "#c0532b")
_DECADES = range(1, 6)
_ALL_BUT_NONE = 10.0
"""Bytes a recording at the left edge of a plot."""


def accuracy_plot(one: Mapping[str, Any], mode: str) -> str:
    """UA against the share sent: by the rule, at random and at best."""
    name = corpus_name(one["corpus"])
    chart = Chart(f"{name}: UA against the share sent", "sent, %", "UA %, 95 % interval")
    rows = one["rows"]
    figures = [row["modes"][mode]["ua"] for row in rows]
    values = [row["best"] for row in rows] + [row["random"] for row in rows]
    for figure in figures:
        values += figure["interval"] or [figure["value"]]
    y = _scale(chart, values)
    for tick in range(0, 101, 20):
        chart.vertical(_x(tick / 100), str(tick))
    for number, (title, colour, points) in enumerate(
        (
            ("at best", _BEST, [row["best"] for row in rows]),
            ("when unsure", _RULE, [figure["value"] for figure in figures]),
            ("at random", _RANDOM, [row["random"] for row in rows]),
        )
    ):
        chart.line([(_x(row["share"]), y(p)) for row, p in zip(rows, points, strict=True)], colour)
        for row, point in zip(rows, points, strict=True):
            told = f"{title}, {100 * row['share']:.1f} % sent: {100 * point:.1f} %"
            chart.dot(_x(row["share"]), y(point), colour, told)
        chart.legend(number, colour, title)
    for row, figure in zip(rows, figures, strict=True):
        if figure["interval"]:
            low, high = figure["interval"]
            chart.whisker(_x(row["share"]), y(low), y(high), _RULE)
    return chart.svg()


def bytes_plot(one: Mapping[str, Any]) -> str:
    """UA against mean bytes a recording, by mode; bytes are logarithmic."""
    title = f"{corpus_name(one['corpus'])}: UA against bytes"
    chart = Chart(title, "mean bytes a recording", "UA %")
    rows = [row for row in one["rows"] if row["share"] > 0.0]
    y = _scale(chart, [row["modes"][mode]["ua"]["value"] for row in rows for mode in _MODES])

    def x(n_bytes: float) -> float:
        place = math.log10(max(n_bytes, _ALL_BUT_NONE)) - _DECADES[0]
        return LEFT + place / (_DECADES[-1] - _DECADES[0]) * INNER_WIDTH

    for decade in _DECADES:
        chart.vertical(x(10.0**decade), f"{10**decade:,}")
    for number, (mode, colour) in enumerate(_MODES.items()):
        cells = [(row["share"], row["modes"][mode]) for row in rows]
        points = [(x(cell["bytes"]), y(cell["ua"]["value"])) for _, cell in cells]
        chart.line(points, colour)
        for point, (share, cell) in zip(points, cells, strict=True):
            told = f"{mode}, {100 * share:.1f} % sent: {cell['bytes']:,.0f} bytes"
            chart.dot(*point, colour, told)
        chart.legend(number, colour, mode)
    return chart.svg()


def delay_plot(one: Mapping[str, Any], links: Sequence[str]) -> str:
    """Mean delay against the share sent, by link, of WAV and `basis`; logarithmic."""
    title = f"{corpus_name(one['corpus'])}: mean delay against the share sent"
    chart = Chart(title, "sent, %", "ms; lines: WAV; with dots: basis")
    rows = one["rows"]
    delays = {
        mode: [[cost["mean_s"] for cost in row["modes"][mode]["links"]] for row in rows]
        for mode in ("wav", "basis")
    }
    every = [1e3 * one for mode in delays.values() for row in mode for one in row]
    low, high = math.floor(math.log10(min(every))), math.ceil(math.log10(max(every)))

    def y(seconds: float) -> float:
        return TOP + (high - math.log10(1e3 * seconds)) / max(1, high - low) * INNER_HEIGHT

    for decade in range(low, high + 1):
        chart.horizontal(y(10.0**decade / 1e3), f"{10.0**decade:g}")
    for tick in range(0, 101, 20):
        chart.vertical(_x(tick / 100), str(tick))
    for number, (link, colour) in enumerate(zip(links, _LINKS, strict=True)):
        for mode, of_mode in delays.items():
            points = [
                (_x(row["share"]), y(of_row[number]))
                for row, of_row in zip(rows, of_mode, strict=True)
            ]
            chart.line(points, colour)
            for point, of_row in zip(points, of_mode, strict=True) if mode == "basis" else ():
                chart.dot(*point, colour, f"{link}, basis: {1e3 * of_row[number]:.0f} ms")
        chart.legend(number, colour, link)
    return chart.svg()


def _x(share: float) -> float:
    return LEFT + share * INNER_WIDTH


def _scale(chart: Chart, values: Sequence[float]) -> Any:
    """Lines every 5 %, and the place of a value between the lowest and the highest of them."""
    low, high = math.floor(20 * min(values)) / 20, math.ceil(20 * max(values)) / 20
    high = max(high, low + 0.05)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * INNER_HEIGHT

    for tick in range(round(20 * low), round(20 * high) + 1):
        chart.horizontal(y(tick / 20), str(5 * tick))
    return y
