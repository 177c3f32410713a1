"""Weight files of pretrained models, and what differs between them and a network."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from serkit.errors import ModelError
from serkit.hub import Repository, opened
from serkit.text import printable, shortened, shown

if TYPE_CHECKING:
    from torch import Tensor

MAX_WEIGHT_BYTES = 2_000_000_000
"""Weights in float32, at most: an ONNX file has at most 2 GiB."""

_SAFE, _PICKLED = "model.safetensors", "pytorch_model.bin"
# Replaces masked frames in training, and is not used otherwise.
_UNUSED = re.compile(r"(^|\.)masked_spec_embed$")


def weight_files(source: str, repository: Repository, *, allow_pickle: bool) -> list[Path]:
    """The files of the weights, downloaded if need be.

    Args:
        source: The id or folder.
        repository: Its folder, with the configuration.
        allow_pickle: Whether they may be pickled.

    Raises:
        ModelError: A file is missing, cannot be downloaded, or is pickled.
    """
    if repository.is_snapshot:
        repository = opened(source, "*.json", "README.md", "model*.safetensors")
    found = repository.parts(_SAFE)
    if found:
        return found
    if not allow_pickle:
        pickled = repository.file(_PICKLED) or repository.file(f"{_PICKLED}.index.json")
        why = f"its weights are pickled ({_PICKLED})" if pickled else f"it has no {_SAFE}"
        raise ModelError(
            f"{repository.name}: {why}; expected {_SAFE}: unpickling can run code. Convert the "
            "weights where you trust them, or add --allow-pickle to serkit import"
        )
    if repository.is_snapshot:
        repository = opened(source, "*.json", "README.md", "pytorch_model*.bin")
    found = repository.parts(_PICKLED)
    if not found:
        raise ModelError(f"{repository.name}: has neither {_SAFE} nor {_PICKLED}")
    return found


def read_weights(files: list[Path]) -> dict[str, Tensor]:
    """All tensors of some files by name, in float32.

    Raises:
        ModelError: They are too large, not tensors, or not finite.
    """
    import torch
    from safetensors.torch import load_file

    size = sum(file.stat().st_size for file in files)
    if size > MAX_WEIGHT_BYTES:
        raise too_large(files[0].parent.name, size)
    state: dict[str, Tensor] = {}
    for file in files:
        if file.suffix == ".safetensors":
            found = load_file(file)
        else:
            found = torch.load(file, map_location="cpu", weights_only=True)
        if not isinstance(found, dict) or not all(
            isinstance(name, str) and isinstance(value, torch.Tensor)
            for name, value in found.items()
        ):
            raise ModelError(f"{file}: is no table of tensors by name")
        state |= {n: v.float() if v.is_floating_point() else v for n, v in found.items()}
    broken = [name for name, value in state.items() if not torch.isfinite(value).all()]
    if broken:
        raise ModelError(f"{files[0]}: {shown(broken[0], 80)} has values that are not finite")
    return state


def too_large(name: str, size: int) -> ModelError:
    """The error of a model whose weights take `size` bytes."""
    return ModelError(
        f"{name}: its weights take {size / 1e9:.2f} GB; expected at most "
        f"{MAX_WEIGHT_BYTES / 1e9:.0f} GB in float32, as an ONNX file has at most 2 GiB"
    )


@dataclass(frozen=True, slots=True)
class Difference:
    """The tensors of a file against those of a network.

    Attributes:
        missing: Names in the network alone.
        extra: Names in the file alone.
        other: Names of tensors of other shapes, with both shapes.
    """

    missing: list[str]
    extra: list[str]
    other: list[tuple[str, list[int], list[int]]]

    def check(self, name: str, architecture: str) -> None:
        """Refuse any difference but in tensors that are not used.

        Raises:
            ModelError: Tensors are missing, unexpected, or of another shape.
        """
        missing, extra = (
            sorted(key for key in keys if not _UNUSED.search(key))
            for keys in (self.missing, self.extra)
        )
        if missing or extra:
            raise ModelError(
                f"{name}: the weights are not those of {architecture}: missing "
                f"{_listed(missing)}; unexpected {_listed(extra)}. Expected a fine-tuned "
                "classifier of this architecture, head included"
            )
        for key, found, expected in self.other:
            raise ModelError(
                f"{name}: {printable(key)} has shape {found}; expected {expected}, as in its "
                "configuration"
            )


def _listed(names: list[str]) -> str:
    shown_names = shortened(", ".join(map(printable, names[:4])), 300)
    return shown_names + f" and {len(names) - 4} more" * (len(names) > 4) or "none"
