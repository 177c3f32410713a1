"""Quality checks of sound: narrowband, clipped, too quiet, short.

Their false-alarm and detection rates on real recordings are in `docs/results/robustness.md`.
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
"""Too quiet: level of speech below this, in dB of full scale."""

SHORT_S = 1.0
"""Short: length below this, in seconds."""

NARROW_DB = -50.0
"""Narrowband: power above 4.3 kHz relative to the power below 3.4 kHz, at most, in dB."""

EDGE_DB = 33.0
"""Narrowband: fall of the spectrum from 2.8-3.4 kHz to 4.3-4.9 kHz, at least, in dB."""

CLIPPED_SHARE = 0.03
"""Clipped: share of samples within 2 dB of the peak among those within 20 dB, at least."""

CLIPPED_RISE = 0.7
"""Clipped: ratio of samples within 2 dB of the peak to samples 2 to 4 dB below it, at least."""

TONAL_SHARE = 0.9
"""Not clipped but a pure tone, with many samples near the peak: share of the energy in one spectral
line, at least."""

_FRAME = 512
# Samples are processed in chunks of fixed length, so that results do not depend on the blocks.
_CHUNK = 32 * _FRAME
# Frames more than this below the typical loud frame are pauses, in dB.
_ACTIVE_DB = 30

# The range covers the largest samples that are read; floats may exceed full scale.
_LOWEST_DB, _HIGHEST_DB = -140, 241
_STEPS_PER_DB = 2
_N_LEVELS = _HIGHEST_DB - _LOWEST_DB
_SILENT_PEAK_DB = -90.0

_HZ = fft_frequencies(SAMPLE_RATE, _FRAME)
# Limits in Hz: speech; above the telephone band; below its upper edge; above its upper edge.
_BANDS = ((200, 3400), (4300, 7500), (2800, 3400), (4300, 4900))
_IN_BANDS = np.array(
    [np.logical_and(low <= _HZ, high >= _HZ) for low, high in _BANDS], np.float32
).T.copy()


class SoundCheck:
    """Checks a stream of sound, block by block, in constant memory.

    Frames of 32 ms are counted in bins of level (1 dB), samples in bins of magnitude (0.5 dB);
    loud frames and pauses are distinguished at the end.

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
        # Per level of frames: number, power, power of each band, of the strongest line, of all.
        self._frames = np.zeros((_N_LEVELS, 2 + len(_BANDS) + 2))

    def watch(self, blocks: Iterable[Array]) -> Iterator[Array]:
        """Pass blocks on, adding each."""
        for block in blocks:
            self.add(block)
            yield block

    def add(self, samples: Array) -> None:
        """Add the next samples of the stream: mono, 16 kHz, shape `[n_samples]`."""
        held = np.concatenate((self._held, samples)) if len(self._held) else samples
        whole = len(held) - len(held) % _CHUNK
        for start in range(0, whole, _CHUNK):
            self._count(held[start : start + _CHUNK])
        self._held = held[whole:].copy()

    def close(self) -> None:
        """End the stream, so that results are computed once."""
        self._count(self._held)
        self._held = self._held[:0]

    def include(self, other: SoundCheck) -> None:
        """Add what the closed check of another stretch of the sound has counted."""
        self._n_samples += other._n_samples
        self._magnitudes = self._magnitudes + other._magnitudes
        self._frames = self._frames + other._frames

    def quality(self) -> tuple[Caution, ...]:
        """Cautions for the sound so far, except `short`."""
        whole = copy(self)
        whole._count(self._held)
        return tuple(caution for caution in whole._checked() if caution is not None)

    def cautions(self) -> tuple[Caution, ...]:
        """Cautions for the sound so far: `narrowband`, `clipped`, `too-quiet`, `short`."""
        return self.quality() + short((self._n_samples + len(self._held)) / SAMPLE_RATE)

    def _count(self, chunk: Array) -> None:
        if not len(chunk):
            return
        self._n_samples += len(chunk)
        self._sum += float(chunk.sum())
        # Remove the constant offset that some sound cards add.
        centred = chunk - np.float32(self._sum / self._n_samples)
        steps = _bins(np.abs(centred), 20.0, _STEPS_PER_DB)
        # New arrays: `cautions` continues on a shallow copy of this object.
        self._magnitudes = self._magnitudes + np.bincount(steps, minlength=len(self._magnitudes))
        framed = centred[: len(centred) - len(centred) % _FRAME]
        if not len(framed):
            return
        rows = framed.reshape(-1, _FRAME)
        level = np.einsum("ij,ij->i", rows, rows) / np.float32(_FRAME)
        spectra = power_spectrum(framed, n_fft=_FRAME, hop=_FRAME, padding=None).T
        line = spectra[:, :-2] + spectra[:, 1:-1]
        line += spectra[:, 2:]
        measured = np.empty((len(level), 2 + len(_BANDS) + 2))
        measured[:, 0], measured[:, 1] = 1.0, level
        measured[:, 2:-2] = spectra @ _IN_BANDS
        measured[:, -2], measured[:, -1] = line.max(axis=1), spectra.sum(axis=1)
        self._frames = self._frames.copy()
        np.add.at(self._frames, _bins(level, 10.0, 1), measured)

    def _checked(self) -> Iterator[Caution | None]:
        filled = np.flatnonzero(self._magnitudes)
        if not len(filled) or _db(filled[-1]) < _SILENT_PEAK_DB:
            return
        n, power, speech, above, below_edge, beyond_edge, line, lines = self._active()
        yield _narrowband(_ratio_db(above, speech), _ratio_db(beyond_edge, below_edge))
        yield None if line >= TONAL_SHARE * lines else self._clipped(int(filled[-1]))
        yield _too_quiet(_ratio_db(power, n))

    def _active(self) -> NDArray[np.float64]:
        """Sums over all frames except pauses."""
        energy = np.cumsum(self._frames[::-1, 1])[::-1]
        # Level above which frames hold half of the energy.
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
            f"clipped: {100 * near / loud:.0f} % of the loud samples are within 2 dB of the peak; "
            f"in clean speech less than {100 * CLIPPED_SHARE:.0f} %",
        )


