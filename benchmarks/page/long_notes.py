"""Section: neutral bias of long notes, with and without voice activity detection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from page.chart import INNER_HEIGHT, INNER_WIDTH, LEFT, TOP, Chart
from page.markdown import (
    blocks,
    conditions,
    missing,
    paragraph,
    percent,
    plural,
    points,
    table,
    with_interval,
)
from page.names import corpus_name
from page.section import Results, Section

Row = dict[str, Any]

COLOURS = {None: "#c0532b", "bands": "#2f81c4", "silero": "#3f8f4f"}
NAMES = {None: "no detection", "bands": "`bands`", "silero": "`silero`"}


def section(results: Results) -> Section:
    """The question, its answer, the settings, and how the defaults were chosen."""
    title, slug = "Long notes: does voice detection reduce the neutral bias?", "long-notes"
    result = results.get("long_notes")
    if result is None:
        return Section(title, slug, missing("python benchmarks/long_notes.py"))
    window_s = result["start"]["window_s"]
    text = blocks(
        paragraph(_protocol(result)),
        "## The answer",
        *(paragraph(part) for part in _answer(result, window_s)),
        f"![Speech called neutral by level of the noise]({slug}-bias.svg)",
        f"![EDER by level of the noise]({slug}-eder.svg)",
        "## Detection and window, all levels of noise",
        table(_HEADER, [_main_row(row) for row in result["grid"] if row["snr"] is None]),
        paragraph(_meaning(result)),
        f"## Windows of {window_s:g} s by level of the noise",
        table(
            ["noise", *_HEADER],
            [
                [_level(row["snr"], result), *_main_row(row)]
                for snr in result["snr_db"]["C"]
                for row in _rows(result["grid"], snr=snr, window_s=window_s)
            ],
        ),
        "## With a detector minus without one, percentage points",
        table(
            ["detector, window", "noise", *_DIFFERENCES.values()],
            [
                _difference_row(row, result)
                for row in result["differences"]
                if _shown(row, window_s)
            ],
        ),
        "## Shortest pause, hop and smoothing",
        paragraph(
            f"With `bands`, at {_levels(result)}. A pause of `pause_s` or longer ends a segment "
            "and has no label. In these notes every clip ends in a pause, and so does every "
            "emotion, which favours short ones; fluent speech changes within a breath, too."
        ),
        table(
            ["setting", *_HEADER[1:]],
            [[_setting(row), *_main_row(row)[1:]] for row in result["factors"]],
        ),
        "## The overall answer",
        table(
            ["detector, window", *result["aggregations"], "called neutral, not dominant %"],
            _overall_rows(result),
        ),
        paragraph(
            "Share of the notes whose overall answer is their dominant emotion, by the weight of a "
            "window (`mean` is the paper's); and share of the notes in another dominant emotion "
            "whose overall answer is neutral, with `duration`."
        ),
        "## The defaults",
        paragraph(
            "Chosen on group B, for `bands` (Silero is an extra): of the settings whose EDER is as "
            "good as the lowest, but for chance, the nearest to where the study started. EDER by "
            "window and shortest pause on group B:"
        ),
        _by_window_and_pause(result["chosen_on"], result["pauses_s"]),
        paragraph(_chosen(result)),
        table(
            ["setting", *_HEADER[1:]],
            [
                [f"{name}: {_setting(result[key])}", *_main_row(result[f"{key}_figures"])[1:]]
                for key, name in (("start", "at first"), ("chosen", "chosen"))
            ],
        ),
        conditions(result),
    )
    pictures = {
        f"{slug}-bias.svg": _plot(result, window_s, "neutral_bias", "called neutral, % of time"),
        f"{slug}-eder.svg": _plot(result, window_s, "eder", "EDER %"),
    }
    return Section(title, slug, text, pictures)


def _protocol(result: dict[str, Any]) -> str:
    notes = result["notes"]["C"]
    minutes = sum(note["seconds"] for note in notes) / 60
    pauses = 1 - sum(note["speech_s"] for note in notes) / (60 * minutes)
    corpora = ", ".join(corpus_name(name) for name in result["speakers"]["C"])
    return (
        "Ismail et al. (V.C) expect that voice activity detection reduces the bias of long "
        "recordings towards neutral, and leave it to future work. Measured here on "
        f"{plural(len(notes), 'note')} of "
        f"{min(note['seconds'] for note in notes) / 60:.1f} to "
        f"{max(note['seconds'] for note in notes) / 60:.1f} minutes ({minutes:.0f} in all, of "
        f"which {percent(pauses)} % pauses), each of one speaker of {corpora}, with changes of "
        "emotion at "
        f"known places and noise ({', '.join(result['noises'])}) of synthetic rooms. The model is "
        f"one of the recipe `{result['recipe']}`, trained on other speakers (group A; seed 0); "
        "settings were chosen on yet others (group B, "
        f"{plural(len(result['notes']['B']), 'note')}); all tables but the choice are of group C. "
        "CREMA-D is not in the recipe. The detector `bands` has learned from speakers of groups A "
        "and B, from none of C. Emotions that the model does not know "
        f"(all but {', '.join(result['labels'])}) are left out. Clips are real utterances of "
        "actors; the order, the pauses and the noise are made "
        f"(seed {result['seed']}). Intervals are bootstraps over speakers."
    )


def _answer(result: dict[str, Any], window_s: float) -> list[str]:
    """What the figures say, in words."""
    off, bands, silero = (
        _one(result["grid"], detector=detector, window_s=window_s, snr=None)
        for detector in (None, "bands", "silero")
    )
    changes = {
        detector: _one(result["differences"], detector=detector, window_s=window_s, snr=None)
        for detector in ("bands", "silero")
    }
    truth, spoken, heard = off["truth"], off["called"]["speech"], bands["called"]["speech"]
    bias = "over-used" if spoken["neutral"] > truth["neutral"] else "under-used"
    most = max(truth, key=lambda label: spoken[label] - truth[label])
    in_pauses = ", ".join(
        f"{label} {percent(share)} %"
        for label, share in sorted(off["called"]["pauses"].items(), key=lambda item: -item[1])
    )
    clean = _one(result["grid"], detector="bands", window_s=window_s, snr=result["clean_db"])
    loudest = min(result["snr_db"]["C"])
    worst = _one(result["grid"], detector="bands", window_s=window_s, snr=loudest)
    return [
        f"*{_verdict(changes)}* In windows of {window_s:g} s, over all levels of noise, "
        f"{_share(off, 'neutral_bias')} of the emotional speech is called neutral without "
        f"detection, {_share(bands, 'neutral_bias')} with `bands` "
        f"({_points(changes['bands'], 'neutral_bias')} points) and "
        f"{_share(silero, 'neutral_bias')} with `silero` "
        f"({_points(changes['silero'], 'neutral_bias')}).",
        f"Of this model, neutral is {bias}: {percent(truth['neutral'])} % of the speech is "
        f"neutral, and {percent(spoken['neutral'])} % is called so without detection. Most "
        f"over-used is {most}: {percent(truth[most])} % of the speech, called "
        f"{percent(spoken[most])} % without detection and {percent(heard[most])} % with `bands`. "
        "Pauses that are classified are "
        f"called: {in_pauses}. Of what is called neutral, {_share(off, 'neutral_precision')} is "
        f"neutral speech without detection, {_share(bands, 'neutral_precision')} with `bands`; of "
        f"the neutral speech, {_share(off, 'neutral_recall')} and "
        f"{_share(bands, 'neutral_recall')} are found.",
        "What detection changes is the time that gets a label at all: EDER is "
        f"{_share(off, 'eder')} without it, {_share(bands, 'eder')} with `bands` and "
        f"{_share(silero, 'eder')} with `silero`, as false alarms fall from "
        f"{percent(off['false_alarm']['mean'])} % to {percent(bands['false_alarm']['mean'])} % and "
        f"{percent(silero['false_alarm']['mean'])} %. UA over speech changes by "
        f"{_points(changes['bands'], 'ua')} and {_points(changes['silero'], 'ua')} points.",
        f"The noise itself: with `bands`, UA is {_share(clean, 'ua')} at "
        f"{result['clean_db']} dB and {_share(worst, 'ua')} at {loudest} dB, where chance is "
        f"{100 / len(result['labels']):.0f} %; the recipe learns from clean speech alone.",
    ]


def _verdict(changes: Mapping[str, Row]) -> str:
    signs = {name: _sign(row["neutral_bias"]["interval"]) for name, row in changes.items()}
    if set(signs.values()) == {-1}:
        return "Yes: with detection, less emotional speech is called neutral."
    if set(signs.values()) == {1}:
        return "No: with detection, more emotional speech is called neutral."
    if set(signs.values()) == {0}:
        return "No difference can be told."
    named = {
        -1: "less emotional speech is called neutral",
        0: "no difference can be told",
        1: "more emotional speech is called neutral",
    }
    parts = "; ".join(f"with `{name}`, {named[sign]}" for name, sign in signs.items())
    return f"It depends on the detector: {parts}."


def _sign(interval: Sequence[float] | None) -> int:
    """Sign of a difference; 0 if its interval includes 0, or there is none."""
    if interval is None or interval[0] <= 0.0 <= interval[1]:
        return 0
    return 1 if interval[0] > 0.0 else -1


def _chosen(result: dict[str, Any]) -> str:
    chosen, shipped = result["chosen"], result["shipped"]
    hop = None if chosen["hop"] == 1.0 else chosen["hop"] * chosen["window_s"]
    same = shipped == {"hop_s": hop} | {
        name: chosen[name] for name in ("pause_s", "smoothing", "aggregation")
    }
    change = result["chosen_minus_start"]
    return (
        f"Chosen: {_setting(chosen)}, weight of a window `{chosen['aggregation']}`; "
        f"{'these are' if same else 'these are not'} the defaults of `TimelineSettings`. On group "
        f"C, they change EDER by {_points(change, 'eder')} points, UA by {_points(change, 'ua')} "
        f"and the accuracy of the overall answer by {_points(change, 'overall')}."
    )


def _meaning(result: dict[str, Any]) -> str:
    return (
        "*UA*: unweighted average recall over speech, by time. *Neutral recall*: of the neutral "
        "speech. *Neutral precision*: of the time called neutral, pauses included. *Called "
        "neutral*: share of the emotional speech that is called neutral. *EDER*: missed, false "
        "alarm and confused time over the time of speech, which may exceed 100 %; pauses of 0.3 s "
        "and longer count, and a timeline gives pauses below `pause_s` the label around them. "
        "*Pauses*: share of the pauses with a label. *Boundary*: median distance of a true change "
        "of emotion to the nearest one found (a dash: in most cases none was found), the share "
        f"found within {result['near_s']:g} s, and the number found per true one."
    )


_HEADER = [
    "detector, window",
    "UA %",
    "neutral recall %",
    "neutral precision %",
    "called neutral %",
    "EDER %",
    "pauses %",
    "boundary s",
    "found %",
    "per true",
]
_DIFFERENCES = {
    "neutral_bias": "called neutral",
    "neutral_recall": "neutral recall",
    "neutral_precision": "neutral precision",
    "ua": "UA",
    "eder": "EDER",
}


def _main_row(row: Row) -> list[str]:
    boundary = row["boundary_s"]
    return [
        f"{NAMES[row['detector']]}, {row['window_s']:g} s" if "detector" in row else "",
        *(
            with_interval(row[name]["mean"], row[name]["interval"])
            for name in ("ua", "neutral_recall", "neutral_precision", "neutral_bias", "eder")
        ),
        percent(row["pause_labelled"]["mean"]),
        "-" if boundary is None else f"{boundary:.1f}",
        percent(row["changes_found"]),
        f"{row['changes_per_true']:.1f}",
    ]


def _difference_row(row: Row, result: dict[str, Any]) -> list[str]:
    return [
        f"{NAMES[row['detector']]}, {row['window_s']:g} s",
        _level(row["snr"], result),
        *(_points(row, name) for name in _DIFFERENCES),
    ]


def _overall_rows(result: dict[str, Any]) -> list[list[str]]:
    groups: dict[tuple[str | None, float], dict[str, Row]] = {}
    for row in result["overall"]:
        groups.setdefault((row["detector"], row["window_s"]), {})[row["aggregation"]] = row
    return [
        [
            f"{NAMES[detector]}, {window_s:g} s",
            *(
                with_interval(of[name]["overall"]["mean"], of[name]["overall"]["interval"])
                for name in result["aggregations"]
            ),
            percent(of["duration"]["neutral_answers"]),
        ]
        for (detector, window_s), of in groups.items()
    ]


def _by_window_and_pause(rows: Sequence[Row], pauses_s: Sequence[float]) -> str:
    """EDER of the plain settings, a row for each window and a column for each pause."""
    found: dict[float, dict[float, str]] = {}
    for row in rows:
        if (row["hop"], row["smoothing"], row["aggregation"]) == (1.0, "off", "duration"):
            found.setdefault(row["window_s"], {})[row["pause_s"]] = percent(row["eder"])
    return table(
        ["EDER %, window", *(f"pause {pause_s:g} s" for pause_s in pauses_s)],
        [
            [f"{window_s:g} s", *(of.get(pause_s, "") for pause_s in pauses_s)]
            for window_s, of in found.items()
        ],
    )


def _levels(result: dict[str, Any]) -> str:
    return " and ".join(_level(snr, result) for snr in result["factors_db"])


def _setting(row: Row) -> str:
    smoothing = row["smoothing"]
    if smoothing == "hmm":
        smoothing += f" {row['dwell_s']:g} s"
    return (
        f"{row['window_s']:g} s, hop {row['hop'] * row['window_s']:g} s, smoothing {smoothing}, "
        f"pause {row['pause_s']:g} s"
    )


def _level(snr: int | None, result: dict[str, Any]) -> str:
    if snr is None:
        return "all"
    return f"clean ({snr} dB)" if snr == result["clean_db"] else f"{snr} dB"


def _shown(row: Row, window_s: float) -> bool:
    """By level of the noise only for the window of the recipe."""
    return row["snr"] is None or row["window_s"] == window_s


def _rows(rows: Sequence[Row], **values: Any) -> list[Row]:
    return [row for row in rows if all(row[key] == value for key, value in values.items())]


def _one(rows: Sequence[Row], **values: Any) -> Row:
    (row,) = _rows(rows, **values)
    return row


def _share(row: Row, name: str) -> str:
    return f"{percent(row[name]['mean'])} %"


def _points(row: Row, name: str) -> str:
    return points(row[name]["mean"], row[name]["interval"])


def _plot(result: dict[str, Any], window_s: float, figure: str, y_name: str) -> str:
    """A figure by level of the noise, a line for each detector, with intervals."""
    levels = sorted(result["snr_db"]["C"], reverse=True)
    rows = _rows(result["grid"], window_s=window_s)
    rows = [row for row in rows if row["snr"] is not None]
    highest = max((row[figure]["interval"] or [0, row[figure]["mean"]])[1] for row in rows)
    step = 0.05 if highest <= 0.3 else 0.25
    top = step * max(1, -(-highest // step))

    def x(snr: int, shift: float) -> float:
        return LEFT + (levels.index(snr) + 0.5 + shift) / len(levels) * INNER_WIDTH

    def y(value: float) -> float:
        return TOP + (1 - value / top) * INNER_HEIGHT

    chart = Chart(
        f"Windows of {window_s:g} s, with 95 % intervals", "level of speech over noise, dB", y_name
    )
    for i in range(round(top / step) + 1):
        chart.horizontal(y(i * step), f"{100 * i * step:.0f}")
    for snr in levels:
        chart.vertical(x(snr, 0.0), str(snr))
    for i, (detector, colour) in enumerate(COLOURS.items()):
        name, shift = NAMES[detector].strip("`"), 0.08 * (i - 1)
        of = {row["snr"]: row[figure] for row in _rows(rows, detector=detector)}
        chart.line([(x(snr, shift), y(of[snr]["mean"])) for snr in levels], colour)
        for snr in levels:
            low, high = of[snr]["interval"] or (of[snr]["mean"], of[snr]["mean"])
            chart.whisker(x(snr, shift), y(low), y(high), colour)
            chart.dot(x(snr, shift), y(of[snr]["mean"]), colour, f"{name}, {snr} dB")
        chart.legend(i, colour, name)
    return chart.svg()
