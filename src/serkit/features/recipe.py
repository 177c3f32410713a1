"""Which features a model takes: a versioned recipe, as data, and its execution."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE, normalise_peak, pre_emphasis, trim
from serkit.errors import RecipeError
from serkit.features.cepstrum import delta, mfcc
from serkit.features.chroma import chroma
from serkit.features.cost import MAX_BYTES, MAX_OPERATIONS, MAX_TABLE_BYTES, Cost, Rows, cost
from serkit.features.energy import rms, zero_crossings
from serkit.features.frames import WindowName
from serkit.features.functionals import FUNCTIONAL_NAMES, functionals
from serkit.features.mel import MelScale, mel_filter_bank, power_to_db
from serkit.features.pitch import Pitch, pitch_candidates
from serkit.features.shape import SHAPE_NAMES, spectral_shape
from serkit.features.spectrum import power_spectra

Array = NDArray[np.float32]

RECIPE_VERSION = 1
"""Changes whenever the same recipe would give other numbers."""

MAX_FEATURES = 1 << 16
"""No recipe yields more features than this."""


MAX_DESCRIPTORS = 64
"""Nor names more descriptors."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One family of frame features and the statistics taken of it.

    Attributes:
        name: `mel` (power), `log-mel` (dB), `mfcc`, `chroma`, `level` (RMS in dB),
            `zero-crossings`, `shape` (see `spectral_shape`), `pitch` (semitones above 27.5 Hz and
            voicing strength, over voiced frames) or `voicing` (1 where voiced).
        size: Rows wanted of `mfcc` and `chroma`; the others have theirs.
        order: 0 the features, 1 their slopes, 2 the slopes of those.
        functionals: Statistics over time; none keeps the frames themselves.
    """

    name: str
    size: int = 0
    order: int = 0
    functionals: tuple[str, ...] = ("mean",)


@dataclass(frozen=True, slots=True)
class FeatureRecipe:
    """How samples become what a model takes: a vector of functionals, or a sequence of frames.

    Attributes:
        name: What people call it.
        descriptors: What is computed, in the order of the vector.
        version: `RECIPE_VERSION` of the code it was made with.
        trim_db: Remove ends quieter than the loudest frame by this, in dB; None keeps them.
        peak: Scale the recording to this peak; None keeps its level.
        pre_emphasis: Coefficient of the pre-emphasis; 0 for none.
        n_fft: Length of the transform.
        window_length: Length of the window in samples, at most `n_fft`.
        window: `hann`, `hamming` or `rectangular`.
        hop: Distance between frames in samples.
        n_mels: Filters of the bank behind `mel`, `log-mel` and `mfcc`.
        mel_scale: `slaney` or `htk`.
        f_min: Lower edge of the filter bank in Hz.
        f_max: Upper edge in Hz.
        gate_db: Leave frames out whose level lies further than this below the loudest; None
            keeps all frames.

    Raises:
        RecipeError: A value is impossible, unknown or of another version, or the recipe takes more
            than `MAX_OPERATIONS`, `MAX_BYTES` or `MAX_TABLE_BYTES`.
    """

    name: str
    descriptors: tuple[Descriptor, ...]
    version: int = RECIPE_VERSION
    trim_db: float | None = None
    peak: float | None = None
    pre_emphasis: float = 0.0
    n_fft: int = 2048
    window_length: int = 2048
    window: WindowName = "hann"
    hop: int = 512
    n_mels: int = 128
    mel_scale: MelScale = "slaney"
    f_min: float = 0.0
    f_max: float = SAMPLE_RATE / 2
    gate_db: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be computed."""
        _validate(self)

    @property
    def per_frame(self) -> bool:
        """Whether the frames themselves are kept, and no functionals taken of them."""
        return not self.descriptors[0].functionals

    @property
    def feature_names(self) -> tuple[str, ...]:
        """A name for each element of the vector or row, such as `mfcc[3]'.std` or `log-mel[0]`."""
        return tuple(
            f"{row}{chr(39) * d.order}" + (f".{functional}" if functional else "")
            for d in self.descriptors
            for functional in d.functionals or ("",)
            for row in _FAMILIES[d.name].row_names(self, d)
        )

    @property
    def n_features(self) -> int:
        """Length of the vector, or number of rows."""
        return sum(
            len(_FAMILIES[d.name].row_names(self, d)) * max(1, len(d.functionals))
            for d in self.descriptors
        )

    @property
    def cost(self) -> Cost:
        """What it takes to compute."""
        return cost(
            (
                Rows(d.name, len(_FAMILIES[d.name].row_names(self, d)), d.order, len(d.functionals))
                for d in self.descriptors
            ),
            n_fft=self.n_fft,
            hop=self.hop,
            n_mels=self.n_mels,
        )

    def to_dict(self) -> dict[str, Any]:
        """The recipe as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FeatureRecipe:
        """The recipe that `to_dict` wrote.

        Raises:
            RecipeError: A key is missing or unknown, or a value is impossible.
        """
        values = _known(cls, values)
        described = values.get("descriptors")
        if not isinstance(described, list | tuple):
            raise RecipeError(f"descriptors is {described!r}; expected a list")
        values["descriptors"] = tuple(_descriptor(one) for one in described)
        try:
            return cls(**values)
        except TypeError as error:
            raise RecipeError(f"the feature recipe is incomplete or malformed: {error}") from None


def extract(recipe: FeatureRecipe, samples: Array) -> Array:
    """The features of a recording.

    Args:
        recipe: What to compute.
        samples: Mono float32 at 16 kHz, shape `[n_samples]`.

    Returns:
        Shape `[recipe.n_features]`, or `[recipe.n_features, n_frames]` with at least one frame
        where the recipe keeps frames; float32, finite.
    """
    analysis = _Analysis(recipe, samples)
    parts = []
    for descriptor in recipe.descriptors:
        family = _FAMILIES[descriptor.name]
        rows = family.rows(analysis, descriptor)
        for _ in range(descriptor.order):
            rows = delta(rows)
        if recipe.per_frame:
            parts.append(rows)
            continue
        counted = rows.take(np.flatnonzero(family.frames(analysis)), axis=1)
        parts.append(functionals(counted, descriptor.functionals).ravel())
    return np.concatenate(parts)


class _Analysis:
    """One recording under one recipe: frames and spectra shared by all descriptors."""

    def __init__(self, recipe: FeatureRecipe, samples: Array) -> None:
        if recipe.trim_db is not None:
            samples = trim(samples, top_db=recipe.trim_db)
        if recipe.peak is not None:
            samples = normalise_peak(samples, recipe.peak)
        self.recipe = recipe
        self.samples = samples

    @cached_property
    def spectral(self) -> dict[tuple[str, int], Array]:
        """All that follows from the spectra, which are computed once, some frames at a time.

        By what it is, `mel`, `chroma`, `shape` or `pitch`, and its size.
        """
        recipe, samples = self.recipe, self.samples
        if recipe.pre_emphasis:
            samples = pre_emphasis(samples, recipe.pre_emphasis)
        wanted = {key for d in recipe.descriptors if (key := _spectral_key(d))}
        parts: dict[tuple[str, int], list[Array]] = {key: [] for key in wanted}
        before: Array | None = None
        for power in power_spectra(
            samples,
            n_fft=recipe.n_fft,
            hop=recipe.hop,
            window_length=recipe.window_length,
            window_name=recipe.window,
        ):
            for key in wanted:
                parts[key].append(self._of_spectra(key, power, before))
            before = power[:, -1:]
        return {
            key: rows[0] if len(rows) == 1 else np.concatenate(rows, axis=1)
            for key, rows in parts.items()
        }

    def _of_spectra(self, key: tuple[str, int], power: Array, before: Array | None) -> Array:
        """The rows of some frames; `before` is the spectrum of the frame before them."""
        recipe = self.recipe
        name, size = key
        if name == "mel":
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
        if name == "chroma":
            return chroma(power, size)
        if name == "pitch":
            return np.stack(
                pitch_candidates(
                    power, window_length=recipe.window_length, window_name=recipe.window
                )
            )
        if before is None:
            return spectral_shape(power)
        # The flux of the first frame is its change from the one before.
        return spectral_shape(np.concatenate((before, power), axis=1))[:, 1:]

    @property
    def mel(self) -> Array:
        return self.spectral["mel", 0]

    @cached_property
    def log_mel(self) -> Array:
        return power_to_db(self.mel)

    @cached_property
    def level(self) -> Array:
        amplitude = rms(self.samples, length=self.recipe.n_fft, hop=self.recipe.hop)
        return power_to_db(np.square(amplitude))[None]

    @cached_property
    def pitch(self) -> Pitch:
        return Pitch.of(*self.spectral["pitch", 0])

    @cached_property
    def audible(self) -> NDArray[np.bool_]:
        """Frames that take part in the statistics."""
        level = self.level[0]
        if self.recipe.gate_db is None:
            return np.ones(len(level), np.bool_)
        audible: NDArray[np.bool_] = level >= level.max() - self.recipe.gate_db
        return audible


def _spectral_key(descriptor: Descriptor) -> tuple[str, int] | None:
    """What of the spectra a descriptor is made from; None if it is made from the samples."""
    sources = {"log-mel": "mel", "mfcc": "mel", "voicing": "pitch"}
    name = sources.get(descriptor.name, descriptor.name)
    if name not in ("mel", "chroma", "shape", "pitch"):
        return None
    return name, descriptor.size if name == "chroma" else 0


def _audible(analysis: _Analysis) -> NDArray[np.bool_]:
    return analysis.audible


def _voiced(analysis: _Analysis) -> NDArray[np.bool_]:
    return analysis.audible & analysis.pitch.voiced


def _one_row(_: FeatureRecipe, descriptor: Descriptor) -> list[str]:
    return [descriptor.name]


def _sized(_: FeatureRecipe, descriptor: Descriptor) -> list[str]:
    return [f"{descriptor.name}[{i}]" for i in range(descriptor.size)]


def _per_mel(recipe: FeatureRecipe, descriptor: Descriptor) -> list[str]:
    return [f"{descriptor.name}[{i}]" for i in range(recipe.n_mels)]


def _pitch_rows(analysis: _Analysis) -> Array:
    found = analysis.pitch
    return np.stack((12.0 * np.log2(found.hz / np.float32(27.5)), found.strength))


@dataclass(frozen=True, slots=True)
class _Family:
    """How a descriptor's rows are named and computed, and which frames count."""

    row_names: Callable[[FeatureRecipe, Descriptor], list[str]]
    rows: Callable[[_Analysis, Descriptor], Array]
    frames: Callable[[_Analysis], NDArray[np.bool_]] = _audible


