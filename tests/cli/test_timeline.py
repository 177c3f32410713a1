import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import serkit
from serkit.audio.voice import BandDetector, VoiceOptions, voice_segments
from serkit.runtime import TimelineSettings

from command import in_process

RATE = 16_000


@pytest.fixture
def note(tmp_path):
    rng = np.random.default_rng(0)
    levels = np.repeat([0.2, 0.02, 0.2], 6 * RATE)
    path = tmp_path / "note.wav"
    soundfile.write(path, levels * rng.standard_normal(len(levels)), RATE, "FLOAT")
    return path


def test_json_is_the_timeline(note):
    done = in_process(
        "timeline", "--detector", "off", note, "-f", "json", "--hop", "1", "--smoothing", "hmm"
    )
    assert (done.returncode, done.stderr) == (0, "")
    (answer,) = json.loads(done.stdout)
    settings = TimelineSettings(hop_s=1.0, smoothing="hmm")
    timeline = serkit.load("tiny").timeline(note, settings, detector=None)
    assert answer["file"] == str(note)
    assert [part["label"] for part in answer["segments"]] == [s.label for s in timeline.segments]
    assert [part["start_s"] for part in answer["windows"]] == [w.start_s for w in timeline.windows]
    assert answer["overall"]["label"] == timeline.overall.label


def test_a_table(note):
    done = in_process("timeline", "--detector", "off", note)
    assert done.returncode == 0
    first, *rows = done.stdout.splitlines()
    assert first.split() == ["start", "end", "emotion", "probability", "arousal", "valence"]
    assert rows[0].split()[0] == "0:00.0"
    assert any(row.startswith("overall: ") for row in rows)


def test_a_table_says_what_is_marked():
    example = Path(__file__).parents[2] / "examples" / "note.ogg"
    timeline = serkit.load("tiny").timeline(str(example))
    assert not timeline.warnings
    (marked,) = [segment for segment in timeline.segments if segment.warnings]
    (warning,) = marked.warnings
    *_, last = in_process("timeline", example).stdout.splitlines()
    assert last == f"! {warning.code}: 0:{marked.start_s:.1f}"


def test_voice_is_detected_with_the_options_given(tmp_path):
    """Speech, ten seconds of silence, speech: three segments at least, and one is the pause."""
    speech = serkit.read(Path(__file__).parents[2] / "examples" / "plain.flac")
    samples = np.concatenate((speech, np.zeros(10 * RATE), speech)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, RATE, "FLOAT")
    options = ("--min-silence-ms", "500", "--pad-ms", "100")
    done = in_process("timeline", tmp_path / "a.wav", "-f", "json", *options)
    (answer,) = json.loads(done.stdout)
    detector = BandDetector(VoiceOptions(min_silence_ms=500, pad_ms=100))
    expected = [(s.start_s, s.end_s) for s in voice_segments([samples], detector)]
    np.testing.assert_allclose(answer["voiced"], expected, atol=1e-4)
    pauses = [p for p in answer["segments"] if p.get("reason") == "no voice was detected"]
    assert max(p["end_s"] - p["start_s"] for p in pauses) > 9.0
    assert answer["overall"]["label"] is not None


def test_standard_input(note):
    content = note.read_bytes()
    command = [sys.executable, "-m", "serkit", "timeline", "-", "-f", "json", "--detector", "off"]
    done = subprocess.run(command, input=content, capture_output=True, check=True)
    (piped,) = json.loads(done.stdout)
    (named,) = json.loads(in_process("timeline", "--detector", "off", note, "-f", "json").stdout)
    assert piped == named | {"file": "-"}


@pytest.mark.parametrize("kind", ["json", "jsonl", "csv", "srt", "vtt", "textgrid", "rttm"])
def test_the_suffix_chooses_the_format(note, tmp_path, kind):
    out = tmp_path / f"note.{kind.title()}"
    done = in_process("timeline", "--detector", "off", note, "-o", out)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert out.read_text() == in_process("timeline", "--detector", "off", note, "-f", kind).stdout


def test_a_bad_file_costs_only_its_own_answer(note, tmp_path):
    done = in_process("timeline", tmp_path / "no.wav", note, "-f", "csv", "--detector", "off")
    assert done.returncode == 2
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert rows[0]["error"] == "no such file"
    assert rows[1]["label"]
    assert done.stderr == f"serkit: {tmp_path / 'no.wav'}: no such file\n"


