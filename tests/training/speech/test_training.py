"""Training of networks on real recordings: it learns, repeats, resumes, distils and is exported."""

import errno
import os
import shutil

import numpy as np
import pytest
import torch

import serkit
from serkit.audio import SAMPLE_RATE
from serkit.compression.classifier_export import save_classifier
from serkit.compression.speech_export import export_speech
from serkit.errors import ModelError, RecipeError
from serkit.metrics import confusion, unweighted_average_recall
from serkit.training.batches import bucketed
from serkit.training.data import read_utterance
from serkit.training.speech import Teacher, learn_speech
from serkit.training.speech.loading import Loader
from serkit.training.speech.loop import rate_at
from serkit.training.speech.recipe import Schedule
from serkit.training.speech.recordings import UNLABELLED, Recordings, prepared

from speech_toys import make_speech_recipe
from transformers_toys import make_hubert


def states(model):
    return {name: value.clone() for name, value in model.network.state_dict().items()}


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


@pytest.fixture(scope="module")
def hubert(tmp_path_factory):
    return make_hubert(tmp_path_factory.mktemp("hub") / "toy-hubert")


def of_hubert(folder, **changes):
    return make_speech_recipe(
        encoder={"kind": "transformer", "source": str(folder)},
        head={"hidden": 16},
        augmentation={"pitch_semitones": 0},
        **changes,
    )


class Interrupted(KeyboardInterrupt):
    """Ctrl-C."""


def interrupting(epoch):
    def on_epoch(line):
        if line.number == epoch:
            raise Interrupted

    return on_epoch


def test_a_hubert_learns_resumes_to_the_bit_and_is_the_same_in_onnx(hubert, parts, tmp_path):
    recipe = of_hubert(hubert, optimiser={"max_epochs": 4})
    log = []
    whole = learn_speech(recipe, *parts, seed=3, on_epoch=log.append)
    assert log[-1].train_loss < 0.95 * log[0].train_loss
    assert 1.0 < log[0].train_loss + log[0].validation_loss < 4.0

    file = tmp_path / "toy.checkpoint"
    with pytest.raises(Interrupted):
        learn_speech(recipe, *parts, seed=3, checkpoint=file, on_epoch=interrupting(2))
    assert b"pickle" not in file.read_bytes()[:2000]
    resumed = []
    again = learn_speech(recipe, *parts, seed=3, checkpoint=file, on_epoch=resumed.append)
    assert resumed == log
    assert same(states(again), states(whole))
    assert again.card.temperature == whole.card.temperature

    expected = whole.logits(parts[1])
    path = tmp_path / "toy.onnx"
    save_classifier(export_speech(whole), whole.card, path)
    model = serkit.load(path)
    for u, logits in zip(parts[1].utterances, expected, strict=True):
        scores = model((read_utterance(u), SAMPLE_RATE)).scores
        wanted = torch.from_numpy(logits).softmax(dim=0).numpy()
        np.testing.assert_allclose(list(scores.values()), wanted, atol=1e-4)


def test_checkpoints_of_another_training_are_refused(parts, tmp_path):
    file = tmp_path / "toy.checkpoint"
    with pytest.raises(Interrupted):
        learn_speech(make_speech_recipe(), *parts, checkpoint=file, on_epoch=interrupting(1))
    for recipe, seed in ((make_speech_recipe(), 1), (make_speech_recipe(loss={"gamma": 1}), 0)):
        with pytest.raises(RecipeError, match="checkpoint of another training"):
            learn_speech(recipe, *parts, seed=seed, checkpoint=file)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(RecipeError, match="not a checkpoint file, or truncated"):
        learn_speech(make_speech_recipe(), *parts, checkpoint=file)


def test_a_full_disk_is_named_and_the_last_checkpoint_stays(parts, tmp_path, monkeypatch):
    file = tmp_path / "toy.checkpoint"
    recipe = make_speech_recipe(optimiser={"max_epochs": 3})
    saved = []

    def fsync(handle, real=os.fsync):
        if saved:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        saved.append(handle)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left on device") as raised:
        learn_speech(recipe, *parts, checkpoint=file)
    assert raised.value.filename == str(file)
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    resumed = learn_speech(recipe, *parts, checkpoint=file)
    assert same(states(resumed), states(learn_speech(recipe, *parts)))


def test_it_stops_early_with_the_best_weights(parts):
    recipe = make_speech_recipe(optimiser={"max_epochs": 12, "patience": 2, "learning_rate": 0.02})
    log = []
    model = learn_speech(recipe, *parts, on_epoch=log.append)
    best = max(line.validation_ua for line in log)
    first = next(line.number for line in log if line.validation_ua == best)
    assert len(log) == min(12, first + 2)
    answers = model.logits(parts[1]).argmax(axis=1)
    assert unweighted_average_recall(confusion(parts[1].targets, answers, 4)) == best


def test_frozen_weights_are_not_in_the_checkpoint(hubert, parts, tmp_path):
    recipe = of_hubert(hubert, optimiser={"max_epochs": 1})
    frozen = recipe.model_copy(
        update={"encoder": recipe.encoder.model_copy(update={"frozen": "all"})}
    )
    sizes = []
    for i, plan in enumerate((recipe, frozen)):
        file = tmp_path / f"{i}.checkpoint"
        learn_speech(plan, *parts, checkpoint=file)
        sizes.append(file.stat().st_size)
    assert sizes[1] < sizes[0] / 4


