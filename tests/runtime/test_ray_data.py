"""Recordings on a local Ray get the answers they get without it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from serkit.cli.folders import with_folders
from serkit.errors import AudioError

from command import in_process

EXAMPLES = sorted(map(str, Path("examples").glob("*.flac")))

# All of it in one process, as Ray starts slowly.
_ON_RAY = """
import sys
sys.path[:0] = sys.argv[2:]
import json, os
os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
from functools import partial
from command import in_process
from ray_toys import dies_at
import serkit.runtime.ray_data as ray_data
from serkit.cluster import connected
with connected("local", "tests"):
    told = in_process(*json.loads(sys.argv[1]))
    ray_data.PER_BLOCK = 3
    paths = [f"{i}.wav" for i in range(6)]
    killed = ray_data.predict_on_ray(paths, partial(dies_at, "3.wav"), address="local")
    killed = list(map(str, killed))
    try:
        list(ray_data.predict_on_ray(paths, partial(dies_at, None), address="local"))
    except Exception as error:
        bad = [type(error).__name__, str(error)]
print(json.dumps([told.stdout, told.stderr, told.returncode, killed, bad]))
"""


@pytest.fixture(scope="module")
def arguments(tmp_path_factory):
    """Of a command: a folder of more than a block of recordings, with bad ones, and a bad name."""
    folder = tmp_path_factory.mktemp("recordings")
    for i in range(6):
        (folder / f"{i % 2}").mkdir(exist_ok=True)
        for path in EXAMPLES[:3]:
            shutil.copy(path, folder / f"{i % 2}" / f"{i}-{Path(path).name}")
    (folder / "0" / "1-damaged.wav").write_bytes(b"no sound at all")
    (folder / "1" / "3-empty.flac").touch()
    (folder / "notes.txt").write_text("not a recording")
    return ["predict", str(folder), "missing.wav", "--format", "json", "--labels", "angry,sad"]


@pytest.fixture(scope="module")
def on_ray(arguments):
    """Output, errors and code of the command; answers beside a death; error of a bad model."""
    done = subprocess.run(
        [
            sys.executable, "-c", _ON_RAY, json.dumps([*arguments, "--ray"]),
            *[path for path in sys.path if path],
        ],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_folder_on_ray_is_answered_as_without(arguments, on_ray):
    here = in_process(*arguments)
    assert on_ray[:3] == [here.stdout, here.stderr, 2]
    assert len(here.stderr.splitlines()) == 3
    assert here.stdout.count('"label"') == 18


def test_a_recording_that_ends_its_process_costs_no_other(on_ray):
    died = "the process that read the recording died"
    assert on_ray[3] == ["fine 0.wav", "fine 1.wav", "fine 2.wav", died, "fine 4.wav", "fine 5.wav"]


def test_a_bad_model_is_its_own_error(on_ray):
    assert on_ray[4] == ["ModelError", "no such model"]


def test_an_address_where_nobody_answers_is_one_line():
    done = in_process("predict", EXAMPLES[0], "--ray", env={"RAY_ADDRESS": "nonsense"})
    assert done.returncode == 2
    assert done.stderr.startswith("serkit: no Ray cluster answers at 'nonsense'")
    assert len(done.stderr.splitlines()) == 1


def test_ray_is_an_extra_and_takes_no_profile(monkeypatch):
    done = in_process("predict", EXAMPLES[0], "--ray", "--profile", "anna")
    assert done.returncode == 2 and "without --ray" in done.stderr
    monkeypatch.setitem(sys.modules, "ray", None)
    done = in_process("predict", EXAMPLES[0], "--ray")
    assert done.returncode == 2 and "serkit[ray]" in done.stderr


def test_folders_are_replaced_by_their_recordings(tmp_path):
    inside, outside = tmp_path / "a", tmp_path / "b"
    for folder in (inside / "c", outside):
        folder.mkdir(parents=True)
        shutil.copy(EXAMPLES[0], folder / "x.FLAC")
    (inside / "b.smel").touch()
    (inside / "away.flac").symlink_to(outside / "x.FLAC")
    names = ["0.wav", str(inside), "gone"]
    assert with_folders(names) == [
        "0.wav", str(inside / "b.smel"), str(inside / "c" / "x.FLAC"), "gone",
    ]  # fmt: skip
    (outside / "x.FLAC").unlink()
    with pytest.raises(AudioError, match="holds no recording"):
        with_folders([str(outside)])
