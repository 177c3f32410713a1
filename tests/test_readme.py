"""Every command and example of the README, run as it is typed there.

Only names are replaced: `/data/NAME` by a small tree of real clips and lines, a shipped recipe by a
file of the same with few epochs and one protocol, and `bert-tiny`, which is on the hub, by a folder
with a toy of it; and the port of the server by a free one. A line added to the README is run from
then on; one of another program than those known here fails.
"""

import ast
import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest
import soundfile
import yaml

from serkit.audio import SAMPLE_RATE, read
from serkit.training import load_recipe, shipped_recipes

from serving_faults import free_port

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
CODE = "from serkit.cli.main import main; main()"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def console():
    """Each command with the output that is printed below it."""
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


COMMANDS = list(console())


@pytest.fixture(scope="module")
def tree(corpora_root, tmp_path_factory):
    """A handful of clips of each speaker, in the layout of their corpora."""
    root = tmp_path_factory.mktemp("data") / "corpora"
    chosen = [
        *sorted(corpora_root.glob("ravdess/Actor_0[1-6]/*-01-01-01-*.flac")),
        *_first(corpora_root.glob("emodb/wav/*.flac"), lambda p: p.stem[:2] + p.stem[5], 1),
        *_first(corpora_root.glob("tess/*/*.flac"), lambda p: p.parent.name, 4),
        *_first(corpora_root.glob("nemo/samples/*.flac"), lambda p: p.stem.rsplit("_", 1)[0], 2),
        *sorted(corpora_root.glob("crema_d/AudioWAV/100[1-6]_IEO_*")),
        *corpora_root.glob("crema_d/processedResults/*.csv"),
    ]
    assert len(chosen) > 200
    for clip in chosen:
        copy = root / clip.relative_to(corpora_root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, copy)  # a link out of the folder is not followed
    for table in corpora_root.glob("meld/*.csv"):
        copy = root / table.relative_to(corpora_root)
        copy.parent.mkdir(exist_ok=True)
        copy.write_text("".join(table.read_text("utf-8").splitlines(keepends=True)[:400]), "utf-8")
    return root


def _first(paths, key, n):
    """The first few of each kind."""
    kinds = {}
    for path in sorted(paths):
        kinds.setdefault(key(path), []).append(path)
    return [path for kind in kinds.values() for path in kind[:n]]


