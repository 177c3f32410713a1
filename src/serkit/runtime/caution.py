"""Why an answer should not be trusted."""

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
    "far-from-training",
]

CODES: tuple[Code, ...] = get_args(Code)
"""Every code, in the order in which cautions are listed."""


@dataclass(frozen=True, slots=True)
class Caution:
    """One reason not to trust a prediction; its text is `str(caution)`.

    Attributes:
        code: Stable, for programs: `truncated` (the file ends before its header says),
            `lost-packets` (frames were interpolated), `narrowband` (nothing above 4 kHz),
            `clipped`, `too-quiet`, `short` or `far-from-training` (unlike the training data).
        message: One line for people, with the measured value.
    """

    code: Code
    message: str

    def __str__(self) -> str:
        return self.message
