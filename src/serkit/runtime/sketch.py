"""A sketch of the recordings a model has learned from: at most 1 kB, on its card.

Of each training corpus it keeps the `k` smallest content hashes, cut to 32 bits (a bottom-k sample:
Cohen and Kaplan, *Summarizing Data using Bottom-k Sketches*, 2007). The same recording has the
same hash wherever it is stored, so that a part of a corpus is found by the share of the sample that
is part of it: `miss_probability` and `false_alarm_probability` give the errors exactly. Each corpus
has a sample of its own, or a small one would drown among large ones.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

MOST_BYTES = 1000
"""Of a sketch as JSON."""

_DIGITS, _BITS = 8, 32
# A hash of 32 bits is 5 characters of base85.
_CHARACTERS = 5


@dataclass(frozen=True, slots=True)
class Sketch:
    """Samples of content hashes, one of each corpus.

    Attributes:
        samples: By corpus, the smallest of its hashes as 32-bit numbers, ascending.
    """

    samples: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, contents: Mapping[str, Iterable[str]]) -> Sketch:
        """Sketch what was learned from.

        Args:
            contents: By corpus, the `serkit.audio.content_hash` of each recording.
        """
        return _fitted({name: {_number(c) for c in found} for name, found in contents.items()})

    def joined(self, other: Sketch) -> Sketch:
        """The sketch of what either was made of."""
        names = {**self.samples, **other.samples}
        return _fitted(
            {name: {*self.samples.get(name, ()), *other.samples.get(name, ())} for name in names}
        )

    def found(self, contents: Iterable[str]) -> dict[str, int]:
        """By corpus, how many recordings are in its sample; corpora without any are left out.

        Args:
            contents: `serkit.audio.content_hash` of each recording; copies count once, and a
                recording of two corpora counts for the first.
        """
        numbers = {_number(content) for content in contents}
        counts = {}
        for name, kept in self.samples.items():
            here = numbers.intersection(kept)
            numbers -= here
            if here:
                counts[name] = len(here)
        return counts

    def to_dict(self) -> dict[str, str]:
        """As JSON values: by corpus, its hashes as big-endian numbers in base85 (RFC 1924)."""
        return {
            name: base64.b85encode(struct.pack(f">{len(kept)}I", *kept)).decode()
            for name, kept in self.samples.items()
        }

    @classmethod
    def from_dict(cls, values: object) -> Sketch:
        """The sketch that `to_dict` wrote.

        Raises:
            ValueError: It is none, or longer than 1000 bytes.
        """
        if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
            raise ValueError("expected texts by corpus")
        if _length(values) > MOST_BYTES:
            raise ValueError(f"{_length(values)} bytes; expected at most {MOST_BYTES}")
        samples = {}
        for name, text in values.items():
            packed = base64.b85decode(text)
            if len(packed) % 4:
                raise ValueError(f"{len(packed)} bytes of {name!r} are no whole 32-bit hashes")
            samples[name] = struct.unpack(f">{len(packed) // 4}I", packed)
            if list(samples[name]) != sorted(set(samples[name])):
                raise ValueError(f"the hashes of {name!r} do not ascend")
        return cls(samples)


def miss_probability(learned: int, kept: int, reused: int) -> float:
    """The chance that none of the recordings used again is in the sample.

    Hypergeometric: `C(learned - reused, kept) / C(learned, kept)`.

    Args:
        learned: Recordings of the corpus.
        kept: Size of its sample.
        reused: Recordings of it that are used again, whichever.
    """
    return math.prod(
        max(0, learned - reused - i) / (learned - i) for i in range(min(kept, learned))
    )


def false_alarm_probability(kept: int, tested: int) -> float:
    """The chance that any of some new recordings shares a 32-bit hash with a sample.

    `1 - (1 - kept / 2^32)^tested`.

    Args:
        kept: Hashes of the whole sketch.
        tested: Recordings, none of them learned from.
    """
    return -math.expm1(tested * math.log1p(-kept / 2**_BITS))


def _number(content: str) -> int:
    return int(content[:_DIGITS], 16)


def _length(values: Mapping[str, str]) -> int:
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False)
    return len(text.encode("utf-8", "surrogatepass"))


def _fitted(numbers: Mapping[str, set[int]]) -> Sketch:
    """As many hashes of each corpus alike as there is room for; a small one leaves some over."""
    names = sorted((name for name in numbers if numbers[name]), key=len)
    room = 0
    while names:
        room = (MOST_BYTES - _length(dict.fromkeys(names, ""))) // _CHARACTERS
        if room >= len(names):
            break
        names.pop()  # The longest name: what is left of it is its name on the card.
    samples = {}
    for i, name in enumerate(sorted(names, key=lambda name: len(numbers[name]))):
        kept = sorted(numbers[name])[: room // (len(names) - i)]
        room -= len(kept)
        samples[name] = tuple(kept)
    return Sketch({name: samples[name] for name in numbers if name in samples})
