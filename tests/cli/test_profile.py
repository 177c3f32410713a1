"""`serkit profile`: the path of a phone developer, and what goes wrong on it."""

import ast
import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from serkit.adaptation import SpeakerModel
from serkit.runtime import load_network, save_model

from command import in_process, serkit

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def place(tmp_path):
    for name in ("plain", "slow-low-quiet", "fast-high-loud", "calm-low"):
        shutil.copy(EXAMPLES / f"{name}.flac", tmp_path)
    return tmp_path


@pytest.fixture
def run(place):
    """Run a command in the folder, where the profiles are too."""

    def run(*arguments, code=0):
        done = in_process(*arguments, cwd=place, env={"SERKIT_PROFILES": str(place / "profiles")})
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout if code == 0 else done.stderr

    return run


@pytest.fixture
def named(place):
    """The option that names a model with a speaker model on its card."""
    one = np.eye(3)
    speakers = SpeakerModel(3.0 * np.eye(4, 3), one, 0.2 * one, 2.0 * one)
    save_model(
        load_network("tiny").with_card(name="mine", speakers=speakers), place / "mine.safetensors"
    )
    return ("--model", "mine.safetensors")


def scores(run, *arguments):
    (answer,) = json.loads(run(*arguments, "--format", "json"))
    return answer["scores"]


def test_enrol_learn_see_the_answer_change_and_take_it_back(run):
    anybody = scores(run, "predict", "plain.flac")
    assert "an empty profile of tiny" in run("profile", "create", "anna")
    assert scores(run, "predict", "--profile", "anna", "plain.flac") == anybody
    for i, (clip, label) in enumerate(
        [("plain", "sad"), ("slow-low-quiet", "sad"), ("fast-high-loud", "happy")], start=1
    ):
        said = run("profile", "learn", "anna", f"{clip}.flac", label)
        before, after = map(float, re.findall(r"\d\.\d\d", said))
        assert said.startswith(f"anna: correction {i}: {clip}.flac is {label}; ")
        assert after > before
    mine = scores(run, "predict", "--profile", "anna", "plain.flac")
    assert mine == scores(run, "profile", "predict", "anna", "plain.flac")
    assert max(mine, key=mine.get) == "sad"
    assert max(anybody, key=anybody.get) == "neutral"
    assert "correction 1 (sad) is taken back" in run("profile", "forget", "anna", "plain.flac")
    assert "correction 3 (happy) is taken back" in run("profile", "forget", "anna", "--last")
    assert "correction 2 (sad) is taken back" in run("profile", "forget", "anna", "--id", "2")
    assert scores(run, "predict", "--profile", "anna", "plain.flac") == anybody


def test_stats_export_import_delete(run, place, named):
    assert "no profiles" in run("profile", "stats")
    run("profile", "create", "anna", *named)
    run("profile", "enrol", "anna", "plain.flac", "fast-high-loud.flac", *named)
    run("profile", "learn", "anna", "plain.flac", "sad", *named)
    stats = json.loads(run("profile", "stats", "anna", "--json"))
    assert (stats["name"], stats["model"], stats["corrections"]) == ("anna", "mine", 1)
    assert stats["enrolled_s"] == pytest.approx(4.8, abs=0.1)
    assert stats["listed"] == [{"id": 1, "label": "sad", "needs_recording": False}]
    assert stats["bytes"] == (place / "profiles" / "anna.profile").stat().st_size
    text = run("profile", "stats", "anna")
    assert "corrections: 1" in text
    assert "correction 1: sad" in text
    run("profile", "export", "anna", "-o", "out/anna.bin")
    assert "a profile of mine" in run("profile", "import", "out/anna.bin", "bob")
    run("profile", "import", "out/anna.bin", "--profiles", "elsewhere")
    assert (place / "elsewhere" / "anna.profile").exists()
    assert json.loads(run("profile", "stats", "--json")) == ["anna", "bob"]
    assert scores(run, "predict", "--profile", "bob", "plain.flac", *named) == scores(
        run, "predict", "--profile", "anna", "plain.flac", *named
    )
    assert run("profile", "delete", "anna", "--yes").strip().endswith("anna.profile: removed")
    assert run("profile", "stats").split() == ["bob"]


def test_a_profile_is_removed_only_on_request(place):
    environment = {"SERKIT_PROFILES": str(place)}
    in_process("profile", "create", "anna", env=environment)
    done = serkit("profile", "delete", "anna", "--profiles", place, input="n\n")
    assert done.returncode == 1
    assert (place / "anna.profile").exists()
    done = serkit("profile", "delete", "anna", "--profiles", place, input="y\n")
    assert done.returncode == 0
    assert not (place / "anna.profile").exists()