_FAMILIES = {
    "mel": _Family(_per_mel, lambda a, d: a.mel),
    "log-mel": _Family(_per_mel, lambda a, d: a.log_mel),
    "mfcc": _Family(_sized, lambda a, d: mfcc(a.log_mel, d.size)),
    "chroma": _Family(_sized, lambda a, d: a.spectral["chroma", d.size]),
    "level": _Family(_one_row, lambda a, d: a.level),
    "zero-crossings": _Family(
        _one_row,
        lambda a, d: zero_crossings(a.samples, length=a.recipe.n_fft, hop=a.recipe.hop)[None],
    ),
    "shape": _Family(lambda r, d: list(SHAPE_NAMES), lambda a, d: a.spectral["shape", 0]),
    "pitch": _Family(lambda r, d: ["pitch", "strength"], lambda a, d: _pitch_rows(a), _voiced),
    "voicing": _Family(_one_row, lambda a, d: a.pitch.voiced[None].astype(np.float32)),
}

DESCRIPTOR_NAMES = tuple(_FAMILIES)
"""What a recipe can ask for."""


def _known(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `values` if every key is a field of `kind`."""
    if not isinstance(values, Mapping):
        raise RecipeError(f"found {values!r} where a {kind.__name__} was expected")
    names = [f.name for f in fields(kind)]
    unknown = sorted(set(values) - set(names))
    if unknown:
        raise RecipeError(
            f"{kind.__name__} has no {', '.join(map(repr, unknown))}; it has {', '.join(names)}"
        )
    return dict(values)


def _descriptor(values: Mapping[str, Any]) -> Descriptor:
    values = _known(Descriptor, values)
    if "name" not in values:
        raise RecipeError(f"a descriptor without a name: {values!r}")
    named = values.get("functionals", ("mean",))
    if not isinstance(named, list | tuple):
        raise RecipeError(f"functionals is {named!r}; expected a list")
    values["functionals"] = tuple(named)
    return Descriptor(**values)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise RecipeError(message)


def _is_int(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_number(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _validate(recipe: FeatureRecipe) -> None:
    r = recipe
    _require(
        _is_int(r.version, RECIPE_VERSION, RECIPE_VERSION),
        f"the feature recipe is of version {r.version!r}; this serkit computes version "
        f"{RECIPE_VERSION}: install the serkit the model was made with, or train it again",
    )
    _require(isinstance(r.name, str) and bool(r.name), "a feature recipe needs a name")
    _require(_is_int(r.n_fft, 16, 1 << 16), f"n_fft is {r.n_fft!r}; expected 16 to 65536")
    _require(r.n_fft % 2 == 0, f"n_fft is {r.n_fft!r}; expected an even number")
    _require(
        _is_int(r.window_length, 1, r.n_fft),
        f"window_length is {r.window_length!r}; expected 1 to n_fft = {r.n_fft}",
    )
    _require(_is_int(r.hop, 16, 1 << 16), f"hop is {r.hop!r}; expected 16 to 65536 samples")
    _require(_is_int(r.n_mels, 1, 1024), f"n_mels is {r.n_mels!r}; expected 1 to 1024")
    for name, choices in (("window", get_args(WindowName)), ("mel_scale", get_args(MelScale))):
        found = getattr(r, name)
        _require(found in choices, f"{name} is {found!r}; expected one of {', '.join(choices)}")
    _require(
        _is_number(r.f_max, 1.0, SAMPLE_RATE / 2) and _is_number(r.f_min, 0.0, r.f_max),
        f"the filter bank spans {r.f_min!r} to {r.f_max!r} Hz; "
        f"expected 0 <= f_min <= f_max <= {SAMPLE_RATE // 2}",
    )
    _require(
        _is_number(r.pre_emphasis, 0.0, 1.0),
        f"pre_emphasis is {r.pre_emphasis!r}; expected 0 to 1",
    )
    for name, low, high in (("trim_db", 1, 120), ("gate_db", 1, 120), ("peak", 1e-3, 1.0)):
        found = getattr(r, name)
        _require(
            found is None or _is_number(found, low, high),
            f"{name} is {found!r}; expected null or {low} to {high}",
        )
    _require(
        1 <= len(r.descriptors) <= MAX_DESCRIPTORS,
        f"the feature recipe has {len(r.descriptors)} descriptors; expected at least one "
        f"descriptor and at most {MAX_DESCRIPTORS}",
    )
    _require(
        r.gate_db is None or not r.per_frame, "gate_db is for functionals; trim the ends instead"
    )
    for d in r.descriptors:
        _validate_descriptor(r, d)
    _require(
        r.n_features <= MAX_FEATURES,
        f"the recipe yields {r.n_features} features; expected at most {MAX_FEATURES}",
    )
    _validate_cost(r.cost)


def _validate_cost(found: Cost) -> None:
    _require(
        found.operations <= MAX_OPERATIONS,
        f"the recipe takes {found.operations / 1e6:.0f} million operations for a second of sound; "
        f"expected at most {MAX_OPERATIONS / 1e6:.0f} million: take a longer hop, a shorter n_fft, "
        "fewer n_mels or fewer descriptors",
    )
    _require(
        found.bytes <= MAX_BYTES,
        f"the recipe takes {found.bytes / 1e6:.1f} MB for a second of sound; expected at most "
        f"{MAX_BYTES / 1e6:.1f} MB: take a longer hop, fewer n_mels or fewer descriptors",
    )
    _require(
        found.table_bytes <= MAX_TABLE_BYTES,
        f"the filter banks of the recipe take {found.table_bytes / 1e6:.0f} MB; expected at most "
        f"{MAX_TABLE_BYTES / 1e6:.0f} MB: take a shorter n_fft, fewer n_mels or less chroma",
    )


def _validate_descriptor(recipe: FeatureRecipe, d: Descriptor) -> None:
    _require(
        d.name in _FAMILIES,
        f"no descriptor is called {d.name!r}; there are {', '.join(_FAMILIES)}",
    )
    sized = {"mfcc": recipe.n_mels, "chroma": 120}
    if d.name in sized:
        _require(
            _is_int(d.size, 1, sized[d.name]),
            f"the size of {d.name} is {d.size!r}; expected 1 to {sized[d.name]}",
        )
    else:
        _require(d.size == 0, f"{d.name} has a size of its own; leave out size = {d.size!r}")
    _require(_is_int(d.order, 0, 2), f"the order of {d.name} is {d.order!r}; expected 0, 1 or 2")
    _require(
        bool(d.functionals) != recipe.per_frame,
        f"{d.name} names {'' if d.functionals else 'no '}functionals, unlike the descriptor before "
        "it; a recipe takes functionals of all its descriptors, or keeps the frames of all",
    )
    unknown = [name for name in d.functionals if name not in FUNCTIONAL_NAMES]
    _require(
        not unknown,
        f"no functional is called {', '.join(map(repr, unknown))}; "
        f"there are {', '.join(FUNCTIONAL_NAMES)}",
    )
    _require(len(set(d.functionals)) == len(d.functionals), f"{d.name} names a functional twice")
    if d.name in ("pitch", "voicing"):
        _require(
            recipe.n_fft - recipe.window_length >= SAMPLE_RATE // 62.5
            and recipe.window_length >= 400,
            f"{d.name} needs a window of at least 400 samples and an n_fft at least 256 longer; "
            f"found window_length = {recipe.window_length}, n_fft = {recipe.n_fft}",
        )
