"""Budgets of feature recipes: operations and memory per second of sound."""

from __future__ import annotations

from dataclasses import dataclass

MAX_OPERATIONS = 500_000_000
"""Floating-point operations of a recipe per second of sound, at most."""

MAX_BYTES = 4_000_000
"""Memory of a recipe per second of sound, at most."""

MAX_TABLE_BYTES = 128_000_000
"""Memory for the filter banks of a recipe while they are computed, at most."""


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
        """The exceeded budget and a remedy, in one line; None within all budgets."""
        if self.operations > MAX_OPERATIONS:
            return (
                f"the recipe takes {self.operations / 1e6:.0f} million operations per second of "
                f"sound; expected at most {MAX_OPERATIONS / 1e6:.0f} million: use a longer hop, a "
                "shorter n_fft, fewer n_mels or fewer descriptors"
            )
        if self.bytes > MAX_BYTES:
            return (
                f"the recipe takes {self.bytes / 1e6:.1f} MB per second of sound; expected at "
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
