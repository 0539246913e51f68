"""How quick is the dashboard? python -m benchmarks.dashboard [--photos 5614 100000] [--actions 30] [--starts 15].

In a real Chromium, without a network: process start and first page, beside a bare Streamlit page without and with one
chart; page turns of the gallery, beside those of the usual `st.columns` with `st.image` on the same photos; a choice on
every page until it is drawn. Then the server's part of such a choice alone, from the request to the end of the answer,
for a visitor without a screen. Medians and 95th percentiles; times in Chromium are the page's own, from the click or
key to the frame that shows what was asked for. Bytes and messages are those that come over the websocket.
"""

import argparse
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page, WebSocket, sync_playwright

from benchmarks.large_run import make_run
from benchmarks.measure import WORK_DIR, machine
from core import runs
from core.reviews import UNSURE, Review, append_reviews
from tests.server import COMMAND, Server, dashboard_server
from tests.visitor import visit

PAGES = (
    "overview", "data", "training", "evaluation", "labels", "slices", "photos", "map", "reviews", "compare",
    "submission",
)  # fmt: skip
OUTCOMES = ("wrong", "right")
FIRST_PAGE_BUDGET, TURN_BUDGET, NEW_TURN_BUDGET = 2.0, 0.3, 1.0
# Up to so many photos a rerun may take so many seconds on the server.
_RERUN_BUDGETS = {5614: 0.15, 100_000: 0.3}
_N_REVIEWED = 300
_TIMEOUT = 120_000
_SETTLING = 150
# Starts without a page's own files: the bare pages get the settings that ours has in its configuration.
_BARE = "--server.address 127.0.0.1 --server.fileWatcherType none --browser.gatherUsageStats false"
IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"
_NOTE_ACTIONS = """() => {
  for (const kind of ['click', 'keydown']) addEventListener(kind, event => (window.acted = event.timeStamp), true);
}"""
# Milliseconds since the action, once every picture of the grid is there and the first is another one than before.
_TURNED = """before => {
  const grid = [...document.querySelectorAll('*')].map(e => e.shadowRoot).find(r => r?.querySelector('button.tile'))
    ?? document;
  const tiles = [...grid.querySelectorAll('button.tile')];
  const isDrawn = [...grid.querySelectorAll('img')].every(i => i.complete);
  const isTurned = tiles.length && tiles[0].title !== before && isDrawn;
  return isTurned && performance.now() - (window.acted ?? 0);
}"""
_USUALLY_TURNED = """number => {
  const isDrawn = [...document.querySelectorAll('p')].some(p => p.textContent === `page ${number} is drawn`);
  return isDrawn && [...document.images].every(i => i.complete) && performance.now() - window.acted;
}"""
_NOTE_MESSAGES = """window.WebSocket = class extends WebSocket {
  constructor(...given) {
    super(...given);
    this.addEventListener('message', () => (window.received = performance.now()));
  }
};"""
# Milliseconds from a change of the address, as a click on a chart makes it, until the answer is drawn. Now and then all
# of a quick answer is drawn at once, so that the page never says that it is at work: then until the last message.
_CHOOSE = """async query => {
  const app = document.querySelector('[data-testid=stApp]');
  const isIdle = () => app.dataset.testScriptState === 'notRunning';
  const started = performance.now();
  const answered = new Promise((resolve, reject) => {
    const drawn = () => requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now())));
    new MutationObserver(() => isIdle() && drawn()).observe(app, { attributeFilter: ['data-test-script-state'] });
    const isQuiet = () => window.received > started && performance.now() - window.received > 1500;
    setInterval(() => isIdle() && isQuiet() && resolve(window.received), 100);
    setTimeout(() => reject(new Error('no answer')), 60_000);
  });
  history.pushState({}, '', `?${query}`);
  dispatchEvent(new PopStateEvent('popstate'));
  return (await answered) - started;
}"""


@dataclass
class Traffic:
    """What a page has received over its websocket since it was last set to nothing."""

    n_messages: int = 0
    n_bytes: int = 0

    def watch(self, socket: WebSocket) -> None:
        """Count the messages of a websocket."""
        socket.on("framereceived", self._receive)

    def _receive(self, payload: str | bytes) -> None:
        self.n_messages += 1
        self.n_bytes += len(payload)

    def reset(self) -> None:
        """Begin to count anew."""
        self.n_messages = self.n_bytes = 0


@dataclass(frozen=True)
class Turn:
    """A turned page: seconds until it is drawn, bytes and messages that came."""

    seconds: float
    n_bytes: int
    n_messages: int


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


def new_choosing_page(browser: Browser) -> Page:
    """As `new_page`, for `seconds_to_choose`."""
    page, _ = new_page(browser)
    page.add_init_script(_NOTE_MESSAGES)
    return page


