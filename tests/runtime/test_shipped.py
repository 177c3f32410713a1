import os

import pytest

import serkit
from serkit.errors import ModelError
from serkit.runtime import load_model, save_model


def test_models_that_ship():
    assert serkit.available_models() == ("emodb7", "ravdess8", "tiny", "tiny-mel")
    tiny = serkit.load("tiny")
    assert tiny.labels == ("angry", "happy", "neutral", "sad")
    assert tiny.backend.file_bytes <= 60_000
    assert len(serkit.load("emodb7").labels) == 7
    assert len(serkit.load("ravdess8").labels) == 8


def test_tiny_is_the_default():
    assert serkit.load().name == "tiny"


@pytest.mark.parametrize("name", ["tiny", "tiny-mel", "emodb7", "ravdess8"])
def test_the_card_of_a_shipped_model_is_complete(name):
    card = serkit.load(name).card
    assert card.figures["protocols"]
    assert card.recipe["name"] == name
    assert card.corpora and all(corpus.licence for corpus in card.corpora)
    assert card.temperature > 0


def test_an_unknown_name_lists_the_known_and_the_close_one():
    with pytest.raises(ModelError, match=r"did you mean 'tiny'\? expected emodb7, ravdess8, tiny"):
        serkit.load("tinny")
    with pytest.raises(ModelError, match="expected emodb7, ravdess8, tiny"):
        serkit.load("")


def test_a_path_is_loaded(model, tmp_path, monkeypatch):
    path = tmp_path / "mine.safetensors"
    save_model(model, path)
    assert serkit.load(path).name == "toy"
    monkeypatch.chdir(tmp_path)
    assert serkit.load("mine.safetensors").name == "toy"
    with pytest.raises(ModelError, match="no such file"):
        serkit.load(os.fspath(tmp_path / "other.safetensors"))
    assert load_model(path).card.name == "toy"
