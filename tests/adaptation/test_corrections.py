from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serkit.adaptation.corrections import (
    MAX_DIRECTIONS,
    MAX_ENTRIES,
    MAX_VECTORS,
    PENALTY,
    STRENGTH,
    Corrections,
    Example,
    directions,
    shift,
)
from serkit.adaptation.speaker_model import contrasts
from serkit.errors import ProfileError

WIDTH, N_LABELS = 5, 3


def example(i, width=WIDTH, n_labels=N_LABELS):
    """The recording of a number, always the same."""
    rng = np.random.default_rng(i)
    vector = directions(rng.standard_normal((1, width)).astype(np.float32))[0]
    return Example(f"{i:032x}", vector, rng.normal(0, 2, n_labels).astype(np.float32))


def probabilities(logits):
    exponentials = np.exp(logits.astype(float))
    return exponentials / exponentials.sum()


def batch(learned, queries):
    """The shift by least squares on all recordings at once, stacked over the penalty."""
    rows = np.array([[*example(i).vector, 1.0] for i, _ in learned]).reshape(-1, WIDTH + 1)
    errors = [np.eye(N_LABELS)[label] - probabilities(example(i).logits) for i, label in learned]
    stacked = np.concatenate((rows, np.sqrt(PENALTY) * np.eye(WIDTH + 1)))
    wanted = np.concatenate(
        (np.array(errors).reshape(-1, N_LABELS), np.zeros((WIDTH + 1, N_LABELS)))
    )
    weights = np.linalg.lstsq(stacked, wanted, rcond=None)[0]
    return STRENGTH * np.c_[queries, np.ones(len(queries))] @ weights


QUERIES = np.stack([example(i).vector for i in range(1000, 1010)])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2), st.booleans()), max_size=40))
def test_any_order_of_learning_and_forgetting_is_the_batch_solution(steps):
    """A recording that is learned again has only its latest label."""
    corrections, learned = Corrections.none(WIDTH, N_LABELS), {}
    for i, label, forget in steps:
        if forget and i in learned:
            del learned[i]
            entry = corrections.by_digest(example(i).digest)
            corrections = corrections.forgotten(entry)
        else:
            learned[i] = label
            corrections = corrections.learned(example(i), label)
    np.testing.assert_allclose(
        shift(QUERIES, corrections.weights()), batch(list(learned.items()), QUERIES), atol=1e-6
    )
    assert {e.digest: e.label for e in corrections.entries} == {
        example(i).digest: label for i, label in learned.items()
    }
    assert corrections.counts.tolist() == [list(learned.values()).count(i) for i in range(3)]
    expected = np.zeros((N_LABELS, N_LABELS - 1))
    for i, label in learned.items():
        expected[label] += contrasts(example(i).logits[None])[0]
    np.testing.assert_allclose(corrections.contrast_sums, expected, atol=1e-12)
    if not learned:
        assert not corrections.moments.any()
        assert not shift(QUERIES, corrections.weights()).any()


def test_the_errors_of_adjusted_logits_are_learned_where_the_vector_is_kept():
    """As if the model had given the adjusted logits from the start."""

    def adjusted(logits):
        return logits[:, ::-1] + np.array([0.5, 0.0, -0.5], np.float32)

    corrections = otherwise = Corrections.none(WIDTH, N_LABELS)
    for i in range(MAX_VECTORS + 10):
        one = example(i)
        corrections = corrections.learned(one, i % 3)
        changed = one if i < 10 else replace(one, logits=adjusted(one.logits[None])[0])
        otherwise = otherwise.learned(changed, i % 3)
    np.testing.assert_allclose(corrections.weights(adjusted), otherwise.weights(), atol=1e-9)


def test_one_correction_by_hand():
    """One vector of length 1, certain and wrong: the normal matrix is `h h' + penalty I`."""
    vector = np.array([1, 0, 0, 0, 0], np.float32)
    wrong = Example("0" * 32, vector, np.array([50, 0, 0], np.float32))
    corrections = Corrections.none(WIDTH, N_LABELS).learned(wrong, 1)
    # h'h = 2, so the fit of the vector itself is 2 / (2 + penalty) of its error.
    share = STRENGTH * 2.0 / (2.0 + PENALTY)
    np.testing.assert_allclose(
        shift(vector[None], corrections.weights()), [[-share, share, 0]], rtol=1e-6, atol=1e-12
    )


