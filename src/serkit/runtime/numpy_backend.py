"""The NumPy backend: features and a small network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.errors import ModelError
from serkit.features import FeatureRecipe, LogMelRecipe, extract, extract_of_log_mel, stacked
from serkit.files import open_file
from serkit.runtime.backend import Outputs
from serkit.runtime.card import ModelCard
from serkit.runtime.inputs import kind_of
from serkit.runtime.model import Model
from serkit.runtime.model_file import digest_of, load_model
from serkit.runtime.text_input import TextRecipe

Array = NDArray[np.float32]

_HEADER_LENGTH = 8


class NumpyBackend:
    """A `Model` that computes its own features.

    Args:
        model: The network; its input is a recipe for sound or log-mel.

    Raises:
        ModelError: The model takes an embedding, which only another model computes.
    """

    def __init__(self, model: Model) -> None:
        if not isinstance(model.card.input, FeatureRecipe | LogMelRecipe):
            if isinstance(model.card.input, TextRecipe):
                raise ModelError(
                    f"{model.card.name} takes text: give the folder of its encoder, "
                    f"{model.card.input.encoder}, with encoder= or --encoder"
                )
            raise ModelError(
                f"the input of {model.card.name} is {kind_of(model.card.input)}; expected features "
                "or log-mel, which can be computed from sound"
            )
        self.model = model
        self._input = model.card.input

    @staticmethod
    def reads(path: str | os.PathLike[str]) -> bool:
        """Whether a file is a safetensors file: the length of the header, then a JSON object."""
        try:
            with open_file(Path(path)) as file:
                return file.read(_HEADER_LENGTH + 1)[_HEADER_LENGTH:] == b"{"
        except (OSError, ValueError):
            return False

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], *, threads: int = 0, providers: Sequence[str] = ()
    ) -> NumpyBackend:
        """Read a model file.

        Raises:
            ModelError: As `load_model`, or the model does not take sound, or a number of threads or
                a provider is given.
        """
        if threads or set(providers) - {"cpu"}:
            raise ModelError(
                f"{path} runs in NumPy on the CPU: threads and providers are for ONNX models; set "
                "the threads of NumPy by OMP_NUM_THREADS"
            )
        return cls(load_model(path))

    @property
    def card(self) -> ModelCard:
        """The card of the model."""
        return self.model.card

    @property
    def file_bytes(self) -> int:
        """Size of the file."""
        return self.model.file_bytes

    @property
    def embedding_width(self) -> int:
        """Width of the embeddings."""
        return self.model.embedding_width

    @cached_property
    def digest(self) -> str:
        """Hash of the network, its input and normalisation, not of the name and the figures."""
        return digest_of(self.model)

    @property
    def facts(self) -> dict[str, Any]:
        """Number of parameters, and the layers with their widths and bits."""
        return self.model.facts

    def outputs(self, windows: Sequence[Array]) -> Outputs:
        """Classify windows, as `Backend.outputs`.

        Each runs through the network alone: BLAS rounds products of several rows differently, and
        the answer to a window must not depend on its neighbours in a batch.
        """
        return Outputs.joined([self._outputs_of(window) for window in windows])

    def _outputs_of(self, window: Array) -> Outputs:
        features = stacked([self._features(window)])
        # Extreme features, such as those of noise, may overflow; the model clips them.
        with np.errstate(over="ignore", invalid="ignore"):
            logits, embeddings = self.model.logits_and_embeddings(features)
            distances = self.model.distances(features)
            layer = self.model.dimensions
            dimensions = None if layer is None else layer(embeddings)
        return Outputs(logits, embeddings, distances, dimensions)

    def _features(self, window: Array) -> Array:
        if isinstance(self._input, LogMelRecipe):
            return extract_of_log_mel(self._input, window)
        return extract(self._input, window)
