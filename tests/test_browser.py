"""The loop as a person goes through it: train, open every page in Chromium, click, upload."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import psutil
import pytest
from playwright.sync_api import Page, expect

from core.config import PROJECT_DIR
from tests.browser import wait_for_script
from tests.conftest import make_dataset
from tests.server import Server, dashboard_server

pytestmark = pytest.mark.browser

# Overview last: it is open already when the walk begins.
TITLES = (
    "Data",
    "Training",
    "Evaluation",
    "Labels",
    "Slices",
    "Photos",
    "Map",
    "Reviews",
    "Compare",
    "Submission",
    "Overview",
)
ADDRESSES = {"": "Overview", **{title.lower(): title for title in TITLES}}
# It leads to the bare address; Streamlit opens the others all in the same way.
LEADS_ELSEWHERE = "overview"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("data"), per_class=12, n_test=3)


@pytest.fixture(scope="module")
def run_folder(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run trained by the real command; so badly (one step of a tiny head) that there are errors to browse."""
    runs_dir = tmp_path_factory.mktemp("runs")
    options = ["--data", data, "--runs-dir", runs_dir, "--name", "tiny", "--weights", "random", "--image-size", "32"]
    options += ["--epochs", "2", "--hidden-units", "2", "--learning-rate", "0.00001", "--validation-fraction", "0.5"]
    subprocess.run([sys.executable, "train.py", *map(str, options)], cwd=PROJECT_DIR, check=True, capture_output=True)
    return runs_dir / "tiny"


@pytest.fixture(scope="module")
def server(run_folder: Path) -> Iterator[Server]:
    with dashboard_server(run_folder.parent) as running:
        yield running


@pytest.fixture
def validation(run_folder: Path) -> pd.DataFrame:
    predictions = pd.read_csv(run_folder / "predictions.csv")
    return predictions[predictions["split"] == "val"]


def expect_page(page: Page, title: str) -> None:
    expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
    wait_for_script(page)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(page).to_have_title(title)
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_every_page_opens_from_the_menu_without_leaving_the_machine(server: Server, page: Page) -> None:
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    page.goto(server.url)
    expect_page(page, "Overview")
    for title in TITLES:
        page.get_by_test_id("stSidebar").get_by_role("link", name=title).click()
        expect_page(page, title)
    local = re.compile(rf"({re.escape(server.url)}|ws://127\.0\.0\.1|data:|blob:)")
    assert [address for address in addresses if not local.match(address)] == []
    if hasattr(psutil.Process, "memory_maps"):  # Not every system tells a process's libraries.
        assert not server.has_tensorflow(), "looking around needs none"


@pytest.mark.parametrize(
    "path", [pytest.param(path, marks=() if path == LEADS_ELSEWHERE else pytest.mark.thorough) for path in ADDRESSES]
)
def test_every_page_opens_by_its_address(server: Server, page: Page, path: str) -> None:
    page.goto(f"{server.url}/{path}")
    expect_page(page, ADDRESSES[path])


def test_the_overview_leads_to_the_errors_worst_first_and_to_each_of_them(
    server: Server, page: Page, validation: pd.DataFrame
) -> None:
    wrong = validation[validation["true_label"] != validation["predicted_label"]]
    worst = wrong.sort_values(["loss", "image"], ascending=[False, True])["image"].tolist()
    page.goto(server.url)
    page.get_by_text(f"Look at the {len(wrong)} held-out photos that were got wrong").click()
    expect(page.locator("button.tile")).to_have_count(len(wrong))
    assert [tile.get_attribute("title") for tile in page.locator("button.tile").all()] == worst
    page.locator("button.tile").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(worst[0])).to_be_visible()
    expect(dialog.get_by_role("img").first).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(dialog.get_by_text(worst[1])).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(dialog.get_by_text(worst[0])).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page).not_to_have_url(re.compile("photo="))


def test_each_line_of_the_label_issues_is_a_click_to_its_photo(server: Server, page: Page, run_folder: Path) -> None:
    images = pd.read_csv(run_folder / "label_issues.csv")["image"].tolist()
    page.goto(f"{server.url}/labels?issues=all")
    wait_for_script(page)
    lines = page.get_by_test_id("stDataFrame")
    dialog = page.get_by_role("dialog")
    for row in (1, 1, 0):  # Once more after it was closed, too.
        lines.click(position={"x": 20, "y": 35 * (row + 1) + 17})
        expect(dialog.get_by_text(images[row])).to_be_visible()
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        expect(page).not_to_have_url(re.compile("photo="))
        wait_for_script(page)  # Until the line is let go of: a click before that would only do the same.


def test_a_run_trained_meanwhile_shows_after_a_refresh(server: Server, page: Page, run_folder: Path) -> None:
    page.goto(server.url)
    run_picker = page.get_by_test_id("stSidebar").get_by_role("combobox")
    expect(run_picker).to_have_value(re.compile("^tiny ·"))
    again = run_folder.with_name("tiny-again")
    shutil.copytree(run_folder, again)
    info = (again / "run.json").read_text()
    (again / "run.json").write_text(re.sub(r'"created": "\d{4}', '"created": "2999', info))
    page.reload()
    expect(run_picker).to_have_value(re.compile("^tiny-again ·"))
    shutil.rmtree(again)


def test_the_links_of_the_overview_keep_the_run(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/?run=tiny")
    page.get_by_text("See which classes are confused").click()
    expect(page.get_by_role("heading", name="Evaluation", exact=True)).to_be_visible()
    wait_for_script(page)
    assert page.url.count("run=") <= 1
