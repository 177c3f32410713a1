"""EmoDB, the Berlin database of emotional speech: `wav/SSTTTEV.wav`.

The name holds speaker, text, the initial of the German emotion word, and version (Burkhardt et al.,
2005; http://emodb.bilderbar.info).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from serkit.corpora.clips import OddFileError, read_clips
from serkit.corpora.utterances import Corpus, CorpusInfo, Utterance

_LABELS = {
    "W": "angry",
    "F": "happy",
    "N": "neutral",
    "T": "sad",
    "A": "fearful",
    "E": "disgusted",
    "L": "bored",
}
_TEXTS = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}
_NAME = re.compile(r"(\d\d)([ab]\d\d)([A-Z])[a-z]?")

INFO = CorpusInfo(
    name="emodb",
    title="EmoDB",
    language="German",
    licence="free for research; the copy published by audEERING is CC0 1.0",
    commercial_use=False,
    url="http://emodb.bilderbar.info",
    citation="Burkhardt, Paeschke, Rolfes, Sendlmeier and Weiss, A Database of German Emotional "
    "Speech, Interspeech 2005",
    labels=tuple(_LABELS.values()),
    layout="wav/03a01Fa.wav",
    expected=535,
    speakers={
        "03": 49,
        "08": 58,
        "09": 43,
        "10": 38,
        "11": 55,
        "12": 35,
        "13": 61,
        "14": 69,
        "15": 56,
        "16": 71,
    },
)


def _utterance(path: Path) -> Utterance:
    match = _NAME.fullmatch(path.stem)
    if not match:
        raise OddFileError("not named like 03a01Fa; skipped")
    speaker, text, emotion = match.groups()
    _known("speaker", speaker, INFO.speakers)
    _known("text code", text, _TEXTS)
    _known("emotion letter", emotion, _LABELS)
    return Utterance(path, _LABELS[emotion], speaker, "emodb", text=_TEXTS[text])


def _known(what: str, code: str, codes: Mapping[str, object]) -> None:
    if code not in codes:
        raise OddFileError(f"unknown {what} {code}, expected {', '.join(codes)}; skipped")


def read(root: Path) -> Corpus:
    """Read EmoDB.

    Args:
        root: The folder that holds `wav`, or the clips themselves.

    Returns:
        The corpus, with foreign files as oddities.

    Raises:
        CorpusError: The folder is missing or holds no clip.
    """
    return read_clips(root, INFO, _utterance, within="wav")
