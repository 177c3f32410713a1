from collections import Counter
from pathlib import Path

import pytest

from serkit.corpora import iemocap
from serkit.errors import CorpusError

HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"


def build(root: Path, dialogue: str, turns: list[tuple[str, str, str]]) -> Path:
    """A dialogue as released: evaluation, transcript, sentences. Turns: suffix, emotion, text."""
    session = root / f"Session{int(dialogue[3:5])}"
    evaluation = session / "dialog" / "EmoEvaluation" / f"{dialogue}.txt"
    transcript = session / "dialog" / "transcriptions" / f"{dialogue}.txt"
    wavs = session / "sentences" / "wav" / dialogue
    for folder in (evaluation.parent, transcript.parent, wavs):
        folder.mkdir(parents=True, exist_ok=True)
    evaluation.write_text(
        HEADER
        + "".join(
            f"[{i}.2500 - {i + 1}.2500]\t{dialogue}_{suffix}\t{emotion}\t[2.5000, 2.5000, 2.5000]\n"
            "C-E2:\tNeutral;\t()\n"
            "A-E3:\tval 3; act 2; dom  2;\t()\n\n"
            for i, (suffix, emotion, _) in enumerate(turns)
        )
    )
    transcript.write_text(
        "".join(
            f"{dialogue}_{suffix} [{i:03d}.2500-{i + 1:03d}.2500]: {text}\n"
            for i, (suffix, _, text) in enumerate(turns)
        )
    )
    for suffix, *_ in turns:
        (wavs / f"{dialogue}_{suffix}.wav").touch()
    return root


def test_a_dialogue(tmp_path):
    root = build(
        tmp_path,
        "Ses01F_impro01",
        [("F000", "neu", "First."), ("M000", "fru", "Second?")],
    )
    build(root, "Ses05M_script03_2", [("F001", "exc", "Third!")])
    utterances = iemocap.read(root).utterances
    assert [(u.speaker, u.session, u.label, u.text) for u in utterances] == [
        ("Ses01F", "Ses01", "neutral", "First."),
        ("Ses01M", "Ses01", "frustrated", "Second?"),
        ("Ses05F", "Ses05", "excited", "Third!"),
    ]
    assert utterances[0].audio == (
        root / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"
    )
    assert (utterances[0].start_s, utterances[0].end_s) == (None, None)


@pytest.mark.parametrize(
    ("code", "label"),
    [
        ("ang", "angry"),
        ("hap", "happy"),
        ("neu", "neutral"),
        ("sad", "sad"),
        ("fea", "fearful"),
        ("dis", "disgusted"),
        ("sur", "surprised"),
        ("exc", "excited"),
        ("fru", "frustrated"),
        ("oth", "other"),
    ],
)
def test_the_labels(tmp_path, code, label):
    root = build(tmp_path, "Ses02F_impro01", [("M000", code, "x")])
    assert [u.label for u in iemocap.read(root).utterances] == [label]


CODES = ["ang", "hap", "exc", "neu", "sad", "fru", "fea", "sur", "dis", "oth", "xxx"]


def test_the_sets(tmp_path):
    build(tmp_path, "Ses01F_impro01", [(f"F{i:03d}", c, "x") for i, c in enumerate(CODES)])
    four = Counter(u.label for u in iemocap.read_4class(tmp_path).utterances)
    assert four == {"angry": 1, "happy": 2, "neutral": 1, "sad": 1}
    six = {u.label for u in iemocap.read_6class(tmp_path).utterances}
    assert six == {"angry", "happy", "excited", "neutral", "sad", "frustrated"}
    assert len(iemocap.read(tmp_path).utterances) == 10


def test_the_published_sizes():
    assert iemocap.INFO.expected == 10039 - 2507
    assert iemocap.INFO_4CLASS.expected == 5531
    assert iemocap.INFO_4CLASS.label_counts == {
        "angry": 1103,
        "happy": 1636,
        "neutral": 1708,
        "sad": 1084,
    }
    assert iemocap.INFO_6CLASS.expected == 7380


def test_what_is_missing_is_named(tmp_path):
    build(tmp_path, "Ses01F_impro01", [("F000", "ang", "x")])
    (odd,) = iemocap.read_4class(tmp_path).oddities
    assert "1 utterances; the complete corpus has 5531" in odd.problem
    assert "speaker Ses01M is missing" in odd.problem
    assert "label angry lacks 1102 of 1103" in odd.problem
    assert "label sad is missing" in odd.problem


def test_odd_lines_and_missing_sentences_are_reported(tmp_path):
    turns = [("F000", "neu", "a"), ("F001", "yyy", "b"), ("F002", "sad", "c")]
    build(tmp_path, "Ses03M_impro01", turns)
    evaluation = tmp_path / "Session3/dialog/EmoEvaluation/Ses03M_impro01.txt"
    first = evaluation.read_text().splitlines()[2]
    evaluation.write_text(evaluation.read_text() + f"[broken\n{first}\n")
    wav = tmp_path / "Session3/sentences/wav/Ses03M_impro01/Ses03M_impro01_F002.wav"
    wav.unlink()
    corpus = iemocap.read(tmp_path)
    assert len(corpus.utterances) == 1
    problems = [odd.problem for odd in corpus.oddities[:-1]]
    assert problems == [
        "line 7: unknown emotion yyy; skipped",
        "line 11: no sentence file of Ses03M_impro01_F002; skipped",
        "line 15 is not an evaluation; skipped",
        "Ses03M_impro01_F000 a second time; skipped",
    ]


def test_hidden_copies_and_other_tables_are_not_read(tmp_path):
    build(tmp_path, "Ses01F_impro01", [("F000", "neu", "x")])
    folder = tmp_path / "Session1/dialog/EmoEvaluation"
    (folder / "._Ses01F_impro01.txt").write_bytes(b"\0\x05\x16\x07\xff")
    (folder / "Categorical").mkdir()
    (folder / "Categorical" / "Ses01F_impro01_e2_cat.txt").write_text("[0 - 1]\tno\n")
    (odd,) = iemocap.read(tmp_path).oddities
    assert odd.path == tmp_path


def test_a_missing_transcript_costs_only_the_text(tmp_path):
    build(tmp_path, "Ses01F_impro01", [("F000", "neu", "x")])
    (tmp_path / "Session1/dialog/transcriptions/Ses01F_impro01.txt").unlink()
    assert iemocap.read(tmp_path).utterances[0].text is None


def test_a_folder_without_sessions(tmp_path):
    with pytest.raises(CorpusError, match="holds no utterance of IEMOCAP"):
        iemocap.read(tmp_path)


@pytest.mark.parametrize(
    ("cells", "ratings"),
    [
        ("[2.5000, 2.5000, 2.5000]", {"valence": -0.25, "arousal": -0.25, "dominance": -0.25}),
        ("[1.0000, 5.0000, 3.5000]", {"valence": -1.0, "arousal": 1.0, "dominance": 0.25}),
        ("[2.0000, 3.0000, 5.5000]", {"valence": -0.5, "arousal": 0.0}),
        ("[2.0000, nan, loud]", {"valence": -0.5}),
        ("[2.0000, 3.0000]", {}),
    ],
)
def test_the_ratings_are_scaled(tmp_path, cells, ratings):
    root = build(tmp_path, "Ses01F_impro01", [("F000", "neu", "First.")])
    path = root / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    path.write_text(path.read_text().replace("[2.5000, 2.5000, 2.5000]", cells))
    (utterance,) = iemocap.read(root).utterances
    assert utterance.ratings == ratings
