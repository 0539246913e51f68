"""Make the README's pictures anew: python -m docs.make_screenshots [--runs-dir DIR].

They show the demo, drawn photos and random weights. Takes a few minutes and a Chromium; the pictures go to
`docs/images/`.
"""

import argparse
import io
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from benchmarks.dashboard import open_browser
from core.config import PROJECT_DIR
from tests.server import dashboard_server

IMAGES_DIR = PROJECT_DIR / "docs" / "images"
SIZE = {"width": 1280, "height": 860}
# Name of the picture, address, what to wait for, theme.
PICTURES = (
    ("evaluation", "evaluation?split=val&true=somebody&predicted=everybody", ".js-plotly-plot .heatmaplayer", "light"),
    ("photos", "photos?split=val&outcome=wrong", "button.tile", "light"),
    ("map", "map?outcome=wrong&colour=right+or+wrong", ".js-plotly-plot", "dark"),
)
_N_COLOURS = 128


def train(runs_dir: Path) -> None:
    """A run of the demo, unless there is one."""
    if not (runs_dir / "demo").is_dir():
        command = [sys.executable, "train.py", "--demo", "--runs-dir", str(runs_dir), "--name", "demo"]
        subprocess.run(command, cwd=PROJECT_DIR, check=True)


def take(page: Page, address: str, awaited: str) -> bytes:
    """A picture of a page when it has been drawn."""
    page.goto(address)
    page.wait_for_selector(awaited)
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    page.wait_for_timeout(2000)  # Charts move into place.
    return page.screenshot()


def small(picture: bytes) -> bytes:
    """The picture with few colours: a fifth of the bytes."""
    out = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as image:
        image.convert("RGB").quantize(_N_COLOURS).save(out, "PNG", optimize=True)
    return out.getvalue()


def main(argv: Sequence[str] | None = None) -> None:
    """Train, open, take, write."""
    parser = argparse.ArgumentParser(prog="python -m docs.make_screenshots", description=__doc__)
    parser.add_argument("--runs-dir", type=Path, help="where the demo's runs are or are made; a temporary folder")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        runs_dir = options.runs_dir or Path(folder)
        train(runs_dir)
        IMAGES_DIR.mkdir(exist_ok=True)
        with dashboard_server(runs_dir) as server, open_browser() as browser:
            for name, address, awaited, theme in PICTURES:
                context = browser.new_context(viewport=SIZE, color_scheme=theme)  # type: ignore[arg-type]
                picture = small(take(context.new_page(), f"{server.url}/{address}", awaited))
                (IMAGES_DIR / f"{name}.png").write_bytes(picture)
                print(f"{name}.png: {len(picture) / 1000:.0f} kB")
                context.close()


if __name__ == "__main__":
    main()
