"""Do twenty visitors at once get what they ask for? python -m benchmarks.load [--visitors 20] [--minutes 10].

One server on the run of 5,614 photos. Two visitors use a real Chromium, the others speak its messages without a screen;
four of these upload photos of their own to Predict, each other ones, and every answer is compared with what the network
says of that photo when nobody else asks. Each visitor acts every 5 seconds: filters, another page, a photo that is
opened, the next page of a gallery. An action lasts from the moment when it was due, so one that has to wait for the one
before is not made to look quick; a visitor who has fallen a minute behind leaves. Visitors share the processors with
the server; the report says what each took. Exits with 1 if an action fails, an answer is wrong or a visitor left.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, cycle
from threading import Thread
from urllib.parse import urlencode

import numpy as np
import psutil
from playwright.sync_api import Page, TimeoutError

from benchmarks.dashboard import (
    IDLE,
    PAGES,
    make_runs,
    new_choosing_page,
    open_browser,
    page_path,
    say,
    seconds_to_choose,
    summary,
)
from benchmarks.large_run import add_network
from benchmarks.measure import WORK_DIR, machine
from core import runs
from core.predict import load_classifier
from core.quiet import native_stderr_hidden
from core.runs import Run
from tests.pages import plain
from tests.server import dashboard_server
from tests.visitor import Answer, Visitor, visit

N_PHOTOS = 5614
N_BROWSERS, N_PREDICTING = 2, 4
SECONDS_BETWEEN_ACTIONS = 5.0
P95_BUDGET = 1.0
MEMORY_BUDGET = 1.2
# As the default preset's.
_IMAGE_SIZE = 320
_PATIENCE = 60.0
_N_OWN_PHOTOS = 12
_LARGEST_DIFFERENCE = 1e-4
# Nobody leaves before it is known what they have used.
_SECONDS_TO_COUNT = 5
# Streamlit forgets a visitor who left after two minutes.
_SECONDS_UNTIL_FORGOTTEN = 150
_ACTIONS_A_PAGE = 6
# Of the actions on a page whose gallery has more than one.
_SHARE_OF_TURNS = 0.4

Act = Callable[[], object]
# Name, content, and what the network says of it, calibrated.
OwnPhoto = tuple[str, bytes, Sequence[float]]


@dataclass
class Record:
    """What the visitors met with; each notes it from a thread of its own.

    Attributes:
        begins: From when on actions count, on the monotonic clock; before, visitors warm the server up.
        ends: Until when they act.
        seconds: How long actions took, by the kind of visitor.
        faults: What went wrong, in words.
        n_right: Answers that were what the network says of that photo.
    """

    begins: float
    ends: float
    seconds: dict[str, list[float]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    n_right: int = 0


def act_often(record: Record, kind: str, act: Act, rng: random.Random) -> None:
    """Act every few seconds to the end, and note how long after the moment that it was due each action was answered.

    Args:
        record: Where it is noted.
        kind: Of visitor.
        act: What is done each time.
        rng: Decides when the first action is, so that visitors do not act as one.
    """
    due = time.monotonic() + rng.uniform(0, SECONDS_BETWEEN_ACTIONS)
    while due < record.ends:
        late = time.monotonic() - due
        if late > _PATIENCE:
            record.faults.append(f"{kind}: left after falling {late:.0f} s behind")
            return
        time.sleep(max(0.0, -late))
        try:
            act()
        except Exception as error:
            record.faults.append(f"{kind}: {type(error).__name__}: {error}")
        if due >= record.begins:
            record.seconds.setdefault(kind, []).append(time.monotonic() - due)
        due += SECONDS_BETWEEN_ACTIONS
        if due < record.begins:  # As long as it does not count, one who is late goes on from there.
            due = max(due, time.monotonic())
    time.sleep(max(0.0, record.ends + _SECONDS_TO_COUNT - time.monotonic()))


# --- what visitors do ------------------------------------------------------------------------------------------------


def queries(run: Run, rng: random.Random) -> Iterator[str]:
    """Choices that a visitor makes on a page, without end."""
    images = runs.read_samples(run.path / runs.SAMPLES_FILE)["image"].tolist()
    names = run.class_names
    while True:
        choice: dict[str, object] = {"outcome": rng.choice(["right", "wrong"]), "split": rng.choice(["val", "train"])}
        if rng.random() < 0.5:
            choice |= {"true": rng.choice(names), "predicted": rng.choice(names)}
        if rng.random() < 0.3:
            choice |= {"confidence": f"0.{rng.randrange(30, 60)}-0.{rng.randrange(60, 99)}"}
        if rng.random() < 0.3:
            choice = {"photo": rng.choice(images)}
        yield urlencode(choice)


def looking_around(visitor: Visitor, run: Run, rng: random.Random) -> Act:
    """One who goes from page to page, chooses photos on each and turns the pages of the gallery."""
    choices, numbers = queries(run, rng), count(1)

    def act() -> Answer:
        if next(numbers) % _ACTIONS_A_PAGE == 0:
            return visitor.turn_to(page_path(rng.choice(PAGES)))
        if visitor.n_gallery_pages > 1 and rng.random() < _SHARE_OF_TURNS:
            return visitor.turn_gallery(rng.randint(1, visitor.n_gallery_pages))
        return visitor.ask(next(choices))

    return act


def predicting(visitor: Visitor, own: Sequence[OwnPhoto], record: Record) -> Act:
    """One who uploads photos of their own, one after the other.

    Args:
        visitor: On the page Predict.
        own: Their photos.
        record: Where right answers are counted.
    """
    photos, numbers = cycle(own), count()

    def act() -> None:
        name, content, expected = next(photos)
        # What follows a JPEG's end changes nothing but its hash: each is a photo that was not answered before.
        answer = visitor.upload(name, content + str(next(numbers)).encode())
        found = [bar["x"] for chart in answer.charts for bar in json.loads(chart)["data"] if bar["type"] == "bar"]
        if f"**{name}**" not in [plain(text) for text in answer.texts]:
            raise RuntimeError(f"expected an answer about {name}, found {answer.texts}")
        if not any(np.allclose(values, expected, atol=_LARGEST_DIFFERENCE) for values in found):
            raise RuntimeError(f"expected {list(expected)} for {name}, found {found}")
        record.n_right += 1

    return act


def clicking(page: Page, run: Run, rng: random.Random) -> Act:
    """One with a real browser: choices by the address, as a click on a chart makes them, and the menu."""
    choices, numbers = queries(run, rng), count(1)

    def act() -> None:
        if next(numbers) % _ACTIONS_A_PAGE == 0:
            turn_by_menu(page, rng.choice(["Photos", "Evaluation"]))
        else:
            seconds_to_choose(page, next(choices))
        if page.get_by_test_id("stException").count():
            raise RuntimeError(page.get_by_test_id("stException").first.inner_text())

    return act


def turn_by_menu(page: Page, title: str) -> None:
    """Choose a page in the menu, over which a photo may lie that was opened before."""
    link = page.get_by_test_id("stSidebar").get_by_role("link", name=title)
    for _ in range(int(_PATIENCE)):
        with contextlib.suppress(TimeoutError):
            link.click(timeout=1000)
            break
        page.keyboard.press("Escape")
    page.get_by_role("heading", name=title, level=2).wait_for()
    page.wait_for_selector(IDLE)


# --- the visitors ----------------------------------------------------------------------------------------------------


def walk_in(url: str, run: Run, record: Record, own: Sequence[Sequence[OwnPhoto]], n_visitors: int) -> list[Thread]:
    """Let visitors come, each in a thread that ends when they leave.

    Args:
        url: The dashboard's.
        run: What they look at.
        record: Where they note what they meet with.
        own: The photos of each of those who predict.
        n_visitors: How many come, those with a browser included.
    """

    def predict(number: int) -> None:
        with visit(url, "predict") as visitor:
            visitor.ask()
            act_often(record, "predicting", predicting(visitor, own[number], record), random.Random(number))

    def look_around(number: int) -> None:
        rng = random.Random(number)
        with visit(url, "") as visitor:
            visitor.ask()
            act_often(record, "without a screen", looking_around(visitor, run, rng), rng)

    def click(number: int) -> None:
        rng = random.Random(number)
        with open_browser() as browser:
            page = new_choosing_page(browser)
            page.emulate_media(reduced_motion="reduce")  # Where there is no GPU, animations would take processors.
            page.on("pageerror", lambda error: record.faults.append(f"in a browser: {error}"))
            page.goto(f"{url}/photos")
            page.wait_for_selector(IDLE)
            act_often(record, "in a browser", clicking(page, run, rng), rng)

    def come(number: int) -> None:
        kind = predict if number < len(own) else click if number < len(own) + N_BROWSERS else look_around
        try:
            kind(number)
        except Exception as error:
            record.faults.append(f"visitor {number}: {type(error).__name__}: {error}")

    threads = [Thread(target=come, args=(number,)) for number in range(n_visitors)]
    for thread in threads:
        thread.start()
    return threads


@dataclass(frozen=True)
class Use:
    """What processes hold and have used.

    Attributes:
        at: When, on the monotonic clock.
        memory: Bytes that the server holds, resident.
        seconds: Processor time so far, by who used it.
    """

    at: float
    memory: int
    seconds: dict[str, float]

    def processors_since(self, before: "Use") -> dict[str, float]:
        """How many processors each has used on average."""
        return {who: (total - before.seconds[who]) / (self.at - before.at) for who, total in self.seconds.items()}


def use_now(server: psutil.Process) -> Use:
    """What the server and its visitors, who are this process and its other children, hold and have used."""
    here = psutil.Process()
    own = here.cpu_times()
    browsers = [process for process in here.children(recursive=True) if process != server]
    seconds = {
        "server": _seconds(server),
        # Those that have left are told by who started them.
        "browsers": sum(map(_seconds, browsers)) + own.children_user + own.children_system,
        "other visitors": own.user + own.system,
    }
    return Use(time.monotonic(), server.memory_info().rss, seconds)


def _seconds(process: psutil.Process) -> float:
    """Processor time of a process and of those that it started and that have ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return float(sum(process.cpu_times()[:4]))
    return 0.0


