"""How quick is the dashboard? python -m benchmarks.dashboard [--photos 5614 100000] [--actions 30].

In a real Chromium, without a network: process start, first page, page turns of the gallery beside those of the usual
`st.columns` with `st.image` on the same photos, and the rerun of every page after a choice. Medians and 95th
percentiles. Browser and server share the machine's processors, so each page's script is measured alone too. Bytes and
messages of a page turn are those that come over the websocket.
"""

import argparse
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page, WebSocket, sync_playwright

from benchmarks.large_run import make_run
from benchmarks.measure import WORK_DIR, machine
from tests.pages import open_page
from tests.server import COMMAND, dashboard_server

PAGES = ("", "data", "training", "evaluation", "slices", "photos", "map", "compare", "submission")
OUTCOMES = ("wrong", "right")
_TIMEOUT = 120_000
# Every picture of the grid is there, and the first is another one than before.
_TURNED = """before => {
  const grid = [...document.querySelectorAll('*')].map(e => e.shadowRoot).find(r => r?.querySelector('button.tile'))
    ?? document;
  const tiles = [...grid.querySelectorAll('button.tile')];
  return tiles.length && tiles[0].title !== before && [...grid.querySelectorAll('img')].every(i => i.complete);
}"""
_IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"


@dataclass
class Traffic:
    """What a page has received over its websocket."""

    n_messages: int = 0
    n_bytes: int = 0
    last: float = 0.0
    sent: list[float] = field(default_factory=list)

    def watch(self, socket: WebSocket) -> None:
        """Count the messages of a websocket."""
        socket.on("framereceived", self._receive)
        socket.on("framesent", lambda _: self.sent.append(time.perf_counter()))

    def _receive(self, payload: str | bytes) -> None:
        self.n_messages += 1
        self.n_bytes += len(payload)
        self.last = time.perf_counter()

    def reset(self) -> None:
        """Begin to count anew."""
        self.n_messages = self.n_bytes = 0
        self.sent.clear()


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A Chromium without a window."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        yield playwright.chromium.launch(executable_path=path, args=options)


def new_page(browser: Browser) -> tuple[Page, Traffic]:
    """A page of a visitor who has not been here before."""
    page, traffic = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page(), Traffic()
    page.set_default_timeout(_TIMEOUT)
    page.on("websocket", traffic.watch)
    return page, traffic


def summary(values: Sequence[float]) -> str:
    """Median and 95th percentile in milliseconds."""
    median, high = np.percentile(values, [50, 95]) * 1000
    return f"median {median:6.0f} ms, 95 % {high:6.0f} ms ({len(values)} times)"


def measure_start(runs_dir: Path, browser: Browser) -> None:
    """Process start to healthy, then the first page as a visitor sees it."""
    started = time.perf_counter()
    with dashboard_server(runs_dir) as server:
        print(f"  start to healthy                   {time.perf_counter() - started:6.2f} s")
        page, _ = new_page(browser)
        started = time.perf_counter()
        page.goto(server.url)
        page.wait_for_selector(".js-plotly-plot .bars path")
        page.wait_for_selector(_IDLE)
        print(f"  first page complete                {time.perf_counter() - started:6.2f} s")
        print(f"  TensorFlow in the process          {'yes' if server.has_tensorflow() else 'no'}")
        page.context.close()


def measure_turns(url: str, browser: Browser, n_actions: int) -> list[float]:
    """Page turns of the gallery, cold and then warm; returns the warm ones."""
    page, traffic = new_page(browser)
    started = time.perf_counter()
    page.goto(f"{url}/photos?sort=name")
    page.wait_for_function(_TURNED, arg="")
    page.wait_for_selector(_IDLE)
    print(f"  gallery of 60, opened by a link    {time.perf_counter() - started:6.2f} s")
    cold = [_turn(page, traffic, 1) for _ in range(n_actions)]
    back = [_turn(page, traffic, -1) for _ in range(n_actions)]
    warm, n_bytes, n_messages = zip(*back, strict=True)
    print(f"  page turn, thumbnails to be made   {summary([seconds for seconds, *_ in cold])}")
    print(f"  page turn, thumbnails on disk      {summary(warm)}")
    print(f"  a page turn brings                 {_size(n_bytes, n_messages)}")
    page.context.close()
    return list(warm)


def _size(n_bytes: Sequence[int], n_messages: Sequence[int]) -> str:
    return f"{np.median(n_bytes) / 1000:6.0f} kB in {np.median(n_messages):.0f} messages"


