"""HTML report of timelines: sound, emotion over time and segments, to look at and listen to."""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, Literal
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

import serkit
from serkit.audio import SAMPLE_RATE, Source, stream
from serkit.errors import AudioError, PacketError
from serkit.files import write_atomically
from serkit.runtime.pooling import Pooled
from serkit.runtime.sources import is_packets
from serkit.runtime.timeline import Segment, Timeline
from serkit.text import in_html, printable

Array = NDArray[np.float32]
Sound = Literal["embed", "link", "off"]

# Colours that people with any colour vision tell apart (Okabe and Ito, 2008), lightness varied.
_COLOURS = {
    "angry": "#d55e00",
    "happy": "#f0c419",
    "neutral": "#9aa3ad",
    "sad": "#0072b2",
    "fearful": "#cc79a7",
    "disgusted": "#009e73",
    "surprised": "#56b4e9",
    "calm": "#8fd3b6",
    "bored": "#8c6d46",
}
_OTHER_COLOURS = ("#7a5195", "#bc5090", "#3d5a80", "#a05a2c", "#6b8e23")

_COLUMNS = 1600
_WAVE_HEIGHT = 100
_POOL = 160
_OPUS_BITS_PER_S = 16_000
_MINUTE_S = 60.0
_FOUND = 3


def write_timeline_report(
    path: Path,
    answers: Sequence[tuple[str, Source, Timeline | Exception]],
    *,
    sound: Sound = "embed",
) -> None:
    """Write an HTML page; the recordings are read again.

    Args:
        path: The HTML file.
        answers: Name of each recording, the recording, and its timeline or error.
        sound: `embed` for Opus of about 16 kbit/s in the page, which then needs no other file;
            `link` for a link to the recording, in the folder of the page or below it; or `off`.

    Raises:
        AudioError: A recording cannot be linked.
        OSError: The page cannot be written.
    """
    sections = [
        _section(name, source, answer, _Sound(sound, source, path))
        for name, source, answer in answers
    ]
    models = {answer.model for _, _, answer in answers if isinstance(answer, Timeline)}
    page = Template(files("serkit.runtime").joinpath("timeline_report.html").read_text("utf-8"))
    write_atomically(
        path,
        page.substitute(
            count=f"{len(sections)} recording{'s' if len(sections) != 1 else ''}",
            model=in_html(", ".join(sorted(models)) or "none"),
            version=in_html(serkit.__version__),
            sections="\n".join(sections),
        ),
    )


def link_of(source: Source, page: Path) -> str:
    """The address of a recording relative to a page, for a link.

    Raises:
        AudioError: The recording is no file in the folder of the page or below it.
    """
    if not isinstance(source, str | os.PathLike):
        raise AudioError("only a file can be linked; embed the sound")
    file, folder = Path(source).resolve(), page.resolve().parent
    if not file.is_relative_to(folder):
        raise AudioError(
            f"{printable(file.name)} is not in the folder of the report or below it; write the "
            "report beside it, or embed the sound"
        )
    # A leading dot: no name is taken as a scheme such as `javascript:`.
    return "./" + quote(os.fsencode(file.relative_to(folder).as_posix()))


def _section(file: str, source: Source, answer: Timeline | Exception, sound: _Sound) -> str:
    name = in_html(Path(file).name)
    if isinstance(answer, Exception):
        return f'<section><h2>{name}</h2><p class="error">{in_html(answer)}</p></section>'
    try:
        wave = None if is_packets(source) else sound.read(answer.channel)
    except (AudioError, PacketError) as error:  # deleted or changed since
        return _section(file, source, error, sound)
    if answer.channel is not None:
        name += f", channel {answer.channel + 1}"
    labels = list(dict.fromkeys(name for one in answer.segments for name in one.scores))
    colours = _colours_of(labels)
    seconds = max(answer.duration_s, 1e-3)
    overall = answer.overall
    verdict = overall.label or f"no label: {overall.reason}"
    legend = "".join(
        f'<li><i style="background:{colours[label]}"></i>{in_html(label)} '
        f"{100 * answer.shares.get(label, 0.0):.0f} %</li>"
        for label in labels
    )
    options = "".join(f"<option>{in_html(label)}</option>" for label in labels)
    data = {
        "segments": [{"end": round(s.end_s, 2), "text": _told(s)} for s in answer.segments],
        "minutes": {printable(name): found for name, found in _minutes(answer, labels).items()},
    }
    return (
        f'<section data-seconds="{seconds:.3f}"><h2>{name} <b>{in_html(verdict)}</b>'
        f"<small>{_clock(answer.duration_s)}</small></h2>{_warnings(answer)}"
        f'<div class="track" tabindex="0" role="application" aria-label="emotion over time">'
        f"{_waveform(wave, answer)}{_area(answer, labels, colours)}{_band(answer, colours)}"
        f'<div class="now" style="left:0"></div></div><div class="axis">{_axis(seconds)}</div>'
        f'<p class="said" aria-live="polite"></p>'
        f'<ul class="legend" aria-label="share of time">{legend}</ul>{sound.element}'
        f'<div class="find"><label>The most <select>{options}</select> minutes:</label>'
        f'<span class="places"></span></div>'
        f'<script type="application/json">{_json(data)}</script></section>'
    )


