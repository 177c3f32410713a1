"""Timelines as text: JSON, CSV, subtitles, TextGrid and RTTM."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import Any

from serkit.errors import SerkitError
from serkit.runtime.caution import Caution
from serkit.runtime.events import Event
from serkit.runtime.prediction import Prediction, Window
from serkit.runtime.timeline import Segment, Timeline
from serkit.text import printable

Answers = Sequence[tuple[str, Timeline | Exception]]
"""The name of each recording, and its timeline or error; a recording has one of each channel, or
one for all. In text, channels count from 1."""

_DIGITS = 6


def json_text(answers: Answers) -> str:
    """A JSON array of one object per recording."""
    return json.dumps([_object(file, answer) for file, answer in answers], indent=2) + "\n"


def jsonl_text(answers: Answers) -> str:
    """One JSON object per line and segment, with the name of its recording; or per error."""
    lines = []
    for file, answer in answers:
        if isinstance(answer, Exception):
            lines.append({"file": file, "error": str(answer)})
            continue
        place: dict[str, Any] = {"file": file, **_channel_object(answer)}
        lines += [{**place, **segment_object(segment)} for segment in answer.segments]
    return "".join(json.dumps(line) + "\n" for line in lines)


def csv_text(answers: Answers) -> str:
    """One row per segment, with a column per emotion, and one of channels if any; or per error."""
    names = list(
        dict.fromkeys(name for _, _, segment in _segments(answers) for name in segment.scores)
    )
    timelines = [answer for _, answer in answers if isinstance(answer, Timeline)]
    with_channel = any(timeline.channel is not None for timeline in timelines)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")

    def write(file: str, channel: object, *cells: object) -> None:
        place = (file, channel) if with_channel else (file,)
        writer.writerow(map(printable, (*place, *cells)))

    write(
        "file", "channel", "start_s", "end_s", "label", "confidence", "arousal", "valence",
        "dominance", "affect", *names, "reason", "warnings", "error",
    )  # fmt: skip
    for file, answer in answers:
        if isinstance(answer, Exception):
            write(file, "", *("" for _ in range(len(names) + 10)), answer)
            continue
        for segment in answer.segments:
            write(
                file,
                "" if answer.channel is None else answer.channel + 1,
                *map(_fixed, (segment.start_s, segment.end_s)),
                segment.label or "",
                *map(_fixed, (segment.confidence, segment.arousal, segment.valence)),
                *(_fixed(segment.dominance), segment.affect.source or ""),
                *(_fixed(segment.scores.get(name)) for name in names),
                segment.reason or "",
                ";".join(warning.code for warning in segment.warnings),
                "",
            )
    return text.getvalue()


def srt_text(answers: Answers) -> str:
    """SubRip subtitles of one recording: a cue per labelled segment."""
    cues = [
        f"{number}\n{_clock(segment.start_s, ',')} --> {_clock(_end_s(segment), ',')}\n"
        f"{cue.translate(_SUBRIP)}\n"
        for number, (segment, cue) in enumerate(_cues(_of_one(answers, "srt")), 1)
    ]
    return "\n".join(cues)


def vtt_text(answers: Answers) -> str:
    """WebVTT subtitles of one recording: a cue per labelled segment."""
    cues = [
        f"{_clock(segment.start_s, '.')} --> {_clock(_end_s(segment), '.')}\n"
        f"{escape(cue, quote=False)}\n"
        for segment, cue in _cues(_of_one(answers, "vtt"))
    ]
    return "\n".join(["WEBVTT\n", *cues])


def textgrid_text(answers: Answers) -> str:
    """A Praat TextGrid of one recording: tiers of emotions, and of voice if detected."""
    timelines = _of_one(answers, "textgrid")
    tiers = []
    for timeline in timelines:
        channel = "" if timeline.channel is None else f" {timeline.channel + 1}"
        emotions = [(one.start_s, one.end_s, one.label or "") for one in timeline.segments]
        tiers.append((f"emotion{channel}", emotions))
        if timeline.voiced is not None:
            tiers.append((f"voice{channel}", _filled(timeline.voiced, timeline.duration_s)))
    end = _fixed(timelines[0].duration_s)
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {end}",
        "tiers? <exists>",
        f"size = {len(tiers)}",
        "item []:",
    ]
    for number, (name, intervals) in enumerate(tiers, 1):
        lines += [
            f"    item [{number}]:",
            '        class = "IntervalTier"',
            f'        name = "{name}"',
            "        xmin = 0",
            f"        xmax = {end}",
            f"        intervals: size = {len(intervals)}",
        ]
        for index, (start_s, end_s, text) in enumerate(intervals, 1):
            lines += [
                f"        intervals [{index}]:",
                f"            xmin = {_fixed(start_s)}",
                f"            xmax = {_fixed(end_s)}",
                '            text = "{}"'.format(printable(text).replace('"', '""')),
            ]
    return "\n".join(lines) + "\n"


def rttm_text(answers: Answers) -> str:
    """NIST RTTM: a line per labelled segment, with the emotion in the place of the speaker."""
    return "".join(
        f"SPEAKER {_word(file)} {(timeline.channel or 0) + 1} {segment.start_s:.3f} "
        f"{segment.duration_s:.3f} <NA> <NA> {_word(segment.label)} <NA> <NA>\n"
        for file, timeline, segment in _segments(answers)
        if segment.label is not None
    )


WRITERS: dict[str, Callable[[Answers], str]] = {
    "json": json_text,
    "jsonl": jsonl_text,
    "csv": csv_text,
    "srt": srt_text,
    "vtt": vtt_text,
    "textgrid": textgrid_text,
    "rttm": rttm_text,
}
"""A function for each format."""

OF_ONE_RECORDING = ("srt", "vtt", "textgrid")
"""Formats that describe one recording."""


def refuse_several(kind: str, n_recordings: int) -> None:
    """Refuse to describe several recordings in a format of one.

    Raises:
        SerkitError: There are several.
    """
    if kind in OF_ONE_RECORDING and n_recordings != 1:
        raise SerkitError(
            f"{kind} describes one recording, got {n_recordings}; write a file for each, or "
            "choose json, jsonl, csv or rttm"
        )


def segment_object(segment: Segment) -> dict[str, Any]:
    """A segment as JSON values."""
    values = {
        "start_s": round(segment.start_s, _DIGITS),
        "end_s": round(segment.end_s, _DIGITS),
        "label": segment.label,
        "confidence": round(segment.confidence, _DIGITS),
        "scores": _rounded(segment.scores),
        **segment.affect.to_dict(),
        "warnings": _warnings(segment.warnings),
    }
    return values if segment.reason is None else {**values, "reason": segment.reason}


def window_object(window: Window) -> dict[str, Any]:
    """A window as JSON values."""
    return {
        "start_s": round(window.start_s, _DIGITS),
        "end_s": round(window.end_s, _DIGITS),
        "scores": _rounded(window.scores),
        **window.affect.to_dict(),
        "warnings": _warnings(window.warnings),
    }


def overall_object(overall: Prediction) -> dict[str, Any]:
    """The answer for a whole recording as JSON values."""
    values = {
        "label": overall.label,
        "scores": _rounded(overall.scores),
        **overall.affect.to_dict(),
        "warnings": _warnings(overall.warnings),
    }
    return values if overall.reason is None else {**values, "reason": overall.reason}


def prediction_object(prediction: Prediction) -> dict[str, Any]:
    """A prediction as JSON values."""
    return {
        **overall_object(prediction),
        "duration_s": round(prediction.duration_s, _DIGITS),
        "model": prediction.model,
    }


def timeline_object(timeline: Timeline) -> dict[str, Any]:
    """A timeline as JSON values."""
    voiced = timeline.voiced
    return {
        **_channel_object(timeline),
        "model": timeline.model,
        "duration_s": round(timeline.duration_s, _DIGITS),
        "overall": overall_object(timeline.overall),
        "shares": _rounded(timeline.shares),
        "segments": [segment_object(segment) for segment in timeline.segments],
        "windows": [window_object(window) for window in timeline.windows],
        "voiced": voiced and [[round(s, _DIGITS) for s in stretch] for stretch in voiced],
    }


def event_object(event: Event) -> dict[str, Any]:
    """An event of a stream as JSON values."""
    values: dict[str, Any] = {"event": event.kind}
    if event.kind == "voice":
        return values | {"time_s": round(event.time_s, _DIGITS), "voiced": event.voiced}
    if event.kind == "partial":
        return values | {"label": event.label} | window_object(event.window)
    if event.kind == "segment":
        return values | segment_object(event.segment)
    duration_s = round(event.overall.duration_s, _DIGITS)
    return values | {"duration_s": duration_s} | overall_object(event.overall)


def _object(file: str, answer: Timeline | Exception) -> dict[str, Any]:
    if isinstance(answer, Exception):
        return {"file": file, "error": str(answer)}
    return {"file": file, **timeline_object(answer)}


def _channel_object(timeline: Timeline) -> dict[str, int]:
    return {} if timeline.channel is None else {"channel": timeline.channel + 1}


def _segments(answers: Answers) -> Iterator[tuple[str, Timeline, Segment]]:
    for file, answer in answers:
        if isinstance(answer, Timeline):
            for segment in answer.segments:
                yield file, answer, segment


def _of_one(answers: Answers, kind: str) -> list[Timeline]:
    """The timelines of a format that describes one recording: of its channels, or of all.

    Raises:
        SerkitError: There are several recordings.
        Exception: The error of the recording.
    """
    timelines = []
    for _, answer in answers:
        if isinstance(answer, Exception):
            raise answer
        timelines.append(answer)
    n = len({file for file, _ in answers})
    n = max(n, *(sum(one.channel == other.channel for other in timelines) for one in timelines))
    refuse_several(kind, n)
    return timelines


def _cues(timelines: Sequence[Timeline]) -> list[tuple[Segment, str]]:
    """The labelled segments by time, and what is said of them."""
    cues = []
    for timeline in timelines:
        speaker = "" if timeline.channel is None else f"channel {timeline.channel + 1}: "
        cues += [
            (segment, f"{speaker}{printable(segment.label)} {segment.confidence:.2f}")
            for segment in timeline.segments
            if segment.label is not None
        ]
    return sorted(cues, key=lambda cue: cue[0].start_s)


_SUBRIP = str.maketrans("<>{}", "‹›()")
"""SubRip has no escapes: characters that players take as markup are replaced."""


def _end_s(segment: Segment) -> float:
    """The end of a cue, which must be after its start by at least a millisecond."""
    return max(segment.end_s, round(segment.start_s, 3) + 0.001)


def _clock(seconds: float, point: str) -> str:
    """Such as `01:02:03,456`."""
    ms = round(1000 * seconds)
    minutes, ms = divmod(ms, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{ms // 1000:02d}{point}{ms % 1000:03d}"


def _filled(
    voiced: Sequence[tuple[float, float]], duration_s: float
) -> list[tuple[float, float, str]]:
    """Voiced stretches and the pauses between them."""
    intervals: list[tuple[float, float, str]] = []
    end = 0.0
    for start_s, end_s in voiced:
        if start_s > end:
            intervals.append((end, start_s, ""))
        intervals.append((start_s, end_s, "voice"))
        end = end_s
    if duration_s > end:
        intervals.append((end, duration_s, ""))
    return intervals


def _word(text: object) -> str:
    """Text without blanks."""
    return "_".join(printable(text).split()) or "_"


def _fixed(value: float | None) -> str:
    return "" if value is None else f"{value:.{_DIGITS}f}"


def _rounded(scores: dict[str, float]) -> dict[str, float]:
    return {name: round(p, _DIGITS) for name, p in scores.items()}


def _warnings(cautions: Sequence[Caution]) -> list[dict[str, str]]:
    return [{"code": caution.code, "message": caution.message} for caution in cautions]
