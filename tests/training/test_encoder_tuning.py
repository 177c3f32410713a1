"""Fine-tuning of whole encoders: it learns, repeats, stops where it is told, and is exported."""

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from serkit.compression.encoder_export import export_encoder
from serkit.corpora import Utterance
from serkit.errors import ProtocolError, RecipeError
from serkit.evaluation import evaluate_tuning, find_protocol
from serkit.training.encoder_tuning import Lines, Tuning, tune_encoder
from serkit.training.pretrained import load_pretrained, save_pretrained

PLAN = {"learning_rate": 3e-3, "batch_size": 8, "max_epochs": 6, "checks_per_epoch": 4}


def lines(seed, n=96):
    """The class is the word that occurs, not its place."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 3, n)
    words = ["you", "are", "so", "very", "oh"]
    texts = []
    for target in targets:
        said = [*rng.choice(words, 4), ("happy", "sad", "angry")[target]]
        texts.append(" ".join(rng.permutation(said)))
    return Lines(texts, targets.astype(np.int64))


@pytest.fixture(scope="module")
def pretrained(bert):
    return load_pretrained(str(bert))


def test_it_learns_and_repeats(pretrained):
    before = {k: v.clone() for k, v in pretrained.transformer.state_dict().items()}
    plan, held = Tuning(**PLAN), lines(1)
    tuned = tune_encoder(pretrained, lines(0), held, n_labels=3, plan=plan, seed=2)
    answers = tuned.predict_proba(held.texts).argmax(axis=1)
    best = f1_score(held.targets, answers, average="weighted")
    assert tuned.weighted_f1 == pytest.approx(best)
    assert tuned.final == tuned.weighted_f1 == max(c.weighted_f1 for c in tuned.checks)
    assert best > 0.9
    again = tune_encoder(pretrained, lines(0), held, n_labels=3, plan=plan, seed=2)
    assert again.checks == tuned.checks
    after = pretrained.transformer.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_texts_of_any_length_are_trained_on_and_padding_does_not_matter(pretrained):
    texts = ["happy", "so very sad are you", "you are angry oh so very angry", "oh sad"]
    rows = Lines([text for text in texts for _ in range(5)], np.arange(20) % 3)
    plan = Tuning(**PLAN | {"max_epochs": 1})
    tuned = tune_encoder(pretrained, rows, rows, n_labels=3, plan=plan)
    together = tuned.predict_proba(texts)
    alone = np.concatenate([tuned.predict_proba([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_mixed_precision_trains_in_bfloat16_and_keeps_float32(pretrained):
    plans = [Tuning(**PLAN, mixed_precision=mixed) for mixed in (False, True)]
    exact, mixed = (
        tune_encoder(pretrained, lines(0), lines(1), n_labels=3, plan=plan) for plan in plans
    )
    assert mixed.checks[0].train_loss == pytest.approx(exact.checks[0].train_loss, rel=0.05)
    assert mixed.checks[0].train_loss != exact.checks[0].train_loss
    assert all(p.dtype == torch.float32 for p in mixed.pretrained.transformer.parameters())


def test_it_stops_at_a_share_of_the_final_performance(pretrained):
    plan = Tuning(**PLAN, stop_at=0.8)
    tuned = tune_encoder(pretrained, lines(0), lines(1), n_labels=3, plan=plan)
    first = [c for c in tuned.checks if not c.second]
    second = [c for c in tuned.checks if c.second]
    assert tuned.final == max(c.weighted_f1 for c in first)
    assert second[-1].weighted_f1 >= 0.8 * tuned.final
    assert all(c.weighted_f1 < 0.8 * tuned.final for c in second[:-1])
    assert tuned.weighted_f1 == second[-1].weighted_f1
    assert second[-1].epoch < first[-1].epoch


def test_a_tuned_encoder_is_saved_and_exported(pretrained, tmp_path):
    plan = Tuning(**(PLAN | {"max_epochs": 1}))
    tuned = tune_encoder(pretrained, lines(0), lines(1), n_labels=3, plan=plan)
    (tmp_path / "tuned").mkdir()
    save_pretrained(tuned.pretrained, tmp_path / "tuned")
    assert not list((tmp_path / "tuned").glob("*.bin"))
    exported = export_encoder(str(tmp_path / "tuned"), tmp_path / "e")
    embeddings = torch.from_numpy(exported.encoder.encode(lines(1).texts))
    with torch.no_grad():
        found = tuned.output(embeddings).softmax(dim=1).numpy()
    np.testing.assert_allclose(found, tuned.predict_proba(lines(1).texts), atol=1e-4)
    assert exported.encoder.description.licence == "mit"


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_diverging_training_is_an_error(pretrained):
    plan = Tuning(learning_rate=1.0, batch_size=8, max_epochs=60, patience=60)
    network = pretrained.transformer
    with torch.no_grad():
        kept = network.embeddings.word_embeddings.weight.clone()
        network.embeddings.word_embeddings.weight.fill_(float("nan"))
    try:
        with pytest.raises(RecipeError, match="the fine-tuning diverged"):
            tune_encoder(pretrained, lines(0), lines(1), n_labels=3, plan=plan)
    finally:
        with torch.no_grad():
            network.embeddings.word_embeddings.weight.copy_(kept)


@pytest.mark.parametrize(
    "wrong",
    [
        {"learning_rate": 0.0},
        {"stop_at": 1.0},
        {"max_epochs": 0},
        {"learning_rate": float("nan")},
        {"pooling": "max"},
    ],
)
def test_impossible_plans(wrong):
    with pytest.raises(RecipeError, match=f"{next(iter(wrong))} is"):
        Tuning(**wrong)


def utterances():
    told = []
    for split in ("train", "dev", "test"):
        part = lines(len(split), 24)
        for i, (text, target) in enumerate(zip(part.texts, part.targets, strict=True)):
            label = ("happy", "sad", "angry")[target]
            told.append(
                Utterance(None, label, f"{split}{i}", "toys", text=f"{text} {split}", split=split)
            )
    return told


def test_it_is_tested_under_a_protocol(pretrained):
    told = utterances()
    plan = Tuning(**PLAN)
    labels = ["happy", "sad", "angry"]
    tuned, outcome = evaluate_tuning(pretrained, told, labels, find_protocol("fixed"), plan=plan)
    (result,) = outcome.results
    assert {told[i].split for i in result.test} == {"test"}
    texts = [told[i].text for i in result.test]
    np.testing.assert_array_equal(result.probabilities, tuned.predict_proba(texts))
    with pytest.raises(ProtocolError, match="has 10 folds; expected a protocol of one"):
        evaluate_tuning(pretrained, told, labels, find_protocol("k-fold"), plan=plan)
