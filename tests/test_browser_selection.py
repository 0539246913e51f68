"""One selection everywhere, in Chromium: charts choose photos, photos are browsed, addresses hold what is chosen."""

import math
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Locator, Page, expect

from benchmarks import large_run
from core import runs
from core.config import DEFAULT_CLASS_NAMES
from tests.browser import turn_to, wait_for_script
from tests.server import Server, dashboard_server

pytestmark = pytest.mark.browser

N_LABELLED, N_ALL = 150, 162
# The photo that the keyboard is on.
FOCUSED = "(document.activeElement.shadowRoot?.activeElement ?? document.activeElement).title"


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_run, "WORK_DIR", folder)
        patch.setattr(large_run, "_N_DIFFERENT", 6)
        return large_run.make_run(folder / "runs" / "large", N_LABELLED)


@pytest.fixture(scope="module")
def server(run_folder: Path) -> Iterator[Server]:
    with dashboard_server(run_folder.parent) as running:
        yield running


@pytest.fixture(scope="module")
def held_out(run_folder: Path) -> pd.DataFrame:
    predictions = runs.read_predictions(run_folder / runs.PREDICTIONS_FILE, 3)
    return predictions[predictions["split"] == "val"]


def open_page(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator("button.tile").first).to_be_visible()
    wait_for_script(page)


def tiles(page: Page) -> Locator:
    return page.locator("button.tile")


def chips(page: Page) -> Locator:
    return page.locator(".st-key-chips").get_by_role("button")


def counted(page: Page) -> Locator:
    return page.locator(".st-key-chips").get_by_test_id("stMarkdown")


def click_cell(page: Page, true: int, predicted: int) -> None:
    matrix = page.locator(".st-key-matrix .nsewdrag").first
    matrix.scroll_into_view_if_needed()
    box = matrix.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] * (predicted + 0.5) / 3, box["y"] + box["height"] * (true + 0.5) / 3
    page.mouse.move(x, y)
    page.wait_for_timeout(300)  # Plotly looks for the point under the pointer before it takes a click.
    page.mouse.click(x, y)


def commonest_error(held_out: pd.DataFrame) -> tuple[int, int, int]:
    """True class, predicted class, number of photos."""
    wrong = held_out[held_out["true_label"] != held_out["predicted_label"]]
    counts = wrong.value_counts(["true_label", "predicted_label"])
    true, predicted = counts.index[0]
    return int(true), int(predicted), int(counts.iloc[0])


def test_a_cell_of_the_matrix_chooses_its_photos_and_a_second_click_lets_go(
    server: Server, page: Page, held_out: pd.DataFrame
) -> None:
    true, predicted, n = commonest_error(held_out)
    open_page(page, f"{server.url}/evaluation")
    click_cell(page, true, predicted)
    expect(tiles(page)).to_have_count(n)
    expect(counted(page)).to_have_text(f"{n} of {N_ALL} photos")
    names = [f"true class: {DEFAULT_CLASS_NAMES[true]} ✕", f"predicted: {DEFAULT_CLASS_NAMES[predicted]} ✕"]
    expect(chips(page).filter(has_text="✕")).to_have_text(["held out ✕", *names])
    click_cell(page, true, predicted)
    expect(counted(page)).to_have_text(f"{N_ALL} of {N_ALL} photos")
    expect(page).not_to_have_url(re.compile("true="))


def test_a_bar_of_the_overview_chooses_by_click_and_by_key_and_can_be_saved(
    server: Server, page: Page, held_out: pd.DataFrame
) -> None:
    n = int((held_out["true_label"] == 1).sum())
    page.goto(server.url)
    bars = page.get_by_role("button", name=re.compile("% found"))
    expect(bars).to_have_count(3)
    bars.nth(1).click()
    expect(counted(page)).to_have_text(f"{n} of {N_ALL} photos")
    expect(bars.nth(1)).to_have_attribute("aria-pressed", "true")
    with page.expect_download() as download:
        page.get_by_text("Save picture").click()
    assert download.value.suggested_filename == "recall.svg"
    assert DEFAULT_CLASS_NAMES[1] in download.value.path().read_text()
    bars.nth(1).focus()
    page.keyboard.press("Enter")
    expect(page).not_to_have_url(re.compile("true="))


