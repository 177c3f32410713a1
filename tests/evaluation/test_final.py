import numpy as np
import pytest

from serkit.errors import ProtocolError
from serkit.evaluation import fit_final
from serkit.training import Dataset, Optimiser

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
