from dataclasses import replace

import numpy as np
import pytest
import soundfile

from serkit.codec import shipped_basis
from serkit.corpora import Utterance
from serkit.features import Descriptor, FeatureRecipe, LogMelRecipe
from serkit.training import Augmentation, FeatureCache, make_dataset

from toys import make_recipe


@pytest.fixture
def utterances(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(6):
        soundfile.write(tmp_path / f"{i}.wav", 0.1 * rng.standard_normal(8000), 16_000)
    return [Utterance(tmp_path / f"{i}.wav", "sad", "a", "toys") for i in range(6)]


def files(cache):
    return sorted(path for path in cache.folder.rglob("*") if path.is_file())


def test_features_are_computed_once(utterances, tmp_path, monkeypatch):
    cache = FeatureCache(tmp_path / "cache")
    fresh = make_dataset(make_recipe(), utterances, cache=cache, jobs=2)
    assert len(files(cache)) == 6
    assert len(set(fresh.hashes)) == 6
    plain = make_dataset(make_recipe(), utterances)
    monkeypatch.setattr("serkit.training.data.features_of", None)
    again = make_dataset(make_recipe(), utterances, cache=cache)
    for other in (again, plain):
        np.testing.assert_array_equal(fresh.features, other.features)
        assert other.hashes == fresh.hashes


def test_another_recipe_is_kept_apart(utterances, tmp_path):
    cache = FeatureCache(tmp_path / "cache")
    recipe = make_recipe()
    other = make_recipe(features=FeatureRecipe("mfcc6", (Descriptor("mfcc", 6, 1),)))
    altered = make_recipe(augmentation=Augmentation(copies=2, noise_snr_db=(10, 20)))
    for number, one in enumerate((recipe, other, altered), start=1):
        cached, plain = (make_dataset(one, utterances, cache=c) for c in (cache, None))
        np.testing.assert_array_equal(cached.copies, plain.copies)
        np.testing.assert_array_equal(cached.features, plain.features)
        assert len(files(cache)) == 6 * number


def test_another_version_of_the_augmentation_is_kept_apart(utterances, tmp_path, monkeypatch):
    cache = FeatureCache(tmp_path / "cache")
    recipe = make_recipe(augmentation=Augmentation(copies=1, noise_snr_db=(10, 20)))
    make_dataset(recipe, utterances, cache=cache)
    monkeypatch.setattr("serkit.training.augmentation.AUGMENTATION_VERSION", 99)
    make_dataset(recipe, utterances, cache=cache)
    assert len(files(cache)) == 12


def test_the_order_of_keys_is_no_other_way(tmp_path):
    cache = FeatureCache(tmp_path)
    one, other = {"a": 1, "b": 2}, {"b": 2, "a": 1}
    (first,) = cache.get("x", one, lambda: [np.zeros(3, np.float32)])
    (again,) = cache.get("x", other, lambda: [np.ones(3, np.float32)])
    np.testing.assert_array_equal(first, again)


def test_a_damaged_file_is_made_again(utterances, tmp_path):
    cache = FeatureCache(tmp_path / "cache")
    fresh = make_dataset(make_recipe(), utterances, cache=cache)
    files(cache)[0].write_bytes(b"")
    files(cache)[1].write_bytes(b"rubbish")
    for place, file in ((3, files(cache)[2]), (30, files(cache)[3])):
        content = bytearray(file.read_bytes())
        content[place] ^= 1
        file.write_bytes(content)
    again = make_dataset(make_recipe(), utterances, cache=cache)
    np.testing.assert_array_equal(fresh.features, again.features)


def test_the_users_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert FeatureCache.default().folder == tmp_path / "serkit" / "features"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert FeatureCache.default().folder.parts[-3:] == (".cache", "serkit", "features")


def test_coded_copies_of_another_basis_are_kept_apart(utterances, tmp_path, monkeypatch):
    cache = FeatureCache(tmp_path / "cache")
    log_mel = LogMelRecipe("levels", (Descriptor("log-mel", functionals=("mean",)),))
    augmentation = Augmentation(copies=1, coded=1.0)
    recipe = make_recipe(features=None, log_mel=log_mel, augmentation=augmentation)
    first = make_dataset(recipe, utterances, cache=cache)
    basis = shipped_basis()
    other = replace(basis, mean=basis.mean + np.float32(0.5))
    for module in ("serkit.codec", "serkit.codec.encoder", "serkit.codec.payloads"):
        monkeypatch.setattr(f"{module}.shipped_basis", lambda: other)
    second = make_dataset(recipe, utterances, cache=cache)
    np.testing.assert_array_equal(second.features, first.features)
    assert not np.array_equal(second.copies, first.copies)
    assert len(files(cache)) == 12
    # Without coding the basis does not matter.
    plain = make_recipe(features=None, log_mel=log_mel, augmentation=Augmentation(copies=1))
    make_dataset(plain, utterances, cache=cache)
    monkeypatch.undo()
    make_dataset(plain, utterances, cache=cache)
    assert len(files(cache)) == 18
