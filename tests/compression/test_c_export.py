"""Exported C, compiled with warnings as errors and sanitizers, compared with Python."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import serkit
from serkit import corpora
from serkit.adaptation import softmax
from serkit.audio import read
from serkit.compression import export_c, quantize_matrix
from serkit.errors import ModelError
from serkit.features import extract
from serkit.runtime import Dense

from command import serkit as serkit_command

_MAIN = """
#include <stdio.h>
#include "{name}.h"
int main(void)
{{
    static float features[{upper}_N_FEATURES];
    float probabilities[{upper}_N_LABELS];
    while (fread(features, sizeof features, 1, stdin) == 1) {{
        int best = {name}_predict(features, probabilities);
        printf("%s", {name}_labels[best]);
        for (int k = 0; k < {upper}_N_LABELS; k++) printf(" %.9g", (double)probabilities[k]);
        printf("\\n");
    }}
    return 0;
}}
"""
_STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion"]
_CHECKED = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


@pytest.fixture(scope="session")
def compiler():
    found = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if found is None:
        reason = "no C compiler; install one (sudo apt-get install gcc libc6-dev)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture
def run_in_c(compiler, tmp_path):
    def run(model, features):
        source = export_c(model)
        names = {"name": source.name, "upper": source.name.upper()}
        (tmp_path / f"{source.name}.h").write_text(source.header)
        (tmp_path / f"{source.name}.c").write_text(source.source)
        (tmp_path / "main.c").write_text(_MAIN.format(**names))
        subprocess.run(
            [compiler, *_STRICT, *_CHECKED, "main.c", f"{source.name}.c", "-o", "main", "-lm"],
            cwd=tmp_path, check=True,
        )  # fmt: skip
        done = subprocess.run(
            [tmp_path / "main"],
            input=features.astype("<f4").tobytes(), capture_output=True, check=True,
        )  # fmt: skip
        rows = [line.split() for line in done.stdout.decode().splitlines()]
        return [row[0] for row in rows], np.array([row[1:] for row in rows], np.float64)

    return run


def packed(model, bits, *, per_row=True):
    layers = (
        replace(layer, weight=quantize_matrix(layer.matrix, bits, per_row=per_row))
        for layer in model.layers
    )
    return replace(model, layers=tuple(layers))


def check(run_in_c, model, features):
    labels, probabilities = run_in_c(model, features)
    expected = softmax(model.logits(features))
    np.testing.assert_allclose(probabilities, expected, atol=1e-4)
    sure = np.sort(expected, axis=1)[:, -1] - np.sort(expected, axis=1)[:, -2] > 1e-3
    names = np.array(model.card.labels)[expected.argmax(axis=1)]
    assert (np.array(labels) == names)[sure].all()


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("name", ["tiny", "emodb7"])
def test_every_width_on_random_features(run_in_c, name, bits):
    model = packed(serkit.runtime.load_network(name), bits, per_row=bits % 2 == 0)
    rng = np.random.default_rng(bits)
    noise = rng.standard_normal((25, len(model.mean)))
    check(run_in_c, model, (model.mean + 2 * model.scale * noise).astype(np.float32))


def test_full_weights_and_no_clip(run_in_c):
    model = serkit.runtime.load_network("tiny").with_card(clip=None, name='Größe 1*/ "x"')
    noise = np.random.default_rng(0).standard_normal((10, len(model.mean)))
    check(run_in_c, model, (model.mean + model.scale * noise).astype(np.float32))


@pytest.mark.parametrize("bits", [None, 5])
def test_every_activation(run_in_c, bits):
    model = serkit.runtime.load_network("tiny")
    first, last = model.layers
    square = np.random.default_rng(1).standard_normal((first.n_outputs, first.n_outputs))
    middle = Dense((0.3 * square).astype(np.float32), np.zeros(first.n_outputs, np.float32), "tanh")
    plain = Dense(np.eye(first.n_outputs, dtype=np.float32), middle.bias, "none")
    full = replace(first, weight=first.matrix)
    model = replace(model, layers=(full, middle, plain, replace(last, weight=last.matrix)))
    noise = np.random.default_rng(0).standard_normal((25, len(model.mean)))
    rows = (model.mean + model.scale * noise).astype(np.float32)
    check(run_in_c, model if bits is None else packed(model, bits), rows)


def extremes(model, rng, n):
    """Random features, some replaced by the largest and smallest floats."""
    usual = model.mean + 2 * model.scale * rng.standard_normal((n, len(model.mean)))
    wild = rng.choice([-3.4e38, -3e38, -1e30, 1e-45, 0.0, 1e20, 3e38, 3.4e38], usual.shape)
    share = rng.choice([0.0, 0.005, 0.1, 1.0], (n, 1))
    return np.where(rng.random(usual.shape) < share, wild, usual).astype(np.float32)


def in_double(model, features):
    """Logits in 64 bits, of the format's arithmetic, and the size of what they are summed of."""
    farthest = model.card.clip or 1e6
    x = (features.astype(np.float64) - model.mean) / model.scale
    x = np.clip(x, -farthest, farthest)
    sizes = np.abs(x)
    for layer in model.layers:
        weight = layer.matrix.astype(np.float64)
        sizes = sizes @ np.abs(weight).T + np.abs(layer.bias)
        x = x @ weight.T + layer.bias
        x = np.maximum(x, 0) if layer.activation == "relu" else x
    return x, sizes


