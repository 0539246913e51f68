"""Every photo, chosen by what is known of it. The heart of the dashboard."""

from core import runs
from dashboard.filters import show_photos
from dashboard.linked import choose_photos
from dashboard.page import open_page

HOW_TO_READ = (
    "The photos that meet every condition; each chip takes one away. Frames: green and solid is right, orange and "
    "dashed is wrong. Arrow keys move and turn pages, Enter opens a photo, Escape closes it."
)


def main() -> None:
    """The page."""
    run = open_page("Photos", HOW_TO_READ, needs=[runs.SAMPLES_FILE, runs.PROBLEMS_FILE])
    show_photos(choose_photos(run), title="")


main()
