"""Live streams: the events are those of the whole recording, however it comes."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.voices import voice
from runtime.scripted import Scripted
from serkit.audio import SAMPLE_RATE as RATE
from serkit.codec import encode_basis, split
from serkit.errors import AudioError, ModelError, PacketError
from serkit.features import Descriptor, LogMelRecipe
from serkit.runtime import Dense, Model, ModelCard, NumpyBackend, Recognizer, TimelineSettings

RECIPE = LogMelRecipe(
    "log-mel means", (Descriptor("log-mel", functionals=("mean", "std")),), gate_db=40.0
)
SETTINGS = (
    TimelineSettings(),
    TimelineSettings(hop_s=0.7, min_confidence=0.4),
    TimelineSettings(smoothing="hmm", hop_s=1.0),
    TimelineSettings(smoothing="median", window_s=1.0),
)
VOICE = Scripted((0.3, 2.9), (3.2, 6.0), (8.0, 8.05), (9.5, 11.0))


def noise(seconds, seed=0, level=0.1):
    samples = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return (level * samples).astype(np.float32)


SAMPLES = np.concatenate([noise(1, i, 0.02 * (1 + i % 5)) for i in range(12)])


@pytest.fixture(scope="module")
def recognizer(model):
    return Recognizer(NumpyBackend(model.with_card(window_s=2.0)))


@pytest.fixture(scope="module")
def ears():
    """An untrained linear model on log-mel, in windows of two seconds."""
    rng = np.random.default_rng(8)
    weight = (0.3 * rng.standard_normal((3, RECIPE.n_features))).astype(np.float32)
    mean = np.full(RECIPE.n_features, -30.0, np.float32)
    scale = np.full(RECIPE.n_features, 20.0, np.float32)
    card = ModelCard("ears", ("angry", "happy", "sad"), RECIPE, window_s=2.0)
    layers = (Dense(weight, np.zeros(3, np.float32)),)
    return Recognizer(NumpyBackend(Model(card, mean, scale, layers)))


def run(stream, samples, borders=(), rate=RATE):
    """All events, with the samples cut at the borders."""
    events = []
    for part in np.split(samples, sorted(borders)):
        events += stream.push(part, rate=rate)
    return events + stream.finish()


def kinds(events, kind):
    return [event for event in events if event.kind == kind]


chunks = st.lists(st.integers(0, len(SAMPLES)), max_size=12)


@pytest.mark.parametrize("detector", [None, VOICE])
@pytest.mark.parametrize("which", range(len(SETTINGS)))
@settings(max_examples=6, deadline=None)
@given(borders=chunks)
def test_events_do_not_depend_on_the_chunks(recognizer, detector, which, borders):
    whole = run(recognizer.stream(SETTINGS[which], detector=detector), SAMPLES)
    assert run(recognizer.stream(SETTINGS[which], detector=detector), SAMPLES, borders) == whole


@pytest.mark.parametrize("detector", [None, VOICE])
@settings(max_examples=6, deadline=None)
@given(borders=chunks)
def test_nor_for_a_model_of_log_mel(ears, detector, borders):
    whole = run(ears.stream(detector=detector), SAMPLES)
    assert run(ears.stream(detector=detector), SAMPLES, borders) == whole


@pytest.mark.parametrize("detector", [None, VOICE])
@pytest.mark.parametrize("which", range(len(SETTINGS)))
@pytest.mark.parametrize("kind", ["recognizer", "ears"])
def test_a_stream_answers_as_a_timeline(kind, which, detector, request):
    model = request.getfixturevalue(kind)
    timeline = model.timeline((SAMPLES, RATE), SETTINGS[which], detector=detector)
    events = run(model.stream(SETTINGS[which], detector=detector), SAMPLES, range(0, 190000, 777))
    assert [event.segment for event in kinds(events, "segment")] == list(timeline.segments)
    assert [event.window for event in kinds(events, "partial")] == list(timeline.windows)
    borders = [(event.time_s, event.voiced) for event in kinds(events, "voice")]
    expected = [] if detector is None else timeline.voiced
    assert borders == [(t, i == 0) for stretch in expected for i, t in enumerate(stretch)]
    assert events[-1].kind == "end"
    assert events[-1].overall == timeline.overall


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000])
def test_any_rate_as_read(recognizer, rate):
    rng = np.random.default_rng(3)
    samples = (0.1 * rng.standard_normal((5 * rate, 2))).astype(np.float32)
    events = run(recognizer.stream(detector=None), samples, range(0, len(samples), 1000), rate)
    timeline = recognizer.timeline((samples, rate), detector=None)
    assert [event.segment for event in kinds(events, "segment")] == list(timeline.segments)


def test_integers_are_scaled(recognizer):
    samples = np.round(SAMPLES * 32768).astype(np.int16)
    floats = samples.astype(np.float32) / 32768
    assert run(recognizer.stream(detector=None), samples) == run(
        recognizer.stream(detector=None), floats
    )


def test_the_rate_may_change(recognizer):
    stream = recognizer.stream(detector=None)
    stream.push(noise(3), rate=RATE)
    stream.push(np.repeat(noise(3, 1), 3), rate=3 * RATE)
    stream.push(noise(3, 2), rate=RATE)
    end = stream.finish()[-1]
    assert end.overall.duration_s == pytest.approx(9.0, abs=1e-3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_bad_samples_are_refused_and_the_stream_goes_on(recognizer, bad):
    stream, events = recognizer.stream(detector=VOICE), []
    for start in range(0, len(SAMPLES), 4000):
        if start == 40_000:
            with pytest.raises(AudioError, match=r"the sample at 2\.501 s is"):
                stream.push(np.array([0.0] * 16 + [bad]))
        events += stream.push(SAMPLES[start : start + 4000])
    events += stream.finish()
    assert events == run(recognizer.stream(detector=VOICE), SAMPLES)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((np.zeros((2, 2, 2)), RATE), r"the array has shape \[2, 2, 2\]"),
        ((np.zeros(9, complex), RATE), "the array has dtype complex128"),
        ((np.zeros(9), 50), "the sampling rate is 50 Hz; expected 4000 to 384000 Hz"),
        ((np.zeros(9), 16_000.5), "expected a whole number of Hz"),
        ((np.zeros(9), float("nan")), "the sampling rate is nan; expected a whole number of Hz"),
        ((np.zeros(9), "16000"), "the sampling rate is '16000'; expected a whole number of Hz"),
    ],
)
def test_impossible_chunks_are_refused(recognizer, arguments, said):
    with pytest.raises(AudioError, match=said):
        recognizer.stream(detector=None).push(arguments[0], rate=arguments[1])


def test_a_stream_without_sound(recognizer):
    stream = recognizer.stream(detector=None)
    assert stream.push(np.zeros(0)) == []
    (end,) = stream.finish()
    assert end.overall.label is None
    assert end.overall.duration_s == 0.0
    with pytest.raises(AudioError, match="the stream has ended; start a new one"):
        stream.push(SAMPLES)
    with pytest.raises(AudioError, match="has ended"):
        stream.finish()


def test_settings_are_refused_before_the_first_sample(recognizer):
    with pytest.raises(AudioError, match="the hop is 3 s"):
        recognizer.stream(TimelineSettings(hop_s=3.0), detector=None)
    with pytest.raises(ModelError, match="unknown label"):
        recognizer.stream(TimelineSettings(labels=("joy",)), detector=None)


def test_a_window_is_reported_at_its_last_sample(recognizer):
    stream = recognizer.stream(detector=None)
    assert stream.push(SAMPLES[: 2 * RATE - 1]) == []
    (event,) = stream.push(SAMPLES[2 * RATE - 1 : 2 * RATE])
    assert (event.kind, event.window.end_s) == ("partial", 2.0)


def test_a_segment_ends_when_the_pause_is_certain(recognizer):
    """Half a second of pause, and the 0.3 s that the detector needs."""
    settings = TimelineSettings(pause_s=0.5)
    stream = recognizer.stream(settings, detector=Scripted((0.0, 3.0)))
    before = stream.push(SAMPLES[: round(3.79 * RATE)])
    assert not kinds(before, "segment") or kinds(before, "segment")[-1].segment.end_s == 2.0
    after = kinds(stream.push(SAMPLES[round(3.79 * RATE) : round(3.81 * RATE)]), "segment")
    assert after[-1].segment.end_s == 3.0


def test_memory_does_not_grow(recognizer):
    """Ten minutes with long pauses, in one push and in many."""
    minute = noise(60)
    detector = Scripted(*((60.0 * i + 5, 60.0 * i + 25) for i in range(10)))
    stream = recognizer.stream(detector=detector)
    stream.push(minute)
    tracemalloc.start()
    for start in range(0, 9 * len(minute), 1600):
        stream.push(minute[start % len(minute) :][:1600])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4e6  # the samples alone would take 35 MB
    tracemalloc.start()
    recognizer.stream(detector=None).push(np.broadcast_to(minute, (5, len(minute))).T)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16e6  # one channel of what was pushed, and a copy of it


def test_packets(ears):
    samples = voice(5.0, seed=2)
    packets = list(split(encode_basis(samples, 15, blocks_per_packet=4)))
    stream = ears.stream(detector=None)
    events = [event for packet in packets for event in stream.push_packet(packet)]
    events += stream.finish()
    timeline = ears.timeline(b"".join(packets), detector=None)
    windows = [event.window for event in kinds(events, "partial")]
    assert [(w.start_s, w.end_s) for w in windows] == [(0, 2), (2, 4), (4, 5)]
    # A file is clamped below its peak, a live stream below the largest value so far.
    for window, expected in zip(windows, timeline.windows, strict=True):
        assert window.scores == pytest.approx(expected.scores, abs=2e-3)
    assert events[-1].overall.duration_s == 5.0
    assert events[-1].overall.warnings == ()


def test_lost_packets_are_told(ears):
    packets = list(split(encode_basis(voice(8.0, seed=2), 9, blocks_per_packet=1)))
    stream = ears.stream(detector=None)
    events = []
    for number, packet in enumerate(packets[:-1]):
        if number not in (8, 9):
            events += stream.push_packet(packet)
    events += stream.finish()
    lost = [[w.code for w in event.window.warnings] for event in kinds(events, "partial")]
    assert lost == [[], ["lost-packets"], [], []]
    assert [w.code for w in events[-1].overall.warnings] == ["lost-packets"]
    with pytest.raises(AudioError, match="has ended"):
        stream.push_packet(packets[0])


def test_damaged_packets_leave_the_stream_as_it_was(ears):
    packets = list(split(encode_basis(voice(3.0, seed=2), 9, blocks_per_packet=1)))
    stream, events = ears.stream(detector=None), []
    for packet in packets:
        with pytest.raises(PacketError):
            stream.push_packet(packet[:-1] + bytes([packet[-1] ^ 1]))
        events += stream.push_packet(packet)
    again = ears.stream(detector=None)
    assert (
        events + stream.finish()
        == [event for packet in packets for event in again.push_packet(packet)] + again.finish()
    )


def test_sound_and_packets_are_not_mixed(ears, recognizer):
    packet = next(iter(split(encode_basis(voice(1.0, seed=2), 9))))
    stream = ears.stream(detector=None)
    stream.push(SAMPLES[:100])
    with pytest.raises(AudioError, match="consists of sound"):
        stream.push_packet(packet)
    stream = ears.stream(detector=None)
    stream.push_packet(packet)
    with pytest.raises(AudioError, match="consists of packets"):
        stream.push(SAMPLES[:100])
    with pytest.raises(AudioError, match="toy takes sound; choose a model that takes log-mel"):
        recognizer.stream(detector=None).push_packet(packet)
