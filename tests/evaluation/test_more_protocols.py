from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from serkit.adaptation import HoldOut
from serkit.corpora import Utterance, episode, load
from serkit.errors import ProtocolError
from serkit.evaluation import (
    Fold,
    find_protocol,
    guard,
    require_classes,
    split_utterances,
    without_copies,
)

from toys import LABELS, make_data

BY_SPEAKER = HoldOut("speaker", 0.2)
THREE = make_data(n_speakers=4, per_class=2, corpora=("one", "two", "three")).utterances


def folds_of(protocol, utterances, hold_out=BY_SPEAKER):
    folds = protocol.folds(utterances, seed=0, hold_out=hold_out)
    guard(protocol, folds, utterances, hold_out=hold_out)
    require_classes(protocol, folds, utterances)
    return folds


def people(utterances, part):
    return {utterances[i].speaker_key for i in part}


def test_k_fold_tests_each_clip_once():
    folds = folds_of(find_protocol("k-fold:5"), THREE)
    assert len(folds) == 5
    assert sorted(np.concatenate([f.test for f in folds])) == list(range(len(THREE)))
    assert find_protocol("k-fold").speaker_dependent
    with pytest.raises(ProtocolError, match="too few for 10 folds"):
        folds_of(find_protocol("k-fold"), THREE[:5])
    with pytest.raises(ProtocolError, match="number of folds"):
        find_protocol("k-fold:1")


def interviews():
    return tuple(
        Utterance(None, label, f"{session}{sex}", "iemocap", session=str(session))
        for session in range(1, 6)
        for sex in "FM"
        for label in LABELS
    )


def test_sessions_rotate_three_one_one():
    talks = interviews()
    folds = folds_of(find_protocol("session"), talks)
    assert [f.name for f in folds] == [f"iemocap/{n}" for n in range(1, 6)]
    for fold in folds:
        counts = [len({talks[i].session for i in p}) for p in fold.parts.values()]
        assert counts == [3, 1, 1]
    with pytest.raises(ProtocolError, match="72 of 72 have none"):
        folds_of(find_protocol("session"), THREE)
    with pytest.raises(ProtocolError, match="three sessions"):
        folds_of(find_protocol("session"), talks[:12])


def test_a_shared_session_leaks_though_the_speakers_differ():
    with pytest.raises(ProtocolError, match=r"sessions iemocap/1 .* the protocol session"):
        folds_of(find_protocol("loso"), interviews())


def test_the_partner_of_a_held_out_speaker_is_held_out_too():
    talks = interviews()
    training, validation = BY_SPEAKER.split(talks, np.arange(len(talks)), seed=0)
    assert not {talks[i].session for i in training} & {talks[i].session for i in validation}


def ravdess(actors=range(1, 25)):
    return tuple(Utterance(None, label, f"{a:02d}", "ravdess") for a in actors for label in LABELS)


def test_emobox_has_the_benchmarks_actors():
    clips = ravdess()
    folds = folds_of(find_protocol("emobox-ravdess"), clips)
    assert [len(people(clips, f.test)) for f in folds] == [4] * 6
    assert people(clips, folds[0].test) == {f"ravdess/{a}" for a in ("01", "11", "20", "21")}
    with pytest.raises(ProtocolError, match="actor 01 missing"):
        folds_of(find_protocol("emobox-ravdess"), ravdess(range(2, 25)))
    with pytest.raises(ProtocolError, match="ravdess alone; found one"):
        folds_of(find_protocol("emobox-ravdess"), clips + THREE[:24])


@pytest.mark.corpora
@pytest.mark.parametrize(
    ("corpus", "sizes", "first"),
    [("emodb", (428, 107), "03a02Nc"), ("crema_d", (5586, 1856), "1001_DFA_HAP_XX")],
)
def test_emobox_has_the_benchmarks_clips(corpora_root, corpus, sizes, first):
    """Its published lists: 428 + 107 and 5,586 + 1,856 clips, all speakers in both parts."""
    clips = load(f"{corpus}={corpora_root / corpus}").utterances
    protocol = find_protocol(f"emobox-{corpus.replace('_', '-')}")
    (fold,) = folds_of(protocol, clips, HoldOut("utterance", 0.1))
    assert protocol.speaker_dependent
    assert (len(fold.train) + len(fold.validation), len(fold.test)) == sizes
    assert min(clips[i].audio.stem for i in fold.test) == first
    assert people(clips, fold.test) == people(clips, fold.train)


def test_emoboxs_clips_go_by_their_published_names():
    def renamed(corpus):
        return tuple(Utterance(Path(f"{i}.wav"), "sad", "1", corpus) for i in range(9))

    with pytest.raises(ProtocolError, match="0 of 9 clips are in the test part"):
        folds_of(find_protocol("emobox-emodb"), renamed("emodb"))
    with pytest.raises(ProtocolError, match="of that corpus alone; found other"):
        folds_of(find_protocol("emobox-emodb"), renamed("other"))