def test_old_corrections_lose_their_vectors_and_then_their_entries():
    corrections = Corrections.none(WIDTH, N_LABELS)
    n = MAX_ENTRIES + 20
    for i in range(n):
        corrections = corrections.learned(example(i), i % 3)
    assert corrections.n_learned == n
    assert [e.id for e in corrections.entries] == list(range(21, n + 1))
    assert [e.id for e in corrections.entries if e.example] == list(
        range(n - MAX_VECTORS + 1, n + 1)
    )
    with pytest.raises(
        ProfileError, match=r"there is no correction 20; those listed are 21 to 532"
    ):
        corrections.by_id(20)
    with pytest.raises(ProfileError, match="nothing has been learned from this recording"):
        corrections.by_digest(example(19).digest)
    old = corrections.by_id(30)
    with pytest.raises(
        ProfileError, match="30 is older than the latest 128; take it back with its"
    ):
        corrections.forgotten(old)
    with pytest.raises(ProfileError, match="30 was learned from another recording"):
        corrections.forgotten(old, example(40))
    without = corrections.forgotten(old, example(29))
    expected = batch([(i, i % 3) for i in range(n) if i != 29], QUERIES)
    np.testing.assert_allclose(shift(QUERIES, without.weights()), expected, atol=1e-5)
    # Learned again with another label, an old one is replaced as well.
    again = corrections.learned(example(29), 1)
    assert (again.n_learned, again.last().id) == (n, n + 1)
    expected = batch([*((i, i % 3) for i in range(n) if i != 29), (29, 1)], QUERIES)
    np.testing.assert_allclose(shift(QUERIES, again.weights()), expected, atol=1e-5)


def test_numbers_are_never_given_twice():
    corrections = Corrections.none(WIDTH, N_LABELS).learned(example(0), 0).learned(example(1), 0)
    corrections = corrections.forgotten(corrections.last())
    assert corrections.learned(example(2), 0).last().id == 3


def test_nothing_learned():
    corrections = Corrections.none(WIDTH, N_LABELS)
    np.testing.assert_array_equal(
        shift(QUERIES, corrections.weights()), np.zeros((10, N_LABELS), np.float32)
    )
    with pytest.raises(ProfileError, match="nothing has been learned that could be taken back"):
        corrections.last()
    with pytest.raises(ProfileError, match="no correction 1; no corrections are listed"):
        corrections.by_id(1)


@pytest.mark.parametrize(
    ("vector", "logits", "message"),
    [
        (np.zeros(6, np.float32), np.zeros(3, np.float32), r"shape \[1, 6\]; expected .* \[n, 5\]"),
        (np.zeros(5, np.float32), np.zeros(4, np.float32), r"shape \[1, 4\]; expected .* \[n, 3\]"),
        (np.full(5, np.nan, np.float32), np.zeros(3, np.float32), "not finite"),
        (np.zeros(5, np.float32), np.full(3, np.inf, np.float32), "not finite"),
        (np.zeros(5, np.float32), np.full(3, 1e7, np.float32), r"a logit is 1e\+07; expected at"),
        (np.zeros(5, np.int64), np.zeros(3, np.float32), "int64"),
    ],
)
def test_vectors_that_cannot_be_learned(vector, logits, message):
    with pytest.raises(ProfileError, match=message):
        Corrections.none(WIDTH, N_LABELS).learned(Example("0" * 32, vector, logits), 0)


def test_queries_of_another_width():
    with pytest.raises(ProfileError, match=r"expected floats of shape \[n, 5\]"):
        shift(QUERIES[:, :4], Corrections.none(WIDTH, N_LABELS).weights())


def test_directions_are_unit_vectors_that_keep_angles():
    rng = np.random.default_rng(0)
    narrow = rng.standard_normal((20, 32)).astype(np.float32)
    expected = narrow / np.linalg.norm(narrow, axis=1, keepdims=True)
    np.testing.assert_allclose(directions(narrow), expected, rtol=1e-6, atol=1e-12)
    np.testing.assert_array_equal(directions(np.zeros((1, 4), np.float32)), np.zeros((1, 4)))
    wide = rng.standard_normal((40, 2000)).astype(np.float32)
    wide[20:] = wide[:20] + rng.standard_normal((20, 2000)).astype(np.float32)
    projected = directions(wide)
    assert projected.shape == (40, MAX_DIRECTIONS)
    np.testing.assert_allclose(np.linalg.norm(projected, axis=1), 1.0, rtol=1e-6, atol=1e-12)
    units = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    # Johnson and Lindenstrauss (1984): the error of a cosine is about 1 / sqrt(64).
    errors = projected @ projected.T - units @ units.T
    assert np.sqrt(np.mean(np.square(errors))) < 1.5 / np.sqrt(MAX_DIRECTIONS)
