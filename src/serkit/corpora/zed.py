"""The Zaion Emotion Dataset (ZED): `ZED.json` and the recordings it names.

`ZED.json` is an object by name of a recording, as SpeechBrain's recipe reads it:
`{"spk1_1": {"wav": "datafolder/spk1/1.wav", "duration": 6.5, "emotion": [{"emo": "angry", "start":
1.016, "end": 6.336}], "transcription": "..."}}`. `datafolder` stands for the folder of the corpus.
Of a recording, what has no emotion is neutral; every stretch is an utterance here.

The layout is that of the recipe `recipes/ZaionEmotionDataset` of speechbrain/speechbrain; the
reader has not been tested on the data themselves. The speaker is what precedes the last underscore
of a name, as in the example of SpeechBrain's documentation, which is an assumption.

(Wang et al., 2023; https://arxiv.org/abs/2306.12991)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from serkit.audio import SUFFIXES
from serkit.corpora.assembly import assemble, existing_folder
from serkit.corpora.clips import OddFileError, require_clip
from serkit.corpora.tables import content_of
from serkit.corpora.utterances import Corpus, CorpusInfo, Oddity, Utterance
from serkit.errors import CorpusError
from serkit.files import lies_within
from serkit.plain import from_json
from serkit.text import one_line, shown

RECORDINGS = 180
"""Recordings of the complete corpus."""

_TABLE = "ZED.json"
_FOLDER = "datafolder/"
# The recipe tells emotions apart by their first letter.
_LABELS = {"a": "angry", "h": "happy", "n": "neutral", "s": "sad"}
_LONGEST_S = 3600.0
_MOST_EMOTIONS = 100
_MAX_CHARACTERS = 200

INFO = CorpusInfo(
    name="zed",
    title="Zaion Emotion Dataset",
    language="English",
    licence="not stated in the sources known to us; see its page",
    commercial_use=False,
    url="https://zaion.ai/en/resources/zaion-lab-blog/zaion-emotion-dataset/",
    citation="Wang, Ravanelli, Nfissi and Yacoubi, Speech Emotion Diarization: Which Emotion "
    "Appears When?, 2023",
    labels=("angry", "happy", "neutral", "sad"),
    layout=_TABLE,
)


def read(root: Path) -> Corpus:
    """Read ZED, with an utterance for every stretch of one emotion.

    The session of an utterance is the name of its recording.

    Args:
        root: The folder that holds `ZED.json` and the recordings, as `.wav` or another format.

    Returns:
        The corpus, in the order of the file. Recordings that are missing or outside the folder,
        times that are out of order and unknown emotions are oddities.

    Raises:
        CorpusError: The folder or the file is missing, it is not such a file, or there is no
            utterance.
    """
    path = existing_folder(root, INFO) / _TABLE
    try:
        entries = from_json(content_of(path, root))
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CorpusError(f"{path} is {one_line(error)}") from error
    if not isinstance(entries, dict):
        raise CorpusError(
            f"{path} is a {type(entries).__name__}; expected an object by name of recording"
        )
    utterances: list[Utterance] = []
    oddities: list[Oddity] = []
    known: dict[Path, str] = {}
    for name, entry in entries.items():
        try:
            of_recording = list(_utterances(root, name, entry))
            audio = of_recording[0].audio
            if audio is not None and known.setdefault(audio, name) != name:
                raise OddFileError(f"is the recording of {shown(known[audio], 80)}, too")
        except OddFileError as odd:
            oddities.append(Oddity(path, f"{shown(name, 80)} {odd}; skipped"))
        else:
            utterances += of_recording
    if 0 < len(known) != RECORDINGS:
        oddities.append(
            Oddity(root, f"{len(known)} recordings; the complete corpus has {RECORDINGS}")
        )
    return assemble(INFO, root, utterances, oddities)


def _utterances(root: Path, name: str, entry: Any) -> Iterator[Utterance]:
    if not isinstance(entry, dict):
        raise OddFileError(f"is {shown(entry, 80)}; expected an object")
    if not name or len(name) > _MAX_CHARACTERS:
        raise OddFileError(f"has a name of {len(name)} characters; expected 1 to {_MAX_CHARACTERS}")
    audio = _audio(root, entry.get("wav"))
    text = entry.get("transcription")
    speaker = name.rpartition("_")[0] or name
    for start_s, end_s, label in _stretches(entry):
        yield Utterance(
            audio,
            label,
            speaker,
            "zed",
            session=name,
            text=text if isinstance(text, str) else None,
            start_s=start_s,
            end_s=end_s,
        )


def _audio(root: Path, named: Any) -> Path:
    """The recording of a path in the file, in the named format or another."""
    if not isinstance(named, str):
        raise OddFileError(f"has {shown(named, 80)} as wav; expected the path of a recording")
    path = root / named.removeprefix(_FOLDER)
    if not lies_within(path, root):
        raise OddFileError(f"names {shown(named, 80)}, outside the corpus's folder")
    try:
        files = [path, *(path.with_suffix(suffix) for suffix in SUFFIXES)]
        known = [file for file in files if file.suffix.lower() in SUFFIXES]
        found = next(file for file in known if lies_within(file, root) and file.exists())
        require_clip(found, root)
    except (OSError, StopIteration, ValueError):  # ValueError and OSError: an invalid name
        raise OddFileError(f"names {shown(named, 80)}, which does not exist") from None
    except OddFileError as odd:
        raise OddFileError(
            f"names {shown(named, 80)}, which {odd}".removesuffix("; skipped")
        ) from None
    return found


def _stretches(entry: dict[str, Any]) -> Iterator[tuple[float, float | None, str]]:
    """Stretches of one emotion in order, neutral ones included; the last ends with the file."""
    duration_s = _seconds(entry.get("duration"), "duration")
    emotions = entry.get("emotion")
    if not isinstance(emotions, list) or not 1 <= len(emotions) <= _MOST_EMOTIONS:
        raise OddFileError(
            f"has {shown(emotions, 80)} as emotion; expected a list of 1 to {_MOST_EMOTIONS}"
        )
    at_s = 0.0
    for emotion in emotions:
        if not isinstance(emotion, dict):
            raise OddFileError(f"has the emotion {shown(emotion, 80)}; expected an object")
        start_s, end_s = (_seconds(emotion.get(key), key) for key in ("start", "end"))
        if not at_s <= start_s < end_s <= duration_s:
            raise OddFileError(
                f"has an emotion from {start_s:g} to {end_s:g} s; expected times in order, at most "
                f"its duration of {duration_s:g} s"
            )
        code = emotion.get("emo")
        if not isinstance(code, str) or code not in (*_LABELS, *_LABELS.values()):
            known = ", ".join(_LABELS.values())
            raise OddFileError(f"has the emotion {shown(code, 80)}; expected {known}")
        if start_s > at_s:
            yield at_s, start_s, "neutral"
        yield start_s, None if end_s == duration_s else end_s, _LABELS[code[0]]
        at_s = end_s
    if at_s < duration_s:
        yield at_s, None, "neutral"


def _seconds(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise OddFileError(f"has {shown(value, 80)} as {what}; expected seconds")
    if not (math.isfinite(value) and 0.0 <= value <= _LONGEST_S):
        raise OddFileError(f"has {value:g} as {what}; expected 0 to {_LONGEST_S:g} s")
    return float(value)
