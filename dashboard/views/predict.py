"""What does the network say about other photos?"""

from collections.abc import Sequence
from pathlib import PurePosixPath

import pandas as pd
import streamlit as st

from core import runs
from core.errors import UserError
from core.evaluation import HELD_OUT, KINDS
from core.images import PHOTO_SUFFIXES, PhotoError
from core.intervals import design_effect
from core.predict import BATCH_SIZE, NOT_SURE
from core.reliability import at_threshold
from core.runs import Run, RunError
from core.spreadsheet import for_spreadsheet
from dashboard import address, data
from dashboard.answers import (
    UNLIKE,
    Answer,
    OwnPhoto,
    answer_table,
    ask,
    file_photo,
    own_photo,
    show_table,
)
from dashboard.linked import choose_photos
from dashboard.neighbours import Neighbours
from dashboard.page import escaped, open_page
from dashboard.photo import show_opened, show_steps
from dashboard.photo_view import Photo, show_photo

HOW_TO_READ = (
    "The network's probability for each class of a photo, calibrated; they add up to 1. Your photos stay in this "
    "session: they are not saved, and nobody else sees them."
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
        # Browsers give a folder's files in any order; `core.predict` sorts them too.
        return sorted((own_photo(upload) for upload in uploads), key=lambda photo: photo.name)
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


def choose_sureness(run: Run) -> float:
    """How sure the network must be to be heard; what that would mean for the photos held out from training.

    Returns:
        The lowest confidence with which a class is given as the answer, 0 to 1.
    """
    shown = address.percent("sure")
    left, right = st.columns([2, 3], gap="large", vertical_alignment="center")
    with left:
        st.slider(
            "Say “not sure” below", 0, 99, format="%d %%",
            help="Confidence is the calibrated probability of the most probable class.",
            **address.bound_percent("sure"),
        )  # fmt: skip
    with right:
        st.caption(escaped(_calibration_text(run)))
        if shown:
            st.caption(escaped(_held_out_text(run, shown / 100)))
    return shown / 100


def _calibration_text(run: Run) -> str:
    if not run.has(runs.METRICS_FILE):
        return f"Not calibrated yet: this run has no {runs.METRICS_FILE}."
    metrics = data.metrics(run)
    kind = KINDS[metrics.get("kind", HELD_OUT.name)]
    return (
        f"Calibrated with temperature {metrics['temperature']:.2f}, from {metrics['n_images']:,} {kind.photos}. The "
        "run's files, and so the other pages, have probabilities as they came from the network."
    )


def _held_out_text(run: Run, sure_from: float) -> str:
    """What saying "not sure" below a confidence would have meant on photos whose labels are known."""
    try:
        held_out = data.calibrated_held_out(run)
    except RunError as error:
        return f"What that would mean for its held-out photos is not known. {error}"
    if held_out.empty:
        return "This run does not say what that would mean for its held-out photos. Train again to know."
    effect = design_effect(held_out["is_right"], pd.factorize(held_out["group"])[0])
    point = at_threshold(held_out["confidence"], held_out["is_right"], sure_from, effect)
    of_all = f"Of the {len(held_out):,} photos held out from training, {point.coverage:.0%} would be answered"
    if not point.n_images:
        return f"{of_all}."
    return (
        f"{of_all}, {point.accuracy:.1%} of these right (95 %: {point.accuracy_low:.1%} to {point.accuracy_high:.1%})."
    )


def show_answers(run: Run, photos: Sequence[OwnPhoto], answers: Sequence[Answer], sure_from: float) -> Answer:
    """All answers as a table, and the one that is picked in it large; a single one is large at once.

    Returns:
        The one that is shown large.
    """
    index = _pick(run, photos, answers, sure_from) if len(photos) > 1 else 0
    photo, answer = photos[index], answers[index]
    if answer.fault:
        st.error(
            f"**{escaped(photo.name)}** is not a photo that can be used: {escaped(answer.fault)}.",
            icon=":material/broken_image:",
        )
    else:
        shown = Photo(
            photo.name, photo.content, answer.probabilities, None, answer.neighbours, path=photo.path,
            sure_from=sure_from, is_calibrated=True,
        )  # fmt: skip
        show_photo(run, shown, "own")
    return answer


def _pick(run: Run, photos: Sequence[OwnPhoto], answers: Sequence[Answer], sure_from: float) -> int:
    table = answer_table(photos, answers, run.class_names, sure_from)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(_summary(answers, int((table["answer"] == NOT_SURE).sum())), width="content")
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


def _summary(answers: Sequence[Answer], n_not_sure: int) -> str:
    counts = {
        "photos": len(answers),
        NOT_SURE: n_not_sure,
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
    show_opened(view, pd.Series(near, dtype="str"))


def main() -> None:
    """The page."""
    run = open_page("Predict", HOW_TO_READ, needs=[runs.MODEL_FILE])
    photos = choose_own_photos(run)
    data.load_ahead(run)
    sure_from = choose_sureness(run)
    answers = answer_photos(run, photos) if photos else []
    answer = show_answers(run, photos, answers, sure_from) if answers else None
    show_opened_neighbour(run, answer)


main()
