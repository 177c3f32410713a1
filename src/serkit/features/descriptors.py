"""Frame descriptors of recipes; a new one is an entry of `DESCRIPTORS`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log2
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE
from serkit.features.cepstrum import mfcc
from serkit.features.chroma import chroma
from serkit.features.cost import Cost
from serkit.features.energy import zero_crossings
from serkit.features.functionals import CORRELATIONS
from serkit.features.mel import mel_filter_bank
from serkit.features.pitch import pitch_candidates
from serkit.features.shape import SHAPE_NAMES, spectral_shape

if TYPE_CHECKING:
    from serkit.features.analysis import Analysis, SoundAnalysis
    from serkit.features.recipe import FeatureRecipe

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A family of frame features and its functionals.

    Attributes:
        name: `mel` (power), `log-mel` (dB), `mfcc`, `chroma`, `level` (RMS in dB),
            `zero-crossings`, `shape` (see `spectral_shape`), `pitch` (semitones above 27.5 Hz and
            voicing strength, over voiced frames) or `voicing` (1 in voiced frames).
        size: Number of rows of `mfcc` and `chroma`; 0 for the others, whose number is fixed.
        order: 0 for the features, 1 for their deltas, 2 for the deltas of the deltas.
        functionals: Statistics over time; none keeps the frames. `correlations`, of all pairs of
            rows, follow the others in the vector.
    """

    name: str
    size: int = 0
    order: int = 0
    functionals: tuple[str, ...] = ("mean",)

    @property
    def of_rows(self) -> tuple[str, ...]:
        """The functionals of single rows."""
        return tuple(name for name in self.functionals if name != CORRELATIONS)

    def n_values(self, n_rows: int) -> int:
        """Values of a descriptor of so many rows in the vector, or per frame."""
        n_pairs = n_rows * (n_rows - 1) // 2 if CORRELATIONS in self.functionals else 0
        return n_rows * (len(self.of_rows) if self.functionals else 1) + n_pairs


class Banded(Protocol):
    """The part of a recipe that the number of rows depends on."""

    @property
    def n_mels(self) -> int:
        """Number of mel bands."""


@dataclass(frozen=True, slots=True, eq=False)
class SpectralRows:
    """Rows computed from the power spectra of a few frames at a time.

    Attributes:
        compute: From a recipe, the descriptor's size, the power spectra `[n_bins, n_frames]` and
            the spectrum of the frame before them, `[n_bins, 1]` or None.
        operations: Operations per frame, given a recipe and a size; the transform is not included.
        numbers: Numbers kept per frame, given a recipe and a size.
        table: Numbers of a filter bank, given a recipe and a size.
        sized: Whether the descriptor's size decides the rows.
    """

    compute: Callable[[FeatureRecipe, int, Array, Array | None], Array]
    operations: Callable[[FeatureRecipe, int], float]
    numbers: Callable[[FeatureRecipe, int], float]
    table: Callable[[FeatureRecipe, int], float] = lambda recipe, size: 0.0
    sized: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class DescriptorType:
    """The implementation of a descriptor, and its cost.

    Attributes:
        row_names: Names of its rows, given a recipe and a descriptor.
        rows: Its rows `[n_rows, n_frames]`, given an analysis and a descriptor.
        spectral: The spectral rows it is computed from; None if it needs no spectra.
        frames: Frames that enter the functionals, bool, shape `[n_frames]`.
        max_size: Largest size, given a recipe; None if its number of rows is fixed.
        operations: Operations per row and frame beside those of `spectral`, given a recipe.
        needs: Requirement on a recipe: a predicate, and its description for messages.
        of_log_mel: Whether it can be computed from a log-mel spectrogram.
    """

    row_names: Callable[[Banded, Descriptor], list[str]]
    rows: Callable[[Any, Descriptor], Array]
    spectral: SpectralRows | None = None
    frames: Callable[[Any], NDArray[np.bool_]] = lambda analysis: analysis.audible
    max_size: Callable[[Banded], int] | None = None
    operations: Callable[[Banded], float] = lambda recipe: 0.0
    needs: tuple[Callable[[FeatureRecipe], bool], str] | None = None
    of_log_mel: bool = False


def _n_bins(recipe: FeatureRecipe) -> int:
    return recipe.n_fft // 2 + 1


def _transform(recipe: FeatureRecipe) -> float:
    """Operations of one transform."""
    return 2.5 * recipe.n_fft * log2(recipe.n_fft)


def _mel(recipe: FeatureRecipe, _: int, power: Array, before: Array | None) -> Array:
    bank = mel_filter_bank(
        recipe.n_mels,
        n_fft=recipe.n_fft,
        f_min=recipe.f_min,
        f_max=recipe.f_max,
        scale=recipe.mel_scale,
        equal_area=recipe.mel_scale == "slaney",
    )
    mel: Array = bank @ power
    return mel


def _shape(_: FeatureRecipe, size: int, power: Array, before: Array | None) -> Array:
    if before is None:
        return spectral_shape(power)
    # The flux of the first frame is its change from the frame before.
    return spectral_shape(np.concatenate((before, power), axis=1))[:, 1:]


def _pitch(recipe: FeatureRecipe, _: int, power: Array, before: Array | None) -> Array:
    candidates = pitch_candidates(
        power, window_length=recipe.window_length, window_name=recipe.window
    )
    return np.stack(candidates)


