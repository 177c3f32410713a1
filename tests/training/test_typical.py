import numpy as np
import pytest

from serkit import corpora
from serkit.evaluation import fit_final
from serkit.features import Descriptor, FeatureRecipe, Sequences, extract
from serkit.runtime import NumpyBackend, Recognizer
from serkit.training import Dataset, Network, Optimiser, typical_of
from serkit.training.data import read_utterance
from serkit.training.fitting import normalisation

from toys import make_data, make_recipe

QUICK = make_recipe(optimiser=Optimiser(max_epochs=2))
RATE = 16_000


def rows_of(data, speakers):
    return data.rows(np.flatnonzero([u.speaker in speakers for u in data.utterances]))


def test_new_speakers_are_rarely_far():
    """Sixty speakers of one distribution: twenty to fit, forty to measure the false-alarm rate."""
    data = make_data(n_speakers=60, per_class=20)
    known = rows_of(data, {str(i) for i in range(20)})
    new = rows_of(data, {str(i) for i in range(20, 60)})
    typical = typical_of(QUICK, known)
    assert typical.share == 0.99
    mean, scale = normalisation(known.features, np.ones(len(known), np.float32))
    rate = np.mean(typical.distances((new.features - mean) / scale) > typical.limit)
    assert 0.002 < rate < 0.03
    strange = 5.0 * np.random.default_rng(0).standard_normal((200, 6))
    assert np.mean(typical.distances(strange.astype(np.float32)) > typical.limit) > 0.9


def test_the_limit_is_that_of_new_speakers_and_not_of_new_recordings():
    """With shuffled speakers, the traits of each speaker are in all parts; the limit is lower."""
    data = make_data(n_speakers=6, per_class=20, spread=0.3)
    for i, utterance in enumerate(data.utterances):
        data.features[i, int(utterance.speaker)] += 10.0
    order = np.random.default_rng(0).permutation(len(data))
    shuffled = Dataset(
        data.features, data.copies, data.targets, tuple(data.utterances[i] for i in order)
    )
    assert typical_of(QUICK, data).limit > 1.5 * typical_of(QUICK, shuffled).limit


def test_limit_uses_the_balance():
    large, small = make_data(n_speakers=8, per_class=40), make_data(n_speakers=8, corpora=("b",))
    small.features[:] *= 8.0
    both = large.joined(small)
    alike = make_recipe(balance="none")
    balanced = make_recipe(balance="corpus-class")
    assert typical_of(balanced, both).limit != pytest.approx(
        typical_of(alike, both).limit, rel=0.02
    )


@pytest.mark.parametrize(("n_speakers", "per_class"), [(1, 100), (3, 10)])
def test_too_little_data(n_speakers, per_class):
    assert typical_of(QUICK, make_data(n_speakers=n_speakers, per_class=per_class)) is None


def test_card_of_a_final_model():
    data = make_data(n_speakers=8)
    known = Dataset(
        data.features, data.copies, data.targets, data.utterances, tuple(map(str, range(len(data))))
    )
    model = fit_final(QUICK, known, ())
    assert model.card.typical == typical_of(QUICK, known)
    assert np.mean(model.distances(data.features) > model.card.typical.limit) < 0.03


def test_frames():
    recipe = make_recipe(
        features=FeatureRecipe("frames", (Descriptor("mfcc", 6, functionals=()),)),
        network=Network(family="cnn", hidden=(4,)),
    )
    data = make_data(n_speakers=8)
    noise = np.random.default_rng(0).standard_normal((*data.features.shape, 9))
    frames = (data.features[..., None] + noise).astype(np.float32)
    sequences = Sequences(frames, np.where(np.arange(len(frames)) % 2, 9, 6))
    framed = Dataset(sequences, sequences[None][:0], data.targets, data.utterances)
    typical = typical_of(recipe, framed)
    mean, scale = normalisation(sequences, np.ones(len(frames), np.float32))
    standardised = (frames - mean[:, None]) / scale[:, None]
    distances = typical.distances(Sequences(standardised, sequences.lengths))
    assert np.isfinite(distances).all()
    assert np.mean(distances > typical.limit) < 0.03


@pytest.mark.corpora
def test_real_speech_is_near_and_other_sounds_are_far(corpora_root):
    """EmoDB: eight speakers to fit, two to test, and sounds with known spectra."""
    features = FeatureRecipe(
        "functionals",
        (
            Descriptor("log-mel", functionals=("mean", "std")),
            Descriptor("mfcc", 20, functionals=("mean", "std", "skewness")),
            Descriptor("level", functionals=("std", "range")),
        ),
        n_fft=512,
        window_length=512,
        hop=256,
        n_mels=40,
        peak=0.95,
        gate_db=40.0,
    )
    labels = ("angry", "neutral", "sad")
    recipe = make_recipe(features=features, labels=labels, optimiser=Optimiser(max_epochs=2))
    utterances = [
        u for u in corpora.load(f"emodb={corpora_root / 'emodb'}").utterances if u.label in labels
    ]
    rows = np.stack([extract(features, read_utterance(u)) for u in utterances])
    targets = np.array([labels.index(u.label) for u in utterances])
    hashes = tuple(map(str, range(len(rows))))
    data = Dataset(rows, rows[None][:0], targets, tuple(utterances), hashes)
    tested = {"15", "16"}
    others = {u.speaker for u in utterances} - tested
    recognizer = Recognizer(NumpyBackend(fit_final(recipe, rows_of(data, others), ())))

    def far(source):
        return any(w.code == "far-from-training" for w in recognizer(source).warnings)

    new = rows_of(data, tested).utterances
    assert np.mean([far(u.audio) for u in new]) < 0.08

    rng = np.random.default_rng(0)
    t = np.arange(3 * RATE) / RATE
    chord = sum(np.sin(2 * np.pi * hz * t) for hz in (220, 277.2, 329.6))
    sounds = {
        "tone": 0.5 * np.sin(2 * np.pi * 440 * t),
        "white noise": 0.1 * rng.standard_normal(len(t)),
        "chord": chord * np.exp(-2 * (t % 1)),
        "clicks": np.where(rng.random(len(t)) < 2e-4, 1.0, 0.0),
    }
    assert all(far((sound, RATE)) for sound in sounds.values())
