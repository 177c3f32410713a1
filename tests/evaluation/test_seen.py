"""A model is not tested on what it has learned from, whatever that is called by now."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from serkit import corpora
from serkit.audio import content_hash, read
from serkit.errors import ProtocolError
from serkit.evaluation import evaluate_model, learned_from, refuse_seen, seen_by_name
from serkit.runtime import NumpyBackend, Recognizer, Sketch, TrainingCorpus, load_network
from serkit.training import Dataset, fit

from toys import LABELS, make_data, make_recipe

MODEL = fit(make_recipe(), make_data(), make_data(seed=1))


def write_manifest(folder, name, rows):
    folder.mkdir(exist_ok=True)
    lines = ["audio,label,speaker", *(",".join(map(str, row)) for row in rows)]
    (folder / name).write_text("\n".join(lines))
    return corpora.load(f"manifest={folder / name}")


def record(folder, n, seed):
    """Recordings of noise, each labelled and spoken in turn."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        soundfile.write(folder / f"{i}.wav", 0.1 * rng.standard_normal(3200), 16_000)
        rows.append((folder / f"{i}.wav", LABELS[i % 3], f"s{i % 5}"))
    return rows


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """300 recordings, and a model whose card says it was trained on them as `mine.csv`."""
    folder = tmp_path_factory.mktemp("seen")
    rows = record(folder / "own", 300, 0)
    corpus = write_manifest(folder, "mine.csv", rows)
    hashes = tuple(content_hash(read(u.audio)) for u in corpus.utterances)
    n = len(hashes)
    data = Dataset(
        np.zeros((n, 6), np.float32), np.zeros((0, n, 6), np.float32), np.zeros(n, np.int64),
        corpus.utterances, hashes,
    )  # fmt: skip
    return rows, learned_from(MODEL, [corpus], data).card


def refused(card, corpus, **options):
    with pytest.raises(ProtocolError, match="was trained on about") as error:
        refuse_seen(card, [corpus], corpus.utterances, **options)
    return str(error.value)


def test_a_renamed_copy_in_another_format_is_refused(learned, tmp_path):
    rows, card = learned
    flac = []
    for i, (path, label, speaker) in enumerate(rows[:100]):
        soundfile.write(tmp_path / f"other-{i}.flac", *soundfile.read(path))
        flac.append((tmp_path / f"other-{i}.flac", label, speaker))
    message = refused(card, write_manifest(tmp_path, "renamed.csv", flac))
    assert "these 100 recordings" in message
    assert "sketch of mine" in message
    assert "--allow-seen" in message


def test_a_fifth_among_others_is_refused_and_the_number_told(learned, tmp_path):
    rows, card = learned
    new = record(tmp_path / "new", 140, 1)
    message = refused(card, write_manifest(tmp_path, "mixed.csv", [*rows[::5], *new]))
    told = int(message.split("about ")[1].split()[0])
    # 60 of 300 are used again, of which 60 * 190 / 300 are expected in the sketch.
    assert 35 <= told <= 90


def test_another_manifest_of_the_same_name_is_tested(learned, tmp_path):
    _, card = learned
    others = write_manifest(tmp_path, "mine.csv", record(tmp_path / "new", 40, 2))
    refuse_seen(card, [others], others.utterances)
    outcome = evaluate_model(
        Recognizer(NumpyBackend(replace(MODEL, card=card))), others.utterances, seen=False
    )
    assert outcome.marks == ()


def test_the_same_name_is_refused_where_the_card_has_no_sketch(learned, tmp_path):
    _, card = learned
    others = write_manifest(tmp_path, "mine.csv", record(tmp_path / "new", 3, 2))
    with pytest.raises(ProtocolError, match="was trained on mine"):
        refuse_seen(replace(card, seen=Sketch()), [others], others.utterances)


def test_it_refuses_before_it_has_heard_everything(learned, tmp_path):
    rows, card = learned
    heard = []

    def track(hashes, total):
        assert total == 300
        for one in hashes:
            heard.append(one)
            yield one

    refused(card, write_manifest(tmp_path, "again.csv", rows), track=track)
    assert len(heard) < 100
    assert len(set(heard)) == len(heard)


