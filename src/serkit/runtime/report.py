"""HTML report of predictions: waveform, log-mel spectrogram and probabilities per recording."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

import numpy as np
from numpy.typing import NDArray

import serkit
from serkit.audio import SAMPLE_RATE, Source, stream, windows
from serkit.errors import AudioError, PacketError
from serkit.features import mel_filter_bank, power_spectrum, power_to_db
from serkit.files import open_file, write_atomically
from serkit.runtime.backend import Classifier
from serkit.runtime.png import png
from serkit.runtime.pooling import Pooled
from serkit.runtime.prediction import Prediction
from serkit.runtime.sources import is_packets
from serkit.text import in_html

Array = NDArray[np.float32]

_MAX_COLUMNS = 900
_WAVE_HEIGHT = 90
_N_FFT, _HOP, _N_MELS = 1024, 160, 64
# Columns held while a recording is read; more than the page shows, so that pooling stays exact for
# about a minute.
_HELD_COLUMNS = 8 * _MAX_COLUMNS
# Recordings longer than this are pooled by this number of frames per column, to save time.
_LONG_S, _LONG_POOL = 30.0, 4


@dataclass(frozen=True, slots=True)
class _Pictures:
    """Pictures of a recording.

    Attributes:
        log_mel: Mel energies in dB, shape `[n_mels, n_columns]`.
        low: Smallest sample of each column, shape `[n_columns]`; None for packets of the codec,
            which hold no waveform.
        high: Largest sample of each column, shape `[n_columns]`, or None.
    """

    log_mel: Array
    low: Array | None = None
    high: Array | None = None


OnSeconds = Callable[[float], object]


def write_report(
    path: Path,
    answers: Iterable[tuple[str, Prediction | Exception]],
    *,
    backend: Classifier,
    on_seconds: OnSeconds | None = None,
) -> None:
    """Write a self-contained HTML page; the recordings are read again for their pictures.

    Args:
        path: The HTML file.
        answers: Path of each recording, and its prediction or error.
        backend: The model of the predictions.
        on_seconds: Progress callback; takes the length in seconds of each part drawn.

    Raises:
        OSError: The page cannot be written.
    """
    sections = [_section(file, answer, on_seconds) for file, answer in answers]
    page = Template(files("serkit.runtime").joinpath("report.html").read_text("utf-8"))
    write_atomically(
        path,
        page.substitute(
            model=in_html(backend.card.name),
            kilobytes=f"{backend.file_bytes / 1000:.1f}",
            labels=in_html(", ".join(backend.card.labels)),
            version=in_html(serkit.__version__),
            count=f"{len(sections)} recording{'s' if len(sections) != 1 else ''}",
            sections="\n".join(sections),
        ),
    )


def _section(file: str, answer: Prediction | Exception, on_seconds: OnSeconds | None) -> str:
    name = in_html(Path(file).name)
    if isinstance(answer, Exception):
        return f'<section><h2>{name}</h2><p class="error">{in_html(answer)}</p></section>'
    pool = 1 if answer.duration_s < _LONG_S else _LONG_POOL
    try:
        pictures = (
            _pictures_of_packets(file)
            if is_packets(file)
            else _pictures(file, pool=pool, on_seconds=on_seconds)
        )
    except (AudioError, PacketError) as error:  # deleted or changed since the prediction
        return _section(file, error, on_seconds)
    verdict = in_html(answer.label) if answer.label else "no label"
    note = f'<p class="note">{in_html(answer.reason)}</p>' if answer.reason else ""
    if answer.warnings:
        items = "".join(f"<li>{in_html(w.message)}</li>" for w in answer.warnings)
        note += (
            '<div class="warnings" role="note" aria-label="warnings">'
            f"<p>&#9888; This prediction may be unreliable:</p><ul>{items}</ul></div>"
        )
    bars = "".join(
        f'<tr{" class=best" if label == answer.label else ""}><th scope="row">{in_html(label)}</th>'
        f'<td><span class="bar" style="width:{100 * p:.1f}%"></span></td><td>{p:.2f}</td></tr>'
        for label, p in sorted(answer.scores.items(), key=lambda item: -item[1])
    )
    return (
        f"<section><h2>{name} <b>{verdict}</b> <small>{answer.duration_s:.2f} s</small></h2>{note}"
        f'<div class="row"><div class="pictures">{_waveform(pictures)}'
        f'<img alt="log-mel spectrogram, {len(pictures.log_mel)} bands from 0 to 8 kHz" '
        f'src="data:image/png;base64,{base64.b64encode(png(pictures.log_mel)).decode()}">'
        f'<div class="axis"><span>0 s</span><span>{answer.duration_s:.2f} s</span></div></div>'
        f'<table class="scores" aria-label="probabilities">{bars}</table></div></section>'
    )


def _pictures(source: Source, *, pool: int, on_seconds: OnSeconds | None = None) -> _Pictures:
    """Pool a recording as it is read, then to the width of the page."""
    bank = mel_filter_bank(_N_MELS, n_fft=_N_FFT)
    lows, highs = Pooled(_HELD_COLUMNS, np.minimum), Pooled(_HELD_COLUMNS, np.maximum)
    mels = Pooled(_HELD_COLUMNS)
    step = _HOP * pool
    # Of a truncated file, the part that was classified is drawn.
    for _, samples in windows(stream(source, on_truncated=lambda _: None)):
        if on_seconds is not None:
            on_seconds(len(samples) / SAMPLE_RATE)
        starts = np.arange(0, len(samples), step)
        lows.push(np.minimum.reduceat(samples, starts)[None])
        highs.push(np.maximum.reduceat(samples, starts)[None])
        power = power_spectrum(samples, n_fft=_N_FFT, hop=_HOP, window_length=400)
        mel = bank @ power
        mels.push(np.add.reduceat(mel, np.arange(0, mel.shape[1], pool), axis=1)[:, : len(starts)])
    low, high, mel = lows.columns[0], highs.columns[0], mels.columns
    columns = _columns(len(low))
    widths = np.add.reduceat(mels.widths, columns)
    return _Pictures(
        low=np.minimum.reduceat(low, columns),
        high=np.maximum.reduceat(high, columns),
        log_mel=power_to_db((np.add.reduceat(mel, columns, axis=1) / widths).astype(np.float32)),
    )


def _pictures_of_packets(file: str) -> _Pictures:
    from serkit.codec import Decoding, StoredBytes

    columns = Pooled(_HELD_COLUMNS)
    with open_file(Path(file)) as opened:
        for block in Decoding(StoredBytes(opened)).blocks():
            columns.push(block)
    starts = _columns(columns.columns.shape[1])
    log_mel = np.add.reduceat(columns.columns, starts, axis=1)
    return _Pictures((log_mel / np.add.reduceat(columns.widths, starts)).astype(np.float32))


def _columns(n: int) -> NDArray[np.intp]:
    """First of the columns pooled into each column of the page."""
    starts: NDArray[np.intp] = np.linspace(0, n, min(n, _MAX_COLUMNS) + 1).astype(np.intp)[:-1]
    return starts


def _waveform(pictures: _Pictures) -> str:
    """An SVG polygon: the upper edge from left to right, then the lower edge back."""
    if pictures.low is None or pictures.high is None:
        return '<p class="note">Packets of the codec: no waveform.</p>'
    peak = max(float(np.max(np.abs(pictures.high))), float(np.max(np.abs(pictures.low))), 1e-9)
    middle = _WAVE_HEIGHT / 2
    upper = [(x, middle - 0.95 * middle * y / peak) for x, y in enumerate(pictures.high)]
    lower = [(x, middle - 0.95 * middle * y / peak) for x, y in enumerate(pictures.low)]
    points = " ".join(f"{x},{y:.1f}" for x, y in upper + lower[::-1])
    return (
        f'<svg viewBox="0 0 {max(1, len(upper) - 1)} {_WAVE_HEIGHT}" preserveAspectRatio="none" '
        f'role="img" aria-label="waveform"><polygon points="{points}"/></svg>'
    )