def test_cross_trains_on_some_and_tests_on_others():
    (fold,) = folds_of(find_protocol("cross:train=one+two,test=three"), THREE)
    assert {THREE[i].corpus for i in fold.train} == {"one", "two"}
    assert {THREE[i].corpus for i in fold.validation} == {"one", "two"}
    assert {THREE[i].corpus for i in fold.test} == {"three"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cross:train=one,test=four", "corpus four; the utterances are of one, three, two"),
        ("cross:train=one,test=one", "one is in both"),
        ("cross:one", "write cross:train=A\\+B,test=C"),
    ],
)
def test_cross_refuses_what_it_cannot_do(name, message):
    with pytest.raises(ProtocolError, match=message):
        folds_of(find_protocol(name), THREE)


def test_anchors_only_ever_train():
    protocol = find_protocol("loso").anchored(["three"])
    folds = folds_of(protocol, THREE)
    assert len(folds) == 8
    for fold in folds:
        assert sum(THREE[i].corpus == "three" for i in fold.train) == 24
        held = np.concatenate((fold.validation, fold.test))
        assert all(THREE[i].corpus != "three" for i in held)
    assert "three for training only" in protocol.title
    with pytest.raises(ProtocolError, match="anchor corpus four"):
        folds_of(find_protocol("loso").anchored(["four"]), THREE)


def dialogue():
    return tuple(
        Utterance(None, label, "Ross", "meld", text=f"{label} {split} {i}", split=split)
        for split in ("train", "dev", "test")
        for label in LABELS
        for i in range(2)
    )


def test_the_published_split_loses_what_is_said_word_for_word_in_its_test_part():
    said = dialogue()
    said = (
        replace(said[0], text="  Oh my  GOD "),
        *said[1:-1],
        replace(said[-1], text="oh my god"),
    )
    protocol = find_protocol("fixed")
    folds = protocol.folds(said, seed=0, hold_out=BY_SPEAKER)
    with pytest.raises(ProtocolError, match="identical"):
        guard(protocol, folds, said, hold_out=BY_SPEAKER)
    (fold,) = without_copies(folds, said, (), of_tested=True)
    guard(protocol, [fold], said, hold_out=BY_SPEAKER)
    assert (len(fold.train), len(fold.validation), len(fold.test)) == (5, 6, 6)
    with pytest.raises(ProtocolError, match="found none"):
        folds_of(protocol, THREE)


def test_copies_among_what_trains_and_validates_are_dropped_but_not_what_is_tested():
    """One recording twice: single clips validate, and it may fall on both sides."""
    by_clip = HoldOut("utterance", 0.2)
    loso = find_protocol("loso")
    folds = loso.folds(THREE, seed=0, hold_out=by_clip)
    hashes = [str(i) for i in range(len(THREE))]
    a, b = folds[0].train[0], folds[0].validation[0]
    hashes[a] = hashes[b]
    kept = without_copies(folds[:1], THREE, hashes, of_tested=False)
    assert set(folds[0].train) - set(kept[0].train) == {a}
    guard(loso, kept, THREE, hold_out=by_clip, hashes=hashes)
    hashes[folds[0].test[0]] = hashes[b]
    kept = without_copies(folds[:1], THREE, hashes, of_tested=False)
    with pytest.raises(ProtocolError, match="identical"):
        guard(loso, kept, THREE, hold_out=by_clip, hashes=hashes)


def test_one_file_under_two_names_is_one_file(tmp_path):
    (tmp_path / "a.wav").touch()
    (tmp_path / "b.wav").symlink_to(tmp_path / "a.wav")
    utterances = [
        Utterance(tmp_path / "a.wav", "sad", "x", "toys", end_s=2.0),
        Utterance(tmp_path / "other.wav", "sad", "z", "toys"),
        Utterance(tmp_path / "b.wav", "sad", "y", "toys", start_s=1.0),
    ]
    fold = Fold("y", np.array([0]), np.array([1]), np.array([2]))
    with pytest.raises(ProtocolError, match="overlap in time"):
        guard(find_protocol("loso"), [fold], utterances, hold_out=HoldOut("speaker", 0.2))


def test_identical_audio_must_not_cross_even_between_speakers():
    loso = find_protocol("loso")
    folds = loso.folds(THREE, seed=0, hold_out=BY_SPEAKER)
    hashes = [str(i) for i in range(len(THREE))]
    hashes[1] = hashes[0]  # two takes of one speaker, in one part: fine
    guard(loso, folds, THREE, hold_out=BY_SPEAKER, hashes=hashes)
    hashes[-1] = hashes[0]
    with pytest.raises(ProtocolError, match=r"one-0-0-\d\.wav.* identical"):
        guard(loso, folds, THREE, hold_out=BY_SPEAKER, hashes=hashes)


def test_speakers_of_one_name_in_two_corpora_are_two_people():
    folds = folds_of(find_protocol("leave-one-corpus-out"), THREE)
    assert people(THREE, folds[0].test).isdisjoint(people(THREE, folds[0].train))