def test_nothing_is_written_without_an_answer(tmp_path):
    out = tmp_path / "note.srt"
    done = in_process("timeline", tmp_path / "no.wav", "-o", out)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-o", "{note}", "-f", "csv"], "is an input and would be overwritten"),
        (["-o", "{folder}/a.txt"], "expected --format, or one of json, jsonl"),
        (["-o", "{folder}/a.csv", "-f", "table"], "a table is only printed"),
        (["--pad-ms", "20"], "options of voice activity are given, but --detector is off"),
        (["--detector", "best"], "there is no detector 'best'; expected bands or silero"),
        (["--channel", "0"], "'0' is not a channel; expected 1 to 1024, or each"),
        (["--channel", "all"], "'all' is not a channel"),
        (["--channel", "2"], "channel 2 was asked for; the recording has 1"),
        (["--link-sound"], "there is no --report to link from"),
        (["--hop", "9"], "serkit: the hop is 9 s; expected more than 0 and at most the window of"),
        (["-", "-"], "standard input is read only once"),
        (["--window", "0.1"], "the window is 0.1 s; expected 0.5 to 60 s"),
        (["--labels", "joy"], "unknown label 'joy'"),
        (["--profile", "nobody", "--profiles", "{folder}"], "nobody"),
    ],
)
def test_impossible_options(note, tmp_path, arguments, said):
    filled = [text.format(note=note, folder=tmp_path) for text in arguments]
    before = note.read_bytes()
    done = in_process("timeline", "--detector", "off", note, *filled)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split()).replace("│ ", "").replace(" │", "")
    assert note.read_bytes() == before


def test_several_recordings_have_no_common_subtitles(note, tmp_path):
    """Refused before any is read: the second does not exist."""
    done = in_process("timeline", "--detector", "off", note, tmp_path / "no.wav", "-f", "srt")
    assert done.returncode == 2
    assert done.stderr.startswith("serkit: srt describes one recording, got 2; ")
    assert len(done.stderr.splitlines()) == 1


def test_each_channel(note, tmp_path):
    """Two voices that speak in turn: each channel has the answer of its own file."""
    speech = serkit.read(Path(__file__).parents[2] / "examples" / "plain.flac")
    both = np.zeros((2 * len(speech) + 4 * RATE, 2))
    both[RATE : RATE + len(speech), 0] = speech
    both[-len(speech) - RATE : -RATE, 1] = speech
    for name, samples in (("both", both), ("0", both[:, 0]), ("1", both[:, 1])):
        soundfile.write(tmp_path / f"{name}.wav", samples, RATE, "FLOAT")
    done = in_process("timeline", tmp_path / "both.wav", "--channel", "each", "-f", "json")
    assert (done.returncode, done.stderr) == (0, "")
    for number, answer in enumerate(json.loads(done.stdout)):
        alone = in_process("timeline", tmp_path / f"{number}.wav", "-f", "json")
        (expected,) = json.loads(alone.stdout)
        assert answer.pop("channel") == number + 1
        assert answer | {"file": ""} == expected | {"file": ""}
    table = in_process("timeline", tmp_path / "both.wav", "--channel", "each").stdout
    assert "both.wav, channel 2" in table.replace("\n", "")
    mono = in_process("timeline", note, "--channel", "each", "-f", "rttm", "--detector", "off")
    assert {line.split()[2] for line in mono.stdout.splitlines()} == {"1"}


def test_a_report_with_linked_sound(note, tmp_path):
    page = tmp_path / "note.html"
    arguments = ("timeline", note, "--detector", "off", "--link-sound", "-f", "csv")
    assert in_process(*arguments, "--report", page).returncode == 0
    assert 'src="./note.wav"' in page.read_text()
    (tmp_path / "below").mkdir()
    done = in_process(*arguments, "--report", tmp_path / "below" / "note.html")
    assert (done.returncode, done.stdout) == (2, "")
    assert "note.wav is not in the folder of the report" in done.stderr


def test_a_full_disk_under_the_report(note, tmp_path):
    """The page that was there stays, the answer is printed, and nothing else is left."""
    page = tmp_path / "out" / "note.html"
    page.parent.mkdir()
    page.write_text("before")
    limited = (
        "import resource, signal, sys; from serkit.cli.main import main;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); main()"
    )
    command = [sys.executable, "-c", limited, "timeline", note, "--report", page, "-f", "csv"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout.startswith("file,start_s")
    assert len(done.stderr.splitlines()) == 1
    assert "note.html" in done.stderr
    assert [one.name for one in page.parent.iterdir()] == ["note.html"]
    assert page.read_text() == "before"


def test_a_report(note, tmp_path):
    page = tmp_path / "note.html"
    done = in_process("timeline", note, tmp_path / "no.wav", "--report", page, "-f", "csv")
    assert done.returncode == 2
    text = page.read_text()
    assert "note.wav" in text
    assert "no such file" in text
    done = in_process("timeline", "-", "--report", page)
    assert done.returncode == 2
    assert "standard input is read only once" in done.stderr
