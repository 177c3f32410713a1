"""Recipes of networks on waveforms: the paper's settings, and bad ones."""

import pytest
import yaml

from serkit.errors import RecipeError
from serkit.training import Recipe, load_any_recipe, load_recipe, shipped_recipes
from serkit.training.fusion import FusionRecipe
from serkit.training.speech import SpeechRecipe

PAPER = "distilhubert-mobile-ser"


@pytest.mark.parametrize("name", ["table1-iemocap", "table1-iemocap-crema-d", "production"])
def test_the_recipes_of_the_paper_have_its_settings(name):
    """Ismail, III.A to III.D, and V.A for the production model."""
    recipe = load_any_recipe(f"{PAPER}/{name}")
    assert recipe.corpora == ("iemocap",)
    assert recipe.anchors == (("crema_d",) if name == "table1-iemocap-crema-d" else ())
    assert recipe.labels == ("angry", "happy", "neutral", "sad")
    assert recipe.merges == {"excited": "happy"}
    assert (recipe.encoder.source, recipe.encoder.frozen) == (
        "ntu-spml/distilhubert", "convolutions",
    )  # fmt: skip
    assert recipe.preprocessing.model_dump() == {
        "trim_db": 20.0, "pre_emphasis": 0.97, "peak": 0.95, "max_s": 8.0,
    }  # fmt: skip
    augmentation = recipe.augmentation
    assert (augmentation.gain_db, augmentation.noise) == ((-18.0, 6.0), (0.001, 0.015))
    assert (augmentation.pitch_semitones, augmentation.polarity) == (2.0, True)
    plan = recipe.optimiser
    assert (plan.max_epochs, plan.batch_size, plan.learning_rate) == (25, 16, 5e-5)
    assert (plan.warm_up, plan.weight_decay, plan.patience) == (0.1, 0.01, 6)
    assert recipe.loss.model_dump() == {
        "gamma": 2.0, "class_weights": "balanced", "label_smoothing": 0.1,
    }  # fmt: skip
    shuffled = ("utterance", 0.05, "shuffle")
    found = (recipe.validation, recipe.validation_share, recipe.acceptance[0].protocol)
    assert found == (shuffled if name == "production" else ("speaker", 0.15, "session"))


def test_every_shipped_recipe_is_of_one_kind():
    kinds = {name: type(load_any_recipe(name)) for name in shipped_recipes()}
    of_speech = {name for name, kind in kinds.items() if kind is SpeechRecipe}
    assert of_speech == {name for name in kinds if name.split("/")[0] in (PAPER, "speech")}
    of_fusion = {name for name, kind in kinds.items() if kind is FusionRecipe}
    assert of_fusion == {name for name in kinds if name.split("/")[0] == "amser"}
    assert set(kinds.values()) == {Recipe, SpeechRecipe, FusionRecipe}


def test_what_cannot_train_a_network_on_waveforms_says_so():
    with pytest.raises(RecipeError, match="is the recipe of a network on waveforms"):
        load_recipe("speech/log-mel-student")


GOOD = {
    "name": "x",
    "corpora": ["ravdess"],
    "labels": ["angry", "sad"],
    "encoder": {"kind": "log-mel"},
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder": {"kind": "log-mel", "width": 30}}, "width is 30; expected a multiple of head"),
        ({"encoder": {"kind": "log-mel", "kernel": 4}}, "kernel is 4; expected an odd number"),
        ({"encoder": {"kind": "lstm"}}, "encoder.*'transformer'.*'log-mel'"),
        ({"encoder": {"kind": "transformer"}}, "encoder.transformer.source: Field required"),
        ({"labels": ["sad", "sad"]}, "labels are 'sad', 'sad'; expected distinct names"),
        ({"merges": {"excited": "happy"}}, "merges has excited: happy; expected another label"),
        ({"anchors": ["ravdess"]}, "ravdess is both in corpora and in anchors"),
        ({"augmentation": {"gain_db": [6, -18]}}, r"gain_db is \[6.0, -18.0\]; expected a range"),
        ({"augmentation": {"noise": [0.0, 0.1]}}, r"noise is \[0.0, 0.1\]; expected a range in"),
        ({"optimiser": {"learning_rate": 0}}, "optimiser.learning_rate"),
        ({"loss": {"gama": 2}}, "loss.gama: Extra inputs are not permitted"),
        ({"features": {"name": "mfcc"}}, "features: Extra inputs are not permitted"),
        ({"preprocessing": {"max_s": 1e9}}, "preprocessing.max_s"),
    ],
)
def test_bad_recipes_are_named(tmp_path, change, message):
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump(GOOD))
    assert load_any_recipe(path).name == "x"
    path.write_text(yaml.safe_dump(GOOD | change))
    with pytest.raises(RecipeError, match=message):
        load_any_recipe(path)
