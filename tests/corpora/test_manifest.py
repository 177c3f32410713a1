import csv
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serkit.corpora import Utterance, read_manifest
from serkit.errors import CorpusError


def csv_of(root: Path, text: str, name: str = "mine.csv") -> Path:
    path = root / name
    path.write_text(text, encoding="utf-8")
    return path


def test_all_columns(clips):
    root = clips("sub/a.wav", "b.flac")
    path = csv_of(
        root,
        "audio,label,speaker,session,text,start,end\n"
        'sub/a.wav,happy,anna,s1,"Ja, ""gern""",0,0.02\n'
        f"{root / 'b.flac'}, sad , ben ,,,0.01,\n",
    )
    corpus = read_manifest(path)
    assert corpus.utterances == (
        Utterance(root / "sub/a.wav", "happy", "anna", "mine", "s1", 'Ja, "gern"', 0.0, 0.02),
        Utterance(root / "b.flac", "sad", "ben", "mine", None, None, 0.01, None),
    )
    assert corpus.name == "mine"
    assert corpus.root == path
    assert corpus.oddities == ()
    assert corpus.info.labels == ("happy", "sad")


def test_json_lines(clips):
    root = clips("a.wav", "b.wav")
    path = csv_of(
        root,
        '{"audio": "a.wav", "label": "happy", "speaker": 7, "end": 0.5}\n\n'
        '{"audio": "b.wav", "label": "sad", "speaker": "8", "text": null, "start": "0.25"}\n',
        "mine.jsonl",
    )
    assert read_manifest(path).utterances == (
        Utterance(root / "a.wav", "happy", "7", "mine", end_s=0.5),
        Utterance(root / "b.wav", "sad", "8", "mine", start_s=0.25),
    )


def test_lone_surrogate_in_a_speaker(clips):
    row = '{"audio": "a.wav", "label": "sad", "speaker": "\\ud800"}\n'
    with pytest.raises(CorpusError, match=r"speaker: the text '\\ud800' is not valid"):
        read_manifest(csv_of(clips("a.wav"), row, "mine.jsonl"))


def test_a_byte_order_mark_and_windows_line_ends(clips):
    root = clips("a.wav")
    path = root / "mine.csv"
    path.write_bytes(b"\xef\xbb\xbfaudio,label,speaker\r\na.wav,sad,anna\r\n")
    assert len(read_manifest(path).utterances) == 1


def test_two_stretches_of_one_file_are_two_utterances(clips):
    path = csv_of(
        clips("a.wav"),
        "audio,label,speaker,start,end\na.wav,sad,anna,0,0.02\na.wav,sad,anna,0.02,0.04\n",
    )
    assert len(read_manifest(path).utterances) == 2


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("gone.wav,sad,anna,,", "no audio file 'gone.wav'"),
        (",sad,anna,,", "the audio is empty"),
        ("b.wav,,anna,,", "the label is empty"),
        ("b.wav,sad, ,,", "the speaker is empty"),
        ("b.wav,sad,anna,0.5,0.5", "starts at 0.5 s but ends at 0.5 s"),
        ("b.wav,sad,anna,,0", "starts at 0 s but ends at 0 s"),
        ("b.wav,sad,anna,-1,", "the start is '-1', expected seconds"),
        ("b.wav,sad,anna,nan,", "the start is 'nan'"),
        ("b.wav,sad,anna,1e308,", "the start is '1e308', expected seconds from 0 to 1,000,000"),
        ("b.wav,sad,anna,,soon", "the end is 'soon'"),
        ("a.wav,sad,anna,,", "the same audio as line 2"),
        ("./a.wav,happy,ben,,", "the same audio as line 2"),
        ("b.wav,sad", "2 cells where the header has 5"),
        ("b.wav,sad,anna,,,,", "7 cells where the header has 5"),
        ("b\0.wav,sad,anna,,", "no audio file"),
        (f"{'b' * 5000},sad,anna,,", "no audio file"),
    ],
)
def test_a_bad_row(clips, row, problem):
    path = csv_of(
        clips("a.wav", "b.wav"), f"audio,label,speaker,start,end\na.wav,sad,anna,,\n{row}\n"
    )
    with pytest.raises(CorpusError) as info:
        read_manifest(path)
    assert str(info.value).startswith(f"{path} has 1 bad row, correct or remove them: line 3: ")
    assert problem in str(info.value)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("{", "not JSON"),
        ("[1]", "a JSON list, expected an object"),
        ('{"audio": "a.wav", "label": "sad"}', "has no column 'speaker'"),
        ('{"audio": "a.wav", "label": "sad", "speaker": "1", "age": 3}', "unknown column 'age'"),
        ('{"audio": "a.wav", "label": "sad", "speaker": ["1"]}', "the speaker is ['1']"),
        ('{"audio": "a.wav", "label": true, "speaker": "1"}', "the label is True"),
        ('{"audio": "a.wav", "label": "sad", "speaker": "1", "start": true}', "the start is True"),
        (
            '{"audio": "a.wav", "label": "sad", "speaker": "1", "end": Infinity}',
            "end: the number inf",
        ),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_bad_json_line(clips, row, problem):
    with pytest.raises(CorpusError) as info:
        read_manifest(csv_of(clips("a.wav"), row, "mine.jsonl"))
    assert "line 1: " in str(info.value)
    assert problem in str(info.value)


