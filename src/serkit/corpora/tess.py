"""TESS, the Toronto emotional speech set: `OAF_angry/OAF_back_angry.wav`.

The name holds actress (older or younger adult female), word and emotion. Folders are spelt
differently in different copies and are ignored (Pichora-Fuller and Dupuis, 2020;
https://doi.org/10.5683/SP2/E8H2MF).
"""

from __future__ import annotations

import re
from pathlib import Path

from serkit.corpora.clips import OddFileError, read_clips
from serkit.corpora.utterances import Corpus, CorpusInfo, Utterance

_LABELS = {
    "angry": "angry",
    "happy": "happy",
    "neutral": "neutral",
    "sad": "sad",
    "fear": "fearful",
    "disgust": "disgusted",
    "ps": "surprised",
    "pleasant_surprise": "surprised",
    "pleasant_surprised": "surprised",
}
# One published file is misspelt: OA_bite_neutral.wav.
_SPEAKERS = {"OAF": "OAF", "OA": "OAF", "YAF": "YAF"}
_NAME = re.compile(r"([A-Z]+)_([a-z]+)_([a-z_]+)", re.IGNORECASE)

INFO = CorpusInfo(
    name="tess",
    title="TESS",
    language="English",
    licence="CC BY-NC-ND 4.0",
    commercial_use=False,
    url="https://doi.org/10.5683/SP2/E8H2MF",
    citation="Pichora-Fuller and Dupuis, Toronto emotional speech set (TESS), Borealis, 2020",
    labels=tuple(dict.fromkeys(_LABELS.values())),
    layout="OAF_angry/OAF_back_angry.wav",
    expected=2800,
    speakers={"OAF": 1400, "YAF": 1400},
)


def _utterance(path: Path) -> Utterance:
    match = _NAME.fullmatch(path.stem)
    if not match:
        raise OddFileError("not named like OAF_back_angry; skipped")
    speaker, word, emotion = match.groups()
    if speaker.upper() not in _SPEAKERS:
        raise OddFileError(f"unknown speaker {speaker}, expected OAF or YAF; skipped")
    if emotion.lower() not in _LABELS:
        raise OddFileError(f"unknown emotion {emotion}, expected {', '.join(_LABELS)}; skipped")
    return Utterance(
        path,
        _LABELS[emotion.lower()],
        _SPEAKERS[speaker.upper()],
        "tess",
        text=f"Say the word {word.lower()}",
    )


def read(root: Path) -> Corpus:
    """Read TESS.

    Args:
        root: The folder that holds the clips, at any depth.

    Returns:
        The corpus, with foreign files and the second of two nested copies as oddities.

    Raises:
        CorpusError: The folder is missing or holds no clip.
    """
    return read_clips(root, INFO, _utterance)
