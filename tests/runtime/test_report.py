import re
import tracemalloc
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile

from serkit.errors import AudioError
from serkit.runtime import Caution, NumpyBackend, Prediction, Recognizer, report
from serkit.runtime.report import write_report


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.links = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [v for k, v in attrs if k in ("src", "href")]


@pytest.fixture
def page(model, tmp_path):
    path = tmp_path / "a <b> & c.wav"
    samples = 0.1 * np.random.default_rng(0).standard_normal(20 * 16_000)
    soundfile.write(path, samples, 16_000)
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(16_000), 16_000)
    recognizer = Recognizer(NumpyBackend(model))
    answers = [
        (str(path), recognizer(path)),
        (str(silent), recognizer(silent)),
        ("bad.wav", AudioError("<script>alert(1)</script>")),
    ]
    out = tmp_path / "new" / "report.html"
    write_report(out, answers, backend=NumpyBackend(model))
    return out.read_text("utf-8")


def test_the_page_is_self_contained(page):
    parsed = Page(page)
    assert parsed.links
    assert all(link.startswith("data:image/png;base64,") for link in parsed.links)
    assert "script" not in parsed.tags
    assert not re.search(r"https?://", page)


def test_each_recording_has_its_pictures_and_bars(page):
    tags = Page(page).tags
    assert tags.count("section") == 3
    assert tags.count("img") == tags.count("polygon") == 2
    assert tags.count("tr") == 4  # one recording with four probabilities
    assert "digital silence" in page


def test_names_and_messages_are_escaped(page):
    assert "a &lt;b&gt; &amp; c.wav" in page
    assert "&lt;script&gt;" in page


def test_warnings_are_a_list_that_screen_readers_announce(page, model, tmp_path):
    assert 'class="warnings"' not in page
    path = tmp_path / "cut.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(16_000), 16_000)
    path.write_bytes(path.read_bytes()[:-10_000])
    cautions = (Caution("truncated", "ends <early>"), Caution("short", "lasts 0.69 s"))
    answer = Prediction("sad", {"sad": 1.0}, 0.69, "toy", warnings=cautions)
    out = tmp_path / "warned.html"
    write_report(out, [(str(path), answer)], backend=NumpyBackend(model))
    text = out.read_text("utf-8")
    assert 'role="note" aria-label="warnings"' in text
    assert "<li>ends &lt;early&gt;</li><li>lasts 0.69 s</li>" in text
    assert Page(text).tags.count("img") == 1


def test_pooled_pictures_cover_the_whole_recording(monkeypatch):
    """With and without pooling during reading."""
    rng = np.random.default_rng(0)
    loud = np.repeat(np.linspace(0.01, 0.2, 64), 16_000)
    samples = (loud * rng.standard_normal(len(loud))).clip(-1, 1).astype(np.float32)
    exact = report._pictures((samples, 16_000), pool=4)
    monkeypatch.setattr(report, "_MAX_COLUMNS", 200)
    monkeypatch.setattr(report, "_HELD_COLUMNS", 400)
    pooled = report._pictures((samples, 16_000), pool=4)
    assert exact.log_mel.shape == (64, 900)
    assert pooled.log_mel.shape == (64, 200)
    assert pooled.high.max() == exact.high.max()
    assert pooled.low.min() == exact.low.min()
    for high in (exact.high, pooled.high):
        peaks = [part.max() for part in np.array_split(high, 64)]
        assert np.corrcoef(peaks, loud[::16_000])[0, 1] > 0.95


def test_a_report_of_hours_takes_little_memory():
    rng = np.random.default_rng(0)
    samples = rng.integers(-3000, 3000, 3600 * 4000, np.int16)
    tracemalloc.start()
    report._pictures((samples, 4000), pool=4)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Held are 7200 columns of 66 numbers, besides ten seconds and their spectra.
    assert peak < 16e6


def test_deleted_recording(page, model, tmp_path):
    path = tmp_path / "there.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(16_000), 16_000)
    answer = Prediction("sad", {"sad": 1.0}, 1.0, "toy")
    out = tmp_path / "some.html"
    write_report(
        out,
        [(str(tmp_path / "gone.wav"), answer), (str(path), answer)],
        backend=NumpyBackend(model),
    )
    text = out.read_text("utf-8")
    assert "no such file" in text
    assert Page(text).tags.count("img") == 1
