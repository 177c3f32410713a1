"""The section of the results page on the edge codec."""

from __future__ import annotations

import math
from typing import Any

from chart import INNER_HEIGHT, INNER_WIDTH, LEFT, TOP, Chart

from page import MISSING, conditions, interval_of, load, percent, table
from quantisation_page import PICTURES

COLOURS = {
    "basis": "#c0532b",
    "basis, live": "#e0a080",
    "svdq": "#3f8f4f",
    "svd (AMSER)": "#7a4fa3",
    "Opus": "#1b6ca8",
}
PUBLISHED = {"0.105": 1.6, "0.088": 2.7}


def codec_ablation() -> str:
    """What each step of the codec buys."""
    title = "### What each step of the codec buys\n\n"
    result = load("codec_ablation")
    if result is None:
        return title + MISSING.format(command="python benchmarks/codec_ablation.py") + "\n"
    text = (
        f"Learned on {result['learned']}, tested on {result['tested']} ({result['recordings']} "
        "recordings); kbit/s at an error, packets of 320 ms with their headers but for the last "
        "row. Bits are those of an ideal coder until the last two rows. Static tables are one for "
        "each quality, kind and place in the block, far more than could ship; the context network "
        "does with 64 in all, learned for the choice by rate and distortion that follows it.\n\n"
    )
    rows = []
    before: dict[str, float] = {}
    for step in result["rows"]:
        cells = [step["step"]]
        for error, rate in step["at"].items():
            known = rate is not None and error in before
            change = f"{100 * (rate / before[error] - 1):+.0f} %" if known else ""
            cells += [_rate(rate), change]
            if rate is not None:
                before[error] = rate
        rows.append(cells)
    header = [""]
    for error in result["rows"][0]["at"]:
        header += [f"kbit/s at RMSE {error}", "change"]
    return title + text + table(header, rows) + "\n" + conditions(result) + "\n"


def rate_distortion() -> str:
    """Bits against error: the codec beside its rivals."""
    title = "## Speech in about 2 kbit/s\n\n"
    result = load("rate_distortion")
    if result is None:
        return title + MISSING.format(command="python benchmarks/rate_distortion.py")
    text = (
        "RMSE of Whisper's normalised log-mel against the rate, packet headers counted. Opus is "
        "libopus tuned for `audio` in packets of 60 ms, which gives it the least error at a rate; "
        "its packets alone are counted, without a container. The basis was learned on other "
        "corpora, in other languages, than it is tested on. *basis* is a file, whose packets hold "
        "up to 5.12 s; *basis, live* has packets of 320 ms. Rates at an error lie between "
        "settings, straight in logarithms.\n\n"
    )
    for found in result["tables"]:
        learned, tested = found["learned"], found["tested"]
        heading = f"learned on {learned}, tested on {tested}"
        name = f"rate-{'shipped' if 'shipped' in learned else learned}-{tested}.svg"
        PICTURES[name] = plot(heading, found["rows"])
        rivals = ("basis", "basis, live", "svdq", "svd (AMSER)", "Opus")
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
            f"{found['seconds'] / 60:.1f} minutes.\n\n"
            f"{table(header, at)}\n![{heading}]({name})\n\n"
            f"{table(['codec', 'kbit/s', 'RMSE'], rows)}\n"
        )
    return title + text + conditions(result) + "\n" + together()


def codec_ua() -> str:
    """What coding and loss cost a recogniser."""
    title = "### Recognition on coded speech\n\n"
    result = load("codec_ua")
    if result is None:
        return title + MISSING.format(command="python benchmarks/codec_ua.py") + "\n"
    text = (
        f"UA of a 1D-CNN on Whisper's log-mel, {result['corpus']}, {result['protocol']} "
        f"({result['utterances']} recordings of {result['speakers']} speakers, {result['seeds']} "
        "seeds); intervals over speakers, and below each the difference to clean speech in points. "
        "*Matched* is trained on speech coded the same way. The shipped basis has not heard this "
        "corpus. Lost packets are live ones, each lost by itself with the chance given, of "
        f"*{result['lossy']}*.\n\n"
    )
    found = {row["name"]: row for row in result["rows"]}
    rows = []
    for tested in (name.split(" -> ")[1] for name in found if name.startswith("clean -> ")):
        matched = f"{result['lossy'] if tested.startswith('loss') else tested} -> {tested}"
        rate = result["kbps"].get("loss" if tested.startswith("loss") else tested)
        rows.append(
            [
                f"packets lost: {percent(float(tested.split()[1]))} %"
                if tested.startswith("loss")
                else tested,
                "" if rate is None else f"{rate:.2f}",
                _ua(found[f"clean -> {tested}"]),
                _ua(found[matched]) if matched in found else "",
            ]
        )
    header = ["speech", "kbit/s", "UA %, trained clean", "UA %, trained matched"]
    return title + text + table(header, rows) + "\n" + conditions(result) + "\n"


def codec_stream() -> str:
    """An hour of speech, packet by packet."""
    title = "### An hour-long stream\n\n"
    result = load("codec_stream")
    if result is None:
        return title + MISSING.format(command="python benchmarks/codec_stream.py") + "\n"
    rows = [
        ["peak memory of the process, encoder and decoder", f"{result['peak_mb']:.1f} MB", "100"],
        [
            f"of it grown after minute {result['early_minutes']}",
            f"{result['peak_mb'] - result['peak_mb_early']:.1f} MB",
            "",
        ],
        ["from a sample to the packet that holds it, at most", f"{result['delay_s']:.3f} s", "0.4"],
        *(
            [f"real-time factor, to {name} {what}", f"{result[key][name]:.4f}", "0.003"]
            for key, what in (("rtf_file", "a file of a minute"), ("rtf", "packet by packet"))
            for name in ("encode", "decode")
        ),
    ]
    text = (
        f"{result['seconds'] / 60:.0f} minutes of {result['corpus'].upper()}, one recording after "
        f"another, in chunks of {result['chunk_ms']} ms, each packet decoded as it comes: "
        f"{result['packets']} packets at quality {result['quality']}, {result['kbps']:.2f} kbit/s. "
        "One thread, processor time; of a file, which is coded many blocks at a time, the median "
        f"of {result['file_rounds']}. The shipped basis has heard this corpus, which "
        "concerns the rate alone.\n\n"
    )
    shown = table(["what", "measured", "aim"], rows)
    return title + text + shown + "\n" + conditions(result) + "\n"