def test_a_checkpoint_is_of_its_frozen_weights(hubert, parts, tmp_path):
    """The folder of the pretrained weights has changed since the interruption."""
    folder = shutil.copytree(hubert, tmp_path / "hubert")
    recipe, file = of_hubert(folder), tmp_path / "toy.checkpoint"
    with pytest.raises(Interrupted):
        learn_speech(recipe, *parts, checkpoint=file, on_epoch=interrupting(1))
    make_hubert(folder, seed=1)
    with pytest.raises(RecipeError, match="checkpoint of another training"):
        learn_speech(recipe, *parts, checkpoint=file)


def test_a_teacher_teaches_without_labels(parts):
    """Recordings without labels and the shipped model `tiny`, which knows these actors."""
    training, validation = parts
    nothing = Recordings(
        training.utterances, np.full(len(training), UNLABELLED), training.hashes,
        training.lengths, training.preprocessing, training.cache,
    )  # fmt: skip
    teacher = Teacher(serkit.load("tiny"))
    soft = teacher.log_probabilities(("angry", "happy", "neutral", "sad"), nothing)
    np.testing.assert_allclose(np.exp(soft).sum(axis=1), 1.0, rtol=1e-4)
    recipe = make_speech_recipe(optimiser={"max_epochs": 12, "batch_size": 8})
    model = learn_speech(recipe, nothing, validation, teacher=soft)
    answers = model.logits(training).argmax(axis=1)
    assert (answers == soft.argmax(axis=1)).mean() > 0.6
    assert unweighted_average_recall(confusion(training.targets, answers, 4)) > 0.4


def test_a_teacher_that_lacks_a_label_is_refused(parts):
    with pytest.raises(RecipeError, match=r"teacher .* does not know surprised; its labels are"):
        Teacher(serkit.load("tiny")).log_probabilities(("angry", "surprised"), parts[1])


def test_mixed_precision_keeps_parameters_in_float32(parts):
    logs = []
    for mixed in (False, True):
        recipe = make_speech_recipe(optimiser={"max_epochs": 1, "mixed_precision": mixed})
        lines = []
        model = learn_speech(recipe, *parts, on_epoch=lines.append)
        logs.append(lines[0].train_loss)
        assert all(p.dtype == torch.float32 for p in model.network.parameters())
    assert logs[0] != logs[1]
    assert logs[1] == pytest.approx(logs[0], rel=0.05)


def test_batches_do_not_depend_on_the_workers(parts):
    plan = make_speech_recipe(augmentation={"pitch_semitones": 0}).augmentation
    order = [[3, 0], [1]]
    alone, helped = (
        [(b.samples, b.lengths, b.rows) for b in
         Loader(parts[0], augmentation=plan, seed=5, workers=n).batches(order, epoch=2)]
        for n in (0, 1)
    )  # fmt: skip
    for one, other in zip(alone, helped, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert [b[2].tolist() for b in alone] == order


def test_buckets_hold_everything_once_and_about_one_length():
    lengths = torch.randint(1, 1000, (500,), generator=torch.Generator().manual_seed(0))
    batches = bucketed(lengths, 16, torch.Generator().manual_seed(1))
    assert torch.equal(torch.cat(batches).sort().values, torch.arange(500))
    spread = np.mean([float(lengths[b].max() - lengths[b].min()) for b in batches])
    assert spread < 150.0


def test_the_learning_rate_rises_and_falls_along_a_cosine():
    plan = Schedule(warm_up=0.1)
    rates = [rate_at(step, 100, plan) for step in range(100)]
    assert rates[:10] == pytest.approx([i / 10 for i in range(1, 11)])
    assert rates[55] == pytest.approx(0.5)
    assert rates[10] == 1.0
    assert 0.0 < rates[99] < 0.001


def test_preprocessing_is_that_of_the_paper(parts):
    u = parts[0].utterances[0]
    ready = prepared(read_utterance(u), parts[0].preprocessing)
    assert np.abs(ready).max() == pytest.approx(0.95, abs=1e-6)
    assert len(ready) < len(read_utterance(u))
    assert len(prepared(np.ones(200_000, np.float32), parts[0].preprocessing)) == 128_000
    assert len(prepared(np.ones(10, np.float32), parts[0].preprocessing)) == 1600
    np.testing.assert_array_equal(parts[0].samples(0), ready)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"), "are pickled"),
        (lambda f: (f / "model.safetensors").write_bytes(b"half"), "cannot be loaded"),
        (
            lambda f: (f / "config.json").write_text('{"model_type": "bert"}'),
            "model_type is 'bert'",
        ),
        (lambda f: (f / "config.json").unlink(), "has no config.json"),
    ],
)
def test_bad_folders_are_named(parts, tmp_path, change, message):
    folder = make_hubert(tmp_path / "bad")
    change(folder)
    with pytest.raises(ModelError, match=message):
        learn_speech(of_hubert(folder), *parts)


def test_an_encoder_with_missing_weights_is_refused(parts, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = make_hubert(tmp_path / "bad")
    state = load_file(folder / "model.safetensors")
    lost = "encoder.layers.1.attention.k_proj.weight"
    del state[lost]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=f"missing .*{lost}"):
        learn_speech(of_hubert(folder), *parts)
