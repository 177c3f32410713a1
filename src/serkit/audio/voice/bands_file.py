"""The network of our detector and its file, `bands.safetensors`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.container import Format, TensorSpec, container_bytes, open_container
from serkit.errors import ModelError

Array = NDArray[np.float32]

FORMAT = Format("serkit-voice", 1, "voice network", max_bytes=1 << 18, error=ModelError)

N_INPUTS = 480
"""Values that the network sees: 32 features of 15 frames."""

_MAX_UNITS = 256


@dataclass(frozen=True, slots=True, eq=False)
class BandNetwork:
    """A perceptron with one hidden layer of tanh and a sigmoid.

    Attributes:
        hidden: Weights, shape `[N_INPUTS, n_hidden]`, float32.
        hidden_bias: Shape `[n_hidden]`.
        output: Shape `[n_hidden, 1]`.
        output_bias: Shape `[1]`.
    """

    hidden: Array
    hidden_bias: Array
    output: Array
    output_bias: Array

    def __call__(self, inputs: Array) -> Array:
        """Probabilities of speech, shape `[n_tiles, 4]`, of inputs `[n_tiles, 4, N_INPUTS]`."""
        inner = np.tanh(inputs @ self.hidden + self.hidden_bias)
        logits = inner @ self.output + self.output_bias
        answer: Array = (0.5 + 0.5 * np.tanh(0.5 * logits))[..., 0]
        return answer


@lru_cache(maxsize=1)
def shipped_network() -> BandNetwork:
    """The network that ships with serkit, written by tools/learn_voice.py."""
    with as_file(files("serkit.audio.voice") / "bands.safetensors") as path:
        return read_network(path)


def read_network(path: str | os.PathLike[str]) -> BandNetwork:
    """Read the file of a network.

    Raises:
        ModelError: The file is missing, damaged, of another version, or has other shapes.
    """
    with open_container(path, FORMAT) as contents:
        n = contents.description.get("n_hidden")
        if type(n) is not int or not 1 <= n <= _MAX_UNITS:
            raise ModelError(f"{contents.path}: n_hidden is {n!r:.40}; expected 1 to {_MAX_UNITS}")
        shapes = {
            "hidden": (N_INPUTS, n), "hidden_bias": (n,), "output": (n, 1), "output_bias": (1,),
        }  # fmt: skip
        tensors = contents.tensors({name: TensorSpec(shape) for name, shape in shapes.items()})
        return BandNetwork(**{k: np.asarray(v, np.float32) for k, v in tensors.items()})


def network_bytes(network: BandNetwork, description: dict[str, Any]) -> bytes:
    """The content of the file of a network.

    Args:
        network: The weights; written as float16.
        description: What it was learned from, as JSON values.
    """
    names = ("hidden", "hidden_bias", "output", "output_bias")
    tensors = {name: getattr(network, name).astype(np.float16) for name in names}
    n_hidden = len(network.hidden_bias)
    return container_bytes(FORMAT, {"n_hidden": n_hidden} | description, tensors)
