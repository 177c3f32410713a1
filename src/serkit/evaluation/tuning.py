"""Fine-tuned text encoders under a protocol: BP of Pandelea et al. (2021)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from serkit.adaptation import HoldOut
from serkit.corpora import Utterance
from serkit.errors import ProtocolError
from serkit.evaluation.folds import Index
from serkit.evaluation.outcome import FoldResult, Outcome
from serkit.evaluation.protocols import Protocol
from serkit.evaluation.run import split_utterances
from serkit.runtime import TextRecipe
from serkit.training.encoder_tuning import Check, Lines, Tuned, Tuning, tune_encoder
from serkit.training.pretrained import Pretrained

_HOLD_OUT = HoldOut("session", 0.1)


def evaluate_tuning(
    pretrained: Pretrained,
    utterances: Sequence[Utterance],
    labels: Sequence[str],
    protocol: Protocol,
    *,
    plan: Tuning | None = None,
    speaker: bool = False,
    seed: int = 0,
    on_check: Callable[[Check], object] | None = None,
) -> tuple[Tuned, Outcome]:
    """Fine-tune a transformer on the training part of a fold, and test it.

    Args:
        pretrained: The transformer.
        utterances: Texts with these labels.
        labels: The classes.
        protocol: A protocol of one fold, such as `fixed`; the leak guard checks it first.
        plan: Settings of the training.
        speaker: Whether each text begins with the name of its speaker.
        seed: Seed of the split and of the training.
        on_check: Called with each validation.

    Returns:
        The fine-tuned transformer, and its answers to the test part.

    Raises:
        ProtocolError: The protocol has several folds, does not fit the utterances, or leaks.
        RecipeError: The training diverged.
    """
    folds = split_utterances(utterances, protocol, _HOLD_OUT, seed=seed)
    if len(folds) != 1:
        raise ProtocolError(
            f"{protocol.name} has {len(folds)} folds; expected a protocol of one, such as fixed"
        )
    (fold,) = folds
    targets = np.array([list(labels).index(u.label) for u in utterances], np.int64)
    line = TextRecipe(speaker=speaker).line

    def part(index: Index) -> Lines:
        chosen = (utterances[i] for i in index.tolist())
        return Lines([line(u.text or "", u.speaker) for u in chosen], targets[index])

    tuned = tune_encoder(
        pretrained,
        part(fold.train),
        part(fold.validation),
        n_labels=len(labels),
        plan=plan,
        seed=seed,
        on_check=on_check,
    )
    probabilities = tuned.predict_proba(part(fold.test).texts)
    result = FoldResult(seed, fold.name, fold.test, probabilities)
    return tuned, Outcome(protocol, tuple(labels), tuple(utterances), targets, (result,))
