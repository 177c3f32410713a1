from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from serkit.adaptation import Enrolment, SpeakerModel, fit_speaker_model
from serkit.adaptation.enrolment import MAX_HEARD
from serkit.adaptation.speaker_model import contrasts
from serkit.errors import ProfileError

N_CLASSES = 4
seeds = st.integers(0, 10_000)


def definite(rng, width, scale):
    factor = rng.standard_normal((width, width))
    return scale * (factor @ factor.T / width + 0.3 * np.eye(width))


def a_model(seed=0, n_classes=N_CLASSES):
    rng = np.random.default_rng(seed)
    width = n_classes - 1
    return SpeakerModel(
        means=2.0 * rng.standard_normal((n_classes, width)),
        between=definite(rng, width, 1.0),
        interaction=definite(rng, width, 0.2),
        within=definite(rng, width, 0.8),
    )


def some_logits(seed, n):
    return np.random.default_rng(seed).normal(0.0, 2.0, (n, N_CLASSES)).astype(np.float32)


def test_contrasts_are_orthonormal_and_ignore_the_mean():
    basis = contrasts(np.eye(5)).T
    np.testing.assert_allclose(basis @ basis.T, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(basis.sum(axis=1), 0.0, atol=1e-12)


def test_contrasts_by_hand():
    found = contrasts(np.array([[3.0, 1.0, 5.0]]))
    np.testing.assert_allclose(found, [[2.0 / np.sqrt(2.0), (2.0 - 5.0) * np.sqrt(2.0 / 3.0)]])


def test_the_offset_of_labelled_recordings_is_the_conditional_mean_of_the_joint_gaussian():
    """Condition the joint Gaussian of the offset and all recordings, written out in full."""
    model = a_model()
    width = N_CLASSES - 1
    targets = np.array([0, 0, 2, 3, 3, 3])
    logits = some_logits(1, len(targets))
    n = len(targets)
    same = targets[:, None] == targets
    covariance = (
        np.kron(np.ones((n, n)), model.between)
        + np.kron(same, model.interaction)
        + np.kron(np.eye(n), model.within)
    )
    across = np.kron(np.ones((1, n)), model.between)
    residual = (contrasts(logits) - model.means[targets]).ravel()
    gain = across @ np.linalg.inv(covariance)
    offset = Enrolment(model).learn(logits, targets).offset
    np.testing.assert_allclose(offset.mean, gain @ residual, atol=1e-9)
    np.testing.assert_allclose(offset.covariance, model.between - gain @ across.T, atol=1e-9)
    assert offset.mean.shape == (width,)


def test_labelled_answers_are_the_predictive_densities_of_the_joint_gaussian():
    model = a_model()
    targets = np.array([0, 0, 2, 3, 3, 3])
    logits = some_logits(1, len(targets))
    new = some_logits(2, 1)
    z, seen = contrasts(new)[0], contrasts(logits)
    n = len(targets)
    expected = new[0].astype(float)
    for label in range(N_CLASSES):
        labels = np.append(targets, label)
        joint = (
            np.kron(np.ones((n + 1, n + 1)), model.between)
            + np.kron(labels[:, None] == labels, model.interaction)
            + np.kron(np.eye(n + 1), model.within)
        )
        k = n * (N_CLASSES - 1)
        gain = joint[k:, :k] @ np.linalg.inv(joint[:k, :k])
        mean = model.means[label] + gain @ (seen - model.means[targets]).ravel()
        covariance = joint[k:, k:] - gain @ joint[:k, k:]
        expected[label] += multivariate_normal(mean, covariance).logpdf(z)
        expected[label] -= multivariate_normal(model.means[label], joint[k:, k:]).logpdf(z)
    found = Enrolment(model).learn(logits, targets).adjusted(new)[0]
    np.testing.assert_allclose(found - found.mean(), expected - expected.mean(), atol=1e-4)


def test_nothing_known_is_the_identity():
    logits = some_logits(0, 5)
    np.testing.assert_array_equal(Enrolment(a_model()).adjusted(logits), logits)


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(1, 12), st.integers(0, 12))
def test_order_and_chunks_do_not_matter(seed, n_heard, n_learned):
    rng = np.random.default_rng(seed)
    model = a_model(seed)
    heard, learned = some_logits(seed + 1, n_heard), some_logits(seed + 2, n_learned)
    targets = rng.integers(0, N_CLASSES, n_learned)
    once = Enrolment(model).hear(heard).learn(learned, targets)
    by_one = Enrolment(model)
    for i in rng.permutation(n_learned):
        by_one.learn(learned[i : i + 1], targets[i : i + 1])
    for i in rng.permutation(n_heard):
        by_one.hear(heard[i : i + 1])
    new = some_logits(seed + 3, 4)
    np.testing.assert_allclose(once.adjusted(new), by_one.adjusted(new), atol=1e-3)


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(1, 10), st.integers(1, 10))
def test_forgetting_is_exact(seed, n_kept, n_taken):
    rng = np.random.default_rng(seed)
    model = a_model(seed)
    logits = some_logits(seed, n_kept + n_taken)
    targets = rng.integers(0, N_CLASSES, len(logits))
    kept = Enrolment(model).learn(logits[:n_kept], targets[:n_kept])
    both = Enrolment(model).learn(logits, targets).forget(logits[n_kept:], targets[n_kept:])
    np.testing.assert_array_equal(both.counts, kept.counts)
    new = some_logits(seed + 1, 4)
    np.testing.assert_allclose(both.adjusted(new), kept.adjusted(new), atol=1e-4)


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(0, N_CLASSES - 1))
def test_one_emotion_tells_at_most_the_inverse_of_the_interaction(seed, target):
    """However many recordings: the precision gained is below D^-1."""
    model = a_model(seed)
    logits = some_logits(seed, 1)
    enrolment = Enrolment(model)
    for _ in range(10):
        enrolment.learn(np.repeat(logits, 100_000, axis=0), np.full(100_000, target))
    gained = np.linalg.inv(enrolment.offset.covariance) - np.linalg.inv(model.between)
    left = np.linalg.inv(model.interaction) - gained
    assert np.linalg.eigvalsh((left + left.T) / 2).min() > -1e-6


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(1, 60))
def test_recordings_only_reduce_the_uncertainty(seed, n):
    model = a_model(seed)
    offset = Enrolment(model).hear(some_logits(seed, n)).offset
    reduced = model.between - offset.covariance
    assert np.linalg.eigvalsh((reduced + reduced.T) / 2).min() > -1e-9


