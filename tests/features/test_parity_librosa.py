"""Features compared with librosa."""

import librosa
import numpy as np
import pytest

from serkit import features

RATE = 16_000


@pytest.fixture(scope="module", params=["voice", "noise", "quiet", "short"])
def samples(request):
    rng = np.random.default_rng(7)
    t = np.arange(2 * RATE) / RATE
    vibrato = 2 * np.pi * (140 * t + 3 * np.sin(2 * np.pi * 5 * t))
    voice = sum(np.sin(k * vibrato) / k for k in range(1, 20)) * (0.2 + 0.2 * np.sin(3 * t))
    voice += 0.01 * rng.standard_normal(len(t))
    signals = {
        "voice": voice,
        "noise": rng.standard_normal(3 * RATE) * 0.1,
        "quiet": voice * 1e-3,
        "short": voice[:3000],
    }
    return signals[request.param].astype(np.float32)


def assert_close(ours, theirs, *, scale=None):
    """Within 1e-4 of librosa, relative to the largest value."""
    assert ours.shape == theirs.shape
    assert ours.dtype == np.float32
    span = np.max(np.abs(theirs)) if scale is None else scale
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * span)


@pytest.mark.parametrize(
    ("n_fft", "hop", "window_length", "name"),
    [(2048, 512, 2048, "hann"), (512, 160, 400, "hamming"), (1024, 320, 640, "hann")],
)
def test_power_spectrum(samples, n_fft, hop, window_length, name):
    ours = features.power_spectrum(
        samples, n_fft=n_fft, hop=hop, window_length=window_length, window_name=name
    )
    theirs = librosa.stft(
        samples.astype(np.float64), n_fft=n_fft, hop_length=hop, win_length=window_length,
        window=name, pad_mode="constant",
    )  # fmt: skip
    assert_close(ours, np.abs(theirs) ** 2)


@pytest.mark.parametrize("scale", ["slaney", "htk"])
@pytest.mark.parametrize("equal_area", [True, False])
@pytest.mark.parametrize(
    ("n_mels", "n_fft", "f_min", "f_max"), [(128, 2048, 0, 8000), (40, 1024, 60, 7600)]
)
def test_mel_filter_bank(scale, equal_area, n_mels, n_fft, f_min, f_max):
    ours = features.mel_filter_bank(
        n_mels, n_fft=n_fft, f_min=f_min, f_max=f_max, scale=scale, equal_area=equal_area
    )
    theirs = librosa.filters.mel(
        sr=RATE, n_fft=n_fft, n_mels=n_mels, fmin=f_min, fmax=f_max, htk=scale == "htk",
        norm="slaney" if equal_area else None,
    )  # fmt: skip
    assert_close(ours, theirs)


def test_mfcc(samples):
    power = features.power_spectrum(samples, n_fft=2048, hop=512)
    log_mel = features.power_to_db(features.mel_filter_bank(128, n_fft=2048) @ power)
    theirs = librosa.feature.mfcc(y=samples.astype(np.float64), sr=RATE, n_mfcc=40)
    assert_close(features.mfcc(log_mel, 40), theirs)


@pytest.mark.parametrize("order", [1, 2])
def test_delta(order):
    rows = np.random.default_rng(3).standard_normal((5, 40)).astype(np.float32)
    once = features.delta(rows)
    assert_close(once, librosa.feature.delta(rows, order=1))
    if order == 2:
        assert_close(features.delta(once), librosa.feature.delta(librosa.feature.delta(rows)))


def test_chroma(samples):
    power = features.power_spectrum(samples, n_fft=2048, hop=512)
    theirs = librosa.feature.chroma_stft(y=samples.astype(np.float64), sr=RATE, tuning=0.0)
    assert_close(features.chroma(power), theirs)


@pytest.mark.parametrize(("n_chroma", "n_fft"), [(12, 2048), (24, 4096), (12, 1024)])
def test_chroma_filter_bank(n_chroma, n_fft):
    theirs = librosa.filters.chroma(sr=RATE, n_fft=n_fft, n_chroma=n_chroma, tuning=0.0)
    assert_close(features.chroma_filter_bank(n_chroma, n_fft=n_fft), theirs)


def test_rms(samples):
    theirs = librosa.feature.rms(y=samples.astype(np.float64), frame_length=1024, hop_length=320)
    assert_close(features.rms(samples, length=1024, hop=320), theirs[0])


def test_zero_crossings(samples):
    theirs = librosa.feature.zero_crossing_rate(samples, frame_length=1024, hop_length=320)
    assert_close(features.zero_crossings(samples, length=1024, hop=320), theirs[0])


def test_spectral_shape(samples):
    power = features.power_spectrum(samples, n_fft=1024, hop=320)
    magnitude = np.sqrt(np.maximum(power.astype(np.float64), 1e-10))
    shape = dict(zip(features.SHAPE_NAMES, features.spectral_shape(power), strict=True))
    measures = librosa.feature
    assert_close(shape["centroid"], measures.spectral_centroid(S=magnitude, sr=RATE)[0])
    assert_close(shape["bandwidth"], measures.spectral_bandwidth(S=magnitude, sr=RATE)[0])
    assert_close(shape["rolloff"], measures.spectral_rolloff(S=magnitude, sr=RATE)[0])
    assert_close(shape["flatness"], measures.spectral_flatness(S=magnitude)[0])


def test_power_to_db():
    power = np.random.default_rng(0).random((4, 30)).astype(np.float32) ** 8
    assert_close(features.power_to_db(power), librosa.power_to_db(power, top_db=80.0))


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge"])
def test_centre_and_frame(mode):
    samples = np.random.default_rng(0).random(1000).astype(np.float32)
    padded = np.pad(samples, 64, mode=mode)
    theirs = librosa.util.frame(padded, frame_length=128, hop_length=50).T
    np.testing.assert_array_equal(
        features.frame(features.centre(samples, 128, mode), 128, 50), theirs
    )
