"""The page at `/`, in a real Chromium."""

import base64
import contextlib
import json
import re
from pathlib import Path

import pytest
import soundfile
from playwright.sync_api import expect

from asr_toys import Heard

from browser import browser
from serving_rig import started

NOTE = Path("examples/note.ogg")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory, note):
    voice = tmp_path_factory.mktemp("microphone") / "voice.wav"
    soundfile.write(voice, note, 16_000)
    with browser(voice) as opened:
        yield opened


@contextlib.contextmanager
def page_of(chromium, url, **options):
    """The page; no script fails, and nothing offends the policy or comes from elsewhere."""
    context = chromium.new_context(permissions=["microphone"], **options)
    page = context.new_page()
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if "Policy" in line.text else None)
    page.on(
        "request",
        lambda one: None if one.url.startswith((url, "blob:")) else wrong.append(one.url),
    )
    page.add_init_script(
        "addEventListener('securitypolicyviolation', e => console.error('Policy', e.blockedURI))"
    )
    try:
        page.goto(url)
        page.wait_for_selector("#about:not(:empty), #access:not([hidden])")
        yield page
        assert wrong == []
    finally:
        context.close()


def drop(page, file):
    """Drop a file on the page."""
    page.evaluate(
        """([content, name]) => {
            const bytes = Uint8Array.from(atob(content), c => c.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], name));
            document.body.dispatchEvent(
                new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
        }""",
        [base64.b64encode(file.read_bytes()).decode(), file.name],
    )


def shown(page):
    """Labels or reasons of the segments on the page."""
    return page.locator("#segments b").all_text_contents()


def expected(answer):
    return [one["label"] or one["reason"] for one in answer["segments"]]


@pytest.mark.parametrize("way", ["choose", "drop"])
def test_a_file(chromium, running, way):
    answer = running.http.post("/v1/timeline", content=NOTE.read_bytes()).json()
    with page_of(chromium, running.url) as page:
        if way == "choose":
            page.set_input_files("#file", NOTE)
        else:
            drop(page, NOTE)
        page.wait_for_selector("#segments li")
        assert shown(page) == expected(answer)
        assert page.locator("#overall").text_content().startswith(answer["overall"]["label"])
        assert page.locator("#band rect").count() == len(answer["segments"])
        assert "segments" in page.locator("#status").text_content()


def test_an_unreadable_file_is_explained(chromium, running, tmp_path):
    odd = tmp_path / "<img src=x onerror=alert(1)>.txt"
    odd.write_text("no audio")
    with page_of(chromium, running.url) as page:
        page.set_input_files("#file", odd)
        page.wait_for_selector("#error:not(:empty)")
        told = page.locator("#error").text_content()
        assert (
            told
            == running.http.post("/v1/timeline", content=b"no audio").json()["error"]["message"]
        )
        assert page.locator("img").count() == 0


def test_the_microphone(chromium, running):
    with page_of(chromium, running.url) as page:
        page.get_by_role("button", name="Record").press("Enter")
        page.wait_for_selector("#now meter", timeout=60_000)
        assert page.locator("#record").get_attribute("aria-pressed") == "true"
        assert float(page.locator("#level").evaluate("one => one.value")) > 0
        expect(page.locator("#clock")).to_have_text(re.compile("0:0[6-9]|0:[1-9]"), timeout=60_000)
        page.get_by_role("button", name="Stop").click()
        page.wait_for_selector("#overall:not(:empty)", timeout=60_000)
        assert page.locator("#status").text_content() == "Done."
        assert len(shown(page)) >= 1
        known = {"angry", "happy", "neutral", "sad"}
        assert known & set(shown(page))
        assert page.locator("#error").text_content() == ""


