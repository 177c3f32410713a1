import pytest

from serkit.corpora import crema_d
from serkit.errors import CorpusError

HEADER = (
    '"","FileName","VoiceVote","VoiceLevel","FaceVote","FaceLevel",'
    '"MultiModalVote","MultiModalLevel"\n'
)


def test_names_say_actor_sentence_and_intended_emotion(clips):
    root = clips("AudioWAV/1001_DFA_ANG_XX.wav", "AudioWAV/1091_IEO_SAD_HI.flac")
    assert [(u.speaker, u.label, u.text) for u in crema_d.read(root).utterances] == [
        ("1001", "angry", "Don't forget a jacket"),
        ("1091", "sad", "It's eleven o'clock"),
    ]


@pytest.mark.parametrize(
    ("code", "label"),
    [
        ("ANG", "angry"),
        ("DIS", "disgusted"),
        ("FEA", "fearful"),
        ("HAP", "happy"),
        ("NEU", "neutral"),
        ("SAD", "sad"),
    ],
)
def test_the_labels(clips, code, label):
    (utterance,) = crema_d.read(clips(f"1002_WSI_{code}_LO.wav")).utterances
    assert utterance.label == label


def test_the_misspelt_file(clips):
    (utterance,) = crema_d.read(clips("AudioWAV/1040_ITH_SAD_X.wav")).utterances
    assert (utterance.speaker, utterance.label) == ("1040", "sad")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("1092_DFA_ANG_XX.wav", "unknown actor 1092"),
        ("1001_XXX_ANG_XX.wav", "unknown sentence XXX"),
        ("1001_DFA_JOY_XX.wav", "unknown emotion JOY"),
        ("1001_DFA_ANG.wav", "not named like"),
    ],
)
def test_a_stray_file_is_reported(clips, name, problem):
    corpus = crema_d.read(clips("AudioWAV/1001_DFA_ANG_XX.wav", f"AudioWAV/{name}"))
    assert len(corpus.utterances) == 1
    assert problem in corpus.oddities[0].problem


def test_what_is_missing_is_named(clips):
    (odd,) = crema_d.read(clips("AudioWAV/1001_DFA_ANG_XX.wav")).oddities
    assert "1 utterances; the complete corpus has 7442" in odd.problem
    assert "speaker 1002 is missing" in odd.problem
    assert "label angry lacks 1270 of 1271" in odd.problem


def test_the_expected_counts_add_up():
    assert sum(crema_d.INFO.label_counts.values()) == crema_d.INFO.expected
    assert len(crema_d.INFO.speakers) == 91


def rated(root, rows):
    table = root / "processedResults" / "summaryTable.csv"
    table.parent.mkdir()
    table.write_text(HEADER + rows)
    return crema_d.read_rated(root)


def test_the_rated_labels_are_the_votes_for_the_voice(clips):
    root = clips("AudioWAV/1001_IEO_ANG_XX.wav", "AudioWAV/1002_TIE_HAP_XX.wav")
    corpus = rated(
        root,
        '"1","1001_IEO_ANG_XX","N","62","A","60","A","70"\n'
        '"2","1002_TIE_HAP_XX","H","55.1","H","60","H","70"\n',
    )
    assert corpus.name == "crema_d_rated"
    assert [(u.label, u.speaker_key) for u in corpus.utterances] == [
        ("neutral", "crema_d/1001"),
        ("happy", "crema_d/1002"),
    ]
    assert corpus.oddities == ()


