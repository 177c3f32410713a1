"""Names, labels and texts from strangers reach no terminal, page or table as they are."""

import json
import os
import unicodedata

import numpy as np
import pytest
import soundfile

from serkit.runtime import load_network, save_model

from command import serkit

RED = "\x1b[31mred\x1b[0m"
STRANGE = [
    f"{RED}.wav",
    "line\nbreak.wav",
    "\x9b2J.wav",
    "gpj\u202e.wav",
    os.fsdecode(b"caf\xe9.wav"),
    "[red]x[bold].wav",
    "<b>&.wav",
    "-.wav",
]


def acts(text):
    """Characters of a text that a terminal would act on, line ends aside."""
    return {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs")} - {"\n"}


@pytest.fixture
def strange(tmp_path):
    rng = np.random.default_rng(0)
    for name in STRANGE:
        with (tmp_path / name).open("wb") as file:
            soundfile.write(file, 0.1 * rng.standard_normal(16_000), 16_000, format="WAV")
    (tmp_path / f"broken{RED}.wav").write_bytes(b"no sound")
    return tmp_path


def run(folder, *arguments):
    environment = os.environ | {"PYTHONIOENCODING": "utf-8"}
    return serkit(*arguments, cwd=folder, env=environment)


def test_predict_in_every_format(strange):
    names = [f"./{name}" for name in (*STRANGE, f"broken{RED}.wav")]
    for form in ("table", "csv", "json"):
        done = run(strange, "predict", *names, "--format", form)
        assert done.returncode == 2
        assert not acts(done.stdout)
        assert r"broken\x1b[31mred\x1b[0m.wav: " in done.stderr
        assert len(done.stderr.splitlines()) == 1
        if form == "json":
            assert [answer["file"] for answer in json.loads(done.stdout)] == names
        else:
            for shown in (r"\x1b[31mred", r"line\nbreak", r"\x9b2J", r"gpj\u202e", r"caf\xe9"):
                assert shown in done.stdout
            assert "[red]x[bold].wav" in done.stdout


def test_the_report(strange):
    names = [f"./{name}" for name in STRANGE]
    done = run(strange, "predict", *names, "--report", "page.html")
    assert done.returncode == 0, done.stderr
    page = (strange / "page.html").read_text("utf-8")
    assert not acts(page)
    assert "&lt;b&gt;&amp;.wav" in page
    assert "<b>&" not in page


def test_corpus_stats(strange):
    rows = [{"audio": name, "label": RED, "speaker": "[red]\u202ex"} for name in STRANGE[:4]]
    manifest = strange / "mine.jsonl"
    manifest.write_text("\n".join(map(json.dumps, rows)))
    done = run(strange, "corpus", "stats", f"manifest={manifest}")
    assert done.returncode == 0, done.stderr
    assert not acts(done.stdout)
    assert "[red]" in done.stdout
    as_json = json.loads(run(strange, "corpus", "stats", f"manifest={manifest}", "--json").stdout)
    assert as_json["speakers"] == {"[red]\u202ex": {RED: 4}}


def test_a_model_of_strange_words(strange):
    tiny = load_network("tiny")
    labels = (RED, "[bold]", "a\nb", "\u202e")
    save_model(tiny.with_card(name=f"x{RED}", labels=labels), strange / "m.safetensors")
    done = run(strange, "predict", "./-.wav", "--model", "m.safetensors")
    assert not acts(done.stdout)
    assert "[bold]" in done.stdout
    shown = run(strange, "models", "show", "m.safetensors")
    assert not acts(shown.stdout)
    card = json.loads(run(strange, "models", "show", "m.safetensors", "--json").stdout)
    assert tuple(card["labels"]) == labels


def test_tables_of_an_evaluation(tmp_path):
    from serkit.evaluation.tables import Table

    table = Table(f"t{RED}", ("a|b", "\u202e"), ((f"x\ny{RED}", "&_\x07"),))
    for text in (table.to_markdown(), table.to_latex(), table.to_html()):
        assert not acts(text)
    shown = r"| x\\ny\\x1b\[31mred\\x1b\[0m | &_\\x07 |"
    assert shown in table.to_markdown()
    evil = Table("t", ("a",), (("![x](http://h/i.png) <script> `c` a\\|b",),)).to_markdown()
    assert r"| !\[x](http://h/i.png) &lt;script> \`c\` a\\\|b |" in evil
    assert r"x\textbackslash{}ny" in table.to_latex()


def test_a_folder_that_is_no_utf_8(tmp_path):
    """A corpus in it is read, evaluated, and its run goes on where it stopped."""
    rng = np.random.default_rng(0)
    folder = tmp_path / os.fsdecode(b"corp\xe9")
    folder.mkdir()
    rows = ["audio,label,speaker"]
    for i in range(24):
        name = f"{i}.wav"
        soundfile.write(tmp_path / name, 0.1 * rng.standard_normal(8_000), 16_000)
        (tmp_path / name).rename(folder / name)
        rows.append(f"{name},{('angry', 'sad', 'happy', 'neutral')[i % 4]},s{i // 8}")
    (folder / "mine.csv").write_text("\n".join(rows))
    evaluate = (
        "evaluate", "tiny", "--corpus", f"manifest={folder / 'mine.csv'}", "--latex", "table.tex",
        "--run", "run", "--markdown", "table.md", "--report", "page.html",
    )  # fmt: skip
    done = run(tmp_path, *evaluate)
    assert (done.returncode, done.stderr) == (0, "")
    itself = run(tmp_path, "compare", "run", "run")
    assert "compared with itself" in itself.stderr


def test_messages_of_libraries_stay_out_of_answers(strange, tmp_path):
    """mpg123 warns on stderr of a Xing header that does not fit; FLAC and ALAC print as well."""
    rng = np.random.default_rng(0)
    path = tmp_path / "a.mp3"
    soundfile.write(path, 0.1 * rng.standard_normal(48_000), 16_000, format="MP3")
    path.write_bytes(path.read_bytes()[:-2000])
    done = run(tmp_path, "predict", path, "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)[0]["warnings"][0]["code"] == "truncated"
    assert "Xing" in run(tmp_path, "--debug", "predict", path, "--format", "json").stderr


def test_a_name_goes_from_an_answer_into_a_manifest(strange):
    """JSON holds bytes that are no UTF-8 as PEP 383 has them, there and back."""
    name = STRANGE[4]
    done = run(strange, "predict", f"./{name}", "--format", "json")
    (answer,) = json.loads(done.stdout)
    row = {"audio": answer["file"], "label": "sad", "speaker": "a"}
    (strange / "answers.jsonl").write_text(json.dumps(row))
    found = run(strange, "corpus", "stats", "manifest=answers.jsonl", "--json")
    assert json.loads(found.stdout)["utterances"] == 1
    (strange / "answers.jsonl").write_text(json.dumps(row | {"label": "s\udce9d"}))
    refused = run(strange, "corpus", "stats", "manifest=answers.jsonl")
    assert "the label is 's\\udce9d', which is not valid Unicode" in refused.stderr
