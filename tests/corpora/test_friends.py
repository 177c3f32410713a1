"""MELD and EmoryNLP, the two corpora of one series."""

import pytest

from serkit.corpora import Utterance, emorynlp, episode, meld
from serkit.corpora.tables import decoded
from serkit.errors import CorpusError

MELD_HEADER = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,"
    "StartTime,EndTime\n"
)
EMORY_HEADER = (
    "Utterance,Speaker,Emotion,Scene_ID,Utterance_ID,Season,Episode,Start_Time,End_Time\n"
)


def meld_row(text="Hi.", speaker="Anna", emotion="joy", dialogue=0, utterance=0, where="8,21"):
    return (
        f'1,"{text}",{speaker},{emotion},positive,{dialogue},{utterance},{where},'
        '"00:00:01,000","00:00:02,000"\n'
    )


@pytest.fixture
def meld_root(tmp_path):
    root = tmp_path / "meld"
    root.mkdir()
    for i, split in enumerate(("train", "dev", "test")):
        rows = meld_row(f"First, {split}.") + meld_row("Second.", "Ben", "anger", 0, 1)
        (root / f"{split}_sent_emo.csv").write_text(MELD_HEADER + rows * (i == 0) + rows * (i > 0))
    return root


def test_meld_keeps_the_published_split(meld_root):
    utterances = meld.read(meld_root).utterances
    assert [u.split for u in utterances] == ["train", "train", "dev", "dev", "test", "test"]
    assert utterances[0].text == "First, train."
    assert [u.label for u in utterances[:2]] == ["happy", "angry"]
    assert [u.speaker for u in utterances[:2]] == ["Anna", "Ben"]
    assert all(u.audio is None and u.start_s is None for u in utterances)


def test_dialogues_of_different_splits_are_different_sessions(meld_root):
    sessions = [u.session for u in meld.read(meld_root).utterances]
    assert sessions[::2] == ["s08e21/train-dia0", "s08e21/dev-dia0", "s08e21/test-dia0"]
    assert sessions[0] == sessions[1]


@pytest.mark.parametrize(
    ("word", "label"),
    [
        ("anger", "angry"),
        ("joy", "happy"),
        ("neutral", "neutral"),
        ("sadness", "sad"),
        ("fear", "fearful"),
        ("disgust", "disgusted"),
        ("surprise", "surprised"),
    ],
)
def test_the_labels_of_meld(tmp_path, word, label):
    (tmp_path / "dev_sent_emo.csv").write_text(MELD_HEADER + meld_row(emotion=word))
    assert [u.label for u in meld.read(tmp_path).utterances] == [label]


def test_meld_finds_its_clips(meld_root):
    for name in (
        "train/train_splits/dia0_utt0.mp4",
        "train/train_splits/dia0_utt0.wav",
        "train/train_splits/._dia0_utt1.mp4",
        "dev/dev_splits_complete/dia0_utt1.mp4",
        "test/output_repeated_splits_test/dia0_utt0.flac",
        "test/output_repeated_splits_test/final_videos_testdia0_utt0.mp4",
        "elsewhere/dia0_utt1.wav",
    ):
        (meld_root / name).parent.mkdir(parents=True, exist_ok=True)
        (meld_root / name).touch()
    corpus = meld.read(meld_root)
    assert [u.audio and str(u.audio.relative_to(meld_root)) for u in corpus.utterances] == [
        "train/train_splits/dia0_utt0.wav",
        None,
        None,
        "dev/dev_splits_complete/dia0_utt1.mp4",
        "test/output_repeated_splits_test/dia0_utt0.flac",
        None,
    ]
    assert corpus.oddities[-1].problem == "no clip of 3 utterances, the first dia0_utt1 of train"


def test_a_missing_table_of_meld_is_named(meld_root):
    (meld_root / "dev_sent_emo.csv").unlink()
    odd = meld.read(meld_root).oddities[0]
    assert odd.path.name == "dev_sent_emo.csv"
    assert odd.problem == "is missing, and with it the split dev"


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (meld_row(emotion="rage"), "line 2: unknown emotion 'rage'"),
        (meld_row(where="x,1"), "line 2: season 'x' and episode '1' are not numbers"),
        ("1,Hi.\n", "line 2: lacks a cell"),
    ],
)
def test_an_odd_row_of_meld_is_reported(meld_root, row, problem):
    (meld_root / "dev_sent_emo.csv").write_text(MELD_HEADER + row)
    corpus = meld.read(meld_root)
    assert len(corpus.utterances) == 4
    assert corpus.oddities[0].problem.startswith(problem)


