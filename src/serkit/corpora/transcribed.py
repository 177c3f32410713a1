"""Corpora of transcribed speech without emotions: LibriSpeech, Common Voice, and a table of texts.

- LibriSpeech (Panayotov et al., 2015; https://www.openslr.org/12):
  `test-clean/1089/134686/1089-134686.trans.txt` with lines `1089-134686-0000 THE TEXT`, the clips
  beside it as `1089-134686-0000.flac`;
- Common Voice (Ardila et al., 2020; https://commonvoice.mozilla.org): `en/test.tsv` with the
  columns client_id, path and sentence, the clips as `en/clips/common_voice_en_1.mp3`;
- `transcripts.tsv` with the columns file, speaker and text, the clips in the same folder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from serkit.audio import SUFFIXES
from serkit.corpora.clips import OddFileError, require_clip
from serkit.corpora.tables import content_of, decoded, rows_of
from serkit.corpora.utterances import Oddity
from serkit.errors import CorpusError
from serkit.files import lies_within
from serkit.text import shown

_LINE = re.compile(r"(\d+)-(\d+)-\d+")


@dataclass(frozen=True, slots=True)
class TranscribedClip:
    """A recording and its transcript.

    Attributes:
        audio: The audio file.
        text: Transcript.
        speaker: Name of the speaker, unique within the corpus.
    """

    audio: Path
    text: str
    speaker: str


@dataclass(frozen=True, slots=True)
class TranscribedCorpus:
    """A corpus of transcribed speech read from disk.

    Attributes:
        name: Name of its layout.
        title: Published title.
        language: Code of the language spoken, such as `en`.
        clips: The clips, in a fixed order.
        oddities: What the reader skipped.
    """

    name: str
    title: str
    language: str
    clips: tuple[TranscribedClip, ...]
    oddities: tuple[Oddity, ...] = ()


def load_transcribed(spec: str) -> TranscribedCorpus:
    """Read a corpus of transcribed speech.

    Args:
        spec: `librispeech=PATH`, any folder of the corpus; `common_voice=PATH`, the folder of a
            language, of which the test part is read; or `transcribed=PATH`.

    Raises:
        CorpusError: The spec is malformed, or there is no transcribed clip.
    """
    name, _, path = spec.partition("=")
    if name not in _READERS or not path.strip():
        raise CorpusError(
            f"transcribed speech is {shown(spec)}; expected "
            + ", ".join(f"{known}=PATH" for known in _READERS)
        )
    title, language, clips_of = _READERS[name]
    root = Path(path).expanduser()
    if not root.is_dir():
        raise CorpusError(f"{root} is not a folder; expected that of {title}")
    oddities: list[Oddity] = []
    clips = tuple(clips_of(root, oddities))
    if not clips:
        first = [f"; the first oddity is {odd.path}: {odd.problem}" for odd in oddities[:1]]
        raise CorpusError(f"{root} holds no transcribed clip of {title}{''.join(first)}")
    return TranscribedCorpus(name, title, language or root.name, clips, tuple(oddities))


def _librispeech(root: Path, oddities: list[Oddity]) -> Iterator[TranscribedClip]:
    for path in sorted(root.rglob("*.trans.txt")):
        try:
            lines = decoded(content_of(path, root)).splitlines()
        except OSError as error:
            oddities.append(Oddity(path, f"cannot be read: {error.strerror}"))
            continue
        for number, line in enumerate(lines, 1):
            name, _, text = line.strip().partition(" ")
            match = _LINE.fullmatch(name)
            if match is None or not text:
                oddities.append(
                    Oddity(path, f"line {number}: not like 1089-134686-0000 TEXT; skipped")
                )
                continue
            audio = path.parent / f"{name}.flac"
            yield from _clip(audio, text, match[1], root, oddities)


def _common_voice(root: Path, oddities: list[Oddity]) -> Iterator[TranscribedClip]:
    columns = ("client_id", "path", "sentence")
    for _, row in rows_of(root / "test.tsv", root, columns, oddities, tabs=True):
        audio = root / "clips" / row["path"]
        yield from _clip(audio, row["sentence"], row["client_id"], root, oddities)


def _listed(root: Path, oddities: list[Oddity]) -> Iterator[TranscribedClip]:
    columns = ("file", "speaker", "text")
    for _, row in rows_of(root / "transcripts.tsv", root, columns, oddities, tabs=True):
        yield from _clip(root / row["file"], row["text"], row["speaker"], root, oddities)


_READERS: dict[
    str, tuple[str, str | None, Callable[[Path, list[Oddity]], Iterator[TranscribedClip]]]
] = {
    "librispeech": ("LibriSpeech", "en", _librispeech),
    "common_voice": ("Common Voice", None, _common_voice),  # the folder has the language's name
    "transcribed": ("clips listed in transcripts.tsv", "en", _listed),
}


def _clip(
    audio: Path, text: str, speaker: str, root: Path, oddities: list[Oddity]
) -> Iterator[TranscribedClip]:
    """The clip, if it may be opened."""
    try:
        if audio.suffix.lower() not in SUFFIXES:
            raise OddFileError(f"not one of {', '.join(SUFFIXES)}; skipped")
        if not lies_within(audio, root):
            raise OddFileError("is outside the corpus's folder; skipped")
        require_clip(audio, root)
    except OddFileError as odd:
        oddities.append(Oddity(audio, str(odd)))
    else:
        if text.strip():
            yield TranscribedClip(audio, text.strip(), speaker)