def test_a_user_of_the_model_is_found_and_answered_better():
    rng = np.random.default_rng(5)
    model = a_model(3)
    found, before, after = [], [], []
    inverse = np.linalg.pinv(contrasts(np.eye(N_CLASSES)).T)
    for _ in range(40):
        offset = rng.multivariate_normal(np.zeros(3), model.between)
        own = rng.multivariate_normal(np.zeros(3), model.interaction, N_CLASSES)
        targets = rng.integers(0, N_CLASSES, 60)
        z = (
            model.means[targets]
            + offset
            + own[targets]
            + rng.multivariate_normal(np.zeros(3), model.within, 60)
        )
        # Logits whose contrasts are z; they need not be the best ones of a stranger.
        logits = z @ inverse.T
        stranger = model.log_densities(z, np.zeros(3), model.between)
        enrolment = Enrolment(model).hear(logits[:30])
        found.append(np.square(enrolment.offset.mean - offset).sum() / np.square(offset).sum())
        personal = stranger + enrolment.adjusted(logits) - logits
        before.append(np.mean(stranger[30:].argmax(axis=1) == targets[30:]))
        after.append(np.mean(personal[30:].argmax(axis=1) == targets[30:]))
    assert np.median(found) < 0.5
    assert np.mean(after) > np.mean(before)


@pytest.mark.parametrize(("n_emotions", "expected"), [(1, 0.0), (2, 1.0 / 3.0), (4, 1.0)])
def test_the_weight_without_labels_grows_with_the_number_of_emotions(n_emotions, expected):
    """Logits so far apart that the emotions are certain."""
    model = replace(a_model(3), means=100.0 * contrasts(np.eye(N_CLASSES)))
    heard = np.eye(N_CLASSES)[np.arange(12) % n_emotions] * 100.0
    found = np.linalg.inv(Enrolment(model).hear(heard).offset.covariance)
    one_each = np.array([12 / n_emotions] * n_emotions) * expected
    told = sum(
        (np.linalg.inv(model.interaction + model.within / n) for n in one_each if n),
        np.linalg.inv(model.between),
    )
    np.testing.assert_allclose(found, told, rtol=1e-6, atol=1e-6)


