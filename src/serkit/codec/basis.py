"""The learned basis of the mode `basis`, and the transform of blocks on it.

A block of 32 frames belongs to one of a few kinds, each with its own mean spectrum and left
singular vectors. It is projected on the vectors of its kind, and each component is
cosine-transformed along time.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.codec.context import LARGEST, N_CLASSES, ContextModel
from serkit.codec.entropy import PRECISION, Table, frequencies
from serkit.codec.frontend import BLOCK_FRAMES
from serkit.features import dct_matrix
from serkit.features.whisper import N_MELS

Array = NDArray[np.float32]

# Numbers and steps were chosen by hand and are part of the format (docs/packet-format.md);
# benchmarks/codec_ablation.py measures what the kinds gain.
N_QUALITIES = 16
DEFAULT_QUALITY = 5
"""About 2 kbit/s of live speech (benchmarks/rate_distortion.py)."""

STEPS = tuple(4.0 * 2.0 ** (-i / 5.0) for i in range(N_QUALITIES))
"""Quantiser step by quality, in units of `log10` energy."""

N_KINDS = 16
"""Kinds of blocks."""


# Temporal frequencies that decide on the kind of a block. On RAVDESS, eight take 0.2 % fewer bits
# than all 32 at equal error, and a quarter of the time.
_KIND_ROWS = 8


@dataclass(frozen=True, eq=False)
class Basis:
    """The learned parameters that sender and receiver share.

    Attributes:
        mean: Mean log-mel spectrum of each kind of block, shape `[n_kinds, 80]`, float32 with
            float16 values.
        vectors: Left singular vectors as rows, the strongest first, shape `[n_kinds, 80, 80]`,
            float32 with float16 values.
        context: Context model of the entropy coder.
        limits: Coded components by quality and row, shape `[16, 32]`.
        magnitudes: Frequencies of the magnitudes by class, shape `[64, 32]`.
        lengths: Frequencies of the number of coded rows by quality, the last that of flat blocks,
            shape `[16, 34]`.
    """

    mean: Array
    vectors: Array
    context: ContextModel
    limits: NDArray[np.uint8]
    magnitudes: NDArray[np.uint16]
    lengths: NDArray[np.uint16]

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Tensors of the file format, by name."""
        tensors = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "context"}
        context = self.context
        tensors |= {
            "mean": self.mean.astype(np.float16),
            "vectors": self.vectors.astype(np.float16),
            "context.prior": context.prior.astype(np.int16),
            "context.inner": context.inner.astype(np.int16),
            "context.inner_bias": context.inner_bias.astype(np.int32),
            "context.outer": context.outer.astype(np.int16),
            "context.outer_bias": np.array([context.outer_bias], np.int32),
        }
        return tensors

    @classmethod
    def of_tensors(cls, tensors: dict[str, NDArray[Any]]) -> Basis:
        """The inverse of `tensors`."""
        own: dict[str, Any] = {
            name: values.astype(np.float32) if values.dtype == np.float16 else values
            for name, values in tensors.items()
            if "." not in name
        }
        learned = {
            name.removeprefix("context."): values.astype(np.float32)
            for name, values in tensors.items()
            if name.startswith("context.")
        }
        outer_bias = float(learned.pop("outer_bias")[0])
        return cls(**own, context=ContextModel(**learned, outer_bias=outer_bias))

    @cached_property
    def digest(self) -> bytes:
        """First four bytes of the SHA-256 of the tensors, sorted by name."""
        digest = hashlib.sha256()
        for name, values in sorted(self.tensors().items()):
            digest.update(name.encode())
            digest.update(values.astype(values.dtype.newbyteorder("<")).tobytes())
        return digest.digest()[:4]

    @cached_property
    def magnitude_tables(self) -> tuple[Table, ...]:
        """Tables of the magnitudes, by class."""
        return tuple(Table(row.tolist()) for row in self.magnitudes)

    @cached_property
    def magnitude_spans(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Frequencies and cumulative frequencies of the magnitudes, both flat `[64 * 32]`."""
        frequencies = self.magnitudes.astype(np.int64)
        return frequencies.ravel(), (np.cumsum(frequencies, axis=1) - frequencies).ravel()

    @cached_property
    def length_tables(self) -> tuple[Table, ...]:
        """Tables of the number of rows, by quality."""
        return tuple(Table(row.tolist()) for row in self.lengths)

    @cached_property
    def levels(self) -> Array:
        """Row 0 of the transformed means, shape `[n_kinds, 80]`; the other rows are 0."""
        projected = np.einsum("ijk,ik->ij", self.vectors, self.mean)
        levels: Array = projected * np.float32(BLOCK_FRAMES**0.5)
        return levels

    @cached_property
    def expected(self) -> tuple[Array, Array]:
        """Inverse expected magnitudes that decide on the kind, and the sums of their logarithms.

        Shapes `[n_kinds, 80, 8]` and `[n_kinds]`.
        """
        prior = self.context.prior[:, :_KIND_ROWS].swapaxes(1, 2)
        sizes = np.maximum(np.exp(prior / 8.0), STEPS[DEFAULT_QUALITY] / 4.0)
        rates: Array = np.ascontiguousarray(1.0 / sizes, np.float32)
        return rates, np.log(rates).sum(axis=(1, 2))

    def inside(self, quality: int) -> NDArray[np.bool_]:
        """Whether a coefficient is within the limit of its row, shape `[32, 80]`."""
        inside: NDArray[np.bool_] = np.arange(N_MELS) < self.limits[quality][:, None]
        return inside

    @cached_property
    def costs(self) -> Array:
        """Bits of each magnitude by class, including the sign, shape `[64, 32]`."""
        bits = PRECISION - np.log2(self.magnitudes.astype(np.float64))
        bits[:, 1:] += 1.0
        return bits.astype(np.float32)


def step_level(quality: int) -> int:
    """Quantiser step in eighths of a natural logarithm, an input of the context model."""
    return round(8.0 * float(np.log(STEPS[quality])))


def coefficients(basis: Basis, block: Array, kind: int) -> Array:
    """Transform a block on the basis of a kind.

    Args:
        basis: The basis.
        block: Log-mel, shape `[80, 32]`.
        kind: Kind of block.

    Returns:
        Shape `[32, 80]`: temporal frequency by component, the lowest and the strongest first.
    """
    transformed: Array = (_cosines() @ block.T) @ basis.vectors[kind].T
    transformed[0] -= basis.levels[kind]
    return transformed


def block_of(basis: Basis, values: Array, kind: int) -> Array:
    """The inverse of `coefficients`.

    Args:
        basis: The basis.
        values: Coefficients, shape `[32, 80]`.
        kind: Kind of block.

    Returns:
        Log-mel, shape `[80, 32]`.
    """
    block: Array = basis.vectors[kind].T @ (values.T @ _cosines()) + basis.mean[kind][:, None]
    return block


def likeliest(basis: Basis, block: Array) -> tuple[int, Array]:
    """The kind under which a block is most likely.

    Magnitudes are modelled as exponential, those of the lowest eight temporal frequencies. Their
    expectation is at least a quarter of the default step, as smaller coefficients are not sent.

    Args:
        basis: The basis.
        block: Log-mel, shape `[80, 32]`.

    Returns:
        The kind, and the block's coefficients, shape `[32, 80]`.
    """
    low = block @ _cosines()[:_KIND_ROWS].T
    by_kind = (basis.vectors.reshape(-1, N_MELS) @ low).reshape(-1, N_MELS, _KIND_ROWS)
    by_kind[:, :, 0] -= basis.levels
    rates, log_rates = basis.expected
    surprise = np.einsum("ijk,ijk->i", np.abs(by_kind), rates) - log_rates
    best = int(surprise.argmin())
    return best, coefficients(basis, block, best)


@lru_cache(maxsize=1)
def _cosines() -> Array:
    return dct_matrix(BLOCK_FRAMES, BLOCK_FRAMES)


def plain_frequencies() -> NDArray[np.uint16]:
    """Initial frequencies of the magnitudes: geometric, with the mean growing by class."""
    means = np.exp((np.arange(N_CLASSES) - 32.0) / 8.0)
    ratios = means / (1.0 + means)
    shares = (1.0 - ratios[:, None]) * ratios[:, None] ** np.arange(LARGEST + 1.0)
    return np.stack([frequencies(row + 1e-6) for row in shares]).astype(np.uint16)
