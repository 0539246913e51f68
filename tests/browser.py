"""A real Chromium, for the tests that want one."""

import os
import shutil
from collections.abc import Iterator
from typing import Final, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

# Without a GPU, what moves for its own sake takes a third of a browser's processor time.
STILL: Final[Literal["reduce"]] = "reduce"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser; the test is skipped where there is none."""
    if CHROMIUM is None:
        pytest.skip("no Chromium: install one or name it in the environment variable CHROMIUM")
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def context(browser: Browser) -> BrowserContext:
    """What tabs share. Streamlit's own script is fetched and compiled for the first one only: seconds for each."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, reduced_motion=STILL)
    context.set_default_timeout(60_000)
    expect.set_options(timeout=60_000)
    return context


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A fresh tab of a visitor who has not been here before."""
    context.clear_cookies()
    opened = context.new_page()
    yield opened
    opened.close()


def turn_to(page: Page, path: str) -> None:
    """Lead an open page to another address of the dashboard, as the browser's back button would.

    Loading Streamlit's own script anew, as by typing the address, takes seconds more.

    Args:
        page: An open page; it begins to turn.
        path: From the root, with parameters.
    """
    script = "path => { history.pushState({}, '', path); dispatchEvent(new PopStateEvent('popstate')) }"
    page.evaluate(script, path)


def wait_for_script(page: Page) -> None:
    """Until the page has been drawn and Streamlit runs no script for it."""
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
