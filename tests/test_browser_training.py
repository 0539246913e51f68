"""A training is watched in Chromium while it goes on; nothing is clicked."""

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Locator, Page, expect

from core.config import PROJECT_DIR
from core.processes import identity_of, this_process
from tests.browser import wait_for_script
from tests.conftest import make_dataset
from tests.handwritten import write_run
from tests.server import Server, dashboard_server

pytestmark = pytest.mark.browser

ENDLESS = 100_000


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("data"), per_class=12, n_test=3)


@pytest.fixture
def server(runs_dir: Path) -> Iterator[Server]:
    with dashboard_server(runs_dir) as running:
        yield running


@contextlib.contextmanager
def training(data: Path, runs_dir: Path, epochs: int, name: str = "tiny") -> Iterator["subprocess.Popen[bytes]"]:
    """The real command in a process of its own; an epoch takes milliseconds."""
    options = ["--data", data, "--runs-dir", runs_dir, "--name", name, "--weights", "random", "--image-size", "32"]
    options += ["--epochs", epochs, "--patience", ENDLESS, "--hidden-units", 8, "--learning-rate", 0.0001]
    command = [sys.executable, str(PROJECT_DIR / "train.py"), *map(str, options)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def n_epochs(page: Page) -> int:
    """How many points the first curve has, as plotly has drawn it."""
    curve = "document.querySelector('.js-plotly-plot')?.calcdata?.[0]"
    return int(page.evaluate(f"{curve}?.length ?? 0"))


def n_rows(runs_dir: Path) -> int:
    """How many epochs the run has written down."""
    history = runs_dir / "tiny" / "history.csv"
    return len(history.read_text().splitlines()) - 1 if history.exists() else 0


@contextlib.contextmanager
def held_after(n: int, process: "subprocess.Popen[bytes]", runs_dir: Path) -> Iterator[None]:
    """Let a training stand still as soon as it has written down n epochs."""
    until(lambda: n_rows(runs_dir) >= n)
    psutil.Process(process.pid).suspend()
    yield
    psutil.Process(process.pid).resume()


def until(is_so: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.01)


def state(page: Page) -> Locator:
    """What the page says of its run: its state and its name."""
    return page.locator(".st-key-state")


def test_a_newcomer_sees_the_run_appear_its_curves_grow_and_its_end(
    server: Server, page: Page, data: Path, runs_dir: Path
) -> None:
    page.goto(f"{server.url}/training")
    expect(page.get_by_text("No run yet")).to_be_visible()
    expect(page.get_by_text("python train.py --demo").first).to_be_visible()
    page.evaluate("window.sameDocument = true")
    bar = page.get_by_test_id("stSidebar").get_by_test_id("stProgress")
    best = page.get_by_test_id("stMetricValue").first
    with training(data, runs_dir, epochs=40) as process:
        expect(state(page)).to_contain_text("running", timeout=60_000)
        for n in (1, 12):
            with held_after(n, process, runs_dir):  # So that the page can be read while the run trains.
                until(lambda: n_epochs(page) == n_rows(runs_dir))
                expect(best).to_have_text(re.compile(rf"\d+ of {n_rows(runs_dir)}"))
                expect(state(page)).to_contain_text("running")
                said = bar.inner_text()
                assert "training the head" in said
        until(lambda: bar.all_inner_texts() != [said])
        assert process.wait(timeout=300) == 0
    expect(state(page)).to_contain_text("finished", timeout=10_000)
    expect(page.get_by_test_id("stSidebar").get_by_role("combobox")).to_have_value(re.compile(r"tiny · \d"))
    expect(page.get_by_test_id("stProgress")).to_have_count(0)
    until(lambda: n_epochs(page) == 40)
    assert page.evaluate("window.sameDocument"), "the page was loaded anew"


def test_a_training_that_is_killed_is_shown_as_died_within_ten_seconds(
    server: Server, page: Page, tmp_path: Path, runs_dir: Path
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        write_run(runs_dir, tmp_path / "photos", state="running", **identity_of(process.pid))
        page.goto(f"{server.url}/training")
        expect(state(page)).to_contain_text("running")
        wait_for_script(page)
        process.kill()  # And nobody asks how it ended.
        expect(state(page)).to_contain_text("died", timeout=10_000)
        expect(page.get_by_test_id("stSidebar").get_by_text("its process is gone")).to_be_visible()


def test_a_page_that_waits_for_a_file_becomes_the_real_one_by_itself(
    server: Server, page: Page, tmp_path: Path, runs_dir: Path
) -> None:
    run = write_run(runs_dir, tmp_path / "photos", state="running", **this_process())
    metrics = (run.path / "metrics.json").rename(tmp_path / "metrics.json")
    page.goto(server.url)
    expect(page.get_by_text("has not got as far as metrics.json yet")).to_be_visible()
    expect(page.get_by_role("link", name="Watch it train")).to_be_visible()
    metrics.rename(run.path / "metrics.json")
    expect(page.get_by_test_id("stMetric").filter(has_text="Accuracy")).to_be_visible(timeout=10_000)


def test_a_line_of_the_table_opens_its_run_another_is_overlaid_and_back_takes_both_back(
    server: Server, page: Page, tmp_path: Path, runs_dir: Path
) -> None:
    write_run(runs_dir, tmp_path / "photos", name="later", created="2026-03-01T00:00:00+00:00")
    write_run(runs_dir, tmp_path / "photos", name="earlier", created="2026-01-01T00:00:00+00:00")
    page.goto(f"{server.url}/training")
    wait_for_script(page)
    expect(state(page)).to_contain_text("later")
    table = page.get_by_test_id("stDataFrame")
    table.scroll_into_view_if_needed()
    table.click(position={"x": 16, "y": 35 + 35 + 17})  # The box before the second line.
    expect(state(page)).to_contain_text("earlier")
    expect(page).to_have_url(re.compile("run=earlier"))
    wait_for_script(page)
    page.get_by_test_id("stMultiSelect").get_by_role("combobox").click()
    page.get_by_role("option", name="later").click()
    legend = page.locator(".js-plotly-plot .legendtext")
    expect(legend.filter(has_text="later").first).to_be_attached()
    expect(page).to_have_url(re.compile("overlay=later"))
    page.go_back()
    expect(legend.filter(has_text="later")).to_have_count(0)
    expect(legend.filter(has_text="validation").first).to_be_attached()
    page.go_back()
    expect(state(page)).to_contain_text("later")