def test_many_bad_rows_are_one_error_with_the_first_few(clips):
    rows = "".join(f"gone{i}.wav,sad,anna\n" for i in range(12))
    with pytest.raises(CorpusError) as info:
        read_manifest(csv_of(clips("a.wav"), f"audio,label,speaker\na.wav,sad,anna\n{rows}"))
    message = str(info.value)
    assert "has 12 bad rows" in message
    assert "line 3: no audio file 'gone0.wav'" in message
    assert "line 7: " in message
    assert "line 8: " not in message
    assert message.endswith("and 7 more")
    assert "\n" not in message


def test_line_numbers_count_lines_not_rows(clips):
    path = csv_of(
        clips("a.wav"),
        'audio,label,speaker,text\na.wav,sad,anna,"one\ntwo"\n\ngone.wav,sad,anna,x\n',
    )
    with pytest.raises(CorpusError, match="line 5: no audio file"):
        read_manifest(path)


def test_labels_outside_the_set(clips):
    path = csv_of(clips("a.wav"), "audio,label,speaker\na.wav,hapy,anna\n")
    assert read_manifest(path).utterances[0].label == "hapy"
    with pytest.raises(
        CorpusError, match=r"line 2: unknown label 'hapy', expected one of happy, sad"
    ):
        read_manifest(path, labels=["sad", "happy"])


def test_messages_of_a_table_of_texts(tmp_path):
    rows = csv_of(tmp_path, "text,label,speaker\n ,sad,anna\n")
    with pytest.raises(CorpusError, match="line 2: the text is empty"):
        read_manifest(rows)
    header = csv_of(tmp_path, "text,label\nhello,sad\n", "header.csv")
    with pytest.raises(CorpusError, match="expected label, speaker and optionally audio, session"):
        read_manifest(header)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("audio,label,speaker,age\n", "unknown column 'age'"),
        ("audio,label\n", "no column 'speaker'"),
        ("audio,label,speaker,label\n", "more than one column 'label'"),
        ("", "no column 'audio', 'label', 'speaker'"),
        ("audio,label,speaker\n", "holds no utterance"),
        ('audio,label,speaker\n"a.wav,sad,anna\n', "is not CSV from line 2 on"),
    ],
)
def test_a_manifest_that_is_no_table(clips, text, problem):
    with pytest.raises(CorpusError, match=problem):
        read_manifest(csv_of(clips("a.wav"), text))


def test_not_utf_8(clips):
    path = clips("a.wav") / "mine.csv"
    path.write_bytes(b"audio,label,speaker\na.wav,sad,Ren\xe9\n")
    with pytest.raises(CorpusError, match=r"not UTF-8: byte 0xe9 in line 2; save"):
        read_manifest(path)


@pytest.mark.parametrize("name", ["gone.csv", "gone.jsonl", "mine.xlsx", "folder.csv"])
def test_no_manifest_there(tmp_path, name):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(CorpusError, match=r"cannot be read|expected a \.csv or \.jsonl"):
        read_manifest(tmp_path / name)


WORD = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).filter(
    lambda word: word.strip() == word
)
ROW = st.tuples(
    WORD,
    WORD,
    st.none() | WORD,
    st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    st.none() | st.floats(0, 10),
    st.none() | st.floats(11, 1e6),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=5), suffix=st.sampled_from([".csv", ".jsonl"]))
def test_what_is_written_is_read(tmp_path, rows, suffix):
    names = ("label", "speaker", "session", "text", "start", "end")
    table = [
        {"audio": f"{i}.wav", **dict(zip(names, row, strict=True))} for i, row in enumerate(rows)
    ]
    path = tmp_path / f"mine{suffix}"
    with path.open("w", encoding="utf-8", newline="") as file:
        if suffix == ".csv":
            writer = csv.DictWriter(file, ("audio", *names))
            writer.writeheader()
            writer.writerows(table)
        else:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in table)
    for row in table:
        (tmp_path / row["audio"]).touch()
    assert read_manifest(path).utterances == tuple(
        Utterance(
            tmp_path / row["audio"],
            row["label"],
            row["speaker"],
            "mine",
            row["session"],
            (row["text"] or "").strip() or None,
            row["start"],
            row["end"],
        )
        for row in table
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=80), suffix=st.sampled_from([".csv", ".jsonl"]))
def test_nonsense_is_a_corpus_error(tmp_path, content, suffix):
    path = tmp_path / f"mine{suffix}"
    path.write_bytes(b"audio,label,speaker\n" * (suffix == ".csv") + content)
    with pytest.raises(CorpusError):
        read_manifest(path)
