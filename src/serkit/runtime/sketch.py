"""Sketches of training data: a sample of content hashes on a model's card, at most 1 kB.

For each training corpus, the sketch holds the `k` smallest content hashes, cut to 32 bits (a
bottom-k sample: Cohen and Kaplan, *Summarizing Data using Bottom-k Sketches*, 2007). Training
recordings are recognised by their hashes under any file name or format; `miss_probability` and
`false_alarm_probability` give the error rates. Each corpus has its own sample, so that small
corpora are represented too.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from serkit.text import shown

MOST_BYTES = 1000
"""Size of a sketch as JSON, at most."""

_DIGITS, _BITS = 8, 32
# A hash of 32 bits is 5 characters of base85.
_CHARACTERS = 5


@dataclass(frozen=True, slots=True)
class Sketch:
    """Samples of content hashes by corpus.

    Attributes:
        samples: The smallest hashes of each corpus, as 32-bit numbers in ascending order.
    """

    samples: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, contents: Mapping[str, Iterable[str]]) -> Sketch:
        """Sketch a training set.

        Args:
            contents: `serkit.audio.content_hash` of each recording, by corpus.
        """
        return _fitted({name: {_number(c) for c in hashes} for name, hashes in contents.items()})

    def joined(self, other: Sketch) -> Sketch:
        """The sketch of the union of both training sets."""
        names = {**self.samples, **other.samples}
        return _fitted(
            {name: {*self.samples.get(name, ()), *other.samples.get(name, ())} for name in names}
        )

    def found(self, contents: Iterable[str]) -> dict[str, int]:
        """Number of recordings in the sample of each corpus; corpora without any are omitted.

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
        """As JSON values: the hashes of each corpus, big-endian, in base85 (RFC 1924)."""
        return {
            name: base64.b85encode(struct.pack(f">{len(kept)}I", *kept)).decode()
            for name, kept in self.samples.items()
        }

    @classmethod
    def from_dict(cls, values: object) -> Sketch:
        """The sketch that `to_dict` wrote.

        Raises:
            ValueError: It is malformed, or longer than 1000 bytes.
        """
        if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
            raise ValueError("expected an object of strings")
        if _length(values) > MOST_BYTES:
            raise ValueError(f"{_length(values)} bytes; expected at most {MOST_BYTES}")
        samples = {}
        for name, text in values.items():
            packed = base64.b85decode(text)
            if len(packed) % 4:
                raise ValueError(
                    f"the hashes of {shown(name)} are {len(packed)} bytes; expected a multiple of 4"
                )
            samples[name] = struct.unpack(f">{len(packed) // 4}I", packed)
            if list(samples[name]) != sorted(set(samples[name])):
                raise ValueError(f"the hashes of {shown(name)} are not in ascending order")
        return cls(samples)


def miss_probability(learned: int, kept: int, reused: int) -> float:
    """Probability that no reused training recording is in the sample.

    Hypergeometric: `C(learned - reused, kept) / C(learned, kept)`.

    Args:
        learned: Number of training recordings of the corpus.
        kept: Size of the sample.
        reused: Number of these recordings that are used again.
    """
    return math.prod(
        max(0, learned - reused - i) / (learned - i) for i in range(min(kept, learned))
    )


def false_alarm_probability(kept: int, tested: int) -> float:
    """Probability that at least one new recording has a 32-bit hash of the sketch.

    `1 - (1 - kept / 2^32)^tested`.

    Args:
        kept: Number of hashes of the whole sketch.
        tested: Number of recordings, none of them in the training data.
    """
    return -math.expm1(tested * math.log1p(-kept / 2**_BITS))


def _number(content: str) -> int:
    return int(content[:_DIGITS], 16)


def _length(values: Mapping[str, str]) -> int:
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False)
    return len(text.encode("utf-8", "surrogatepass"))


def _fitted(numbers: Mapping[str, set[int]]) -> Sketch:
    """Divide the space equally among corpora; what a small corpus leaves goes to the others."""
    names = sorted((name for name in numbers if numbers[name]), key=len)
    room = 0
    while names:
        room = (MOST_BYTES - _length(dict.fromkeys(names, ""))) // _CHARACTERS
        if room >= len(names):
            break
        names.pop()  # the longest name; the corpus is then recognised by name only
    samples = {}
    for i, name in enumerate(sorted(names, key=lambda name: len(numbers[name]))):
        kept = sorted(numbers[name])[: room // (len(names) - i)]
        room -= len(kept)
        samples[name] = tuple(kept)
    return Sketch({name: samples[name] for name in numbers if name in samples})