def test_text(chromium):
    """Of the microphone while it is recorded, and of a file."""
    with started(asr=Heard()) as server, page_of(chromium, server.url) as page:
        assert "Text: heard." in page.locator("#about").text_content()
        page.get_by_role("button", name="Record").click()
        expect(page.locator("#text")).to_have_text(re.compile(r"^\d+ frames"), timeout=60_000)
        assert page.locator("#record").get_attribute("aria-pressed") == "true"
        page.get_by_role("button", name="Stop").click()
        page.wait_for_selector("#overall:not(:empty)", timeout=60_000)
        labelled = page.locator("#segments b:not(.silent)").count()
        assert page.locator("#text").text_content().count("frames") >= labelled >= 1
        answer = server.http.post("/v1/timeline", content=NOTE.read_bytes()).json()
        page.set_input_files("#file", NOTE)
        expect(page.locator("#text")).to_have_text(answer["text"], timeout=60_000)


def test_a_token(chromium, tmp_path):
    file = tmp_path / "tokens"
    file.write_text("0123456789abcdef\n")
    with (
        started(tokens=file, models=("tiny",)) as server,
        page_of(chromium, server.url) as page,
    ):
        assert "asks for a token" in page.locator("#error").text_content()
        page.get_by_label("Token of this server").fill("wrong-0123456789")
        page.get_by_role("button", name="Use it").click()
        expect(page.locator("#error")).to_contain_text("does not know")
        page.get_by_label("Token of this server").fill("0123456789abcdef")
        page.get_by_role("button", name="Use it").click()
        page.wait_for_selector("#access", state="hidden")
        page.get_by_role("button", name="Record").click()
        page.wait_for_selector("#now meter", timeout=60_000)
        page.get_by_role("button", name="Stop").click()
        page.wait_for_selector("#overall:not(:empty)", timeout=60_000)
        assert "0123456789abcdef" not in page.content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_it_fits(chromium, running, width, scheme):
    size = {"width": width, "height": 844}
    with page_of(chromium, running.url, viewport=size, color_scheme=scheme) as page:
        page.set_input_files("#file", NOTE)
        page.wait_for_selector("#segments li")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        low = page.evaluate(_LOW_CONTRAST)
        assert low == []


# Text below the contrast of WCAG 2.2, 1.4.3 (4.5 to 1), by its relative luminance.
_LOW_CONTRAST = """() => {
    const parts = colour => colour.match(/[0-9.]+/g).map(Number);
    const light = colour => {
        const [r, g, b] = parts(colour).map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = one => {
        for (; one; one = one.parentElement) {
            const colour = getComputedStyle(one).backgroundColor;
            if (parts(colour)[3] !== 0) return colour;
        }
        return "rgb(255, 255, 255)";
    };
    return [...document.querySelectorAll("body *")]
        .filter(one => one.checkVisibility() && [...one.childNodes]
            .some(node => node.nodeType === 3 && node.data.trim()))
        .filter(one => {
            const [a, b] = [light(getComputedStyle(one).color), light(behind(one))];
            return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5;
        })
        .map(one => one.outerHTML.slice(0, 80));
}"""


def test_the_policy(running):
    for path in ("/", "/page.js", "/recorder.js", "/page.css"):
        answer = running.http.get(path)
        policy = answer.headers["content-security-policy"]
        assert answer.status_code == 200
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_description_of_the_interface(chromium, running):
    described = running.http.get("/openapi.json").json()
    context = chromium.new_context(viewport={"width": 390, "height": 800})
    page = context.new_page()
    wrong = []
    page.on("console", lambda line: wrong.append(line.text))
    page.on("request", lambda one: wrong.append(one.url) if running.url not in one.url else None)
    page.goto(f"{running.url}/docs")
    operations = [
        (f"{method.upper()} {path}", operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    assert page.locator("h2").all_text_contents() == [name for name, _ in operations]
    for number, (_, operation) in enumerate(operations):
        section = page.locator("section").nth(number)
        names = [one["name"] for one in operation.get("parameters", [])]
        assert section.locator("dt code").all_text_contents() == names
        examples = [
            content["example"]
            for response in operation["responses"].values()
            for kind, content in response.get("content", {}).items()
            if kind == "application/json" and "example" in content
        ]
        assert [json.loads(t) for t in section.locator("pre").all_text_contents()] == examples
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()
    assert wrong == []
