"""Networks on frames: compared with the NumPy runtime and with torch's own layers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from serkit import networks
from serkit.features import stacked
from serkit.networks import LayeredNetwork, attention_gru, cnn, lstm
from serkit.runtime import LAYERS, PackedWeight, WeightedLayer
from serkit.runtime.packing import pack
from serkit.training.conversion import to_runtime, to_torch

FAMILIES = {
    "cnn": lambda n: cnn(n, [6, 5], 3, kernel=5, stride=2),
    "cnn, stride 3": lambda n: cnn(n, [6], 3, kernel=3, stride=3),
    "lstm": lambda n: lstm(n, [6, 5], 3),
    "attention-gru": lambda n: attention_gru(n, [6, 5], 3),
}


def padded(recordings):
    together = stacked(recordings)
    return torch.from_numpy(together.values), torch.from_numpy(together.lengths)


def through(layers, recording):
    rows = np.ascontiguousarray(recording.T)
    for layer in layers:
        rows = layer(rows)
    return rows[0]


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(0, 1000))
def test_numpy_and_torch_agree_and_a_batch_changes_nothing(family, lengths, seed):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    recordings = [rng.standard_normal((4, n)).astype(np.float32) for n in lengths]
    network = LayeredNetwork(FAMILIES[family](4), dropout=0.5, input_dropout=0.5).eval()
    with torch.no_grad():
        together = network(*padded(recordings)).numpy()
        layers = [to_runtime(layer) for layer in network.layers]
        back = LayeredNetwork([to_torch(layer) for layer in layers]).eval()
        again = back(*padded(recordings)).numpy()
    alone = np.stack([through(layers, one) for one in recordings])
    np.testing.assert_allclose(together, alone, atol=2e-6)
    np.testing.assert_array_equal(together, again)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_perceptron_is_the_same_in_numpy(activation):
    torch.manual_seed(0)
    network = LayeredNetwork(networks.mlp(5, [7, 6], 3, activation=activation)).eval()
    function = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}[activation]
    plain = torch.nn.Sequential(
        torch.nn.Linear(5, 7), function(), torch.nn.Linear(7, 6), function(), torch.nn.Linear(6, 3)
    )
    plain.load_state_dict(dict(zip(plain.state_dict(), network.state_dict().values(), strict=True)))
    rows = torch.randn(9, 5)
    with torch.no_grad():
        expected = plain(rows).numpy()
    found = rows.numpy()
    for layer in network.layers:
        found = to_runtime(layer)(found)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("ours", "theirs"), [(networks.LSTM, torch.nn.LSTM), (networks.GRU, torch.nn.GRU)]
)
def test_recurrent_layers_agree_with_torch(ours, theirs):
    torch.manual_seed(0)
    made = theirs(3, 4, batch_first=True)
    values = dict(made.named_parameters())
    inner, state = values["bias_ih_l0"], values["bias_hh_l0"]
    bias = (
        inner + state
        if ours is networks.LSTM
        else torch.cat((inner[:8] + state[:8], inner[8:], state[8:]))
    )
    layer = ours(3, 4)
    weight = torch.cat((values["weight_ih_l0"], values["weight_hh_l0"]), dim=1)
    layer.load_state_dict({"weight": weight, "bias": bias})
    rows = torch.randn(2, 7, 3)
    torch.testing.assert_close(layer(rows, torch.tensor([7, 7]))[0], made(rows)[0])


def test_the_mean_and_the_attention_by_hand():
    rows = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [9.0, 9.0]]])
    counts = torch.tensor([2])
    torch.testing.assert_close(networks.MeanPooling()(rows, counts)[0], torch.tensor([[2.0, 4.0]]))
    layer = networks.AttentionPooling(2)
    layer.load_state_dict({"weight": torch.tensor([[1.0, 0.0]])})
    scores = np.tanh([1.0, 3.0])
    share = np.exp(scores[0]) / np.exp(scores).sum()
    expected = share * np.array([1.0, 2.0]) + (1 - share) * np.array([3.0, 6.0])
    np.testing.assert_allclose(layer(rows, counts)[0].detach().numpy()[0], expected, rtol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("bits", [1, 3, 8])
def test_packed_layers_equal_dequantised_layers(family, bits):
    rng = np.random.default_rng(bits)
    recording = rng.standard_normal((4, 11)).astype(np.float32)
    torch.manual_seed(bits)
    full, packed = [], []
    for layer in map(to_runtime, FAMILIES[family](4)):
        if isinstance(layer, WeightedLayer):
            codes = rng.integers(0, 2**bits, layer.weight.shape, np.uint8)
            scale = rng.uniform(0.1, 0.5, len(codes)).astype(np.float32)
            weight = PackedWeight(pack(codes.ravel(), bits), bits, codes.shape, scale)
            packed.append(layer.with_parameters(weight, layer.bias))
            layer = layer.with_parameters(weight.dequantised(), layer.bias)
        else:
            packed.append(layer)
        full.append(layer)
    expected = through(full, recording)
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(through(packed, recording), expected, rtol=1e-5, atol=1e-5)


def test_both_sides_have_the_same_layers():
    assert list(networks.LAYERS) == list(LAYERS)
    for kind, layer in LAYERS.items():
        assert networks.LAYERS[kind].pools == layer.pools
        assert set(networks.LAYERS[kind].options) == set(layer.options)


def test_convolution_in_blocks(monkeypatch):
    torch.manual_seed(0)
    layer = to_runtime(networks.Convolution(4, 6, 5, 2))
    frames = np.random.default_rng(0).standard_normal((301, 4)).astype(np.float32)
    whole = layer(frames)
    monkeypatch.setattr("serkit.runtime.layers._MAX_COPIED", 100)
    np.testing.assert_allclose(layer(frames), whole, atol=1e-6)