def _turn(page: Page, traffic: Traffic, by: int) -> tuple[float, int, int]:
    before = page.locator("button.tile").first.get_attribute("title")
    button = page.get_by_test_id("stPagination").get_by_role("button").nth(-1 if by > 0 else 0)
    traffic.reset()
    started = time.perf_counter()
    button.click()
    page.wait_for_function(_TURNED, arg=before)
    seconds = time.perf_counter() - started
    page.wait_for_selector(_IDLE)
    page.wait_for_timeout(300)
    return seconds, traffic.n_bytes, traffic.n_messages


def measure_usual_turns(photos: Path, runs_dir: Path, browser: Browser, n_actions: int) -> list[float]:
    """Page turns of `st.columns` with `st.image`, warm, as ours."""
    os.environ["PHOTOS"] = str(photos)
    command = COMMAND.replace("dashboard/app.py", "benchmarks/usual_gallery.py")
    with dashboard_server(runs_dir, command=f"{command} --server.address 127.0.0.1") as server:
        page, traffic = new_page(browser)
        page.goto(server.url)
        turns = []
        for number in [*range(2, n_actions + 2), *range(n_actions, 0, -1)]:
            page.wait_for_selector(_IDLE)
            page.wait_for_timeout(300)
            field = page.get_by_label("Page")
            traffic.reset()
            started = time.perf_counter()
            field.fill(str(number))
            field.press("Enter")
            page.get_by_text(f"page {number} is drawn").wait_for()
            page.wait_for_function("() => [...document.images].every(i => i.complete)")
            turns.append((time.perf_counter() - started, traffic.n_bytes, traffic.n_messages))
        page.context.close()
    warm, n_bytes, n_messages = zip(*turns[n_actions:], strict=True)
    print(f"  the usual way, the same photos     {summary(warm)}")
    print(f"  its page turn brings               {_size(n_bytes, n_messages)}")
    return list(warm)


def measure_reruns(url: str, browser: Browser, n_actions: int) -> None:
    """From the message that asks for a rerun to the last one that answers it, while the browser draws beside it."""
    for name in PAGES:
        page, traffic = new_page(browser)
        page.goto(f"{url}/{name}")
        page.wait_for_selector(_IDLE)
        page.wait_for_timeout(3000)
        seconds = [_choose(page, traffic, number) for number in range(n_actions)]
        print(f"  rerun of {name or 'overview':12}              {summary(seconds)}")
        page.context.close()


def measure_scripts(runs_dir: Path, n_actions: int) -> None:
    """The script of each page alone, run by Streamlit's own harness: no browser takes the processor meanwhile."""
    os.environ["MASKBOARD_RUNS"] = str(runs_dir)
    for name in PAGES:
        app = open_page(name or "overview")
        seconds = []
        for number in range(n_actions):
            app.query_params["outcome"] = OUTCOMES[number % 2]
            started = time.perf_counter()
            app.run()
            seconds.append(time.perf_counter() - started)
        print(f"  script of {name or 'overview':12}             {summary(seconds)}", flush=True)


def _choose(page: Page, traffic: Traffic, number: int) -> float:
    """Another choice in the address, as a click on a chart makes it; the browser's own step does it on every page."""
    outcome = OUTCOMES[number % 2]
    traffic.reset()
    page.evaluate(
        """outcome => {
          const url = new URL(location);
          url.searchParams.set('outcome', outcome);
          history.pushState({}, '', url);
          dispatchEvent(new PopStateEvent('popstate'));
        }""",
        outcome,
    )
    page.wait_for_timeout(400)
    page.wait_for_selector(_IDLE)
    page.wait_for_timeout(200)
    return traffic.last - traffic.sent[0]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=__doc__)
    parser.add_argument("--photos", type=int, nargs="+", default=[5614, 100_000])
    parser.add_argument("--actions", type=int, default=30)
    options = parser.parse_args(argv)
    print(machine())
    with open_browser() as browser:
        for n_photos in options.photos:
            runs_dir = WORK_DIR / f"runs-{n_photos}"
            make_run(runs_dir / "large", n_photos)
            _measure(runs_dir, n_photos, browser, options.actions)


def _measure(runs_dir: Path, n_photos: int, browser: Browser, n_actions: int) -> None:
    print(f"{n_photos:,} photos")
    os.environ["MASKBOARD_CACHE"] = str(WORK_DIR / "cache-dashboard")
    shutil.rmtree(WORK_DIR / "cache-dashboard", ignore_errors=True)
    measure_start(runs_dir, browser)
    with dashboard_server(runs_dir) as server:
        ours = measure_turns(server.url, browser, n_actions)
        measure_reruns(server.url, browser, n_actions)
    measure_scripts(runs_dir, n_actions)
    usual = measure_usual_turns(WORK_DIR / f"names-{n_photos}" / "training", runs_dir, browser, n_actions)
    print(f"  page turn against the usual way    {np.median(usual) / np.median(ours):6.1f} times as fast", flush=True)


if __name__ == "__main__":
    main()
