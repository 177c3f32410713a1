"""A folder that keeps each finished fold, so that a run that was killed goes on.

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
from zipfile import ZipFile

import numpy as np

import serkit
from serkit.corpora import Utterance
from serkit.errors import ProtocolError
from serkit.evaluation.folds import Fold
from serkit.evaluation.outcome import FoldResult, Outcome, identities
from serkit.evaluation.protocols import Protocol
from serkit.files import lies_within, read_bounded, write_atomically
from serkit.plain import from_json
from serkit.training.data import Dataset

MAX_BYTES = 256 << 20
"""A larger file of a run is refused."""

FORMAT_VERSION = 2
"""Changes whenever a folder of the old kind cannot be read as one of the new."""

Task = tuple[int, Fold]
Key = tuple[int, str]

_MANIFEST = "manifest.json"
_COMPARED = {
    "format": "format of the folder",
    "serkit": "version of serkit",
    "recipe": "recipe",
    "protocol": "protocol",
    "data": "data",
    "seen": "kind of evaluation",
}


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run.

    Attributes:
        path: Where it is.
    """

    path: Path

    @classmethod
    def open(
        cls,
        path: Path,
        recipe: Mapping[str, Any],
        data: Dataset,
        protocol: Protocol,
        tasks: Sequence[Task],
    ) -> RunFolder:
        """Begin a run, go on with it, or add seeds to it.

        Args:
            path: The folder; made if it is missing.
            recipe: What is trained, as JSON values.
            data: Features of all utterances.
            protocol: How they are split.
            tasks: Seeds and folds that are going to be done.

        Raises:
            ProtocolError: The folder is of another version, recipe, protocol or data.
        """
        labels = [str(label) for label in recipe["labels"]]
        planned = [_key(task) for task in tasks]
        manifest = _manifest(recipe, labels, data, protocol, planned, seen=False)
        folder = cls(path)
        require_free(path)
        if not (path / _MANIFEST).exists():
            folder._write(manifest)
            return folder
        found = folder.manifest()
        for field, what in _COMPARED.items():
            if found.get(field) != _as_read(manifest[field]):
                raise ProtocolError(
                    f"the run in {path} was made with another {what}"
                    f"{_difference(found.get(field), manifest[field])}; name a new folder, or "
                    "remove this one"
                )
        added = [key for key in planned if key not in folder._planned(found)]
        if added:
            folder._write(manifest | {"planned": [*found["planned"], *added]})
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
        """What the run is of.

        Raises:
            ProtocolError: There is no run here, or its manifest is damaged.
        """
        try:
            content = read_bounded(self._within(self.path / _MANIFEST), MAX_BYTES)
            found = from_json(content, file_names=True)
        except OSError as error:
            raise ProtocolError(
                f"{self.path} holds no run: {error.strerror or error}; expected a folder written "
                "by serkit evaluate --run"
            ) from error
        except ValueError as error:
            raise ProtocolError(f"{self.path / _MANIFEST} is damaged: {error}") from error
        if not isinstance(found, dict) or found.get("format") != FORMAT_VERSION:
            version = found.get("format") if isinstance(found, dict) else None
            raise ProtocolError(
                f"the run in {self.path} has another format of the folder: found {version}, "
                f"expected {FORMAT_VERSION}; run it again into a new folder"
            )
        return found

    def keep(self, result: FoldResult) -> None:
        """Write a finished fold, whole or not at all."""
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
        """Those of some tasks that are done, by seed and fold.

        A file that is damaged, or tested something else, counts as not done.
        """
        found = {}
        for seed, fold in tasks:
            try:
                result = self._read(seed, fold.name, n_labels)
            except ProtocolError:
                continue
            if (result.seed, result.fold) == (seed, fold.name) and np.array_equal(
                result.test, fold.test
            ):
                found[seed, fold.name] = result
        return found

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
                f"are missing, {fold} of seed {seed} among them; run the same serkit evaluate "
                "again, which goes on with it"
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
        """A path, unless a link leads elsewhere."""
        if not lies_within(path, self.path):
            raise ProtocolError(f"{path} is a link out of the run's folder; remove it")
        return path

    def _file(self, seed: int, fold: str) -> Path:
        name = hashlib.blake2b(fold.encode(), digest_size=8).hexdigest()
        return self.path / "folds" / f"{seed}-{name}.npz"


