"""The frame of a plot as SVG: axes, grid and legend."""

from __future__ import annotations

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 40, 52
INNER_WIDTH, INNER_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM


class Chart:
    """Marks on a white ground.

    Args:
        title: Above the plot.
        x_name: Below it.
        y_name: Above its vertical axis.
    """

    def __init__(self, title: str, x_name: str, y_name: str) -> None:
        middle = (LEFT + WIDTH - RIGHT) / 2
        self.marks = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            'font-family="sans-serif" font-size="12" fill="#333">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
            f'<text x="{LEFT}" y="16" font-size="14">{title}</text>',
            f'<text x="{middle:.0f}" y="{HEIGHT - 12}" text-anchor="middle">{x_name}</text>',
            f'<text x="16" y="{TOP - 8}">{y_name}</text>',
        ]

    def vertical(self, x: float, label: str) -> None:
        """A line of the grid from top to bottom."""
        floor = HEIGHT - BOTTOM
        self.marks.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{floor}" stroke="#eee"/>'
            f'<text x="{x:.1f}" y="{floor + 18}" text-anchor="middle">{label}</text>'
        )

    def horizontal(self, y: float, label: str) -> None:
        """A line of the grid from left to right."""
        self.marks.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
        )

    def line(self, points: list[tuple[float, float]], colour: str) -> None:
        """A faint line through points."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.marks.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-opacity="0.4"/>'
        )

    def whisker(self, x: float, low: float, high: float, colour: str) -> None:
        """An interval."""
        self.marks.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" '
            f'stroke="{colour}" stroke-opacity="0.5"/>'
        )

    def dot(self, x: float, y: float, colour: str, name: str) -> None:
        """A point, named where the mouse rests on it."""
        self.marks.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}">'
            f"<title>{name}</title></circle>"
        )

    def legend(self, number: int, colour: str, name: str) -> None:
        """A line of the legend, from 0 on."""
        y = TOP + 20 * (number + 1)
        self.marks.append(
            f'<circle cx="{WIDTH - RIGHT + 16}" cy="{y - 4}" r="4" fill="{colour}"/>'
            f'<text x="{WIDTH - RIGHT + 26}" y="{y}">{name}</text>'
        )

    def svg(self) -> str:
        """The picture."""
        return "\n".join([*self.marks, "</svg>"]) + "\n"