@pytest.mark.parametrize("clip", [None, 3.0])
@pytest.mark.parametrize("temperature", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("bits", [None, 1, 4, 8])
def test_extreme_features_give_finite_and_equal_answers(run_in_c, bits, temperature, clip):
    model = serkit.runtime.load_network("tiny")
    model = packed(model, bits) if bits else unpacked(model)
    model = model.with_card(clip=clip, temperature=temperature)
    features = extremes(model, np.random.default_rng(61), 200)
    labels, probabilities = run_in_c(model, features)
    logits = model.logits(features)
    for found in (probabilities, softmax(logits)):
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    exact, sizes = in_double(model, features)
    ordered = np.sort(exact, axis=1)
    # Nearer than float32 can tell, the order of sums decides.
    clear = ordered[:, -1] - ordered[:, -2] > 1e-4 * sizes.max(axis=1)
    assert clear.mean() > 0.5
    names = np.array(model.card.labels)
    for answers in (np.array(labels), names[logits.argmax(axis=1)]):
        np.testing.assert_array_equal(answers[clear], names[exact.argmax(axis=1)][clear])


def unpacked(model):
    layers = (replace(layer, weight=layer.matrix) for layer in model.layers)
    return replace(model, layers=tuple(layers))


def test_weights_that_overflow_are_refused():
    model = unpacked(serkit.runtime.load_network("tiny"))
    first, last = model.layers
    huge = replace(last, weight=last.weight * np.float32(1e37))
    with pytest.raises(ModelError, match="layer 1 may reach"):
        export_c(replace(model, layers=(first, huge)))


def test_a_cpp_program_links_with_it(compiler, tmp_path):
    cpp = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if cpp is None:
        pytest.fail("no C++ compiler; install one (sudo apt-get install g++)")
    source = export_c(serkit.runtime.load_network("tiny"))
    (tmp_path / f"{source.name}.h").write_text(source.header)
    (tmp_path / f"{source.name}.c").write_text(source.source)
    (tmp_path / "main.cpp").write_text(
        f'#include "{source.name}.h"\n'
        f"int main() {{ static float x[{source.name.upper()}_N_FEATURES]; float p[4];"
        f" return {source.name}_predict(x, p) < 0; }}\n"
    )
    strict = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
    for command in (
        [compiler, "-std=c99", "-c", f"{source.name}.c"],
        [cpp, *strict, "main.cpp", f"{source.name}.o", "-o", "main", "-lm"],
        ["./main"],
    ):
        subprocess.run(command, cwd=tmp_path, check=True)
    assert "-lm" in source.header


@pytest.mark.corpora
def test_two_hundred_utterances(run_in_c, corpora_root):
    model = packed(serkit.runtime.load_network("tiny"), 4)
    utterances = corpora.load(f"emodb={corpora_root / 'emodb'}").utterances[:220]
    features = np.stack([extract(model.card.input, read(u.audio)) for u in utterances])
    check(run_in_c, model, features)


def test_sizes_are_those_of_the_arrays():
    model = packed(serkit.runtime.load_network("tiny"), 3)
    source = export_c(model)
    hidden = model.layers[0].weight
    floats = 2 * len(model.mean) + sum(len(x.bias) + len(x.weight.scale) for x in model.layers)
    codes = sum(len(layer.weight.packed) for layer in model.layers)
    assert source.constant_bytes == 4 * floats + codes
    assert source.buffer_bytes == 4 * (len(model.mean) + hidden.shape[0])
    assert "malloc" not in source.source
    assert f"{source.constant_bytes} bytes of constants" in source.header


def test_the_command_needs_no_torch(tmp_path):
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from serkit.cli.main import main\n"
        "sys.argv = ['serkit', 'export', 'tiny', '--to', 'c', '-o', sys.argv[1]]\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "c"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "bytes of constants (flash)" in done.stdout
    again = serkit_command("export", "tiny", "-o", tmp_path / "c")
    assert again.returncode == 2
    assert "add --force" in again.stderr
    assert serkit_command("export", "tiny", "-o", tmp_path / "c", "--force").returncode == 0
    assert {path.name for path in (tmp_path / "c").iterdir()} == {
        "serkit_tiny.c",
        "serkit_tiny.h",
    }
