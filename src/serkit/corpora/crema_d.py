"""CREMA-D: `AudioWAV/1001_DFA_ANG_XX.wav`, and the votes in `processedResults/summaryTable.csv`.

The name holds actor, sentence, intended emotion and intended level. The table gives, by `FileName`,
the emotion that most raters heard (`VoiceVote`): one letter, or several with colons for a tie; and
its mean intensity from 0 to 100 (`VoiceLevel`), one number for each letter (Cao et al., 2014;
https://github.com/CheyneyComputerScience/CREMA-D).

The raters did not rate arousal and valence. The `ratings` of an utterance are derived: the places
of the emotions heard in the circumplex (see `serkit.circumplex`), each times its intensity over
100, averaged over a tie. A clip in which most raters heard disgust, or a tie with it, has none,
since disgust has no place in Russell's scaling.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from serkit.circumplex import place
from serkit.corpora.assembly import existing_folder
from serkit.corpora.clips import OddFileError, read_clips
from serkit.corpora.tables import rows_of
from serkit.corpora.utterances import Corpus, CorpusInfo, Oddity, Utterance
from serkit.errors import CorpusError
from serkit.text import shown

_LABELS = {
    "ANG": "angry",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
    "FEA": "fearful",
    "DIS": "disgusted",
}
_VOTES = {code[0]: label for code, label in _LABELS.items()}
_TEXTS = {
    "IEO": "It's eleven o'clock",
    "TIE": "That is exactly what happened",
    "IOM": "I'm on my way to the meeting",
    "IWW": "I wonder what this is about",
    "TAI": "The airplane is almost full",
    "MTI": "Maybe tomorrow it will be cold",
    "IWL": "I would like a new alarm clock",
    "ITH": "I think I have a doctor's appointment",
    "DFA": "Don't forget a jacket",
    "ITS": "I think I've seen this before",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
# One published file has the level X: 1040_ITH_SAD_X.wav.
_NAME = re.compile(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_(?:LO|MD|HI|XX?)")
_TABLE = Path("processedResults", "summaryTable.csv")

INFO = CorpusInfo(
    name="crema_d",
    title="CREMA-D, intended emotions",
    language="English",
    licence="Open Database License 1.0",
    commercial_use=True,
    url="https://github.com/CheyneyComputerScience/CREMA-D",
    citation="Cao, Cooper, Keutmann, Gur, Nenkova and Verma, CREMA-D: Crowd-sourced Emotional "
    "Multimodal Actors Dataset, IEEE Transactions on Affective Computing 5(4), 2014",
    labels=tuple(_LABELS.values()),
    layout="AudioWAV/1001_DFA_ANG_XX.wav",
    expected=7442,
    speakers=dict.fromkeys(str(actor) for actor in range(1001, 1092)),
    label_counts={label: 1087 if label == "neutral" else 1271 for label in _LABELS.values()},
)
INFO_RATED = replace(
    INFO,
    name="crema_d_rated",
    title="CREMA-D, emotions heard by the raters",
    expected=None,
    label_counts={},
)


def _utterance(path: Path) -> Utterance:
    match = _NAME.fullmatch(path.stem)
    if not match:
        raise OddFileError("not named like 1001_DFA_ANG_XX; skipped")
    speaker, sentence, emotion = match.groups()
    if speaker not in INFO.speakers:
        raise OddFileError(f"unknown actor {speaker}, expected 1001 to 1091; skipped")
    if sentence not in _TEXTS:
        raise OddFileError(f"unknown sentence {sentence}, expected {', '.join(_TEXTS)}; skipped")
    if emotion not in _LABELS:
        raise OddFileError(f"unknown emotion {emotion}, expected {', '.join(_LABELS)}; skipped")
    return Utterance(path, _LABELS[emotion], speaker, "crema_d", text=_TEXTS[sentence])


@dataclass(frozen=True, slots=True)
class _Heard:
    """What the raters heard in a clip.

    Attributes:
        votes: Letters of the emotions that most of them heard.
        ratings: Arousal and valence; empty if an emotion has no place, or a level is missing.
    """

    votes: tuple[str, ...]
    ratings: dict[str, float]


def read(root: Path) -> Corpus:
    """Read CREMA-D with the emotions that the actors intended.

    Args:
        root: The folder that holds `AudioWAV`, or the clips themselves; ratings need
            `processedResults` too.

    Returns:
        The corpus, with foreign files and odd rows of votes as oddities.

    Raises:
        CorpusError: The folder is missing or holds no clip.
    """
    table = existing_folder(root, INFO) / _TABLE
    oddities: list[Oddity] = []
    heard = _votes(table, root, oddities) if table.is_file() else {}

    def parse(path: Path) -> Utterance:
        utterance = _utterance(path)
        found = heard.get(path.stem)
        return replace(utterance, ratings=found.ratings) if found else utterance

    corpus = read_clips(root, INFO, parse, within="AudioWAV")
    return replace(corpus, oddities=(*oddities, *corpus.oddities))


def read_rated(root: Path) -> Corpus:
    """Read CREMA-D with the emotions that most raters heard in the voice alone.

    Clips without a vote, or with a tie, are left out; one oddity counts them.

    Args:
        root: The folder that holds `AudioWAV` and `processedResults`.

    Returns:
        The corpus.

    Raises:
        CorpusError: The folder or the table is missing, or there is no clip with a vote.
    """
    table = existing_folder(root, INFO_RATED) / _TABLE
    if not table.is_file():
        raise CorpusError(
            f"{table} does not exist; expected the published table of votes (get it from "
            f"{INFO.url}), or read {INFO.name} for the intended emotions"
        )
    oddities: list[Oddity] = []
    heard = _votes(table, root, oddities)
    left_out: list[str] = []

    def parse(path: Path) -> Utterance | None:
        utterance = _utterance(path)
        found = heard.get(path.stem)
        if found is None or len(found.votes) > 1:
            left_out.append(path.name)
            return None
        return replace(utterance, label=_VOTES[found.votes[0]], ratings=found.ratings)

    corpus = read_clips(root, INFO_RATED, parse, within="AudioWAV")
    if left_out:
        problem = f"no single vote for {len(left_out)} clips, the first {left_out[0]}; left out"
        oddities.append(Oddity(table, problem))
    return replace(corpus, oddities=(*oddities, *corpus.oddities))


def _votes(table: Path, root: Path, oddities: list[Oddity]) -> dict[str, _Heard]:
    """What the raters heard, by the stem of a clip."""
    heard = {}
    for line, row in rows_of(table, root, ("FileName", "VoiceVote", "VoiceLevel"), oddities):
        vote, level = row["VoiceVote"], row["VoiceLevel"]
        votes = tuple(vote.split(":"))
        if not all(letter in _VOTES for letter in votes):
            oddities.append(Oddity(table, f"line {line}: unknown vote {shown(vote, 80)}; skipped"))
            continue
        levels = _levels(level, len(votes))
        if not levels:
            problem = (
                f"line {line}: level {shown(level, 80)}; expected {len(votes)} from 0 to 100; "
                "no ratings"
            )
            oddities.append(Oddity(table, problem))
        heard[row["FileName"]] = _Heard(votes, _ratings(votes, levels))
    return heard


def _levels(text: str, n: int) -> list[float]:
    """Intensities from 0 to 1; empty if they are not n numbers."""
    try:
        levels = [float(part) / 100.0 for part in text.split(":")]
    except ValueError:
        return []
    return levels if len(levels) == n and all(0.0 <= level <= 1.0 for level in levels) else []


def _ratings(votes: Sequence[str], levels: Sequence[float]) -> dict[str, float]:
    places = [place(_VOTES[letter]) for letter in votes]
    placed = [where for where in places if where is not None]
    if not levels or len(placed) < len(places):
        return {}
    arousal, valence = (
        sum(level * where[axis] for level, where in zip(levels, placed, strict=True)) / len(placed)
        for axis in (0, 1)
    )
    return {"arousal": arousal, "valence": valence}
