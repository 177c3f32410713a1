"""Emotion over time: segments, windows and the overall answer, against sums made by hand."""

import itertools
import math
from dataclasses import replace

import audformat
import numpy as np
import pandas
import pytest
import soundfile
from scipy.stats import entropy

from runtime.scripted import Scripted
from serkit.adaptation import softmax
from serkit.codec import encode_basis
from serkit.errors import AudioError, ModelError
from serkit.features import extract
from serkit.runtime import (
    ModelCard,
    NumpyBackend,
    Outputs,
    Recognizer,
    TimelineSettings,
    Waveform,
    arousal_valence,
)
from serkit.runtime.profile import Profile

RATE = 16_000


def noise(seconds, seed=0, level=0.1):
    samples = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return (level * samples).astype(np.float32)


def changing(seconds):
    """A second at a time of another level and colour."""
    parts = []
    for i in range(math.ceil(seconds)):
        part = noise(1, i, 0.02 * (1 + i % 5))
        parts.append(np.convolve(part, np.ones(1 + 3 * (i % 4)), "same").astype(np.float32))
    return np.concatenate(parts)[: round(seconds * RATE)]


@pytest.fixture(scope="module")
def recognizer(model):
    """The toy, normalised by what it hears here, so that it finds several emotions."""
    rows = np.stack([extract(model.card.input, part) for part in changing(30).reshape(15, -1)])
    normal = replace(model, mean=rows.mean(axis=0), scale=rows.std(axis=0))
    return Recognizer(NumpyBackend(normal.with_card(window_s=2.0, temperature=4.0)))


def scores(recognizer, samples, start_s, end_s):
    """The probabilities of a window, from the network itself."""
    model = recognizer.backend.model
    part = samples[round(start_s * RATE) : round(end_s * RATE)]
    return softmax(model.logits(extract(model.card.input, part)[None])[0])


def times(parts):
    return [(part.start_s, part.end_s) for part in parts]


def spread(timeline):
    """Label at every 0.1 s."""
    labels = []
    for segment in timeline.segments:
        labels += [segment.label] * (round(10 * segment.end_s) - round(10 * segment.start_s))
    return labels


def test_segments_join_windows_of_one_label(recognizer):
    samples = changing(30)
    timeline = recognizer.timeline((samples, RATE), detector=None)
    rows = [scores(recognizer, samples, start, start + 2) for start in range(0, 30, 2)]
    assert times(timeline.windows) == [(start, start + 2) for start in range(0, 30, 2)]
    np.testing.assert_allclose(
        [list(window.scores.values()) for window in timeline.windows], rows, rtol=1e-5
    )
    best = np.argmax(rows, axis=1)
    assert len(set(best)) > 1
    starts = [0, *(np.flatnonzero(np.diff(best)) + 1), len(best)]
    assert len(timeline.segments) == len(starts) - 1
    for segment, first, end in zip(timeline.segments, starts, starts[1:], strict=False):
        assert (segment.start_s, segment.end_s) == (2 * first, 2 * end)
        assert segment.label == recognizer.labels[best[first]]
        mean = np.mean(rows[first:end], axis=0)
        np.testing.assert_allclose(list(segment.scores.values()), mean, rtol=1e-5)
        assert segment.confidence == pytest.approx(mean.max())
        assert segment.reason is None
    shares = timeline.shares
    counted = spread(timeline)
    assert shares == pytest.approx({x: counted.count(x) / len(counted) for x in shares})
    assert timeline.voiced is None


@pytest.mark.parametrize("seconds", [0.3, 2.0, 2.4, 2.6, 7.1])
def test_segments_cover_the_recording_and_a_short_rest_is_not_a_window(recognizer, seconds):
    timeline = recognizer.timeline((changing(seconds), RATE), detector=None)
    borders = times(timeline.segments)
    assert borders[0][0] == 0.0
    assert borders[-1][1] == seconds == timeline.duration_s
    assert all(before[1] == after[0] for before, after in itertools.pairwise(borders))
    rest = seconds % 2
    n_windows = int(seconds / 2) + (rest >= 0.5 or seconds < 2)
    assert len(timeline.windows) == n_windows


