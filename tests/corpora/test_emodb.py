import pytest

from serkit.corpora import emodb


def test_names_say_speaker_text_and_emotion(clips):
    root = clips("wav/03a01Fa.wav", "wav/16b10Td.flac", "wav/08a02W.wav")
    corpus = emodb.read(root)
    assert [(u.speaker, u.label, u.text) for u in corpus.utterances] == [
        ("03", "happy", "Der Lappen liegt auf dem Eisschrank."),
        ("08", "angry", "Das will sie am Mittwoch abgeben."),
        ("16", "sad", "Die wird auf dem Platz sein, wo wir sie immer hinlegen."),
    ]


@pytest.mark.parametrize(
    ("letter", "label"),
    [
        ("W", "angry"),
        ("L", "bored"),
        ("E", "disgusted"),
        ("A", "fearful"),
        ("F", "happy"),
        ("T", "sad"),
        ("N", "neutral"),
    ],
)
def test_the_labels(clips, letter, label):
    assert emodb.read(clips(f"wav/03a01{letter}a.wav")).utterances[0].label == label


def test_the_clips_may_lie_in_the_folder_itself(clips):
    assert len(emodb.read(clips("03a01Fa.wav")).utterances) == 1


def test_other_published_folders_are_not_walked(clips):
    root = clips("wav/03a01Fa.wav", "silb/03a01Fa.wav")
    (odd,) = emodb.read(root).oddities
    assert odd.path == root


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("04a01Fa", "unknown speaker 04"),
        ("03a03Fa", "unknown text code a03"),
        ("03a01Xa", "unknown emotion letter X"),
        ("3a01Fa", "not named like"),
    ],
)
def test_a_stray_file_is_reported(clips, name, problem):
    corpus = emodb.read(clips("wav/03a01Fa.wav", f"wav/{name}.wav"))
    assert len(corpus.utterances) == 1
    assert problem in corpus.oddities[0].problem


def test_the_expected_counts_add_up():
    assert sum(emodb.INFO.speakers.values()) == emodb.INFO.expected
