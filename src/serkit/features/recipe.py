"""Feature recipes: the features of a model, computed from sound or from log-mel, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import combinations
from typing import Any, ClassVar, Self, get_args

from serkit.audio import SAMPLE_RATE
from serkit.errors import RecipeError
from serkit.features.cost import Cost
from serkit.features.descriptors import DESCRIPTORS, Descriptor, cost
from serkit.features.frames import WindowName
from serkit.features.functionals import CORRELATIONS, FUNCTIONAL_NAMES
from serkit.features.mel import MelScale
from serkit.features.whisper import HOP, N_MELS
from serkit.plain import is_int
from serkit.text import shortened, shown

RECIPE_VERSION = 1
"""Changes whenever the same recipe would give other numbers."""

MAX_FEATURES = 1 << 16
"""Features of a recipe, at most."""

MAX_DESCRIPTORS = 64
"""Descriptors of a recipe, at most."""


class DescriptorRecipe:
    """The base of both kinds of recipe: descriptors and the feature names they determine."""

    __slots__ = ()
    NOUN: ClassVar[str]
    name: str
    descriptors: tuple[Descriptor, ...]
    version: int
    n_mels: int
    gate_db: float | None

    @property
    def per_frame(self) -> bool:
        """Whether the frames themselves are kept, without functionals."""
        return not self.descriptors[0].functionals

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Name of each element of the vector or row, such as `mfcc[3]'.std` or `log-mel[0]`.

        A correlation has the names of both rows, such as `mfcc[0]~mfcc[1]`.
        """
        names: list[str] = []
        for d in self.descriptors:
            rows = [f"{row}{chr(39) * d.order}" for row in DESCRIPTORS[d.name].row_names(self, d)]
            if not d.functionals:
                names += rows
            names += [f"{row}.{functional}" for functional in d.of_rows for row in rows]
            if CORRELATIONS in d.functionals:
                names += [f"{a}~{b}" for a, b in combinations(rows, 2)]
        return tuple(names)

    @property
    def n_features(self) -> int:
        """Length of the vector, or number of rows."""
        return sum(
            d.n_values(len(DESCRIPTORS[d.name].row_names(self, d))) for d in self.descriptors
        )

    def to_dict(self) -> dict[str, Any]:
        """The recipe as plain JSON values."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]  # subclasses are dataclasses

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The recipe that `to_dict` wrote.

        Raises:
            RecipeError: A key is missing or unknown, or a value is invalid.
        """
        values = _known(cls, values)
        described = values.get("descriptors")
        if not isinstance(described, list | tuple):
            raise RecipeError(f"descriptors is {shown(described)}; expected a list")
        values["descriptors"] = tuple(_descriptor(one) for one in described)
        try:
            return cls(**values)
        except TypeError as error:
            raise RecipeError(f"the {cls.NOUN} is incomplete or malformed: {error}") from None


@dataclass(frozen=True, slots=True)
class FeatureRecipe(DescriptorRecipe):
    """Features computed from sound: a vector of functionals, or a sequence of frames.

    Attributes:
        name: Name of the recipe.
        descriptors: Descriptors, in the order of the vector.
        version: `RECIPE_VERSION` of the code it was written for.
        trim_db: Trim ends that are quieter than the loudest frame by this, in dB; None for no
            trimming.
        peak: Peak to which the recording is scaled; None for no scaling.
        pre_emphasis: Coefficient of the pre-emphasis; 0 for none.
        n_fft: Length of the transform in samples.
        window_length: Length of the window in samples, at most `n_fft`.
        window: `hann`, `hamming` or `rectangular`.
        hop: Distance between frames in samples.
        n_mels: Number of mel bands of `mel`, `log-mel` and `mfcc`.
        mel_scale: `slaney` or `htk`.
        f_min: Lower edge of the mel filter bank in Hz.
        f_max: Upper edge of the mel filter bank in Hz.
        gate_db: Exclude frames whose level is further than this below the loudest, in dB; None
            keeps all frames.

    Raises:
        RecipeError: A value or the version is invalid, or the recipe exceeds a budget of
            `serkit.features.cost`.
    """

    NOUN = "feature recipe"

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
        """Check all values."""
        _validate_common(self)
        _validate_analysis(self)
        _validate_descriptors(self)
        for d in self.descriptors:
            needs = DESCRIPTORS[d.name].needs
            _require(
                needs is None or needs[0](self),
                f"window_length is {self.window_length} and n_fft is {self.n_fft}; "
                f"{d.name} needs {needs[1] if needs else ''}",
            )
        problem = self.cost.problem()
        _require(problem is None, problem or "")

    @property
    def cost(self) -> Cost:
        """Its computational cost."""
        return cost(self)


