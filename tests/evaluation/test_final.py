import numpy as np
import pytest

from serkit.errors import ProtocolError
from serkit.evaluation import check_acceptance, evaluate, find_protocol, fit_final
from serkit.evaluation.summary import summary
from serkit.training import Dataset, Optimiser, fit

from toys import LABELS, make_data, make_recipe

QUICK = make_recipe(optimiser=Optimiser(max_epochs=2))
DATA = make_data(n_speakers=4, per_class=3)


def with_hashes(hashes):
    return Dataset(DATA.features, DATA.copies, DATA.targets, DATA.utterances, tuple(hashes))


def test_a_model_learns_from_all_but_those_held_out():
    model = fit_final(QUICK, with_hashes(map(str, range(len(DATA)))), ())
    assert model.card.labels == LABELS


def test_what_calibrates_a_model_must_not_be_learned_from():
    """The same recording under two speakers, one of whom is held out."""
    everything = np.arange(len(DATA))
    training, validation = QUICK.hold_out.split(DATA.utterances, everything, seed=0)
    hashes = list(map(str, everything))
    hashes[validation[0]] = hashes[training[0]]
    with pytest.raises(ProtocolError, match="training of toy leaks: 1 recordings or texts are in"):
        fit_final(QUICK, with_hashes(hashes), ())


def test_a_class_of_nobody_but_the_held_out_cannot_be_learned():
    speakers = np.array([u.speaker for u in DATA.utterances])

    def happy_only(speaker):
        return DATA.rows(np.flatnonzero((DATA.targets != 2) | (speakers == speaker)))

    one = happy_only("0")
    _, validation = QUICK.hold_out.split(one.utterances, np.arange(len(one)), seed=0)
    held_out = one.utterances[validation[0]].speaker
    with pytest.raises(ProtocolError, match=r"training part of toy holds no utterance .*happy"):
        fit_final(QUICK, happy_only(held_out), ())


def test_where_single_clips_validate_their_copies_are_not_learned_from():
    recipe = make_recipe(validation="utterance", optimiser=Optimiser(max_epochs=2))
    everything = np.arange(len(DATA))
    training, validation = recipe.hold_out.split(DATA.utterances, everything, seed=0)
    hashes = list(map(str, everything))
    hashes[training[0]] = hashes[validation[0]]
    parts = []
    fit_final(
        recipe,
        with_hashes(hashes),
        (),
        learn=lambda recipe, *both, **options: parts.append(both) or fit(recipe, *both),
    )
    assert len(parts[0][0]) == len(training) - 1


def test_a_protocol_that_tests_some_corpora_alone():
    data = make_data(n_speakers=4, per_class=3, corpora=("one", "two"))
    cross = find_protocol("cross:train=one,test=two")
    found = summary(evaluate(QUICK, data, cross, seeds=[0]))
    assert [row["corpus"] for row in found["rows"]] == ["two"]


def test_a_protocol_that_cannot_be_carried_out_is_found_before_training():
    impossible = make_recipe(acceptance=({"protocol": "loso"}, {"protocol": "session"}))
    with pytest.raises(ProtocolError, match="session"):
        check_acceptance(impossible, DATA.utterances)
    check_acceptance(make_recipe(acceptance=({"protocol": "loso"},)), DATA.utterances)
