"""The modelled energy of sending a recording, and of computing on the device.

Nothing is measured: a radio costs `bytes up * J/byte + seconds * W` while it is on, and a busy core
of a phone `CPU_WATTS`. Receiving costs no more than waiting.
"""

from __future__ import annotations

from dataclasses import dataclass

from serkit.errors import SerkitError

CPU_WATTS = 2.0
"""Power of a busy core of a phone: a high assumption."""


@dataclass(frozen=True)
class Radio:
    """Energy model of a radio.

    Attributes:
        joules_per_byte: Energy per byte sent, in addition to `watts`.
        watts: Power while the radio is on.
        tail_joules: Energy of staying on after the last byte; None if not published.
    """

    joules_per_byte: float
    watts: float
    tail_joules: float | None

    def joules(self, sent: float, seconds: float) -> float:
        """Energy of sending a number of bytes within a time."""
        return sent * self.joules_per_byte + seconds * self.watts


RADIOS = {
    # Halperin et al., Demystifying 802.11n Power Consumption, 2010: a card with one antenna takes
    # 1.28 W sending and 0.82 W idle but awake; at 54 Mbit/s.
    "wifi": Radio((1.28 - 0.82) * 8 / 54e6, 0.82, None),
    # Huang et al., A Close Examination of Performance and Power Characteristics of 4G LTE Networks,
    # 2012: 438.39 mW per Mbit/s up plus 1288.04 mW; a tail of 11.576 s at 1060 mW.
    "lte": Radio(438.39e-9 * 8, 1.28804, 11.576 * 1.060),
    # 3GPP TR 45.820, 2015: 545 mW sending at 23 dBm, 90 mW receiving; at 375 kbit/s (M1).
    "lte-m": Radio((0.545 - 0.090) * 8 / 375e3, 0.090, None),
}
"""Radios by name."""


def radio_named(name: str) -> Radio:
    """A radio by name.

    Raises:
        SerkitError: There is none.
    """
    if name not in RADIOS:
        raise SerkitError(f"no radio {name!r}; expected one of {', '.join(RADIOS)}")
    return RADIOS[name]
