"""`serkit send`: recordings to a server."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serkit.cli.microphone import Chunk, as_if_live, microphone
from serkit.cli.streams import complain, say
from serkit.cli.timeline import minutes
from serkit.errors import AudioError, PacketError, ServerError

if TYPE_CHECKING:
    from serkit.runtime import Prediction
    from serkit.serving.client import Answer, Client, ClientStream, Cost
    from serkit.serving.client.events import StreamEvent

_TOKEN = "SERKIT_TOKEN"  # noqa: S105 - the name of a variable
_OF_THE_RECORDING = frozenset({400, 413, 422})


def send(
    audio: Annotated[
        list[str] | None,
        typer.Argument(metavar="AUDIO...", help="Recordings; with --stream none: the microphone."),
    ] = None,
    to: Annotated[str, typer.Option("--to", metavar="URL", help="Address of the server.")] = (
        "http://127.0.0.1:8757"
    ),
    mode: Annotated[
        str, typer.Option(metavar="M", help="How to send: basis, svd, opus, wav or file.")
    ] = "basis",
    stream: Annotated[
        bool, typer.Option("--stream", help="Send sound as it comes, and print segments.")
    ] = False,
    when_unsure: Annotated[
        float | None,
        typer.Option(metavar="P", help="Ask only if the device's best probability is below P."),
    ] = None,
    fallback: Annotated[
        bool, typer.Option(help="Answer on the device when the server is away.")
    ] = True,
    token_file: Annotated[
        Path | None,
        typer.Option(metavar="F", help=f"File with the token of the server; or set {_TOKEN}."),
    ] = None,
    plain_token: Annotated[
        bool, typer.Option("--plain-token", help="Send the token over http to another machine.")
    ] = False,
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="M", help="Model of the server.")
    ] = None,
    radio: Annotated[
        str, typer.Option(metavar="R", help="Radio of the modelled energy: wifi, lte or lte-m.")
    ] = "lte",
    timeout_s: Annotated[
        float,
        typer.Option("--timeout", metavar="S", help="Longest wait for an answer, in seconds."),
    ] = 30.0,
    speed: Annotated[
        float, typer.Option(min=0.0, help="--stream: 1 is real time, 0 as fast as possible.")
    ] = 0.0,
    device: Annotated[
        str | None, typer.Option(metavar="D", help="--stream: name or number of a microphone.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Recognise emotion on a server, or on this device where that is better.

    Prints where each answer comes from and what it cost: bytes, seconds, and energy by a
    published model of the radio.
    """
    if not audio and not stream:
        raise typer.BadParameter("expected a recording, or --stream", param_hint="AUDIO...")
    if audio and device is not None:
        raise AudioError("AUDIO and --device are given; expected one of them")
    from serkit.serving.client import Client
    from serkit.serving.client.address import read_token

    token = os.environ.get(_TOKEN) if token_file is None else read_token(token_file)
    with Client(
        to, token=token or None, mode=mode, model=model, when_unsure=when_unsure,
        fallback=fallback, timeout_s=timeout_s, radio=radio, allow_plain=plain_token,
    ) as client:  # fmt: skip
        if not stream:
            _send_all(client, audio or [], as_json)
            return
        files: list[str | None] = [*audio] if audio else [None]
        for name in files:
            chunks = microphone(device) if name is None else as_if_live(name, speed)
            with client.stream() as opened:
                _follow(opened, chunks, as_json)


def _send_all(client: Client, files: list[str], as_json: bool) -> None:
    values, failed = [], False
    for file in files:
        try:
            answer = client.recognize(file)
        except (AudioError, PacketError, ServerError, OSError) as error:
            if isinstance(error, ServerError) and error.status not in _OF_THE_RECORDING:
                raise  # the next recording would fare no better
            message = (error.strerror or error) if isinstance(error, OSError) else error
            complain(f"{file}: {message}")
            values.append({"file": file, "error": str(message)})
            failed = True
            continue
        values.append({"file": file, **_object(answer)})
        if answer.source == "device" and len(answer.costs) > 1:
            complain(f"{file}: answered on the device, as {answer.reason}")
        if not as_json:
            say(f"{file}: {_label(answer.result)}  ({_came(answer.source, answer.costs)})")
            if answer.text:
                say(f"  {answer.text}")
            elif answer.text_reason:
                say(f"  (no text: {answer.text_reason})")
    if as_json:
        typer.echo(json.dumps(values, indent=2))
    if failed:
        raise typer.Exit(2)


def _follow(stream: ClientStream, chunks: Iterable[Chunk], as_json: bool) -> None:
    """Show events until the sound ends, or Ctrl-C."""
    heard = told = False

    def show(events: list[StreamEvent]) -> None:
        nonlocal told
        if stream.reason is not None and not told:
            complain(f"going on on the device, as {stream.reason}")
            told = True
        for event in events:
            _show(event, as_json)
        sys.stdout.flush()

    with contextlib.suppress(KeyboardInterrupt):
        for samples, rate in chunks:
            heard = True
            show(stream.push(samples, rate=rate))
    if heard:
        show(stream.finish())
    if as_json:
        costs = [cost.to_dict() for cost in stream.costs]
        typer.echo(json.dumps({"event": "costs", "source": stream.source, "costs": costs}))
    elif heard:
        say(f"({_came(stream.source, stream.costs)})")


def _show(event: StreamEvent, as_json: bool) -> None:
    if event.kind == "text":
        if as_json:
            values = {"start_s": event.start_s, "end_s": event.end_s, "text": event.text}
            values |= {"language": event.language, "text_reason": event.reason}
            typer.echo(json.dumps({"event": "text", **values}))
        elif event.text:
            say(f"{minutes(event.start_s)} - {minutes(event.end_s)}  {event.text}")
    elif as_json:
        from serkit.runtime.timeline_text import event_object

        typer.echo(json.dumps(event_object(event)))
    elif event.kind == "segment":
        one = event.segment
        label = f"none: {one.reason}" if one.label is None else f"{one.label} {one.confidence:.2f}"
        say(f"{minutes(one.start_s)} - {minutes(one.end_s)}  {label}")
    elif event.kind == "end":
        say(f"overall: {_label(event.overall)}")


def _object(answer: Answer[Prediction]) -> dict[str, Any]:
    from serkit.runtime.timeline_text import prediction_object

    return {
        **prediction_object(answer.result),
        "modalities": list(answer.modalities),
        "text": answer.text,
        "language": answer.language,
        "text_reason": answer.text_reason,
        "source": answer.source,
        "source_reason": answer.reason,
        "costs": [cost.to_dict() for cost in answer.costs],
    }


def _label(answer: Prediction) -> str:
    if answer.label is None:
        return f"none: {answer.reason}"
    return f"{answer.label} {answer.scores[answer.label]:.2f}"


def _came(source: str, costs: tuple[Cost, ...]) -> str:
    """Such as `server; 1,480 bytes, 0.12 s, 0.161 J`; of several ways, each with its name."""
    figures = [
        f"{cost.bytes_sent:,} bytes, {cost.seconds:.2f} s, {cost.joules:.3f} J"
        if cost.way == "server"
        else f"{cost.seconds:.2f} s, {cost.joules:.3f} J"
        for cost in costs
    ]
    if len(costs) > 1:
        figures = [f"{cost.way}: {told}" for cost, told in zip(costs, figures, strict=True)]
    return "; ".join([source, *figures])
