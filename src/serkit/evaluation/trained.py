"""Evaluation of a trained model as users run it, without the packages for training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from serkit.audio import SAMPLE_RATE, content_hash
from serkit.corpora import Utterance, dialogues, text_hash
from serkit.errors import AudioError, CorpusError
from serkit.evaluation.execution import carry_out
from serkit.evaluation.outcome import FoldResult, Outcome
from serkit.evaluation.protocols import Protocol
from serkit.evaluation.seen import seen_by_content
from serkit.runtime import Recognizer, TextRecognizer
from serkit.training.data import MAX_CLIP_S, read_utterance

Answer = tuple[int, str, tuple[float, ...]]

_AT_A_TIME = 32

AS_IS = Protocol(
    "as-is",
    "trained model as it is",
    "no training: the model file as users run it",
    speaker_dependent=False,
    split=lambda *_: [],
)


def evaluate_model(
    recognizer: Recognizer | TextRecognizer,
    utterances: Sequence[Utterance],
    *,
    seen: bool,
    jobs: int = 1,
    track: Callable[[Iterable[Answer], int], Iterable[Answer]] | None = None,
    max_clip_s: float = MAX_CLIP_S,
) -> Outcome:
    """Test a trained model on utterances as users run it, long recordings in windows.

    A silent recording or an empty text, which gets no label, counts as a uniform distribution.

    Args:
        recognizer: The model, of any backend.
        utterances: Utterances with labels of the model; for a model of text, without recordings.
        seen: Whether the model was trained on their corpora, which marks every figure; a recording
            in the sketch on the model's card marks them too.
        jobs: Number of parallel processes.
        track: Wrapper of the answers that shows progress: `track(answers, total)`.
        max_clip_s: Longest accepted utterance, in seconds.

    Raises:
        CorpusError: A recording cannot be read, or is too long or too short; the message names the
            file.
    """
    if isinstance(recognizer, TextRecognizer):
        answers: Iterable[Answer] = _of_texts(recognizer, utterances)
    else:
        answers = _of_recordings(recognizer, utterances, jobs, max_clip_s)
    ordered = sorted(track(answers, len(utterances)) if track else answers)
    labels = recognizer.labels
    result = FoldResult(
        0,
        "everything",
        np.arange(len(utterances)),
        np.array([scores for _, _, scores in ordered], np.float32),
    )
    targets = np.array([labels.index(u.label) for u in utterances], np.int64)
    hashes = tuple(content for _, content, _ in ordered)
    known = seen or seen_by_content(recognizer.card, hashes) is not None
    return Outcome(AS_IS, labels, tuple(utterances), targets, (result,), hashes, known)


def _of_texts(recognizer: TextRecognizer, utterances: Sequence[Utterance]) -> Iterator[Answer]:
    for number, dialogue in dialogues(utterances):
        lines = [recognizer.recipe.line(u.text or "", u.speaker) for u in dialogue]
        for i, u, prediction in zip(number, dialogue, recognizer.dialogue(lines), strict=True):
            yield i, text_hash(u), _probabilities(recognizer, prediction.scores)


def _of_recordings(
    recognizer: Recognizer, utterances: Sequence[Utterance], jobs: int, max_clip_s: float
) -> Iterator[Answer]:
    numbered = list(enumerate(utterances))
    # The model is sent with every task, so a task is more than one utterance.
    tasks = [numbered[i : i + _AT_A_TIME] for i in range(0, len(numbered), _AT_A_TIME)]
    work = partial(_answers, recognizer, max_clip_s)
    return (answer for part in carry_out(work, tasks, jobs=jobs) for answer in part)


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
    return number, content_hash(samples), _probabilities(recognizer, scores)


def _probabilities(
    recognizer: Recognizer | TextRecognizer, scores: Mapping[str, float]
) -> tuple[float, ...]:
    uniform = 1.0 / len(recognizer.labels)
    return tuple(scores.get(label, uniform) for label in recognizer.labels)
