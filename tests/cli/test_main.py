import contextlib
import csv
import io
import json
import os
import pty
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from command import in_process, serkit

RATE = 16_000


def one_line(text):
    return len(text.strip().splitlines()) == 1 and "Traceback" not in text


@pytest.fixture
def recordings(tmp_path):
    rng = np.random.default_rng(0)
    paths = {name: tmp_path / f"{name}.wav" for name in ("good", "other", "silent", "short")}
    for name, samples in {
        "good": rng.standard_normal(2 * RATE) * 0.1,
        "other": rng.standard_normal(3 * RATE) * 0.01,
        "silent": np.zeros(RATE),
        "short": rng.standard_normal(320) * 0.1,
    }.items():
        soundfile.write(paths[name], samples, RATE)
    return paths


def test_json_is_an_array_of_one_object_a_file(recordings):
    done = in_process("predict", recordings["good"], recordings["other"], "--format", "json")
    assert done.returncode == 0
    assert done.stderr == ""
    answers = json.loads(done.stdout)
    assert [a["file"] for a in answers] == [str(recordings["good"]), str(recordings["other"])]
    for answer, seconds in zip(answers, (2.0, 3.0), strict=True):
        affect = {"arousal", "valence", "dominance", "affect"}
        assert set(answer) == {
            "file", "label", "scores", *affect, "duration_s", "model", "warnings",
        }  # fmt: skip
        assert list(answer["scores"]) == ["angry", "happy", "neutral", "sad"]
        assert sum(answer["scores"].values()) == pytest.approx(1, abs=1e-5)
        assert answer["label"] == max(answer["scores"], key=answer["scores"].get)
        assert answer["duration_s"] == seconds
        assert answer["model"] == "tiny"


def test_a_bad_file_costs_only_its_own_answer(recordings, tmp_path):
    done = in_process(
        "predict", recordings["short"], recordings["good"], tmp_path / "no.wav", "-f", "json"
    )
    assert done.returncode == 2
    short, good, missing = json.loads(done.stdout)
    assert set(short) == {"file", "error"}
    assert "20 ms" in short["error"]
    assert good["label"]
    assert "no such file" in missing["error"]
    assert len(done.stderr.strip().splitlines()) == 2
    assert "Traceback" not in done.stderr


def test_silence_is_an_answer(recordings):
    done = in_process("predict", recordings["silent"], "-f", "json")
    assert done.returncode == 0
    (answer,) = json.loads(done.stdout)
    assert answer["label"] is None
    assert "silence" in answer["reason"]


def test_csv(recordings):
    done = in_process("predict", *recordings.values(), "-f", "csv", "--labels", "sad,happy")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["label"] for row in rows[2:]] == ["", ""]
    assert float(rows[0]["happy"]) + float(rows[0]["sad"]) == pytest.approx(1, abs=1e-5)
    assert rows[0]["angry"] == ""
    assert "20 ms" in rows[3]["error"]


def test_table(recordings):
    done = in_process("predict", *recordings.values())
    lines = done.stdout.splitlines()
    assert lines[0].split() == [
        "recording",
        "emotion",
        "angry",
        "happy",
        "neutral",
        "sad",
        "seconds",
    ]
    assert [line.split()[0] for line in lines[1:5]] == [
        "good.wav", "other.wav", "silent.wav", "short.wav",
    ]  # fmt: skip
    assert any("digital silence" in line for line in lines[5:])


@pytest.fixture
def telephone(tmp_path):
    """Half a second at 8 kHz, cut off within its last samples."""
    path = tmp_path / "telephone.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(1).standard_normal(4000), 8000)
    path.write_bytes(path.read_bytes()[:-100])
    return path


def test_warnings_are_objects_in_json(telephone):
    (answer,) = json.loads(in_process("predict", telephone, "-f", "json").stdout)
    assert answer["label"]
    assert [w["code"] for w in answer["warnings"]][:3] == ["truncated", "narrowband", "short"]
    assert all(set(w) == {"code", "message"} and w["message"] for w in answer["warnings"])


def test_warnings_are_codes_in_csv(telephone):
    (row,) = csv.DictReader(io.StringIO(in_process("predict", telephone, "-f", "csv").stdout))
    assert row["warnings"].split(";")[:3] == ["truncated", "narrowband", "short"]
    assert row["error"] == ""


def test_warnings_are_a_mark_and_a_line_each_in_the_table(telephone, recordings):
    lines = in_process("predict", telephone, recordings["silent"]).stdout.splitlines()
    assert lines[1].split()[2] == "!"
    assert "!" not in lines[2]
    foot = [line for line in lines[3:] if line.startswith("! ")]
    assert all(str(telephone) in line for line in foot)
    assert any("above 4 kHz" in line for line in foot)
    assert any("lasts 0.49 s" in line for line in foot)


def test_the_report(recordings, tmp_path):
    page = tmp_path / "report.html"
    done = in_process("predict", *recordings.values(), "--report", page)
    assert done.returncode == 2
    assert page.read_text().count("<section>") == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "huge"], "unknown model 'huge'"),
        (["--model", "./no.safetensors"], "no such file"),
        (["--labels", "joy"], "unknown label 'joy'; expected labels of tiny: angry"),
        (["--min-confidence", "2"], "expected 0 to 1"),
        (["--report", "/dev/null/x.html"], "/dev/null"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_2(recordings, arguments, message):
    done = in_process("predict", recordings["good"], *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert one_line(done.stderr)


def test_debug_shows_the_trace(recordings):
    done = serkit("--debug", "predict", recordings["good"], "--model", "huge")
    assert "Traceback" in done.stderr


def test_debug_shows_the_trace_of_a_file_passed_over(recordings, tmp_path):
    files = (tmp_path / "no.wav", recordings["good"])
    done = serkit("--debug", "predict", *files, "-f", "json")
    assert done.returncode == 2
    assert json.loads(done.stdout)[1]["label"]
    assert done.stderr.count("Traceback") == 1
    assert "no such file" in done.stderr
    assert "Traceback" not in serkit("predict", *files).stderr


def test_models():
    done = in_process("models")
    assert done.returncode == 0
    listed = [line.split()[0] for line in done.stdout.splitlines() if line[0] != " "]
    assert listed == ["model", "emodb7", "ravdess8", "tiny", "tiny-mel"]


def test_the_card():
    text = in_process("models", "show", "tiny").stdout
    for expected in ("leave one corpus out", "UA", "ECE", "bytes", "Commercial use: no", "RAVDESS"):
        assert expected in text
    card = json.loads(in_process("models", "show", "tiny", "--json").stdout)
    assert card["labels"] == ["angry", "happy", "neutral", "sad"]
    assert {c["name"] for c in card["corpora"]} == {"ravdess", "emodb", "tess", "nemo"}


def test_version_and_help():
    import serkit as package

    assert in_process("--version").stdout.strip() == f"serkit {package.__version__}"
    assert "predict" in in_process("--help").stdout


def test_a_bar_is_shown_on_a_terminal_only(recordings):
    arguments = ("predict", *[recordings["good"]] * 6)
    assert serkit(*arguments).stderr == ""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        command = [sys.executable, "-m", "serkit", *arguments]
        done = subprocess.run(
            list(map(str, command)), stderr=theirs, stdout=subprocess.PIPE, check=True
        )
        os.close(theirs)
        shown = b""
        # Linux reports an error where a terminal has no other end any more.
        with contextlib.suppress(OSError):
            while part := terminal.read(4096):
                shown += part
    assert b"Recognising" in shown
    assert b"\x1b[" in shown
    assert done.stdout == serkit(*arguments).stdout.encode()
