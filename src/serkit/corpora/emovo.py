"""EMOVO, Italian: `f1/dis-f1-b1.wav`.

The name holds emotion, speaker and sentence (Costantini et al., 2014;
http://voice.fub.it/activities/corpora/emovo).
"""

from __future__ import annotations

import re
from pathlib import Path

from serkit.corpora.clips import OddFileError, read_clips
from serkit.corpora.utterances import Corpus, CorpusInfo, Utterance

_LABELS = {
    "rab": "angry",
    "gio": "happy",
    "neu": "neutral",
    "tri": "sad",
    "pau": "fearful",
    "dis": "disgusted",
    "sor": "surprised",
}
_TEXTS = {
    "b1": "Gli operai si alzano presto.",
    "b2": "I vigili sono muniti di pistola.",
    "b3": "La cascata fa molto rumore.",
    "l1": "L'autunno prossimo Tony partirà per la Spagna nella prima metà di ottobre.",
    "l2": "Ora prendo la felpa di là ed esco per fare una passeggiata.",
    "l3": "Un attimo dopo s'è incamminato ed è inciampato.",
    "l4": "Vorrei il numero telefonico del Signor Piatti.",
    "n1": "La casa forte vuole col pane.",
    "n2": "La forza trova il passo e l'aglio rosso.",
    "n3": "Il gatto sta scorrendo nella pera.",
    "n4": "Insalata pastasciutta coscia d'agnello limoncello.",
    "n5": "Uno quarantatré dieci mille cinquantasette venti.",
    "d1": "Sabato sera cosa farà?",
    "d2": "Porti con te quella cosa?",
}
_NAME = re.compile(r"([a-z]{3})-([fm]\d)-([a-z]\d)", re.IGNORECASE)

INFO = CorpusInfo(
    name="emovo",
    title="EMOVO",
    language="Italian",
    licence="free for research",
    commercial_use=False,
    url="http://voice.fub.it/activities/corpora/emovo",
    citation="Costantini, Iaderola, Paoloni and Todisco, EMOVO Corpus: an Italian Emotional "
    "Speech Database, LREC 2014",
    labels=tuple(_LABELS.values()),
    layout="f1/dis-f1-b1.wav",
    expected=588,
    speakers=dict.fromkeys(("f1", "f2", "f3", "m1", "m2", "m3"), 98),
)


def _utterance(path: Path) -> Utterance:
    match = _NAME.fullmatch(path.stem)
    if not match:
        raise OddFileError("not named like dis-f1-b1; skipped")
    emotion, speaker, sentence = (code.lower() for code in match.groups())
    for what, code, known in (
        ("emotion", emotion, _LABELS),
        ("speaker", speaker, INFO.speakers),
        ("sentence", sentence, _TEXTS),
    ):
        if code not in known:
            raise OddFileError(f"unknown {what} {code}, expected {', '.join(known)}; skipped")
    return Utterance(path, _LABELS[emotion], speaker, "emovo", text=_TEXTS[sentence])


def read(root: Path) -> Corpus:
    """Read EMOVO.

    Args:
        root: The folder that holds the folders of the speakers, at any depth.

    Returns:
        The corpus, with foreign files as oddities.

    Raises:
        CorpusError: The folder is missing or holds no clip.
    """
    return read_clips(root, INFO, _utterance)
