"""A trained model in memory: what its file says, and its arithmetic in NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.features import FeatureRecipe
from serkit.runtime.layers import Layer, weighted
from serkit.runtime.sketch import Sketch
from serkit.runtime.typical import Typical

Array = NDArray[np.float32]

FARTHEST = 1e6
"""Standardised features are cut off here where a model has no clip of its own, so that no feature,
however large, overflows."""


@dataclass(frozen=True, slots=True)
class TrainingCorpus:
    """A corpus the weights were learned from.

    Attributes:
        name: serkit's name of the corpus.
        title: Its full name.
        licence: The licence it is known under.
        commercial_use: Whether that licence allows commercial use.
        utterances: How many of its recordings were learned from.
        speakers: Of how many people.
    """

    name: str
    title: str
    licence: str
    commercial_use: bool
    utterances: int
    speakers: int


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a model file says about itself, apart from its numbers.

    Attributes:
        name: What people call it.
        labels: The emotions it tells apart, in the order of its outputs.
        features: The recipe for its input.
        temperature: Divides the outputs before the softmax; calibrated on held-out speakers.
        clip: Standardised features are cut off at plus and minus this; None leaves them up to a
            million, where float32 still counts.
        corpora: What it was trained on.
        seen: By the name of a training corpus, a sample of the recordings learned from.
        figures: The protocols and figures it was accepted with, as JSON values.
        recipe: The training recipe, as JSON values.
        created_with: Version of serkit that wrote it.
        typical: What the features of its training data look like; None if unknown.
    """

    name: str
    labels: tuple[str, ...]
    features: FeatureRecipe
    temperature: float = 1.0
    clip: float | None = None
    corpora: tuple[TrainingCorpus, ...] = ()
    seen: Sketch = field(default_factory=Sketch)
    figures: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    created_with: str = ""
    typical: Typical | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A model ready to compute.

    Attributes:
        card: What it says about itself.
        mean: Mean of each feature over the training data, shape `[n_features]`, float32.
        scale: Standard deviation of each feature, positive, shape `[n_features]`, float32.
        layers: The network, input first.
        file_bytes: Size of the file it came from, 0 if it came from none.
    """

    card: ModelCard
    mean: Array
    scale: Array
    layers: tuple[Layer, ...]
    file_bytes: int = 0

    @property
    def n_parameters(self) -> int:
        """Weights and biases of the network, the normalisation not counted."""
        return sum(layer.weight.size + layer.bias.size for layer in weighted(self.layers))

    def with_card(self, **changes: Any) -> Model:
        """The same model with some fields of its card changed."""
        return replace(self, card=replace(self.card, **changes))

    def standardised(self, features: Array) -> Array:
        """Features as the first layer takes them.

        Args:
            features: Shape `[..., n_features]`, or `[..., n_features, n_frames]` where the recipe
                keeps frames.
        """
        farthest = FARTHEST if self.card.clip is None else self.card.clip
        rows: Array = np.clip(self._scaled(features), -farthest, farthest)
        return rows

    def distances(self, features: Array) -> Array | None:
        """How far recordings lie from the training data, to be held against `typical.limit`.

        Args:
            features: As for `logits`.

        Returns:
            Shape `[n]`, float32; None if the card does not say what is typical.
        """
        typical = self.card.typical
        return None if typical is None else typical.distances(self._scaled(features))

    def _scaled(self, features: Array) -> Array:
        mean, scale = self.mean, self.scale
        if self.card.features.per_frame:
            mean, scale = mean[:, None], scale[:, None]
        with np.errstate(over="ignore"):  # what is too large is cut off by all who use it
            rows: Array = (features - mean) / scale
        return rows

    def logits(self, features: Array) -> Array:
        """Calibrated outputs before the softmax.

        Args:
            features: Shape `[n, n_features]`, float32; or `[n, n_features, n_frames]` where the
                recipe keeps frames, with NaN beyond the last of a recording.

        Returns:
            Shape `[n, n_labels]`, float32, divided by the temperature.
        """
        rows = self.standardised(features)
        out = (
            np.concatenate([self._through(frames_of(one)) for one in rows])
            if self.card.features.per_frame
            else self._through(rows)
        )
        return out / np.float32(self.card.temperature)

    def _through(self, rows: Array) -> Array:
        for layer in self.layers:
            rows = layer(rows)
        return rows


def frames_of(padded: Array) -> Array:
    """The frames of a recording as rows.

    Args:
        padded: Shape `[n_features, n_frames]`, with NaN beyond the last.

    Returns:
        Shape `[n_frames, n_features]`.
    """
    n_frames = int(np.count_nonzero(~np.isnan(padded[0])))
    return np.ascontiguousarray(padded[:, :n_frames].T)


def softmax(logits: Array) -> Array:
    """Probabilities along the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Array = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probabilities