def test_a_class_that_cannot_be_learned_or_is_never_tested():
    loso = find_protocol("loso")
    rare = tuple(u for u in THREE if u.label != "sad" or u.speaker_key == "one/0")
    with pytest.raises(ProtocolError, match=r"fold one/0 of loso holds no .* labelled sad"):
        require_classes(loso, loso.folds(rare, seed=0, hold_out=BY_SPEAKER), rare)
    index = np.arange(len(THREE))
    with pytest.raises(ProtocolError, match="tests no utterance labelled happy, sad"):
        require_classes(loso, [Fold("f", index, index[:1], index[:1])], THREE)


@pytest.mark.parametrize(
    ("times", "leaks"),
    [
        (((None, None), (0.2, 0.4)), True),
        (((0.0, 1.0), (0.9, 2.0)), True),
        (((0.9, None), (0.0, 1.0)), True),
        (((0.0, 1.0), (1.0, 2.0)), False),
        (((None, 1.0), (1.0, None)), False),
    ],
)
def test_stretches_of_one_file_must_not_overlap_across_parts(times, leaks):
    """Two people in one recording; only one of them is tested."""
    (a, b), (c, d) = times
    utterances = [
        Utterance(Path("both.wav"), "sad", "x", "toys", start_s=a, end_s=b),
        Utterance(Path("other.wav"), "sad", "z", "toys"),
        Utterance(Path("both.wav"), "sad", "y", "toys", start_s=c, end_s=d),
    ]
    fold = Fold("y", np.array([0]), np.array([1]), np.array([2]))

    def check():
        guard(find_protocol("loso"), [fold], utterances, hold_out=HoldOut("speaker", 0.2))

    if leaks:
        with pytest.raises(ProtocolError, match=r"both\.wav .*overlap in time"):
            check()
    else:
        check()


def friends(corpus, episodes):
    """Four speakers in each episode; no line is said twice."""
    return tuple(
        Utterance(
            None,
            label,
            f"{who}{'abcd'[number % 2]}",
            corpus,
            session=f"{name}/{corpus}{number}",
            text=f"{corpus} {number} {name} {who} {label}",
        )
        for number, name in enumerate(episodes)
        for who in ("Ann", "Ben")
        for label in LABELS
    )


BY_CLIP = HoldOut("utterance", 0.1)


@pytest.mark.parametrize("name", ["cross:train=meld,test=emorynlp", "leave-one-corpus-out"])
def test_an_episode_of_both_friends_corpora_must_not_cross(name):
    """MELD and EmoryNLP transcribe the same series; neither words nor speakers need be equal."""
    meld = friends("meld", ["s01e01", "s01e02", "s03e19"])
    protocol = find_protocol(name)
    assert folds_of(protocol, meld + friends("emorynlp", ["s02e01", "s02e02"]), BY_CLIP)
    poisoned = meld + friends("emorynlp", ["s02e01", "s03e19"])
    with pytest.raises(ProtocolError, match=r"the episodes s03e19, .* are in training and in test"):
        folds_of(protocol, poisoned, BY_CLIP)
    clean = tuple(u for u in poisoned if (u.corpus, episode(u)) != ("meld", "s03e19"))
    assert folds_of(protocol, clean, BY_CLIP)


def test_dialogues_of_an_episode_may_be_apart_within_one_corpus():
    """They are different words, and the published splits of MELD do so."""
    dialogues = friends("meld", ["s01e01", "s01e01", "s01e01"])
    utterances = tuple(replace(u, speaker=f"{u.speaker} in {u.session}") for u in dialogues)
    assert len(folds_of(find_protocol("session"), utterances)) == 3


@pytest.mark.corpora
def test_emorynlp_is_no_test_of_what_learned_from_all_of_meld(corpora_root):
    both = [
        [u for u in load(f"{name}={corpora_root / name}").utterances if u.label in LABELS]
        for name in ("meld", "emorynlp")
    ]
    words = {" ".join(u.text.split()).casefold() for u in both[0]}
    other = [u for u in both[1] if " ".join(u.text.split()).casefold() not in words]
    protocol = find_protocol("cross:train=meld,test=emorynlp")
    with pytest.raises(ProtocolError, match="which both MELD and EmoryNLP transcribe"):
        split_utterances(both[0] + other, protocol, BY_CLIP, seed=0)
    learned = {episode(u) for u in both[0]}
    left = [u for u in other if episode(u) not in learned]
    assert split_utterances(both[0] + left, protocol, BY_CLIP, seed=0)


def test_the_published_splits_of_both_friends_corpora_must_not_share_an_episode():
    """MELD's training part and EmoryNLP's test part, as published, have episodes in common."""
    parts = ("train", "train", "dev", "test")
    meld = friends("meld", ["s01e01", "s01e02", "s01e03", "s01e04"])
    emory = friends("emorynlp", ["s02e01", "s02e02", "s02e03", "s01e02"])

    def placed(utterances):
        groups = np.array_split(np.arange(len(utterances)), 4)
        return tuple(
            replace(utterances[i], split=part)
            for part, group in zip(parts, groups, strict=True)
            for i in group
        )

    protocol = find_protocol("fixed")
    assert folds_of(protocol, placed(meld), BY_CLIP)
    with pytest.raises(ProtocolError, match="the episodes s01e02"):
        folds_of(protocol, placed(meld) + placed(emory), BY_CLIP)
