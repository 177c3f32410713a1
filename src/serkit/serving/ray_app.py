"""The server on Ray Serve, whose parts scale by themselves over one or many machines.

`serve run serkit.serving.ray_app:app tokens=FILE` starts it; `docs/scale.md` describes it. Each
deployment has its own replicas:

- `Acoustic`: the HTTP routes, decoding and the models, as in `serkit serve`; it calls the others;
- `Speech`: the recogniser of speech of the setting `asr`, one per replica;
- `Fusing`: the model of speech and text of the setting `fusion`, with the encoder of its text.

Needs the extra `ray`.
"""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray import serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle

from serkit.errors import ModelError
from serkit.runtime import ModelCard, Prediction
from serkit.serving.app import create_app
from serkit.serving.asr import Transcript, open_asr
from serkit.serving.fusing import Fusion
from serkit.serving.logs import set_up
from serkit.serving.ray_parts import Part, RemoteAsr, RemoteFusion
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
    asr = fusion = None
    if settings.asr != "none":
        # One recording at a time; one more waits at the replica.
        speech = _deployment(Speech, 1.0, 2, settings.drain_timeout_s)
        asr = speech.options(max_queued_requests=settings.max_pending).bind(settings)
    if settings.fusion is not None:
        fusing = _deployment(Fusing, _TARGET, settings.max_pending, settings.drain_timeout_s)
        fusion = fusing.bind(settings)
    own = settings.model_copy(
        update={"decoders": settings.decoders or 1, "max_streams": 0, "max_opus_streams": 0}
    )
    acoustic = _deployment(
        serve.ingress()(Acoustic), _TARGET, own.max_pending + _CHECKS, own.drain_timeout_s
    )
    bound: Application = acoustic.bind(own, asr, fusion)
    return bound


class Acoustic:
    """The HTTP routes, decoding and the models.

    Args:
        settings: Of the server.
        asr: The deployment `Speech`; None for the sound alone.
        fusion: The deployment `Fusing`; None for none.
    """

    def __init__(
        self, settings: Settings, asr: DeploymentHandle | None, fusion: DeploymentHandle | None
    ) -> None:
        set_up(settings.log_level, settings.log_format)
        self._settings = settings
        self._asr, self._fusion = asr, fusion

    async def __serve_build_asgi_app__(self) -> Any:
        settings, asr, fusion = self._settings, None, None
        if self._asr is not None:
            part = Part(self._asr, settings.asr_timeout_s)
            asr = RemoteAsr(part, *await self._asr.described.remote())
        if self._fusion is not None:
            part = Part(self._fusion, settings.deadline_s)
            fusion = RemoteFusion(part, *await self._fusion.described.remote())
        return create_app(settings, asr=asr, asr_at_once=MOST_REPLICAS, fusion=fusion)


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
        asr = open_asr(settings.asr, threads=settings.asr_threads, timeout_s=settings.asr_timeout_s)
        if asr is None:
            raise ModelError("asr is none; expected a recogniser")
        self._asr = asr

    async def described(self) -> tuple[str, int, tuple[str, ...]]:
        """Name, mel bands and languages."""
        return self._asr.name, self._asr.n_mels, self._asr.languages

    async def transcribe(self, log_mel: Array, language: str | None) -> Transcript:
        """As `Asr.transcribe`."""
        return await asyncio.to_thread(self._asr.transcribe, log_mel, language=language)


class Fusing:
    """A model of speech and text.

    Args:
        settings: Of the server.

    Raises:
        ModelError: It cannot be loaded.
        MissingExtraError: A package that it needs is not installed.
    """

    def __init__(self, settings: Settings) -> None:
        set_up(settings.log_level, settings.log_format)
        if settings.fusion is None:
            raise ModelError("fusion is not set; expected the file of a model")
        self._model = Fusion(settings.fusion, settings.encoder, threads=settings.threads)

    async def described(self) -> tuple[ModelCard, str, bool]:
        """Card, digest, and whether it takes text."""
        return self._model.card, self._model.digest, self._model.takes_text

    async def fuse(self, *arguments: Any, **options: Any) -> tuple[Prediction, tuple[str, ...]]:
        """As a call of `Fusion`."""
        return await asyncio.to_thread(self._model, *arguments, **options)


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
