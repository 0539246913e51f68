"""Two runs written by hand, compared in Chromium; of the photos held out `a` is newly broken and `b` is fixed."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import STILL, wait_for_script
from tests.handwritten import predict_anew, write_run
from tests.server import Server, dashboard_server

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def runs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compare")
    write_run(folder / "runs", folder / "data", name="before")
    later = write_run(folder / "runs", folder / "data", name="later", created="2026-03-01T00:00:00+00:00")
    predict_anew(later, a=(0.4, 0.5, 0.1), b=(0.7, 0.2, 0.1), y=(0.2, 0.2, 0.6))
    return folder / "runs"


@pytest.fixture(scope="module")
def server(runs_folder: Path) -> Iterator[Server]:
    with dashboard_server(runs_folder) as running:
        yield running


def click_bar(page: Page, chart: str, bar: int, trace: int) -> None:
    """Click in the middle of a bar; traces are counted as they are drawn."""
    mark = page.locator(f".st-key-{chart} .trace.bars").nth(trace).locator(".point").nth(bar)
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.wait_for_timeout(300)  # Plotly looks for the point under the pointer before it takes a click.
    page.mouse.click(x, y)


def tiles(page: Page) -> Locator:
    return page.locator("button.tile")


def chip(page: Page, text: str) -> Locator:
    return page.locator(".st-key-chips").get_by_role("button", name=text)


def test_a_bar_chooses_its_photos_a_chip_lets_go_and_the_back_button_chooses_them_again(
    server: Server, page: Page
) -> None:
    page.goto(f"{server.url}/compare")
    expect(tiles(page)).to_have_count(10)
    click_bar(page, "changes", bar=0, trace=0)
    expect(tiles(page)).to_have_count(1)
    expect(tiles(page)).to_have_attribute("title", "training/b.jpg")
    expect(tiles(page)).to_contain_text("other run: everybody 60%")
    expect(tiles(page)).to_contain_text("this run: nobody 70%")
    expect(page).to_have_url(re.compile(r"(?=.*run=later)(?=.*with=before)(?=.*change=fixed)(?=.*true=nobody)"))
    chip(page, "right now, wrong in before").click()
    expect(tiles(page)).to_have_count(3)
    expect(page).to_have_url(re.compile(r"^(?!.*change=).*with=before"))
    page.go_back()
    expect(tiles(page)).to_have_count(1)
    expect(chip(page, "right now, wrong in before")).to_be_visible()


def test_a_number_chooses_its_photos_and_lets_go(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/compare")
    page.get_by_role("button", name="1 newly broken").click()
    expect(tiles(page)).to_have_count(1)
    expect(tiles(page)).to_have_attribute("title", "training/a.jpg")
    page.get_by_role("button", name="1 newly broken").click()
    expect(tiles(page)).to_have_count(10)


@pytest.mark.thorough
def test_a_copied_link_shows_its_photos_in_another_browser(server: Server, browser: Browser, page: Page) -> None:
    page.goto(f"{server.url}/compare")
    page.get_by_role("button", name="1 newly broken").click()
    expect(tiles(page)).to_have_count(1)
    elsewhere = browser.new_page(reduced_motion=STILL)
    elsewhere.goto(page.url)
    expect(tiles(elsewhere)).to_have_count(1)
    expect(tiles(elsewhere)).to_have_attribute("title", "training/a.jpg")
    elsewhere.close()


def test_the_submission_is_downloaded_as_it_lies_on_disk(server: Server, page: Page, runs_folder: Path) -> None:
    page.goto(f"{server.url}/submission")
    expect(page.get_by_text("Ready to hand in")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download submission.csv").click()
    assert download.value.suggested_filename == "submission.csv"
    assert Path(download.value.path()).read_bytes() == (runs_folder / "later" / "submission.csv").read_bytes()


@pytest.mark.thorough
def test_a_bar_of_the_class_mix_chooses_its_photos_and_a_chip_lets_go(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/submission")
    expect(tiles(page)).to_have_count(2)
    click_bar(page, "mix", bar=2, trace=1)
    expect(tiles(page)).to_have_count(1)
    expect(tiles(page)).to_have_attribute("title", "test/y.jpg")
    expect(page).to_have_url(re.compile(r"split=test&predicted=somebody"))
    chip(page, "predicted: somebody").click()
    expect(tiles(page)).to_have_count(2)
    page.go_back()
    expect(tiles(page)).to_have_count(1)


def test_the_photos_on_which_two_files_differ_are_a_click_away(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/submission")
    page.get_by_role("button", name="1 in another class").click()
    expect(tiles(page)).to_have_count(1)
    expect(tiles(page)).to_contain_text("other run: everybody 60%")
    wait_for_script(page)
    page.reload()
    expect(tiles(page)).to_have_count(1)
    expect(chip(page, "test photo, another class in before")).to_be_visible()