class _Sound:
    """The sound of a section.

    Args:
        kind: Where it is.
        source: The recording.
        page: The HTML file.
    """

    def __init__(self, kind: Sound, source: Source, page: Path) -> None:
        self._kind = kind
        self._source = source
        self._address = link_of(source, page) if kind == "link" else ""

    def read(self, channel: int | None) -> Array:
        """Lowest and highest sample of each column of a waveform, shape `[2, n]`."""
        lows, highs = Pooled(2 * _COLUMNS, np.minimum), Pooled(2 * _COLUMNS, np.maximum)
        with _Opus() if self._kind == "embed" else nullcontext() as opus:
            for block in stream(self._source, on_truncated=lambda _: None, channel=channel):
                starts = np.arange(0, len(block), _POOL)
                lows.push(np.minimum.reduceat(block, starts)[None])
                highs.push(np.maximum.reduceat(block, starts)[None])
                if opus is not None:
                    opus.write(block)
        if opus is not None:
            encoded = base64.b64encode(opus.content.getvalue()).decode()
            self._address = f"data:audio/ogg;base64,{encoded}"
        return np.concatenate((lows.columns, highs.columns))

    @property
    def element(self) -> str:
        """The audio element; empty without sound."""
        if not self._address or is_packets(self._source):
            return ""
        return f'<audio controls preload="metadata" src="{in_html(self._address)}"></audio>'


class _Opus:
    """Encodes samples at 16 kHz as Ogg Opus."""

    def __init__(self) -> None:
        import soundfile

        self.content = io.BytesIO()
        # As libsndfile maps it to bits per second.
        level = 1.0 - (_OPUS_BITS_PER_S - 6000) / 250_000
        self._file = soundfile.SoundFile(
            self.content, "w", SAMPLE_RATE, 1, format="OGG", subtype="OPUS",
            compression_level=level,
        )  # fmt: skip

    def __enter__(self) -> _Opus:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, samples: Array) -> None:
        """Append samples, shape `[n]`."""
        for start in range(0, len(samples), SAMPLE_RATE):
            self._file.write(np.clip(samples[start : start + SAMPLE_RATE], -1.0, 1.0))


def _waveform(wave: Array | None, answer: Timeline) -> str:
    if wave is None:
        return ""
    seconds = max(answer.duration_s, 1e-3)
    step = seconds / wave.shape[1]
    middle = _WAVE_HEIGHT / 2
    scale = 0.95 * middle / max(float(np.abs(wave).max()), 1e-9)
    low, high = middle - scale * wave
    edge = [(step * x, y) for x, y in enumerate(high)]
    edge += [(step * x, y) for x, y in reversed(list(enumerate(low)))]
    points = " ".join(f"{x:.2f},{y:.1f}" for x, y in edge)
    voice = "".join(
        f'<rect class="voice" x="{a:.2f}" y="0" width="{b - a:.2f}" height="{_WAVE_HEIGHT}"/>'
        for a, b in answer.voiced or ()
    )
    return (
        f'<svg class="wave" viewBox="0 0 {seconds:.2f} {_WAVE_HEIGHT}" preserveAspectRatio="none" '
        f'role="img" aria-label="waveform">{voice}<polygon class="sound" points="{points}"/></svg>'
    )


