import numpy as np
import pytest

from serkit.adaptation import HoldOut
from serkit.errors import ProtocolError
from serkit.evaluation import PROTOCOLS, Fold, find_protocol, guard

from toys import make_data

BY_SPEAKER = HoldOut("speaker", 0.2)
TWO = make_data(n_speakers=6, per_class=3, corpora=("one", "two")).utterances


def folds_of(name, utterances=TWO, seed=0, hold_out=BY_SPEAKER):
    protocol = find_protocol(name)
    folds = protocol.folds(utterances, seed=seed, hold_out=hold_out)
    guard(protocol, folds, utterances, hold_out=hold_out)
    return folds


GENERAL = ["shuffle", "loso", "speaker-folds", "leave-one-corpus-out", "k-fold"]


@pytest.mark.parametrize("name", GENERAL)
def test_parts_are_disjoint_and_cover_everything(name):
    for fold in folds_of(name):
        together = np.concatenate((fold.train, fold.validation, fold.test))
        assert sorted(together) == list(range(len(TWO)))


@pytest.mark.parametrize("name", ["loso", "speaker-folds", "leave-one-corpus-out"])
def test_each_utterance_is_tested_once_and_its_speaker_never_learned_from(name):
    folds = folds_of(name)
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(len(TWO)))
    for fold in folds:
        parts = [{TWO[i].speaker_key for i in p} for p in (fold.train, fold.validation, fold.test)]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 12


def test_names_and_numbers_of_folds():
    assert len(folds_of("loso")) == 12
    assert len(folds_of("speaker-folds")) == 5
    assert [fold.name for fold in folds_of("leave-one-corpus-out")] == ["one", "two"]
    (fold,) = folds_of("shuffle", hold_out=HoldOut("utterance", 0.1))
    assert (len(fold.train), len(fold.validation), len(fold.test)) == (86, 11, 11)


@pytest.mark.parametrize("name", ["shuffle", "speaker-folds"])
def test_the_seed_decides(name):
    def tests(seed):
        return [fold.test.tolist() for fold in folds_of(name, seed=seed)]

    assert tests(1) == tests(1)
    assert tests(1) != tests(2)


def test_shuffle_is_marked_and_the_others_are_not():
    assert {name for name, p in PROTOCOLS.items() if p.speaker_dependent} == {
        "shuffle",
        "k-fold",
        "fixed",
        "emobox-emodb",
        "emobox-crema-d",
    }


@pytest.mark.parametrize("name", ["loso", "speaker-folds", "leave-one-corpus-out"])
def test_one_speaker_or_corpus_is_too_few(name):
    alone = make_data(n_speakers=1, per_class=3).utterances
    with pytest.raises(ProtocolError, match="at least two"):
        folds_of(name, alone)


def test_two_utterances_cannot_be_split_in_three():
    with pytest.raises(ProtocolError, match="too few"):
        folds_of("shuffle", TWO[:2])


def test_an_unknown_protocol_lists_the_known():
    with pytest.raises(ProtocolError, match="shuffle, loso, speaker-folds, leave-one-corpus-out"):
        find_protocol("10-fold")


def as_fold(train, validation, test):
    return [Fold("f", *map(np.array, (train, validation, test)))]


def test_the_guard_refuses_what_leaks():
    loso, shuffle = find_protocol("loso"), find_protocol("shuffle")
    # Utterances 0-8 are speaker 0's, 9-17 speaker 1's, 18-26 speaker 2's.
    guard(loso, as_fold([0, 1], [9], [18]), TWO, hold_out=BY_SPEAKER)
    with pytest.raises(ProtocolError, match="1 utterances are in training and in test"):
        guard(shuffle, as_fold([0, 1], [9], [1]), TWO, hold_out=BY_SPEAKER)
    with pytest.raises(ProtocolError, match="speakers one/0 are in training and in test"):
        guard(loso, as_fold([0], [9], [1]), TWO, hold_out=BY_SPEAKER)
    with pytest.raises(ProtocolError, match="speakers one/1 are in validation and in test"):
        guard(loso, as_fold([0], [9], [10]), TWO, hold_out=HoldOut("utterance", 0.1))
    with pytest.raises(ProtocolError, match="speakers one/0 are in training and in validation"):
        guard(loso, as_fold([0], [1], [10]), TWO, hold_out=BY_SPEAKER)
    guard(loso, as_fold([0], [1], [10]), TWO, hold_out=HoldOut("utterance", 0.1))
    guard(shuffle, as_fold([0], [1], [2]), TWO, hold_out=BY_SPEAKER)
    with pytest.raises(ProtocolError, match="empty validation"):
        guard(loso, as_fold([0], np.zeros(0, int), [10]), TWO, hold_out=BY_SPEAKER)