def test_the_model_of_a_file_is_named(run, place):
    mine = load_network("tiny").with_card(name="mine", temperature=1.0)
    save_model(mine, place / "mine.safetensors")
    run("profile", "create", "anna", "--model", "mine.safetensors")
    error = run("predict", "--profile", "anna", "plain.flac", code=2)
    assert re.search(r"belongs to the model mine \(.{8}\), which is not shipped .* --model", error)
    run("profile", "learn", "anna", "plain.flac", "sad", "--model", "mine.safetensors")
    mine = scores(run, "predict", "--profile", "anna", "plain.flac", "--model", "mine.safetensors")
    assert max(mine, key=mine.get) == "sad"
    error = run("predict", "--profile", "anna", "plain.flac", "--model", "tiny", code=2)
    assert re.search(r"belongs to the model mine \(.{8}\), not to tiny \(.{8}\)", error)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("create", "a/b"), "the profile name 'a/b' has one of the characters"),
        (("create", "anna"), "there is a profile 'anna' already"),
        (("create", "bob", "--model", "tinny"), "unknown model 'tinny'; did you mean 'tiny'?"),
        (("enrol", "bob", "plain.flac"), "there is no profile 'bob' in"),
        (("learn", "anna", "plain.flac", "bored"), "unknown label 'bored'; the labels of tiny"),
        (("learn", "anna", "gone.wav", "sad"), "gone.wav: no such file"),
        (("learn", "anna", "silence.wav", "sad"), "silence.wav: digital silence"),
        (("forget", "anna", "plain.flac"), "nothing has been learned from this recording"),
        (("forget", "anna", "--last"), "nothing has been learned that could be taken back"),
        (("forget", "anna", "--id", "7"), "there is no correction 7"),
        (("forget", "anna"), "expected a recording, the number of a correction, or the last"),
        (("export", "anna", "-o", "profiles/anna.profile"), "is an input"),
        (("import", "plain.flac"), "plain.flac: not a profile file, or truncated or damaged"),
        (("import", "x.wav"), "x.wav: no such file"),
        (("predict", "anna", "gone.wav"), "gone.wav: no such file"),
        (("stats", ".."), "the profile name '..' begins with a hyphen, dot or space"),
    ],
)
def test_one_line_on_stderr_and_the_profile_unharmed(run, place, arguments, message):
    soundfile.write(place / "silence.wav", np.zeros(16_000), 16_000)
    run("profile", "create", "anna")
    before = (place / "profiles" / "anna.profile").read_bytes()
    error = run("profile", *arguments, code=2)
    assert message in error
    assert len(error.splitlines()) == 1
    assert (place / "profiles" / "anna.profile").read_bytes() == before


def test_the_readable_recordings_are_enrolled(run, named):
    run("profile", "create", "anna", *named)
    clips = ("plain.flac", "gone.wav", "calm-low.flac", "fast-high-loud.flac")
    gone, far = run("profile", "enrol", "anna", *clips, *named, code=2).splitlines()
    assert gone == "serkit: gone.wav: no such file"
    assert far.startswith("serkit: calm-low.flac: unlike the training data of mine: distance 2.28")
    stats = json.loads(run("profile", "stats", "anna", "--json"))
    assert stats["enrolled_windows"] == 2


def test_a_damaged_profile(run, place):
    run("profile", "create", "anna")
    path = place / "profiles" / "anna.profile"
    path.write_bytes(path.read_bytes()[:-10])
    for arguments in (("learn", "anna", "plain.flac", "sad"), ("stats", "anna"),
                      ("export", "anna", "-o", "x")):  # fmt: skip
        assert "not a profile file, or truncated or damaged" in run("profile", *arguments, code=2)
    assert not (place / "x").exists()
    run("profile", "delete", "anna", "--yes")


def test_the_page_is_right(place, monkeypatch):
    """Every command and statement of `docs/profiles.md`, as typed."""
    page = (EXAMPLES.parent / "docs" / "profiles.md").read_text("utf-8")
    (place / "examples").symlink_to(EXAMPLES)
    environment = {"SERKIT_PROFILES": str(place / "profiles")}
    commands = re.findall(r"^\$ serkit (.*)$", page, re.MULTILINE)
    assert len(commands) > 8
    labels = []
    for command in commands:
        arguments = shlex.split(command, comments=True)
        if arguments[0] == "predict":
            arguments += ["--format", "json"]
        done = in_process(*arguments, cwd=place, env=environment)
        assert done.returncode == 0, (command, done.stderr)
        if arguments[0] == "predict":
            labels.append(json.loads(done.stdout)[0]["label"])
    assert labels[0] != labels[1]
    monkeypatch.chdir(place)
    (block,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    names = {}
    for line in block.splitlines():
        statement, _, comment = line.partition("  # ")
        if comment.startswith("'"):
            assert eval(statement, names) == ast.literal_eval(comment)
        else:
            exec(statement, names)
