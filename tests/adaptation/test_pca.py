import numpy as np
import pytest
from sklearn import decomposition

from serkit.adaptation import PCA
from serkit.adaptation.random_numbers import splitmix64, uniform
from serkit.errors import ProfileError

RNG = np.random.default_rng(0)
VECTORS = RNG.standard_normal((200, 8)) @ RNG.standard_normal((8, 8)) + 5.0


def test_it_is_scikit_learns():
    reference = decomposition.PCA(3).fit(VECTORS)
    pca = PCA(3).fit(VECTORS)
    np.testing.assert_allclose(pca.variances, reference.explained_variance_, rtol=1e-9)
    np.testing.assert_allclose(
        np.abs(pca.transform(VECTORS)), np.abs(reference.transform(VECTORS)), atol=1e-9
    )


@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_chunks_give_the_same_components(chunk):
    whole = PCA(4).fit(VECTORS)
    parts = PCA(4)
    for start in range(0, 200, chunk):
        parts.partial_fit(VECTORS[start : start + chunk])
    np.testing.assert_allclose(parts.components, whole.components, atol=1e-8)
    np.testing.assert_allclose(parts.mean, whole.mean, atol=1e-10)


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (VECTORS[:, :2], r"shape \[200, 2\]; expected \[n, n_features\]"),
        (VECTORS[:0], "n at least 1"),
        (np.full((3, 8), np.inf), "not finite"),
        (np.zeros((1, 4097)), r"shape \[1, 4097\]; .* 3 to 4096 features"),
    ],
)
def test_bad_input(vectors, message):
    """What was analysed before stays."""
    pca = PCA(3).fit(VECTORS)
    before = pca.transform(VECTORS)
    for method in (PCA(3).fit, pca.fit, pca.partial_fit):
        with pytest.raises(ProfileError, match=message):
            method(vectors)
    np.testing.assert_array_equal(pca.transform(VECTORS), before)
    pca.partial_fit(VECTORS[:50])
    twice = PCA(3).fit(np.concatenate((VECTORS, VECTORS[:50])))
    np.testing.assert_allclose(pca.components, twice.components, atol=1e-8)


def test_vectors_that_cannot_be_transformed():
    pca = PCA(3).fit(VECTORS)
    assert pca.transform(VECTORS[:0]).shape == (0, 3)
    with pytest.raises(ProfileError, match="7 features; expected 8"):
        pca.transform(VECTORS[:, :7])
    with pytest.raises(ProfileError, match="not finite"):
        pca.transform(np.full((1, 8), np.nan))
    with pytest.raises(ProfileError, match=r"shape \[8\]"):
        pca.transform(VECTORS[0])


def test_another_width_and_no_fit():
    with pytest.raises(ProfileError, match="7 features; expected 8"):
        PCA(3).fit(VECTORS).partial_fit(VECTORS[:, :7])
    with pytest.raises(ProfileError, match="not fitted"):
        PCA(3).transform(VECTORS)
    for n_components in (0, 4097, 3.0):
        with pytest.raises(ProfileError, match="number of components is"):
            PCA(n_components)


def test_random_numbers_are_splitmix64():
    """The first outputs for the seed 1234567, as published with the reference implementation."""
    positions = np.arange(1, 4)
    state = 1234567
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    mask = (1 << 64) - 1
    found = []
    for i in positions:
        z = (state + int(i) * 0x9E3779B97F4A7C15) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        found.append(z ^ (z >> 31))
    assert found == expected
    # Without a seed the state is the position times the constant.
    z = 0x9E3779B97F4A7C15
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    assert int(splitmix64(np.array([1]))[0]) == z ^ (z >> 31)


def test_uniform_numbers():
    numbers = uniform((100, 200), seed=3)
    assert numbers.min() >= -1.0 and numbers.max() < 1.0
    assert abs(numbers.mean()) < 0.02
    assert numbers.var() == pytest.approx(1 / 3, rel=0.02)
    assert not np.array_equal(numbers, uniform((100, 200), seed=4))
    np.testing.assert_array_equal(numbers.ravel()[:50], uniform((50,), seed=3))
