import pytest

from serkit.corpora import nemo

HEADER = "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage\n"


def test_labels_and_texts(clips):
    root = clips(
        "samples/WR0_surprised_64.wav", "samples/EB0_anger_2.flac", "samples/EB0_fear_3.wav"
    )
    (root / "data.tsv").write_text(
        HEADER
        + 'WR0_surprised_64.wav\tsurprised\t"Żółw" śpi.\t"żółw" śpi\t        WR0\tmale\t23\n'
        + "EB0_anger_2.wav\tanger\tDość.\tdość\t        EB0\tfemale\t27\n",
        encoding="utf-8",
    )
    corpus = nemo.read(root)
    assert [(u.speaker, u.label, u.text) for u in corpus.utterances] == [
        ("EB0", "angry", "Dość."),
        ("EB0", "fearful", None),
        ("WR0", "surprised", '"Żółw" śpi.'),
    ]


@pytest.mark.parametrize(
    ("word", "label"),
    [
        ("happiness", "happy"),
        ("neutral", "neutral"),
        ("sadness", "sad"),
        ("surprise", "surprised"),
    ],
)
def test_the_labels(clips, word, label):
    (utterance,) = nemo.read(clips(f"samples/KS0_{word}_1.wav")).utterances
    assert utterance.label == label


@pytest.mark.parametrize(
    "table",
    [b"\xff\xfe\x00", b"other\tcolumns\n1\t2\n", b"file_id\n\n", b"file_id\traw_text\n\t\n"],
)
def test_a_broken_table_costs_only_the_texts(clips, table):
    root = clips("samples/KS0_anger_1.wav")
    (root / "data.tsv").write_bytes(table)
    corpus = nemo.read(root)
    assert corpus.utterances[0].text is None


def test_a_broken_table_is_reported(clips):
    root = clips("samples/KS0_anger_1.wav")
    (root / "data.tsv").write_bytes(b"other\tcolumns\n1\t2\n")
    assert nemo.read(root).oddities[0].path == root / "data.tsv"


def test_speakers_that_are_missing_are_named(clips):
    (odd,) = nemo.read(clips("samples/KS0_anger_1.wav")).oddities
    assert "speaker EB0 is missing" in odd.problem
    assert "KS0" not in odd.problem


@pytest.mark.parametrize("name", ["KS0_rage_1.wav", "anger_1.wav"])
def test_a_stray_file_is_reported(clips, name):
    corpus = nemo.read(clips("samples/KS0_anger_1.wav", f"samples/{name}"))
    assert corpus.oddities[0].path.name == name
