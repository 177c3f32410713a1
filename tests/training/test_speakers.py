import numpy as np
import pytest

from serkit.adaptation import Enrolment, fit_speaker_model
from serkit.evaluation import fit_final
from serkit.training import Network, Ridge, fit, speakers_of

from toys import make_data, make_recipe

RECIPE = make_recipe(network=Network(hidden=()), optimiser=Ridge(name="ridge"), speaker_parts=2)


def test_logits_are_of_models_that_were_not_trained_on_the_speakers():
    data = make_data(n_speakers=6, per_class=8)
    found = speakers_of(RECIPE, data)
    logits = np.zeros((len(data), len(RECIPE.labels)), np.float32)
    for part in (("0", "2", "4"), ("1", "3", "5")):
        held = np.array([u.speaker in part for u in data.utterances])
        others = data.rows(np.flatnonzero(~held))
        training, validation = RECIPE.hold_out.split(
            others.utterances, np.arange(len(others)), seed=0
        )
        model = fit(RECIPE, others.rows(training), others.rows(validation))
        logits[held] = model.logits(data.features[held])
    speakers = [u.speaker_key for u in data.utterances]
    expected = fit_speaker_model(logits, data.targets, speakers)
    np.testing.assert_allclose(found.means, expected.means)
    np.testing.assert_allclose(found.between, expected.between)


@pytest.mark.parametrize("changes", [{"speaker_parts": 0}, {"validation": "utterance"}])
def test_not_asked_for_or_not_by_speaker(changes):
    assert speakers_of(make_recipe(**changes), make_data()) is None


def test_too_few_speakers():
    assert speakers_of(RECIPE, make_data(n_speakers=2)) is None


def test_one_part_is_refused():
    with pytest.raises(ValueError, match="at least 2"):
        make_recipe(speaker_parts=1)


def test_the_trained_model_carries_it():
    data = make_data(n_speakers=6, per_class=8)
    model = fit_final(RECIPE, data, ())
    logits = model.logits(data.features[:9])
    adjusted = Enrolment(model.card.speakers).hear(logits).adjusted(logits)
    assert adjusted.shape == logits.shape
    assert np.isfinite(adjusted).all()
