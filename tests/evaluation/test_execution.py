import subprocess
import sys

import pytest

from serkit.errors import MissingExtraError, ProtocolError
from serkit.evaluation.execution import carry_out

from toys import always_die, square_or_die_once


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_task_is_done_once(jobs):
    tasks = [(n, None) for n in range(5)]
    assert sorted(carry_out(square_or_die_once, tasks, jobs=jobs)) == [0, 1, 4, 9, 16]


def test_the_task_of_a_killed_worker_is_done_again(tmp_path):
    tasks = [(n, tmp_path / "flag" if n == 2 else None) for n in range(5)]
    assert sorted(carry_out(square_or_die_once, tasks, jobs=2)) == [0, 1, 4, 9, 16]
    assert (tmp_path / "flag").exists()


def test_workers_that_always_die_are_an_error(monkeypatch):
    monkeypatch.setattr("serkit.training.workers.MOST_LOSSES", 0)
    with pytest.raises(ProtocolError, match="2 of 2 tasks are not done"):
        list(carry_out(always_die, [1, 2], jobs=2))


def test_ray_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"serkit\[ray\]"):
        list(carry_out(square_or_die_once, [(1, None)], ray_address="local"))


_ON_RAY = """
import sys
sys.path[:0] = sys.argv[1:]
import numpy as np
from serkit.evaluation import evaluate, find_protocol
from toys import make_data, make_recipe
data, protocol = make_data(n_speakers=4), find_protocol("loso")
import os
os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
here, there = (
    evaluate(make_recipe(), data, protocol, seeds=[0], ray_address=address)
    for address in (None, "local")
)
assert [r.fold for r in here.results] == [r.fold for r in there.results]
for one, other in zip(here.results, there.results):
    np.testing.assert_array_equal(one.probabilities, other.probabilities)
print("identical")
"""


def test_a_local_ray_gives_identical_numbers():
    done = subprocess.run(
        [sys.executable, "-c", _ON_RAY, *[p for p in sys.path if p]],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout.strip().endswith("identical"), done.stderr


_RAY_ERRORS = """
import os, sys
sys.path[:0] = sys.argv[1:]
os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
from serkit.errors import SerkitError
from serkit.evaluation import evaluate, find_protocol
from serkit.training import Optimiser
from toys import make_data, make_recipe
wild = make_recipe(optimiser=Optimiser(learning_rate=1e30))
for recipe, address in ((make_recipe(), "nonsense"), (wild, "local")):
    try:
        evaluate(recipe, make_data(n_speakers=3), find_protocol("loso"), seeds=[0],
                 ray_address=address)
    except SerkitError as error:
        print(type(error).__name__, len(str(error).splitlines()), str(error)[:36])
"""


def test_errors_on_ray_are_ours_and_one_line():
    done = subprocess.run(
        [sys.executable, "-c", _RAY_ERRORS, *[p for p in sys.path if p]],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout.splitlines()[-2:] == [
        "SerkitError 1 no Ray cluster answers at 'nonsense'",
        "RecipeError 1 the training diverged: the loss of e",
    ], done.stderr