_REDO = "remove it and run the same serkit evaluate again, which does this fold anew"


def _read(path: Path, n_labels: int) -> FoldResult:
    try:
        archive = read_bounded(path, MAX_BYTES)
        with ZipFile(BytesIO(archive)) as members:
            # Compressed, a few bytes could stand for gigabytes; NumPy stores them as they are.
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
    # What a damaged archive raises depends on where it is damaged.
    except Exception as error:
        raise ProtocolError(f"{path} is damaged ({error}); {_REDO}") from error
    if not sound:
        raise ProtocolError(f"{path} is damaged (not probabilities of utterances); {_REDO}")
    return result


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"a list of texts is {values!r:.200}")
    return tuple(values)


def _protocol(values: Any) -> Protocol:
    name, title, citation = _texts([values[key] for key in ("name", "title", "citation")])
    return Protocol(name, title, citation, bool(values["speaker_dependent"]), split=_not_again)


def _utterance(values: Mapping[str, Any]) -> Utterance:
    sound = (
        all(isinstance(values[key], str) for key in ("label", "speaker", "corpus"))
        and all(isinstance(values[k], str | None) for k in ("audio", "session", "text", "split"))
        and all(isinstance(values[key], int | float | None) for key in ("start_s", "end_s"))
    )
    if not sound:
        raise TypeError(f"an utterance is {values!r:.200}")
    return Utterance(**{**values, "audio": Path(values["audio"]) if values["audio"] else None})


def require_free(path: Path, *, begun: bool = True) -> None:
    """Refuse a folder that holds something else than a run.

    What a kill left half-written does not count, nor a run without a fold.

    Args:
        path: The folder.
        begun: Whether a run with some folds will do, to go on with.

    Raises:
        ProtocolError: It holds something else.
    """
    if any((path / "folds").glob("*.npz")) and not begun:
        raise ProtocolError(f"{path} holds a run already; name a new folder for this one")
    if not path.exists() or (path / _MANIFEST).exists():
        return
    if not path.is_dir() or any(
        not entry.name.startswith(f".{_MANIFEST}.") for entry in path.iterdir()
    ):
        raise ProtocolError(f"{path} is no run's folder and not empty; name a new one")


def _as_read(values: Any) -> Any:
    """As JSON gives it back."""
    return json.loads(json.dumps(values))


def _key(task: Task) -> Key:
    seed, fold = task
    return seed, fold.name


def save_run(path: Path, outcome: Outcome, recipe: Mapping[str, Any]) -> None:
    """Keep a finished outcome as a run's folder.

    Args:
        path: A new folder.
        outcome: What was found.
        recipe: What was tested, as JSON values.

    Raises:
        ProtocolError: The folder holds something else already.
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
    """Read a run back.

    Args:
        path: Its folder.

    Raises:
        ProtocolError: There is no run, it is not finished, or a file is damaged.
    """
    return RunFolder(path).outcome()


def _not_again(*_: object) -> list[Fold]:
    raise ProtocolError("a run read back is not split again")


def _manifest(
    recipe: Mapping[str, Any],
    labels: tuple[str, ...] | list[str],
    data: Dataset,
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


def _fingerprint(data: Dataset) -> str:
    """Hash of all that is learned from and tested.

    Of the recordings where they are known, as their features may differ in the last digit with
    the number of threads; the recipe, which is compared too, says what is made of them.
    """
    digest = hashlib.blake2b(digest_size=16)
    features = () if data.hashes else (data.features, data.copies)
    for values in (*features, data.targets):
        digest.update(str(values.shape).encode() + np.ascontiguousarray(values).tobytes())
    digest.update("\n".join(identities(data.utterances, data.hashes)).encode())
    return digest.hexdigest()


def _difference(found: object, wanted: object) -> str:
    if isinstance(found, str) and isinstance(wanted, str):
        return f": found {found}, expected {wanted}"
    if isinstance(found, dict) and isinstance(wanted, dict):
        fields = sorted(k for k in found.keys() | wanted.keys() if found.get(k) != wanted.get(k))
        return f" (other in {', '.join(fields)})"
    return ""
