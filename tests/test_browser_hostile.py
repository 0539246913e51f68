"""Names, notes and errors that are HTML, Markdown or a template: Chromium shows them as they are and runs none."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Dialog, Locator, Page, Request, expect

from core.runs import Run
from tests.browser import turn_to, wait_for_script
from tests.hostile_tables import HOSTILE_CLASSES, HOSTILE_PHOTOS, MARKUP, SCRIPT, write_hostile_run
from tests.server import Server, dashboard_server

pytestmark = pytest.mark.browser

PHOTO = f"training/{HOSTILE_PHOTOS['a']}.jpg"
# Titles and where the pages show names; the run is the hostile one unless another is named.
PAGES = (
    ("Overview", ""),
    ("Data", "data"),
    ("Training", "training"),
    ("Evaluation", "evaluation?split=val"),
    ("Labels", "labels?issues=all"),
    ("Slices", "slices"),
    ("Photos", "photos?split=val"),
    ("Map", "map"),
    ("Reviews", "reviews"),
    ("Compare", "compare?with=failed%20%3Cb%3E"),
    ("Predict", "predict?source=test"),
    ("Submission", "submission"),
    ("Training", "training?run=failed%20%3Cb%3E"),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("hostile")
    return write_hostile_run(folder / "runs", folder / "data")


@pytest.fixture(scope="module")
def server(run: Run) -> Iterator[Server]:
    with dashboard_server(run.path.parent) as running:
        yield running


@pytest.fixture
def caught(page: Page, server: Server) -> Iterator[list[str]]:
    """What no name may bring about: a dialog of the browser, a request elsewhere or for the picture `x`."""
    found: list[str] = []

    def look_at(request: Request) -> None:
        is_local = re.match(rf"({re.escape(server.url)}|ws://127\.0\.0\.1|data:|blob:)", request.url)
        if not is_local or urlsplit(request.url).path.endswith(("/x", "/x.png")):
            found.append(request.url)

    def close(dialog: Dialog) -> None:
        found.append(dialog.message)
        dialog.dismiss()

    page.on("request", look_at)
    page.on("dialog", close)
    yield found
    assert found == []


def is_hacked(page: Page) -> object:
    return page.evaluate("window.hacked")


def words(place: Locator) -> str:
    """What can be read there; marks without width cannot."""
    return place.inner_text().replace("\u2060", "")


def hover_over_charts(page: Page) -> None:
    for chart in page.locator(".js-plotly-plot .nsewdrag.drag").all():
        box = chart.bounding_box()
        if box:
            for share in (0.1, 0.3, 0.5, 0.9):
                page.mouse.move(box["x"] + share * box["width"], box["y"] + share * box["height"])


def address(path: str, run: Run) -> str:
    separator = "&" if "?" in path else "?"
    return f"/{path}" if "run=" in path else f"/{path}{separator}run={quote(run.name)}"


def test_nothing_in_a_name_is_executed_on_any_page(server: Server, page: Page, caught: list[str], run: Run) -> None:
    page.goto(server.url + address("photos", run))
    expect(page.get_by_role("heading", level=2).first).to_be_visible()
    wait_for_script(page)
    for title, path in PAGES:
        turn_to(page, address(path, run))
        expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
        wait_for_script(page)
        expect(page.get_by_test_id("stException")).to_have_count(0)
        assert {SCRIPT, MARKUP} <= set(words(page.get_by_test_id("stAlert").first).splitlines()), "the notices"
        hover_over_charts(page)
        assert is_hacked(page) is None, path


def test_an_opened_photo_is_called_what_its_file_is_called(
    server: Server, page: Page, caught: list[str], run: Run
) -> None:
    page.goto(f"{server.url}/photos?split=val&run={quote(run.name)}")
    tile = page.locator("button.tile").filter(has=page.locator("img")).first
    expect(tile).to_be_visible()
    names = {each.get_attribute("title") for each in page.locator("button.tile").all()}
    assert names == {f"training/{HOSTILE_PHOTOS[letter]}.jpg" for letter in "abcd"}
    page.locator(f"button.tile[title={PHOTO!r}]").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_test_id("stCode")).to_contain_text(PHOTO)
    expect(dialog.get_by_text("90% sure")).to_be_visible()
    assert all(name in words(dialog) for name in HOSTILE_CLASSES)
    hover_over_charts(page)
    assert is_hacked(page) is None


def test_a_table_cannot_be_downloaded_but_by_buttons_of_ours(server: Server, page: Page, run: Run) -> None:
    """Streamlit's own button would hand formulas to a spreadsheet."""
    page.goto(f"{server.url}/labels?issues=all&run={quote(run.name)}")
    wait_for_script(page)
    page.get_by_test_id("stDataFrame").first.hover()
    expect(page.get_by_role("button", name=re.compile("Fullscreen|Search")).first).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Download as CSV"))).to_have_count(0)
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV", exact=True).first.click()
    lines = Path(download.value.path()).read_text()
    assert "\"'=1+1" not in lines and ",'=1+1," in lines and ",=1+1," not in lines
