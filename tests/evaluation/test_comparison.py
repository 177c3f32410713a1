import numpy as np
import pytest

from serkit.errors import ProtocolError
from serkit.evaluation import Comparison, FoldResult, Outcome, compare, find_protocol
from serkit.evaluation.figures import figures
from serkit.metrics import Interval, unweighted_average_recall

from toys import LABELS, make_data

DATA = make_data(n_speakers=12, per_class=4)


def outcome(right, seed=0, index=None, labels=LABELS, protocol="loso", run_seed=0, confidence=1.0):
    """A system that is right about each utterance with some probability."""
    rng = np.random.default_rng(seed)
    index = np.arange(len(DATA)) if index is None else index
    hit = rng.random(len(index)) < right
    said = np.where(hit, DATA.targets[index], (DATA.targets[index] + 1) % 3)
    probabilities = np.full((len(index), 3), (1 - confidence) / 2, np.float32)
    probabilities[np.arange(len(index)), said] = confidence
    result = FoldResult(run_seed, "f", index, probabilities)
    return Outcome(find_protocol(protocol), labels, DATA.utterances, DATA.targets, (result,))


def test_a_clear_difference_is_one():
    found = compare(outcome(0.5), outcome(0.9, seed=1), resamples=500)
    assert found.interval.low > 0.2
    assert found.interval.low < found.difference < found.interval.high
    assert found.p_value < 0.01
    assert (found.utterances, found.speakers) == (144, 12)


def test_no_difference_is_none():
    # The same answers, given with less confidence.
    same = compare(outcome(0.7), outcome(0.7, confidence=0.8), resamples=300)
    assert same.difference == same.interval.low == same.interval.high == 0
    assert same.p_value == 1
    alike = compare(outcome(0.7), outcome(0.7, seed=5), resamples=500)
    assert alike.p_value > 0.05
    assert alike.interval.low < 0 < alike.interval.high


def test_the_order_turns_the_sign():
    one, other = outcome(0.5), outcome(0.8, seed=1)
    forth, back = compare(one, other, resamples=200), compare(other, one, resamples=200)
    assert forth.difference == -back.difference
    assert forth.p_value == back.p_value


def test_what_cannot_be_compared():
    with pytest.raises(ProtocolError, match="4 of the first's 144"):
        compare(outcome(0.5), outcome(0.5, index=np.arange(4, 144)))
    with pytest.raises(ProtocolError, match="different labels"):
        compare(outcome(0.5), outcome(0.5, labels=("a", "b", "c")))


def test_a_run_that_knows_its_speakers_is_no_match_for_one_that_does_not():
    with pytest.raises(ProtocolError, match="first run is not marked so, the second speaker-dep"):
        compare(outcome(0.5), outcome(0.9, seed=1, protocol="k-fold"))
    alike = compare(outcome(0.5, protocol="k-fold"), outcome(0.9, seed=1, protocol="shuffle"))
    assert (alike.protocols, alike.marks) == (("k-fold", "shuffle"), ("speaker-dependent",))


def test_the_order_of_the_labels_does_not_matter():
    """The same answers, with the classes counted from the other end."""
    one, other = outcome(0.5), outcome(0.8, seed=1)
    turned = Outcome(
        other.protocol,
        other.labels[::-1],
        other.utterances,
        2 - other.targets,
        tuple(FoldResult(r.seed, r.fold, r.test, r.probabilities[:, ::-1]) for r in other.results),
    )
    assert compare(one, turned, resamples=50) == compare(one, other, resamples=50)


def test_only_seeds_that_both_have_take_part():
    many = Outcome(
        find_protocol("loso"),
        LABELS,
        DATA.utterances,
        DATA.targets,
        outcome(0.5).results + outcome(1.0, run_seed=1).results,
    )
    found = compare(many, outcome(0.5, confidence=0.8), resamples=50)
    assert (found.first, found.seeds) == (found.second, (0,))
    with pytest.raises(ProtocolError, match="no seed in common: 0, 1 against 2"):
        compare(many, outcome(0.5, run_seed=2))


@pytest.mark.parametrize(
    ("interval", "p_value", "verdict"),
    [
        (Interval(0.1, 0.2), 0.01, "better"),
        (Interval(-0.2, -0.1), 0.01, "worse"),
        (Interval(0.1, 0.2), 0.06, "not clearly different"),
        (Interval(-0.1, 0.2), 0.01, "not clearly different"),
        (None, 0.01, "not comparable over so few speakers"),
    ],
)
def test_better_needs_the_interval_and_the_p_value(interval, p_value, verdict):
    found = Comparison(0.5, 0.6, interval, p_value, 9, 6, ("loso", "loso"), (0,), ())
    assert found.verdict == verdict


def shuffled(right, first_seed=0, confidence=1.0):
    """Four seeds that test different utterances, as `shuffle` does."""
    rng = np.random.default_rng(3)
    results = []
    for seed in range(4):
        index = np.sort(rng.choice(len(DATA), 60, replace=False))
        (result,) = outcome(
            right, seed=first_seed + seed, index=index, run_seed=seed, confidence=confidence
        ).results
        results.append(result)
    return Outcome(find_protocol("shuffle"), LABELS, DATA.utterances, DATA.targets, tuple(results))


def test_the_figures_are_those_of_the_evaluation():
    """Where seeds test different utterances too, UA is the mean of the seeds' UA."""
    one, other = shuffled(0.7), shuffled(0.5, first_seed=10)
    found = compare(one, other, resamples=20)
    for run, value in ((one, found.first), (other, found.second)):
        assert value == figures(run)[0].headlines["ua"].value
        recalls = [unweighted_average_recall(run.matrix(seed)) for seed in range(4)]
        assert value == pytest.approx(np.mean(recalls))


def test_a_run_is_not_compared_with_itself():
    one = shuffled(0.7)
    for copy in (one, shuffled(0.7)):
        with pytest.raises(ProtocolError, match="name two different runs"):
            compare(one, copy)
    assert compare(one, shuffled(0.7, confidence=0.8), resamples=20).p_value == 1


def test_a_p_value_counts_what_was_observed_among_the_permutations():
    """Phipson and Smyth (2010): never zero. Of 9 flips of 12 speakers hardly one is as extreme."""
    found = compare(outcome(0.0), outcome(1.0), resamples=9)
    assert found.difference == 1
    assert found.p_value == pytest.approx(1 / 10)