def test_every_figure_is_marked_if_it_is_tested_all_the_same(learned):
    rows, card = learned
    audio = {str(path) for path, *_ in rows[:60]}
    corpus = corpora.load(f"manifest={rows[0][0].parent.parent / 'mine.csv'}")
    some = [u for u in corpus.utterances if str(u.audio) in audio]
    outcome = evaluate_model(Recognizer(NumpyBackend(replace(MODEL, card=card))), some, seen=False)
    assert outcome.marks == ("trained on this corpus",)


def published(folder):
    """Two clips as EmoDB names them."""
    (folder / "emodb" / "wav").mkdir(parents=True)
    for name in ("03a01Fa", "08a01Wa"):
        noise = np.random.default_rng(0).standard_normal(3200)
        soundfile.write(folder / "emodb" / "wav" / f"{name}.wav", 0.1 * noise, 16_000)
    return corpora.load(f"emodb={folder / 'emodb'}")


def card_of(name):
    learned = TrainingCorpus(name, name, "none", False, 535, 10)
    return MODEL.with_card(corpora=(learned,), seen=Sketch.of({name: ["ab" * 16]})).card


def test_a_published_corpus_is_recognised_by_its_name_whatever_copy_is_at_hand(tmp_path):
    """A resampled or transcoded copy has other content, but the same recordings."""
    corpus = published(tmp_path)
    assert seen_by_name(card_of("emodb"), [corpus]) == ("emodb",)
    assert seen_by_name(load_network("ravdess8").card, [corpus]) == ()


def test_a_name_that_merely_begins_alike_is_another_corpus(tmp_path):
    assert seen_by_name(card_of("emodb_whispered"), [published(tmp_path)]) == ()


def test_two_readings_of_a_published_corpus_are_one(tmp_path):
    folder = tmp_path / "crema_d" / "AudioWAV"
    folder.mkdir(parents=True)
    soundfile.write(folder / "1001_DFA_ANG_XX.wav", np.zeros(1600), 16_000)
    corpus = corpora.load(f"crema_d={folder.parent}")
    assert seen_by_name(card_of("crema_d_rated"), [corpus]) == ("crema_d",)
    assert seen_by_name(card_of("crema_d"), [corpus]) == ("crema_d",)


def test_a_manifest_called_as_a_published_corpus_is_not_that(tmp_path):
    rows = record(tmp_path / "new", 3, 3)
    corpus = write_manifest(tmp_path, "emodb.csv", rows)
    assert seen_by_name(card_of("emodb"), [corpus]) == ()


@pytest.mark.corpora
def test_shipped_models_know_their_corpora(corpora_root, tmp_path):
    corpus = corpora.load(f"emodb={corpora_root / 'emodb'}")
    with pytest.raises(ProtocolError, match="tiny was trained on emodb"):
        refuse_seen(load_network("tiny").card, [corpus], corpus.utterances)


@pytest.mark.corpora
def test_a_manifest_of_a_fifth_of_emodb_is_found_among_all_that_tiny_learned_from(
    corpora_root, tmp_path
):
    card = load_network("tiny").card
    labels = card.labels
    contents = {}
    loaded = {n: corpora.load(f"{n}={corpora_root / n}") for n in ("emodb", "nemo")}
    for name, corpus in loaded.items():
        used = [u for u in corpus.utterances if u.label in labels]
        contents[name] = [content_hash(read(u.audio)) for u in used]
    rng = np.random.default_rng(0)
    contents |= {n: [rng.bytes(16).hex() for _ in range(k)] for n, k in (("a", 672), ("b", 1600))}
    card = replace(card, corpora=(), seen=Sketch.of(contents))
    used = [u for u in loaded["emodb"].utterances if u.label in labels][::5]
    rows = []
    for u in used:
        shutil.copy(u.audio, tmp_path / f"x{len(rows)}.flac")
        rows.append((tmp_path / f"x{len(rows)}.flac", u.label, u.speaker))
    refused(card, write_manifest(tmp_path, "new.csv", rows))
