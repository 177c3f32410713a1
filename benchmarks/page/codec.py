"""Section: rate and distortion of the codec, its ablation, and an hour-long stream."""

from __future__ import annotations

import math
from typing import Any

from page.chart import INNER_HEIGHT, INNER_WIDTH, LEFT, TOP, Chart
from page.markdown import blocks, conditions, missing, paragraph, table
from page.names import corpus_name
from page.section import Results, Section

_COLOURS = {
    "basis": "#c0532b",
    "basis, live": "#e0a080",
    "svdq": "#3f8f4f",
    "svd (AMSER)": "#7a4fa3",
    "Opus": "#1b6ca8",
}
TARGETS_KBPS = {"0.105": 1.6, "0.088": 2.7}
"""Highest rate aimed at, by RMSE."""


def section(results: Results) -> Section:
    """Rates at equal error, what each step saves, and memory and delay of a stream."""
    curves, pictures = _rate_distortion(results)
    text = blocks(curves, _ablation(results), _stream(results))
    return Section("Codec: rate and distortion", "codec", text, pictures)


def _rate_distortion(results: Results) -> tuple[str, dict[str, str]]:
    result = results.get("rate_distortion")
    if result is None:
        return missing("python benchmarks/rate_distortion.py"), {}
    pictures, parts = {}, []
    for curve in result["tables"]:
        title = f"Learned on {_learned_name(curve['learned'])}, tested on "
        title += corpus_name(curve["tested"])
        picture = f"rate-{_learned_key(curve['learned'])}-{curve['tested']}.svg"
        pictures[picture] = _plot(title, curve["rows"])
        parts.append(_curve(title, picture, curve))
    introduction = paragraph(
        "RMSE of Whisper's normalised log-mel against the rate, packet headers included. Opus is "
        "libopus in the mode `audio` with packets of 60 ms, its setting of least error at a rate; "
        "its packets are counted without a container. The basis is learned on other corpora, in "
        "other languages, than it is tested on. *basis* is a file with packets of up to 5.12 s; "
        "*basis, live* has packets of 320 ms. Rates at a given RMSE are interpolated between "
        "settings, linearly in logarithms."
    )
    return blocks(introduction, *parts, conditions(result)), pictures


def _learned_key(learned: str) -> str:
    return "shipped" if "shipped" in learned else learned


def _learned_name(learned: str) -> str:
    """`ravdess, nemo (the shipped basis)` with the corpora as their authors write them."""
    names, bracket, rest = learned.partition(" (")
    return ", ".join(corpus_name(name) for name in names.split(", ")) + bracket + rest


def _curve(title: str, picture: str, curve: dict[str, Any]) -> str:
    codecs = ("basis", "basis, live", "svdq", "svd (AMSER)", "Opus")
    at = [
        [
            rmse,
            f"at most {TARGETS_KBPS[rmse]}",
            *(_rate(rates[codec]) for codec in codecs),
            *(_ratio(rates[codec], rates["basis"]) for codec in ("svd (AMSER)", "Opus")),
        ]
        for rmse, rates in curve["at"].items()
    ]
    header = [
        "RMSE", "target, kbit/s", *(f"{codec}, kbit/s" for codec in codecs), "SVD / basis",
        "Opus / basis",
    ]  # fmt: skip
    rows = [
        [setting_name(row), f"{row['kbps']:.2f}", f"{row['rmse']:.4f}"] for row in curve["rows"]
    ]
    return blocks(
        f"## {title}",
        f"{curve['recordings']} recordings, {curve['seconds'] / 60:.1f} minutes.",
        table(header, at),
        f"![{title}]({picture})",
        table(["codec", "kbit/s", "RMSE"], rows),
    )


def setting_name(row: dict[str, Any]) -> str:
    """Codec and setting of a row."""
    return f"{row['codec']}, {row['setting']}".strip(", ")


def _rate(kbps: float | None) -> str:
    return "out of range" if kbps is None else f"{kbps:.2f}"


def _ratio(other: float | None, basis: float | None) -> str:
    return "" if other is None or basis is None else f"{other / basis:.1f}"


