"""Our detector of voice activity: band levels above an adaptive noise floor, in NumPy.

Frames of 32 ms every 16 ms are described by the levels of mel bands above their noise floor (the
minimum of the last 3 s), the shape of the spectrum, the level below the loudest of the last 3 s,
periodicity, and how much of the 3 s was heard: the floor of a recording that begins amid speech is
speech at first. A small network looks at the frames from 512 ms before to 64 ms after each frame.
Nothing depends on the gain, except far below -80 dBFS.

Frames are computed in tiles of four: each tile is the same matrix product whatever arrived with
it, so the result does not depend on the chunks, not even in its last bit.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from serkit.audio.reading import SAMPLE_RATE
from serkit.audio.voice.bands_file import BandNetwork, shipped_network
from serkit.audio.voice.detector import VoiceStream
from serkit.audio.voice.options import VoiceOptions

Array = NDArray[np.float32]

HOP = 256
"""Samples per frame, 16 ms."""

N_BANDS = 14
"""Mel bands from 80 Hz to 7.6 kHz."""

N_FEATURES = 2 * N_BANDS + 4
"""Values per frame, see `BandFeatures`."""

OFFSETS = (-32, -24, -16, -12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4)
"""Frames that the network sees, from the frame it decides."""

PIECE = 1 << 15
"""Samples computed at a time, so that spectra stay in the CPU cache."""

_LENGTH = 512
_TILE = 4  # frames; also the largest offset
# Tiles in a piece and in what was held before it.
_MOST_TILES = PIECE // (_TILE * HOP) + 1
_MEMORY = 48  # tiles of 64 ms in which the floor and the loudest level are sought: 3 s
_LOW_HZ, _HIGH_HZ = 80.0, 7600.0
# Mean square added to each band: far below the noise of 16-bit recordings.
_SILENCE = np.float32(2e-11)
# Periodicity: in the spectrum from 94 Hz, without a DC offset, to 2 kHz, at 40 periods.
_PITCH_BINS = slice(3, 65)
_PITCH_HZ = (70.0, 400.0)
_N_PERIODS = 40
_AVERAGE = np.full((N_BANDS, 1), 1.0 / N_BANDS, np.float32)


class BandFeatures:
    """Features of the frames of one recording.

    Per frame: `N_BANDS` log levels above their noise floor, `N_BANDS` log levels relative to their
    mean, the mean log level above the floor of the means, the same below the loudest, periodicity
    (the largest value of the normalised autocorrelation of the magnitude spectrum), and the share
    of the floor's memory that was heard, 0 to 1.
    """

    def __init__(self) -> None:
        self._filters, self._window, self._cosines = _mel_filters(), _hann(), _cosines()
        # Reused: allocating them would take as long as the transform.
        self._tapered = np.empty((_MOST_TILES, _TILE, _LENGTH), np.float32)
        self._spectrum = np.empty((_MOST_TILES, _TILE, _LENGTH // 2 + 1), np.complex64)
        # Frame `i` is centred on the samples it stands for.
        self._held: Array = np.zeros((_LENGTH - HOP) // 2, np.float32)
        # Log levels of the last tiles; the last column is their mean.
        self._past: Array = np.zeros((0, N_BANDS + 1), np.float32)
        self._n_heard = 0  # tiles, at most _MEMORY

    def push(self, samples: Array) -> Array:
        """Take samples, at most `PIECE`; the features of whole tiles, `[n_frames, N_FEATURES]`."""
        held = np.concatenate((self._held, samples))
        step = _TILE * HOP
        n = max(0, (len(held) - (_LENGTH - HOP)) // step)
        self._held = held[n * step :].copy()
        if not n:
            return np.zeros((0, N_FEATURES), np.float32)
        # Overlapping frames, without a copy.
        strides = (4 * step, 4 * HOP, 4)
        return self._features(np.ndarray((n, _TILE, _LENGTH), np.float32, held, strides=strides))

    def finish(self) -> Array:
        """Features of the remaining frames and of one tile after them.

        The recording goes on as its own mirror image: after zeros, the noise floor would drop.
        """
        n = 2 * _TILE * HOP + _LENGTH
        return self.push(np.pad(self._held, (0, n), mode="symmetric")[len(self._held) :])

    def _features(self, frames: Array) -> Array:
        """Features of tiles, shape `[n_tiles, 4, 512]`."""
        power = self._power(frames)
        levels = power @ self._filters + _SILENCE  # [n_tiles, 4, N_BANDS]
        tiles = np.log(levels.mean(axis=1))
        levels = np.log(levels)
        middle = levels @ _AVERAGE
        tiles = np.concatenate((tiles, (tiles[:, None] @ _AVERAGE)[:, 0]), axis=1)
        floor, ceiling = self._extremes(tiles)
        out = np.empty((*levels.shape[:2], N_FEATURES), np.float32)
        np.subtract(levels, floor[:, None, :-1], out=out[..., :N_BANDS])
        np.subtract(levels, middle, out=out[..., N_BANDS : 2 * N_BANDS])
        np.subtract(middle, floor[:, None, -1:], out=out[..., -4:-3])
        np.subtract(middle, ceiling[:, None, -1:], out=out[..., -3:-2])
        correlation = np.sqrt(power[..., _PITCH_BINS]) @ self._cosines
        sums = correlation[..., -1] + np.float32(1e-6)
        np.divide(correlation[..., :-1].max(axis=-1), sums, out=out[..., -2])
        out[..., -1] = self._heard(len(tiles))[:, None]
        return out.reshape(-1, N_FEATURES)

    def _power(self, frames: Array) -> Array:
        """Power spectra, shape `[n_tiles, 4, 257]`."""
        n = len(frames)
        tapered, spectrum = self._tapered[:n], self._spectrum[:n]
        np.multiply(frames, self._window, out=tapered)
        np.fft.rfft(tapered, out=spectrum)  # type: ignore[arg-type]  # the stub knows no float32
        parts = spectrum.view(np.float32).reshape(*spectrum.shape, 2)
        np.square(parts, out=parts)
        power: Array = parts[..., 0] + parts[..., 1]
        return power

    def _heard(self, n: int) -> Array:
        """Share of the memory of the floor that was heard before each of the next tiles."""
        heard = np.minimum(self._n_heard + np.arange(n), _MEMORY)
        self._n_heard = min(self._n_heard + n, _MEMORY)
        return (heard / _MEMORY).astype(np.float32)

    def _extremes(self, tiles: Array) -> tuple[Array, Array]:
        """Lowest and highest level of the last tiles, the present one included."""
        if not len(self._past):
            self._past = np.repeat(tiles[:1], _MEMORY - 1, axis=0)
        past = np.concatenate((self._past, tiles))
        self._past = past[-(_MEMORY - 1) :].copy()
        return _sliding(np.minimum, past), _sliding(np.maximum, past)


def _sliding(extreme: np.ufunc, rows: Array) -> Array:
    """Extreme of every `_MEMORY` consecutive rows, by doubling the length of the window."""
    length = 1
    while 2 * length <= _MEMORY:
        rows = extreme(rows[:-length], rows[length:])
        length *= 2
    rest = _MEMORY - length
    return extreme(rows[: len(rows) - rest], rows[rest:]) if rest else rows


@lru_cache(maxsize=1)
def _hann() -> Array:
    """A periodic Hann window, shape `[512]`."""
    return (0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(_LENGTH) / _LENGTH)).astype(np.float32)


@lru_cache(maxsize=1)
def _cosines() -> Array:
    """Cosines at the periods of a voice, and a column of ones, shape `[62, _N_PERIODS + 1]`."""
    hz = (np.arange(_LENGTH // 2 + 1) * SAMPLE_RATE / _LENGTH)[_PITCH_BINS, None]
    periods = 1.0 / np.geomspace(*_PITCH_HZ, _N_PERIODS)
    # The last period is 0: the sum of the magnitudes.
    cosines: Array = np.cos(2.0 * np.pi * hz * np.append(periods, 0.0)).astype(np.float32)
    return cosines


@lru_cache(maxsize=1)
def _mel_filters() -> Array:
    """Triangles on the mel scale of HTK, shape `[257, N_BANDS]`; they give mean squares."""
    low, high = (2595.0 * math.log10(1.0 + hz / 700.0) for hz in (_LOW_HZ, _HIGH_HZ))
    mel = np.linspace(low, high, N_BANDS + 2)
    edges = 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    hz = np.linspace(0.0, SAMPLE_RATE / 2.0, _LENGTH // 2 + 1)[:, None]
    rising = (hz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hz) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    # Two sides of the spectrum; 3/8 is the mean square of the window.
    filters: Array = (triangles * 2.0 / (0.375 * _LENGTH**2)).astype(np.float32)
    return filters


class BandScorer:
    """Probability of speech per frame of 16 ms; see `serkit.audio.voice.detector.FrameScorer`.

    Args:
        network: Weights.
    """

    hop = HOP

    def __init__(self, network: BandNetwork) -> None:
        self._network = network
        self._features = BandFeatures()
        self._rows: Array = np.zeros((-OFFSETS[0], N_FEATURES), np.float32)
        self._n_samples = 0
        self._n_frames = 0

    def push(self, samples: Array) -> Array:
        """Take samples; the frames that can be decided, all but the last 72 to 136 ms."""
        self._n_samples += len(samples)
        if len(samples) <= PIECE:
            return self._scores(self._features.push(samples))
        pieces = [samples[at : at + PIECE] for at in range(0, len(samples), PIECE)]
        return np.concatenate([self._scores(self._features.push(piece)) for piece in pieces])

    def finish(self) -> Array:
        """The remaining frames."""
        left = -(-self._n_samples // HOP) - self._n_frames
        return self._scores(self._features.finish())[:left]

    def _scores(self, rows: Array) -> Array:
        """Probabilities of the tiles that are followed by another."""
        if not len(rows):
            return np.zeros(0, np.float32)
        rows = np.concatenate((self._rows, rows))
        n = len(rows) + OFFSETS[0] - _TILE
        self._rows = rows[max(0, n) :].copy()
        self._n_frames += n
        at = np.arange(n)[:, None] + (np.array(OFFSETS) - OFFSETS[0])
        inputs = rows[at].reshape(n // _TILE, _TILE, len(OFFSETS) * N_FEATURES)
        return self._network(inputs).reshape(n)


class BandDetector:
    """Our detector, in NumPy alone; it lags by 136 ms at most.

    Args:
        options: How frame probabilities become stretches of speech.
    """

    name = "bands"

    def __init__(self, options: VoiceOptions | None = None) -> None:
        self.options = options or VoiceOptions()

    def start(self) -> VoiceStream:
        """The state of a new recording."""
        return VoiceStream(BandScorer(shipped_network()), self.options)
