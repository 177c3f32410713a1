import os

import pytest

from serkit.errors import RecipeError
from serkit.runtime import ModelCard
from serkit.training import (
    Network,
    Recipe,
    fitting,
    load_any_recipe,
    load_recipe,
    shipped_recipes,
)

from toys import make_recipe

GOOD = """
name: mine
corpora: [tess]
labels: [angry, sad]
features: {name: mfcc13, descriptors: [{name: mfcc, size: 13}]}
network: {hidden: [8]}
"""


def test_shipped_recipes():
    assert {
        "layer-importance-adaptive-quantization/table2-emodb",
        "layer-importance-adaptive-quantization/table2-savee",
        "layer-importance-adaptive-quantization/table2-tess",
        "models/emodb7",
        "models/ravdess8",
        "models/tiny",
    } <= set(shipped_recipes())
    for name in shipped_recipes():
        recipe = load_any_recipe(name)
        assert recipe.labels
        assert type(recipe).model_validate(recipe.to_dict()) == recipe


def test_recipe_of_the_paper():
    recipe = load_recipe("layer-importance-adaptive-quantization/table2-emodb")
    assert recipe.network.hidden == (256, 512, 64)
    assert recipe.network.dropout == 0.1
    optimiser = recipe.optimiser
    assert (optimiser.name, optimiser.learning_rate) == ("adam", 1e-3)
    assert (optimiser.batch_size, optimiser.patience) == (32, 5)
    assert recipe.validation_share == 0.1
    assert recipe.features.n_features == 180


def test_a_file_is_read_and_a_recipe_travels_as_json(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD)
    recipe = load_recipe(path)
    assert recipe.features.n_features == 13
    assert Recipe.model_validate(recipe.to_dict()) == recipe


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", "not YAML"),
        ("3", "recipe: "),
        (GOOD + "colour: red", "colour: Extra inputs"),
        (GOOD.replace("[angry, sad]", "[angry]"), "labels: "),
        (GOOD.replace("[8]", "[0]"), "network.hidden.0: "),
        (GOOD.replace("[8]", "[8192, 8192]"), "parameters; expected at most 5000000: use narrower"),
        (GOOD.replace("[8]", str([1] * 33)), "network.hidden: "),
        (GOOD.replace("mfcc, size: 13", "formants"), "unknown descriptor 'formants'"),
        (GOOD + "optimiser: {learning_rate: -1}", "optimiser.gradient.learning_rate: "),
        (GOOD + "validation_share: 1.5", "validation_share: "),
        (GOOD + "pca: 0", "pca: "),
        (GOOD + "pca: 14", "pca is 14; expected at most 13"),
        (GOOD + "clip: .inf", "clip: the number inf"),
        (GOOD + "source: 2001-13-45", "an impossible date"),
        (GOOD + f"clip: {'9' * 10_000}", "a number of 10000 digits"),
        (GOOD + "source: " + "[" * 100_000, "nested too deeply"),
        ("# " + "x" * (1 << 20), "larger than"),
    ],
)
def test_errors_name_file_and_field(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=r"mine\.yaml") as raised:
        load_recipe(path)
    assert message in str(raised.value)


def test_an_unknown_name_lists_the_known():
    with pytest.raises(RecipeError, match=r"did you mean 'models/tiny'\? expected .*models/tiny"):
        load_recipe("models/tinny")


def test_yaml_cannot_make_objects(tmp_path):
    path = tmp_path / "evil.yaml"
    path.write_text("!!python/object/apply:os.system ['true']")
    with pytest.raises(RecipeError, match=r"line 1: tag .*os\.system"):
        load_recipe(path)


def test_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(RecipeError, match="cannot be read: is a pipe or a device"):
        load_recipe(tmp_path / "pipe.yaml")


def test_toy_recipe_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        make_recipe().name = "other"


def test_recipe_on_a_card():
    recipe = load_recipe("models/tiny")
    card = ModelCard("tiny", recipe.labels, recipe.features, recipe=recipe.on_card())
    assert Recipe.of_card(card) == recipe
    assert len(str(recipe.on_card())) < len(str(recipe.to_dict())) / 2
    with pytest.raises(RecipeError, match="the card of tiny has no valid recipe: name: "):
        Recipe.of_card(ModelCard("tiny", recipe.labels, recipe.features))


@pytest.mark.parametrize("family", ["mlp", "cnn", "lstm", "attention-gru"])
def test_n_parameters_agrees_with_the_layers(family):
    network = Network(family=family, hidden=(7, 5), kernel=3)
    layers = fitting._layers(network, 11, 4)
    exact = sum(parameter.numel() for layer in layers for parameter in layer.parameters())
    assert network.n_parameters(11, 4) == pytest.approx(exact, rel=0.1)