def test_overlapping_windows_are_averaged(recognizer):
    samples = changing(7)
    settings = TimelineSettings(hop_s=0.5, min_confidence=1.0)
    timeline = recognizer.timeline((samples, RATE), settings, detector=None)
    windows = [(i / 2, i / 2 + 2) for i in range(11)]
    assert times(timeline.windows) == windows
    rows = np.array([scores(recognizer, samples, *window) for window in windows])
    cells = [
        np.mean([row for row, (a, b) in zip(rows, windows, strict=True) if a < t < b], axis=0)
        for t in np.arange(0.25, 7, 0.5)
    ]
    # Below the minimum everywhere, so that there is one segment: the mean of the cells.
    (segment,) = timeline.segments
    assert segment.label is None
    assert "below the minimum of 1" in segment.reason
    np.testing.assert_allclose(list(segment.scores.values()), np.mean(cells, axis=0), rtol=1e-5)


def test_the_window_can_be_chosen(recognizer):
    timeline = recognizer.timeline(
        (changing(9), RATE), TimelineSettings(window_s=3.0), detector=None
    )
    assert times(timeline.windows) == [(0, 3), (3, 6), (6, 9)]


@pytest.mark.parametrize("aggregation", ["mean", "duration", "confidence"])
@pytest.mark.parametrize("labels", [None, ("angry", "sad")])
def test_the_overall_answer(recognizer, aggregation, labels):
    samples = changing(11)
    settings = TimelineSettings(aggregation=aggregation, labels=labels)
    timeline = recognizer.timeline((samples, RATE), settings, detector=None)
    rows = [list(window.scores.values()) for window in timeline.windows]
    seconds = np.array([2, 2, 2, 2, 2, 1.0])
    certain = 1 - entropy(rows, axis=1) / np.log(len(rows[0]))
    weights = {"mean": np.ones(6), "duration": seconds, "confidence": seconds * certain}
    expected = np.average(rows, axis=0, weights=weights[aggregation])
    overall = timeline.overall
    np.testing.assert_allclose(list(overall.scores.values()), expected, rtol=1e-6)
    assert overall.label == max(overall.scores, key=overall.scores.get)
    assert overall.duration_s == 11.0


def test_the_overall_answer_is_that_of_a_call(recognizer):
    samples = changing(12)
    called, timeline = (
        recognizer((samples, RATE)),
        recognizer.timeline((samples, RATE), detector=None),
    )
    assert timeline.overall.scores == pytest.approx(called.scores, rel=1e-5)
    assert timeline.overall.label == called.label


def test_segments_end_at_pauses(recognizer):
    samples = changing(14)
    voice = Scripted((0.5, 3.5), (4.0, 5.0), (7.0, 12.0), (13.0, 13.25))
    timeline = recognizer.timeline((samples, RATE), TimelineSettings(pause_s=1.0), detector=voice)
    assert timeline.voiced == ((0.5, 3.5), (4.0, 5.0), (7.0, 12.0), (13.0, 13.25))
    # A pause of half a second belongs to what is around it; the rest of 1 s ends where voice does.
    expected = [(0.5, 2.5), (2.5, 4.5), (4.5, 5.0), (7, 9), (9, 11), (11, 12), (13, 13.25)]
    assert times(timeline.windows) == expected
    for window in timeline.windows:
        row = scores(recognizer, samples, window.start_s, window.end_s)
        np.testing.assert_allclose(list(window.scores.values()), row, rtol=1e-5)
    pauses = [part for part in timeline.segments if not part.scores]
    assert times(pauses) == [(0, 0.5), (5, 7), (12, 13), (13.25, 14)]
    assert {(part.label, part.reason) for part in pauses} == {(None, "no voice was detected")}
    borders = {second for part in timeline.segments for second in times([part])[0]}
    assert {0.5, 5.0, 7.0, 12.0, 13.0, 13.25} <= borders
    assert [w.code for w in timeline.segments[-2].warnings] == ["short"]


