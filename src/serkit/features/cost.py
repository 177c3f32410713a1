"""Budgets of feature recipes: operations and memory per second of sound, known in advance."""

from __future__ import annotations

from dataclasses import dataclass

MAX_OPERATIONS = 500_000_000
"""Floating-point operations per second of sound that a recipe may take."""

MAX_BYTES = 4_000_000
"""Memory per second of sound that a recipe may take."""

MAX_TABLE_BYTES = 128_000_000
"""Memory that the filter banks of a recipe may take while they are computed."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a recipe, estimated within a factor of about two.

    Attributes:
        operations: Floating-point operations per second of sound.
        bytes: Memory per second of sound. Spectra are not included: they are computed a few frames
            at a time.
        table_bytes: Memory of the filter banks while they are computed.
    """

    operations: float
    bytes: float
    table_bytes: float

    def problem(self) -> str | None:
        """What is over budget and how to mend it, in one line; None if nothing is."""
        if self.operations > MAX_OPERATIONS:
            return (
                f"the recipe takes {self.operations / 1e6:.0f} million operations for a second of "
                f"sound; expected at most {MAX_OPERATIONS / 1e6:.0f} million: use a longer hop, a "
                "shorter n_fft, fewer n_mels or fewer descriptors"
            )
        if self.bytes > MAX_BYTES:
            return (
                f"the recipe takes {self.bytes / 1e6:.1f} MB for a second of sound; expected at "
                f"most {MAX_BYTES / 1e6:.1f} MB: use a longer hop, fewer n_mels or fewer "
                "descriptors"
            )
        if self.table_bytes > MAX_TABLE_BYTES:
            return (
                f"the filter banks of the recipe take {self.table_bytes / 1e6:.0f} MB; expected at "
                f"most {MAX_TABLE_BYTES / 1e6:.0f} MB: use a shorter n_fft, fewer n_mels or less "
                "chroma"
            )
        return None
