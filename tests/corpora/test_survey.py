import tracemalloc

import numpy as np
import pytest
import soundfile

from serkit.corpora import Utterance, audio_files, inspect
from serkit.corpora.utterances import Corpus, CorpusInfo, Oddity

INFO = CorpusInfo("x", "X", "?", "?", False, "", "", ("sad",), "x.wav")


def corpus_of(root, *utterances, oddities=()):
    return Corpus("x", root, utterances, tuple(oddities), INFO)


def problems(root, *names):
    utterances = [Utterance(root / name, "sad", "1", "x") for name in names]
    return [
        (str(oddity.path.relative_to(root)), oddity.problem)
        for oddity in inspect(corpus_of(root, *utterances)).oddities
    ]


def test_a_sound_corpus_has_no_oddities(clips):
    root = clips("a.wav", "b.flac")
    calls = []
    corpus = corpus_of(
        root,
        Utterance(root / "a.wav", "sad", "1", "x"),
        Utterance(root / "b.flac", "calm", "2", "x"),
    )
    survey = inspect(corpus, on_file=lambda: calls.append(1))
    assert survey.oddities == ()
    assert survey.stats.counts == ((1, 0), (0, 1))
    assert survey.stats.duration_s == pytest.approx(0.1)
    assert len(calls) == len(audio_files(corpus)) == 2


def test_a_label_that_is_no_emotion(clips):
    root = clips("a.wav", "b.wav")
    corpus = corpus_of(
        root,
        Utterance(root / "a.wav", "sad", "1", "x"),
        Utterance(root / "b.wav", "anrgy", "1", "x"),
    )
    (oddity,) = inspect(corpus).oddities
    assert oddity == Oddity(root, "1 of its utterances have the unknown label 'anrgy'")


def test_aiff_inside_wav(clips):
    root = clips("a.wav", "b.aiff")
    (root / "b.aiff").rename(root / "b.wav")
    assert problems(root, "a.wav", "b.wav") == [
        ("b.wav", "holds AIFF, though its name ends in .wav")
    ]


def test_mp4_inside_wav(clips):
    import av

    root = clips("a.wav")
    with av.open(str(root / "b.mp4"), "w") as out:
        track = out.add_stream("aac", rate=16_000, layout="mono")
        noise = np.random.default_rng(5).uniform(-0.5, 0.5, (1, 16_000)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(noise, format="fltp", layout="mono")
        frame.rate = 16_000
        out.mux(track.encode(frame))
        out.mux(track.encode(None))
    (root / "b.mp4").rename(root / "b.wav")
    assert problems(root, "a.wav", "b.wav") == [("b.wav", "is another container than .wav")]


def test_stereo(clips):
    root = clips("a.wav", channels=2)
    assert problems(root, "a.wav") == [("a.wav", "has 2 channels, expected 1")]


def test_duplicates_name_both_across_containers(clips):
    root = clips("a.wav", "b.wav")
    samples, rate = soundfile.read(root / "a.wav", dtype="int16")
    soundfile.write(root / "copy.flac", samples, rate)
    assert problems(root, "a.wav", "b.wav", "copy.flac") == [
        ("copy.flac", "sounds exactly like a.wav")
    ]


def test_unreadable_and_truncated(clips):
    root = clips("a.wav")
    (root / "text.wav").write_text("no audio at all")
    (root / "empty.wav").touch()
    rng = np.random.default_rng(3)
    soundfile.write(root / "cut.flac", rng.uniform(-0.5, 0.5, 48_000), 16_000)
    content = (root / "cut.flac").read_bytes()
    (root / "cut.flac").write_bytes(content[: len(content) // 2])
    found = dict(problems(root, "a.wav", "text.wav", "empty.wav", "cut.flac", "gone.wav"))
    assert set(found) == {"text.wav", "empty.wav", "cut.flac", "gone.wav"}
    assert all(problem.startswith("cannot be read: ") for problem in found.values())
    assert "truncated or damaged" in found["cut.flac"]


def test_the_odd_sampling_rate(clips):
    root = clips("a.wav", "b.wav")
    clips("c.wav", rate=8_000)
    assert problems(root, "a.wav", "b.wav", "c.wav") == [
        ("c.wav", "has 8000 Hz, where most files have 16000 Hz")
    ]


def test_silence_is_silent_and_not_a_duplicate(clips):
    root = clips("a.wav")
    for name in ("b.wav", "c.wav"):
        soundfile.write(root / name, np.zeros(800), 16_000)
    assert problems(root, "a.wav", "b.wav", "c.wav") == [
        ("b.wav", "is silent"),
        ("c.wav", "is silent"),
    ]


def test_stretches_of_one_file(clips):
    root = clips("a.wav")
    path = root / "a.wav"
    corpus = corpus_of(
        root,
        Utterance(path, "sad", "1", "x", start_s=0.0, end_s=0.02),
        Utterance(path, "sad", "1", "x", start_s=0.02, end_s=0.05),
        Utterance(path, "sad", "1", "x", start_s=0.04, end_s=0.06),
        Utterance(path, "sad", "1", "x", start_s=1.0),
    )
    survey = inspect(corpus)
    assert [oddity.problem for oddity in survey.oddities] == [
        "lasts 0.050 s, but an utterance goes to 0.06 s",
        "lasts 0.050 s, but an utterance goes to 1 s",
    ]
    assert survey.stats.duration_s == pytest.approx(0.02 + 0.03 + 0.01)


def test_text_without_audio(tmp_path):
    odd = Oddity(tmp_path, "known before")
    survey = inspect(
        corpus_of(tmp_path, Utterance(None, "sad", "1", "x", text="Oh."), oddities=[odd])
    )
    assert survey.oddities == (odd,)
    assert survey.stats.total == 1
    assert survey.stats.duration_s is None


def test_utterances_that_overlap_too_often_are_not_listened_to(clips):
    root = clips("a.wav")
    several = [
        Utterance(root / "a.wav", "sad", "1", "x", start_s=0.001 * i, end_s=0.049)
        for i in range(10)
    ]
    survey = inspect(corpus_of(root, *several))
    assert [o.problem for o in survey.oddities] == [
        "2 of its utterances overlap 8 others; they were not inspected"
    ]
    heard = sum(0.049 - 0.001 * i for i in range(8))
    assert survey.stats.duration_s == pytest.approx(heard)


def test_hours_take_the_memory_of_a_block(tmp_path):
    path = tmp_path / "long.flac"
    noise = 0.1 * np.random.default_rng(0).standard_normal(60 * 16_000)
    with soundfile.SoundFile(path, "w", 16_000, 1, "PCM_16") as file:
        for _ in range(20):
            file.write(noise)
    several = [Utterance(path, "sad", "1", "x", start_s=i, end_s=i + 2.0) for i in range(1000)]
    calls = []
    corpus = corpus_of(tmp_path, Utterance(path, "sad", "1", "x"), *several)
    tracemalloc.start()
    survey = inspect(corpus, on_samples=calls.append)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8e6
    assert sum(calls) == 20 * 60 * 16_000
    assert survey.stats.duration_s == pytest.approx(20 * 60 + 2000)