MEL = SpectralRows(
    _mel,
    operations=lambda r, _: 2.0 * r.n_mels * _n_bins(r) + 20.0 * r.n_mels,
    numbers=lambda r, _: 4.0 * r.n_mels,
    table=lambda r, _: r.n_mels * _n_bins(r),
)
CHROMA = SpectralRows(
    lambda recipe, size, power, before: chroma(power, size),
    operations=lambda r, size: 2.0 * size * _n_bins(r),
    numbers=lambda r, size: size,
    table=lambda r, size: size * r.n_fft,
    sized=True,
)
SHAPE = SpectralRows(_shape, operations=lambda r, _: 60.0 * _n_bins(r), numbers=lambda r, _: 6.0)
PITCH = SpectralRows(
    _pitch, operations=lambda r, _: _transform(r) / 2.0 + 3000.0, numbers=lambda r, _: 3.0
)


def _one_row(_: Banded, descriptor: Descriptor) -> list[str]:
    return [descriptor.name]


def _sized(_: Banded, descriptor: Descriptor) -> list[str]:
    return [f"{descriptor.name}[{i}]" for i in range(descriptor.size)]


def _per_mel(recipe: Banded, descriptor: Descriptor) -> list[str]:
    return [f"{descriptor.name}[{i}]" for i in range(recipe.n_mels)]


def _voiced(analysis: SoundAnalysis) -> NDArray[np.bool_]:
    return analysis.audible & analysis.pitch.voiced


def _zero_crossings(analysis: SoundAnalysis, _: Descriptor) -> Array:
    recipe = analysis.recipe
    return zero_crossings(analysis.samples, length=recipe.n_fft, hop=recipe.hop)[None]


def _pitch_rows(analysis: SoundAnalysis, _: Descriptor) -> Array:
    pitch = analysis.pitch
    return np.stack((12.0 * np.log2(pitch.hz / np.float32(27.5)), pitch.strength))


def _log_mel(analysis: Analysis, _: Descriptor) -> Array:
    return analysis.log_mel


def _mfcc(analysis: Analysis, descriptor: Descriptor) -> Array:
    return mfcc(analysis.log_mel, descriptor.size)


def _level(analysis: Analysis, _: Descriptor) -> Array:
    return analysis.level


_LONG_WINDOW = (
    lambda r: r.n_fft - r.window_length >= SAMPLE_RATE // 62.5 and r.window_length >= 400,
    "a window of at least 400 samples and an n_fft at least 256 longer",
)

DESCRIPTORS = {
    "mel": DescriptorType(_per_mel, lambda a, d: a.spectral(MEL), MEL),
    "log-mel": DescriptorType(_per_mel, _log_mel, MEL, of_log_mel=True),
    "mfcc": DescriptorType(
        _sized,
        _mfcc,
        MEL,
        max_size=lambda r: r.n_mels,
        operations=lambda r: 2.0 * r.n_mels,
        of_log_mel=True,
    ),
    "chroma": DescriptorType(
        _sized, lambda a, d: a.spectral(CHROMA, d.size), CHROMA, max_size=lambda r: 120
    ),
    "level": DescriptorType(_one_row, _level, of_log_mel=True),
    "zero-crossings": DescriptorType(_one_row, _zero_crossings),
    "shape": DescriptorType(lambda r, d: list(SHAPE_NAMES), lambda a, d: a.spectral(SHAPE), SHAPE),
    "pitch": DescriptorType(
        lambda r, d: ["pitch", "strength"], _pitch_rows, PITCH, frames=_voiced, needs=_LONG_WINDOW
    ),
    "voicing": DescriptorType(
        _one_row,
        lambda a, d: a.pitch.voiced[None].astype(np.float32),
        PITCH,
        needs=_LONG_WINDOW,
    ),
}
"""Every descriptor, by name."""

DESCRIPTOR_NAMES = tuple(DESCRIPTORS)
"""Names of all descriptors."""


def spectral_keys(descriptors: Sequence[Descriptor]) -> dict[tuple[SpectralRows, int], None]:
    """The distinct spectral rows of descriptors, each with its size, in order; 0 if not sized."""
    types = ((DESCRIPTORS[d.name], d.size) for d in descriptors)
    return {
        (spectral, size if spectral.sized else 0): None
        for kind, size in types
        if (spectral := kind.spectral)
    }


def cost(recipe: FeatureRecipe) -> Cost:
    """The cost of a recipe."""
    keys = spectral_keys(recipe.descriptors)
    # Operations and numbers per frame.
    operations, numbers = 2.0 * recipe.n_fft, 8.0
    if keys:
        operations += _transform(recipe) + 4.0 * recipe.n_fft
    for spectral, size in keys:
        operations += spectral.operations(recipe, size)
        numbers += spectral.numbers(recipe, size)
    rows = []
    for d in recipe.descriptors:
        kind = DESCRIPTORS[d.name]
        n_rows = len(kind.row_names(recipe, d))
        rows.append((n_rows, bool(d.functionals)))
        operations += n_rows * kind.operations(recipe)
        operations += n_rows * (20.0 * d.order + 10.0 * len(d.functionals))
        if CORRELATIONS in d.functionals:
            operations += 2.0 * n_rows * n_rows
    # Functionals need several copies of a descriptor's rows; frames that are kept are copied once.
    numbers += 6.0 * max((n for n, _ in rows), default=0)
    numbers += 2.0 * sum(n for n, reduced in rows if not reduced)
    frames = SAMPLE_RATE / recipe.hop
    table = max((spectral.table(recipe, size) for spectral, size in keys), default=0.0)
    return Cost(frames * operations, frames * 4.0 * numbers, 4.0 * 8.0 * table)
