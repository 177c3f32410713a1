"""RAVDESS, speech audio: `Actor_AA/03-01-EE-II-SS-RR-AA.wav`.

The seven numbers are modality, vocal channel, emotion, intensity, statement, repetition and
actor (Livingstone and Russo, 2018; https://zenodo.org/records/1188976).
"""

from __future__ import annotations

import re
from pathlib import Path

from serkit.corpora.clips import OddFileError, read_clips
from serkit.corpora.utterances import Corpus, CorpusInfo, Utterance

_LABELS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fearful",
    "07": "disgusted",
    "08": "surprised",
}
_TEXTS = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
_MODALITIES = {"01": "audio with video", "02": "video only"}
_NAME = re.compile(r"(\d\d)-(\d\d)-(\d\d)-\d\d-(\d\d)-\d\d-(\d\d)")

INFO = CorpusInfo(
    name="ravdess",
    title="RAVDESS, speech audio",
    language="English",
    licence="CC BY-NC-SA 4.0",
    commercial_use=False,
    url="https://zenodo.org/records/1188976",
    citation="Livingstone and Russo, The Ryerson Audio-Visual Database of Emotional Speech and "
    "Song (RAVDESS), PLoS ONE 13(5), 2018",
    labels=tuple(_LABELS.values()),
    layout="Actor_01/03-01-05-01-01-01-01.wav",
    expected=1440,
    speakers={f"{actor:02d}": 60 for actor in range(1, 25)},
)


def _utterance(path: Path) -> Utterance:
    match = _NAME.fullmatch(path.stem)
    if not match:
        raise OddFileError("not named like 03-01-05-01-01-01-01; skipped")
    modality, channel, emotion, statement, actor = match.groups()
    if modality != "03":
        known = _MODALITIES.get(modality, "an unknown modality")
        raise OddFileError(f"modality {modality} ({known}), expected 03 (audio); skipped")
    if channel != "01":
        known = "song" if channel == "02" else "unknown"
        raise OddFileError(f"vocal channel {channel} ({known}), expected 01 (speech); skipped")
    if emotion not in _LABELS:
        raise OddFileError(f"unknown emotion code {emotion}, expected 01 to 08; skipped")
    if statement not in _TEXTS:
        raise OddFileError(f"unknown statement code {statement}, expected 01 or 02; skipped")
    if actor not in INFO.speakers:
        raise OddFileError(f"unknown actor {actor}, expected 01 to 24; skipped")
    return Utterance(path, _LABELS[emotion], actor, "ravdess", text=_TEXTS[statement])


def read(root: Path) -> Corpus:
    """Read RAVDESS.

    Args:
        root: The folder that holds the folders of the actors, at any depth.

    Returns:
        The corpus, with songs, videos and foreign files as oddities.

    Raises:
        CorpusError: The folder is missing or holds no speech clip.
    """
    return read_clips(root, INFO, _utterance)
