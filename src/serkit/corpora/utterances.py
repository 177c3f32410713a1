"""The utterances of a corpus and what is known about the corpus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Utterance:
    """One labelled recording, or one labelled stretch of a recording.

    Attributes:
        audio: The audio file; None for text only.
        label: The emotion, one of `serkit.corpora.EMOTIONS` or a label of the corpus's own.
        speaker: Name of the speaker, unique within the corpus.
        corpus: The corpus that the utterance was recorded for. Copies and selections of a corpus
            have the same, so that a speaker in both counts as one.
        session: The recording session or dialogue; None if the corpus has none.
        text: The transcript; None if the corpus has none.
        start_s: Start of the utterance in `audio`, in seconds; None for the start of the file.
        end_s: End of the utterance in `audio`, in seconds; None for the end of the file.
        split: `train`, `dev` or `test` if the corpus is published with a split.
        ratings: Ratings of `arousal`, `valence` and `dominance`, from -1 to 1; those that the
            corpus has.
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
    ratings: Mapping[str, float] = field(default_factory=dict, hash=False)

    @property
    def speaker_key(self) -> str:
        """`corpus/speaker`, unique among several corpora."""
        return f"{self.corpus}/{self.speaker}"

    @property
    def session_key(self) -> str | None:
        """`corpus/session`, unique among several corpora; None without a session."""
        return None if self.session is None else f"{self.corpus}/{self.session}"


@dataclass(frozen=True, slots=True)
class Oddity:
    """A problem that a reader met in a corpus, such as a file it skipped.

    Attributes:
        path: The file or folder concerned.
        problem: The problem, in one line.
    """

    path: Path
    problem: str


@dataclass(frozen=True, slots=True)
class CorpusInfo:
    """Description of a corpus as published.

    Attributes:
        name: Name on the command line.
        title: Published title.
        language: Language spoken.
        licence: Licence.
        commercial_use: Whether the licence clearly allows commercial use; False when in doubt.
        url: Address to get it from.
        citation: Publication to cite.
        labels: Labels of the complete corpus.
        layout: Example of a file in its layout, for messages.
        expected: Number of utterances of the complete corpus; None if open.
        speakers: Speakers of the complete corpus with their number of utterances (None if
            unknown); empty if open.
        label_counts: Number of utterances per label of the complete corpus; empty if unknown.
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
    """A corpus read from disk.

    Attributes:
        name: Name of its reading, such as `iemocap_4class`.
        root: Its folder, or the manifest's file.
        utterances: The utterances, in a fixed order.
        oddities: What the reader skipped, and what is missing from the complete corpus.
        info: Description of the corpus as published.
    """

    name: str
    root: Path
    utterances: tuple[Utterance, ...]
    oddities: tuple[Oddity, ...]
    info: CorpusInfo
