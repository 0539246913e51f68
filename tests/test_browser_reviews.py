"""The loop of reviews in Chromium: find a wrong label, relabel by key, train with the log, see the change."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from core.config import PROJECT_DIR
from core.reviews import current_decisions, read_reviews
from tests.browser import wait_for_script
from tests.conftest import make_dataset, read_labels, set_label
from tests.handwritten import CLASS_NAMES, write_run
from tests.server import Server, dashboard_server

pytestmark = pytest.mark.browser

# Options under which random weights tell the colours apart within seconds.
TINY = ["--weights", "random", "--image-size", "32", "--epochs", "40", "--learning-rate", "0.003", "--head", "gap"]
# Photos whose labels are wrong; at least one of them is held out.
FLIPPED = {"10003.jpg": (0, 1), "10007.jpg": (1, 2), "10011.jpg": (2, 0), "10015.jpg": (0, 2), "10019.jpg": (1, 0)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos that are easy to tell apart, a few of them labelled wrongly."""
    root = make_dataset(tmp_path_factory.mktemp("data"), per_class=16, n_test=2)
    for name, (right, wrong) in FLIPPED.items():
        assert read_labels(root)[name] == right
        set_label(root, name, wrong)
    return root


@pytest.fixture(scope="module")
def runs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run, `first`."""
    folder = tmp_path_factory.mktemp("loop")
    train(["--data", str(data), "--runs-dir", str(folder), "--name", "first", "--validation-fraction", "0.5", *TINY])
    return folder


@pytest.fixture(scope="module")
def server(runs: Path) -> Iterator[Server]:
    with dashboard_server(runs) as running:
        yield running


def train(options: list[str]) -> None:
    subprocess.run([sys.executable, "train.py", *options], cwd=PROJECT_DIR, check=True, capture_output=True)


def tiles(page: Page) -> Locator:
    return page.locator("button.tile")


def decisions(runs: Path) -> dict[str, tuple[str, str | None, str]]:
    """What stands, by the name of the photo: action, class, note."""
    log = runs / "reviews.jsonl"
    found = current_decisions(read_reviews(log).reviews).values() if log.exists() else ()
    return {Path(each.image).name: (each.action, each.class_name, each.note) for each in found}


def test_a_wrong_label_is_found_mended_by_key_learnt_and_its_mending_seen_in_compare(
    server: Server, page: Page, data: Path, runs: Path
) -> None:
    labels_before = (data / "train_gt.json").read_bytes()
    page.goto(f"{server.url}/labels")
    suspect = tiles(page).first
    expect(suspect).to_be_visible()
    wait_for_script(page)
    name = str(suspect.get_attribute("title")).removeprefix("training/")
    right, _ = FLIPPED[name]
    suspect.focus()
    page.keyboard.press(str(right))
    expect(suspect.locator(".badge")).to_have_text(f"✎ {CLASS_NAMES[right]}")
    expect(page.locator("button.tile.saving")).to_have_count(0)
    assert decisions(runs) == {name: ("relabel", CLASS_NAMES[right], "")}
    assert (data / "train_gt.json").read_bytes() == labels_before

    page.get_by_test_id("stSidebar").get_by_role("link", name="Reviews").click()
    page.get_by_text("This run was trained without any").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Corrected train_gt.json").click()
    mended = json.loads(Path(download.value.path()).read_text())
    assert mended == read_labels(data) | {name: right}
    words = shlex.split(page.get_by_test_id("stCode").inner_text())
    assert words[:2] == ["python", "train.py"]
    train([*words[2:], "--name", "second"])

    page.goto(f"{server.url}/compare")
    page.get_by_text("was trained with 1 photo relabelled and 0 excluded").wait_for()
    accuracy = page.get_by_test_id("stMetric").filter(has_text="Accuracy").get_by_test_id("stMetricValue")
    reviewed = accuracy.inner_text()
    page.get_by_role("radio", name="the original labels").click()
    expect(page.get_by_text("had another label in second")).to_be_visible()
    expect(accuracy).not_to_have_text(reviewed)  # It may be drawn anew after what is said of it.
    assert float(accuracy.inner_text().removesuffix("%")) < float(reviewed.removesuffix("%"))
    page.get_by_role("button", name="1 relabelled in this run").click()
    expect(tiles(page)).to_have_count(1)
    expect(tiles(page)).to_have_attribute("title", f"training/{name}")


@pytest.fixture
def handwritten(tmp_path: Path, runs_dir: Path) -> Iterator[Server]:
    write_run(runs_dir, tmp_path / "data")
    with dashboard_server(runs_dir) as running:
        yield running


def wait_for_keys(page: Page) -> None:
    """Until a photo that has just been opened takes keys: n goes into the field for a note, Escape leaves it."""
    note = page.get_by_role("dialog").get_by_placeholder("Note: n, then Enter")
    while not note.evaluate("field => field === document.activeElement"):
        page.keyboard.press("n")
        page.wait_for_timeout(100)
    page.keyboard.press("Escape")
    expect(note).not_to_be_focused()


def test_keys_decide_in_two_tabs_and_in_the_photo_view_and_nothing_is_lost(
    handwritten: Server, page: Page, runs_dir: Path
) -> None:
    there = page.context.new_page()
    for tab in (page, there):
        tab.goto(f"{handwritten.url}/photos?split=val&sort=name")
        expect(tiles(tab)).to_have_count(4)
        wait_for_script(tab)
    tiles(page).nth(0).focus()
    tiles(there).nth(3).focus()
    page.keyboard.press("1")  # a; the keyboard goes on to b.
    there.keyboard.press("x")
    page.keyboard.press("u")
    page.keyboard.press("n")
    page.keyboard.type("not 1 mask")
    page.keyboard.press("Enter")  # On c.
    for tab in (page, there):
        expect(tab.locator("button.tile.saving")).to_have_count(0)
    expect(tiles(page).nth(2)).to_contain_text("not 1 mask")
    a, b, c, d = ("relabel", "everybody", ""), ("unsure", None, ""), ("note", None, "not 1 mask"), ("exclude", None, "")
    assert decisions(runs_dir) == {"a.jpg": a, "b.jpg": b, "c.jpg": c, "d.jpg": d}
    there.close()
    page.keyboard.press("z")
    page.keyboard.press("z")
    expect(page.locator(".said")).to_have_text("training/b.jpg: taken back")
    expect(page.locator("button.tile.saving")).to_have_count(0)
    assert decisions(runs_dir) == {"a.jpg": a, "d.jpg": d}

    tiles(page).nth(0).press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("relabelled everybody")).to_be_visible()
    wait_for_keys(page)
    page.keyboard.press("g")
    expect(dialog.get_by_role("button", name="Go on after each: on")).to_be_visible()
    page.keyboard.press("2")
    expect(dialog.get_by_text("b.jpg")).to_be_visible()
    expect(dialog.get_by_text("Not reviewed")).to_be_visible()
    assert decisions(runs_dir) == {"a.jpg": ("relabel", "somebody", ""), "d.jpg": d}
    page.keyboard.press("z")
    expect(dialog.get_by_text("a.jpg")).to_be_visible()
    expect(dialog.get_by_text("relabelled everybody")).to_be_visible()
    wait_for_keys(page)
    page.keyboard.press("n")
    page.keyboard.type("x2")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("textbox")).not_to_be_focused()
    expect(page).to_have_url(re.compile("photo=training%2Fa.jpg"))
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(tiles(page).nth(0)).to_contain_text("x2")
    assert decisions(runs_dir) == {"a.jpg": ("relabel", "everybody", "x2"), "d.jpg": d}


@pytest.mark.thorough
def test_a_decision_is_taken_back_from_the_list(handwritten: Server, page: Page, runs_dir: Path) -> None:
    page.goto(f"{handwritten.url}/photos?split=val&sort=name")
    tiles(page).nth(0).focus()
    page.keyboard.press("1")
    page.keyboard.press("x")
    expect(page.locator(".said")).to_have_text("training/b.jpg: ✕ excluded")
    expect(page.locator("button.tile.saving")).to_have_count(0)
    page.goto(f"{handwritten.url}/reviews?run=first")
    table = page.get_by_test_id("stDataFrame")
    wait_for_script(page)
    expect(tiles(page)).to_have_count(2)
    box = table.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] - 50, box["y"] + 35 + 17)  # Undo, in the first line.
    expect(page.get_by_role("button", name="0 excluded")).to_be_visible()
    assert decisions(runs_dir) == {"a.jpg": ("relabel", "everybody", "")}


def test_what_is_decided_while_the_dashboard_is_started_again_is_saved_in_the_end(
    tmp_path: Path, page: Page, runs_dir: Path
) -> None:
    write_run(runs_dir, tmp_path / "data")
    with dashboard_server(runs_dir) as server:
        page.goto(f"{server.url}/photos?split=val&sort=name")
        expect(tiles(page)).to_have_count(4)
        wait_for_script(page)
        tiles(page).nth(0).focus()
    page.keyboard.press("x")
    assert decisions(runs_dir) == {}
    with dashboard_server(runs_dir, port=int(server.url.rpartition(":")[2])):
        expect(page.locator(".said")).to_have_text("Saved.")
        expect(page.locator("button.tile.saving")).to_have_count(0)
        assert decisions(runs_dir) == {"a.jpg": ("exclude", None, "")}
        tiles(page).nth(1).press("u")
        expect(page.locator("button.tile.saving")).to_have_count(0)
        assert decisions(runs_dir) == {"a.jpg": ("exclude", None, ""), "b.jpg": ("unsure", None, "")}