@dataclass(frozen=True, slots=True)
class LogMelRecipe(DescriptorRecipe):
    """Features computed from Whisper's log-mel spectrogram, of sound or of decoded packets.

    The spectrogram is normalised to its maximum, which removes the level of the recording, and
    limited to a range of 80 dB.

    Attributes:
        name: Name of the recipe.
        descriptors: `log-mel` (dB), `mfcc` and `level` (sum of the mel energies in dB).
        version: `RECIPE_VERSION` of the code it was written for.
        gate_db: Exclude frames whose level is further than this below the loudest, in dB; None
            keeps all frames.

    Raises:
        RecipeError: A value or the version is invalid.
    """

    NOUN = "log-mel recipe"

    name: str
    descriptors: tuple[Descriptor, ...]
    version: int = RECIPE_VERSION
    gate_db: float | None = None

    def __post_init__(self) -> None:
        """Check all values."""
        _validate_common(self)
        for d in self.descriptors:
            _require(
                d.name not in DESCRIPTORS or DESCRIPTORS[d.name].of_log_mel,
                f"{d.name} cannot be computed from a log-mel spectrogram; "
                f"{', '.join(name for name, t in DESCRIPTORS.items() if t.of_log_mel)} can",
            )
        _validate_descriptors(self)

    @property
    def n_mels(self) -> int:  # type: ignore[override]  # fixed by the front end
        """Number of mel bands."""
        return N_MELS

    @property
    def hop(self) -> int:
        """Distance between frames in samples."""
        return HOP