def test_the_longest_pause_within_a_segment_can_be_chosen(recognizer):
    voice = Scripted((0.0, 3.0), (6.0, 9.0))
    timeline = recognizer.timeline(
        (changing(9), RATE), TimelineSettings(pause_s=3.5), detector=voice
    )
    assert all(part.scores for part in timeline.segments)
    assert times(timeline.windows)[1] == (2.0, 4.0)


def test_no_voice_at_all(recognizer):
    timeline = recognizer.timeline((changing(5), RATE), detector=Scripted())
    (segment,) = timeline.segments
    assert (segment.start_s, segment.end_s, segment.label) == (0.0, 5.0, None)
    assert timeline.overall.label is None
    assert timeline.overall.reason == segment.reason == "no voice was detected"
    assert timeline.voiced == ()
    assert timeline.shares == {}
    assert timeline.windows == ()


def test_fifty_milliseconds_of_voice(recognizer):
    timeline = recognizer.timeline((changing(3), RATE), detector=Scripted((1.0, 1.05)))
    assert times(timeline.segments) == [(0, 1), (1, 1.05), (1.05, 3)]
    assert timeline.segments[1].label is None
    assert timeline.segments[1].reason == "50 ms of voice; expected at least 100 ms"
    assert timeline.overall.reason == "50 ms of voice; expected at least 100 ms"


def test_digital_silence_is_a_segment_without_a_label(recognizer):
    samples = np.concatenate((changing(4), np.zeros(4 * RATE, np.float32), changing(4)))
    timeline = recognizer.timeline((samples, RATE), detector=None)
    (silent,) = [part for part in timeline.segments if part.label is None]
    assert times([silent]) == [(4.0, 8.0)]
    assert silent.reason == "digital silence: nothing to classify"
    assert (silent.arousal, silent.valence, silent.confidence) == (None, None, 0.0)
    everything = recognizer.timeline((np.zeros(3 * RATE, np.float32), RATE), detector=None)
    assert everything.overall.reason == silent.reason


