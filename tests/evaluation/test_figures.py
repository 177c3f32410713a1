from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as sk

from serkit.corpora import Utterance
from serkit.evaluation import FoldResult, Outcome, evaluate, find_protocol
from serkit.evaluation.figures import as_json, figures, tables
from serkit.evaluation.summary import summary
from serkit.evaluation.tables import Table
from serkit.training import Optimiser

from toys import LABELS, make_data, make_recipe

DATA = make_data(n_speakers=3, per_class=5, corpora=("one", "two"))


def outcome(protocol="loso"):
    rng = np.random.default_rng(0)
    logits = rng.random((len(DATA), 3)) + 0.5 * np.eye(3)[DATA.targets]
    probabilities = (logits / logits.sum(axis=1, keepdims=True)).astype(np.float32)
    results = tuple(
        FoldResult(0, corpus, index, probabilities[index])
        for corpus in ("one", "two")
        for index in [np.flatnonzero([u.corpus == corpus for u in DATA.utterances])]
    )
    return Outcome(find_protocol(protocol), LABELS, DATA.utterances, DATA.targets, results)


def test_a_row_a_corpus_and_one_of_all():
    found = figures(outcome())
    assert [f.name for f in found] == ["one", "two", "all"]
    both = found[-1]
    assert both.utterances == len(DATA)
    assert set(both.speakers) == {f"{c}/{s}" for c in ("one", "two") for s in range(3)}
    for figure in both.headlines.values():
        assert figure.interval.low <= figure.value <= figure.interval.high
    test, probabilities = outcome().pooled(0)
    truth, said = DATA.targets[test], probabilities.argmax(axis=1)
    assert both.headlines["ua"].value == pytest.approx(sk.balanced_accuracy_score(truth, said))
    assert both.headlines["macro_f1"].value == pytest.approx(
        sk.f1_score(truth, said, average="macro")
    )
    assert both.classes["sad"]["recall"].value == pytest.approx(
        sk.recall_score(truth, said, average=None)[1]
    )
    assert both.curve[0].sum() == len(DATA)


def test_a_class_that_a_corpus_lacks_has_no_figures():
    sad = LABELS.index("sad")
    here = np.flatnonzero(DATA.targets != sad)
    probabilities = np.eye(3, dtype=np.float32)[DATA.targets[here]]
    found = Outcome(
        find_protocol("loso"),
        LABELS,
        DATA.utterances,
        DATA.targets,
        (FoldResult(0, "all", here, probabilities),),
    )
    (corpus, *_) = as_json(found, figures(found))["corpora"]
    for kind in ("precision", "recall", "f1"):
        assert corpus["classes"]["sad"][kind] == {"value": None, "sd": None, "interval": None}
        assert corpus["classes"]["angry"][kind]["value"] == 1
    (table,) = (t for t in tables(found, figures(found)) if t.title.startswith("Classes"))
    assert next(row for row in table.rows if row[0] == "sad") == ("sad", "0", "–", "–", "–")


def test_marks_are_in_every_row_and_object():
    shuffled = outcome("shuffle")
    found = figures(shuffled)
    for table in tables(shuffled, found):
        assert all("speaker-dependent" in row[0] for row in table.rows)
    values = as_json(shuffled, found)
    assert all(corpus["marks"] == ["speaker-dependent"] for corpus in values["corpora"])
    assert set(values["data"]) == {"one", "two"}


def test_mean_and_sd_over_folds_and_seeds():
    recipe = make_recipe(optimiser=Optimiser(max_epochs=1))
    found = evaluate(recipe, DATA, find_protocol("leave-one-corpus-out"), seeds=[0, 1])
    (table,) = (t for t in tables(found, figures(found)) if t.title.startswith("Folds"))
    assert [row[0] for row in table.rows[-2:]] == ["mean ± SD over folds", "mean ± SD over seeds"]
    uas = [float(row[3]) for row in table.rows[:-2]]
    mean, sd = map(float, table.rows[-2][3].split(" ± "))
    assert (mean, sd) == pytest.approx((np.mean(uas), np.std(uas, ddof=1)), abs=0.1)


