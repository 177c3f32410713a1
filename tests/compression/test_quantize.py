from dataclasses import replace

import numpy as np
import pytest
import torch

from serkit.adaptation import softmax
from serkit.compression import quantize_matrix
from serkit.compression.fine_tuning import Rounded, fine_tune
from serkit.compression.quantize import learn, quantize
from serkit.errors import ModelError, ProtocolError
from serkit.runtime import MeanPooling, load_model, save_model
from serkit.training import Network, Optimiser, Quantisation, Ridge, fit
from serkit.training.loop import Examples

from toys import make_data, make_recipe

RECIPE = make_recipe(network=Network(hidden=(24, 16)))


@pytest.fixture(scope="module")
def parts():
    data = make_data(n_speakers=10)
    speaker = np.array([int(u.speaker) for u in data.utterances])
    groups = (speaker < 6, (speaker >= 6) & (speaker < 8), speaker >= 8)
    return [data.rows(np.flatnonzero(group)) for group in groups]


@pytest.fixture(scope="module")
def model(parts):
    return fit(RECIPE, parts[0], parts[1])


def accuracy(model, data):
    return np.mean(model.logits(data.features).argmax(axis=1) == data.targets)


def test_eight_bits_agree_with_float32(model, parts):
    small = quantize(model, Quantisation(bits=8), parts[1], seen=True).model
    logits = model.logits(parts[2].features)
    np.testing.assert_allclose(small.logits(parts[2].features), logits, atol=0.03 * logits.std())


def test_the_file_is_smaller_by_the_bits(model, parts, tmp_path):
    before = save_model(model, tmp_path / "full.safetensors")
    sizes = {
        bits: save_model(
            quantize(model, Quantisation(bits=bits), parts[1]).model, tmp_path / f"{bits}"
        )
        for bits in (1, 4, 8)
    }
    n_weights = sum(layer.weight.size for layer in model.layers)
    assert abs(sizes[8] - sizes[4] - n_weights / 2) <= 16
    assert abs(sizes[4] - sizes[1] - n_weights * 3 / 8) <= 16
    assert sizes[8] < before
    small = quantize(model, Quantisation(bits=4), parts[1]).model
    found = load_model(tmp_path / "4")
    np.testing.assert_array_equal(found.logits(parts[2].features), small.logits(parts[2].features))


def test_search_keeps_the_accuracy_within_the_margin(model, parts):
    validation = parts[1]
    found = quantize(model, Quantisation(margin=0.0), validation)
    assert accuracy(found.model, validation) >= accuracy(model, validation) - 1e-9
    assert [layer.weight.bits for layer in found.model.layers] == list(found.bits)
    assert 1 <= found.average_bits < 8
    assert found.trials[-1].accepted


def test_the_search_by_bytes_counts_the_file(model, parts, tmp_path):
    found = quantize(model, Quantisation(search="bytes", margin=0.05), parts[1])
    assert accuracy(found.model, parts[1]) >= accuracy(model, parts[1]) - 0.05 - 1e-9
    last = [trial for trial in found.trials if trial.accepted][-1]
    same = found.model.with_card(temperature=model.card.temperature)
    assert last.bytes == save_model(same, tmp_path / "small.safetensors")
    assert [layer.weight.bits for layer in found.model.layers] == list(found.bits)


def test_fine_tuning_recovers_one_bit():
    data = make_data(n_speakers=12, per_class=20, spread=2.0)
    speaker = np.array([int(u.speaker) for u in data.utterances])
    train, validation, test = (
        data.rows(np.flatnonzero(part))
        for part in (speaker < 6, (speaker >= 6) & (speaker < 8), speaker >= 8)
    )
    full = fit(RECIPE, train, validation)

    def uncertainty(model):
        shares = softmax(model.logits(test.features))[np.arange(len(test)), test.targets]
        return -np.log(shares).mean()

    plain, tuned = (
        quantize(
            full,
            Quantisation(bits=1, per_row=False, fine_tuning=epochs, learning_rate=0.005),
            validation,
            training=train,
            recipe=RECIPE,
        ).model
        for epochs in (0, 30)
    )
    assert {layer.weight.bits for layer in tuned.layers} == {1}
    lost = uncertainty(plain) - uncertainty(full)
    assert lost > 0.05
    assert uncertainty(tuned) - uncertainty(full) < lost / 2


def test_packed_layer_equals_the_tuned_layer():
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((5, 12)).astype(np.float32)
    for bits in range(1, 9):
        packed = quantize_matrix(weight, bits)
        rounded = Rounded(packed)
        theirs = rounded(torch.from_numpy(weight)).detach().numpy()
        np.testing.assert_allclose(packed.dequantised(), theirs, rtol=3e-3, atol=3e-3)
        again = rounded.packed(torch.from_numpy(weight))
        np.testing.assert_allclose(again.dequantised(), theirs, rtol=3e-3, atol=3e-3)