# --- the measurement -------------------------------------------------------------------------------------------------


def own_photos(run: Run) -> list[list[OwnPhoto]]:
    """For each visitor who predicts: photos of their own, with what the network says of them, calibrated."""
    with native_stderr_hidden():
        classifier = load_classifier(run)
    test = runs.read_samples(run.path / runs.SAMPLES_FILE).query("folder == 'test'")["image"].tolist()
    photos = []
    for number in range(N_PREDICTING):
        mine = []
        for place, image in enumerate(test[number * _N_OWN_PHOTOS : (number + 1) * _N_OWN_PHOTOS]):
            content = (run.dataset_dir / image).read_bytes()
            probabilities = classifier.calibrated(classifier.predict([classifier.load(content)]))[0]
            mine.append((f"visitor{number}photo{place}.jpg", content, probabilities.tolist()))
        photos.append(mine)
    return photos


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--warm-up", metavar="MINUTES", type=float, default=3)
    parser.add_argument("--image-size", metavar="PIXELS", type=int, default=_IMAGE_SIZE, help="of the network's input")
    options = parser.parse_args(argv)
    if options.visitors < N_BROWSERS + N_PREDICTING:
        parser.error(f"expected at least {N_BROWSERS + N_PREDICTING} visitors")
    print(machine())
    runs_dir = make_runs(N_PHOTOS)
    run = runs.read_run(runs_dir / "now")
    with native_stderr_hidden():
        add_network(run, options.image_size)
    sys.exit(not measure(run, options.visitors, 60 * options.warm_up, 60 * options.minutes))


