import numpy as np
import pytest
import soundfile
from pydantic import ValidationError

from serkit.corpora import Utterance
from serkit.training import Augmentation, augment, make_dataset

from toys import make_recipe

TONE = (0.3 * np.sin(2 * np.pi * 1000 * np.arange(32_000) / 16_000)).astype(np.float32)


def peak_hz(samples):
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return np.argmax(spectrum) * 16_000 / len(samples)


def test_speed_moves_pitch_and_length_together():
    plan = Augmentation(copies=1, speed=1.2)
    for seed in range(10):
        altered = augment(TONE, plan, np.random.default_rng(seed))
        factor = len(TONE) / len(altered)
        assert 1 / 1.21 < factor < 1.21
        assert peak_hz(altered) == pytest.approx(1000 * factor, rel=0.01)


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 30.0])
def test_noise_has_the_given_ratio(snr_db):
    plan = Augmentation(copies=1, noise_snr_db=(snr_db, snr_db), probability=1.0)
    noise = augment(TONE, plan, np.random.default_rng(0)) - TONE
    ratio = np.mean(np.square(TONE, dtype=float)) / np.mean(np.square(noise, dtype=float))
    assert 10 * np.log10(ratio) == pytest.approx(snr_db, abs=0.1)


def test_the_equaliser_changes_levels_and_no_frequencies():
    plan = Augmentation(copies=1, equaliser_db=8.0, probability=1.0)
    levels = []
    for seed in range(8):
        altered = augment(TONE, plan, np.random.default_rng(seed))
        assert len(altered) == len(TONE)
        assert peak_hz(altered) == pytest.approx(1000, abs=1)
        levels.append(np.std(altered))
    assert max(levels) > 1.2 * min(levels)


def test_default_plan_changes_nothing():
    unchanged = augment(TONE, Augmentation(copies=1), np.random.default_rng(0))
    np.testing.assert_array_equal(unchanged, TONE)


@pytest.mark.parametrize("n_samples", [1, 2, 100])
def test_very_short_and_silent_recordings(n_samples):
    plan = Augmentation(copies=1, speed=1.5, equaliser_db=10, noise_snr_db=(0, 20), probability=1.0)
    for samples in (np.ones(n_samples, np.float32), np.zeros(n_samples, np.float32)):
        for seed in range(5):
            altered = augment(samples, plan, np.random.default_rng(seed))
            assert len(altered) and np.isfinite(altered).all()
            assert altered.dtype == np.float32


def test_invalid_plans():
    for wrong in ({"copies": 0}, {"copies": 1, "speed": 0.5}, {"copies": 1, "hum": 3}):
        with pytest.raises(ValidationError):
            Augmentation(**wrong)


def test_copies_belong_to_their_recording_and_do_not_depend_on_the_order(tmp_path):
    rng = np.random.default_rng(0)
    utterances = []
    for name in "abc":
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, 0.1 * rng.standard_normal(8000), 16_000)
        utterances.append(Utterance(path, "sad", name, "toys"))
    recipe = make_recipe(augmentation=Augmentation(copies=2, speed=1.2))
    data = make_dataset(recipe, utterances)
    assert data.copies.shape == (2, 3, 6)
    assert not np.allclose(data.copies[0], data.features)
    assert not np.allclose(data.copies[0], data.copies[1])
    turned = make_dataset(recipe, utterances[::-1])
    np.testing.assert_array_equal(turned.copies, data.copies[:, ::-1])
