import pytest

from serkit.corpora import tess


@pytest.mark.parametrize(
    "name",
    [
        "OAF_ps/OAF_back_ps.flac",
        "OAF_Pleasant_surprise/OAF_back_ps.wav",
        "OAF_pleasant_surprised/OAF_back_pleasant_surprised.wav",
        "TESS Toronto emotional speech set data/OAF_Pleasant_surprise/OAF_back_ps.wav",
        "OAF_back_ps.wav",
    ],
)
def test_every_published_spelling(clips, name):
    (utterance,) = tess.read(clips(name)).utterances
    assert utterance.label == "surprised"
    assert utterance.speaker == "OAF"
    assert utterance.text == "Say the word back"


@pytest.mark.parametrize(
    ("emotion", "label"),
    [
        ("angry", "angry"),
        ("disgust", "disgusted"),
        ("fear", "fearful"),
        ("happy", "happy"),
        ("neutral", "neutral"),
        ("ps", "surprised"),
        ("sad", "sad"),
    ],
)
def test_the_labels(clips, emotion, label):
    (utterance,) = tess.read(clips(f"YAF_{emotion}/YAF_youth_{emotion}.wav")).utterances
    assert (utterance.label, utterance.speaker) == (label, "YAF")


def test_the_misspelt_file(clips):
    (utterance,) = tess.read(clips("OAF_neutral/OA_bite_neutral.wav")).utterances
    assert (utterance.speaker, utterance.text) == ("OAF", "Say the word bite")


def test_the_copy_nested_in_itself_counts_once(clips):
    name = "OAF_angry/OAF_back_angry.wav"
    corpus = tess.read(clips(name, f"TESS Toronto emotional speech set data/{name}"))
    assert len(corpus.utterances) == 1
    assert corpus.oddities[0].problem.startswith("a second copy of OAF_angry")


@pytest.mark.parametrize("name", ["XAF_back_sad.wav", "OAF_back_bored.wav", "OAF_sad.wav"])
def test_a_stray_file_is_reported(clips, name):
    corpus = tess.read(clips("YAF_sad/YAF_back_sad.wav", f"OAF_sad/{name}"))
    assert len(corpus.utterances) == 1
    assert corpus.oddities[0].path.name == name
