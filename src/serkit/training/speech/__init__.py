"""Training of networks on waveforms: speech transformers, and small networks from scratch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serkit._lazy import lazily

if TYPE_CHECKING:
    from serkit.training.speech.fitting import SpeechModel, learn_speech
    from serkit.training.speech.recipe import RecordingsRecipe, SpeechRecipe
    from serkit.training.speech.recordings import Recordings, load_recordings, make_recordings
    from serkit.training.speech.teacher import Teacher, unlabelled_utterances

_EXPORTS: dict[str, tuple[str, ...]] = {
    "serkit.training.speech.fitting": ("SpeechModel", "learn_speech"),
    "serkit.training.speech.recipe": ("RecordingsRecipe", "SpeechRecipe"),
    "serkit.training.speech.recordings": ("Recordings", "load_recordings", "make_recordings"),
    "serkit.training.speech.teacher": ("Teacher", "unlabelled_utterances"),
}

__getattr__ = lazily(__name__, _EXPORTS)

__all__ = [
    "Recordings",
    "RecordingsRecipe",
    "SpeechModel",
    "SpeechRecipe",
    "Teacher",
    "learn_speech",
    "load_recordings",
    "make_recordings",
    "unlabelled_utterances",
]