def summary(values: Sequence[float], budget: float | None = None) -> str:
    """Median and 95th percentile in milliseconds, and what they may be."""
    median, high = np.percentile(values, [50, 95]) * 1000
    allowed = "" if budget is None else f"; budget {1000 * budget:.0f} ms"
    return f"median {median:6.0f} ms, 95 % {high:6.0f} ms ({len(values)} times{allowed})"


def say(what: str, text: str) -> None:
    """Print a line of the report."""
    print(f"  {what:42} {text}", flush=True)


def measure_starts(runs_dirs: Sequence[Path], browser: Browser, n_starts: int) -> None:
    """Process start to healthy and the first page of a new visitor, of ours and of bare pages in turn."""
    bare = COMMAND.replace("dashboard/app.py", "benchmarks/bare_page.py") + f" {_BARE}"
    drawn = "text='page is drawn'"
    starts = {
        "a bare Streamlit page": (runs_dirs[0], bare, drawn, ""),
        "a Streamlit page of one chart": (runs_dirs[0], bare, ".js-plotly-plot .bars path", "1"),
        **{runs_dir.name: (runs_dir, COMMAND, "g.row", "") for runs_dir in runs_dirs},
    }
    healthy, complete = defaultdict(list), defaultdict(list)
    for _ in range(n_starts):
        for name, (runs_dir, command, awaited, chart) in starts.items():
            os.environ["CHART"] = chart
            started = time.perf_counter()
            with dashboard_server(runs_dir, command=command) as server:
                healthy[name].append(time.perf_counter() - started)
                page, _ = new_page(browser)
                started = time.perf_counter()
                page.goto(server.url, wait_until="commit")
                page.wait_for_selector(awaited)
                page.wait_for_selector(IDLE)
                complete[name].append(time.perf_counter() - started)
                page.context.close()
                has_tensorflow = server.has_tensorflow()
    own = np.median(complete["a bare Streamlit page"])
    for name, seconds in complete.items():
        say(f"start to healthy, {name}", summary(healthy[name]))
        is_ours = "Streamlit" not in name
        say(f"first page, {name}", summary(seconds, FIRST_PAGE_BUDGET if is_ours else None))
        if is_ours:
            say("  without what a bare page takes", f"median {1000 * (np.median(seconds) - own):6.0f} ms")
    say("TensorFlow in our process", "yes" if has_tensorflow else "no")


def measure_turns(url: str, browser: Browser, n_actions: int) -> list[float]:
    """Page turns of the gallery, with thumbnails to be made and then on disk; returns the latter's seconds."""
    page, traffic = new_page(browser)
    page.goto(f"{url}/photos?sort=name", wait_until="commit")
    opened = float(page.wait_for_function(_TURNED, arg="").json_value())
    say("gallery of 60, opened by a link", f"{opened:6.0f} ms")
    page.evaluate(_NOTE_ACTIONS)
    new = [_turn(page, traffic, 1) for _ in range(n_actions)]
    known = [_turn(page, traffic, -1) for _ in range(n_actions)]
    page.context.close()
    seconds = [turn.seconds for turn in known]
    say("page turn, thumbnails to be made", summary([turn.seconds for turn in new], NEW_TURN_BUDGET))
    say("page turn, thumbnails on disk", summary(seconds, TURN_BUDGET))
    say("a page turn brings", _size(known))
    return seconds


def _size(turns: Sequence[Turn]) -> str:
    n_bytes, n_messages = (np.median([getattr(turn, name) for turn in turns]) for name in ("n_bytes", "n_messages"))
    return f"{n_bytes / 1000:6.0f} kB in {n_messages:.0f} messages"


def _turn(page: Page, traffic: Traffic, by: int) -> Turn:
    _settle(page)
    before = page.locator("button.tile").first.get_attribute("title")
    traffic.reset()
    page.get_by_test_id("stPagination").get_by_role("button").nth(-1 if by > 0 else 0).click()
    return _turned(page, traffic, _TURNED, before)


def _turned(page: Page, traffic: Traffic, is_turned: str, about: str | int | None) -> Turn:
    milliseconds = float(page.wait_for_function(is_turned, arg=about).json_value())
    _settle(page)
    return Turn(milliseconds / 1000, traffic.n_bytes, traffic.n_messages)


def _settle(page: Page) -> None:
    page.wait_for_selector(IDLE)
    page.wait_for_timeout(_SETTLING)


def measure_usual_turns(photos: Path, runs_dir: Path, browser: Browser, n_actions: int) -> list[float]:
    """Page turns of `st.columns` with `st.image`, the same photos; nothing has to be made first there."""
    os.environ["PHOTOS"] = str(photos)
    command = COMMAND.replace("dashboard/app.py", "benchmarks/usual_gallery.py") + f" {_BARE}"
    with dashboard_server(runs_dir, command=command) as server:
        page, traffic = new_page(browser)
        page.goto(server.url)
        page.wait_for_selector(IDLE)
        page.evaluate(_NOTE_ACTIONS)
        turns = [_usual_turn(page, traffic, number) for number in range(2, n_actions + 2)]
        page.context.close()
    say("the usual way, the same photos", summary([turn.seconds for turn in turns]))
    say("its page turn brings", _size(turns))
    return [turn.seconds for turn in turns]


