import io

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from serkit import corpora
from serkit.audio import read, stream
from serkit.runtime import CODES, SoundCheck

RATE = 16_000


def voice(seconds=2.0, seed=0):
    """Syllables of a pulse train with a falling spectrum up to 7.5 kHz, and a little noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    pitch = 120 + 20 * np.sin(2 * np.pi * 0.7 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    harmonics = sum(np.sin(k * phase + rng.uniform(0, 6)) / k**1.2 for k in range(1, 53))
    syllables = np.maximum(0.0, np.sin(2 * np.pi * 2.5 * t)) ** 2 * rng.uniform(0.6, 1.0)
    samples = syllables * harmonics + 0.003 * rng.standard_normal(len(t))
    return (0.3 * samples / np.abs(samples).max()).astype(np.float32)


VOICE = voice()


def cautions_of(*blocks):
    check = SoundCheck()
    for block in blocks:
        check.add(np.asarray(block, np.float32))
    return check.cautions()


def codes_of(*blocks):
    return [caution.code for caution in cautions_of(*blocks)]


def at_level(samples, dbfs):
    return samples / np.sqrt(np.mean(samples**2)) * 10 ** (dbfs / 20)


def test_clean_voice_has_no_caution():
    assert codes_of(VOICE) == []


@pytest.mark.parametrize("rate", [8000, 6000])
def test_a_low_sampling_rate_is_narrowband(rate):
    low = soxr.resample(VOICE, RATE, rate, quality="VHQ")
    assert codes_of(read((low, rate))) == ["narrowband"]
    (caution,) = cautions_of(read((low, rate)))
    assert "above 4 kHz" in str(caution)


@pytest.mark.parametrize("rate", [11_025, 16_000, 48_000])
def test_higher_sampling_rates_are_not_narrowband(rate):
    assert codes_of(read((soxr.resample(VOICE, RATE, rate, quality="VHQ"), rate))) == []


def test_telephone_band_with_line_noise():
    low = soxr.resample(soxr.resample(VOICE, RATE, 8000), 8000, RATE)
    speech = np.sqrt(np.mean(low**2))
    noise = 1e-3 * speech * np.random.default_rng(0).standard_normal(len(low))
    # White noise 60 dB below the speech has half of its power above 4 kHz: less than -50 dB. With
    # 20 dB more only the edge tells.
    assert codes_of(low + noise) == ["narrowband"]


def test_clipping_and_its_share():
    limit = np.quantile(np.abs(VOICE), 0.97)
    (caution,) = cautions_of(np.clip(VOICE, -limit, limit))
    assert caution.code == "clipped"
    magnitude = np.minimum(np.abs(VOICE), limit)
    share = np.mean(magnitude >= limit * 10**-0.1) / np.mean(magnitude >= limit / 10)
    said = float(caution.message.split("%")[0].split()[-1])
    assert said == pytest.approx(100 * share, abs=3)


def test_clipping_at_another_rate():
    high = soxr.resample(VOICE, RATE, 48_000, quality="VHQ")
    limit = np.quantile(np.abs(high), 0.97)
    assert codes_of(read((np.clip(high, -limit, limit), 48_000))) == ["clipped"]


@pytest.mark.parametrize("hz", [100, 440, 1000])
def test_a_sine_is_not_clipped(hz):
    sine = 0.9 * np.sin(2 * np.pi * hz * np.arange(2 * RATE) / RATE)
    assert "clipped" not in codes_of(sine)


def test_a_constant_offset_changes_nothing():
    assert codes_of(VOICE + 0.5) == []
    limit = np.quantile(np.abs(VOICE), 0.97)
    assert codes_of(np.clip(VOICE, -limit, limit) + 0.5) == ["clipped"]


@pytest.mark.parametrize(("dbfs", "expected"), [(-75, ["too-quiet"]), (-60, []), (-10, [])])
def test_the_level_of_a_steady_sound_is_its_rms(dbfs, expected):
    noise = at_level(np.random.default_rng(0).standard_normal(2 * RATE), dbfs)
    found = cautions_of(noise)
    assert [caution.code for caution in found] == expected
    if found:
        assert f"speech at {dbfs} dBFS" in str(found[0])


def test_pauses_do_not_make_speech_quiet():
    noise = at_level(np.random.default_rng(0).standard_normal(RATE), -60)
    assert codes_of(np.concatenate((np.zeros(60 * RATE), noise))) == []


@pytest.mark.parametrize(("n", "expected"), [(RATE - 1, ["short"]), (RATE, [])])
def test_short(n, expected):
    found = cautions_of(VOICE[2000 : 2000 + n])
    assert [caution.code for caution in found] == expected
    if found:
        assert str(found[0]).startswith("lasts 1.00 s")


@pytest.mark.parametrize("offset", [0.0, 0.3])
def test_digital_silence(offset):
    assert codes_of(np.full(2 * RATE, offset)) == []
    assert codes_of(np.full(100, offset)) == ["short"]


def test_empty_stream_is_short():
    assert codes_of() == ["short"]


BAD = {
    "clean": VOICE,
    "narrow": soxr.resample(soxr.resample(VOICE, RATE, 8000), 8000, RATE),
    "clipped": np.clip(VOICE, -0.05, 0.05),
    "quiet": (VOICE * 1e-4).astype(np.float32),
    "short": VOICE[3000:9000],
}


@pytest.mark.parametrize("name", list(BAD))
@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 2 * RATE), max_size=12), peek=st.booleans())
def test_result_does_not_depend_on_the_blocks(name, cuts, peek):
    check = SoundCheck()
    for block in np.split(BAD[name], sorted(cut for cut in cuts if cut < len(BAD[name]))):
        check.add(block)
        if peek:
            check.cautions()
    assert check.cautions() == cautions_of(BAD[name])


@pytest.mark.parametrize("name", ["clean", "narrow", "clipped"])
@settings(max_examples=15, deadline=None)
@given(db=st.floats(-30, 200))
def test_the_level_does_not_matter_to_the_other_checks(name, db):
    assert codes_of(BAD[name] * np.float32(10 ** (db / 20))) == codes_of(BAD[name])


def test_watched_stream_is_unchanged():
    check = SoundCheck()
    passed = np.concatenate(list(check.watch(stream((BAD["clipped"], RATE)))))
    np.testing.assert_array_equal(passed, BAD["clipped"])
    assert check.cautions() == cautions_of(BAD["clipped"])


def test_memory_does_not_grow():
    check = SoundCheck()

    def size():
        return sum(getattr(value, "nbytes", 0) for value in vars(check).values())

    check.add(VOICE)
    before = size()
    for _ in range(300):
        check.add(VOICE)
    assert size() <= before + 4 * RATE


def test_codes_are_stable():
    assert CODES == (
        "truncated", "lost-packets", "narrowband", "clipped", "too-quiet", "short",
        "unknown-words", "far-from-training",
    )  # fmt: skip


def real_clips(root, name, n):
    utterances = corpora.load(f"{name}={root / name}").utterances
    for utterance in utterances[:: len(utterances) // n][:n]:
        samples = read(utterance.audio)
        if np.ptp(samples) > 1e-3:  # CREMA-D holds one clip of digital silence
            yield samples


@pytest.mark.corpora
@pytest.mark.parametrize("name", ["ravdess", "emodb", "tess", "nemo", "crema_d"])
def test_alarm_rates_on_real_speech(corpora_root, name):
    clips = list(real_clips(corpora_root, name, 60))
    alarms = [codes_of(clip) for clip in clips]
    for code in ("narrowband", "too-quiet", "short"):
        assert not any(code in found for found in alarms), code
    assert sum("clipped" in found for found in alarms) <= 2

    narrow = [read((soxr.resample(clip, RATE, 8000), 8000)) for clip in clips]
    assert all("narrowband" in codes_of(clip) for clip in narrow)
    loud = [4 * clip / np.quantile(np.abs(clip), 0.9999) for clip in clips]
    hard = [np.clip(clip, -1, 1) for clip in loud]
    assert sum("clipped" in codes_of(clip) for clip in hard) >= 57


@pytest.mark.corpora
def test_a_telephone_recording_is_narrowband(corpora_root):
    """8 kHz mu-law in a file, as libsndfile writes it."""
    for clip in real_clips(corpora_root, "nemo", 20):
        file = io.BytesIO()
        low = soxr.resample(clip, RATE, 8000)
        soundfile.write(file, low, 8000, format="WAV", subtype="ULAW")
        assert "narrowband" in codes_of(read(file.getvalue()))
