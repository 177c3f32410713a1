"""Word errors of a transcript."""

from __future__ import annotations

import re
from dataclasses import dataclass

import jiwer


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Word errors of a hypothesis.

    Attributes:
        substituted: Words recognised as others.
        deleted: Words missing from the hypothesis.
        inserted: Words of the hypothesis that were not spoken.
        spoken: Words of the reference.
    """

    substituted: int
    deleted: int
    inserted: int
    spoken: int

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions."""
        return self.substituted + self.deleted + self.inserted


def words(text: str) -> list[str]:
    """Words in lower case, split at all but letters, digits and apostrophes inside a word.

    A hyphenated word counts as several. Numbers stay as written: `42` is not `forty two`.
    """
    return re.findall(
        r"[^\W_]+(?:'[^\W_]+)*", text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    )


def word_errors(transcript: str, hypothesis: str) -> WordErrors:
    """Errors of the Levenshtein alignment, with equal costs.

    Args:
        transcript: Reference; at least one word.
        hypothesis: Hypothesis.
    """
    spoken = words(transcript)
    result = jiwer.process_words(" ".join(spoken), " ".join(words(hypothesis)))
    return WordErrors(result.substitutions, result.deletions, result.insertions, len(spoken))
