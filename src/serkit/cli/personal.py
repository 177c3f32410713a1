"""Profiles as the commands name them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from serkit.errors import AudioError, PacketError

if TYPE_CHECKING:
    from serkit.adaptation.profile import ProfileState
    from serkit.adaptation.profile_store import ProfileStore
    from serkit.runtime.profile import Profile


def store_in(folder: Path | None) -> ProfileStore:
    """The profiles in a folder; None for the default one."""
    from serkit.adaptation.profile_store import ProfileStore

    return ProfileStore.default() if folder is None else ProfileStore(folder)


def profile_of(
    name: str,
    folder: Path | None,
    model: str | None,
    *,
    threads: int = 0,
    providers: Sequence[str] = (),
) -> Profile:
    """A profile, saved at every step.

    Args:
        name: Name of the profile.
        folder: Folder of the profiles; None for the default one.
        model: Name or path of the model; None for the shipped model of the profile.
        threads: As for `serkit.load`.
        providers: As for `serkit.load`.

    Raises:
        ProfileError: The profile does not exist, is damaged, or belongs to another model.
        ModelError: The model does not exist, or is damaged.
    """
    from serkit.runtime import load
    from serkit.runtime.profile import Profile

    path = store_in(folder).existing(name)
    source = model or _shipped_model_of(path)
    return Profile.load(path, load(source, threads=threads, providers=providers))


@contextmanager
def naming(file: str | None) -> Iterator[None]:
    """Prefix errors of a recording with its name."""
    try:
        yield
    except (AudioError, PacketError) as error:
        raise type(error)(f"{file}: {error}") from error


def _shipped_model_of(path: Path) -> str:
    """Name of the shipped model of a profile; the file cannot name any other."""
    from serkit.adaptation.profile_file import load_profile
    from serkit.errors import ProfileError
    from serkit.runtime import available_models

    state: ProfileState = load_profile(path)
    if state.owner.name not in available_models():
        raise ProfileError(
            f"{path}: the profile belongs to the model {state.owner}, which is not shipped with "
            "serkit; name its file with --model"
        )
    return state.owner.name