def test_what_a_filter_chooses_is_marked_in_the_charts(server: Server, page: Page, held_out: pd.DataFrame) -> None:
    true, predicted, _ = commonest_error(held_out)
    names = (DEFAULT_CLASS_NAMES[label] for label in (true, predicted))
    open_page(page, f"{server.url}/evaluation?split=val")
    frame = page.locator(".st-key-matrix .shapelayer path")
    expect(frame).to_have_count(0)
    page.get_by_role("button", name="Filter").click()
    for label, param, name in zip(("True class", "Predicted class"), ("true", "predicted"), names, strict=True):
        group = page.get_by_role("radiogroup", name=label, exact=True)
        group.get_by_role("radio", name=re.compile(f"^{name} ·")).click()
        expect(page).to_have_url(re.compile(f"[?&]{param}={name}"))
        wait_for_script(page)
    expect(frame).to_have_count(1)


def test_a_reload_and_the_back_button_keep_to_the_address(server: Server, page: Page, held_out: pd.DataFrame) -> None:
    true, predicted, n = commonest_error(held_out)
    n_true = int((held_out["true_label"] == true).sum())
    names = (DEFAULT_CLASS_NAMES[label] for label in (true, predicted))
    open_page(page, "{}/photos?split=val&true={}&predicted={}".format(server.url, *names))
    expect(counted(page)).to_have_text(f"{n} of {N_ALL} photos")
    page.locator(".st-key-chip-predicted").get_by_role("button").click()
    expect(counted(page)).to_have_text(f"{n_true} of {N_ALL} photos")
    page.locator(".st-key-chip-true").get_by_role("button").click()
    expect(counted(page)).to_have_text(f"{len(held_out)} of {N_ALL} photos")
    page.go_back()
    expect(counted(page)).to_have_text(f"{n_true} of {N_ALL} photos")
    page.go_back()
    expect(counted(page)).to_have_text(f"{n} of {N_ALL} photos")
    page.go_forward()
    expect(counted(page)).to_have_text(f"{n_true} of {N_ALL} photos")
    expect(page).to_have_url(re.compile("run=large"))
    page.reload()
    expect(counted(page)).to_have_text(f"{n_true} of {N_ALL} photos")


@pytest.mark.thorough
def test_the_menu_takes_the_selection_to_the_other_pages(server: Server, page: Page) -> None:
    open_page(page, f"{server.url}/photos?outcome=wrong&split=val")
    there = counted(page).inner_text()
    for name in ("Data", "Map"):
        page.get_by_test_id("stSidebar").get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
        expect(counted(page)).to_have_text(there)


@pytest.mark.thorough
def test_a_bar_of_the_class_balance_chooses_its_photos(server: Server, page: Page, held_out: pd.DataFrame) -> None:
    open_page(page, f"{server.url}/data")
    page.locator(".st-key-balance .bars .point path").first.click(force=True)
    expect(chips(page).filter(has_text="✕")).to_have_count(2)
    expect(page).to_have_url(re.compile(f"split=\\w+&true={DEFAULT_CLASS_NAMES[0]}"))


def test_a_bin_of_the_histogram_chooses_as_many_photos_as_it_shows(
    server: Server, page: Page, held_out: pd.DataFrame
) -> None:
    open_page(page, f"{server.url}/evaluation")
    is_right = held_out["true_label"] == held_out["predicted_label"]
    n = int((is_right & (held_out["confidence"] >= 0.95)).sum())
    bars = page.locator(".st-key-confidence .bars").first.locator(".point path")
    bars.last.click(force=True)
    expect(counted(page)).to_have_text(f"{n} of {N_ALL} photos")
    expect(page).to_have_url(re.compile("confidence=0.95-1"))


