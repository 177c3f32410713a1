"""EmoryNLP: `emorynlp_{train,dev,test}_final.csv`, text only.

The tables as circulated with MELD's (Zahiri and Choi, 2018;
https://github.com/emorynlp/character-mining).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from serkit.corpora.clips import OddFileError
from serkit.corpora.friends import read_splits, session_of
from serkit.corpora.utterances import Corpus, CorpusInfo, Utterance
from serkit.text import shown

_LABELS = {
    "mad": "angry",
    "joyful": "happy",
    "neutral": "neutral",
    "sad": "sad",
    "scared": "fearful",
    "peaceful": "peaceful",
    "powerful": "powerful",
}
_COLUMNS = ("Utterance", "Speaker", "Emotion", "Scene_ID", "Season", "Episode")
# The cell is a Python list of strings; names with an apostrophe are in double quotes.
_NAMES = re.compile(r"'([^']*)'|\"([^\"]*)\"")

INFO = CorpusInfo(
    name="emorynlp",
    title="EmoryNLP emotion detection",
    language="English",
    licence="Apache-2.0 for the tables; the dialogues are a television series'",
    commercial_use=False,
    url="https://github.com/emorynlp/character-mining",
    citation="Zahiri and Choi, Emotion Detection on TV Show Transcripts with Sequence-based "
    "Convolutional Neural Networks, AAAI Workshop on Affective Content Analysis, 2018",
    labels=tuple(_LABELS.values()),
    layout="emorynlp_train_final.csv",
    expected=7551 + 954 + 984,
)


def _utterance(row: Mapping[str, str], split: str) -> Utterance:
    emotion = row["Emotion"].lower()
    if emotion not in _LABELS:
        raise OddFileError(f"unknown emotion {shown(emotion, 80)}, expected {', '.join(_LABELS)}")
    names = [single or double for single, double in _NAMES.findall(row["Speaker"])]
    scene = f"scene{row['Scene_ID']}"
    return Utterance(
        None,
        _LABELS[emotion],
        " and ".join(names) or row["Speaker"],
        "emorynlp",
        session=session_of(row["Season"], row["Episode"], scene),
        text=row["Utterance"],
        split=split,
    )


def read(root: Path) -> Corpus:
    """Read EmoryNLP.

    The session is the scene, as in `s01e15/scene1`. People speaking together are one speaker.

    Args:
        root: The folder that holds the tables.

    Returns:
        The corpus, in the order of the tables.

    Raises:
        CorpusError: The folder is missing or holds no utterance.
    """
    return read_splits(root, INFO, "emorynlp_{split}_final.csv", _COLUMNS, _utterance)
