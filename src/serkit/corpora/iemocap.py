"""IEMOCAP, as released: evaluations, sentence files and transcripts by session.

- `SessionN/dialog/EmoEvaluation/Ses01F_impro01.txt`: one line per utterance,
  `[1.2500 - 2.5000]<tab>Ses01F_impro01_F000<tab>neu<tab>[2.5000, 2.5000, 2.5000]`, with the raters'
  majority label, or `xxx` without a majority, and the mean ratings of valence, activation and
  dominance from 1 to 5;
- `SessionN/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav`;
- `SessionN/dialog/transcriptions/Ses01F_impro01.txt`: one line per utterance,
  `Ses01F_impro01_F000 [001.2500-002.5000]: The transcript.`

7532 of 10039 utterances have a majority label. Papers on speech use four classes, with excited
merged into happy (5531 utterances); papers on conversations use six (7380 in these files; 7433 in
some feature sets, which have 53 more labelled happy).

(Busso et al., 2008; https://sail.usc.edu/iemocap/)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from serkit.audio import SUFFIXES
from serkit.corpora.assembly import assemble, existing_folder
from serkit.corpora.emotions import merge
from serkit.corpora.tables import content_of, decoded
from serkit.corpora.utterances import Corpus, CorpusInfo, Oddity, Utterance
from serkit.files import lies_within

_LABELS = {
    "ang": "angry",
    "hap": "happy",
    "neu": "neutral",
    "sad": "sad",
    "fea": "fearful",
    "dis": "disgusted",
    "sur": "surprised",
    "exc": "excited",
    "fru": "frustrated",
    "oth": "other",
}
_NO_MAJORITY = "xxx"
_COUNTS = {
    "angry": 1103,
    "happy": 595,
    "neutral": 1708,
    "sad": 1084,
    "fearful": 40,
    "disgusted": 2,
    "surprised": 107,
    "excited": 1041,
    "frustrated": 1849,
    "other": 3,
}
_EVALUATION = re.compile(
    r"\[[\d.]+ *- *[\d.]+\]\s+((Ses\d\d)[FM]_\w{1,40}_([FM])\w{0,15}\d)\s+([a-z]{3})\s+\[(.*)\]"
)
_RATED = ("valence", "arousal", "dominance")
_MAX_CHARACTERS = 2000
_TRANSCRIPT = re.compile(r"(Ses\d\d[FM]_\w+) \[[^\]]*\]: ?(.*)")

INFO = CorpusInfo(
    name="iemocap",
    title="IEMOCAP",
    language="English",
    licence="IEMOCAP data release agreement, research only",
    commercial_use=False,
    url="https://sail.usc.edu/iemocap/",
    citation="Busso, Bulut, Lee, Kazemzadeh, Mower, Kim, Chang, Lee and Narayanan, IEMOCAP: "
    "interactive emotional dyadic motion capture database, Language Resources and Evaluation "
    "42, 2008",
    labels=tuple(_COUNTS),
    layout="Session1/dialog/EmoEvaluation/Ses01F_impro01.txt",
    expected=sum(_COUNTS.values()),
    speakers=dict.fromkeys(f"Ses{session:02d}{sex}" for session in range(1, 6) for sex in "FM"),
    label_counts=_COUNTS,
)


def _selection(name: str, title: str, counts: dict[str, int]) -> CorpusInfo:
    return replace(
        INFO,
        name=name,
        title=title,
        labels=tuple(counts),
        expected=sum(counts.values()),
        label_counts=counts,
    )


INFO_4CLASS = _selection(
    "iemocap_4class",
    "IEMOCAP, four classes with excited as happy",
    {"angry": 1103, "happy": 595 + 1041, "neutral": 1708, "sad": 1084},
)
INFO_6CLASS = _selection(
    "iemocap_6class",
    "IEMOCAP, six classes",
    {
        label: _COUNTS[label]
        for label in ("angry", "happy", "neutral", "sad", "excited", "frustrated")
    },
)


def read(root: Path) -> Corpus:
    """Read every utterance with a majority label.

    The session is `Ses01` to `Ses05`. The speaker is the session with F or M for the person who
    speaks (the letter in the dialogue's name is that of the person wearing the markers).

    Args:
        root: The folder that holds `Session1` to `Session5`.

    Returns:
        The corpus, with utterances without a sentence file and unknown lines as oddities.

    Raises:
        CorpusError: The folder is missing or holds no evaluation.
    """
    return _read(root, INFO)


def read_4class(root: Path) -> Corpus:
    """Read angry, happy merged with excited, neutral and sad; otherwise as `read`."""
    return _read(root, INFO_4CLASS, {"excited": "happy"})


def read_6class(root: Path) -> Corpus:
    """Read the six most frequent emotions; otherwise as `read`."""
    return _read(root, INFO_6CLASS)


def _read(root: Path, info: CorpusInfo, merges: dict[str, str] | None = None) -> Corpus:
    utterances: dict[str, Utterance] = {}
    oddities: list[Oddity] = []
    for session in sorted(existing_folder(root, info).glob("Session[1-5]")):
        texts = {
            match[1]: match[2].strip()
            for path in _documents(session / "dialog" / "transcriptions")
            for _, line in _lines(path, root, oddities)
            if (match := _TRANSCRIPT.fullmatch(line))
        }
        for path in _documents(session / "dialog" / "EmoEvaluation"):
            for name, utterance in _evaluated(path, root, session, texts, oddities):
                if name in utterances:
                    oddities.append(Oddity(path, f"{name} a second time; skipped"))
                else:
                    utterances[name] = utterance
    merged = merge(utterances.values(), merges or {})
    chosen = [utterance for utterance in merged if utterance.label in info.labels]
    return assemble(info, root, chosen, oddities)


def _documents(folder: Path) -> list[Path]:
    # The release holds hidden files of a file manager, such as ._Ses01F_impro01.txt.
    return sorted(path for path in folder.glob("*.txt") if not path.name.startswith("."))


def _lines(path: Path, root: Path, oddities: list[Oddity]) -> Iterator[tuple[int, str]]:
    """Numbered lines of a document, without lines longer than any of the release."""
    try:
        text = decoded(content_of(path, root))
    except OSError as error:
        oddities.append(Oddity(path, f"cannot be read: {error.strerror}"))
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if len(line) > _MAX_CHARACTERS:
            oddities.append(Oddity(path, f"line {number} has {len(line)} characters; skipped"))
        else:
            yield number, line


def _evaluated(
    path: Path, root: Path, session: Path, texts: dict[str, str], oddities: list[Oddity]
) -> Iterator[tuple[str, Utterance]]:
    """Utterances of one evaluation file with a majority label and a sentence file."""
    for number, line in _lines(path, root, oddities):
        if not line.startswith("["):
            continue
        match = _EVALUATION.fullmatch(line.strip())
        if not match:
            oddities.append(Oddity(path, f"line {number} is not an evaluation; skipped"))
            continue
        name, ses, sex, code, ratings = match.groups()
        if code == _NO_MAJORITY:
            continue
        if code not in _LABELS:
            problem = f"line {number}: unknown emotion {code}; skipped"
            oddities.append(Oddity(path, problem))
            continue
        audio = _sentence(root, session, name)
        if audio is None:
            problem = f"line {number}: no sentence file of {name}; skipped"
            oddities.append(Oddity(path, problem))
            continue
        speaker = f"{ses}{sex}"
        text = texts.get(name)
        yield (
            name,
            Utterance(
                audio,
                _LABELS[code],
                speaker,
                "iemocap",
                session=ses,
                text=text,
                ratings=_ratings(ratings),
            ),
        )


def _ratings(text: str) -> dict[str, float]:
    """Ratings from 1 to 5 as -1 to 1; those outside, of which the release has a few, are none."""
    cells = text.split(",")
    if len(cells) != len(_RATED):
        return {}
    ratings = {}
    for name, cell in zip(_RATED, cells, strict=True):
        try:
            value = (float(cell) - 3.0) / 2.0
        except ValueError:
            continue
        if -1.0 <= value <= 1.0:
            ratings[name] = value
    return ratings


def _sentence(root: Path, session: Path, name: str) -> Path | None:
    folder = session / "sentences" / "wav" / name.rpartition("_")[0]
    files = (folder / f"{name}{suffix}" for suffix in SUFFIXES)
    return next((file for file in files if file.is_file() and lies_within(file, root)), None)
