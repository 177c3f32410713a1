"""A folder of profiles, by name."""

from __future__ import annotations

import os
import shlex
import sys
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from serkit.adaptation.profile import ProfileState
from serkit.adaptation.profile_file import load_profile, save_profile, writing
from serkit.errors import ProfileError
from serkit.text import printable, shown

SUFFIX = ".profile"

MAX_NAME_BYTES = 100
"""Bytes of a name in UTF-8: file systems allow 255, with the suffix and a temporary one's."""

# No file of Windows may contain these, or have these names with any suffix.
_SEPARATORS = '/\\:*?"<>|'
_RESERVED = {"con", "prn", "aux", "nul"} | {
    f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"
}


@dataclass(frozen=True, slots=True)
class ProfileStore:
    """A folder of profiles.

    Attributes:
        folder: The folder; it is created with the first profile.
    """

    folder: Path

    @classmethod
    def default(cls) -> ProfileStore:
        """The folder `$SERKIT_PROFILES`, or `serkit/profiles` below the user's data folder."""
        named = os.environ.get("SERKIT_PROFILES")
        return cls(Path(named) if named else _data_folder() / "serkit" / "profiles")

    def path(self, name: str) -> Path:
        """The file of a profile, existing or not.

        Raises:
            ProfileError: The name is not a plain one.
        """
        return self.folder / f"{checked_name(name)}{SUFFIX}"

    def existing(self, name: str) -> Path:
        """The file of a profile.

        Raises:
            ProfileError: The name is not a plain one, or there is no such profile.
        """
        path = self.path(name)
        if not path.exists():
            raise ProfileError(
                f"there is no profile {shown(name)} in {self.folder}; create it with: "
                f"serkit profile create {shlex.quote(printable(name))}"
            )
        return path

    def names(self) -> list[str]:
        """Names of all profiles, sorted."""
        if not self.folder.is_dir():
            return []
        names = (path.name for path in self.folder.iterdir() if path.suffix == SUFFIX)
        return sorted(name.removesuffix(SUFFIX) for name in names if not name.startswith("."))

    def create(self, name: str, state: ProfileState) -> Path:
        """Write a new profile.

        Returns:
            Its file.

        Raises:
            ProfileError: The name is not a plain one, or there is such a profile already.
            OSError: The file cannot be written.
        """
        path = self.path(name)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with writing(path):
            if path.exists():
                raise ProfileError(
                    f"there is a profile {shown(name)} already; delete it first, or choose another "
                    "name"
                )
            save_profile(state, path)
        return path

    def load(self, name: str) -> ProfileState:
        """Read a profile.

        Raises:
            ProfileError: As `existing` and `load_profile`.
        """
        return load_profile(self.existing(name))

    def delete(self, name: str) -> None:
        """Remove a profile, which need not be readable.

        Raises:
            ProfileError: As `existing`.
            OSError: The file cannot be removed.
        """
        path = self.existing(name)
        with writing(path):
            path.unlink()


def checked_name(name: str) -> str:
    """A plain name that every file system takes, in Unicode's composed form (NFC).

    Raises:
        ProfileError: The name is empty or too long, or has separators, hidden characters, a dot or
            hyphen at its start, a dot or space at its end, or a name of Windows's devices.
    """
    plain = unicodedata.normalize("NFC", name)
    problem = None
    if not plain:
        problem = "is empty"
    elif any(character in _SEPARATORS for character in plain):
        problem = f"has one of the characters {_SEPARATORS}"
    elif printable(plain) != plain:
        problem = "has characters that cannot be seen"
    elif plain[0] in "-. " or plain[-1] in ". ":
        problem = "begins with a hyphen, dot or space, or ends with a dot or space"
    elif plain.partition(".")[0].rstrip().lower() in _RESERVED:
        problem = "is the name of a device on Windows"
    elif plain.lower().endswith(SUFFIX):
        problem = f"ends with {SUFFIX}, as the name of its file does"
    elif len(plain.encode()) > MAX_NAME_BYTES:
        problem = f"has {len(plain.encode())} bytes; at most {MAX_NAME_BYTES} are possible"
    if problem:
        raise ProfileError(f"the profile name {shown(name, 80)} {problem}; expected a plain name")
    return plain


def _data_folder() -> Path:
    """Where programs keep a user's data on this platform."""
    if sys.platform == "win32":
        named = os.environ.get("LOCALAPPDATA")
        return Path(named) if named else Path.home() / "AppData" / "Local"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    named = os.environ.get("XDG_DATA_HOME")
    return Path(named) if named else Path.home() / ".local" / "share"