def _ua(row: dict[str, Any]) -> str:
    (low, high), (least, most) = row["intervals"]
    return (
        f"{100 * row['ua']:.1f} ({100 * low:.1f} to {100 * high:.1f}); "
        f"{100 * row['difference']:+.1f} ({100 * least:+.1f} to {100 * most:+.1f})"
    )


def together() -> str:
    """Rate, error, UA and WER of each codec in one table."""
    results = [load(name) for name in ("rate_distortion", "codec_ua", "codec_wer")]
    if not all(results):
        return ""
    rates, emotions, words = (result or {} for result in results)
    ua = {row["name"]: row["ua"] for row in emotions["rows"]}
    wer = {row["speech"].removeprefix("original, "): row for row in words["rows"]}
    rows = []
    for row in rates["tables"][-1]["rows"]:
        name = f"{row['codec']}, {row['setting']}".strip(", ")
        if f"clean -> {name}" not in ua and name not in wer:
            continue
        heard = wer.get(name)
        figures = [ua.get(f"clean -> {name}"), ua.get(f"{name} -> {name}")]
        rows.append(
            [
                name,
                f"{row['kbps']:.2f}",
                f"{row['rmse']:.3f}",
                *("" if figure is None else percent(figure) for figure in figures),
                percent(heard["pocketsphinx"]["wer"]["value"]) if heard else "",
                f"{heard['kbps']:.2f}" if heard else "",
            ]
        )
    header = ["codec", "kbit/s", "RMSE", "UA %, trained clean", "trained matched", "WER %"]
    header += ["kbit/s there"]
    return (
        "### All in one table\n\nThe shipped basis, on EmoDB's four emotions; words on other "
        "clips, whose rates are in the last column. Intervals are below.\n\n"
        f"{table(header, rows)}\n"
    )


def codec_wer() -> str:
    """What coding costs a recogniser of words."""
    title = "### Words on coded speech\n\n"
    result = load("codec_wer")
    if result is None:
        return title + MISSING.format(command="python benchmarks/codec_wer.py") + "\n"
    text = (
        f"Word error rate on {result['clips']} clips of read English ({result['words']} words, "
        f"{result['seconds'] / 60:.1f} minutes, most of them of one speaker), with pocketsphinx's "
        "own English model. Log-mel, coded or not, is heard through the Griffin-Lim preview, and "
        "what that changes by itself is the second row; Opus and PCM are heard as they sound (of "
        "Opus the packets alone are counted). The shipped basis has heard none of the speakers. "
        "Both texts are in small letters, and words parted by all but letters, digits and "
        "apostrophes inside a word; numbers are left as they are written. Intervals resample "
        "clips, those of differences in pairs; of other speakers they say nothing.\n\n"
    )
    header = ["speech", "kbit/s", "WER %", "against the original", "against log-mel, points"]
    header += ["Whisper's WER %", "against log-mel, points"]
    rows = []
    for row in result["rows"]:
        ours, theirs = row["pocketsphinx"], row.get("whisper")
        rows.append(
            [
                row["speech"],
                "" if row["kbps"] is None else f"{row['kbps']:.2f}",
                percent(ours["wer"]["value"]) + interval_of(ours["wer"]),
                _points(ours["against_original"]),
                _points(ours["against_log_mel"]),
                percent(theirs["wer"]["value"]) + interval_of(theirs["wer"]) if theirs else "",
                _points(theirs["against_log_mel"]) if theirs else "",
            ]
        )
    text += table(header, rows) + "\n"
    if result["whisper"]:
        text += f"Whisper is `{result['whisper']}`, fed the decoded log-mel itself. "
    else:
        text += (
            "Whisper was not at hand; its columns fill with its weights, as transformers saves "
            "them: `SERKIT_WHISPER=/folder/whisper-base python benchmarks/codec_wer.py`. "
        )
    return title + text + conditions(result) + "\n"


def _points(found: dict[str, Any]) -> str:
    value, (low, high) = found["value"], found["interval"]
    if value == low == high == 0.0:
        return ""
    return f"{100 * value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


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
        return LEFT + (math.log10(kbps) - first) / (last - first) * INNER_WIDTH

    def y(rmse: float) -> float:
        return TOP + (high - math.log10(rmse)) / (high - low) * INNER_HEIGHT

    chart = Chart(title, "kbit/s", "RMSE")
    for kbps in (1, 2, 5, 10, 20, 50, 100):
        chart.vertical(x(kbps), str(kbps))
    for rmse in (0.03, 0.05, 0.088, 0.105, 0.15, 0.3):
        chart.horizontal(y(rmse), str(rmse))
    for i, (codec, colour) in enumerate(COLOURS.items()):
        ours = sorted(
            (row["kbps"], row["rmse"], row["setting"]) for row in shown if row["codec"] == codec
        )
        chart.line([(x(kbps), y(rmse)) for kbps, rmse, _ in ours], colour)
        for kbps, rmse, setting in ours:
            chart.dot(x(kbps), y(rmse), colour, f"{codec}, {setting}")
        chart.legend(i, colour, codec)
    return chart.svg()
