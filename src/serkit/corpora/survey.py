"""Counts of a corpus, and an inspection of all its files."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE, ContentHash, stream
from serkit.corpora.emotions import ADDED_EMOTIONS, EMOTIONS, in_order
from serkit.corpora.stretches import Stretch, overlapping, pieces
from serkit.corpora.utterances import Corpus, Oddity, Utterance
from serkit.errors import AudioError
from serkit.files import open_file

SILENCE_PEAK = 1e-4
"""Peak below which a recording is silent (-80 dB of full scale)."""

MAX_OVERLAPPING = 8
"""Largest number of overlapping utterances in a file; further ones are not inspected."""

# libsndfile's names of the containers that a suffix may stand for.
_CONTAINERS = {
    ".wav": ("WAV", "WAVEX", "RF64", "W64"),
    ".flac": ("FLAC",),
    ".ogg": ("OGG",),
    ".opus": ("OGG",),
    ".mp3": ("MP3",),
    ".aif": ("AIFF",),
    ".aiff": ("AIFF",),
}


@dataclass(frozen=True, slots=True)
class Stats:
    """Numbers of utterances by speaker and label.

    Attributes:
        labels: The labels (columns), in the order of `in_order`.
        speakers: The speakers (rows), sorted by name.
        counts: `counts[i][j]` utterances of speaker i with label j.
        duration_s: Total duration in seconds; None if no file was opened.
    """

    labels: tuple[str, ...]
    speakers: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    duration_s: float | None = None

    @property
    def total(self) -> int:
        """Number of utterances."""
        return sum(map(sum, self.counts))


@dataclass(frozen=True, slots=True)
class Survey:
    """Result of an inspection.

    Attributes:
        stats: The counts, with the total duration of the readable audio.
        oddities: Oddities of the reader, then of the files in the order of the utterances.
    """

    stats: Stats
    oddities: tuple[Oddity, ...]


def count(utterances: Iterable[Utterance], duration_s: float | None = None) -> Stats:
    """Count utterances by speaker and label, without opening files.

    Args:
        utterances: The utterances.
        duration_s: Their total duration in seconds, if known.
    """
    cells = Counter((utterance.speaker, utterance.label) for utterance in utterances)
    labels = in_order(label for _, label in cells)
    speakers = tuple(sorted({speaker for speaker, _ in cells}))
    counts = tuple(tuple(cells[speaker, label] for label in labels) for speaker in speakers)
    return Stats(labels, speakers, counts, duration_s)


def audio_files(corpus: Corpus) -> tuple[Path, ...]:
    """The audio files of a corpus, each once, in the order of the utterances."""
    return tuple(dict.fromkeys(u.audio for u in corpus.utterances if u.audio is not None))


def inspect(
    corpus: Corpus,
    on_file: Callable[[], object] | None = None,
    on_samples: Callable[[int], object] | None = None,
) -> Survey:
    """Open every file of a corpus and report oddities.

    Oddities of files: not readable to the end; a container that contradicts the suffix; several
    channels; another sampling rate than most files; silence; the same samples as an earlier file.
    Oddities of utterances: beyond the end of the file; overlapping `MAX_OVERLAPPING` others; an
    unknown label. Each file is read once, block by block, in constant memory.

    Args:
        corpus: The corpus.
        on_file: Called after each file, to show progress.
        on_samples: Called with the number of samples read, to show progress in long files.
    """
    parts: defaultdict[Path, list[Utterance]] = defaultdict(list)
    for utterance in corpus.utterances:
        if utterance.audio is not None:
            parts[utterance.audio].append(utterance)
    problems: dict[Path, list[str]] = {}
    rates: dict[Path, int] = {}
    first: dict[str, Path] = {}
    duration_s = 0.0
    for path, utterances in parts.items():
        header = _header(path)
        found = problems[path] = [] if header is None else _header_problems(path, header)
        if header is not None:
            rates[path] = int(header.samplerate)
        try:
            n_samples, summaries = _summarise(path, utterances, on_samples)
        except AudioError as error:
            found.append(f"cannot be read: {error}")
        else:
            if header is None and path.suffix.lower() in _CONTAINERS:
                found.append(f"is another container than {path.suffix}")
            for utterance, summary in zip(utterances, summaries, strict=True):
                if summary is None:
                    continue
                duration_s += summary.n_samples / SAMPLE_RATE
                found += _stretch_problems(utterance, summary, n_samples)
                if summary.is_silent:
                    continue
                same = first.setdefault(summary.content.hexdigest(), path)
                if same != path:
                    found.append(f"sounds exactly like {_within(corpus.root, same)}")
            if None in summaries:
                found.append(
                    f"{summaries.count(None)} of its utterances overlap {MAX_OVERLAPPING} others; "
                    "they were not inspected"
                )
        if on_file:
            on_file()
    for path, problem in _odd_rates(rates):
        problems[path].append(problem)
    stats = count(corpus.utterances, duration_s if parts else None)
    for label in sorted(set(stats.labels) - {*EMOTIONS, *ADDED_EMOTIONS}):
        number = sum(utterance.label == label for utterance in corpus.utterances)
        problems.setdefault(corpus.root, []).append(
            f"{number} of its utterances have the unknown label {label!r}"
        )
    odd = tuple(Oddity(path, problem) for path in problems for problem in problems[path])
    return Survey(stats, corpus.oddities + odd)


def _header(path: Path) -> Any:
    """Libsndfile's header of a file; None for an unknown container."""
    import soundfile

    try:
        # Opened by descriptor, so that libsndfile never opens a name from a corpus.
        with open_file(path, buffered=False) as file:
            return soundfile.SoundFile(file.fileno(), closefd=False)
    except (soundfile.LibsndfileError, OSError, ValueError):
        return None