def test_warnings_are_those_of_the_windows_and_of_the_whole(recognizer, tmp_path):
    clipped = np.clip(noise(2, level=0.6), -0.5, 0.5)
    samples = np.concatenate((noise(2), clipped, noise(2, 3, 1e-4), noise(2, 4)))
    soundfile.write(tmp_path / "a.wav", samples, RATE, "FLOAT")
    content = (tmp_path / "a.wav").read_bytes()
    timeline = recognizer.timeline(content[: len(content) * 15 // 16], detector=None)
    codes = [[caution.code for caution in window.warnings] for window in timeline.windows]
    assert codes == [[], ["clipped"], ["too-quiet"], ["truncated"]]
    said = {w.code for part in timeline.segments for w in part.warnings}
    assert said == {"clipped", "too-quiet", "truncated"}
    assert "truncated" in [w.code for w in timeline.warnings]
    whole = recognizer((clipped, RATE)).warnings
    assert recognizer.timeline((clipped, RATE), detector=None).warnings == whole
    assert [w.code for w in recognizer.timeline((noise(0.5), RATE), detector=None).warnings] == [
        "short"
    ]


@pytest.mark.parametrize("smoothing", ["median", "hmm"])
def test_smoothing_removes_a_single_window(smoothing):
    """Logits by level: one loud window among quiet ones, and loud ones after it."""
    levels = [0.1, 0.1, 0.1, 0.9, 0.1, 0.1, 0.1, 0.9, 0.9, 0.9, 0.9]
    samples = np.concatenate([noise(2, i, level) for i, level in enumerate(levels)])
    recognizer = Recognizer(Loudness())
    plain = recognizer.timeline((samples, RATE), TimelineSettings(), detector=None)
    smooth = recognizer.timeline(
        (samples, RATE), TimelineSettings(smoothing=smoothing), detector=None
    )
    assert [part.label for part in plain.segments] == ["quiet", "loud", "quiet", "loud"]
    assert [(part.label, part.end_s) for part in smooth.segments] == [("quiet", 14), ("loud", 22)]
    assert smooth.windows == plain.windows
    assert smooth.overall == plain.overall


class Loudness:
    """A backend of two labels, which needs no more than the protocol."""

    file_bytes = 7
    embedding_width = 1
    digest = "0" * 32
    facts: dict[str, object] = {}  # noqa: RUF012

    def __init__(self):
        self.card = ModelCard("loudness", ("quiet", "loud"), Waveform(), window_s=2.0)

    def outputs(self, windows):
        level = np.array([4.0 * np.sqrt(np.mean(np.square(window))) for window in windows])
        logits = np.stack((np.full_like(level, 2.0), level), axis=1).astype(np.float32)
        return Outputs(logits, logits[:, 1:], None)


def test_a_profile_changes_the_segments(recognizer):
    profile = Profile.create(recognizer)
    samples = changing(6)
    before = recognizer.timeline((samples, RATE), detector=None)
    for start in (0, 2, 4):
        profile.learn((samples[start * RATE : (start + 2) * RATE], RATE), "sad")
    personal = recognizer.with_profile(profile)
    after = personal.timeline((samples, RATE), detector=None)
    assert after.windows == tuple(personal.windows((samples, RATE)))
    assert after.overall.scores["sad"] > before.overall.scores["sad"]


def test_arousal_and_valence():
    assert arousal_valence({"neutral": 1.0}) == (0.0, 0.0)
    angle = math.radians(99.0)
    assert arousal_valence({"angry": 1.0}) == pytest.approx((math.sin(angle), math.cos(angle)))
    mixed = arousal_valence({"sad": 0.3, "angry": 0.3, "disgusted": 0.4})
    arousal = (math.sin(math.radians(207.5)) + math.sin(angle)) / 2
    assert mixed[0] == pytest.approx(arousal)
    assert arousal_valence({"disgusted": 0.6, "happy": 0.4}) == (None, None)
    assert arousal_valence({"loud": 1.0}) == (None, None)
    assert arousal_valence({}) == (None, None)


def test_the_signs_are_those_of_common_sense():
    for label, arousal, valence in (
        ("happy", 1, 1), ("surprised", 1, 1), ("angry", 1, -1), ("fearful", 1, -1),
        ("sad", -1, -1), ("bored", -1, -1), ("calm", -1, 1),
    ):  # fmt: skip
        found = arousal_valence({label: 1.0})
        assert (np.sign(found[0]), np.sign(found[1])) == (arousal, valence)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"window_s": 0.2}, "the window is 0.2 s; expected 0.5 to 60 s"),
        ({"window_s": math.nan}, "the window is nan s"),
        ({"pause_s": 0.0}, "the pause is 0 s; expected more than 0"),
        ({"dwell_s": math.inf}, "the dwell is inf s"),
        ({"hop_s": 2.5}, "the hop is 2.5 s; expected more than 0 and at most the window"),
        ({"hop_s": math.nan}, "the hop is nan s"),
    ],
)
def test_impossible_lengths_are_refused(recognizer, changes, said):
    with pytest.raises(AudioError, match=said):
        recognizer.timeline((noise(3), RATE), TimelineSettings(**changes), detector=None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"smoothing": "mean"}, "smoothing is 'mean'; expected off, median, hmm"),
        ({"aggregation": "max"}, "aggregation is 'max'; expected mean, duration, confidence"),
        ({"min_confidence": 1.5}, "min_confidence is 1.5"),
        ({"labels": ("joy",)}, "unknown label 'joy'"),
    ],
)
def test_impossible_choices_are_refused(recognizer, changes, said):
    with pytest.raises(ModelError, match=said):
        recognizer.timeline((noise(3), RATE), TimelineSettings(**changes), detector=None)


def test_errors_are_those_of_a_call(recognizer):
    with pytest.raises(AudioError, match="no such file"):
        recognizer.timeline("missing.wav", detector=None)
    with pytest.raises(AudioError, match=r"the sample at 1\.000 s is not finite"):
        recognizer.timeline((np.append(noise(1), np.nan), RATE), detector=None)
    with pytest.raises(AudioError, match="toy takes sound"):
        recognizer.timeline(encode_basis(noise(1), 5), detector=None)


