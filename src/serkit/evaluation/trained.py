"""A trained model tested as its users have it; needs no other package than they do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np

from serkit.audio import SAMPLE_RATE, content_hash
from serkit.corpora import Corpus, Utterance
from serkit.errors import AudioError, CorpusError
from serkit.evaluation.execution import carry_out
from serkit.evaluation.outcome import FoldResult, Outcome
from serkit.evaluation.protocols import Protocol
from serkit.evaluation.seen import seen_by_content
from serkit.runtime import Model, ModelCard, NumpyBackend, Recognizer
from serkit.training.data import MAX_CLIP_S, read_utterance

Answer = tuple[int, str, tuple[float, ...]]

_AT_A_TIME = 32

AS_IS = Protocol(
    "as-is",
    "trained model as it is",
    "no training: the file as its users have it",
    speaker_dependent=False,
    split=lambda *_: [],
)


def told_apart(card: ModelCard, corpora: Iterable[Corpus]) -> tuple[Utterance, ...]:
    """The utterances whose label is one of a model's.

    Raises:
        CorpusError: There is none.
    """
    found = tuple(u for corpus in corpora for u in corpus.utterances if u.label in card.labels)
    if not found:
        raise CorpusError(
            f"no utterance is labelled with an emotion that {card.name} tells apart: "
            f"{', '.join(card.labels)}"
        )
    return found


def evaluate_model(
    model: Model,
    utterances: Sequence[Utterance],
    *,
    seen: bool,
    jobs: int = 1,
    track: Callable[[Iterable[Answer], int], Iterable[Answer]] | None = None,
    max_clip_s: float = MAX_CLIP_S,
) -> Outcome:
    """Test a trained model on utterances as its users have it, long recordings in windows.

    A silent recording, which the model gives no label, counts as all labels alike.

    Args:
        model: The model.
        utterances: With labels among the model's.
        seen: Whether it was trained on a corpus of theirs; every figure then says so, as it does
            if the sketch on its card has any of the recordings.
        jobs: Processes that work at the same time.
        track: Wraps the answers as they come, to show progress: `track(answers, total)`.
        max_clip_s: Longest utterance allowed, in seconds.

    Raises:
        CorpusError: A recording cannot be read, is too long or too short to be judged; the file is
            named.
    """
    numbered = list(enumerate(utterances))
    # The model travels with every task, so a task is more than one utterance.
    tasks = [numbered[i : i + _AT_A_TIME] for i in range(0, len(numbered), _AT_A_TIME)]
    work = partial(_answers, Recognizer(NumpyBackend(model)), max_clip_s)
    answers = (answer for part in carry_out(work, tasks, jobs=jobs) for answer in part)
    found = sorted(track(answers, len(utterances)) if track else answers)
    labels = model.card.labels
    result = FoldResult(
        0,
        "everything",
        np.arange(len(utterances)),
        np.array([scores for _, _, scores in found], np.float32),
    )
    targets = np.array([labels.index(u.label) for u in utterances], np.int64)
    hashes = tuple(content for _, content, _ in found)
    known = seen or seen_by_content(model.card, hashes) is not None
    return Outcome(AS_IS, labels, tuple(utterances), targets, (result,), hashes, known)


def _answers(
    recognizer: Recognizer, max_clip_s: float, task: Sequence[tuple[int, Utterance]]
) -> list[Answer]:
    return [_answer(recognizer, max_clip_s, number, utterance) for number, utterance in task]


def _answer(recognizer: Recognizer, max_clip_s: float, number: int, utterance: Utterance) -> Answer:
    samples = read_utterance(utterance, max_clip_s=max_clip_s)
    try:
        scores = recognizer((samples, SAMPLE_RATE)).scores
    except AudioError as error:
        raise CorpusError(f"{utterance.audio}: {error}") from error
    alike = 1.0 / len(recognizer.labels)
    in_order = tuple(scores.get(label, alike) for label in recognizer.labels)
    return number, content_hash(samples), in_order
