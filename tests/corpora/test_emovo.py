import pytest

from serkit.corpora import emovo


def test_names_say_emotion_speaker_and_sentence(clips):
    root = clips("f1/dis-f1-b1.wav", "EMOVO/m3/gio-m3-d2.flac")
    assert [(u.speaker, u.label, u.text) for u in emovo.read(root).utterances] == [
        ("m3", "happy", "Porti con te quella cosa?"),
        ("f1", "disgusted", "Gli operai si alzano presto."),
    ]


@pytest.mark.parametrize(
    ("code", "label"),
    [
        ("neu", "neutral"),
        ("dis", "disgusted"),
        ("gio", "happy"),
        ("pau", "fearful"),
        ("rab", "angry"),
        ("sor", "surprised"),
        ("tri", "sad"),
    ],
)
def test_the_labels(clips, code, label):
    (utterance,) = emovo.read(clips(f"m1/{code}-m1-n5.wav")).utterances
    assert utterance.label == label


@pytest.mark.parametrize("name", ["xxx-f1-b1.wav", "dis-f4-b1.wav", "dis-f1-b9.wav", "dis-f1.wav"])
def test_a_stray_file_is_reported(clips, name):
    corpus = emovo.read(clips("f1/dis-f1-b1.wav", f"f1/{name}"))
    assert len(corpus.utterances) == 1
    assert corpus.oddities[0].path.name == name


def test_a_complete_corpus_has_no_oddities(tmp_path):
    sentences = ["b1", "b2", "b3", "l1", "l2", "l3", "l4", "n1", "n2", "n3", "n4", "n5", "d1", "d2"]
    for speaker in ("f1", "f2", "f3", "m1", "m2", "m3"):
        (tmp_path / speaker).mkdir()
        for emotion in ("neu", "dis", "gio", "pau", "rab", "sor", "tri"):
            for sentence in sentences:
                (tmp_path / speaker / f"{emotion}-{speaker}-{sentence}.wav").touch()
    corpus = emovo.read(tmp_path)
    assert len(corpus.utterances) == 588
    assert corpus.oddities == ()
