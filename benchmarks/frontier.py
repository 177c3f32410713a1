"""Accuracy against bytes, as an SVG: a dot for each network and bits."""

from __future__ import annotations

import math
from typing import Any

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 40, 52
COLOURS = ("#1b6ca8", "#c0532b", "#3f8f4f", "#7a4fa3", "#b08a1e")


def frontier(title: str, series: dict[str, list[dict[str, Any]]]) -> str:
    """Draw accuracy, with its interval, against the size of the file on a logarithmic axis.

    Args:
        title: Above the plot.
        series: Per network the rows with `name`, `bytes` and `accuracy`.
    """
    rows = [row for found in series.values() for row in found]
    lows = [row["accuracy"]["interval"][0] for row in rows]
    highs = [row["accuracy"]["interval"][1] for row in rows]
    per_unit = 20 if max(highs) - min(lows) > 0.1 else 100
    bottom = math.floor(per_unit * min(lows)) / per_unit
    top = min(1.0, math.ceil(per_unit * max(highs)) / per_unit)
    first = math.log10(min(row["bytes"] for row in rows)) - 0.1
    last = math.log10(max(row["bytes"] for row in rows)) + 0.1

    def x(size: float) -> float:
        return LEFT + (math.log10(size) - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def y(accuracy: float) -> float:
        return TOP + (top - accuracy) / (top - bottom) * (HEIGHT - TOP - BOTTOM)

    floor = HEIGHT - BOTTOM
    marks = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12" fill="#333">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="16" font-size="14">{title}</text>',
    ]
    steps = round((top - bottom) * per_unit)
    for step in range(steps + 1):
        level = bottom + step / per_unit
        marks.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(level):.1f}" y2="{y(level):.1f}" '
            f'stroke="#ddd"/><text x="{LEFT - 8}" y="{y(level) + 4:.1f}" text-anchor="end">'
            f"{100 * level:.0f}</text>"
        )
    for size in (5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6):
        if first <= math.log10(size) <= last:
            marks.append(
                f'<line x1="{x(size):.1f}" x2="{x(size):.1f}" y1="{TOP}" y2="{floor}" '
                f'stroke="#eee"/><text x="{x(size):.1f}" y="{floor + 18}" '
                f'text-anchor="middle">{size / 1e3:.0f}</text>'
            )
    middle = (LEFT + WIDTH - RIGHT) / 2
    marks += [
        f'<text x="{middle:.0f}" y="{HEIGHT - 12}" text-anchor="middle">file, KB</text>',
        f'<text x="16" y="{TOP - 8}">accuracy %</text>',
    ]
    for (name, found), colour in zip(series.items(), COLOURS, strict=False):
        ordered = sorted(found, key=lambda row: row["bytes"])
        path = " ".join(f"{x(r['bytes']):.1f},{y(r['accuracy']['mean']):.1f}" for r in ordered)
        marks.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-opacity="0.4"/>'
        )
        for row in ordered:
            at, accuracy = x(row["bytes"]), row["accuracy"]
            low, high = accuracy["interval"]
            marks.append(
                f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{y(low):.1f}" y2="{y(high):.1f}" '
                f'stroke="{colour}" stroke-opacity="0.5"/>'
                f'<circle cx="{at:.1f}" cy="{y(accuracy["mean"]):.1f}" r="4" fill="{colour}">'
                f"<title>{name}, {row['name']}</title></circle>"
            )
        place = TOP + 20 * (list(series).index(name) + 1)
        marks.append(
            f'<circle cx="{WIDTH - RIGHT + 16}" cy="{place - 4}" r="4" fill="{colour}"/>'
            f'<text x="{WIDTH - RIGHT + 26}" y="{place}">{name}</text>'
        )
    return "\n".join([*marks, "</svg>"]) + "\n"
