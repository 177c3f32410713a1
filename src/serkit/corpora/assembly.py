"""Assembly of a `Corpus`, with the checks for emptiness and completeness that readers share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from serkit.corpora.utterances import Corpus, CorpusInfo, Oddity, Utterance
from serkit.errors import CorpusError

_SHOWN = 8


def existing_folder(root: Path, info: CorpusInfo) -> Path:
    """The folder of a corpus, checked to exist.

    Raises:
        CorpusError: There is no such folder.
    """
    if not root.is_dir():
        problem = "is not a folder" if root.exists() else "does not exist"
        raise CorpusError(
            f"{root} {problem}; expected the folder of {info.title}, which holds {info.layout} "
            f"(get it from {info.url})"
        )
    return root


def assemble(
    info: CorpusInfo,
    root: Path,
    utterances: Sequence[Utterance],
    oddities: Iterable[Oddity] = (),
) -> Corpus:
    """Make a corpus, with an oddity that names what is missing from it.

    Args:
        info: Description of the corpus.
        root: Its folder.
        utterances: The utterances, in order.
        oddities: What the reader skipped.

    Returns:
        The corpus.

    Raises:
        CorpusError: There is no utterance.
    """
    odd = list(oddities)
    if not utterances:
        first = f"; the first oddity is {odd[0].path}: {odd[0].problem}" if odd else ""
        raise CorpusError(
            f"{root} holds no utterance of {info.title}; expected files like {info.layout}{first}"
        )
    missing = what_is_missing(info, utterances)
    if missing:
        odd.append(Oddity(root, missing))
    return Corpus(info.name, root, tuple(utterances), tuple(odd), info)


def what_is_missing(info: CorpusInfo, utterances: Sequence[Utterance]) -> str | None:
    """Compare the numbers of utterances per speaker and label with the complete corpus.

    Args:
        info: Description of the corpus.
        utterances: The utterances read.

    Returns:
        One line about the differences; None if the total is right or open.
    """
    if info.expected is None or len(utterances) == info.expected:
        return None
    speakers = Counter(utterance.speaker for utterance in utterances)
    labels = Counter(utterance.label for utterance in utterances)
    details = [
        *_differences("speaker", info.speakers, speakers),
        *_differences("label", info.label_counts, labels),
    ]
    unseen = [label for label in info.labels if label not in {*labels, *info.label_counts}]
    if unseen:
        details.append(f"no utterance is {' or '.join(unseen)}")
    totals = f"{len(utterances)} utterances; the complete corpus has {info.expected}"
    return f"{totals}: {'; '.join(details)}" if details else totals


def _differences(
    what: str, expected: Mapping[str, int | None], found: Mapping[str, int]
) -> list[str]:
    """Speakers or labels with too few or too many utterances, in words."""
    details = []
    for name, number in expected.items():
        seen = found.get(name, 0)
        if not seen:
            details.append(f"{what} {name} is missing")
        elif number is not None and seen < number:
            details.append(f"{what} {name} lacks {number - seen} of {number}")
        elif number is not None and seen > number:
            details.append(f"{what} {name} has {seen - number} too many")
    if len(details) > _SHOWN:
        details[_SHOWN:] = [f"{len(details) - _SHOWN} more {what}s differ"]
    return details
