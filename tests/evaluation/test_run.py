from dataclasses import replace

import numpy as np
import pytest

from serkit.errors import ProtocolError
from serkit.evaluation import Fold, accept, evaluate, find_protocol, guarded_folds
from serkit.metrics import unweighted_average_recall
from serkit.training import Acceptance, Network, Optimiser

from toys import make_data, make_recipe


def quick(**changes):
    return make_recipe(optimiser=Optimiser(max_epochs=6, learning_rate=0.02), **changes)


def test_every_utterance_is_tested_once_a_seed_by_a_model_that_works(data):
    outcome = evaluate(quick(), data, find_protocol("loso"), seeds=[0, 1])
    assert outcome.seeds == (0, 1)
    for seed in outcome.seeds:
        test, probabilities = outcome.pooled(seed)
        assert sorted(test) == list(range(len(data)))
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
        assert unweighted_average_recall(outcome.matrix(seed)) > 0.8


def test_processes_change_nothing(data):
    protocol = find_protocol("speaker-folds")
    one = evaluate(quick(), data, protocol, seeds=[0], jobs=1)
    two = evaluate(quick(), data, protocol, seeds=[0], jobs=2)
    for ours, theirs in zip(one.results, two.results, strict=True):
        assert ours.fold == theirs.fold
        np.testing.assert_allclose(ours.probabilities, theirs.probabilities, rtol=1e-4)


def test_poisoning_the_test_fold_changes_no_model(data):
    """Nothing is fitted, chosen or stopped on test data: shift and relabel it, and the
    probabilities of everything else must stay as they were."""
    protocol = find_protocol("loso")
    recipe = quick(network=Network(hidden=(16,), dropout=0.1))
    seen = {}

    def results_with(features, targets):
        poisoned = replace(data, features=features, targets=targets)
        fold = protocol.folds(data.utterances, seed=0, hold_out=recipe.hold_out)[0]
        single = replace(protocol, split=lambda *_: [fold])
        outcome = evaluate(recipe, poisoned, single, seeds=[0])
        seen["test"] = fold.test
        return outcome.results[0].probabilities

    clean = results_with(data.features, data.targets)
    features, targets = data.features.copy(), data.targets.copy()
    half = seen["test"][: len(seen["test"]) // 2]
    features[half] = 1e6
    targets[seen["test"]] = 0
    poisoned = results_with(features, targets)
    np.testing.assert_array_equal(poisoned[len(half) :], clean[len(half) :])


def test_acceptance_has_a_row_a_corpus():
    data = make_data(n_speakers=5, corpora=("one", "two"))
    recipe = quick(
        corpora=("one", "two"),
        acceptance=(
            Acceptance(protocol="leave-one-corpus-out", seeds=2),
            Acceptance(protocol="shuffle", seeds=1),
        ),
    )
    cross, shuffled = accept(recipe, data)["protocols"]
    assert [row["corpus"] for row in cross["rows"]] == ["one", "two"]
    assert cross["seeds"] == [0, 1]
    for row in cross["rows"]:
        low, high = row["ua_interval"]
        assert 0 <= low <= row["ua"] <= high <= 1
        assert row["utterances"] == 5 * 36
        assert row["speakers"] == 5
        assert 0 <= row["ece"] <= 1
    assert cross["mean_ua"] == pytest.approx(np.mean([r["ua"] for r in cross["rows"]]))
    assert shuffled["speaker_dependent"]
    assert "speaker-dependent" in shuffled["title"]


def test_an_unknown_protocol_in_a_recipe(data):
    recipe = quick(acceptance=(Acceptance(protocol="10-fold"),))
    with pytest.raises(ProtocolError, match="no protocol"):
        accept(recipe, data)


class Nearest:
    """Answers with the class whose training mean is nearest."""

    def __init__(self, training):
        self.centres = np.stack(
            [training.features[training.targets == k].mean(axis=0) for k in range(3)]
        )

    def logits(self, features):
        return -np.linalg.norm(features[:, None] - self.centres, axis=2)


def test_another_learner_is_put_to_the_same_test(data):
    parts = []

    def learn(recipe, training, validation, *, seed):
        parts.append({u.speaker for u in training.utterances + validation.utterances})
        return Nearest(training)

    outcome = evaluate(quick(), data, find_protocol("loso"), seeds=[0], learn=learn)
    for result, learned_from in zip(outcome.results, parts, strict=True):
        test = data.rows(result.test)
        assert not learned_from & {u.speaker for u in test.utterances}
        alone = data.rows(np.flatnonzero([u.speaker in learned_from for u in data.utterances]))
        assert len(alone) + len(test) == len(data)
    assert unweighted_average_recall(outcome.matrix(0)) > 0.8


def test_a_run_folder_is_for_our_own_training(data, tmp_path):
    with pytest.raises(ProtocolError, match="another learner"):
        evaluate(
            quick(),
            data,
            find_protocol("loso"),
            seeds=[0],
            folder=tmp_path / "run",
            learn=lambda *_, seed: None,
        )
    assert not (tmp_path / "run").exists()


def test_the_guard_is_asked_before_anything_is_learned(data):
    """A protocol that calls itself speaker-independent and is not; and the same audio twice."""

    def learn(*_, seed):
        raise AssertionError("learned from a leaking split")

    everything = np.arange(len(data))
    leaky = Fold("all", everything[::3], everything[1::3], everything[2::3])
    false = replace(find_protocol("loso"), split=lambda *_: [leaky])
    with pytest.raises(ProtocolError, match=r"the speakers .* are in train"):
        evaluate(quick(), data, false, seeds=[0], learn=learn)
    hashes = [f"content {i}" for i in range(len(data))]
    hashes[-1] = hashes[0]
    twice = replace(data, hashes=tuple(hashes))
    with pytest.raises(ProtocolError, match="are identical"):
        evaluate(quick(), twice, find_protocol("loso"), seeds=[0], learn=learn)


def test_copies_of_what_is_tested_are_not_learned_from_where_clips_are_shuffled(data):
    hashes = tuple(f"content {i // 2}" for i in range(len(data)))
    twice = replace(data, hashes=hashes)
    parts = []

    def learn(recipe, training, validation, *, seed):
        parts.append((set(training.hashes), set(validation.hashes)))
        return Nearest(training)

    outcome = evaluate(quick(), twice, find_protocol("k-fold:3"), seeds=[0], learn=learn)
    for result, (training, validation) in zip(outcome.results, parts, strict=True):
        tested = {hashes[i] for i in result.test}
        assert not tested & training
        assert not tested & validation
        assert not training & validation


def test_the_seed_decides_who_validates():
    data = make_data(corpora=("one", "other"))
    for name in ("loso", "speaker-folds", "leave-one-corpus-out", "cross:train=one,test=other"):
        protocol, hold_out = find_protocol(name), quick().hold_out
        parts = [
            [fold.validation.tolist() for fold in guarded_folds(data, protocol, hold_out, seed=s)]
            for s in (0, 0, 1)
        ]
        assert parts[0] == parts[1] != parts[2]
