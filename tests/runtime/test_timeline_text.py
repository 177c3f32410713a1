"""Timelines as text, read by readers that are not ours."""

import csv
import io
import json

import pytest
import srt
import textgrid
import webvtt

from serkit.errors import AudioError, SerkitError
from serkit.runtime import Affect, Caution, Prediction, Segment, Timeline, Window
from serkit.runtime.timeline_text import WRITERS

STRANGE = 'a "b" <i>&\n-->'


def segment(start_s, end_s, label, p=0.75, **values):
    scores = {} if label is None else {label: p, "sad": 1 - p}
    return Segment(start_s, end_s, label, scores, **values)


@pytest.fixture
def timeline():
    short = Caution("short", "lasts 0.50 s")
    segments = (
        segment(0.0, 2.25, "angry", affect=Affect(0.5, -0.25, None, "circumplex")),
        segment(2.25, 3.0, None, reason="no voice was detected"),
        segment(3.0, 3723.0046, "happy", warnings=(short,)),
        segment(3723.0046, 3725.5, STRANGE),
    )
    return Timeline(
        segments,
        (Window(0.0, 2.25, {"angry": 1 / 3, "sad": 2 / 3}, (short,)),),
        ((0.0, 2.25), (3.0, 3725.0)),
        Prediction("happy", {"happy": 0.6, "sad": 0.4}, 3725.5, "toy", None, (short,)),
    )


def test_json(timeline):
    missing = AudioError("no such file")
    good, bad = json.loads(WRITERS["json"]([("a.wav", timeline), ("b.wav", missing)]))
    assert bad == {"file": "b.wav", "error": "no such file"}
    assert (good["file"], good["model"], good["duration_s"]) == ("a.wav", "toy", 3725.5)
    assert good["overall"]["label"] == "happy"
    assert good["segments"][0] == {
        "start_s": 0.0, "end_s": 2.25, "label": "angry", "confidence": 0.75,
        "scores": {"angry": 0.75, "sad": 0.25}, "arousal": 0.5, "valence": -0.25,
        "dominance": None, "affect": "circumplex", "warnings": [],
    }  # fmt: skip
    assert good["segments"][1]["reason"] == "no voice was detected"
    assert good["segments"][3]["label"] == STRANGE
    assert good["windows"] == [
        {
            "start_s": 0.0,
            "end_s": 2.25,
            "scores": {"angry": 0.333333, "sad": 0.666667},
            **dict.fromkeys(("arousal", "valence", "dominance", "affect")),
            "warnings": [{"code": "short", "message": "lasts 0.50 s"}],
        }
    ]
    assert good["voiced"] == [[0.0, 2.25], [3.0, 3725.0]]


def test_json_lines(timeline):
    answers = [("a.wav", timeline), ("b.wav", AudioError("no"))]
    lines = [json.loads(line) for line in WRITERS["jsonl"](answers).splitlines()]
    assert [line["file"] for line in lines] == ["a.wav"] * 4 + ["b.wav"]
    assert lines[4]["error"] == "no"
    assert lines[2]["warnings"][0]["code"] == "short"


def test_csv(timeline):
    text = WRITERS["csv"]([("a.wav", timeline), ("b.wav", AudioError("no"))])
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 5
    assert all(None not in row and None not in row.values() for row in rows)
    assert float(rows[0]["angry"]) == 0.75
    assert rows[0]["happy"] == rows[1]["label"] == ""
    assert rows[1]["reason"] == "no voice was detected"
    assert rows[2]["warnings"] == "short"
    assert rows[3]["label"] == 'a "b" <i>&\\n-->'
    assert rows[4]["error"] == "no"


def test_srt(timeline):
    cues = list(srt.parse(WRITERS["srt"]([("a.wav", timeline)])))
    assert [cue.index for cue in cues] == [1, 2, 3]
    times = [(cue.start.total_seconds(), cue.end.total_seconds()) for cue in cues]
    assert times == [(0.0, 2.25), (3.0, 3723.005), (3723.005, 3725.5)]
    assert cues[0].content == "angry 0.75"
    assert cues[2].content == 'a "b" ‹i›&\\n--› 0.75'  # no markup, and no second arrow


def test_vtt(timeline):
    captions = webvtt.from_string(WRITERS["vtt"]([("a.wav", timeline)])).captions
    assert [(c.start, c.end) for c in captions] == [
        ("00:00:00.000", "00:00:02.250"),
        ("00:00:03.000", "01:02:03.005"),
        ("01:02:03.005", "01:02:05.500"),
    ]
    assert captions[1].text == "happy 0.75"
    assert captions[2].raw_text == 'a "b" &lt;i&gt;&amp;\\n--&gt; 0.75'


