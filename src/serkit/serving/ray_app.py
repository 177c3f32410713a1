"""The server on Ray Serve, whose parts scale by themselves over one or many machines.

`serve run serkit.serving.ray_app:app tokens=FILE` starts it; `docs/scale.md` describes it. Each
deployment has its own replicas:

- `Acoustic`: the HTTP routes, decoding and the models, as in `serkit serve`; it calls the others;
- `Speech`: the recogniser of speech of the setting `asr`, one per replica.

Needs the extra `ray`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray import serve
from ray.exceptions import RayError, RayTaskError
from ray.serve import Application
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from serkit.errors import ModelError, SerkitError, TranscriptionError
from serkit.serving.app import create_app
from serkit.serving.asr import Transcript, open_asr
from serkit.serving.logs import set_up
from serkit.serving.settings import Settings, settings_of

Array = NDArray[np.float32]

MOST_REPLICAS = 8
"""Replicas of a deployment, unless the configuration of Ray Serve has another number."""

_PUBLIC = "0.0.0.0"  # noqa: S104 - nothing listens there: it makes tokens obligatory
_TARGET = 8.0  # requests of an `Acoustic` replica on average; as many as it has threads
_CHECKS = 16  # health, readiness and metrics are answered when all places are taken


def app(arguments: dict[str, Any]) -> Application:
    """The application for `serve run` and for `import_path` of a configuration file.

    Args:
        arguments: Settings of the server by name. The environment has no influence on them, as it
            may differ from machine to machine. Ray's proxies listen where Ray Serve is told, not
            at `host` and `port`: tokens are obligatory unless `host` says that this is loopback.

    Raises:
        SettingsError: A setting is unknown or invalid, or there are no tokens.
    """
    return application(settings_of({"host": _PUBLIC} | arguments))


def application(settings: Settings) -> Application:
    """The application of settings.

    Streams are refused: `serkit serve` takes them. The files that the settings name must be on
    every machine. A replica has one decoding process unless the settings say otherwise.

    Args:
        settings: Of every replica.
    """
    asr = None
    if settings.asr != "none":
        # One recording at a time; one more waits at the replica.
        speech = _deployment(Speech, 1.0, 2, settings.drain_timeout_s)
        asr = speech.options(max_queued_requests=settings.max_pending).bind(settings)
    own = settings.model_copy(
        update={"decoders": settings.decoders or 1, "max_streams": 0, "max_opus_streams": 0}
    )
    acoustic = _deployment(
        serve.ingress()(Acoustic), _TARGET, own.max_pending + _CHECKS, own.drain_timeout_s
    )
    bound: Application = acoustic.bind(own, asr)
    return bound


class Acoustic:
    """The HTTP routes, decoding and the models.

    Args:
        settings: Of the server.
        asr: The deployment `Speech`; None for the sound alone.
    """

    def __init__(self, settings: Settings, asr: DeploymentHandle | None) -> None:
        set_up(settings.log_level, settings.log_format)
        self._settings = settings
        self._asr = asr

    async def __serve_build_asgi_app__(self) -> Any:
        if self._asr is None:
            return create_app(self._settings)
        described = await self._asr.described.remote()
        asr = RemoteAsr(self._asr, self._settings.deadline_s / 2, *described)
        return create_app(self._settings, transcriber=asr)


class Speech:
    """A recogniser of speech.

    Args:
        settings: Of the server.

    Raises:
        ModelError: It cannot be loaded.
        MissingExtraError: Its package is not installed.
    """

    def __init__(self, settings: Settings) -> None:
        set_up(settings.log_level, settings.log_format)
        asr = open_asr(settings.asr, timeout_s=settings.deadline_s)
        if asr is None:
            raise ModelError("asr is none; expected a recogniser")
        self._asr = asr

    async def described(self) -> tuple[str, int, tuple[str, ...]]:
        """Name, mel bands and languages."""
        return self._asr.name, self._asr.n_mels, self._asr.languages

    async def transcribe(self, log_mel: Array, language: str | None) -> Transcript:
        """As `Asr.transcribe`."""
        return await asyncio.to_thread(self._asr.transcribe, log_mel, language=language)


class RemoteAsr:
    """An `Asr` that asks a deployment; called from threads, not from the event loop.

    Args:
        handle: The deployment.
        timeout_s: Longest time for a transcript, with the wait for a replica; less than that of a
            request, which is answered without the text then.
        name: As `Asr.name`.
        n_mels: As `Asr.n_mels`.
        languages: As `Asr.languages`.
    """

    def __init__(
        self,
        handle: DeploymentHandle,
        timeout_s: float,
        name: str,
        n_mels: int,
        languages: tuple[str, ...],
    ) -> None:
        self.name, self.n_mels, self.languages = name, n_mels, languages
        self._handle = handle
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()

    def transcribe(self, log_mel: Array, *, language: str | None = None) -> Transcript:
        """As `Asr.transcribe`.

        Raises:
            AudioError: As there.
            TranscriptionError: As there; or no replica answers in time.
        """
        transcript: Transcript = _answer(
            lambda: self._handle.transcribe.remote(log_mel, language), self._loop, self._timeout_s
        )
        return transcript


def _answer(
    ask: Callable[[], Awaitable[Any]], loop: asyncio.AbstractEventLoop, timeout_s: float
) -> Any:
    """What a deployment answers, for a thread; its errors are those of the call itself.

    Handles belong to the event loop: in some modes of Ray Serve they work nowhere else.

    Raises:
        SerkitError: As the call.
        TranscriptionError: The deployment does not answer.
    """

    async def answered() -> Any:
        async with asyncio.timeout(timeout_s):
            return await ask()

    try:
        return asyncio.run_coroutine_threadsafe(answered(), loop).result()
    except RayTaskError as error:
        if isinstance(error.cause, SerkitError):
            raise error.cause from None  # without the trace of the other process
        raise TranscriptionError("a replica failed; its log tells why") from error
    except (RayError, RayServeException, TimeoutError) as error:
        raise TranscriptionError(
            f"no replica answered within {timeout_s:g} s ({type(error).__name__})"
        ) from error


def _deployment(part: type, target: float, most: int, drain_s: float) -> Any:
    """A deployment that scales by itself.

    Args:
        part: Its class.
        target: Requests in work at a replica, on average.
        most: Requests at a replica, in work or waiting.
        drain_s: A replica that ends has this time for its requests.
    """
    return serve.deployment(
        part,
        name=part.__name__,
        autoscaling_config={
            "min_replicas": 1,
            "max_replicas": MOST_REPLICAS,
            "target_ongoing_requests": target,
        },
        max_ongoing_requests=most,
        graceful_shutdown_timeout_s=drain_s,
    )
