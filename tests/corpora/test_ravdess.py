import os

import pytest

from serkit.corpora import Utterance, ravdess
from serkit.corpora.assembly import what_is_missing
from serkit.errors import CorpusError


def test_every_code(clips):
    root = clips(
        "Actor_01/03-01-05-02-01-01-01.wav",
        "Actor_24/03-01-08-01-02-02-24.flac",
        "Actor_24/03-01-01-01-01-01-24.WAV",
    )
    corpus = ravdess.read(root)
    assert [
        (str(u.audio.relative_to(root)), u.label, u.speaker, u.text) for u in corpus.utterances
    ] == [
        ("Actor_01/03-01-05-02-01-01-01.wav", "angry", "01", "Kids are talking by the door"),
        ("Actor_24/03-01-01-01-01-01-24.WAV", "neutral", "24", "Kids are talking by the door"),
        ("Actor_24/03-01-08-01-02-02-24.flac", "surprised", "24", "Dogs are sitting by the door"),
    ]
    assert {u.corpus for u in corpus.utterances} == {"ravdess"}
    assert {u.session for u in corpus.utterances} == {None}


@pytest.mark.parametrize(
    ("code", "label"),
    [
        ("01", "neutral"),
        ("02", "calm"),
        ("03", "happy"),
        ("04", "sad"),
        ("05", "angry"),
        ("06", "fearful"),
        ("07", "disgusted"),
        ("08", "surprised"),
    ],
)
def test_the_labels(clips, code, label):
    corpus = ravdess.read(clips(f"Actor_01/03-01-{code}-01-01-01-01.wav"))
    assert corpus.utterances[0].label == label


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("03-02-05-01-01-01-01.wav", "song"),
        ("01-01-05-01-01-01-01.wav", "audio with video"),
        ("02-01-05-01-01-01-01.wav", "video only"),
        ("03-01-09-01-01-01-01.wav", "unknown emotion code 09"),
        ("03-01-05-01-03-01-01.wav", "unknown statement code 03"),
        ("03-01-05-01-01-01-25.wav", "unknown actor 25"),
        ("03-01-05-01-01-01.wav", "not named like"),
        ("._03-01-05-01-01-01-01.wav", "not named like"),
        ("notes.wav", "not named like"),
    ],
)
def test_a_stray_file_is_reported_and_passed_over(clips, name, problem):
    root = clips("Actor_01/03-01-01-01-01-01-01.wav", f"Actor_01/{name}")
    corpus = ravdess.read(root)
    assert len(corpus.utterances) == 1
    assert corpus.oddities[0].path == root / "Actor_01" / name
    assert problem in corpus.oddities[0].problem


def test_a_video_is_reported_documents_are_not(clips):
    root = clips("Actor_01/03-01-01-01-01-01-01.wav")
    (root / "Actor_01" / "01-01-01-01-01-01-01.mp4").write_bytes(b"video")
    (root / "README.md").write_text("read me")
    (root / ".DS_Store").write_bytes(b"\0")
    (odd, _) = ravdess.read(root).oddities
    assert odd.path.name == "01-01-01-01-01-01-01.mp4"


def test_a_nested_second_copy_is_reported_once_a_clip(clips):
    name = "Actor_01/03-01-01-01-01-01-01.wav"
    corpus = ravdess.read(clips(name, f"audio_speech_actors_01-24/{name}"))
    assert len(corpus.utterances) == 1
    assert f"a second copy of {name}" in corpus.oddities[0].problem


def test_what_is_missing_is_named(clips):
    names = [
        f"Actor_{actor:02d}/03-01-{emotion:02d}-{strong:02d}-{text:02d}-{take:02d}-{actor:02d}.wav"
        for actor in range(1, 25)
        for emotion in range(1, 9)
        for strong in ((1,) if emotion == 1 else (1, 2))
        for text in (1, 2)
        for take in (1, 2)
    ]
    assert len(names) == 1440
    kept = [name for name in names if "Actor_07" not in name]
    kept.remove("Actor_03/03-01-05-02-01-01-03.wav")
    root = clips("Actor_01/x.wav")
    (root / "Actor_01" / "x.wav").unlink()
    for name in kept:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).touch()
    (odd,) = ravdess.read(root).oddities
    assert odd.path == root
    assert odd.problem == (
        "1379 utterances; the complete corpus has 1440: "
        "speaker 03 lacks 1 of 60; speaker 07 is missing"
    )
    for name in names:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).touch()
    assert ravdess.read(root).oddities == ()


def test_a_long_list_of_what_is_missing_is_cut(clips):
    (odd,) = ravdess.read(clips("Actor_01/03-01-01-01-01-01-01.wav")).oddities
    assert "speaker 01 lacks 59 of 60" in odd.problem
    assert "16 more speakers differ" in odd.problem
    assert "no utterance is calm or happy or" in odd.problem


def test_no_folder(tmp_path):
    with pytest.raises(CorpusError, match=r"does not exist; expected the folder of RAVDESS"):
        ravdess.read(tmp_path / "ravdess")


def test_a_file_instead_of_a_folder(tmp_path):
    (tmp_path / "ravdess").touch()
    with pytest.raises(CorpusError, match="is not a folder"):
        ravdess.read(tmp_path / "ravdess")


def test_a_folder_without_any_clip(clips):
    with pytest.raises(CorpusError, match=r"holds no utterance.*first oddity.*other\.wav"):
        ravdess.read(clips("other.wav"))


def test_links_to_folders_are_followed_and_circles_end(clips):
    root = clips("all/Actor_01/03-01-01-01-01-01-01.wav")
    (root / "Actor_01").symlink_to(root / "all" / "Actor_01")
    (root / "all" / "Actor_01" / "up").symlink_to(root)
    assert len(ravdess.read(root).utterances) == 1


def test_links_out_of_the_folder_are_not_followed(clips, tmp_path):
    root = clips("Actor_01/03-01-01-01-01-01-01.wav", "Actor_02/03-01-01-01-01-01-02.wav")
    (root / "Actor_02").rename(tmp_path / "elsewhere")
    (root / "Actor_02").symlink_to(tmp_path / "elsewhere")
    (root / "03-01-01-01-01-01-03.wav").symlink_to(next((tmp_path / "elsewhere").iterdir()))
    os.mkfifo(root / "03-01-01-01-01-01-04.wav")
    corpus = ravdess.read(root)
    assert [u.speaker for u in corpus.utterances] == ["01"]
    odd = {oddity.path.name: oddity.problem for oddity in corpus.oddities}
    assert odd["03-01-01-01-01-01-03.wav"].startswith("is a link out of the corpus's folder")
    assert odd["Actor_02"].startswith("is a link out of the corpus's folder")
    assert odd["03-01-01-01-01-01-04.wav"].startswith("is a broken link, a device or a pipe")


def test_a_link_to_the_whole_corpus_is_the_corpus(clips, tmp_path):
    (tmp_path / "link").symlink_to(clips("Actor_01/03-01-01-01-01-01-01.wav"))
    assert len(ravdess.read(tmp_path / "link").utterances) == 1


def test_too_many_of_a_speaker_are_named():
    many = tuple(Utterance(None, "sad", "01", "ravdess") for _ in range(61))
    problem = what_is_missing(ravdess.INFO, many)
    assert "speaker 01 has 1 too many" in problem