def test_textgrid(timeline, tmp_path):
    path = tmp_path / "a.TextGrid"
    path.write_text(WRITERS["textgrid"]([("a.wav", timeline)]), "utf-8")
    grid = textgrid.TextGrid.fromFile(str(path))
    emotion, voice = grid
    assert (emotion.name, voice.name) == ("emotion", "voice")
    assert float(grid.maxTime) == 3725.5
    found = [(float(i.minTime), float(i.maxTime), i.mark) for i in emotion]
    assert found == [
        (0.0, 2.25, "angry"),
        (2.25, 3.0, ""),
        (3.0, 3723.0046, "happy"),
        (3723.0046, 3725.5, 'a "b" <i>&\\n-->'),
    ]
    assert [i.mark for i in voice] == ["voice", "", "voice", ""]
    assert [float(i.maxTime) for i in voice] == [2.25, 3.0, 3725.0, 3725.5]


def test_rttm(timeline):
    """The ten fields of a line of NIST's *Rich Transcription* (2009), appendix A."""
    lines = WRITERS["rttm"]([("my note.wav", timeline)]).splitlines()
    names = ["type", "file", "channel", "start", "duration", "text", "subtype", "who"]
    names += ["confidence", "lookahead"]
    rows = [dict(zip(names, line.split(" "), strict=True)) for line in lines]
    assert {(row["type"], row["file"], row["channel"]) for row in rows} == {
        ("SPEAKER", "my_note.wav", "1")
    }
    assert {row[name] for row in rows for name in ("text", "subtype", "lookahead")} == {"<NA>"}
    times = [(float(row["start"]), float(row["duration"])) for row in rows]
    assert times == [(0.0, 2.25), (3.0, 3720.005), (3723.005, 2.495)]
    assert [row["who"] for row in rows][:2] == ["angry", "happy"]


@pytest.mark.parametrize("kind", ["srt", "vtt", "textgrid"])
def test_subtitles_are_of_one_recording(timeline, kind):
    with pytest.raises(SerkitError, match=f"{kind} describes one recording, got 2"):
        WRITERS[kind]([("a.wav", timeline)] * 2)
    with pytest.raises(AudioError, match="no such file"):
        WRITERS[kind]([("a.wav", AudioError("no such file"))])


@pytest.fixture
def call():
    """Two channels of a call: angry, then sad at the same time as angry."""
    overall = Prediction("angry", {"angry": 0.6, "sad": 0.4}, 6.0, "toy")
    one = Timeline((segment(0.0, 6.0, "angry"),), (), ((0.0, 6.0),), overall, 0)
    pause = segment(0.0, 2.0, None, reason="no voice was detected")
    two = Timeline((pause, segment(2.0, 6.0, "sad", 0.5)), (), ((2.0, 6.0),), overall, 1)
    return [("call.wav", one), ("call.wav", two)]


def test_channels_in_lines(call):
    assert [one["channel"] for one in json.loads(WRITERS["json"](call))] == [1, 2]
    lines = [json.loads(line) for line in WRITERS["jsonl"](call).splitlines()]
    assert [(one["channel"], one["label"]) for one in lines] == [
        (1, "angry"),
        (2, None),
        (2, "sad"),
    ]
    rows = list(csv.DictReader(io.StringIO(WRITERS["csv"]([*call, ("b", AudioError("gone"))]))))
    assert [row["channel"] for row in rows] == ["1", "2", "2", ""]
    assert rows[-1]["error"] == "gone"
    fields = [line.split() for line in WRITERS["rttm"](call).splitlines()]
    assert [(one[2], one[3], one[7]) for one in fields] == [
        ("1", "0.000", "angry"),
        ("2", "2.000", "sad"),
    ]


def test_channels_in_subtitles_and_tiers(call):
    cues = list(srt.parse(WRITERS["srt"](call)))
    assert [(cue.start.total_seconds(), cue.content) for cue in cues] == [
        (0.0, "channel 1: angry 0.75"),
        (2.0, "channel 2: sad 0.50"),
    ]
    assert WRITERS["vtt"](call).count("channel") == 2
    lines = WRITERS["textgrid"](call)
    assert [part.split('"')[1] for part in lines.split("name = ")[1:]] == [
        "emotion 1", "voice 1", "emotion 2", "voice 2",
    ]  # fmt: skip
    for kind in ("srt", "vtt", "textgrid"):
        with pytest.raises(SerkitError, match="describes one recording, got 2"):
            WRITERS[kind]([call[0], ("other.wav", call[1][1])])


def test_a_cue_lasts_a_millisecond_at_least(timeline):
    brief = Timeline((segment(1.0001, 1.0004, "angry"),), (), None, timeline.overall)
    (cue,) = srt.parse(WRITERS["srt"]([("a", brief)]))
    assert (cue.start.total_seconds(), cue.end.total_seconds()) == (1.0, 1.001)
