"""A type of layer is a class per side and an entry of `LAYERS`; the rest follows."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from serkit import networks, runtime
from serkit.compression import export_c
from serkit.errors import ModelError
from serkit.features import Descriptor, FeatureRecipe, stacked
from serkit.runtime import Convolution, Dense, Layer, Model, ModelCard, NumpyBackend
from serkit.runtime.card_text import card_as_text
from serkit.training.conversion import to_runtime, to_torch


@dataclass(frozen=True, slots=True, eq=False)
class MaxPooling(Layer):
    """The largest value of each row over time."""

    kind = "max"
    pools = True

    def __call__(self, frames):
        return frames.max(axis=0, keepdims=True)


class TorchMaxPooling(networks.Layer):
    """The same in torch."""

    kind = "max"
    pools = True

    @classmethod
    def sized(cls, n_inputs, n_outputs, values):
        return cls()

    def forward(self, rows, counts):
        inside = torch.arange(rows.shape[1]) < counts[:, None]
        return rows.masked_fill(~inside[..., None], -torch.inf).amax(dim=1), None


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setitem(runtime.LAYERS, "max", MaxPooling)
    monkeypatch.setitem(networks.LAYERS, "max", TorchMaxPooling)
    rng = np.random.default_rng(0)

    def normal(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    card = ModelCard("m", ("a", "b"), FeatureRecipe("f", (Descriptor("mfcc", 5, 0, ()),)))
    layers = (
        Convolution(normal(4, 15), normal(4), 3, 1), MaxPooling(), Dense(normal(2, 4), normal(2))
    )  # fmt: skip
    return Model(card, normal(5), np.abs(normal(5)) + 1, layers)


def test_it_is_stored_shown_converted_and_refused_by_name(model, tmp_path):
    frames = [
        np.random.default_rng(i).standard_normal((5, 9 + i)).astype(np.float32) for i in (0, 4)
    ]
    features = stacked(frames)
    runtime.save_model(model, tmp_path / "m.safetensors")
    again = runtime.load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.logits(features), model.logits(features))
    assert "5-convolution 4-max-2" in card_as_text(NumpyBackend(again))
    network = networks.LayeredNetwork([to_torch(layer) for layer in model.layers]).eval()
    standardised = model.standardised(features)
    with torch.no_grad():
        logits = network(
            torch.from_numpy(standardised.values), torch.from_numpy(standardised.lengths)
        )
    np.testing.assert_allclose(logits.numpy(), model.logits(features), atol=1e-5)
    assert [type(to_runtime(layer)) for layer in network.layers] == [Convolution, MaxPooling, Dense]
    with pytest.raises(ModelError, match="layer 0 is of type convolution"):
        export_c(model)
