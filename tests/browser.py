"""A real Chromium for the tests of the page."""

import contextlib
import os
import shutil

import pytest


def chromium():
    """Path of Chromium; without one the test is skipped, but fails in CI."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if found is None and os.environ.get("CI"):
        pytest.fail("CI needs Chromium: install it, or set CHROMIUM to its path")
    if found is None:
        pytest.skip("Chromium is not installed; set CHROMIUM to its path")
    return found


@contextlib.contextmanager
def browser(microphone):
    """Chromium, whose microphone plays a WAV file."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=chromium(),
            args=[
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
                f"--use-file-for-fake-audio-capture={microphone}",
                "--no-sandbox",  # containers have none to give; the page is our own
                "--autoplay-policy=no-user-gesture-required",
            ],
        )
        try:
            yield opened
        finally:
            opened.close()
