"""ZED from small trees in the layout that SpeechBrain's recipe reads."""

import json

import pytest

from serkit.corpora import load
from serkit.corpora.zed import read
from serkit.errors import CorpusError


def entry(wav, *emotions, duration=0.05, **values):
    named = [{"emo": emo, "start": start, "end": end} for emo, start, end in emotions]
    return {"wav": wav, "duration": duration, "emotion": named, "transcription": "Oh.", **values}


@pytest.fixture
def zed(clips):
    """Writes `ZED.json` beside clips of 50 ms."""

    def write(entries, *names):
        root = clips(*names, "unnamed.wav")
        (root / "ZED.json").write_text(json.dumps(entries))
        return root

    return write


def test_what_has_no_emotion_is_neutral(zed):
    entries = {
        "spk1_1": entry("datafolder/spk1/1.wav", ("angry", 0.01, 0.03)),
        "spk1_2": entry("spk1/2.wav", ("happy", 0, 0.05)),
        "spk22_7": entry("datafolder/7.flac", ("sad", 0.02, 0.05)),
        "spk22_8": entry("8.wav", ("a", 0.0, 0.01), ("neutral", 0.01, 0.02), ("s", 0.03, 0.04)),
    }
    root = zed(entries, "spk1/1.wav", "spk1/2.wav", "7.wav", "8.wav")
    corpus = read(root)
    stretches = [(u.session, u.start_s, u.end_s, u.label) for u in corpus.utterances]
    assert stretches == [
        ("spk1_1", 0.0, 0.01, "neutral"),
        ("spk1_1", 0.01, 0.03, "angry"),
        ("spk1_1", 0.03, None, "neutral"),
        ("spk1_2", 0.0, None, "happy"),
        ("spk22_7", 0.0, 0.02, "neutral"),
        ("spk22_7", 0.02, None, "sad"),
        ("spk22_8", 0.0, 0.01, "angry"),
        ("spk22_8", 0.01, 0.02, "neutral"),
        ("spk22_8", 0.02, 0.03, "neutral"),
        ("spk22_8", 0.03, 0.04, "sad"),
        ("spk22_8", 0.04, None, "neutral"),
    ]
    first, last = corpus.utterances[0], corpus.utterances[-1]
    assert (first.audio, first.speaker, first.text) == (root / "spk1/1.wav", "spk1", "Oh.")
    assert (last.speaker, last.corpus) == ("spk22", "zed")
    assert corpus.utterances[4].audio == root / "7.wav"
    assert [odd.problem for odd in corpus.oddities] == ["4 recordings; the complete corpus has 180"]
    assert load(f"zed={root}") == corpus


GOOD = {"good_1": entry("good.wav", ("sad", 0.0, 0.05))}


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ("text", "expected an object"),
        (entry("missing.wav", ("sad", 0, 0.05)), "which does not exist"),
        (entry("", ("sad", 0, 0.05)), "which does not exist"),
        (entry("ZED.json/a.wav", ("sad", 0, 0.05)), "which does not exist"),
        (entry("a\0.wav", ("sad", 0, 0.05)), "outside the corpus's folder"),
        (entry("../corpus.wav", ("sad", 0, 0.05)), "outside the corpus's folder"),
        (entry("/etc/passwd", ("sad", 0, 0.05)), "outside the corpus's folder"),
        (entry("link.wav", ("sad", 0, 0.05)), "outside the corpus's folder"),
        (entry("folder.wav", ("sad", 0, 0.05)), "is a broken link, a device or a pipe"),
        (entry(7, ("sad", 0, 0.05)), "has 7 as wav"),
        (entry("good.wav", ("sad", 0, 0.05)), "is the recording of 'good_1', too"),
        (entry("bad.wav"), "as emotion; expected a list of 1 to 100"),
        (entry("bad.wav", emotion=["sad"]), "has the emotion 'sad'; expected an object"),
        (entry("bad.wav", ("fear", 0, 0.05)), "has the emotion 'fear'; expected angry, happy"),
        (entry("bad.wav", ("sad", 0.02, 0.01)), "from 0.02 to 0.01 s; expected times in order"),
        (entry("bad.wav", ("sad", 0, 0.06)), "at most its duration of 0.05 s"),
        (entry("bad.wav", ("sad", 0, 0.02), ("sad", 0.01, 0.03)), "expected times in order"),
        (entry("bad.wav", ("sad", True, 0.05)), "has True as start; expected seconds"),
        (entry("bad.wav", ("sad", 0, 0.05), duration=1e9), "expected 0 to 3600 s"),
        (entry("bad.wav", ("sad", -1, 0.05)), "has -1 as start; expected 0 to 3600 s"),
    ],
)
def test_odd_recordings_are_skipped(zed, bad, problem):
    root = zed(GOOD | {"bad_1": bad}, "good.wav", "bad.wav", "../corpus.wav")
    (root / "folder.wav").mkdir()
    (root / "link.wav").symlink_to(root.parent / "corpus.wav")
    corpus = read(root)
    assert [u.session for u in corpus.utterances] == ["good_1"]
    odd, _ = corpus.oddities
    assert problem in odd.problem and odd.problem.startswith("'bad_1' ")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[]", "is a list; expected an object by name of recording"),
        ("{", "is not JSON"),
        ("{}", "holds no utterance of Zaion Emotion Dataset"),
        ("[" * 100 + "]" * 100, "nested too deeply"),
    ],
)
def test_what_is_no_file_of_zed(zed, content, problem):
    root = zed({})
    (root / "ZED.json").write_text(content)
    with pytest.raises(CorpusError, match=problem):
        read(root)


def test_a_missing_file_or_a_link_out(zed):
    root = zed({})
    (root / "ZED.json").rename(root.parent / "ZED.json")
    with pytest.raises(CorpusError, match=r"ZED\.json cannot be read"):
        read(root)
    (root / "ZED.json").symlink_to(root.parent / "ZED.json")
    with pytest.raises(CorpusError, match="is a link out of the corpus's folder"):
        read(root)
