import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "profile_kills.py"


def test_200_kills_of_two_writers():
    """In a process without threads, as it forks."""
    done = subprocess.run(
        [sys.executable, SCRIPT, "--rounds", "100", "--print"], capture_output=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["kills"] == 200
    assert (found["damaged"], found["lost"], found["left_behind"]) == (0, 0, 0)
    # It was killed at work, and something came of the work.
    assert found["within_an_update"] > 50
    assert found["unfinished_files"] > 5
    assert found["accepted"] > 20
