"""A folder that keeps each finished fold, so that a run that was killed goes on.

::

    manifest.json          format and version, recipe, protocol, utterances, data fingerprint
    folds/0-3f2a….npz      one finished fold: seed, fold, test, probabilities
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

import serkit
from serkit.corpora import Utterance
from serkit.errors import ProtocolError
from serkit.evaluation.folds import Fold
from serkit.evaluation.outcome import FoldResult, Outcome, identities
from serkit.evaluation.protocols import Protocol
from serkit.files import write_atomically
from serkit.training import Dataset

FORMAT_VERSION = 1
"""Changes whenever a folder of the old kind cannot be read as one of the new."""

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
        cls, path: Path, recipe: Mapping[str, Any], data: Dataset, protocol: Protocol
    ) -> RunFolder:
        """Begin a run, or go on with it.

        Args:
            path: The folder; made if it is missing.
            recipe: What is trained, as JSON values.
            data: Features of all utterances.
            protocol: How they are split.

        Raises:
            ProtocolError: The folder is of another version, recipe, protocol or data.
        """
        labels = [str(label) for label in recipe["labels"]]
        manifest = _manifest(recipe, labels, data, protocol, seen=False)
        folder = cls(path)
        if not (path / _MANIFEST).exists():
            if path.exists() and (not path.is_dir() or any(path.iterdir())):
                raise ProtocolError(f"{path} is no run's folder and not empty; name a new one")
            write_atomically(path / _MANIFEST, json.dumps(manifest, indent=1))
            return folder
        found = folder.manifest()
        for field, what in _COMPARED.items():
            if found.get(field) != json.loads(json.dumps(manifest[field])):
                raise ProtocolError(
                    f"the run in {path} was made with another {what}"
                    f"{_difference(found.get(field), manifest[field])}; name a new folder, or "
                    "remove this one"
                )
        return folder

    def manifest(self) -> dict[str, Any]:
        """What the run is of.

        Raises:
            ProtocolError: There is no run here, or its manifest is damaged.
        """
        try:
            found = json.loads((self.path / _MANIFEST).read_text("utf-8"))
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
        name = hashlib.blake2b(result.fold.encode(), digest_size=8).hexdigest()
        buffer = BytesIO()
        np.savez(
            buffer,
            seed=np.int64(result.seed),
            fold=np.array(result.fold),
            test=result.test,
            probabilities=result.probabilities,
        )
        write_atomically(self.path / "folds" / f"{result.seed}-{name}.npz", buffer.getvalue())

    def results(self) -> dict[tuple[int, str], FoldResult]:
        """The finished folds by seed and name.

        Raises:
            ProtocolError: A file is damaged; it is named.
        """
        found = {}
        for path in sorted((self.path / "folds").glob("[0-9]*.npz")):
            try:
                with np.load(path, allow_pickle=False) as values:
                    result = FoldResult(
                        int(values["seed"]),
                        str(values["fold"]),
                        values["test"],
                        values["probabilities"],
                    )
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
                raise ProtocolError(
                    f"{path} is damaged ({error}); remove it and run again"
                ) from error
            found[result.seed, result.fold] = result
        return found


def save_run(path: Path, outcome: Outcome, recipe: Mapping[str, Any]) -> None:
    """Keep a finished outcome as a run's folder.

    Args:
        path: A new folder.
        outcome: What was found.
        recipe: What was tested, as JSON values.

    Raises:
        ProtocolError: The folder holds something already.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ProtocolError(f"{path} is not empty; name a new folder for this run")
    data = Dataset(
        np.zeros((len(outcome.targets), 0), np.float32),
        np.zeros((0, len(outcome.targets), 0), np.float32),
        outcome.targets,
        outcome.utterances,
        outcome.hashes,
    )
    manifest = _manifest(recipe, outcome.labels, data, outcome.protocol, seen=outcome.seen)
    folder = RunFolder(path)
    for result in outcome.results:
        folder.keep(result)
    write_atomically(path / _MANIFEST, json.dumps(manifest, indent=1))


def load_run(path: Path) -> Outcome:
    """Read a run back.

    Args:
        path: Its folder.

    Raises:
        ProtocolError: There is no run, it has no finished fold, or a file is damaged.
    """
    folder = RunFolder(path)
    manifest = folder.manifest()
    results = folder.results()
    if not results:
        raise ProtocolError(f"the run in {path} has no finished fold yet")
    try:
        utterances = tuple(
            Utterance(**(values | {"audio": Path(values["audio"]) if values["audio"] else None}))
            for values in manifest["utterances"]
        )
        labels = tuple(manifest["labels"])
        return Outcome(
            Protocol(**manifest["protocol"], split=_not_again),
            labels,
            utterances,
            np.array([labels.index(u.label) for u in utterances], np.int64),
            tuple(results[key] for key in sorted(results)),
            tuple(manifest["hashes"]),
            manifest["seen"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError(f"{path / _MANIFEST} is damaged: {error!r}") from error


def _not_again(*_: object) -> list[Fold]:
    raise ProtocolError("a run read back is not split again")


def _manifest(
    recipe: Mapping[str, Any],
    labels: tuple[str, ...] | list[str],
    data: Dataset,
    protocol: Protocol,
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
        "labels": list(labels),
        "hashes": list(data.hashes),
        "utterances": values,
    }


def _fingerprint(data: Dataset) -> str:
    """Hash of all that is learned from and tested."""
    digest = hashlib.blake2b(digest_size=16)
    for values in (data.features, data.copies, data.targets):
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
