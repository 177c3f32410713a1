"""Helpers for readers of databases in the formats of other projects."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from serkit.errors import MissingExtraError

# Names of emotions in such databases, by label.
_NAMES_OF = {
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
_LABEL_OF = {name: label for label, names in _NAMES_OF.items() for name in names}


def label_of(name: str) -> str:
    """The label for an emotion's name in another project.

    Args:
        name: For instance `Anger`, `joy` or `pleasant_surprise`.

    Returns:
        The label; for an unknown name, the name in lower case.
    """
    plain = name.strip().lower()
    return _LABEL_OF.get(plain.replace("_", " ").replace("-", " "), plain)


def optional(module: str, purpose: str, *, extra: str | None = None) -> Any:
    """Import a module of an optional extra.

    Args:
        module: The module.
        purpose: What needs it, for the message.
        extra: The extra that installs it; default: the package's name.

    Returns:
        The module.

    Raises:
        MissingExtraError: The module is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtraError(package, extra or package, purpose) from error