def _usual_turn(page: Page, traffic: Traffic, number: int) -> Turn:
    _settle(page)
    field = page.get_by_label("Page")
    field.fill(str(number))
    traffic.reset()
    field.press("Enter")
    return _turned(page, traffic, _USUALLY_TURNED, number)


def query(number: int) -> str:
    """The address of a choice that no other number makes, so that nothing of its answer is kept anywhere."""
    return f"outcome={OUTCOMES[number % 2]}&confidence=0.{100 + number}-1"


def seconds_to_choose(page: Page, choice: str) -> float:
    """Change the address, as a click on a chart does; until the answer is drawn.

    Args:
        page: From `new_choosing_page`.
        choice: The address' parameters.
    """
    return float(page.evaluate(_CHOOSE, choice)) / 1000


def measure_choices(url: str, browser: Browser, n_actions: int) -> None:
    """A choice on every page until Chromium has drawn it."""
    for name in PAGES:
        page = new_choosing_page(browser)
        page.goto(f"{url}/{page_path(name)}")
        seconds = []
        for number in range(n_actions + 1):
            _settle(page)
            seconds.append(seconds_to_choose(page, query(number)))
        say(f"a choice on {name}, drawn", summary(seconds[1:]))
        page.context.close()


def measure_reruns(server: Server, n_actions: int, budget: float | None) -> None:
    """The server's part of a choice on every page, while no browser takes the processor.

    Another visitor has made the same choices before, so that thumbnails are on disk; making them is measured by itself.
    The processor's time hardly depends on what else the machine does.
    """
    for name in PAGES:
        for _ in ("before", "measured"):
            with visit(server.url, page_path(name)) as visitor:
                visitor.ask()
                worked = _processor_seconds(server)
                answers = [visitor.ask(query(number)) for number in range(n_actions)]
                worked = _processor_seconds(server) - worked
        words = summary([answer.seconds for answer in answers], budget)
        say(f"a choice on {name}, server alone", f"{words}; processor {1000 * worked / n_actions:4.0f} ms")


def _processor_seconds(server: Server) -> float:
    return sum(server.process.cpu_times()[:2])


def page_path(name: str) -> str:
    """What stands in the address of a page behind the dashboard's own."""
    return "" if name == "overview" else name


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=__doc__)
    parser.add_argument("--photos", type=int, nargs="+", default=[5614, 100_000])
    parser.add_argument("--actions", type=int, default=30)
    parser.add_argument("--starts", type=int, default=15)
    options = parser.parse_args(argv)
    print(machine())
    runs_dirs = [make_runs(n_photos) for n_photos in options.photos]
    with open_browser() as browser:
        measure_starts(runs_dirs, browser, options.starts)
        for n_photos, runs_dir in zip(options.photos, runs_dirs, strict=True):
            print(f"{n_photos:,} photos")
            _measure(runs_dir, n_photos, browser, options.actions)


def make_runs(n_photos: int) -> Path:
    """The folder of a run, `now`, the run before it, and some reviews."""
    runs_dir = WORK_DIR / f"{n_photos} photos"
    for seed, name in enumerate(("before", "now")):
        run = make_run(runs_dir / name, n_photos, seed)
    if not (runs_dir / runs.REVIEWS_FILE).is_file():
        samples = runs.read_samples(run / runs.SAMPLES_FILE).head(_N_REVIEWED)
        reviewed = zip(samples["sha256"], samples["image"], strict=True)
        append_reviews(runs_dir / runs.REVIEWS_FILE, [Review(sha256, image, UNSURE) for sha256, image in reviewed])
    return runs_dir


def _measure(runs_dir: Path, n_photos: int, browser: Browser, n_actions: int) -> None:
    os.environ["MASKBOARD_CACHE"] = str(WORK_DIR / "cache-dashboard")
    shutil.rmtree(WORK_DIR / "cache-dashboard", ignore_errors=True)
    with dashboard_server(runs_dir) as server:
        measure_reruns(server, n_actions, _RERUN_BUDGETS.get(n_photos))
        shutil.rmtree(WORK_DIR / "cache-dashboard", ignore_errors=True)
        ours = measure_turns(server.url, browser, n_actions)
        measure_choices(server.url, browser, n_actions)
    usual = measure_usual_turns(WORK_DIR / f"names-{n_photos}" / "training", runs_dir, browser, n_actions)
    say("page turn against the usual way", f"{np.median(usual) / np.median(ours):6.1f} times as fast")


if __name__ == "__main__":
    main()