def test_rounding_passes_gradients_on_and_steps_learn():
    """Esser et al., equation 3: inside the range a weight's gradient passes, outside it stops."""
    weight = torch.tensor([[0.4, 9.0]], requires_grad=True)
    packed = quantize_matrix(weight.detach().numpy(), 2)
    rounded = Rounded(replace(packed, scale=np.ones(1, np.float32)))
    rounded(weight).sum().backward()
    np.testing.assert_allclose(weight.grad.numpy(), [[1.0, 0.0]])
    # Equation 5 times the step: 0.5 - 0.4 inside, the outermost level 1.5 outside; and 2.2.
    expected = (0.1 + 1.5) / np.sqrt(2 * 1.5)
    assert rounded.log_step.grad.item() == pytest.approx(expected, rel=1e-5)


def test_fine_tuning_is_deterministic(model, parts):
    examples = [
        Examples(
            model.standardised(part.features[None]), part.targets, np.ones(len(part), np.float32)
        )
        for part in parts[:2]
    ]
    weights = [quantize_matrix(layer.matrix, 2) for layer in model.layers]
    optimiser = Optimiser(max_epochs=3, patience=None)
    one, same, other = (
        fine_tune(
            model.layers, weights, *examples, optimiser, dropout=0.1, input_dropout=0.1, seed=seed
        )
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one[0].weight.scale, same[0].weight.scale)
    assert not np.array_equal(one[0].weight.scale, other[0].weight.scale)


def test_a_recipe_learns_and_quantises(parts):
    recipe = make_recipe(quantisation=Quantisation(bits=3))
    model = learn(recipe, parts[0], parts[1])
    assert {layer.weight.bits for layer in model.layers} == {3}
    assert accuracy(model, parts[2]) > 0.8
    plain = learn(make_recipe(), parts[0], parts[1])
    assert isinstance(plain.layers[0].weight, np.ndarray)


def test_calibration_on_training_data_matches_the_full_model(parts):
    ridge = {"network": Network(hidden=()), "optimiser": Ridge(name="ridge"), "refit": True}
    full = fit(make_recipe(**ridge), parts[0], parts[1])
    for bits, near in ((8, 0.005), (1, 0.05)):
        recipe = make_recipe(**ridge, quantisation=Quantisation(bits=bits))
        small = learn(recipe, parts[0], parts[1])
        logits = parts[2].features
        sure, before = (softmax(m.logits(logits)).max(axis=1).mean() for m in (small, full))
        assert abs(sure - before) < near
    with pytest.raises(ValueError, match=r"set quantisation\.bits"):
        make_recipe(**ridge, quantisation=Quantisation())


def test_refused_models_and_data(model, parts):
    validation = parts[1]
    plan = Quantisation()
    with pytest.raises(ProtocolError, match="0 utterances of 0 classes"):
        quantize(model, plan, validation.rows(np.array([], np.int64)))
    with pytest.raises(ProtocolError, match="1 classes"):
        quantize(model, plan, validation.rows(np.flatnonzero(validation.targets == 0)))
    broken = replace(model.layers[1], bias=np.full(16, np.nan, np.float32))
    with pytest.raises(ModelError, match="layer 1 has weights that are not finite"):
        quantize(replace(model, layers=(model.layers[0], broken)), plan, validation)
    with pytest.raises(ModelError, match="has no layer with weights"):
        quantize(replace(model, layers=(MeanPooling(),)), plan, validation)
    with pytest.raises(ModelError, match="fine-tuning needs"):
        quantize(model, Quantisation(fine_tuning=1), validation)


def test_requantisation(model, parts):
    small = quantize(model, Quantisation(bits=4), parts[1]).model
    same = quantize(small, Quantisation(bits=4), parts[1]).model
    for one, other in zip(small.layers, same.layers, strict=True):
        np.testing.assert_array_equal(one.weight.packed, other.weight.packed)
    wide = quantize(small, Quantisation(bits=8), parts[1], seen=True).model
    logits = small.logits(parts[2].features)
    np.testing.assert_allclose(wide.logits(parts[2].features), logits, atol=0.03 * logits.std())
    found = quantize(small, Quantisation(margin=0.05), parts[1])
    assert accuracy(found.model, parts[2]) > accuracy(model, parts[2]) - 0.1


def test_temperature_matched_on_training_speakers_suits_new_ones():
    """By labels of what was learned one bit becomes far too sure; the full model's probabilities
    do nearly as well as labels of held-out speakers."""
    data = make_data(n_speakers=30, per_class=3, spread=2.0)
    speaker = np.array([int(u.speaker) for u in data.utterances])
    train, held_out, test = (
        data.rows(np.flatnonzero(part))
        for part in (speaker < 5, (speaker >= 5) & (speaker < 15), speaker >= 15)
    )
    optimiser = Optimiser(max_epochs=100, learning_rate=0.02, patience=None)
    recipe = make_recipe(network=Network(hidden=(128,)), optimiser=optimiser)
    full = fit(recipe, train, held_out)

    def surprise(part, seen):
        small = quantize(full, Quantisation(bits=1), part, seen=seen).model
        shares = softmax(small.logits(test.features))[np.arange(len(test)), test.targets]
        return -np.log(shares).mean()

    matched = surprise(train, seen=True)
    assert matched < surprise(train, seen=False) - 0.1
    assert matched < surprise(held_out, seen=False) + 0.05
