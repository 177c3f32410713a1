"""What the product's mode has learned over many speakers, and blocks of log-mel on it.

A block of 32 frames is one of a few kinds, each with a mean and left singular vectors of its own.
It is turned by its kind's vectors, and each component's course over time by a cosine transform.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.codec.context import LARGEST, N_CLASSES, ContextModel
from serkit.codec.entropy import (
    PRECISION,
    Table,
    frequencies,
)
from serkit.codec.frontend import BLOCK_FRAMES
from serkit.features import dct_matrix
from serkit.features.whisper import N_MELS

Array = NDArray[np.float32]

N_QUALITIES = 16
DEFAULT_QUALITY = 5
STEPS = tuple(4.0 * 2.0 ** (-i / 5.0) for i in range(N_QUALITIES))
"""The quantiser's step at each quality, in units of `log10` energy."""

N_KINDS = 16


@dataclass(frozen=True, eq=False)
class Basis:
    """What was learned, and both ends have.

    Attributes:
        mean: Mean log-mel spectrum of each kind of block, shape `[n_kinds, 80]`, float32 that
            float16 holds.
        vectors: Left singular vectors as rows, the strongest first, shape `[n_kinds, 80, 80]`,
            likewise.
        context: What tells how likely a coefficient is.
        limits: How many components may be other than zero, by quality and row, `[16, 32]`.
        magnitudes: Frequencies of the magnitudes of each class, shape `[64, 32]`.
        lengths: Frequencies of the number of rows coded, by quality, and of flat blocks, shape
            `[16, 34]`.
    """

    mean: Array
    vectors: Array
    context: ContextModel
    limits: NDArray[np.uint8]
    magnitudes: NDArray[np.uint16]
    lengths: NDArray[np.uint16]

    def tensors(self) -> dict[str, NDArray[Any]]:
        """By the names they have in a file."""
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("context",)}
        context = self.context
        found |= {
            "mean": self.mean.astype(np.float16),
            "vectors": self.vectors.astype(np.float16),
            "context.prior": context.prior.astype(np.int16),
            "context.inner": context.inner.astype(np.int16),
            "context.inner_bias": context.inner_bias.astype(np.int32),
            "context.outer": context.outer.astype(np.int16),
            "context.outer_bias": np.array([context.outer_bias], np.int32),
        }
        return found

    @classmethod
    def of_tensors(cls, tensors: dict[str, NDArray[Any]]) -> Basis:
        """What `tensors` gave."""
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
        """The first four bytes of the SHA-256 of its tensors, in the order of their names."""
        found = hashlib.sha256()
        for name, values in sorted(self.tensors().items()):
            found.update(name.encode())
            found.update(values.astype(values.dtype.newbyteorder("<")).tobytes())
        return found.digest()[:4]

    @cached_property
    def magnitude_tables(self) -> tuple[Table, ...]:
        """A table for each class."""
        return tuple(Table(row.tolist()) for row in self.magnitudes)

    @cached_property
    def length_tables(self) -> tuple[Table, ...]:
        """A table for each quality."""
        return tuple(Table(row.tolist()) for row in self.lengths)

    @cached_property
    def levels(self) -> Array:
        """The means as coefficients: each component's slowest, shape `[n_kinds, 80]`."""
        found: Array = np.einsum("ijk,ik->ij", self.vectors, self.mean) * np.float32(
            BLOCK_FRAMES**0.5
        )
        return found

    @cached_property
    def expected(self) -> tuple[Array, Array]:
        """Of each kind the inverse magnitudes expected, `[32, 80]`, and their logarithms' sum."""
        sizes = np.maximum(np.exp(self.context.prior / 8.0), STEPS[DEFAULT_QUALITY] / 4.0)
        rates: Array = (1.0 / sizes).astype(np.float32)
        return rates, np.log(rates).sum(axis=(1, 2))

    @cached_property
    def costs(self) -> Array:
        """Bits of each magnitude in each class, the sign included, shape `[64, 32]`."""
        bits = PRECISION - np.log2(self.magnitudes.astype(np.float64))
        bits[:, 1:] += 1.0
        return bits.astype(np.float32)


def step_level(quality: int) -> int:
    """The step of a quality in eighths of a natural logarithm, as the context network takes it."""
    return round(8.0 * float(np.log(STEPS[quality])))


@lru_cache(maxsize=1)
def shipped_basis() -> Basis:
    """The basis that comes with serkit."""
    from safetensors.numpy import load

    return Basis.of_tensors(load(files("serkit.codec").joinpath("basis.safetensors").read_bytes()))


def coefficients(basis: Basis, block: Array) -> Array:
    """A block on the basis, as each kind: components by temporal frequency.

    Args:
        basis: The basis.
        block: Shape `[80, 32]`.

    Returns:
        Shape `[n_kinds, 32, 80]`: the slowest row first, the strongest component first.
    """
    turned = basis.vectors.reshape(-1, N_MELS) @ (block @ _cosines().T)
    found: Array = turned.reshape(-1, N_MELS, BLOCK_FRAMES).transpose(0, 2, 1)
    found[:, 0] -= basis.levels
    return found


def block_of(basis: Basis, found: Array, kind: int) -> Array:
    """The block that has these coefficients as one of a kind.

    Args:
        basis: The basis.
        found: Shape `[32, 80]`.
        kind: Of block.
    """
    block: Array = basis.vectors[kind].T @ (found.T @ _cosines()) + basis.mean[kind][:, None]
    return block


def likeliest(basis: Basis, block: Array) -> tuple[int, Array]:
    """The kind of block under which its coefficients are likeliest, and these.

    Magnitudes are taken for exponentially distributed around what is expected of them, which is
    no less than half the coarsest step: what is smaller is not sent in any case.

    Args:
        basis: The basis.
        block: Shape `[80, 32]`.

    Returns:
        The kind, and the coefficients, shape `[32, 80]`.
    """
    every = coefficients(basis, block)
    rates, logarithms = basis.expected
    surprise = np.einsum("ijk,ijk->i", np.abs(every), rates) - logarithms
    best = int(np.argmin(surprise))
    return best, every[best]


@lru_cache(maxsize=1)
def _cosines() -> Array:
    return dct_matrix(BLOCK_FRAMES, BLOCK_FRAMES)


def plain_frequencies() -> NDArray[np.uint16]:
    """Frequencies of magnitudes before any are learned: geometric, wider from class to class."""
    means = np.exp((np.arange(N_CLASSES) - 32.0) / 8.0)
    ratios = means / (1.0 + means)
    shares = (1.0 - ratios[:, None]) * ratios[:, None] ** np.arange(LARGEST + 1.0)
    return np.stack([frequencies(row + 1e-6) for row in shares]).astype(np.uint16)
