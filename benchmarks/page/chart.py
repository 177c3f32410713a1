"""Axes, grid, marks and legend of a plot as SVG."""

from __future__ import annotations

from html import escape

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 40, 52
INNER_WIDTH, INNER_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

_DARK = (
    "<style>@media (prefers-color-scheme: dark) { .paper { fill: #0d1117 } text { fill: #ccc } "
    ".grid { stroke: #30363d } }</style>"
)


class Chart:
    """A plot on a white background, or on a dark one where the reader prefers that.

    Coordinates are in pixels from the top left corner.

    Args:
        title: Above the plot.
        x_name: Label of the horizontal axis.
        y_name: Label of the vertical axis.
    """

    def __init__(self, title: str, x_name: str, y_name: str) -> None:
        centre = (LEFT + WIDTH - RIGHT) / 2
        self._marks = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            'font-family="sans-serif" font-size="12" fill="#333">',
            _DARK,
            f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
            f'<text x="{LEFT}" y="16" font-size="14">{escape(title)}</text>',
            f'<text x="{centre:.0f}" y="{HEIGHT - 12}" text-anchor="middle">'
            f"{escape(x_name)}</text>",
            f'<text x="16" y="{TOP - 8}">{escape(y_name)}</text>',
        ]

    def vertical(self, x: float, label: str) -> None:
        """Add a vertical grid line and its label."""
        floor = HEIGHT - BOTTOM
        self._marks.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{floor}" class="grid" stroke="#eee"/>'
            f'<text x="{x:.1f}" y="{floor + 18}" text-anchor="middle">{escape(label)}</text>'
        )

    def horizontal(self, y: float, label: str) -> None:
        """Add a horizontal grid line and its label."""
        self._marks.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
            'class="grid" stroke="#ddd"/>'
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(label)}</text>'
        )

    def line(self, points: list[tuple[float, float]], colour: str) -> None:
        """Add a faint line through points."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._marks.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-opacity="0.4"/>'
        )

    def whisker(self, x: float, low: float, high: float, colour: str) -> None:
        """Add a vertical error bar."""
        self._marks.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" '
            f'stroke="{colour}" stroke-opacity="0.5"/>'
        )

    def dot(self, x: float, y: float, colour: str, name: str) -> None:
        """Add a point with a tooltip."""
        self._marks.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}">'
            f"<title>{escape(name)}</title></circle>"
        )

    def cell(
        self, x: float, y: float, width: float, height: float, share: float, text: str
    ) -> None:
        """Add a rectangle with a text, the darker the larger a share from 0 to 1."""
        light = ' fill="#fff"' if share > 0.6 else ""
        place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
        self._marks.append(
            f'<rect {place} class="paper" fill="#fff"/>'
            f'<rect {place} fill="#2f81c4" fill-opacity="{share:.2f}"/>'
            f'<text x="{x + width / 2:.1f}" y="{y + height / 2 + 4:.1f}" '
            f'text-anchor="middle"{light}>{escape(text)}</text>'
        )

    def legend(self, number: int, colour: str, name: str) -> None:
        """Add a line of the legend, numbered from 0."""
        y = TOP + 20 * (number + 1)
        self._marks.append(
            f'<circle cx="{WIDTH - RIGHT + 16}" cy="{y - 4}" r="4" fill="{colour}"/>'
            f'<text x="{WIDTH - RIGHT + 26}" y="{y}">{escape(name)}</text>'
        )

    def svg(self) -> str:
        """Return the plot as SVG."""
        return "\n".join([*self._marks, "</svg>"]) + "\n"
