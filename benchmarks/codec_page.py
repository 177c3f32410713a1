"""The section of the results page on the edge codec."""

from __future__ import annotations

import math
from typing import Any

from page import MISSING, conditions, load, table
from quantisation_page import PICTURES

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 130, 40, 52
COLOURS = {"basis": "#c0532b", "svdq": "#3f8f4f", "svd (AMSER)": "#7a4fa3", "Opus": "#1b6ca8"}
PUBLISHED = {"0.105": 1.6, "0.088": 2.7}


def rate_distortion() -> str:
    """Bits against error: the codec beside its rivals."""
    title = "## Speech in about 2 kbit/s\n\n"
    result = load("rate_distortion")
    if result is None:
        return title + MISSING.format(command="python benchmarks/rate_distortion.py")
    text = (
        "RMSE of Whisper's normalised log-mel against the rate, packet headers counted (of Opus "
        "the packets alone). The basis was learned on another corpus, in another language, than it "
        "is tested on. Rates at an error lie between settings, straight in logarithms.\n\n"
    )
    for found in result["tables"]:
        learned, tested = found["learned"], found["tested"]
        heading = f"learned on {learned}, tested on {tested}"
        name = f"rate-{tested}.svg"
        PICTURES[name] = plot(heading, found["rows"])
        rivals = ("basis", "svdq", "svd (AMSER)", "Opus")
        at = [
            [
                error,
                f"{PUBLISHED[error]} or less",
                *(_rate(rates[rival]) for rival in rivals),
                *(_times(rates[rival], rates["basis"]) for rival in ("svd (AMSER)", "Opus")),
            ]
            for error, rates in found["at"].items()
        ]
        rows = [
            [
                f"{row['codec']}, {row['setting']}".strip(", "),
                f"{row['kbps']:.2f}",
                f"{row['rmse']:.4f}",
            ]
            for row in found["rows"]
        ]
        header = [
            "RMSE",
            "aim",
            *(f"{rival}, kbit/s" for rival in rivals),
            "SVD / basis",
            "Opus / basis",
        ]
        text += (
            f"### {heading[0].upper() + heading[1:]}\n\n{found['recordings']} recordings, "
            f"{found['seconds'] / 60:.1f} minutes; real-time factor on one thread "
            f"{found['rtf']['encode']:.4f} to encode, {found['rtf']['decode']:.4f} to decode.\n\n"
            f"{table(header, at)}\n![{heading}]({name})\n\n"
            f"{table(['codec', 'kbit/s', 'RMSE'], rows)}\n"
        )
    return title + text + conditions(result)


def codec_ua() -> str:
    """What coding and loss cost a recogniser."""
    title = "### Recognition on coded speech\n\n"
    result = load("codec_ua")
    if result is None:
        return title + MISSING.format(command="python benchmarks/codec_ua.py") + "\n"
    text = (
        f"UA of a 1D-CNN on Whisper's log-mel, {result['corpus']}, {result['protocol']} "
        f"({result['utterances']} recordings of {result['speakers']} speakers, {result['seeds']} "
        "seeds); intervals over speakers. *Matched* is trained on speech coded the same way. The "
        "shipped basis has not heard this corpus. Lost packets are those of quality "
        f"{result['loss_quality']}, each lost by itself with the chance given.\n\n"
    )
    rows = []
    for row in result["rows"]:
        trained, tested = row["name"].split(" -> ")
        rate = result["kbps"].get(tested)
        (low, high), (least, most) = row["intervals"]
        training = "clean" if trained == "clean" else "matched" if trained == tested else trained
        rows.append(
            [
                f"{tested.replace('loss 0.', 'packets lost: 0.')}, trained {training}",
                "" if rate is None else f"{rate:.2f}",
                f"{100 * row['ua']:.1f} ({100 * low:.1f} to {100 * high:.1f})",
                f"{100 * row['difference']:+.1f} ({100 * least:+.1f} to {100 * most:+.1f})",
            ]
        )
    header = ["speech", "kbit/s", "UA %", "against clean, points"]
    return title + text + table(header, rows) + "\n" + conditions(result) + "\n"


def _rate(kbps: float | None) -> str:
    return "beyond its settings" if kbps is None else f"{kbps:.2f}"


def _times(theirs: float | None, ours: float | None) -> str:
    return "" if theirs is None or ours is None else f"{theirs / ours:.1f}"


def plot(title: str, rows: list[dict[str, Any]]) -> str:
    """Error against rate as an SVG, both logarithmic.

    Args:
        title: Above the plot.
        rows: With `codec`, `kbps` and `rmse`.
    """
    shown = [row for row in rows if row["codec"] in COLOURS and row["rmse"] > 0.03]
    first, last = math.log10(0.6), math.log10(100.0)
    low, high = math.log10(0.03), math.log10(0.3)

    def x(kbps: float) -> float:
        return LEFT + (math.log10(kbps) - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def y(rmse: float) -> float:
        return TOP + (high - math.log10(rmse)) / (high - low) * (HEIGHT - TOP - BOTTOM)

    marks = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12" fill="#333">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="16" font-size="14">{title}</text>',
    ]
    for kbps in (1, 2, 5, 10, 20, 50, 100):
        marks.append(
            f'<line x1="{x(kbps):.1f}" x2="{x(kbps):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" '
            f'stroke="#eee"/><text x="{x(kbps):.1f}" y="{HEIGHT - BOTTOM + 18}" '
            f'text-anchor="middle">{kbps}</text>'
        )
    for rmse in (0.03, 0.05, 0.088, 0.105, 0.15, 0.3):
        marks.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(rmse):.1f}" y2="{y(rmse):.1f}" '
            f'stroke="#ddd"/><text x="{LEFT - 8}" y="{y(rmse) + 4:.1f}" '
            f'text-anchor="end">{rmse}</text>'
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    marks += [
        f'<text x="{middle:.0f}" y="{HEIGHT - 12}" text-anchor="middle">kbit/s</text>',
        f'<text x="16" y="{TOP - 8}">RMSE</text>',
    ]
    for i, (codec, colour) in enumerate(COLOURS.items()):
        ours = sorted(
            ((row["kbps"], row["rmse"], row["setting"]) for row in shown if row["codec"] == codec),
        )
        path = " ".join(f"{x(kbps):.1f},{y(rmse):.1f}" for kbps, rmse, _ in ours)
        marks.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-opacity="0.5"/>'
        )
        marks += [
            f'<circle cx="{x(kbps):.1f}" cy="{y(rmse):.1f}" r="4" fill="{colour}">'
            f"<title>{codec}, {setting}</title></circle>"
            for kbps, rmse, setting in ours
        ]
        place = TOP + 20 * (i + 1)
        marks.append(
            f'<circle cx="{WIDTH - RIGHT + 16}" cy="{place - 4}" r="4" fill="{colour}"/>'
            f'<text x="{WIDTH - RIGHT + 26}" y="{place}">{codec}</text>'
        )
    return "\n".join([*marks, "</svg>"]) + "\n"
