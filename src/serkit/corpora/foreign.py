"""What the readers of databases in other projects' formats share."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from serkit.errors import MissingExtraError

# The nouns and abbreviations that such databases use, by the project's words.
_WORDS = {
    "angry": ("anger", "ang"),
    "happy": ("happiness", "joy", "joyful", "hap"),
    "neutral": ("neu",),
    "sad": ("sadness",),
    "fearful": ("fear", "scared", "fea", "anxiety"),
    "disgusted": ("disgust", "dis"),
    "surprised": ("surprise", "pleasant surprise", "ps", "sur"),
    "calm": ("calmness",),
    "bored": ("boredom",),
    "excited": ("excitement", "exc"),
    "frustrated": ("frustration", "fru"),
}
_NAMES = {name: word for word, names in _WORDS.items() for name in names}


def in_our_words(name: str) -> str:
    """The project's word for an emotion that another project named.

    Args:
        name: For instance `Anger`, `joy` or `pleasant_surprise`.

    Returns:
        The word; a name not known here in lower case.
    """
    plain = name.strip().lower()
    return _NAMES.get(plain.replace("_", " ").replace("-", " "), plain)


def optional(module: str, purpose: str, *, extra: str | None = None) -> Any:
    """Import a module that comes with an extra.

    Args:
        module: The module.
        purpose: What needs it, for the message.
        extra: The extra that installs it, if not of the module's name.

    Returns:
        The module.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtraError(package, extra or package, purpose) from error
