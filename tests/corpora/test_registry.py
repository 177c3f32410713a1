import pytest

from serkit.corpora import load, names, published_in
from serkit.errors import CorpusError


def test_a_path_in_the_spec(clips):
    root = clips("wav/03a01Fa.wav")
    assert load(f"emodb={root}").root == root


def test_the_folder_of_the_corpora(clips, monkeypatch):
    root = clips("emodb/wav/03a01Fa.wav")
    monkeypatch.setenv("SERKIT_CORPORA", str(root))
    assert load("EmoDB").root == root / "emodb"


def test_another_reading_of_a_corpus_is_in_the_same_folder(clips, monkeypatch):
    root = clips("iemocap/Session1/a.wav")
    monkeypatch.setenv("SERKIT_CORPORA", str(root))
    with pytest.raises(CorpusError, match=f"{root / 'iemocap'} "):
        load("iemocap_4class")


def test_hyphens_and_case_do_not_matter(clips):
    assert load(f"CREMA-D={clips('AudioWAV/1001_DFA_ANG_XX.wav')}").name == "crema_d"


def test_an_equals_sign_in_the_path(clips):
    root = clips("a=b/wav/03a01Fa.wav") / "a=b"
    assert load(f"emodb={root}").root == root


def test_an_unknown_name_gets_a_hint_and_the_list():
    with pytest.raises(
        CorpusError, match=r"unknown corpus 'ravdes'; did you mean ravdess\?"
    ) as info:
        load("ravdes")
    assert all(name in str(info.value) for name in names())


@pytest.mark.parametrize("root", [None, ""])
def test_no_path_at_all_says_both_ways_to_give_one(monkeypatch, root):
    if root is None:
        monkeypatch.delenv("SERKIT_CORPORA", raising=False)
    else:
        monkeypatch.setenv("SERKIT_CORPORA", root)
    with pytest.raises(CorpusError, match=r"ravdess=PATH, or set SERKIT_CORPORA"):
        load("ravdess")


def test_an_empty_path():
    with pytest.raises(CorpusError, match="no path after ravdess="):
        load("ravdess=")


def test_a_manifest_needs_a_path(monkeypatch, tmp_path):
    monkeypatch.setenv("SERKIT_CORPORA", str(tmp_path))
    with pytest.raises(CorpusError, match=r"manifest=my\.csv"):
        load("manifest")


def test_a_manifest_through_the_registry(clips):
    root = clips("a.wav")
    (root / "mine.csv").write_text("audio,label,speaker\na.wav,sad,anna\n")
    corpus = load(f"manifest={root / 'mine.csv'}")
    assert (corpus.name, corpus.utterances[0].speaker_key) == ("mine", "mine/anna")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("narad/ravdess", "ravdess"),
        ("AbstractTTS/CREMA-D", "crema_d"),
        ("someone/emodb_16k", "emodb"),
        ("IEMOCAP", "iemocap"),
        ("tessa/meldrum", None),
        ("superb", None),
    ],
)
def test_a_copy_of_a_published_corpus_is_known_by_its_name(name, expected):
    info = published_in(name)
    assert (info and info.name) == expected
