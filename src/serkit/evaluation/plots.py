"""Plots of an evaluation as inline SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from serkit.text import in_html

_CELL = 60
_MARGIN = 92


def confusion_plot(matrix: NDArray[np.int64], labels: Sequence[str]) -> str:
    """Confusion matrix: true class by row, predicted class by column, shaded by share of row."""
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    parts = []
    for i, label in enumerate(labels):
        middle = _MARGIN + (i + 0.5) * _CELL
        parts.append(
            f'<text x="{_MARGIN - 6}" y="{28 + (i + 0.6) * _CELL}" text-anchor="end">'
            f'{in_html(label)}</text><text x="{middle}" y="20" text-anchor="middle">'
            f"{in_html(label)}</text>"
        )
        for j, count in enumerate(matrix[i]):
            x, y = _MARGIN + j * _CELL, 28 + i * _CELL
            parts.append(
                f'<rect x="{x}" y="{y}" width="{_CELL - 2}" height="{_CELL - 2}" class="cell" '
                f'fill-opacity="{0.05 + 0.75 * shares[i, j]:.2f}"><title>{in_html(label)} '
                f"predicted as {in_html(labels[j])}: {100 * shares[i, j]:.1f} %</title></rect>"
                f'<text x="{x + _CELL / 2 - 1}" y="{y + _CELL * 0.6}" text-anchor="middle">'
                f"{count}</text>"
            )
    return _svg(_MARGIN + len(labels) * _CELL, 30 + len(labels) * _CELL, parts, "confusion matrix")


def speaker_plot(speakers: Mapping[str, float]) -> str:
    """UA of each speaker as a bar, ascending."""
    parts = []
    for i, (name, ua) in enumerate(sorted(speakers.items(), key=lambda item: item[1])):
        y = 4 + 18 * i
        parts.append(
            f'<text x="134" y="{y + 11}" text-anchor="end">{in_html(name)}</text>'
            f'<rect x="140" y="{y}" width="{260 * ua:.1f}" height="14" class="bar"/>'
            f'<text x="{144 + 260 * ua:.1f}" y="{y + 11}">{100 * ua:.0f}</text>'
        )
    return _svg(440, 8 + 18 * len(speakers), parts, "UA of each speaker in per cent")


def reliability_plot(curve: NDArray[np.float64]) -> str:
    """Accuracy against confidence; one dot per bin, larger for larger bins."""
    size, confidence, right = curve
    parts = [
        '<rect x="40" y="10" width="240" height="240" class="frame"/>'
        '<line x1="40" y1="250" x2="280" y2="10" class="even"/>'
        '<text x="160" y="284" text-anchor="middle">confidence</text>'
        '<text x="14" y="130" text-anchor="middle" transform="rotate(-90 14 130)">accuracy</text>'
        '<text x="40" y="266" text-anchor="middle">0</text>'
        '<text x="280" y="266" text-anchor="middle">1</text>'
    ]
    for n, c, r in zip(size, confidence, right, strict=True):
        if n:
            radius = 2 + 14 * (n / size.sum()) ** 0.5
            parts.append(
                f'<circle cx="{40 + 240 * c / n:.1f}" cy="{250 - 240 * r / n:.1f}" '
                f'r="{radius:.1f}" class="dot"><title>{n:.0f} answers</title></circle>'
            )
    return _svg(300, 290, parts, "reliability curve")


def _svg(width: int, height: int, parts: Sequence[str], name: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" aria-label="{name}">'
        f"{''.join(parts)}</svg>"
    )