def test_a_table_without_the_columns(meld_root):
    (meld_root / "dev_sent_emo.csv").write_text("a,b\n1,2\n")
    assert meld.read(meld_root).oddities[0].problem.startswith("has no column Utterance, Speaker")


def test_a_table_that_cannot_be_read(meld_root):
    (meld_root / "dev_sent_emo.csv").unlink()
    (meld_root / "dev_sent_emo.csv").mkdir()
    assert meld.read(meld_root).oddities[0].problem.startswith("cannot be read")


@pytest.mark.parametrize("read", [meld.read, emorynlp.read])
def test_no_table_at_all(tmp_path, read):
    with pytest.raises(CorpusError, match="holds no utterance"):
        read(tmp_path)
    with pytest.raises(CorpusError, match="does not exist"):
        read(tmp_path / "gone")


@pytest.mark.parametrize(
    "content",
    [
        "you’re – “so”…".encode(),
        "\ufeffyou’re – “so”…".encode(),
        "you’re – “so”…".encode("cp1252"),
        "you’re – “so”…".encode("cp1252").decode("latin-1").encode(),
    ],
)
def test_apostrophes_in_every_encoding(content):
    assert decoded(content) == "you’re – “so”…"


def test_bytes_of_no_encoding_become_replacement_characters():
    assert decoded(b"\x81\xe9") == "\ufffdé"


def test_emorynlp(tmp_path):
    (tmp_path / "emorynlp_dev_final.csv").write_text(
        EMORY_HEADER
        + "One.,['Anna Ant'],Joyful,1,1,1,15,00:00:01.000,00:00:02.000\n"
        + "\"Two, three!\",\"['Anna Ant', 'Ben Bee']\",Scared,1,2,1,15,00:00:02.000,00:00:03.000\n"
        + 'Hm.,"[""Mrs. O\'Dea""]",Powerful,2,1,1,15,00:00:02.000,00:00:03.000\n'
    )
    utterances = emorynlp.read(tmp_path).utterances
    assert [(u.speaker, u.label, u.session, u.text) for u in utterances] == [
        ("Anna Ant", "happy", "s01e15/scene1", "One."),
        ("Anna Ant and Ben Bee", "fearful", "s01e15/scene1", "Two, three!"),
        ("Mrs. O'Dea", "powerful", "s01e15/scene2", "Hm."),
    ]
    assert {(u.audio, u.split) for u in utterances} == {(None, "dev")}


@pytest.mark.parametrize(
    ("word", "label"),
    [
        ("Mad", "angry"),
        ("Joyful", "happy"),
        ("Neutral", "neutral"),
        ("Sad", "sad"),
        ("Scared", "fearful"),
        ("Peaceful", "peaceful"),
        ("Powerful", "powerful"),
    ],
)
def test_the_labels_of_emorynlp(tmp_path, word, label):
    (tmp_path / "emorynlp_test_final.csv").write_text(EMORY_HEADER + f"A.,['X'],{word},1,1,1,1,,\n")
    assert [u.label for u in emorynlp.read(tmp_path).utterances] == [label]


def test_an_unknown_emotion_of_emorynlp(tmp_path):
    (tmp_path / "emorynlp_test_final.csv").write_text(
        EMORY_HEADER + "A.,['X'],Sad,1,1,1,1,,\nB.,['X'],Odd,1,2,1,1,,\n"
    )
    assert "line 3: unknown emotion 'odd'" in emorynlp.read(tmp_path).oddities[2].problem


def test_the_episode_is_the_same_in_both(tmp_path, meld_root):
    (tmp_path / "emorynlp_test_final.csv").write_text(EMORY_HEADER + "A.,['X'],Sad,3,1,8,21,,\n")
    assert {episode(u) for u in meld.read(meld_root).utterances} == {"s08e21"}
    assert [episode(u) for u in emorynlp.read(tmp_path).utterances] == ["s08e21"]


def test_other_corpora_have_no_episodes():
    assert episode(Utterance(None, "sad", "1F", "iemocap", session="s08e21/1")) is None
