"""What can be wrong with a recording itself, found as it streams by.

`docs/results/robustness.md` has the false-alarm and detection rates on real recordings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE
from serkit.features import fft_frequencies, power_spectrum
from serkit.runtime.caution import Caution

Array = NDArray[np.float32]

QUIET_DBFS = -65.0
"""Speech below this level is too quiet."""

SHORT_S = 1.0
"""A recording below this length is short, in seconds."""

NARROW_DB = -50.0
"""Narrowband: the power above 4.3 kHz relative to that below 3.4 kHz is at most this."""

EDGE_DB = 33.0
"""Narrowband: the spectrum falls by at least this from 2.8-3.4 kHz to 4.3-4.9 kHz."""

CLIPPED_SHARE = 0.03
"""Clipped: of the samples within 20 dB of the peak, at least this share is within 2 dB of it."""

CLIPPED_RISE = 0.7
"""Clipped: samples within 2 dB of the peak for each sample 2 to 4 dB below it, at least."""

TONAL_SHARE = 0.9
"""A pure tone has this share of its energy in one spectral line; its top is round by nature."""

_FRAME = 512
# A fixed grid, so that the result does not depend on how the stream is cut into blocks.
_CHUNK = 32 * _FRAME
# Frames this far below the typical loud frame are pauses.
_ACTIVE_DB = 30

# Up to the largest samples that are read: floats need not end at full scale.
_LOWEST_DB, _HIGHEST_DB = -140, 241
_STEPS_PER_DB = 2
_N_LEVELS = _HIGHEST_DB - _LOWEST_DB
_SILENT_PEAK_DB = -90.0

_HZ = fft_frequencies(SAMPLE_RATE, _FRAME)
# Edges in Hz of: speech, above the telephone band, the last of the band, the first beyond it.
_BANDS = ((200, 3400), (4300, 7500), (2800, 3400), (4300, 4900))
_IN_BANDS = np.array([np.logical_and(low <= _HZ, high >= _HZ) for low, high in _BANDS], np.float32)


class SoundCheck:
    """Checks a stream of sound, block by block, in constant memory.

    Frames of 32 ms are sorted by level into bins of 1 dB, samples by magnitude into bins of
    0.5 dB; what is loud and what is a pause is decided at the end.

    Example:
        >>> check = SoundCheck()
        >>> check.add(np.zeros(8000, np.float32))
        >>> [caution.code for caution in check.cautions()]
        ['short']
    """

    def __init__(self) -> None:
        self._held = np.zeros(0, np.float32)
        self._n_samples = 0
        self._sum = 0.0
        self._magnitudes = np.zeros(_N_LEVELS * _STEPS_PER_DB, np.int64)
        # Of the frames of each level: number, power, power of the bands, of the line, of all lines.
        self._frames = np.zeros((_N_LEVELS, 2 + len(_BANDS) + 2))

    def watch(self, blocks: Iterable[Array]) -> Iterator[Array]:
        """Pass blocks on, and add each."""
        for block in blocks:
            self.add(block)
            yield block

    def add(self, samples: Array) -> None:
        """Take the next samples of the stream: mono, 16 kHz, shape `[n_samples]`."""
        held = np.concatenate((self._held, samples)) if len(self._held) else samples
        whole = len(held) - len(held) % _CHUNK
        for start in range(0, whole, _CHUNK):
            self._count(held[start : start + _CHUNK])
        self._held = held[whole:].copy()

    def cautions(self) -> tuple[Caution, ...]:
        """What is wrong with the sound so far: `narrowband`, `clipped`, `too-quiet`, `short`."""
        whole = copy(self)
        whole._count(self._held)
        problems = tuple(caution for caution in whole._found() if caution is not None)
        return problems + short(whole._n_samples / SAMPLE_RATE)

    def _count(self, chunk: Array) -> None:
        if not len(chunk):
            return
        self._n_samples += len(chunk)
        self._sum += float(chunk.sum(dtype=np.float64))
        # Without the constant offset that some sound cards add.
        centred = chunk - np.float32(self._sum / self._n_samples)
        steps = _bins(np.abs(centred), 20.0, _STEPS_PER_DB)
        # New arrays, for `cautions` looks ahead with a shallow copy of this object.
        self._magnitudes = self._magnitudes + np.bincount(steps, minlength=len(self._magnitudes))
        framed = centred[: len(centred) - len(centred) % _FRAME]
        if not len(framed):
            return
        level = np.square(framed.reshape(-1, _FRAME), dtype=np.float64).mean(axis=1)
        spectra = power_spectrum(framed, n_fft=_FRAME, hop=_FRAME, padding=None)
        line = (spectra[:-2] + spectra[1:-1] + spectra[2:]).max(axis=0)
        measured = np.column_stack(
            (np.ones(len(level)), level, (_IN_BANDS @ spectra).T, line, spectra.sum(axis=0))
        )
        self._frames = self._frames.copy()
        np.add.at(self._frames, _bins(level, 10.0, 1), measured)

    def _found(self) -> Iterator[Caution | None]:
        filled = np.flatnonzero(self._magnitudes)
        if not len(filled) or _db(filled[-1]) < _SILENT_PEAK_DB:
            return
        n, power, speech, above, below_edge, beyond_edge, line, lines = self._active()
        yield _narrowband(_ratio_db(above, speech), _ratio_db(beyond_edge, below_edge))
        yield None if line >= TONAL_SHARE * lines else self._clipped(int(filled[-1]))
        yield _too_quiet(_ratio_db(power, n))

    def _active(self) -> NDArray[np.float64]:
        """Sums over the frames that are no pauses."""
        energy = np.cumsum(self._frames[::-1, 1])[::-1]
        # Half of the energy lies in frames of this level and above.
        loud = int(np.flatnonzero(energy >= 0.5 * energy[0])[-1])
        sums: NDArray[np.float64] = self._frames[max(0, loud - _ACTIVE_DB) :].sum(axis=0)
        return sums

    def _clipped(self, peak: int) -> Caution | None:
        down = self._magnitudes[peak::-1]
        near, next_to, loud = (
            int(down[round(low * _STEPS_PER_DB) : round(high * _STEPS_PER_DB)].sum())
            for low, high in ((0, 2), (2, 4), (0, 20))
        )
        if near < CLIPPED_SHARE * loud or near < CLIPPED_RISE * next_to:
            return None
        return Caution(
            "clipped",
            f"clipped: {100 * near / loud:.0f} % of the loud samples lie within 2 dB of the peak, "
            f"in clean speech fewer than {100 * CLIPPED_SHARE:.0f} %",
        )


def short(duration_s: float) -> tuple[Caution, ...]:
    """The caution for a recording of this length in seconds, if it is short."""
    if duration_s >= SHORT_S:
        return ()
    line = f"lasts {duration_s:.2f} s; answers on less than {SHORT_S:g} s are wrong more often"
    return (Caution("short", line),)


def _narrowband(above_db: float, beyond_edge_db: float) -> Caution | None:
    if above_db > NARROW_DB and -beyond_edge_db < EDGE_DB:
        return None
    less = -above_db if above_db <= NARROW_DB else -beyond_edge_db
    return Caution(
        "narrowband", f"no sound above 4 kHz, as on the telephone: {less:.0f} dB less than below"
    )


def _too_quiet(level_dbfs: float) -> Caution | None:
    if level_dbfs >= QUIET_DBFS:
        return None
    return Caution(
        "too-quiet",
        f"speech at {level_dbfs:.0f} dBFS; below {QUIET_DBFS:.0f} dBFS it drowns in the rounding "
        "of 16-bit sound",
    )


def _bins(values: NDArray[np.floating], factor: float, per_db: int) -> NDArray[np.int64]:
    """The bin of each magnitude (factor 20) or power (factor 10)."""
    with np.errstate(divide="ignore"):
        db = factor * np.log10(values)
    edges = np.clip(np.floor((db - _LOWEST_DB) * per_db), 0, _N_LEVELS * per_db - 1)
    bins: NDArray[np.int64] = edges.astype(np.int64)
    return bins


def _db(step: int) -> float:
    return _LOWEST_DB + step / _STEPS_PER_DB


def _ratio_db(part: float, whole: float) -> float:
    """A ratio of powers in dB, no lower than -200."""
    return 10.0 * float(np.log10(max(part / whole, 1e-20))) if whole > 0 else 0.0