def test_a_table_of_segments_that_audformat_reads(recognizer):
    timeline = recognizer.timeline((changing(14), RATE), detector=Scripted((0.5, 9.0)))
    frame = timeline.to_frame("a.wav")
    audformat.assert_index(frame.index)
    assert audformat.is_segmented_index(frame.index)
    starts = frame.index.get_level_values("start").total_seconds()
    assert list(starts) == pytest.approx([part.start_s for part in timeline.segments])
    database = audformat.Database("toys")
    database.schemes["emotion"] = audformat.Scheme(labels=list(recognizer.labels))
    database["segments"] = audformat.Table(frame.index)
    database["segments"]["emotion"] = audformat.Column(scheme_id="emotion")
    database["segments"]["emotion"].set(frame["label"].where(frame["label"].notna(), None))
    assert list(database["segments"].df["emotion"].dropna()) == [
        part.label for part in timeline.segments if part.label
    ]
    plain = timeline.to_frame()
    assert plain.index.names == ["start", "end"]
    assert plain["angry"].tolist() == pytest.approx(
        [part.scores.get("angry", math.nan) for part in timeline.segments], nan_ok=True
    )
    assert isinstance(plain, pandas.DataFrame)


def test_each_channel_of_two_speakers(recognizer, tmp_path):
    one, two = changing(6), changing(12)[6 * RATE :]
    both = np.stack((one, two), axis=1)
    soundfile.write(tmp_path / "both.wav", both, RATE, "FLOAT")
    for source in ((both, RATE), tmp_path / "both.wav"):
        for channel, alone in enumerate((one, two)):
            found = recognizer.timeline(source, detector=None, channel=channel)
            assert found.channel == channel
            assert replace(found, channel=None) == recognizer.timeline((alone, RATE), detector=None)
    mixed = recognizer.timeline((both, RATE), detector=None)
    assert mixed == recognizer.timeline(((one + two) / 2, RATE), detector=None)
    for channel, said in ((2, "channel 3 was asked for; the recording has 2"), (-1, "channel 0")):
        with pytest.raises(AudioError, match=said):
            recognizer.timeline((both, RATE), channel=channel)


STRANGE = {
    "tone": 0.3 * np.sin(np.arange(6 * RATE) / 9),
    "music": sum(np.sin(np.arange(6 * RATE) * f) * (np.arange(6 * RATE) % 8000 > i * 900)
                 for i, f in enumerate((0.05, 0.0625, 0.075))) / 4,
    "clipped": np.clip(3 * changing(6), -0.1, 0.1),
    "offset": 0.4 + changing(6),
    "changing loudness": changing(6) * np.geomspace(1e-5, 30, 6 * RATE),
    "loud": 1e10 * changing(6),
    "clicks": (np.arange(6 * RATE) % 4000 == 0).astype(float),
    "quiet": 1e-7 * changing(6),
}  # fmt: skip


@pytest.mark.parametrize("kind", STRANGE)
@pytest.mark.parametrize("settings", [TimelineSettings(), TimelineSettings(smoothing="hmm")])
def test_strange_sound(recognizer, kind, settings):
    timeline = recognizer.timeline((STRANGE[kind], RATE), settings)
    borders = times(timeline.segments)
    assert (borders[0][0], borders[-1][1]) == (0.0, 6.0)
    assert all(before[1] == after[0] for before, after in itertools.pairwise(borders))
    for segment in timeline.segments:
        assert (segment.label is None) == (segment.reason is not None)
        if segment.scores:
            assert sum(segment.scores.values()) == pytest.approx(1.0)
            assert -1.0 <= segment.arousal <= 1.0
    stream = recognizer.stream(settings)
    events = [e for part in np.array_split(STRANGE[kind], 50) for e in stream.push(part)]
    events += stream.finish()
    live = tuple(event.segment for event in events if event.kind == "segment")
    assert live == timeline.segments
