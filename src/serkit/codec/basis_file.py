"""The file of a basis: serkit's container, with the sizes of the basis in its description."""

from __future__ import annotations

import os
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

from serkit.codec.basis import N_KINDS, N_QUALITIES, Basis
from serkit.codec.context import LARGEST, N_CLASSES, N_INPUTS
from serkit.codec.entropy import PRECISION
from serkit.codec.frontend import BLOCK_FRAMES
from serkit.container import Format, TensorSpec, container_bytes, open_container
from serkit.errors import PacketError
from serkit.features.whisper import N_MELS

FORMAT = Format("serkit-basis", 1, "basis", max_bytes=4 << 20, error=PacketError)

_MAX_UNITS = 1024
# In eighths of a natural logarithm: the exponential stays far from the limit of float32.
_MAX_PRIOR = 640


@lru_cache(maxsize=1)
def shipped_basis() -> Basis:
    """The basis that ships with serkit, written by tools/learn_basis.py."""
    with as_file(files("serkit.codec") / "basis.safetensors") as path:
        return read_basis(path)


def read_basis(path: str | os.PathLike[str]) -> Basis:
    """Read the file of a basis.

    Raises:
        PacketError: The file is missing, damaged, of another version, or contradicts itself, or a
            number is out of range.
    """
    with open_container(path, FORMAT) as contents:
        n_hidden = contents.description.get("n_hidden")
        if type(n_hidden) is not int or not 1 <= n_hidden <= _MAX_UNITS:
            raise PacketError(
                f"{contents.path}: n_hidden is {n_hidden!r:.40}; expected 1 to {_MAX_UNITS}"
            )
        basis = Basis.of_tensors(contents.tensors(_specs(n_hidden)))
        _check(contents.path, basis)
        return basis


def basis_bytes(basis: Basis) -> bytes:
    """The content of the file of a basis."""
    description: dict[str, Any] = {"n_hidden": len(basis.context.inner)}
    return container_bytes(FORMAT, description, basis.tensors())


def _check(path: Path, basis: Basis) -> None:
    """Check the ranges of the numbers."""
    total = 1 << PRECISION
    for name, table in (("magnitudes", basis.magnitudes), ("lengths", basis.lengths)):
        if not table.all() or (table.sum(axis=1, dtype=np.int64) != total).any():
            raise PacketError(
                f"{path}: {name} are no frequency tables; expected positive numbers that sum to "
                f"{total} in each row"
            )
    if basis.limits.max() > N_MELS:
        raise PacketError(
            f"{path}: a row has {basis.limits.max()} components; expected at most {N_MELS}"
        )
    prior = float(np.abs(basis.context.prior).max())
    if prior > _MAX_PRIOR:
        raise PacketError(
            f"{path}: context.prior holds a magnitude of {prior:.0f}; expected at most {_MAX_PRIOR}"
        )
    if not basis.context.is_exact:
        raise PacketError(
            f"{path}: the context model has weights too large for exact sums in float32"
        )


def _specs(n_hidden: int) -> dict[str, TensorSpec]:
    half, byte, short, word, count = ("F16",), ("U8",), ("I16",), ("I32",), ("U16",)
    return {
        "mean": TensorSpec((N_KINDS, N_MELS), half),
        "vectors": TensorSpec((N_KINDS, N_MELS, N_MELS), half),
        "limits": TensorSpec((N_QUALITIES, BLOCK_FRAMES), byte),
        "magnitudes": TensorSpec((N_CLASSES, LARGEST + 1), count),
        "lengths": TensorSpec((N_QUALITIES, BLOCK_FRAMES + 2), count),
        "context.prior": TensorSpec((N_KINDS, BLOCK_FRAMES, N_MELS), short),
        "context.inner": TensorSpec((n_hidden, N_INPUTS), short),
        "context.inner_bias": TensorSpec((n_hidden,), word),
        "context.outer": TensorSpec((n_hidden,), short),
        "context.outer_bias": TensorSpec((1,), word),
    }
