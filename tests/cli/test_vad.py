import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from serkit.audio import read
from serkit.audio.voice import VoiceOptions, find_detector, voice_segments

from command import in_process, peak_mb

EXAMPLES = Path(__file__).parents[2] / "examples"
RATE = 16_000


@pytest.fixture
def recordings(tmp_path):
    """A clip of a speaker between pauses, faint noise, and a file that is no audio."""
    rng = np.random.default_rng(0)
    clip = read(sorted(EXAMPLES.glob("*.flac"))[0])
    around = np.zeros(3 * RATE)
    spoken = np.concatenate((around, clip, around))
    paths = {name: tmp_path / f"{name}.wav" for name in ("spoken", "quiet", "text")}
    soundfile.write(paths["spoken"], spoken + 1e-4 * rng.standard_normal(len(spoken)), RATE)
    soundfile.write(paths["quiet"], 1e-4 * rng.standard_normal(2 * RATE), RATE)
    paths["text"].write_text("no audio")
    return paths


def expected(path, name="bands", **options):
    found = voice_segments([read(path)], find_detector(name, VoiceOptions(**options)))
    return [{"start_s": round(s.start_s, 6), "end_s": round(s.end_s, 6)} for s in found]


@pytest.mark.parametrize("name", ["bands", "silero"])
def test_json(recordings, name):
    done = in_process(
        "vad", recordings["spoken"], recordings["quiet"], "--detector", name, "--format", "json"
    )
    assert (done.returncode, done.stderr) == (0, "")
    spoken, quiet = json.loads(done.stdout)
    assert spoken["file"] == str(recordings["spoken"])
    assert spoken["segments"] == expected(recordings["spoken"], name) != []
    lengths = [s["end_s"] - s["start_s"] for s in spoken["segments"]]
    assert spoken["speech_s"] == pytest.approx(sum(lengths), abs=1e-5)
    assert spoken["duration_s"] == pytest.approx(len(read(recordings["spoken"])) / RATE, abs=1e-5)
    assert (quiet["segments"], quiet["speech_s"], quiet["duration_s"]) == ([], 0, 2.0)


def test_options(recordings):
    options = {"threshold": 0.7, "min_speech_ms": 50, "min_silence_ms": 900, "pad_ms": 120}
    given = [f"--{key.replace('_', '-')}={value}" for key, value in options.items()]
    done = in_process("vad", recordings["spoken"], *given, "-f", "json")
    found = json.loads(done.stdout)[0]["segments"]
    assert found == expected(recordings["spoken"], **options)
    assert found != expected(recordings["spoken"])


def test_csv_has_a_row_for_each_segment(recordings):
    done = in_process("vad", recordings["spoken"], recordings["quiet"], "-f", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    wanted = expected(recordings["spoken"])
    assert [float(row["start_s"]) for row in rows] == [s["start_s"] for s in wanted]
    assert {row["file"] for row in rows} == {str(recordings["spoken"])}


def test_a_file_that_cannot_be_read_is_reported_and_the_others_are_searched(recordings):
    done = in_process("vad", recordings["text"], recordings["spoken"], recordings["quiet"])
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"serkit: {recordings['text']}: ")
    shown = done.stdout
    assert "error" in shown and "no speech" in shown
    for segment in expected(recordings["spoken"]):
        assert f"{segment['start_s']:.2f}" in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--detector", "whisper"], "no detector 'whisper'; expected bands or silero"),
        (["--threshold", "2"], "threshold is 2; expected 0.01 to 0.99"),
        (["--pad-ms", "500"], "pad_ms is 500; expected at most half of min_silence_ms"),
    ],
)
def test_bad_options_are_one_line(recordings, options, message):
    done = in_process("vad", recordings["spoken"], *options)
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and message in done.stderr


def test_a_truncated_file_is_searched_as_far_as_it_goes(recordings, tmp_path):
    samples = read(recordings["spoken"])
    whole = tmp_path / "whole.wav"
    soundfile.write(whole, samples, RATE, "PCM_16")
    half = tmp_path / "half.wav"
    half.write_bytes(whole.read_bytes()[: 44 + len(samples)])
    done = in_process("vad", half, "-f", "json")
    answer = json.loads(done.stdout)[0]
    assert done.returncode == 0
    assert answer["truncated"] in done.stderr
    assert answer["duration_s"] == pytest.approx(len(samples) / 2 / RATE, abs=0.01)


def test_memory_does_not_grow_with_the_recording(tmp_path):
    rng = np.random.default_rng(0)
    minute = (0.01 * rng.standard_normal(60 * RATE) * 32768).astype(np.int16)
    peaks = []
    for minutes in (1, 20):
        path = tmp_path / f"{minutes}.wav"
        soundfile.write(path, np.tile(minute, minutes), RATE)
        peaks.append(peak_mb("vad", path, "-f", "csv"))
    assert peaks[1] < peaks[0] + 5.0