@pytest.fixture(scope="module")
def desk(tree, tmp_path_factory):
    """A folder as its reader has it: the examples, some recordings, and `serkit` on the path."""
    desk = tmp_path_factory.mktemp("desk")
    (desk / "examples").symlink_to(ROOT / "examples")
    for name, clip in (("a", "plain"), ("voice", "slow-low-quiet")):
        soundfile.write(desk / f"{name}.wav", read(ROOT / f"examples/{clip}.flac"), SAMPLE_RATE)
    (desk / "bin").mkdir()
    script = desk / "bin" / "serkit"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c "{CODE}" "$@"\n')
    script.chmod(0o755)
    environment = os.environ | {"PATH": f"{desk / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("SERKIT_CORPORA", None)
    environment["COLUMNS"] = "100"
    environment["SERKIT_SERVE_PORT"] = str(free_port())
    return desk, environment


def as_here(command, tree, bert):
    """With the paths of this machine, and recipes that are soon learned."""
    command = re.sub(r"\bbert-tiny\b", shlex.quote(str(bert)), command)
    for name in shipped_recipes():
        if name in shlex.split(command, comments=True):
            command = command.replace(name, str(quick(name, tree.parent)), 1)
    return re.sub(
        r"/data/(\w+)",
        lambda found: str(tree if found[1] == "corpora" else tree / found[1].lower()),
        command,
    )


def quick(name, folder):
    """The file of a recipe that differs from a shipped one in what takes long."""
    values = load_recipe(name).to_dict()
    if "max_epochs" in values["optimiser"]:
        values["optimiser"]["max_epochs"] = 4
    values["acceptance"] = [one | {"seeds": 1} for one in values["acceptance"][:1]]
    values["augmentation"] = None
    path = folder / f"{name.replace('/', '-')}.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.mark.corpora
@pytest.mark.parametrize(("command", "output"), COMMANDS, ids=[c for c, _ in COMMANDS])
def test_every_command_works_as_typed(desk, tree, bert, in_background, command, output):
    """In the order of the page, as later ones need what earlier ones wrote."""
    folder, environment = desk
    typed = as_here(command, tree, bert).replace("8757", environment["SERKIT_SERVE_PORT"])
    program, *arguments = shlex.split(typed, comments=True)
    if program == "export":
        name, _, value = arguments[0].partition("=")
        environment[name] = value
        return
    if program == "make":  # `make test` would run this test.
        subprocess.run(["make", "-n", *arguments], cwd=ROOT, check=True, capture_output=True)
        return
    assert program == "serkit", "a program that this test does not know"
    if arguments[-1] == "&":
        in_background(typed, folder, environment)
        return
    done = subprocess.run(
        ["bash", "-c", typed], cwd=folder, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    if output.strip():
        assert _lines(done.stdout) == _lines(output)


@pytest.fixture(scope="module")
def in_background():
    """Starts a server; it ends with the tests of this file."""
    with contextlib.ExitStack() as running:

        def start(typed, folder, environment):
            process = running.enter_context(
                subprocess.Popen(
                    shlex.split(typed)[:-1], cwd=folder, env=environment, stderr=subprocess.DEVNULL
                )
            )
            running.callback(process.terminate)

        yield start


def _lines(text):
    return [line.rstrip() for line in text.strip().splitlines()]


def _inline():
    """`serkit ...` in the running text, which says what there is rather than what to type."""
    text = re.sub(r"^```.*?^```", "", README, flags=re.MULTILINE | re.DOTALL)
    return sorted(set(re.findall(r"`serkit ([^`]+)`", text.replace("\n", " "))))


@pytest.mark.parametrize("words", _inline())
def test_commands_in_the_text_exist_with_their_options(words):
    arguments = shlex.split(words)
    verbs = []
    for word in arguments:
        if not re.fullmatch("[a-z]+", word) or len(verbs) == (2 if verbs[:1] in _GROUPS else 1):
            break
        verbs.append(word)
    done = subprocess.run(
        [sys.executable, "-c", CODE, *verbs, "--help"], capture_output=True, text=True, check=False,
        env=os.environ | {"COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for option in (word for word in arguments if word.startswith("--")):
        assert option in done.stdout


_GROUPS = (["models"], ["codec"], ["corpus"], ["encoder"], ["profile"])


@pytest.fixture(scope="module")
def names():
    """What the examples in Python define, for those after them."""
    return {}


@pytest.mark.parametrize("block", blocks("python"))
def test_python_gives_what_its_comments_say(desk, monkeypatch, names, block):
    folder, _ = desk
    monkeypatch.chdir(folder)
    lines = block.splitlines()
    for statement in ast.parse(block).body:
        comment = _comment(lines[statement.end_lineno - 1])
        if isinstance(statement, ast.Expr):
            value = eval(compile(ast.Expression(statement.value), "README", "eval"), names)
            assert _said(comment, value), f"{value!r} is not {comment}"
        else:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(ast.Module([statement], []), "README", "exec"), names)


def _comment(line):
    tokens = tokenize.generate_tokens(io.StringIO(line.strip() + "\n").readline)
    return next((t.string for t in tokens if t.type == tokenize.COMMENT), "")


def _said(comment, value):
    """Whether texts, None and rounded numbers that a comment begins with are in a value."""
    shown = repr(value)
    texts = re.findall(r"'[^']*'|\bNone\b", comment)
    numbers = re.findall(r"(?<![\w.])\d+\.\d+", comment)
    found = [float(n) for n in re.findall(r"\d+\.\d+(?:e-?\d+)?", shown)]
    return all(text in shown for text in texts) and all(
        any(round(f, len(n.split(".")[1])) == float(n) for f in found) for n in numbers
    )
