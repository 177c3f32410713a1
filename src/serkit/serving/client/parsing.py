"""JSON values of a server -> results; a server is not trusted to send what it should."""

from __future__ import annotations

from typing import Any, cast

from serkit.errors import ServerError
from serkit.plain import from_json
from serkit.runtime import Caution, Prediction, Segment, Timeline, Window
from serkit.runtime.affect import Affect, AffectSource
from serkit.runtime.caution import Code
from serkit.runtime.events import EndEvent, Event, PartialEvent, SegmentEvent, VoiceEvent
from serkit.serving.asr.transcript import TranscriptSegment
from serkit.text import shortened, shown

_MAX_TEXT = 1 << 20


def object_of(content: str | bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        ServerError: It is none.
    """
    try:
        values = from_json(content)
    except ValueError as error:
        raise ServerError(f"the server's answer is wrong: {error}") from error
    if not isinstance(values, dict):
        raise _wrong("answer", values)
    return values


def prediction_of(values: dict[str, Any], *, model: str = "") -> Prediction:
    """The inverse of `prediction_object`.

    Raises:
        ServerError: A value is missing or of another type.
    """
    return Prediction(
        label=text_or_none(values, "label"),
        scores=_scores(values),
        duration_s=number(values, "duration_s"),
        model=model or text(values, "model"),
        reason=text_or_none(values, "reason"),
        warnings=_warnings(values),
        affect=_affect(values),
    )


def timeline_of(values: dict[str, Any]) -> Timeline:
    """The inverse of `timeline_object`, for the mean of all channels.

    Raises:
        ServerError: As `prediction_of`.
    """
    overall = {**_object(values.get("overall")), "duration_s": values.get("duration_s")}
    voiced = values.get("voiced")
    return Timeline(
        segments=tuple(map(_segment, _objects(values, "segments"))),
        windows=tuple(map(_window, _objects(values, "windows"))),
        voiced=None if voiced is None else tuple(map(_stretch, _list(voiced, "voiced"))),
        overall=prediction_of(overall, model=text(values, "model")),
    )


def event_of(values: dict[str, Any], model: str) -> Event | None:
    """The inverse of `event_object`; None for an event of another kind.

    Raises:
        ServerError: As `prediction_of`.
    """
    match values.get("event"):
        case "voice":
            return VoiceEvent(number(values, "time_s"), values.get("voiced") is True)
        case "partial":
            return PartialEvent(_window(values), text_or_none(values, "label"))
        case "segment":
            return SegmentEvent(_segment(values))
        case "end":
            return EndEvent(prediction_of(values, model=model))
        case _:
            return None


def text_of(values: dict[str, Any]) -> dict[str, Any]:
    """The attributes of an `Answer` that tell its modalities and its text.

    Raises:
        ServerError: As `prediction_of`.
    """
    modalities = _list(values.get("modalities", ["acoustic"]), "modalities")
    if not all(isinstance(one, str) for one in modalities):
        raise _wrong("modalities", modalities)
    return {
        "modalities": tuple(modalities),
        "text": text_or_none(values, "text"),
        "language": text_or_none(values, "language"),
        "text_reason": text_or_none(values, "text_reason"),
        "text_segments": tuple(
            TranscriptSegment(number(one, "start_s"), number(one, "end_s"), text(one, "text"))
            for one in _objects(values, "text_segments")
        ),
    }


def _segment(values: dict[str, Any]) -> Segment:
    return Segment(
        start_s=number(values, "start_s"),
        end_s=number(values, "end_s"),
        label=text_or_none(values, "label"),
        scores=_scores(values),
        reason=text_or_none(values, "reason"),
        warnings=_warnings(values),
        affect=_affect(values),
    )


def _window(values: dict[str, Any]) -> Window:
    return Window(
        start_s=number(values, "start_s"),
        end_s=number(values, "end_s"),
        scores=_scores(values),
        warnings=_warnings(values),
        affect=_affect(values),
    )


def _stretch(value: Any) -> tuple[float, float]:
    match value:
        case [int() | float() as start_s, int() | float() as end_s]:
            return float(start_s), float(end_s)
        case _:
            raise _wrong("voiced", value)


def _scores(values: dict[str, Any]) -> dict[str, float]:
    scores = _object(values.get("scores"))
    return {name: number(scores, name) for name in scores}


def _affect(values: dict[str, Any]) -> Affect:
    source = values.get("affect")
    if source not in (None, "learned", "circumplex"):
        raise _wrong("affect", source)
    arousal, valence, dominance = (
        None if values.get(name) is None else number(values, name)
        for name in ("arousal", "valence", "dominance")
    )
    return Affect(arousal, valence, dominance, cast("AffectSource | None", source))


def _warnings(values: dict[str, Any]) -> tuple[Caution, ...]:
    return tuple(
        # A newer server may know more codes.
        Caution(cast("Code", text(one, "code")), text(one, "message"))
        for one in _objects(values, "warnings")
    )


def _objects(values: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [_object(one) for one in _list(values.get(name, []), name)]


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong("object", value)
    return value


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong(name, value)
    return value


def number(values: dict[str, Any], name: str) -> float:
    """A number of an object.

    Raises:
        ServerError: It is none, or missing.
    """
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(name, value)
    return float(value)


def text(values: dict[str, Any], name: str) -> str:
    """A text of an object.

    Raises:
        ServerError: It is none, or missing.
    """
    value = values.get(name)
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise _wrong(name, value)
    return value


def text_or_none(values: dict[str, Any], name: str) -> str | None:
    """A text of an object; None if it is missing or null.

    Raises:
        ServerError: It is something else.
    """
    return None if values.get(name) is None else text(values, name)


def _wrong(name: str, value: Any) -> ServerError:
    return ServerError(
        f"the server's answer is wrong: {shortened(name, 80)} is {shown(value, 80)}; is it a "
        "server of serkit, of the same version?"
    )
