"""nEMO, Polish: `samples/SSS_emotion_n.wav` and the texts in `data.tsv`.

`data.tsv` has the columns file_id (the name of the file), emotion, raw_text, normalized_text,
speaker_id, gender and age (Christop, 2024; https://github.com/amu-cai/nEMO).
"""

from __future__ import annotations

import csv
import io
import os
import re
from pathlib import Path

from serkit.corpora.assembly import existing_folder
from serkit.corpora.clips import OddFileError, read_clips
from serkit.corpora.tables import content_of
from serkit.corpora.utterances import Corpus, CorpusInfo, Oddity, Utterance

_LABELS = {
    "anger": "angry",
    "happiness": "happy",
    "neutral": "neutral",
    "sadness": "sad",
    "fear": "fearful",
    "surprised": "surprised",
    "surprise": "surprised",
}
_SPEAKERS = ("EB0", "IC0", "KD0", "KS0", "MK0", "MP0", "SM0", "TP0", "WR0")
_NAME = re.compile(r"([A-Z]{2}\d)_([a-z]+)_\d+")

INFO = CorpusInfo(
    name="nemo",
    title="nEMO",
    language="Polish",
    licence="CC BY-NC-SA 4.0",
    commercial_use=False,
    url="https://github.com/amu-cai/nEMO",
    citation="Christop, nEMO: Dataset of Emotional Speech in Polish, LREC-COLING 2024",
    labels=tuple(dict.fromkeys(_LABELS.values())),
    layout="samples/EB0_anger_1.wav",
    expected=4481,
    speakers=dict.fromkeys(_SPEAKERS),
)


def read(root: Path) -> Corpus:
    """Read nEMO.

    Args:
        root: The folder that holds `samples` and, as published, `data.tsv`.

    Returns:
        The corpus, with transcripts from `data.tsv` and foreign files as oddities.

    Raises:
        CorpusError: The folder is missing or holds no clip.
    """
    existing_folder(root, INFO)
    table = root / "data.tsv"
    texts: dict[str, str] = {}
    unread: tuple[Oddity, ...] = ()
    if os.path.lexists(table):
        try:
            texts = _texts(content_of(table, root))
        except (OSError, UnicodeDecodeError, KeyError, csv.Error) as error:
            problem = error.strerror if isinstance(error, OSError) else repr(error)
            unread = (Oddity(table, f"cannot be read as the table of texts: {problem}"),)

    def parse(path: Path) -> Utterance:
        match = _NAME.fullmatch(path.stem)
        if not match:
            raise OddFileError("not named like EB0_anger_1; skipped")
        speaker, emotion = match.groups()
        if emotion not in _LABELS:
            known = ", ".join(_LABELS)
            raise OddFileError(f"unknown emotion {emotion}, expected {known}; skipped")
        return Utterance(path, _LABELS[emotion], speaker, "nemo", text=texts.get(path.stem))

    corpus = read_clips(root, INFO, parse, within="samples")
    return Corpus(INFO.name, root, corpus.utterances, unread + corpus.oddities, INFO)


def _texts(content: bytes) -> dict[str, str]:
    """Orthographic transcript of each clip, by the stem of its file."""
    lines = io.StringIO(content.decode("utf-8-sig"), newline="")
    # Quotation marks are part of the texts.
    rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    return {Path(row["file_id"] or "").stem: (row["raw_text"] or "").strip() for row in rows}
