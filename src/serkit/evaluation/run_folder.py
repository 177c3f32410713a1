"""The folder of a run: keeps each finished fold, so that an interrupted run can be resumed.

::

    manifest.json          format and version, recipe, protocol, folds planned, data fingerprint
    folds/0-3f2a….npz      one finished fold: seed, fold, test, probabilities
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from typing import Protocol as Interface
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

import serkit
from serkit.corpora import Utterance
from serkit.errors import ProtocolError
from serkit.evaluation.folds import Fold
from serkit.evaluation.outcome import FoldResult, Outcome, identities
from serkit.evaluation.protocols import Protocol
from serkit.files import lies_within, read_bounded, write_atomically
from serkit.plain import from_json
from serkit.text import shown
from serkit.training.data import Dataset

MAX_BYTES = 256 << 20
"""Largest accepted file of a run."""

FORMAT_VERSION = 2
"""Increased with every incompatible change of the folder's format."""

Task = tuple[int, Fold]
Key = tuple[int, str]

_MANIFEST = "manifest.json"
_COMPARED = {
    "format": "format of the folder",
    "serkit": "version of serkit",
    "recipe": "recipe",
    "protocol": "protocol",
    "data": "dataset",
    "seen": "kind of evaluation",
}


class Tested(Interface):
    """The data of a run, as far as its folder describes them."""

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        """The utterances."""

    @property
    def targets(self) -> NDArray[np.int64]:
        """Class of each."""

    @property
    def hashes(self) -> tuple[str, ...]:
        """`content_hash` of each recording; empty without audio."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run.

    Attributes:
        path: Its path.
    """

    path: Path

    @classmethod
    def open(
        cls,
        path: Path,
        recipe: Mapping[str, Any],
        data: Tested,
        protocol: Protocol,
        tasks: Sequence[Task],
    ) -> RunFolder:
        """Start a run, resume it, or add seeds to it.

        Args:
            path: The folder; created if missing.
            recipe: The recipe, as JSON values.
            data: Features of all utterances, or their recordings.
            protocol: The protocol that splits them.
            tasks: Seeds and folds of the run.

        Raises:
            ProtocolError: The folder holds a run of another version, recipe, protocol or dataset.
        """
        labels = [str(label) for label in recipe["labels"]]
        planned = [_key(task) for task in tasks]
        manifest = _manifest(recipe, labels, data, protocol, planned, seen=False)
        folder = cls(path)
        require_free(path)
        if not (path / _MANIFEST).exists():
            folder._write(manifest)
            return folder
        stored = folder.manifest()
        for field, what in _COMPARED.items():
            if stored.get(field) != _as_read(manifest[field]):
                raise ProtocolError(
                    f"the run in {path} was made with another {what}"
                    f"{_difference(stored.get(field), manifest[field])}; name a new folder, or "
                    "remove this one"
                )
        added = [key for key in planned if key not in folder._planned(stored)]
        if added:
            folder._write(manifest | {"planned": [*stored["planned"], *added]})
        return folder

    def _write(self, manifest: Mapping[str, Any]) -> None:
        write_atomically(self._within(self.path / _MANIFEST), json.dumps(manifest, indent=1))

    def _planned(self, manifest: Mapping[str, Any]) -> set[Key]:
        try:
            planned = {(int(seed), str(fold)) for seed, fold in manifest["planned"]}
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            raise self._damaged(error) from error
        if not planned or not all(0 <= seed < 1 << 63 for seed, _ in planned):
            raise self._damaged("no fold is planned, or of an impossible seed")
        return planned

    def _damaged(self, error: Exception | str) -> ProtocolError:
        return ProtocolError(f"{self.path / _MANIFEST} is damaged: {error!r}")

    def manifest(self) -> dict[str, Any]:
        """The manifest of the run.

        Raises:
            ProtocolError: There is no run here, or its manifest is damaged.
        """
        try:
            content = read_bounded(self._within(self.path / _MANIFEST), MAX_BYTES)
            manifest = from_json(content, file_names=True)
        except OSError as error:
            raise ProtocolError(
                f"{self.path} holds no run: {error.strerror or error}; expected a folder written "
                "by serkit evaluate --run"
            ) from error
        except ValueError as error:
            raise ProtocolError(f"{self.path / _MANIFEST} is damaged: {error}") from error
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT_VERSION:
            version = manifest.get("format") if isinstance(manifest, dict) else None
            raise ProtocolError(
                f"the run in {self.path} has another format of the folder: found {version}, "
                f"expected {FORMAT_VERSION}; run it again into a new folder"
            )
        return manifest

    def keep(self, result: FoldResult) -> None:
        """Write a finished fold atomically."""
        buffer = BytesIO()
        np.savez(
            buffer,
            seed=np.int64(result.seed),
            fold=np.array(result.fold),
            test=result.test,
            probabilities=result.probabilities,
        )
        write_atomically(self._within(self._file(result.seed, result.fold)), buffer.getvalue())

    def finished(self, tasks: Sequence[Task], n_labels: int) -> dict[Key, FoldResult]:
        """Results of those tasks that are finished, by seed and fold.

        A damaged file, or one of other test utterances, counts as missing.
        """
        results = {}
        for seed, fold in tasks:
            try:
                result = self._read(seed, fold.name, n_labels)
            except ProtocolError:
                continue
            if (result.seed, result.fold) == (seed, fold.name) and np.array_equal(
                result.test, fold.test
            ):
                results[seed, fold.name] = result
        return results

    def outcome(self) -> Outcome:
        """The whole run.

        Raises:
            ProtocolError: It is not finished, or a file is damaged; it is named.
        """
        manifest = self.manifest()
        planned = sorted(self._planned(manifest))
        missing = [key for key in planned if not self._file(*key).exists()]
        if missing:
            seed, fold = missing[0]
            raise ProtocolError(
                f"the run in {self.path} is not finished: {len(missing)} of {len(planned)} folds "
                f"are missing, such as {fold} of seed {seed}; run the same serkit evaluate again "
                "to resume it"
            )
        try:
            utterances = tuple(map(_utterance, manifest["utterances"]))
            labels, hashes = _texts(manifest["labels"]), _texts(manifest["hashes"])
            targets = np.array([labels.index(u.label) for u in utterances], np.int64)
            protocol = _protocol(manifest["protocol"])
            seen = bool(manifest["seen"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._damaged(error) from error
        if len(hashes) not in (0, len(utterances)):
            raise self._damaged(f"{len(hashes)} hashes of {len(utterances)} utterances")
        results = tuple(self._read(*key, len(labels)) for key in planned)
        for key, result in zip(planned, results, strict=True):
            if (result.seed, result.fold) != key or result.test.max() >= len(utterances):
                raise ProtocolError(f"{self._file(*key)} is of another run; {_REDO}")
        outcome = Outcome(protocol, labels, utterances, targets, results, hashes, seen)
        for seed in outcome.seeds:
            test, _ = outcome.pooled(seed)
            if len(np.unique(test)) < len(test):
                raise ProtocolError(
                    f"the run in {self.path} is damaged: folds of seed {seed} test the same "
                    "utterances; run it again into a new folder"
                )
        return outcome

    def _read(self, seed: int, fold: str, n_labels: int) -> FoldResult:
        return _read(self._within(self._file(seed, fold)), n_labels)

    def _within(self, path: Path) -> Path:
        """A path, checked not to lead out of the folder by a link."""
        if not lies_within(path, self.path):
            raise ProtocolError(f"{path} is a link that leads out of the run's folder; remove it")
        return path

    def _file(self, seed: int, fold: str) -> Path:
        name = hashlib.blake2b(fold.encode(), digest_size=8).hexdigest()
        return self.path / "folds" / f"{seed}-{name}.npz"


_REDO = "remove it and run the same serkit evaluate again, which trains this fold again"


def _read(path: Path, n_labels: int) -> FoldResult:
    try:
        archive = read_bounded(path, MAX_BYTES)
        with ZipFile(BytesIO(archive)) as members:
            # A compressed member could expand to gigabytes; NumPy stores members uncompressed.
            if any(member.file_size > len(archive) for member in members.infolist()):
                raise ValueError("its arrays are larger than the file")
        with np.load(BytesIO(archive), allow_pickle=False) as values:
            result = FoldResult(
                int(values["seed"]), str(values["fold"]), values["test"], values["probabilities"]
            )
        n = len(result.test)
        sound = (
            n > 0
            and result.test.shape == (n,)
            and np.issubdtype(result.test.dtype, np.integer)
            and result.test.min() >= 0
            and len(np.unique(result.test)) == n
            and result.probabilities.shape == (n, n_labels)
            and bool(np.isfinite(result.probabilities).all())
        )
    # The type of the error depends on where the archive is damaged.
    except Exception as error:
        raise ProtocolError(f"{path} is damaged ({error}); {_REDO}") from error
    if not sound:
        raise ProtocolError(f"{path} is damaged (not probabilities of utterances); {_REDO}")
    return result


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"expected a list of strings, found {shown(values)}")
    return tuple(values)


def _protocol(values: Any) -> Protocol:
    name, title, citation = _texts([values[key] for key in ("name", "title", "citation")])
    return Protocol(name, title, citation, bool(values["speaker_dependent"]), split=_no_split)


def _utterance(values: Mapping[str, Any]) -> Utterance:
    sound = (
        all(isinstance(values[key], str) for key in ("label", "speaker", "corpus"))
        and all(isinstance(values[k], str | None) for k in ("audio", "session", "text", "split"))
        and all(isinstance(values[key], int | float | None) for key in ("start_s", "end_s"))
        and isinstance(values.get("ratings", {}), dict)
        and all(isinstance(value, int | float) for value in values.get("ratings", {}).values())
    )
    if not sound:
        raise TypeError(f"expected an utterance, found {shown(values)}")
    return Utterance(**{**values, "audio": Path(values["audio"]) if values["audio"] else None})


def require_free(path: Path, *, begun: bool = True) -> None:
    """Refuse a folder that a run cannot be written to.

    A run without folds, and temporary files of an interrupted one, do not matter.

    Args:
        path: The folder.
        begun: Whether a run with finished folds is accepted, to resume it.

    Raises:
        ProtocolError: The folder holds a run that is not accepted, or something else.
    """
    if any((path / "folds").glob("*.npz")) and not begun:
        raise ProtocolError(f"{path} holds a run already; name a new folder for this one")
    if not path.exists() or (path / _MANIFEST).exists():
        return
    if not path.is_dir() or any(
        not entry.name.startswith(f".{_MANIFEST}.") for entry in path.iterdir()
    ):
        raise ProtocolError(f"{path} is not empty and not the folder of a run; name a new folder")


def _as_read(values: Any) -> Any:
    """Values after a round trip through JSON."""
    return json.loads(json.dumps(values))


def _key(task: Task) -> Key:
    seed, fold = task
    return seed, fold.name


def save_run(path: Path, outcome: Outcome, recipe: Mapping[str, Any]) -> None:
    """Save a finished outcome as the folder of a run.

    Args:
        path: A new folder.
        outcome: The outcome.
        recipe: The recipe of the model tested, as JSON values.

    Raises:
        ProtocolError: The folder is not empty.
    """
    data = Dataset(
        np.zeros((len(outcome.targets), 0), np.float32),
        np.zeros((0, len(outcome.targets), 0), np.float32),
        outcome.targets,
        outcome.utterances,
        outcome.hashes,
    )
    planned = [(result.seed, result.fold) for result in outcome.results]
    labels, protocol = outcome.labels, outcome.protocol
    folder = RunFolder(path)
    require_free(path, begun=False)
    folder._write(_manifest(recipe, labels, data, protocol, planned, seen=outcome.seen))
    for result in outcome.results:
        folder.keep(result)


def load_run(path: Path) -> Outcome:
    """Load the outcome of a run.

    Args:
        path: Folder of the run.

    Raises:
        ProtocolError: There is no run, it is not finished, or a file is damaged.
    """
    return RunFolder(path).outcome()


def _no_split(*_: object) -> list[Fold]:
    raise ProtocolError("the protocol of a loaded run cannot split")


def _manifest(
    recipe: Mapping[str, Any],
    labels: tuple[str, ...] | list[str],
    data: Tested,
    protocol: Protocol,
    planned: Sequence[Key],
    *,
    seen: bool,
) -> dict[str, Any]:
    values = [asdict(u) | {"audio": str(u.audio) if u.audio else None} for u in data.utterances]
    return {
        "format": FORMAT_VERSION,
        "serkit": serkit.__version__,
        "recipe": dict(recipe),
        "protocol": {
            "name": protocol.name,
            "title": protocol.title,
            "citation": protocol.citation,
            "speaker_dependent": protocol.speaker_dependent,
        },
        "data": _fingerprint(data),
        "seen": seen,
        "planned": list(planned),
        "labels": list(labels),
        "hashes": list(data.hashes),
        "utterances": values,
    }


def _fingerprint(data: Tested) -> str:
    """Hash of the dataset: its recordings if their hashes are known, otherwise its features.

    Features may differ in the last digit with the number of threads; the recipe, which is compared
    separately, determines them.
    """
    digest = hashlib.blake2b(digest_size=16)
    features: tuple[Any, ...] = ()
    if isinstance(data, Dataset) and not data.hashes:
        features = (data.features, data.copies)
    for values in (*features, data.targets):
        digest.update(str(values.shape).encode() + np.ascontiguousarray(values).tobytes())
    digest.update("\n".join(identities(data.utterances, data.hashes)).encode())
    return digest.hexdigest()


def _difference(stored: object, wanted: object) -> str:
    if isinstance(stored, str) and isinstance(wanted, str):
        return f": found {stored}, expected {wanted}"
    if isinstance(stored, dict) and isinstance(wanted, dict):
        fields = sorted(k for k in stored.keys() | wanted.keys() if stored.get(k) != wanted.get(k))
        return f" (different {', '.join(fields)})"
    return ""