def measure(run: Run, n_visitors: int, warm_up: float, seconds: float) -> bool:
    """Let visitors act, and report; returns whether all went well.

    Args:
        run: What they look at.
        n_visitors: How many.
        warm_up: Seconds before it counts.
        seconds: How long it counts.
    """
    own = own_photos(run)
    os.environ["MASKBOARD_CACHE"] = str(WORK_DIR / "cache-load")
    shutil.rmtree(WORK_DIR / "cache-load", ignore_errors=True)
    with tempfile.TemporaryFile() as log, dashboard_server(run.path.parent, stderr=log) as server:
        begins = time.monotonic() + warm_up
        record = Record(begins, begins + seconds)
        threads = walk_in(server.url, run, record, own, n_visitors)
        use = {}
        for moment, at in (("after warm-up", record.begins), ("at the end", record.ends)):
            time.sleep(max(0.0, at - time.monotonic()))
            use[moment] = use_now(server.process)
        for thread in threads:
            thread.join()
        time.sleep(_SECONDS_UNTIL_FORGOTTEN)
        use["when all had left"] = use_now(server.process)
        log.seek(0)
        complaints = log.read().decode(errors="replace").split("\n")
    record.faults += [f"the server said: {line}" for line in complaints if line.strip()]
    _report(record, use)
    return not record.faults


def _report(record: Record, use: dict[str, Use]) -> None:
    everything = [seconds for kind in record.seconds.values() for seconds in kind]
    for kind, seconds in record.seconds.items():
        say(f"an action {kind}", summary(seconds))
    say("an action, all visitors", summary(everything, P95_BUDGET))
    before = use["after warm-up"]
    for moment, now in use.items():
        times = now.memory / before.memory
        say(f"memory {moment}", f"{now.memory / 1e6:6.0f} MB, {times:.2f} times; budget {MEMORY_BUDGET:.1f}")
    for who, n in use["at the end"].processors_since(before).items():
        say(f"processors used by the {who}", f"{n:6.2f} of {os.cpu_count()}")
    say("right answers to own photos", f"{record.n_right:6}")
    say("faults", f"{len(record.faults):6}")
    for fault in record.faults[:20]:
        print(f"    {fault}")


if __name__ == "__main__":
    main()
