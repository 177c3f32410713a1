"""Parts of the server that are deployments of Ray Serve, as the objects that they stand for."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray.exceptions import RayError, RayTaskError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from serkit.errors import SerkitError, TranscriptionError
from serkit.runtime import ModelCard, Prediction
from serkit.serving.asr import Transcript
from serkit.serving.fusing import Fusion
from serkit.serving.refusals import RefusedError

Array = NDArray[np.float32]


class _AwayError(Exception):
    """No replica of a deployment answers."""


class Part:
    """A deployment, for the threads of a replica that calls it.

    Handles belong to the event loop: in some modes of Ray Serve they work nowhere else.

    Args:
        handle: The deployment.
        timeout_s: Longest time for an answer, with the wait for a replica.
    """

    def __init__(self, handle: DeploymentHandle, timeout_s: float) -> None:
        self._handle, self._timeout_s = handle, timeout_s
        self._loop = asyncio.get_running_loop()

    def ask(self, method: str, *arguments: Any, **options: Any) -> Any:
        """What a method of the deployment returns.

        Raises:
            SerkitError: As the method.
            _AwayError: No replica answers in time, or it fails otherwise.
        """

        async def answered() -> Any:
            async with asyncio.timeout(self._timeout_s):
                return await getattr(self._handle, method).remote(*arguments, **options)

        try:
            return asyncio.run_coroutine_threadsafe(answered(), self._loop).result()
        except RayTaskError as error:
            if isinstance(error.cause, SerkitError):
                raise error.cause from None  # without the trace of the other process
            raise _AwayError("a replica failed, and its log tells why") from error
        except (RayError, RayServeException, TimeoutError) as error:
            raise _AwayError(
                f"no replica answered within {self._timeout_s:g} s ({type(error).__name__})"
            ) from error


class RemoteAsr:
    """An `Asr` that asks the deployment `Speech`; called from threads.

    Args:
        part: The deployment.
        name: As `Asr.name`.
        n_mels: As `Asr.n_mels`.
        languages: As `Asr.languages`.
    """

    def __init__(self, part: Part, name: str, n_mels: int, languages: tuple[str, ...]) -> None:
        self.name, self.n_mels, self.languages = name, n_mels, languages
        self._part = part

    def transcribe(self, log_mel: Array, *, language: str | None = None) -> Transcript:
        """As `Asr.transcribe`.

        Raises:
            AudioError: As there.
            TranscriptionError: As there; or no replica answers in time.
        """
        try:
            transcript: Transcript = self._part.ask("transcribe", log_mel, language)
        except _AwayError as error:
            raise TranscriptionError(str(error)) from error
        return transcript


class RemoteFusion(Fusion):
    """A `Fusion` that asks the deployment `Fusing`; called from threads.

    Args:
        part: The deployment.
        card: As `Fusion.card`.
        digest: As `Fusion.digest`.
        takes_text: As `Fusion.takes_text`.
    """

    def __init__(self, part: Part, card: ModelCard, digest: str, takes_text: bool) -> None:
        self._part = part
        self._described = card, digest, takes_text

    @property
    def card(self) -> ModelCard:
        """As `Fusion.card`."""
        return self._described[0]

    @property
    def digest(self) -> str:
        """As `Fusion.digest`."""
        return self._described[1]

    @property
    def takes_text(self) -> bool:
        """As `Fusion.takes_text`."""
        return self._described[2]

    def __call__(
        self,
        log_mel: Array,
        text: str | None,
        heard: Prediction,
        *,
        labels: tuple[str, ...] | None = None,
        min_confidence: float | None = None,
    ) -> tuple[Prediction, tuple[str, ...]]:
        """As a call of `Fusion`.

        Raises:
            ModelError: As there.
            RefusedError: No replica answers in time.
        """
        options = {"labels": labels, "min_confidence": min_confidence}
        try:
            answer: tuple[Prediction, tuple[str, ...]] = self._part.ask(
                "fuse", log_mel, text, heard, **options
            )
        except _AwayError as error:
            raise RefusedError(503, "fusion", f"{error}; try again", retry_after_s=1) from error
        return answer
