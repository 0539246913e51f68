"""A photo asked about in Chromium: uploaded ones on Predict, and one of the dataset over the gallery."""

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Locator, Page, WebSocket, expect

from core.runs import Run
from tests.browser import wait_for_script
from tests.server import Server, dashboard_server

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(trained_run: Run) -> Iterator[Server]:
    with dashboard_server(trained_run.path.parent) as running:
        yield running


@pytest.fixture
def sent(page: Page) -> list[object]:
    """What the page sends to the server, message by message."""
    messages: list[object] = []

    def listen(socket: WebSocket) -> None:
        socket.on("framesent", lambda message: messages.append(message))

    page.on("websocket", listen)
    return messages


def opacity(heat: Locator) -> float:
    return float(heat.evaluate("image => getComputedStyle(image).opacity"))


def turn_on_why(place: Page | Locator) -> None:
    place.get_by_text("Why?").click()
    expect(place.locator("img.heat")).to_have_count(3, timeout=60_000)


def test_uploaded_photos_are_answered_picked_explained_and_compared(
    server: Server, page: Page, sent: list[object], trained_run: Run, tiny_dataset: Path, tmp_path: Path
) -> None:
    (tmp_path / "fake.jpg").write_text("no photo")
    photos = [tiny_dataset / "test" / name for name in ("20000.jpg", "20002.jpg")]
    table = pd.read_csv(trained_run.path / "test_predictions.csv").set_index("image")
    first, second = (f"{table['confidence'][f'test/{photo.name}']:.0%} sure" for photo in photos)

    page.goto(f"{server.url}/predict")
    page.locator("input[type=file]").set_input_files([photos[0], tmp_path / "fake.jpg", photos[1]])
    expect(page.get_by_text(first)).to_be_visible(timeout=60_000)
    expect(page.get_by_text("3 photos · 1 cannot be used")).to_be_visible()

    # The third row, by the table's own means of choosing one.
    grid = page.get_by_test_id("stDataFrame").locator(".dvn-scroller")
    grid.click(position={"x": 16, "y": 35 * 3 + 17})
    expect(page.get_by_text("3 of 3")).to_be_visible()
    expect(page.get_by_text(second)).to_be_visible()

    turn_on_why(page)
    expect(page).to_have_url(re.compile("why=1"))
    wait_for_script(page)
    heat, slider = page.locator("img.heat").first, page.get_by_role("slider", name="Heat map")
    assert opacity(heat) == pytest.approx(0.5)
    n_sent = len(sent)
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert opacity(heat) == pytest.approx(0.6)
    slider.fill("0")
    assert opacity(heat) == 0
    page.wait_for_timeout(500)
    assert len(sent) == n_sent, "moving the slider sends nothing"

    tile = page.locator("button.tile").nth(1)
    neighbour = tile.get_attribute("title")
    tile.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(neighbour or "")).to_be_visible()
    expect(dialog.get_by_text("2 of 8")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.get_by_text(second)).to_be_visible()


def test_a_photo_in_the_gallery_says_why_and_so_does_the_next(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/photos?sort=name&split=val")
    page.locator("button.tile").first.click()
    dialog = page.get_by_role("dialog")
    turn_on_why(dialog)
    expect(page).to_have_url(re.compile(r"(?=.*photo=)(?=.*why=1)"))
    first = dialog.locator("img.heat").first.get_attribute("alt") or ""
    page.get_by_role("slider", name="Heat map").focus()
    page.keyboard.press("ArrowLeft")
    expect(dialog.locator("img.heat").first).to_have_attribute("alt", first)  # The arrow was the slider's.
    wait_for_script(page)
    dialog.get_by_role("button", name="Next").click()
    expect(dialog.locator("img.heat").first).not_to_have_attribute("alt", first)
    assert opacity(dialog.locator("img.heat").first) == pytest.approx(0.45), "the slider keeps its place"

    shown = dialog.get_by_test_id("stCode").inner_text()
    dialog.locator("button.tile").first.click()
    expect(dialog.get_by_test_id("stCode")).not_to_have_text(shown)
    page.go_back()
    expect(dialog.get_by_test_id("stCode")).to_have_text(shown)
    page.reload()
    expect(dialog.get_by_test_id("stCode")).to_have_text(shown)
    expect(dialog.locator("img.heat")).to_have_count(3)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


@pytest.mark.thorough
def test_a_test_photo_opens_by_its_address(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/predict")
    page.get_by_text("Test photo", exact=True).click()
    expect(page).to_have_url(re.compile("source=test"))
    expect(page.get_by_text("% sure")).to_be_visible(timeout=60_000)
    page.goto(f"{server.url}/predict?source=test&test=test/20003.jpg")
    expect(page.get_by_test_id("stCode")).to_contain_text("test/20003.jpg")
    expect(page.get_by_text("% sure")).to_be_visible()
