"""Word errors of a transcript, after Whisper's text normaliser."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jiwer
from transformers.models.whisper.english_normalizer import EnglishTextNormalizer


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Word errors of a hypothesis.

    AMSER's equation 5 is `WER = (S + I + D) / (S + D + C)`. Its denominator looks odd, but is the
    usual one: every word of the reference is either substituted (S), deleted (D) or correct (C), so
    their sum is the number of words spoken. Inserted words (I) count as errors only, so that WER
    can exceed 1.

    Attributes:
        substituted: Words recognised as others (S).
        deleted: Words missing from the hypothesis (D).
        inserted: Words of the hypothesis that were not spoken (I).
        correct: Words recognised as spoken (C).
    """

    substituted: int
    deleted: int
    inserted: int
    correct: int

    @property
    def errors(self) -> int:
        """Numerator of equation 5."""
        return self.substituted + self.deleted + self.inserted

    @property
    def spoken(self) -> int:
        """Denominator of equation 5: the number of words in the reference."""
        return self.substituted + self.deleted + self.correct


def normaliser(whisper: Path | None = None) -> Callable[[str], str]:
    """Whisper's normaliser of English texts (Radford et al., 2022, appendix C).

    Lower case, no punctuation, no fillers, contractions in full, numbers as digits.

    Args:
        whisper: Folder of a Whisper model, whose `normalizer.json` maps British spellings to
            American ones; transformers comes without this table. Without it, both are kept.
    """
    table = whisper / "normalizer.json" if whisper else None
    spellings = json.loads(table.read_text()) if table and table.is_file() else {}
    return EnglishTextNormalizer(spellings)


def word_errors(
    transcript: str, hypothesis: str, normalise: Callable[[str], str] | None = None
) -> WordErrors:
    """Errors of the Levenshtein alignment of words, with equal costs.

    Args:
        transcript: Reference.
        hypothesis: Hypothesis.
        normalise: A normaliser of both texts; `normaliser()` if None.

    Raises:
        ValueError: The reference has no word.
    """
    normalise = normalise or normaliser()
    said, heard = normalise(transcript).strip(), normalise(hypothesis).strip()
    if not said:
        raise ValueError(f"the transcript {transcript!r} has no word")
    result = jiwer.process_words(said, heard)
    return WordErrors(result.substitutions, result.deletions, result.insertions, result.hits)