def _area(answer: Timeline, labels: list[str], colours: dict[str, str]) -> str:
    """The probabilities of the windows, stacked: a step for each, empty where there is none."""
    seconds = max(answer.duration_s, 1e-3)
    paths: dict[str, list[str]] = {label: [] for label in labels}
    windows = answer.windows
    for i, window in enumerate(windows):
        following = windows[i + 1].start_s if i + 1 < len(windows) else window.end_s
        start, end = window.start_s, min(window.end_s, max(following, window.start_s))
        below = 0.0
        for label in labels:
            p = window.scores.get(label, 0.0)
            paths[label].append(
                f"M{start:.2f} {1 - below:.3f}H{end:.2f}V{1 - below - p:.3f}H{start:.2f}Z"
            )
            below += p
    drawn = "".join(f'<path fill="{colours[k]}" d="{"".join(d)}"/>' for k, d in paths.items())
    return (
        f'<svg class="area" viewBox="0 0 {seconds:.2f} 1" preserveAspectRatio="none" role="img" '
        f'aria-label="probability of each emotion">{drawn}</svg>'
    )


def _band(answer: Timeline, colours: dict[str, str]) -> str:
    seconds = max(answer.duration_s, 1e-3)
    rects = "".join(
        f'<rect x="{s.start_s:.2f}" y="0" width="{s.duration_s:.2f}" height="1" '
        f'fill="{colours[s.label]}"><title>{in_html(_told(s))}</title></rect>'
        for s in answer.segments
        if s.label is not None
    )
    return (
        f'<svg class="band" viewBox="0 0 {seconds:.2f} 1" preserveAspectRatio="none" role="img" '
        f'aria-label="segments">{rects}</svg>'
    )


def _axis(seconds: float) -> str:
    # At most seven times, which fit a telephone.
    steps = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
    step = next((one for one in steps if seconds / one <= 6), 7200)
    times = [t for t in np.arange(0, seconds, step) if seconds - t > step / 2]
    return "".join(
        f'<span style="left:{100 * t / seconds:.2f}%">{_clock(t)}</span>' for t in [*times, seconds]
    )


def _minutes(answer: Timeline, labels: list[str]) -> dict[str, list[dict[str, float]]]:
    """The minutes with most of each emotion: seconds of voice, weighted by its probability."""
    n = int(answer.duration_s // _MINUTE_S) + 1
    total = np.zeros((n, len(labels)))
    for minute, seconds, segment in _by_minute(answer.segments, n):
        total[minute] += seconds * np.array([segment.scores[label] for label in labels])
    found = {}
    for label, amounts in zip(labels, total.T, strict=True):
        best = [m for m in np.argsort(-amounts, kind="stable")[:_FOUND] if amounts[m] > 0.0]
        found[label] = [
            {"start": m * _MINUTE_S, "seconds": round(float(amounts[m]), 1)} for m in best
        ]
    return found


def _by_minute(segments: Sequence[Segment], n: int) -> Iterator[tuple[int, float, Segment]]:
    for segment in segments:
        if segment.scores:
            first, last = int(segment.start_s // _MINUTE_S), int(segment.end_s // _MINUTE_S)
            for minute in range(first, min(last, n - 1) + 1):
                start = max(segment.start_s, minute * _MINUTE_S)
                end = min(segment.end_s, (minute + 1) * _MINUTE_S)
                yield minute, max(0.0, end - start), segment


def _told(segment: Segment) -> str:
    if not segment.scores:
        return printable(segment.reason or "")
    ranked = sorted(segment.scores.items(), key=lambda item: -item[1])
    scores = ", ".join(f"{name} {p:.2f}" for name, p in ranked)
    codes = ", ".join(warning.code for warning in segment.warnings)
    verdict = segment.label or f"none, {segment.reason}"
    return printable(f"{verdict} ({scores})" + (f" – {codes}" if codes else ""))


def _warnings(answer: Timeline) -> str:
    if not answer.warnings:
        return ""
    items = "".join(f"<li>{in_html(w.message)}</li>" for w in answer.warnings)
    return f'<div class="warnings" role="note"><p>This may be unreliable:</p><ul>{items}</ul></div>'


def _colours_of(labels: Sequence[str]) -> dict[str, str]:
    others = [label for label in labels if label not in _COLOURS]
    spare = {label: _OTHER_COLOURS[i % len(_OTHER_COLOURS)] for i, label in enumerate(others)}
    return {label: _COLOURS.get(label) or spare[label] for label in labels}


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def _json(value: Any) -> str:
    """JSON inside a script element, which `<` could end."""
    return json.dumps(value).replace("<", "\\u003c")
