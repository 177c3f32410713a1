"""MELD: `{train,dev,test}_sent_emo.csv` and, optionally, one clip per utterance.

The clips are `dia0_utt0.mp4` below folders named after the splits (`train_splits`,
`dev_splits_complete`, `output_repeated_splits_test`); audio taken from them may be `.wav` or
`.flac` (Poria et al., 2019; https://github.com/declare-lab/MELD).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from serkit.audio import SUFFIXES
from serkit.corpora.clips import OddFileError, files_below, require_clip
from serkit.corpora.friends import SPLITS, read_splits, session_of
from serkit.corpora.utterances import Corpus, CorpusInfo, Oddity, Utterance
from serkit.text import shown

_LABELS = {
    "anger": "angry",
    "joy": "happy",
    "neutral": "neutral",
    "sadness": "sad",
    "fear": "fearful",
    "disgust": "disgusted",
    "surprise": "surprised",
}
_COLUMNS = (
    "Utterance",
    "Speaker",
    "Emotion",
    "Dialogue_ID",
    "Utterance_ID",
    "Season",
    "Episode",
)
_CLIP = re.compile(r"dia(\d+)_utt(\d+)")

INFO = CorpusInfo(
    name="meld",
    title="MELD",
    language="English",
    licence="GPL-3.0 for the tables; the dialogues are a television series'",
    commercial_use=False,
    url="https://github.com/declare-lab/MELD",
    citation="Poria, Hazarika, Majumder, Naik, Cambria and Mihalcea, MELD: A Multimodal "
    "Multi-Party Dataset for Emotion Recognition in Conversations, ACL 2019",
    labels=tuple(_LABELS.values()),
    layout="train_sent_emo.csv",
    expected=9989 + 1109 + 2610,
)

_Key = tuple[str, str, str]


def read(root: Path) -> Corpus:
    """Read MELD.

    The session is the dialogue, as in `s08e21/train-dia0`; dialogues are numbered within a split.
    The times in the tables refer to the episode, not to a clip, and are not read.

    Args:
        root: The folder that holds the tables and any clips, at any depth.

    Returns:
        The corpus, in the order of the tables. Without clips, all utterances are text only;
        otherwise an oddity counts those without a clip.

    Raises:
        CorpusError: The folder is missing or holds no utterance.
    """
    clips = _clips(root)
    silent: list[str] = []

    def parse(row: Mapping[str, str], split: str) -> Utterance:
        emotion = row["Emotion"].lower()
        if emotion not in _LABELS:
            raise OddFileError(
                f"unknown emotion {shown(emotion, 80)}, expected {', '.join(_LABELS)}"
            )
        dialogue, number = row["Dialogue_ID"], row["Utterance_ID"]
        audio = clips.get((split, dialogue, number))
        if audio is None:
            silent.append(f"dia{dialogue}_utt{number} of {split}")
        return Utterance(
            audio,
            _LABELS[emotion],
            row["Speaker"],
            "meld",
            session=session_of(row["Season"], row["Episode"], f"{split}-dia{dialogue}"),
            text=row["Utterance"],
            split=split,
        )

    corpus = read_splits(root, INFO, "{split}_sent_emo.csv", _COLUMNS, parse)
    if not clips or not silent:
        return corpus
    odd = Oddity(root, f"no clip of {len(silent)} utterances, the first {silent[0]}")
    return replace(corpus, oddities=(*corpus.oddities, odd))


def _clips(root: Path) -> dict[_Key, Path]:
    """The clips by split, dialogue and utterance."""
    found: dict[_Key, Path] = {}
    for path in files_below(root) if root.is_dir() else ():
        match = _CLIP.fullmatch(path.stem)
        suffix = path.suffix.lower()
        if not match or suffix not in SUFFIXES:
            continue
        folders = "/".join(path.relative_to(root).parts[:-1]).lower()
        split = next((split for split in SPLITS if split in folders), None)
        if split is None:
            continue
        try:
            require_clip(path, root)
        except OddFileError:
            continue  # counted among the utterances without a clip
        key = (split, match[1], match[2])
        known = found.get(key)
        if known is None or _rank(path) < _rank(known):
            found[key] = path
    return found


def _rank(path: Path) -> int:
    return SUFFIXES.index(path.suffix.lower())
