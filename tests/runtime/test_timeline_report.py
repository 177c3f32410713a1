"""The page of a timeline: complete without a network, safe with any name, right in a browser."""

import base64
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import quote, urljoin

import numpy as np
import pytest
import soundfile

from serkit.audio import SAMPLE_RATE as RATE
from serkit.errors import AudioError
from serkit.runtime import Caution, Prediction, Segment, Timeline, Window
from serkit.runtime.timeline_report import write_timeline_report

EVIL = '</script><script>alert(1)</script><b title="x">'
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


class Elements(HTMLParser):
    """All elements with their attributes, and the text of scripts."""

    def __init__(self, page):
        super().__init__()
        self.found, self.scripts, self._inside = [], [], False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        self._inside = tag == "script"

    def handle_data(self, data):
        if self._inside:
            self.scripts.append(data)
            self._inside = False

    def all(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture
def timeline():
    """Five minutes: the second one angry, a pause, the rest of a label with an evil name."""
    angry, other = {"angry": 0.9, EVIL: 0.1}, {"angry": 0.2, EVIL: 0.8}
    segments = (
        Segment(0.0, 60.0, EVIL, other),
        Segment(60.0, 120.0, "angry", angry, warnings=(Caution("short", "short"),)),
        Segment(120.0, 180.0, None, {}, reason="no voice was detected"),
        Segment(180.0, 300.0, EVIL, other),
    )
    windows = tuple(Window(s.start_s, s.end_s, s.scores) for s in segments if s.scores)
    overall = Prediction(EVIL, other, 300.0, "toy", None, (Caution("clipped", EVIL),))
    return Timeline(segments, windows, ((0.0, 120.0), (180.0, 300.0)), overall)


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    return (0.1 * rng.standard_normal(300 * RATE)).astype(np.float32)


@pytest.fixture
def page(timeline, samples, tmp_path):
    path = tmp_path / "note.html"
    missing = AudioError("no such file")
    name = f"{EVIL}.wav"
    write_timeline_report(path, [(name, (samples, RATE), timeline), ("b.wav", "b.wav", missing)])
    return path


def test_nothing_is_fetched_and_no_name_is_markup(page):
    elements = Elements(page.read_text())
    assert len(elements.all("script")) == 2
    assert not elements.all("link") + elements.all("b title")
    addresses = [a for _, one in elements.found for k, a in one.items() if k in ("src", "href")]
    assert len(addresses) == 1
    assert addresses[0].startswith("data:audio/ogg;base64,")
    assert "alert(1)" not in "".join(elements.scripts[1:])
    assert "no such file" in page.read_text()


def test_the_sound_is_in_the_page(page, samples):
    (audio,) = Elements(page.read_text()).all("audio")
    content = base64.b64decode(audio["src"].split(",")[1])
    decoded, rate = soundfile.read(io.BytesIO(content))
    assert len(decoded) / rate == pytest.approx(300.0, abs=0.1)
    assert np.std(decoded) == pytest.approx(np.std(samples), rel=0.3)
    assert 8 * len(content) / 300 < 32_000


def test_an_hour_stays_below_15_mb(page):
    per_second = page.stat().st_size / 300
    assert 3600 * per_second < 15e6


def test_the_minutes_with_most_of_an_emotion(page):
    data = json.loads(Elements(page.read_text()).scripts[0])
    assert data["minutes"]["angry"][0] == {"start": 60.0, "seconds": 54.0}
    assert [one["start"] for one in data["minutes"][EVIL]] == [0.0, 180.0, 240.0]
    assert data["segments"][2] == {"end": 180.0, "text": "no voice was detected"}
    assert data["segments"][1]["text"].endswith("– short")


def test_a_word_does_not_make_a_minute(timeline, samples, tmp_path):
    """A second of certain anger is less than the anger of a minute at a probability of 0.2."""
    word = Segment(300.0, 301.0, "angry", {"angry": 1.0, EVIL: 0.0})
    overall = replace(timeline.overall, duration_s=301.0)
    longer = replace(timeline, segments=(*timeline.segments, word), overall=overall)
    path = tmp_path / "note.html"
    write_timeline_report(path, [("a", (samples, RATE), longer)], sound="off")
    data = json.loads(Elements(path.read_text()).scripts[0])
    assert data["minutes"]["angry"] == [
        {"start": 60.0, "seconds": 54.0},
        {"start": 0.0, "seconds": 12.0},
        {"start": 180.0, "seconds": 12.0},
    ]


def test_pictures(page, timeline):
    page = page.read_text()
    rects = re.findall(r'<rect x="([\d.]+)" y="0" width="([\d.]+)" height="1" fill="(#\w+)"', page)
    expected = [(s.start_s, s.duration_s) for s in timeline.segments if s.label]
    assert [(float(x), float(width)) for x, width, _ in rects] == expected
    assert len({colour for *_, colour in rects}) == 2
    voice = re.findall(r'class="voice" x="([\d.]+)" y="0" width="([\d.]+)"', page)
    assert [(float(x), float(w)) for x, w in voice] == [(0.0, 120.0), (180.0, 120.0)]
    assert "angry 25 %" in page


def test_without_sound(timeline, samples, tmp_path):
    path = tmp_path / "a.html"
    write_timeline_report(path, [("a.wav", (samples, RATE), timeline)], sound="off")
    assert not Elements(path.read_text()).all("audio")
    assert path.stat().st_size < 2e5


def test_linked_sound(timeline, samples, tmp_path):
    """By a relative address that no name can turn into another, and never outside the folder."""
    name = 'calls/java script:"a" %2e?#.wav'
    (tmp_path / "calls").mkdir()
    soundfile.write(tmp_path / name, samples, RATE)
    page = tmp_path / "a.html"
    write_timeline_report(page, [(name, tmp_path / name, timeline)], sound="link")
    (audio,) = Elements(page.read_text()).all("audio")
    assert urljoin("http://x/y/a.html", audio["src"]) == "http://x/y/" + quote(name)
    assert page.stat().st_size < 2e5
    outside = tmp_path / "calls" / "b.html"
    soundfile.write(tmp_path / "c.wav", samples[:RATE], RATE)
    (tmp_path / "calls" / "link.wav").symlink_to(tmp_path / "c.wav")
    for source in (
        tmp_path / "c.wav",
        tmp_path / "calls" / "link.wav",
        tmp_path / "calls/../c.wav",
    ):
        with pytest.raises(AudioError, match="is not in the folder of the report"):
            write_timeline_report(outside, [("c", source, timeline)], sound="link")
    with pytest.raises(AudioError, match="only a file can be linked"):
        write_timeline_report(page, [("c", (samples, RATE), timeline)], sound="link")


def test_channels_are_sections(timeline, samples, tmp_path):
    both = np.stack((samples[: 300 * RATE], 0.1 * samples[: 300 * RATE]), axis=1)
    page = tmp_path / "call.html"
    answers = [("call.wav", (both, RATE), replace(timeline, channel=i)) for i in (0, 1)]
    write_timeline_report(page, answers)
    assert re.findall(r"call\.wav, channel \d", page.read_text()) == [
        "call.wav, channel 1",
        "call.wav, channel 2",
    ]
    levels = []
    for audio in Elements(page.read_text()).all("audio"):
        decoded, _ = soundfile.read(io.BytesIO(base64.b64decode(audio["src"].split(",")[1])))
        levels.append(np.std(decoded))
    assert levels[1] == pytest.approx(0.1 * levels[0], rel=0.3)


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_in_a_browser(page):
    """A test script clicks in the middle of the second minute and searches for anger."""
    script = """<script>
    addEventListener("load", () => {
      const track = document.querySelector(".track"), box = track.getBoundingClientRect();
      track.dispatchEvent(new MouseEvent("click", {clientX: box.left + 0.3 * box.width}));
      document.body.dataset.at = document.querySelector(".now").style.left;
      document.body.dataset.said = document.querySelector(".said").textContent;
      track.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight"}));
      document.body.dataset.then = document.querySelector(".now").style.left;
      const select = document.querySelector("select");
      select.value = "angry"; select.dispatchEvent(new Event("change"));
      document.body.dataset.found = document.querySelector(".places button").textContent;
      document.body.dataset.wide = document.documentElement.scrollWidth <= innerWidth;
    });
    </script></body>"""
    page.write_text(page.read_text().replace("</body>", script))
    for width in (390, 1920):
        command = [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},900",
            "--virtual-time-budget=2000", "--dump-dom", page.as_uri(),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        (body,) = Elements(done.stdout).all("body")
        at, then = (float(body[f"data-{key}"].rstrip("%")) for key in ("at", "then"))
        assert at == pytest.approx(30.0, abs=0.3)  # the mouse is at whole pixels
        assert then - at == pytest.approx(100 * 5 / 300, abs=0.01)
        assert re.match(r"1:(29|30)  angry \(angry 0\.90", body["data-said"])
        assert body["data-found"] == "1:00 (54 s)"
        assert body["data-wide"] == "true"
