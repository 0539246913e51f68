"""What does the network say about other photos?"""

from collections.abc import Sequence
from pathlib import PurePosixPath

import streamlit as st

from core import runs
from core.errors import UserError
from core.images import PHOTO_SUFFIXES, PhotoError
from core.predict import BATCH_SIZE
from core.runs import Run
from dashboard import address, data
from dashboard.answers import UNLIKE, Answer, OwnPhoto, answer_table, ask, file_photo, own_photo, show_table
from dashboard.linked import choose_photos
from dashboard.neighbours import Neighbours
from dashboard.page import escaped, open_page
from dashboard.photo import show_opened, show_steps
from dashboard.photo_view import Photo, show_photo
from dashboard.tables import for_spreadsheet

HOW_TO_READ = (
    "The network's probability for each class of a photo; they add up to 1. Your photos stay in this session: they are "
    "not saved, and nobody else sees them."
)
SOURCES = {"upload": "Upload", "folder": "Folder", "camera": "Camera", "test": "Test photo"}
PHOTO_TYPES = sorted(suffix.removeprefix(".") for suffix in PHOTO_SUFFIXES)
_TABLE, _CAMERA = "answers-table", "camera"


def choose_own_photos(run: Run) -> list[OwnPhoto]:
    """Photos from one of the sources; which one stands in the address."""
    source = st.segmented_control(
        "From", list(SOURCES), format_func=SOURCES.__getitem__, required=True,
        **address.bound_choice("source", tuple(SOURCES), "upload"),
    )  # fmt: skip
    if source == "camera":
        picture = st.camera_input("Take a photo", key=_CAMERA, width=640)
        return [own_photo(picture)] if picture else []
    if source == "test":
        return _choose_test_photo(run)
    if source == "folder":
        uploads = st.file_uploader("A folder of photos", PHOTO_TYPES, accept_multiple_files="directory", key="folder")
    else:
        uploads = st.file_uploader("Photos", PHOTO_TYPES, accept_multiple_files=True, key="upload")
    return [own_photo(upload) for upload in uploads]


def _choose_test_photo(run: Run) -> list[OwnPhoto]:
    photos = data.photos(run)
    images = photos.loc[photos["split"] == "test", "image"].tolist()
    if not images:
        st.info("This run's dataset has no test photos.", icon=":material/search_off:")
        return []
    asked = address.params().get("test", images[0])
    if asked not in images:
        st.warning(f"This run has no test photo {escaped(asked)}; this is the first it has.")
    image = st.selectbox(
        "Test photo", images, format_func=lambda image: PurePosixPath(image).name,
        **address.bound("test-photo", asked if asked in images else images[0], lambda image: address.go(test=image)),
    )  # fmt: skip
    try:
        return [file_photo(image, data.photo_path(run, image))]
    except PhotoError as error:
        st.error(f"{escaped(image)} cannot be read: {escaped(error.detail)}", icon=":material/broken_image:")
        return []


def answer_photos(run: Run, photos: Sequence[OwnPhoto]) -> list[Answer]:
    """What the network says of each photo; none, and why, where it cannot be asked."""
    bar = st.empty()

    def say_progress(done: int, n: int) -> None:
        if n > BATCH_SIZE:
            bar.progress(done / n, f"{done:,} of {n:,} photos")

    try:
        with st.spinner("Asking the network ..."):
            answers = ask(run, photos, say_progress)
    except UserError as error:
        st.error(escaped(str(error)), icon=":material/error:")
        return []
    bar.empty()
    return answers


def show_answers(run: Run, photos: Sequence[OwnPhoto], answers: Sequence[Answer]) -> Answer:
    """All answers as a table, and the one that is picked in it large; a single one is large at once.

    Returns:
        The one that is shown large.
    """
    index = _pick(run, photos, answers) if len(photos) > 1 else 0
    photo, answer = photos[index], answers[index]
    if answer.fault:
        st.error(
            f"**{escaped(photo.name)}** is not a photo that can be used: {escaped(answer.fault)}.",
            icon=":material/broken_image:",
        )
    else:
        shown = Photo(photo.name, photo.content, answer.probabilities, None, answer.neighbours, path=photo.path)
        show_photo(run, shown, "own")
    return answer


def _pick(run: Run, photos: Sequence[OwnPhoto], answers: Sequence[Answer]) -> int:
    table = answer_table(photos, answers, run.class_names)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(_summary(answers), width="content")
        st.download_button(
            "CSV", lambda: for_spreadsheet(table), "maskboard-predictions.csv", "text/csv", icon=":material/download:",
            on_click="ignore",
        )  # fmt: skip
    index = show_table(table, run.class_names, _TABLE)
    show_steps(lambda: _picked_row(index), len(photos), _pick_row, _TABLE, shortcuts=False)
    return index


def _picked_row(shown: int) -> int:
    """The row that is picked by now; the one that is shown where none is."""
    rows = st.session_state[_TABLE]["selection"]["rows"]
    return int(rows[0]) if rows else shown


def _pick_row(index: int) -> None:
    st.session_state[_TABLE] = {"selection": {"rows": [index]}}


def _summary(answers: Sequence[Answer]) -> str:
    counts = {
        "photos": len(answers),
        "cannot be used": sum(bool(answer.fault) for answer in answers),
        UNLIKE: sum(answer.note == UNLIKE for answer in answers),
    }
    return " · ".join(f"**{n:,}** {what}" for what, n in counts.items() if n)


def show_opened_neighbour(run: Run, answer: Answer | None) -> None:
    """The training photo that the address names, over the page; previous and next go through those around it."""
    if "photo" not in address.params():
        return
    view = choose_photos(run)
    near = answer.neighbours.images if answer and isinstance(answer.neighbours, Neighbours) else ()
    show_opened(view, view.photos.set_index("image", drop=False).loc[list(near)])


def main() -> None:
    """The page."""
    run = open_page("Predict", HOW_TO_READ, needs=[runs.MODEL_FILE])
    photos = choose_own_photos(run)
    data.load_ahead(run)
    answers = answer_photos(run, photos) if photos else []
    answer = show_answers(run, photos, answers) if answers else None
    show_opened_neighbour(run, answer)


main()
