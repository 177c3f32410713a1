import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge as TheirRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from serkit.adaptation import softmax
from serkit.errors import RecipeError
from serkit.training import Network, Optimiser, Ridge, fit

from toys import make_data, make_recipe


def split(data):
    speakers = np.array([int(u.speaker) for u in data.utterances])
    parts = (speakers < 5, speakers == 5, speakers > 5)
    return [data.rows(np.flatnonzero(part)) for part in parts]


def accuracy(model, data):
    return np.mean(model.logits(data.features).argmax(axis=1) == data.targets)


def test_accuracy_is_near_logistic_regression(recipe, data):
    train, validation, test = split(data)
    theirs = LogisticRegression(max_iter=1000).fit(train.features, train.targets)
    ours = fit(recipe, train, validation)
    assert accuracy(ours, test) >= theirs.score(test.features, test.targets) - 0.05


def test_the_same_seed_gives_the_same_model_and_another_a_different_one(data):
    optimiser = Optimiser(max_epochs=5, mixup=0.3, noise=0.1, label_smoothing=0.1)
    network = Network(hidden=(16,), dropout=0.3, input_dropout=0.1)
    recipe = make_recipe(optimiser=optimiser, network=network)
    train, validation, test = split(data)
    one, same, other = (
        fit(recipe, train, validation, seed=s).logits(test.features) for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


def test_log_has_a_line_per_epoch_and_stops_after_patience(data):
    lines = []
    recipe = make_recipe(optimiser=Optimiser(max_epochs=400, patience=3, learning_rate=0.05))
    train, validation, _ = split(data)
    fit(recipe, train, validation, on_epoch=lines.append)
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    assert len(lines) < 400
    assert [line.best for line in lines[-4:]] == [True, False, False, False]


def test_the_weights_kept_are_those_of_the_best_epoch(data):
    lines = []
    recipe = make_recipe(optimiser=Optimiser(max_epochs=40, patience=10, learning_rate=0.05))
    train, validation, _ = split(data)
    model = fit(recipe, train, validation, on_epoch=lines.append)
    uncalibrated = model.logits(validation.features) * model.card.temperature
    shares = softmax(uncalibrated)[np.arange(len(validation)), validation.targets]
    best = min(line.validation_loss for line in lines)
    assert -np.log(shares).mean() == pytest.approx(best, rel=1e-3)


def test_the_normalisation_is_that_of_the_training_part(recipe, data):
    train, validation, _ = split(data)
    model = fit(recipe, train, validation)
    np.testing.assert_allclose(model.mean, train.features.mean(axis=0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.scale, train.features.std(axis=0), rtol=1e-4)


def test_a_balanced_recipe_weighs_each_class_alike_in_the_normalisation(data):
    train, validation, _ = split(data)
    few = np.flatnonzero((train.targets != 0) | (np.arange(len(train)) % 4 == 0))
    train = train.rows(few)
    model = fit(make_recipe(balance="class"), train, validation)
    rows = [train.features[train.targets == k].astype(np.float64) for k in range(3)]
    mean = np.mean([part.mean(axis=0) for part in rows], axis=0)
    spread = np.sqrt(np.mean([np.square(part - mean).mean(axis=0) for part in rows], axis=0))
    np.testing.assert_allclose(model.mean, mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.scale, spread, rtol=1e-4)


def test_constant_feature(recipe, data):
    train, validation, test = split(data)
    for part in (train, validation, test):
        part.features[:, 0] = 7.0
    assert np.isfinite(fit(recipe, train, validation).logits(test.features)).all()


def test_temperature_calibrates():
    data = make_data(n_speakers=12, per_class=30, spread=3.0)
    recipe = make_recipe(
        network=Network(hidden=(64, 64)),
        optimiser=Optimiser(max_epochs=60, patience=60, monitor="ua", learning_rate=0.01),
    )
    train, validation, test = split(data)
    model = fit(recipe, train, validation)
    confidence = softmax(model.logits(test.features)).max(axis=1).mean()
    raw = softmax(model.logits(test.features) * model.card.temperature).max(axis=1).mean()
    hits = accuracy(model, test)
    assert model.card.temperature > 1
    assert abs(confidence - hits) < abs(raw - hits)


def test_divergence(data):
    for patience in (None, 3):
        wild = make_recipe(optimiser=Optimiser(learning_rate=1e30, patience=patience))
        with pytest.raises(RecipeError, match=r"the training diverged: the loss of epoch \d+ is"):
            fit(wild, data, data)


@pytest.mark.parametrize("rate", [1e19, 1e30])
@pytest.mark.parametrize("patience", [None, 1])
def test_divergence_in_the_last_step(data, rate, patience):
    """With one batch per epoch, the loss is computed before the step that diverges."""
    steps = Optimiser(learning_rate=rate, max_epochs=1, patience=patience, batch_size=512)
    with pytest.raises(RecipeError, match="diverged"):
        fit(make_recipe(optimiser=steps), data, data)


def test_weights_beyond_float16(data):
    steps = Optimiser(learning_rate=1e6, max_epochs=3, patience=None)
    with pytest.raises(RecipeError, match="diverged"):
        fit(make_recipe(optimiser=steps, precision="float16"), data, data)


@pytest.mark.parametrize("closed", [False, True])
def test_features_that_are_not_finite(data, closed):
    changes = {"optimiser": Ridge(name="ridge"), "network": Network(hidden=())}
    recipe = make_recipe(**changes) if closed else make_recipe()
    data.features[5, 2] = np.nan
    with pytest.raises(RecipeError, match="diverged"):
        fit(recipe, data, data)


def test_balance_gives_a_rare_class_its_weight():
    data = make_data(spread=2.5)
    rare = np.flatnonzero((data.targets != 2) | (np.arange(len(data)) % 9 == 0))
    train, validation, test = split(data.rows(rare))
    recalls = {
        balance: np.mean(
            fit(make_recipe(balance=balance), train, validation)
            .logits(test.features)
            .argmax(axis=1)[test.targets == 2]
            == 2
        )
        for balance in ("none", "class", "corpus-class")
    }
    assert recalls["class"] > recalls["none"]
    assert recalls["corpus-class"] == recalls["class"]  # a single corpus


def test_float16_weights_round_trip(data, tmp_path):
    from serkit.runtime import load_model, save_model

    recipe = make_recipe(precision="float16")
    train, validation, test = split(data)
    model = fit(recipe, train, validation)
    save_model(model, tmp_path / "m.safetensors")
    loaded = load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(loaded.logits(test.features), model.logits(test.features))


def test_the_speaker_shrinkage_is_part_of_the_first_layer(data):
    """The validation loss in training equals that of the model with the map multiplied in."""
    lines = []
    recipe = make_recipe(speaker_shrinkage=2.0)
    train, validation, _ = split(data)
    model = fit(recipe, train, validation, on_epoch=lines.append)
    uncalibrated = model.logits(validation.features) * model.card.temperature
    shares = softmax(uncalibrated)[np.arange(len(validation)), validation.targets]
    best = min(line.validation_loss for line in lines)
    assert -np.log(shares).mean() == pytest.approx(best, rel=1e-3)


def test_the_principal_components_are_part_of_the_first_layer(data):
    """As of the shrinkage, and with it."""
    lines = []
    recipe = make_recipe(speaker_shrinkage=2.0, pca=3, clip=1.5)
    train, validation, _ = split(data)
    model = fit(recipe, train, validation, on_epoch=lines.append)
    assert model.layers[0].matrix.shape == (16, 6)
    assert np.linalg.matrix_rank(model.layers[0].matrix, tol=1e-4) == 3
    uncalibrated = model.logits(validation.features) * model.card.temperature
    shares = softmax(uncalibrated)[np.arange(len(validation)), validation.targets]
    best = min(line.validation_loss for line in lines)
    assert -np.log(shares).mean() == pytest.approx(best, rel=1e-3)


def test_ridge_on_principal_components_is_scikit_learns(data):
    """A pipeline of standardisation, components and ridge regression has the same answers."""
    ridge = Ridge(name="ridge", penalty=0.3)
    recipe = make_recipe(pca=2, network=Network(hidden=()), optimiser=ridge)
    train, validation, test = split(data)
    model = fit(recipe, train, validation)
    components = make_pipeline(StandardScaler(), PCA(2))
    rows = components.fit_transform(train.features.astype(np.float64))
    reference = TheirRidge(alpha=0.3 * np.square(rows).sum(axis=1).mean())
    reference.fit(rows, np.eye(3)[train.targets])
    ours = model.logits(test.features) * model.card.temperature
    theirs = reference.predict(components.transform(test.features.astype(np.float64)))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_all_components_change_nothing_for_ridge(data):
    ridge = {"network": Network(hidden=()), "optimiser": Ridge(name="ridge")}
    train, validation, test = split(data)
    one, other = (
        fit(make_recipe(pca=pca, **ridge), train, validation).logits(test.features)
        for pca in (None, 6)
    )
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_one_cycle_goes_through_all_epochs_and_keeps_the_last(data):
    lines = []
    optimiser = Optimiser(max_epochs=7, schedule="one-cycle", patience=None, learning_rate=0.02)
    train, validation, test = split(data)
    model = fit(make_recipe(optimiser=optimiser), train, validation, on_epoch=lines.append)
    assert [line.number for line in lines] == list(range(1, 8))
    assert all(line.best for line in lines)
    assert accuracy(model, test) > 0.8


@pytest.mark.parametrize("epochs", [1, 2, 3, 4, 10, 20])
def test_one_cycle_of_a_few_steps(data, epochs):
    steps = Optimiser(schedule="one-cycle", max_epochs=epochs, patience=None, batch_size=512)
    fit(make_recipe(optimiser=steps), data, data)