def test_clips_without_a_single_vote_are_left_out_and_counted(clips):
    names = ["1001_IEO_ANG_XX", "1001_IEO_FEA_XX", "1001_IEO_SAD_XX"]
    corpus = rated(
        clips(*(f"AudioWAV/{name}.wav" for name in names)),
        '"1","1001_IEO_ANG_XX","A","62","A","60","A","70"\n'
        '"2","1001_IEO_FEA_XX","F:N","52:68","D","56","F","56"\n',
    )
    assert [u.label for u in corpus.utterances] == ["angry"]
    (odd,) = corpus.oddities
    assert odd.problem == ("no single vote for 2 clips, the first 1001_IEO_FEA_XX.wav; left out")


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ('"1","1001_IEO_ANG_XX","A","62"\n"2","x"\n', "line 3: lacks a cell"),
        ('"1","1001_IEO_ANG_XX","A","62"\n"2","x","Q","9"\n', "line 3: unknown vote 'Q'"),
        ('"1","1001_IEO_ANG_XX","A","loud"\n', "line 2: level 'loud'; expected 1 from 0 to 100"),
        ('"1","1001_IEO_ANG_XX","A","62:50"\n', "line 2: level '62:50'; expected 1 from"),
        ('"1","1001_IEO_ANG_XX","A","101"\n', "line 2: level '101'; expected 1 from"),
        ('"1","1001_IEO_ANG_XX","A","nan"\n', "line 2: level 'nan'; expected 1 from"),
    ],
)
def test_an_odd_row_of_votes_is_reported(clips, rows, problem):
    corpus = rated(clips("AudioWAV/1001_IEO_ANG_XX.wav"), rows)
    assert len(corpus.utterances) == 1
    assert problem in corpus.oddities[0].problem


def test_the_table_of_votes_is_missing(clips):
    with pytest.raises(CorpusError, match=r"summaryTable\.csv does not exist.*read crema_d for"):
        crema_d.read_rated(clips("AudioWAV/1001_IEO_ANG_XX.wav"))


def test_the_table_of_votes_is_another(clips):
    root = clips("AudioWAV/1001_IEO_ANG_XX.wav")
    (root / "processedResults").mkdir()
    (root / "processedResults" / "summaryTable.csv").write_text("a,b\n1,2\n")
    with pytest.raises(CorpusError, match="holds no utterance"):
        crema_d.read_rated(root)


@pytest.mark.parametrize(
    ("vote", "level", "arousal", "valence"),
    [
        # Russell's angles: anger 99, fear 116, happiness 7.8 and sadness 207.5 degrees.
        ("A", "60", 0.6 * 0.98769, 0.6 * -0.15643),
        ("H", "50", 0.5 * 0.13572, 0.5 * 0.99075),
        ("N", "80", 0.0, 0.0),
        ("F:S", "40:80", (0.4 * 0.89879 - 0.8 * 0.46175) / 2, (-0.4 * 0.43837 - 0.8 * 0.88701) / 2),
    ],
)
def test_ratings_are_the_places_of_the_emotions_heard(clips, vote, level, arousal, valence):
    root = clips("AudioWAV/1001_IEO_ANG_XX.wav")
    table = root / "processedResults" / "summaryTable.csv"
    table.parent.mkdir()
    table.write_text(HEADER + f'"1","1001_IEO_ANG_XX","{vote}","{level}","A","60","A","70"\n')
    (utterance,) = crema_d.read(root).utterances
    assert utterance.label == "angry"
    assert utterance.ratings == {
        "arousal": pytest.approx(arousal, abs=1e-5),
        "valence": pytest.approx(valence, abs=1e-5),
    }
    if ":" not in vote:
        (heard,) = crema_d.read_rated(root).utterances
        assert heard.ratings == utterance.ratings


@pytest.mark.parametrize("vote", [("D", "60"), ("A:D", "50:60")])
def test_disgust_has_no_place(clips, vote):
    root = clips("AudioWAV/1001_IEO_ANG_XX.wav")
    table = root / "processedResults" / "summaryTable.csv"
    table.parent.mkdir()
    table.write_text(HEADER + '"1","1001_IEO_ANG_XX","{}","{}","A","60","A","70"\n'.format(*vote))
    (utterance,) = crema_d.read(root).utterances
    assert utterance.ratings == {}


def test_without_the_table_there_are_no_ratings(clips):
    (utterance,) = crema_d.read(clips("AudioWAV/1001_IEO_ANG_XX.wav")).utterances
    assert utterance.ratings == {}