def two_seeds():
    """Six speakers, one utterance each; `sad` is predicted in the first seed alone."""
    labels, targets = ("angry", "sad"), np.array([0, 0, 0, 0, 1, 1])
    utterances = tuple(
        Utterance(Path(f"{i}.wav"), labels[target], str(i), "one")
        for i, target in enumerate(targets)
    )
    confident, unsure = [1.0, 0.0], [0.75, 0.25]
    first = [confident, confident, confident, unsure[::-1], confident[::-1], unsure]
    second = [confident] * 6
    results = tuple(
        FoldResult(seed, "all", np.arange(6), np.array(probabilities, np.float32))
        for seed, probabilities in enumerate((first, second))
    )
    return Outcome(find_protocol("loso"), labels, utterances, targets, results)


def test_a_figure_over_seeds_is_the_mean_of_the_figures_of_each_seed():
    """By hand. Seed 0: 3 of 4 angry and 1 of 2 sad are right; seed 1: all are called angry."""
    (found,) = figures(two_seeds())
    ua, wa, ece = (found.headlines[key] for key in ("ua", "wa", "ece"))
    assert ua.value == pytest.approx((0.625 + 0.5) / 2)
    assert ua.sd == pytest.approx(abs(0.625 - 0.5) / 2**0.5)
    assert wa.value == pytest.approx((4 / 6 + 4 / 6) / 2)
    # Seed 0: two of 0.75 are both wrong, four of 1.0 are all right. Seed 1: 4 of 6 are right.
    assert ece.value == pytest.approx((2 / 6 * 0.75 + 2 / 6) / 2)
    angry, sad = found.classes["angry"], found.classes["sad"]
    assert angry["precision"].value == pytest.approx((3 / 4 + 4 / 6) / 2)
    assert angry["f1"].value == pytest.approx((2 * 3 / 8 + 2 * 4 / 10) / 2)
    assert sad["recall"].value == pytest.approx((1 / 2 + 0) / 2)
    # Never predicted in seed 1, which has no precision to count.
    assert (sad["precision"].value, sad["precision"].sd) == (pytest.approx(1 / 2), None)
    assert found.speakers == {f"one/{i}": value for i, value in enumerate([1, 1, 1, 0.5, 0.5, 0])}
    assert found.matrix.tolist() == [[7, 1], [3, 1]]


def test_the_interval_over_seeds_resamples_speakers_for_all_seeds_alike():
    (found,) = figures(two_seeds())
    right = np.array([[1, 1, 1, 0, 1, 0], [1, 1, 1, 1, 0, 0]])
    draws = np.random.default_rng(0).integers(6, size=(2000, 6))
    low, high = np.percentile(right[:, draws].mean(axis=(0, 2)), [2.5, 97.5])
    interval = found.headlines["wa"].interval
    assert (interval.low, interval.high) == pytest.approx((low, high))


def test_a_card_has_the_same_figures_as_a_table():
    (found,) = figures(two_seeds())
    (row,) = summary(two_seeds())["rows"]
    ua = found.headlines["ua"]
    assert (row["ua"], row["ua_sd"], row["ece"]) == pytest.approx(
        (ua.value, ua.sd, found.headlines["ece"].value), abs=1e-5
    )
    assert row["ua_interval"] == pytest.approx([ua.interval.low, ua.interval.high], abs=1e-5)


def test_one_table_in_three_languages():
    table = Table("A & B", ("what", "UA"), (("x|y_<z>", "50 ± 1"),))
    assert "| x\\|y_&lt;z> | 50 ± 1 |" in table.to_markdown()
    assert r"x|y\_<z> & 50 $\pm$ 1 \\" in table.to_latex()
    assert r"\caption{A \& B}" in table.to_latex()
    assert "x|y_&lt;z&gt;" in table.to_html()
    assert r"| a\\nb |" in Table("A", ("what",), (("a\nb",),)).to_markdown()
    assert table.marked(("m",)).rows[0][0] == "x|y_<z> (m)"
