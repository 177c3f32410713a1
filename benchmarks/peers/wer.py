"""Word error rate, and what counts as a word."""

from __future__ import annotations

import re
from dataclasses import dataclass

import jiwer


@dataclass(frozen=True, slots=True)
class WordErrors:
    """What a recogniser got wrong of a transcript.

    Attributes:
        substituted: Words taken for others.
        deleted: Words not heard.
        inserted: Words heard that nobody said.
        spoken: Words of the transcript.
    """

    substituted: int
    deleted: int
    inserted: int
    spoken: int

    @property
    def errors(self) -> int:
        """All of them."""
        return self.substituted + self.deleted + self.inserted


def words(text: str) -> list[str]:
    """Words in small letters, parted by all but letters, digits and apostrophes inside a word.

    So a word with hyphens counts as several. Numbers stay as they are written: `42` is not
    `forty two`.
    """
    return re.findall(
        r"[^\W_]+(?:'[^\W_]+)*", text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    )


def word_errors(transcript: str, heard: str) -> WordErrors:
    """Errors of the cheapest alignment (Levenshtein), all kinds of the same cost.

    Args:
        transcript: What was said; at least a word.
        heard: What was recognised.
    """
    said = words(transcript)
    found = jiwer.process_words(" ".join(said), " ".join(words(heard)))
    return WordErrors(found.substitutions, found.deletions, found.insertions, len(said))
