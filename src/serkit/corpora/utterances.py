"""What a corpus is once it has been read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Utterance:
    """One labelled recording, or one labelled stretch of a recording.

    Attributes:
        audio: The audio file; None where only the text is at hand.
        label: The emotion in the words of the project (`serkit.corpora.EMOTIONS`).
        speaker: The speaker's name within the corpus.
        corpus: The corpus the utterance was recorded for. Copies and selections of one
            corpus share it, so that a speaker in both counts as one person.
        session: The recording session or dialogue, where the corpus has any.
        text: What is said, where the corpus tells it.
        start_s: Where in `audio` the utterance starts, in seconds; None for its beginning.
        end_s: Where in `audio` the utterance ends, in seconds; None for its end.
        split: `train`, `dev` or `test`, where the corpus is published with such a split.
    """

    audio: Path | None
    label: str
    speaker: str
    corpus: str
    session: str | None = None
    text: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    split: str | None = None

    @property
    def speaker_key(self) -> str:
        """`corpus/speaker`: the speaker's name among several corpora."""
        return f"{self.corpus}/{self.speaker}"

    @property
    def session_key(self) -> str | None:
        """`corpus/session`: the session's name among several corpora; None where there is none."""
        return None if self.session is None else f"{self.corpus}/{self.session}"


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something in a corpus that a reader passed over or wants known.

    Attributes:
        path: The file or folder concerned.
        problem: What is odd about it, in one line.
    """

    path: Path
    problem: str


@dataclass(frozen=True, slots=True)
class CorpusInfo:
    """What is known about a corpus without opening it.

    Attributes:
        name: The name it goes by on the command line.
        title: Its published title.
        language: The language spoken.
        licence: The terms it is published under.
        commercial_use: Whether those terms clearly allow commercial use; False when in doubt.
        url: Where to get it.
        citation: The publication to cite.
        labels: The labels it has when complete.
        layout: A file as its layout places it, for messages.
        expected: Number of utterances when complete; None where that is open.
        speakers: Its speakers when complete, each with the number of utterances (None where
            only the speaker is known); empty where they are open.
        label_counts: Number of utterances of each label when complete; empty where unknown.
    """

    name: str
    title: str
    language: str
    licence: str
    commercial_use: bool
    url: str
    citation: str
    labels: tuple[str, ...]
    layout: str
    expected: int | None = None
    speakers: Mapping[str, int | None] = field(default_factory=dict)
    label_counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Corpus:
    """A corpus as found on disk.

    Attributes:
        name: The name it was asked for by.
        root: Its folder, or the manifest's file.
        utterances: In a fixed order.
        oddities: What the reader passed over, and what a complete corpus would have besides.
        info: What is known about the corpus.
    """

    name: str
    root: Path
    utterances: tuple[Utterance, ...]
    oddities: tuple[Oddity, ...]
    info: CorpusInfo
