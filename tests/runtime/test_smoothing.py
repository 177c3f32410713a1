"""Smoothing, against all paths of a hidden Markov model and against SciPy."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm
from scipy.ndimage import median_filter

from serkit.runtime import TimelineSettings
from serkit.runtime.smoothing import Cell, HiddenMarkov, smoother


def cells(rows, pauses=()):
    """A cell a second, with pauses of half a second before some of them."""
    made, now = [], 0.0
    for i, row in enumerate(rows):
        if i in pauses:
            made.append(Cell(now, now + 0.5, 0.0, None, "pause"))
            now += 0.5
        made.append(Cell(now, now + 1.0, 1.0, np.array(row, float)))
        now += 1.0
    return made


def smoothed(kind, given_cells, n_labels=3, dwell_s=4.0):
    chosen = smoother(TimelineSettings(smoothing=kind, dwell_s=dwell_s), n_labels)
    found = [done for cell in given_cells for done in chosen.push(cell)]
    found += chosen.finish()
    assert [(one.start_s, one.end_s) for one in found] == [
        (one.start_s, one.end_s) for one in given_cells
    ]
    return np.array([one.probabilities for one in found if one.probabilities is not None])


def random_rows(n, n_labels=3, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(n_labels), n)


def posteriors_of_all_paths(given_cells, dwell_s):
    """The sum over every sequence of states, with the matrix exponential of the generator."""
    voiced = [one for one in given_cells if one.probabilities is not None]
    n_labels = len(voiced[0].probabilities)
    leave = 1.0 / dwell_s
    generator = np.full((n_labels, n_labels), leave / (n_labels - 1))
    np.fill_diagonal(generator, -leave)
    middles = [(one.start_s + one.end_s) / 2 for one in voiced]
    steps = [expm(generator * gap) for gap in np.diff(middles)]
    total = np.zeros((len(voiced), n_labels))
    for path in itertools.product(range(n_labels), repeat=len(voiced)):
        p = 1.0 / n_labels
        for i, state in enumerate(path):
            p *= voiced[i].probabilities[state]
            if i:
                p *= steps[i - 1][path[i - 1], state]
        total[range(len(voiced)), path] += p
    return total / total.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("pauses", [(), (2, 5)])
@pytest.mark.parametrize(("n_labels", "dwell_s"), [(3, 4.0), (2, 0.7)])
def test_hmm_is_the_sum_over_all_paths(n_labels, dwell_s, pauses):
    made = cells(random_rows(7, n_labels), pauses)
    found = smoothed("hmm", made, n_labels, dwell_s)
    np.testing.assert_allclose(found, posteriors_of_all_paths(made, dwell_s), rtol=1e-9)


def test_hmm_looks_ahead_eight_cells():
    made = cells(random_rows(11, 2))
    found = smoothed("hmm", made, 2)
    whole = posteriors_of_all_paths(made, 4.0)
    np.testing.assert_allclose(found[3:], whole[3:], rtol=1e-9)
    np.testing.assert_allclose(found[0], posteriors_of_all_paths(made[:9], 4.0)[0], rtol=1e-9)


def test_a_long_pause_makes_hmm_forget():
    rows = [[0.9, 0.05, 0.05]] * 5 + [[0.4, 0.35, 0.25]]
    near = smoothed("hmm", cells(rows))[-1]
    made = cells(rows)
    far = [*made[:-1], Cell(1000.0, 1001.0, 1.0, made[-1].probabilities)]
    assert near[0] > 0.8
    np.testing.assert_allclose(smoothed("hmm", far)[-1], rows[-1], atol=1e-6)


def test_a_short_cell_counts_less():
    made = [Cell(0.0, 1.0, 1.0, np.array([0.5, 0.5])), Cell(1.0, 1.2, 0.2, np.array([0.9, 0.1]))]
    found = smoothed("hmm", made, 2, dwell_s=1e-3)
    np.testing.assert_allclose(found[1], np.array([9**0.2, 1]) / (9**0.2 + 1), rtol=1e-6)


def test_certainty_does_not_break_hmm():
    found = smoothed("hmm", cells([[1, 0, 0], [0, 1, 0]] * 20), dwell_s=1e-6)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(axis=1), 1.0)


def test_median_is_that_of_scipy_renormalised():
    rows = random_rows(9)
    expected = median_filter(rows, (3, 1), mode="nearest")
    expected[[0, -1]] = rows[[0, -1]]
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(smoothed("median", cells(rows, (4,))), expected)


def test_off_changes_nothing():
    rows = random_rows(5)
    np.testing.assert_array_equal(smoothed("off", cells(rows, (1,))), rows)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 2), max_size=30), st.sampled_from(["off", "median", "hmm"]))
def test_every_cell_comes_back_once_in_order(kinds, kind):
    rows = {1: np.array([0.2, 0.8]), 2: np.array([0.6, 0.4])}
    made = [Cell(i, i + 1.0, float(k > 0), rows.get(k)) for i, k in enumerate(kinds)]
    smoothed(kind, made, 2)


def test_memory_is_bounded():
    hidden = HiddenMarkov(2, 4.0)
    for cell in cells(random_rows(200, 2)):
        hidden.push(cell)
    assert len(hidden._held) == len(hidden._forward) == 8
