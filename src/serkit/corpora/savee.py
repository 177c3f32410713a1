"""SAVEE: `DC/a01.wav` as published, or `DC_a01.wav` as in a flat copy.

The name holds speaker, emotion and number of the sentence (Haq and Jackson, 2010;
http://kahlan.eps.surrey.ac.uk/savee/).
"""

from __future__ import annotations

import re
from pathlib import Path

from serkit.corpora.clips import OddFileError, read_clips
from serkit.corpora.utterances import Corpus, CorpusInfo, Utterance

_LABELS = {
    "a": "angry",
    "h": "happy",
    "n": "neutral",
    "sa": "sad",
    "f": "fearful",
    "d": "disgusted",
    "su": "surprised",
}
_NAME = re.compile(r"(?:([A-Z]{2})_)?([a-z]{1,2})\d\d")

INFO = CorpusInfo(
    name="savee",
    title="SAVEE",
    language="English",
    licence="free for research",
    commercial_use=False,
    url="http://kahlan.eps.surrey.ac.uk/savee/",
    citation="Haq and Jackson, Multimodal Emotion Recognition, in Machine Audition: Principles, "
    "Algorithms and Systems, IGI Global, 2010",
    labels=tuple(_LABELS.values()),
    layout="DC/a01.wav or DC_a01.wav",
    expected=480,
    speakers=dict.fromkeys(("DC", "JE", "JK", "KL"), 120),
)


def _utterance(path: Path) -> Utterance:
    match = _NAME.fullmatch(path.stem)
    if not match:
        raise OddFileError("not named like a01 or DC_a01; skipped")
    speaker = match[1] or path.parent.name
    if speaker not in INFO.speakers:
        known = ", ".join(INFO.speakers)
        raise OddFileError(f"unknown speaker {speaker}, expected {known}; skipped")
    if match[2] not in _LABELS:
        known = ", ".join(_LABELS)
        raise OddFileError(f"unknown emotion {match[2]}, expected {known}; skipped")
    return Utterance(path, _LABELS[match[2]], speaker, "savee")


def read(root: Path) -> Corpus:
    """Read SAVEE.

    Args:
        root: The folder that holds `AudioData`, the folders of the speakers, or the flat clips.

    Returns:
        The corpus, with foreign files as oddities.

    Raises:
        CorpusError: The folder is missing or holds no clip.
    """
    return read_clips(root, INFO, _utterance, within="AudioData")
