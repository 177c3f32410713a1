import pytest

from serkit.corpora import savee


@pytest.mark.parametrize("name", ["DC/sa01.wav", "DC_sa01.wav", "AudioData/DC/sa01.wav"])
def test_every_published_layout(clips, name):
    (utterance,) = savee.read(clips(name)).utterances
    assert (utterance.speaker, utterance.label) == ("DC", "sad")


@pytest.mark.parametrize(
    ("code", "label"),
    [
        ("a", "angry"),
        ("d", "disgusted"),
        ("f", "fearful"),
        ("h", "happy"),
        ("n", "neutral"),
        ("sa", "sad"),
        ("su", "surprised"),
    ],
)
def test_the_labels(clips, code, label):
    (utterance,) = savee.read(clips(f"KL_{code}15.wav")).utterances
    assert utterance.label == label


def test_the_same_name_of_two_speakers_is_two_clips(clips):
    assert len(savee.read(clips("DC/a01.wav", "JE/a01.wav")).utterances) == 2


@pytest.mark.parametrize("name", ["XX_a01.wav", "DC_x01.wav", "other/a01.wav", "DC_a1.wav"])
def test_a_stray_file_is_reported(clips, name):
    corpus = savee.read(clips("DC_a01.wav", name))
    assert len(corpus.utterances) == 1
    assert corpus.oddities[0].path.name == name.rpartition("/")[2]


def test_a_complete_corpus_has_no_oddities(tmp_path):
    numbers = {"a": 15, "d": 15, "f": 15, "h": 15, "n": 30, "sa": 15, "su": 15}
    for speaker in savee.INFO.speakers:
        (tmp_path / speaker).mkdir()
        for code, last in numbers.items():
            for number in range(1, last + 1):
                (tmp_path / speaker / f"{code}{number:02d}.wav").touch()
    corpus = savee.read(tmp_path)
    assert len(corpus.utterances) == 480
    assert corpus.oddities == ()