def test_only_the_latest_recordings_are_kept():
    logits = some_logits(0, MAX_HEARD + 20)
    enrolment = Enrolment(a_model()).hear(logits[:100]).hear(logits[100:])
    np.testing.assert_allclose(enrolment.heard, contrasts(logits[20:]))


def test_a_restored_enrolment_answers_the_same():
    enrolment = Enrolment(a_model()).hear(some_logits(0, 6)).learn(some_logits(1, 2), [1, 3])
    again = Enrolment(
        a_model(), heard=enrolment.heard, counts=enrolment.counts, sums=enrolment.sums
    )
    new = some_logits(2, 3)
    np.testing.assert_array_equal(again.adjusted(new), enrolment.adjusted(new))


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda e: e.hear(np.zeros((2, 3))), r"expected \[n, 4\]"),
        (lambda e: e.hear(np.zeros(4)), r"expected \[n, 4\]"),
        (lambda e: e.hear(np.full((1, 4), np.nan)), "not finite"),
        (lambda e: e.learn(np.zeros((2, 4)), [0]), "1 class indices for 2"),
        (lambda e: e.learn(np.zeros((1, 4)), [4]), "unknown class"),
        (lambda e: e.learn(np.zeros((1, 4)), [-1]), "unknown class"),
        (lambda e: e.forget(np.zeros((1, 4)), [0]), "fewer recordings"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(act, message):
    enrolment = Enrolment(a_model()).learn(some_logits(0, 1), [1])
    before = enrolment.adjusted(some_logits(1, 2))
    with pytest.raises(ProfileError, match=message):
        act(enrolment)
    np.testing.assert_array_equal(enrolment.adjusted(some_logits(1, 2)), before)


@pytest.mark.parametrize(
    "state",
    [
        {"heard": np.zeros((2, 4))},
        {"heard": np.zeros((MAX_HEARD + 1, 3))},
        {"heard": np.full((1, 3), np.inf)},
        {"counts": np.zeros(3, np.int64)},
        {"counts": np.array([0, -1, 0, 0])},
        {"counts": np.array([0, 1 << 40, 0, 0])},
        {"sums": np.zeros((4, 4))},
        {"sums": np.full((4, 3), np.nan)},
    ],
)
def test_an_impossible_state_is_refused(state):
    with pytest.raises(ProfileError):
        Enrolment(a_model(), **state)


def drawn(model, n_speakers, n_each, seed):
    rng = np.random.default_rng(seed)
    n, width = model.means.shape
    rows, targets, speakers = [], [], []
    for s in range(n_speakers):
        offset = rng.multivariate_normal(np.zeros(width), model.between)
        for c in range(n):
            own = rng.multivariate_normal(np.zeros(width), model.interaction)
            rest = rng.multivariate_normal(np.zeros(width), model.within, n_each)
            rows.append(model.means[c] + offset + own + rest)
            targets += [c] * n_each
            speakers += [str(s)] * n_each
    z = np.concatenate(rows)
    return z @ np.linalg.pinv(contrasts(np.eye(n)).T).T, np.array(targets), speakers


def test_a_fit_recovers_the_model_that_drew_the_data():
    model = a_model(7)
    fitted = fit_speaker_model(*drawn(model, 800, 6, 0))
    assert fitted is not None
    np.testing.assert_allclose(fitted.means, model.means, atol=0.25)
    np.testing.assert_allclose(fitted.within, model.within, atol=0.05)
    # The others are shrunk towards the within-speaker covariance, of the same trace.
    for found, true, factor in (
        (fitted.between, model.between, 2.0),
        (fitted.interaction, model.interaction, 1.0),
    ):
        shrunk = 0.7 * true + 0.3 * model.within * np.trace(true) / np.trace(model.within)
        np.testing.assert_allclose(found / factor, shrunk, atol=0.15 * np.trace(true))


@pytest.mark.parametrize(
    ("n_speakers", "n_each", "n_classes"), [(3, 6, 4), (6, 1, 4), (6, 6, 2), (4, 3, 34)]
)
def test_too_little_data_gives_no_model(n_speakers, n_each, n_classes):
    model = a_model(1, n_classes)
    assert fit_speaker_model(*drawn(model, n_speakers, n_each, 0)) is None


def test_a_missing_class_gives_no_model():
    logits, targets, speakers = drawn(a_model(), 6, 4, 0)
    keep = targets != 2
    names = [s for s, k in zip(speakers, keep, strict=True) if k]
    assert fit_speaker_model(logits[keep], targets[keep], names) is None