def _header_problems(path: Path, header: Any) -> list[str]:
    problems = []
    if header.format not in _CONTAINERS.get(path.suffix.lower(), (header.format,)):
        problems.append(f"holds {header.format}, though its name ends in {path.suffix}")
    if header.channels > 1:
        problems.append(f"has {header.channels} channels, expected 1")
    return problems


class _Summary:
    """Running summary of the samples of an utterance.

    Attributes:
        n_samples: Number of samples.
        peak: Largest magnitude.
        content: Hash of the samples.
    """

    __slots__ = ("content", "n_samples", "peak")

    def __init__(self) -> None:
        self.n_samples = 0
        self.peak = 0.0
        self.content = ContentHash()

    @property
    def is_silent(self) -> bool:
        return self.peak < SILENCE_PEAK

    def take(self, samples: NDArray[np.float32]) -> None:
        """Add the next samples."""
        self.n_samples += len(samples)
        self.peak = max(self.peak, float(np.max(np.abs(samples), initial=0.0)))
        self.content.update(samples)


def _summarise(
    path: Path, utterances: Sequence[Utterance], on_samples: Callable[[int], object] | None
) -> tuple[int, list[_Summary | None]]:
    """Length of a file in samples, and summaries of its utterances; None beyond the limit."""
    stretches = [Stretch.of(utterance) for utterance in utterances]
    left_out = overlapping(stretches, MAX_OVERLAPPING)
    summaries = [None if i in left_out else _Summary() for i in range(len(utterances))]
    places = [i for i in range(len(utterances)) if i not in left_out]
    n_samples = 0

    def blocks() -> Iterator[NDArray[np.float32]]:
        nonlocal n_samples
        for block in stream(path):
            n_samples += len(block)
            yield block
            if on_samples:
                on_samples(len(block))

    for i, piece in pieces(blocks(), [stretches[place] for place in places]):
        summary = summaries[places[i]]
        if summary is not None:
            summary.take(piece)
    return n_samples, summaries


def _stretch_problems(utterance: Utterance, summary: _Summary, n_samples: int) -> list[str]:
    problems = []
    last_s = utterance.end_s if utterance.end_s is not None else utterance.start_s or 0.0
    if round(last_s * SAMPLE_RATE) > n_samples:
        lasts_s = n_samples / SAMPLE_RATE
        problems.append(f"lasts {lasts_s:.3f} s, but an utterance goes to {last_s:g} s")
    elif summary.is_silent:
        problems.append("is silent")
    return problems


def _odd_rates(rates: Mapping[Path, int]) -> Iterator[tuple[Path, str]]:
    """Files whose sampling rate is not the most frequent one."""
    if rates:
        usual = Counter(rates.values()).most_common(1)[0][0]
        for path, rate in rates.items():
            if rate != usual:
                yield path, f"has {rate} Hz, where most files have {usual} Hz"


def _within(root: Path, path: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path
