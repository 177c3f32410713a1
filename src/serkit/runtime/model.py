"""Trained networks in NumPy: features in, calibrated logits out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.errors import ModelError
from serkit.features import DescriptorRecipe, Features, Sequences
from serkit.runtime.card import ModelCard
from serkit.runtime.inputs import kind_of
from serkit.runtime.layers import Layer, WeightedLayer, weighted
from serkit.runtime.weights import PackedWeight

Array = NDArray[np.float32]

FARTHEST = 1e6
"""Limit of the standardised features of a model without a clip, so that no sum overflows."""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A trained network and its normalisation.

    Attributes:
        card: Its description.
        mean: Mean of each feature over the training data, shape `[n_features]`, float32.
        scale: Standard deviation of each feature, positive, shape `[n_features]`, float32.
        layers: The network, input first.
        dimensions: Linear layer from the embedding to the card's dimensions; None without them.
        file_bytes: Size of the file it was read from; 0 if it was not read from a file.
    """

    card: ModelCard
    mean: Array
    scale: Array
    layers: tuple[Layer, ...]
    dimensions: Layer | None = None
    file_bytes: int = 0

    @property
    def n_features(self) -> int:
        """Length of the feature vector, or number of rows of the frames."""
        return len(self.mean)

    @property
    def per_frame(self) -> bool:
        """Whether the input is frames rather than a vector."""
        return isinstance(self.card.input, DescriptorRecipe) and self.card.input.per_frame

    @property
    def recipe(self) -> DescriptorRecipe:
        """The recipe of its features.

        Raises:
            ModelError: The input is not features.
        """
        if not isinstance(self.card.input, DescriptorRecipe):
            kind = kind_of(self.card.input)
            raise ModelError(
                f"the input of {self.card.name} is {kind}; expected features or log-mel"
            )
        return self.card.input

    @property
    def embedding_width(self) -> int:
        """Width of the input of the last layer."""
        last = self.layers[-1]  # one without weights pools frames, and keeps their width
        return last.weight.shape[1] if isinstance(last, WeightedLayer) else len(self.card.labels)

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases of the network, without the normalisation."""
        layers = self.layers if self.dimensions is None else (*self.layers, self.dimensions)
        return sum(layer.weight.size + layer.bias.size for layer in weighted(layers))

    @property
    def facts(self) -> dict[str, Any]:
        """Further JSON values to show with the card."""
        return {"n_parameters": self.n_parameters, "network": self.summary}

    @property
    def summary(self) -> str:
        """Types, widths and bits of the layers, such as `180-64-7, weights of 4, 8 bits`."""
        parts = [str(self.n_features), *(layer.label for layer in self.layers)]
        bits = [
            str(layer.weight.bits) if isinstance(layer.weight, PackedWeight) else "32"
            for layer in weighted(self.layers)
        ]
        packed = f", weights of {', '.join(bits)} bits" if set(bits) - {"32"} else ""
        return "-".join(parts) + packed

    def with_card(self, **changes: Any) -> Model:
        """The same model with some fields of its card changed."""
        return replace(self, card=replace(self.card, **changes))

    def standardised(self, features: Features) -> Features:
        """Features as the first layer takes them: zero mean, unit variance, clipped.

        Args:
            features: Vectors `[..., n_features]`, or frames.
        """
        limit = FARTHEST if self.card.clip is None else self.card.clip
        if isinstance(features, Sequences):
            return replace(features, values=np.clip(self._scaled(features), -limit, limit))
        vectors: Array = np.clip(self._scaled(features), -limit, limit)
        return vectors

    def logits(self, features: Features) -> Array:
        """Calibrated logits.

        Args:
            features: Vectors `[n, n_features]`, float32, or the frames of n recordings.

        Returns:
            Shape `[n, n_labels]`, float32, divided by the temperature.
        """
        return self.logits_and_embeddings(features)[0]

    def logits_and_embeddings(self, features: Features) -> tuple[Array, Array]:
        """Calibrated logits and the input of the last layer, averaged over its frames.

        Args:
            features: As for `logits`.

        Returns:
            Shapes `[n, n_labels]` and `[n, width]`, float32.
        """
        rows = self.standardised(features)
        if not isinstance(rows, Sequences):
            logits, embeddings = self._through(rows)
        else:
            parts = [
                self._through(np.ascontiguousarray(values[:, :length].T))
                for values, length in zip(rows.values, rows.lengths, strict=True)
            ]
            logits = np.concatenate([logits for logits, _ in parts])
            embeddings = np.stack([embedding.mean(axis=0) for _, embedding in parts])
        return logits / np.float32(self.card.temperature), embeddings

    def distances(self, features: Features) -> Array | None:
        """Distance of recordings to the training data; compare with `typical.limit`.

        Args:
            features: As for `logits`.

        Returns:
            Shape `[n]`, float32; None if the card has no `typical`.
        """
        typical = self.card.typical
        if typical is None:
            return None
        scaled = self._scaled(features)
        if isinstance(features, Sequences):
            return typical.distances(replace(features, values=scaled))
        return typical.distances(scaled)

    def _through(self, rows: Array) -> tuple[Array, Array]:
        """The output and the input of the last layer."""
        before = rows
        for layer in self.layers:
            before, rows = rows, layer(rows)
        return rows, before

    def _scaled(self, features: Features) -> Array:
        mean, scale = self.mean, self.scale
        if isinstance(features, Sequences):
            features, mean, scale = features.values, mean[:, None], scale[:, None]
        with np.errstate(over="ignore"):  # all callers clip
            scaled: Array = (features - mean) / scale
        return scaled
