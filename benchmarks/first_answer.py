"""How long does a visitor wait for the network's answer? python -m benchmarks.first_answer RUN [--starts 5].

In a real Chromium, with a dashboard that was started afresh each time: from opening the page Predict until a photo that
is uploaded as soon as that is possible has its answer; then, warm, from choosing another test photo until its answer is
there, without and with Grad-CAM.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from playwright.sync_api import Page

from benchmarks.dashboard import IDLE, new_page, open_browser, summary
from benchmarks.measure import machine, one_line_errors
from core.predict import find_photos
from core.runs import TEST_PREDICTIONS_FILE, Run, find_run, read_test_predictions
from tests.server import dashboard_server


@one_line_errors()
def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_answer", description=__doc__)
    parser.add_argument("run", metavar="RUN", type=Path, help="folder of a run with test photos")
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--actions", type=int, default=30)
    options = parser.parse_args(argv)
    run = find_run(str(options.run), options.run.parent)
    print(machine())
    with open_browser() as browser:
        first = []
        for _ in range(options.starts):
            with dashboard_server(run.path.parent) as server:
                page, _ = new_page(browser)
                first.append(measure_first(page, f"{server.url}/predict?run={run.name}", run))
                page.context.close()
        drawn, answered = zip(*first, strict=True)
        print(f"  page open, uploader drawn          {summary(drawn)}")
        print(f"  page open, uploaded photo answered {summary(answered)}")
        with dashboard_server(run.path.parent) as server:
            for name, query in (("another photo", ""), ("another photo, with why", "&why=1")):
                page, _ = new_page(browser)
                url = f"{server.url}/predict?run={run.name}&source=test{query}"
                print(f"  {name:34} {summary(measure_next(page, url, run, options.actions))}")
                page.context.close()


def measure_first(page: Page, url: str, run: Run) -> tuple[float, float]:
    """Seconds from opening the page until a photo can be uploaded, and until it is answered."""
    (photo, *_) = find_photos([run.dataset_dir / "test"])
    started = time.perf_counter()
    page.goto(url)
    page.locator("input[type=file]").wait_for(state="attached")
    drawn = time.perf_counter() - started
    page.locator("input[type=file]").set_input_files(photo)
    page.get_by_text(" sure").wait_for()
    return drawn, time.perf_counter() - started


def measure_next(page: Page, url: str, run: Run, n_actions: int) -> list[float]:
    """Seconds from choosing a test photo until it is answered, warm; with why, until it is explained."""
    table = read_test_predictions(run.path / TEST_PREDICTIONS_FILE, len(run.class_names))
    images = table.loc[np.isfinite(table["confidence"]), "image"].head(n_actions + 3).tolist()
    page.goto(f"{url}&test={images[0]}")
    _wait_for_answer(page, images[0], "why=1" in url)
    seconds = [_choose(page, image, "why=1" in url) for image in images[1:]]
    return seconds[2:]


def _choose(page: Page, image: str, is_why_asked: bool) -> float:
    page.wait_for_selector(IDLE)
    page.wait_for_timeout(300)
    started = time.perf_counter()
    page.evaluate(
        """image => {
          const url = new URL(location);
          url.searchParams.set('test', image);
          history.pushState({}, '', url);
          dispatchEvent(new PopStateEvent('popstate'));
        }""",
        image,
    )
    _wait_for_answer(page, image, is_why_asked)
    return time.perf_counter() - started


def _wait_for_answer(page: Page, image: str, is_why_asked: bool) -> None:
    page.get_by_test_id("stCode").get_by_text(image).wait_for()
    if is_why_asked:
        page.locator(f'img.heat[alt$="{image}"]').first.wait_for()


if __name__ == "__main__":
    main()