def _known(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `values`, whose keys must be fields of `kind`."""
    if not isinstance(values, Mapping):
        raise RecipeError(f"a {kind.__name__} is {shown(values)}; expected an object")
    names = [f.name for f in fields(kind)]
    unknown = sorted(set(values) - set(names))
    if unknown:
        raise RecipeError(
            f"{kind.__name__} has no {shortened(', '.join(map(repr, unknown)), 200)}; "
            f"expected {', '.join(names)}"
        )
    return dict(values)


def _descriptor(values: Mapping[str, Any]) -> Descriptor:
    values = _known(Descriptor, values)
    if "name" not in values:
        raise RecipeError(f"a descriptor has no name: {shown(values)}")
    named = values.get("functionals", ("mean",))
    if not isinstance(named, list | tuple):
        raise RecipeError(f"functionals is {shown(named)}; expected a list")
    values["functionals"] = tuple(named)
    return Descriptor(**values)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise RecipeError(message)


def _is_number(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _require_null_or(r: DescriptorRecipe, name: str, low: float, high: float) -> None:
    value = getattr(r, name)
    _require(
        value is None or _is_number(value, low, high),
        f"{name} is {shown(value)}; expected null or {low} to {high}",
    )


def _validate_common(r: DescriptorRecipe) -> None:
    _require(
        is_int(r.version, RECIPE_VERSION, RECIPE_VERSION),
        f"the {r.NOUN} is of version {shown(r.version)}; this serkit computes version "
        f"{RECIPE_VERSION}: install the serkit that wrote the model, or train it again",
    )
    _require(
        isinstance(r.name, str) and bool(r.name),
        f"the name of the {r.NOUN} is {shown(r.name)}; expected a text",
    )
    _require_null_or(r, "gate_db", 1, 120)
    _require(
        1 <= len(r.descriptors) <= MAX_DESCRIPTORS,
        f"the {r.NOUN} has {len(r.descriptors)} descriptors; expected 1 to {MAX_DESCRIPTORS}",
    )


def _validate_analysis(r: FeatureRecipe) -> None:
    _require(is_int(r.n_fft, 16, 1 << 16), f"n_fft is {shown(r.n_fft)}; expected 16 to 65536")
    _require(r.n_fft % 2 == 0, f"n_fft is {r.n_fft}; expected an even number")
    _require(
        is_int(r.window_length, 1, r.n_fft),
        f"window_length is {shown(r.window_length)}; expected 1 to n_fft = {r.n_fft}",
    )
    _require(is_int(r.hop, 16, 1 << 16), f"hop is {shown(r.hop)}; expected 16 to 65536 samples")
    _require(is_int(r.n_mels, 1, 1024), f"n_mels is {shown(r.n_mels)}; expected 1 to 1024")
    for name, choices in (("window", get_args(WindowName)), ("mel_scale", get_args(MelScale))):
        value = getattr(r, name)
        _require(
            value in choices, f"{name} is {shown(value)}; expected one of {', '.join(choices)}"
        )
    _require(
        _is_number(r.f_max, 1.0, SAMPLE_RATE / 2) and _is_number(r.f_min, 0.0, r.f_max),
        f"the filter bank spans {shown(r.f_min)} to {shown(r.f_max)} Hz; "
        f"expected 0 <= f_min <= f_max <= {SAMPLE_RATE // 2}",
    )
    _require(
        _is_number(r.pre_emphasis, 0.0, 1.0),
        f"pre_emphasis is {shown(r.pre_emphasis)}; expected 0 to 1",
    )
    _require_null_or(r, "trim_db", 1, 120)
    _require_null_or(r, "peak", 1e-3, 1.0)


def _validate_descriptors(r: DescriptorRecipe) -> None:
    _require(
        r.gate_db is None or not r.per_frame,
        "gate_db applies to functionals, but the recipe keeps frames; use trim_db instead",
    )
    for d in r.descriptors:
        _validate_descriptor(r, d)
    _require(
        r.n_features <= MAX_FEATURES,
        f"the recipe yields {r.n_features} features; expected at most {MAX_FEATURES}",
    )


def _validate_descriptor(recipe: DescriptorRecipe, d: Descriptor) -> None:
    _require(
        d.name in DESCRIPTORS,
        f"unknown descriptor {shown(d.name)}; expected one of {', '.join(DESCRIPTORS)}",
    )
    max_size = DESCRIPTORS[d.name].max_size
    if max_size is not None:
        _require(
            is_int(d.size, 1, max_size(recipe)),
            f"the size of {d.name} is {shown(d.size)}; expected 1 to {max_size(recipe)}",
        )
    else:
        _require(d.size == 0, f"the size of {d.name} is fixed; remove size = {shown(d.size)}")
    _require(
        is_int(d.order, 0, 2), f"the order of {d.name} is {shown(d.order)}; expected 0, 1 or 2"
    )
    _require(
        bool(d.functionals) != recipe.per_frame,
        f"{d.name} has {'' if d.functionals else 'no '}functionals, unlike the first descriptor; "
        "expected functionals of all descriptors, or of none",
    )
    known = (*FUNCTIONAL_NAMES, CORRELATIONS)
    unknown = [name for name in d.functionals if name not in known]
    _require(
        not unknown,
        f"unknown functionals {shortened(', '.join(map(repr, unknown)), 200)}; "
        f"expected some of {', '.join(known)}",
    )
    _require(len(set(d.functionals)) == len(d.functionals), f"{d.name} names a functional twice")
