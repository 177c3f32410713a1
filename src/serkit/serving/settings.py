"""Settings of the server: from flags, the environment and a file, in this order."""

from __future__ import annotations

import ipaddress
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from serkit.errors import SerkitError
from serkit.files import read_bounded
from serkit.plain import from_yaml
from serkit.serving.asr.backends import require_spec
from serkit.text import one_line, shown

PREFIX = "SERKIT_SERVE_"
"""Of the environment variables."""

_MAX_FILE_BYTES = 1 << 20

Names = Annotated[tuple[str, ...], NoDecode]


class SettingsError(SerkitError, ValueError):
    """A setting is unknown or out of range, or two do not fit together."""


class Settings(BaseSettings):
    """Settings of `serkit serve`; `docs/server.md` lists them.

    Raises:
        ValidationError: A value is invalid; `settings_of` gives one line instead.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8757, ge=0, le=65535, description="port; 0 for any free one")
    models: Names = Field(
        ("tiny", "tiny-mel"),
        min_length=1,
        max_length=16,
        description="shipped models or paths of model files; without ?model= the first that takes "
        "the input answers",
    )
    asr: str = Field(
        "none",
        description="recogniser of the text: none, pocketsphinx, faster-whisper=MODEL or "
        "transformers=MODEL",
    )
    asr_threads: int = Field(1, ge=1, le=256, description="threads of faster-whisper")
    asr_timeout_s: float = Field(
        20.0, gt=0, le=3600, description="longest wait for a text; the answer goes out without it"
    )
    asr_queue_s: float = Field(
        1200.0, gt=0, le=36000, description="sound that may wait for its text, in seconds"
    )
    fusion: Path | None = Field(
        None, description="model of speech and text; it answers /v1/recognize without ?model="
    )
    encoder: Path | None = Field(None, description="folder of the text encoder of fusion")
    threads: int = Field(0, ge=0, description="threads of an ONNX model; 0 for one per core")
    tokens: Path | None = Field(
        None, description="file of bearer tokens, one per line; needed unless the host is loopback"
    )
    tls_certificate: Path | None = Field(None, description="PEM file of the certificate chain")
    tls_key: Path | None = Field(None, description="PEM file of the private key")
    cors_origins: Names = Field((), description="origins of pages that may call the server")
    open_metrics: bool = Field(False, description="/metrics without a token")
    max_body_mb: float = Field(16.0, gt=0, le=1024, description="largest body, in MB")
    max_duration_s: float = Field(600.0, gt=0, le=86400, description="longest recording")
    max_pending: int = Field(64, ge=1, le=65536, description="requests in work or waiting")
    max_connections: int = Field(1024, ge=1, le=65536, description="open connections")
    max_streams: int = Field(
        512, ge=0, le=65536, description="streams, with those that wait for their client to return"
    )
    max_opus_streams: int = Field(
        16, ge=0, le=1024, description="streams of Ogg or WebM, each with a process that decodes it"
    )
    max_stream_s: float = Field(14400.0, gt=0, description="longest stream")
    max_chunk_kb: int = Field(256, ge=1, le=4096, description="largest message of a stream, in KB")
    deadline_s: float = Field(30.0, gt=0, le=3600, description="longest time of a request")
    header_timeout_s: float = Field(
        10.0, gt=0, description="longest wait for the header of a request"
    )
    body_timeout_s: float = Field(30.0, gt=0, description="longest wait for the body of a request")
    idle_timeout_s: float = Field(
        15.0, gt=0, description="longest pause between two requests of a connection"
    )
    stream_idle_s: float = Field(
        60.0, gt=0, description="longest pause between two messages of a stream"
    )
    session_s: float = Field(
        60.0, ge=0, description="time that a broken stream waits for its client"
    )
    session_kb: int = Field(256, ge=1, description="events kept for the client of a stream, in KB")
    batch_max: int = Field(
        32, ge=1, le=1024, description="windows or packets in a batch; 1 for none"
    )
    batch_wait_ms: float = Field(2.0, ge=0, le=1000, description="longest wait for a batch to fill")
    workers: int = Field(0, ge=0, le=256, description="threads for requests; 0 for 8")
    decoders: int = Field(
        0,
        ge=0,
        le=64,
        description="processes that decode and run small models; 0 for one per core",
    )
    decoder_memory_mb: int = Field(2048, ge=256, description="address space of a decoding process")
    idempotency_s: float = Field(
        300.0, ge=0, description="time that answers are kept for their key"
    )
    idempotency_mb: float = Field(16.0, ge=0, description="kept answers, in MB at most")
    drain_delay_s: float = Field(
        0.0,
        ge=0,
        description="after SIGTERM: time between /readyz saying 503 and the end of listening",
    )
    drain_timeout_s: float = Field(
        30.0, gt=0, description="longest wait for requests in work after SIGTERM"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="lowest level that is logged"
    )
    log_format: Literal["json", "text"] = Field(
        "json", description="format of the log: json, or text"
    )
    telemetry: bool = Field(
        False, description="OpenTelemetry traces (extra otel), set up by OTEL_* variables"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then the environment; `settings_of` adds the file."""
        return init_settings, env_settings

    @field_validator("models", "cors_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        """Names separated by commas."""
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @field_validator("asr")
    @classmethod
    def _known(cls, value: str) -> str:
        require_spec(value)
        return value

    @model_validator(mode="after")
    def _check(self) -> Settings:
        if not is_loopback(self.host) and self.tokens is None:
            raise ValueError(
                f"the host {self.host} can be reached by others; expected a file of tokens "
                "(tokens), or the host 127.0.0.1"
            )
        if self.encoder is not None and self.fusion is None:
            raise ValueError("encoder belongs to fusion; expected both or none")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together; expected both or none")
        return self

    @property
    def max_body_bytes(self) -> int:
        """Largest body in bytes."""
        return int(self.max_body_mb * 1e6)


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def settings_of(flags: dict[str, Any], file: Path | None = None) -> Settings:
    """The settings of a start.

    Args:
        flags: Values by name, which come first.
        file: YAML, JSON or TOML, which comes last.

    Raises:
        SettingsError: A name is unknown, a value is invalid, or the file is not readable.
    """
    known = set(Settings.model_fields)
    values = {} if file is None else _of_file(file)
    given = {name.removeprefix(PREFIX).lower() for name in os.environ if name.startswith(PREFIX)}
    for where, names in (("flags", set(flags)), ("environment", given), (str(file), set(values))):
        unknown = sorted(map(str, names - known))
        if unknown:
            raise SettingsError(
                f"{where}: no setting {', '.join(map(shown, unknown[:5]))}; expected one of "
                f"{', '.join(sorted(known))}"
            )
    try:
        return Settings(
            **{name: value for name, value in values.items() if name not in given} | flags
        )
    except ValidationError as error:
        raise SettingsError("; ".join(map(_line, error.errors()))) from None


def _line(problem: Any) -> str:
    """A problem that pydantic found, with the name and the value of the setting."""
    message = str(problem["msg"]).removeprefix("Value error, ")
    name = ".".join(map(str, problem["loc"][:1]))
    return f"{name} is {shown(problem['input'], 80)}: {message}" if name else message


def _of_file(file: Path) -> dict[Any, Any]:
    try:
        content = read_bounded(file, _MAX_FILE_BYTES)
        if file.suffix.lower() == ".toml":
            values: Any = tomllib.loads(content.decode())
        else:
            values = from_yaml(content)
    except OSError as error:
        raise SettingsError(f"{file}: {one_line(error)}") from error
    except ValueError as error:  # of YAML, TOML or UTF-8
        raise SettingsError(f"{file}: {one_line(error)}") from error
    if not isinstance(values, dict):
        raise SettingsError(f"{file}: {shown(values, 80)}; expected settings by name")
    return values
