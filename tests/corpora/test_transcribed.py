import pytest

from serkit.corpora import TranscribedClip, load_transcribed
from serkit.errors import CorpusError


def test_librispeech(clips):
    root = clips(
        "test-clean/1089/134686/1089-134686-0000.flac",
        "test-clean/1089/134686/1089-134686-0001.flac",
        "test-clean/61/70968/61-70968-0000.flac",
    )
    chapter = root / "test-clean/1089/134686"
    (chapter / "1089-134686.trans.txt").write_text(
        "1089-134686-0000 HE HOPED THERE WOULD BE STEW\n1089-134686-0001 STUFF IT INTO YOU\n"
        "1089-134686-0002 NO CLIP\n1089-134686-0003\n../x OUT\n"
    )
    (root / "test-clean/61/70968/61-70968.trans.txt").write_text("61-70968-0000 HE BEGAN\n")
    for folder in (root, root / "test-clean"):
        corpus = load_transcribed(f"librispeech={folder}")
        assert (corpus.title, corpus.language) == ("LibriSpeech", "en")
        assert corpus.clips == (
            TranscribedClip(
                chapter / "1089-134686-0000.flac", "HE HOPED THERE WOULD BE STEW", "1089"
            ),
            TranscribedClip(chapter / "1089-134686-0001.flac", "STUFF IT INTO YOU", "1089"),
            TranscribedClip(root / "test-clean/61/70968/61-70968-0000.flac", "HE BEGAN", "61"),
        )
        problems = [odd.problem for odd in corpus.oddities]
        assert len(problems) == 3 and sum("not like 1089-134686-0000" in p for p in problems) == 2


def test_common_voice(clips, tmp_path):
    root = clips("en/clips/common_voice_en_1.wav", "en/clips/common_voice_en_2.wav") / "en"
    outside = tmp_path / "outside.wav"
    outside.write_bytes(b"RIFF")
    (root / "test.tsv").write_text(
        "client_id\tpath\tsentence_id\tsentence\tup_votes\tlocale\n"
        'ab12\tcommon_voice_en_2.wav\tx\t"Joe" keeps it.\t2\ten\n'
        "cd34\tcommon_voice_en_1.wav\tx\tTwo or three\t2\ten\n"
        f"ef56\t{outside}\tx\tOutside.\t2\ten\n"
        "ef56\t../../../outside.wav\tx\tOutside.\t2\ten\n"
        "ef56\tcommon_voice_en_3.txt\tx\tNo sound.\t2\ten\n"
        "ef56\n",
        encoding="utf-8",
    )
    corpus = load_transcribed(f"common_voice={root}")
    assert corpus.language == "en"
    assert [(clip.audio.name, clip.text, clip.speaker) for clip in corpus.clips] == [
        ("common_voice_en_2.wav", '"Joe" keeps it.', "ab12"),
        ("common_voice_en_1.wav", "Two or three", "cd34"),
    ]
    problems = " ".join(odd.problem for odd in corpus.oddities)
    assert len(corpus.oddities) == 4
    assert problems.count("is outside the corpus's folder") == 2 and "lacks a cell" in problems


@pytest.mark.corpora
def test_transcribed_clips_that_are_here(corpora_root):
    corpus = load_transcribed(f"transcribed={corpora_root / 'transcribed'}")
    assert len(corpus.clips) == 41 and not corpus.oddities
    assert {clip.speaker for clip in corpus.clips} == {"LJ", "librivox", "1089"}
    assert sum(len(clip.text.split()) for clip in corpus.clips) == 692  # wc -w


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("librispeech", "expected librispeech=PATH, common_voice=PATH"),
        ("emodb=x", "transcribed speech is 'emodb=x'"),
        ("librispeech=/nowhere", "is not a folder; expected that of LibriSpeech"),
    ],
)
def test_what_is_no_transcribed_corpus(spec, message):
    with pytest.raises(CorpusError, match=message):
        load_transcribed(spec)


@pytest.mark.parametrize("name", ["librispeech", "common_voice", "transcribed"])
def test_a_folder_without_a_clip(tmp_path, name):
    with pytest.raises(CorpusError, match="holds no transcribed clip"):
        load_transcribed(f"{name}={tmp_path}")