def test_an_area_drawn_on_the_map_chooses_its_photos_in_a_copied_link_too(server: Server, page: Page) -> None:
    open_page(page, f"{server.url}/map")
    plot = page.locator(".nsewdrag").first
    plot.scroll_into_view_if_needed()
    page.wait_for_timeout(1000)  # The chart is moved into place.
    box = plot.bounding_box()
    assert box is not None
    x, y, radius = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, box["height"] / 5
    page.mouse.move(x + radius, y)
    page.mouse.down()
    for step in range(1, 60):
        angle = 2 * math.pi * step / 60
        page.mouse.move(x + radius * math.cos(angle), y + radius * math.sin(angle))
    page.mouse.up()
    expect(chips(page)).to_have_text(["an area of the PCA map ✕"])
    expect(page.locator(".shapelayer path")).to_have_count(1)
    there = counted(page).inner_text()
    assert 0 < int(there.split(" ")[0]) < N_ALL
    area = re.search("area=([^&]+)", page.url)
    assert area is not None and area[1].count("%3B") < 30
    elsewhere = page.context.new_page()
    elsewhere.goto(page.url)
    expect(counted(elsewhere)).to_have_text(there)
    elsewhere.close()


def focused(page: Page) -> str:
    return str(page.evaluate(FOCUSED))


def test_the_keyboard_moves_turns_pages_opens_and_closes(server: Server, page: Page) -> None:
    open_page(page, f"{server.url}/photos?sort=name&rows=24")
    names = [str(tile.get_attribute("title")) for tile in tiles(page).all()]
    tiles(page).first.focus()
    page.keyboard.press("ArrowRight")
    assert focused(page) == names[1]
    page.keyboard.press("End")
    assert focused(page) == names[-1]
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile("page=2"))
    expect(tiles(page).first).not_to_have_attribute("title", names[0])
    page.wait_for_function(f"() => ({FOCUSED}) && ({FOCUSED}) !== {names[-1]!r}")
    assert focused(page) == tiles(page).first.get_attribute("title")
    page.keyboard.press("ArrowLeft")
    expect(page).not_to_have_url(re.compile("page="))
    page.wait_for_function(f"() => ({FOCUSED}) === {names[-1]!r}")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(names[-1])).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.wait_for_function(f"() => ({FOCUSED}) === {names[-1]!r}")
    page.keyboard.press("ArrowLeft")
    assert focused(page) == names[-2], "the keyboard goes on where it was"


def test_tiles_have_three_sizes(server: Server, page: Page) -> None:
    widths = []
    open_page(page, f"{server.url}/photos")
    for size in ("small", "medium", "large"):
        page.get_by_role("radio", name=size).click()
        expect(page.locator(f".grid[data-tiles={size}]")).to_be_visible()
        box = tiles(page).first.bounding_box()
        assert box is not None
        widths.append(box["width"])
    assert widths[0] < widths[1] < widths[2]


def test_a_page_turn_is_one_message_of_pictures_and_asks_for_nothing_else(server: Server, page: Page) -> None:
    open_page(page, f"{server.url}/photos?sort=name&rows=60")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    first = tiles(page).first.get_attribute("title")
    page.get_by_test_id("stPagination").get_by_role("button").last.click()
    expect(tiles(page).first).not_to_have_attribute("title", str(first))
    assert [url for url in requests if not url.startswith("data:")] == []


def test_the_csv_holds_the_photos_that_are_chosen_in_their_order(
    server: Server, page: Page, held_out: pd.DataFrame, tmp_path: Path
) -> None:
    open_page(page, f"{server.url}/photos?outcome=wrong&split=val")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    download.value.save_as(tmp_path / "photos.csv")
    table = pd.read_csv(tmp_path / "photos.csv")
    wrong = held_out[held_out["true_label"] != held_out["predicted_label"]]
    assert table["image"].tolist() == wrong.sort_values(["loss", "image"], ascending=[False, True])["image"].tolist()


def test_on_a_phone_nothing_juts_out(server: Server, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{server.url}/photos")
    wait_for_script(page)
    for title in ("Overview", "Data", "Training", "Evaluation", "Map", "Compare", "Submission", "Photos"):
        turn_to(page, "/" if title == "Overview" else f"/{title.lower()}")
        expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
        wait_for_script(page)
        main = page.get_by_test_id("stMain")
        assert main.evaluate("each => each.scrollWidth <= each.clientWidth"), title
