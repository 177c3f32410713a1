"""The page of an evaluation, read back as a browser would parse it."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from serkit.corpora import Utterance
from serkit.evaluation import FoldResult, Outcome, find_protocol
from serkit.evaluation.figures import figures
from serkit.evaluation.plots import confusion_plot, reliability_plot, speaker_plot
from serkit.evaluation.report import write_report

EVIL = "<script>alert('x')</script>&\"\x1b[31m"


class Page(HTMLParser):
    """Tables as lists of cells, all tags with their attributes, and all text."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.tags, self.texts, self._cell = [], [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        self._cell = tag in ("th", "td")

    def handle_data(self, data):
        self.texts.append(data)
        if self._cell:
            self.tables[-1][-1].append(data)
            self._cell = False

    @property
    def text(self):
        return "\n".join(self.texts)


def outcome(protocol="loso", corpus="one", speaker="s"):
    """Six speakers; every fourth answer is wrong."""
    labels, n = ("angry", "sad"), 24
    targets = np.arange(n) % 2
    utterances = tuple(
        Utterance(Path(f"{i}.wav"), labels[target], f"{speaker}{i % 6}", corpus)
        for i, target in enumerate(targets)
    )
    said = np.where(np.arange(n) % 4 == 0, 1 - targets, targets)
    probabilities = np.where(np.eye(2)[said] == 1, 0.75, 0.25).astype(np.float32)
    results = (FoldResult(0, "fold 1", np.arange(n), probabilities),)
    return Outcome(find_protocol(protocol), labels, utterances, targets, results)


def page_of(path, found, model="tiny", command="serkit evaluate tiny"):
    write_report(path, found, figures(found), model=model, command=command)
    text = path.read_text("utf-8")
    return Page(text), text


def test_the_page_holds_the_figures_and_how_they_came_about(tmp_path):
    page, _ = page_of(tmp_path / "page.html", outcome())
    headlines, classes, folds, affect = page.tables
    row = dict(zip(headlines[0], headlines[1], strict=True))
    assert (row["protocol"], row["corpus"], row["utterances"]) == ("loso", "one", "24")
    assert (row["speakers"], row["seeds"]) == ("6", "1")
    # angry is called sad every second time, sad is never mistaken.
    assert row["UA"].startswith("75.0 [")
    assert [line[:2] for line in classes[1:]] == [["angry", "12"], ["sad", "12"]]
    assert classes[1][2].startswith("100.0")
    assert classes[1][3].startswith("50.0")
    assert folds[1] == ["fold 1", "0", "24", "75.0", "75.0"]
    assert affect[1][0] == "arousal"
    for expected in ("serkit evaluate tiny", "numpy", "data one:", "leave one speaker out", "tiny"):
        assert expected in page.text


def test_the_page_is_self_contained(tmp_path):
    page, text = page_of(tmp_path / "page.html", outcome())
    assert [tag for tag, _ in page.tags].count("svg") == 3
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "img", "iframe", "object", "base", "form")
        assert not {"src", "href", "onload", "onclick", "style"} & set(attributes)
    assert "url(" not in text
    assert "@import" not in text


def test_a_mark_is_in_every_row_and_at_the_top(tmp_path):
    page, _ = page_of(tmp_path / "page.html", outcome("shuffle"))
    assert all("(speaker-dependent)" in row[0] for table in page.tables for row in table[1:])
    marks = [a for tag, a in page.tags if tag == "span" and a.get("class") == "mark"]
    assert len(marks) == 1
    clean, _ = page_of(tmp_path / "page.html", outcome())
    assert "speaker-dependent" not in clean.text
    assert ("span", {"class": "mark"}) not in clean.tags


@pytest.mark.parametrize("where", ["corpus", "speaker", "label", "fold", "model", "command"])
def test_strange_names_are_text(tmp_path, where):
    found = outcome(**({where: EVIL} if where in ("corpus", "speaker") else {}))
    if where == "label":
        found = replace(found, labels=("angry", EVIL))
    if where == "fold":
        (result,) = found.results
        found = replace(found, results=(replace(result, fold=EVIL),))
    page, text = page_of(
        tmp_path / "page.html", found, **({where: EVIL} if where in ("model", "command") else {})
    )
    assert "script" not in [tag for tag, _ in page.tags]
    assert "\x1b" not in text
    assert EVIL.replace("\x1b", r"\x1b") in page.text


def test_a_dollar_sign_is_no_field_of_the_template(tmp_path):
    page, _ = page_of(tmp_path / "page.html", outcome(), command="serkit $HOME ${version}")
    assert "serkit $HOME ${version}" in page.text


def elements(svg, tag):
    return [e for e in ElementTree.fromstring(svg).iter() if e.tag == tag]


def test_the_confusion_plot_shows_counts_and_shares():
    svg = confusion_plot(np.array([[3, 1], [0, 0]]), ("angry", "sad"))
    texts = [e.text for e in elements(svg, "text")]
    assert sorted(texts) == sorted(["angry", "angry", "sad", "sad", "3", "1", "0", "0"])
    cells = elements(svg, "rect")
    assert [cell.find("title").text for cell in cells[:2]] == [
        "angry predicted as angry: 75.0 %", "angry predicted as sad: 25.0 %",
    ]  # fmt: skip
    shades = [float(cell.get("fill-opacity")) for cell in cells]
    assert shades[0] > shades[1] > shades[2] == shades[3]


def test_the_reliability_plot_has_a_dot_per_bin_in_use():
    curve = np.zeros((3, 10))
    curve[:, 5], curve[:, 9] = (4, 2.0, 1), (12, 12.0, 12)
    dots = elements(reliability_plot(curve), "circle")
    # 240 pixels wide and high from (40, 250) upwards: confidence 0.5 and accuracy 0.25, then 1, 1.
    assert [(float(d.get("cx")), float(d.get("cy"))) for d in dots] == [(160, 190), (280, 10)]
    assert float(dots[0].get("r")) < float(dots[1].get("r"))


def test_the_speaker_plot_has_the_worst_first():
    svg = speaker_plot({"b": 1.0, "a": 0.25})
    texts = [e.text for e in elements(svg, "text")]
    assert texts == ["a", "25", "b", "100"]
    assert [float(bar.get("width")) for bar in elements(svg, "rect")] == [65, 260]
