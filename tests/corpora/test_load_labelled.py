from dataclasses import replace

import numpy as np
import pytest
import soundfile

from serkit.corpora import load, load_labelled
from serkit.errors import CorpusError


def manifest(folder, name="base.csv", labels=("angry", "sad")):
    folder.mkdir(exist_ok=True)
    rows = ["audio,label,speaker"]
    for i, label in enumerate(labels):
        soundfile.write(folder / f"{i}.wav", np.zeros(1600), 16_000)
        rows.append(f"{i}.wav,{label},{i}")
    (folder / name).write_text("\n".join(rows))
    return f"manifest={folder / name}"


def test_manifests_of_other_names_are_kept_apart(tmp_path):
    specs = [manifest(tmp_path / "a"), manifest(tmp_path / "b", "other.csv")]
    loaded, _ = load_labelled(specs, labels=["angry"])
    assert [corpus.utterances[0].corpus for corpus in loaded] == ["base", "other"]


def test_one_name_for_two_corpora_is_refused(tmp_path):
    one, two = manifest(tmp_path / "a"), manifest(tmp_path / "b")
    for specs in ((one, two), (one, one)):
        with pytest.raises(CorpusError, match="both have the name base"):
            load_labelled(specs, labels=["angry"])


def test_unknown_labels_are_named(tmp_path):
    spec = manifest(tmp_path / "a", labels=("angry", "anrgy", "sleepy"))
    with pytest.raises(CorpusError, match="'anrgy', 'sleepy'"):
        load_labelled([spec], labels=["angry"])
    assert load_labelled([manifest(tmp_path / "b", labels=("angry", "sleepy"))], labels=["sleepy"])


def test_the_same_audio_twice_in_a_corpus_is_refused(tmp_path, monkeypatch):
    """As a reader's mistake would have it; a manifest names the second row itself."""
    spec = manifest(tmp_path / "a")
    found = load(spec)
    twice = replace(found, utterances=(*found.utterances, found.utterances[0]))
    monkeypatch.setattr("serkit.corpora.registry.load", lambda spec: twice)
    with pytest.raises(CorpusError, match=r"2 utterances of the same audio, .*0\.wav"):
        load_labelled([spec], labels=["angry"])


def test_utterances_with_other_labels_are_left_out(tmp_path):
    spec = manifest(tmp_path / "a", labels=("sad", "calm", "angry", "sad"))
    (corpus,), selected = load_labelled([spec], labels=["angry", "sad", "happy"])
    assert [u.speaker for u in selected] == ["0", "2", "3"]
    assert len(corpus.utterances) == 4


def test_corpora_without_any_of_the_labels_are_refused(tmp_path):
    spec = manifest(tmp_path / "a", labels=("sad", "angry"))
    with pytest.raises(
        CorpusError, match="no utterance of base is labelled happy, calm; labels found: angry, sad"
    ):
        load_labelled([spec], labels=["happy", "calm"])
