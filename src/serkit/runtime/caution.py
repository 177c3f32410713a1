"""Warnings that a prediction may be unreliable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Code = Literal[
    "truncated",
    "lost-packets",
    "narrowband",
    "clipped",
    "too-quiet",
    "short",
    "unknown-words",
    "far-from-training",
]

CODES: tuple[Code, ...] = get_args(Code)
"""All codes, in the order in which cautions are listed."""


@dataclass(frozen=True, slots=True)
class Caution:
    """A reason not to trust a prediction; its text is `str(caution)`.

    Attributes:
        code: Stable identifier: `truncated` (the file is shorter than its header says, or
            the text longer than its encoder takes),
            `lost-packets` (frames were interpolated), `narrowband` (nothing above 4 kHz),
            `clipped`, `too-quiet`, `short`, `unknown-words` (most of the text is not in the
            vocabulary) or `far-from-training` (unlike the training data).
        message: One line for display, with the measured value.
    """

    code: Code
    message: str

    def __str__(self) -> str:
        return self.message
