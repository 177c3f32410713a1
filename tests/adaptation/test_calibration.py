import numpy as np
import pytest

from serkit.adaptation import fit_temperature


def sample(logits, rng):
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return np.array([rng.choice(len(p), p=p) for p in shares])


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_labels_is_found(true):
    rng = np.random.default_rng(0)
    logits = 2.0 * rng.standard_normal((20_000, 4))
    targets = sample(logits, rng)
    assert fit_temperature((logits * true).astype(np.float32), targets) == pytest.approx(
        true, rel=0.04
    )


def test_it_is_the_minimum_of_the_cross_entropy():
    rng = np.random.default_rng(1)
    logits = (5.0 * rng.standard_normal((300, 3))).astype(np.float32)
    targets = rng.integers(3, size=300)
    targets[:200] = logits[:200].argmax(axis=1)
    weights = rng.uniform(0.1, 1, 300).astype(np.float32)
    found = fit_temperature(logits, targets, weights)

    def loss(temperature):
        scaled = logits / temperature
        log_total = np.log(np.exp(scaled).sum(axis=1))
        return np.average(log_total - scaled[np.arange(300), targets], weights=weights)

    assert loss(found) <= min(loss(found * 1.02), loss(found / 1.02))


def test_perfect_and_hopeless_outputs_stay_in_range():
    logits = np.eye(3, dtype=np.float32) * 10
    assert fit_temperature(logits, np.arange(3)) == pytest.approx(0.05, rel=1e-3)
    assert fit_temperature(logits, np.array([1, 2, 0])) == pytest.approx(20, rel=1e-3)


def test_probabilities_as_targets_give_their_own_temperature():
    rng = np.random.default_rng(2)
    logits = (3.0 * rng.standard_normal((500, 4))).astype(np.float32)
    scaled = logits / 1.7
    shares = np.exp(scaled) / np.exp(scaled).sum(axis=1, keepdims=True)
    assert fit_temperature(logits, shares) == pytest.approx(1.7, rel=1e-4)
    certain = np.eye(4, dtype=np.float32)[logits.argmax(axis=1)]
    by_labels = fit_temperature(logits, logits.argmax(axis=1))
    assert fit_temperature(logits, certain) == pytest.approx(by_labels, rel=1e-6)