def _plot(title: str, rows: list[dict[str, Any]]) -> str:
    """RMSE against rate as SVG, both logarithmic."""
    shown = [row for row in rows if row["codec"] in _COLOURS and row["rmse"] > 0.03]
    first, last = math.log10(0.6), math.log10(100.0)
    low, high = math.log10(0.03), math.log10(0.3)

    def x(kbps: float) -> float:
        return LEFT + (math.log10(kbps) - first) / (last - first) * INNER_WIDTH

    def y(rmse: float) -> float:
        return TOP + (high - math.log10(rmse)) / (high - low) * INNER_HEIGHT

    chart = Chart(title, "kbit/s", "RMSE")
    for kbps in (1, 2, 5, 10, 20, 50, 100):
        chart.vertical(x(kbps), str(kbps))
    for rmse in (0.03, 0.05, 0.088, 0.105, 0.15, 0.3):
        chart.horizontal(y(rmse), str(rmse))
    for i, (codec, colour) in enumerate(_COLOURS.items()):
        points = sorted(
            (row["kbps"], row["rmse"], row["setting"]) for row in shown if row["codec"] == codec
        )
        chart.line([(x(kbps), y(rmse)) for kbps, rmse, _ in points], colour)
        for kbps, rmse, setting in points:
            chart.dot(x(kbps), y(rmse), colour, f"{codec}, {setting}")
        chart.legend(i, colour, codec)
    return chart.svg()


def _ablation(results: Results) -> str:
    heading = "## Ablation"
    result = results.get("codec_ablation")
    if result is None:
        return blocks(heading, missing("python benchmarks/codec_ablation.py"))
    rows = []
    before: dict[str, float] = {}
    for step in result["rows"]:
        cells = [step["step"]]
        for rmse, rate in step["at"].items():
            known = rate is not None and rmse in before
            cells += [_rate(rate), f"{100 * (rate / before[rmse] - 1):+.0f} %" if known else ""]
            if rate is not None:
                before[rmse] = rate
        rows.append(cells)
    header = ["step"]
    for rmse in result["rows"][0]["at"]:
        header += [f"kbit/s at RMSE {rmse}", "change"]
    return blocks(
        heading,
        paragraph(
            f"Learned on {corpus_name(result['learned'])}, tested on "
            f"{corpus_name(result['tested'])} ({result['recordings']} recordings). Rates include "
            "the headers of packets of 320 ms, except in the last row. Bits are those of an ideal "
            "entropy coder, except in the last two rows. Static tables are one per quality, kind "
            "and position in the block, far more than could ship; the context network needs 64 in "
            "all, learned for the rate-distortion choice of the next row."
        ),
        table(header, rows),
        conditions(result),
    )


def _stream(results: Results) -> str:
    heading = "## An hour-long stream"
    result = results.get("codec_stream")
    if result is None:
        return blocks(heading, missing("python benchmarks/codec_stream.py"))
    growth = result["peak_mb"] - result["peak_mb_early"]
    rows = [
        ["peak memory, encoder and decoder", f"{result['peak_mb']:.1f} MB", "100"],
        [f"growth after minute {result['early_minutes']}", f"{growth:.1f} MB", ""],
        ["maximum delay from a sample to its packet", f"{result['delay_s']:.3f} s", "0.4"],
        *(
            [f"real-time factor, {name} {what}", f"{result[key][name]:.4f}", "0.003"]
            for key, what in (("rtf_file", "a one-minute file"), ("rtf", "packet by packet"))
            for name in ("encode", "decode")
        ),
    ]
    return blocks(
        heading,
        paragraph(
            f"{result['seconds'] / 60:.0f} minutes of {corpus_name(result['corpus'])}, pushed in "
            f"chunks of {result['chunk_ms']} ms, each packet decoded at once: {result['packets']} "
            f"packets at quality {result['quality']}, {result['kbps']:.2f} kbit/s. One thread, "
            "processor time. A file is coded many blocks at a time; its figures are medians of "
            f"{result['file_rounds']} runs. The shipped basis was learned on this corpus, which "
            "affects the rate only."
        ),
        table(["quantity", "measured", "target, at most"], rows),
        conditions(result),
    )