def short(duration_s: float) -> tuple[Caution, ...]:
    """The caution for a short recording; empty if it lasts at least `SHORT_S`."""
    if duration_s >= SHORT_S:
        return ()
    line = f"lasts {duration_s:.2f} s; below {SHORT_S:g} s predictions are less accurate"
    return (Caution("short", line),)


def _narrowband(above_db: float, beyond_edge_db: float) -> Caution | None:
    if above_db > NARROW_DB and -beyond_edge_db < EDGE_DB:
        return None
    less = -above_db if above_db <= NARROW_DB else -beyond_edge_db
    return Caution(
        "narrowband", f"narrowband, such as a telephone call: {less:.0f} dB less above 4 kHz"
    )


def _too_quiet(level_dbfs: float) -> Caution | None:
    if level_dbfs >= QUIET_DBFS:
        return None
    return Caution(
        "too-quiet",
        f"speech at {level_dbfs:.0f} dBFS; below {QUIET_DBFS:.0f} dBFS it is masked by the "
        "quantisation noise of 16-bit audio",
    )


def _bins(values: NDArray[np.floating], factor: float, per_db: int) -> NDArray[np.int64]:
    """Bin of each magnitude (factor 20) or power (factor 10)."""
    with np.errstate(divide="ignore"):
        steps = np.log10(values)
    # In place: every new array costs as much as its operation.
    steps *= factor * per_db
    steps -= _LOWEST_DB * per_db
    np.clip(steps, 0, _N_LEVELS * per_db - 1, out=steps)
    bins: NDArray[np.int64] = steps.astype(np.int64)
    return bins


def _db(step: int) -> float:
    return _LOWEST_DB + step / _STEPS_PER_DB


def _ratio_db(part: float, whole: float) -> float:
    """A ratio of powers in dB, at least -200."""
    return 10.0 * float(np.log10(max(part / whole, 1e-20))) if whole > 0 else 0.0
