"""Readers of corpora on disk: audio, text, label, speaker and session of every utterance."""

from serkit.corpora.emotions import ADDED_EMOTIONS, EMOTIONS, merge
from serkit.corpora.foreign import label_of
from serkit.corpora.friends import episode
from serkit.corpora.manifest import read as read_manifest
from serkit.corpora.registry import (
    ROOT_VARIABLE,
    base_name,
    files_of,
    load,
    load_labelled,
    names,
    published_in,
)
from serkit.corpora.stretches import Stretch, pieces
from serkit.corpora.survey import Stats, Survey, audio_files, count, inspect
from serkit.corpora.texts import as_texts, dialogues, text_hash, text_key, without_tested
from serkit.corpora.transcribed import TranscribedClip, TranscribedCorpus, load_transcribed
from serkit.corpora.utterances import Corpus, CorpusInfo, Oddity, Utterance

__all__ = [
    "ADDED_EMOTIONS",
    "EMOTIONS",
    "ROOT_VARIABLE",
    "Corpus",
    "CorpusInfo",
    "Oddity",
    "Stats",
    "Stretch",
    "Survey",
    "TranscribedClip",
    "TranscribedCorpus",
    "Utterance",
    "as_texts",
    "audio_files",
    "base_name",
    "count",
    "dialogues",
    "episode",
    "files_of",
    "inspect",
    "label_of",
    "load",
    "load_labelled",
    "load_transcribed",
    "merge",
    "names",
    "pieces",
    "published_in",
    "read_manifest",
    "text_hash",
    "text_key",
    "without_tested",
]
