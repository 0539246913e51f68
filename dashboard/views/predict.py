"""What does the network say about other photos?"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from core import runs
from core.errors import UserError
from core.images import PHOTO_SUFFIXES, PhotoError, thumbnail
from core.predict import Classifier
from core.runs import Run
from dashboard import data
from dashboard.page import escaped, open_page
from dashboard.photo import show_prediction

HOW_TO_READ = (
    "The network's probability for each class of a photo; they add up to 1. The first photo takes seconds longer."
)
SOURCES = ("Upload", "Camera", "Test photo")
PHOTO_TYPES = sorted(suffix.removeprefix(".") for suffix in PHOTO_SUFFIXES)


@dataclass(frozen=True)
class Photo:
    """A photo to predict: a name for the screen and the file's bytes."""

    name: str
    content: bytes


def choose_photos(run: Run) -> list[Photo]:
    """Photos from one of the three sources."""
    source = st.segmented_control("From", SOURCES, default="Upload", required=True, key="source", bind="query-params")
    if source == "Camera":
        picture = st.camera_input("Take a photo")
        return [Photo("camera", picture.getvalue())] if picture else []
    if source == "Test photo":
        return _choose_test_photo(run)
    uploads = st.file_uploader("Photos", type=PHOTO_TYPES, accept_multiple_files=True)
    return [Photo(upload.name, upload.getvalue()) for upload in uploads]


def _choose_test_photo(run: Run) -> list[Photo]:
    images = data.test_predictions(run)["image"].tolist() if run.has(runs.TEST_PREDICTIONS_FILE) else []
    if not images:
        st.info("This run's dataset has no test photos.", icon=":material/search_off:")
        return []
    image = st.selectbox("Test photo", images, format_func=lambda image: Path(image).name, key="test_photo")
    try:
        return [Photo(image, data.photo_path(run, image).read_bytes())]
    except (PhotoError, OSError) as error:
        st.error(f"{image} cannot be read: {error}", icon=":material/broken_image:")
        return []


def show_results(classifier: Classifier, photos: Sequence[Photo]) -> None:
    """Each photo beside its probabilities; one that cannot be read says why, and the others go on."""
    columns = st.columns(2, gap="large")
    for index, photo in enumerate(photos):
        with columns[index % 2], st.container(border=True):
            st.markdown(f"**{escaped(photo.name)}**")
            try:
                _show_result(classifier, photo, key=f"probabilities-{index}")
            except PhotoError as error:
                st.error(f"Not a photo that can be used: {error.detail}.", icon=":material/broken_image:")


def _show_result(classifier: Classifier, photo: Photo, key: str) -> None:
    started = time.perf_counter()
    probabilities = classifier.predict([classifier.load(photo.content)])[0].tolist()
    milliseconds = 1000 * (time.perf_counter() - started)
    picture, result = st.columns(2)
    picture.image(thumbnail(photo.content, 600), width="stretch", alt=photo.name)
    with result:
        show_prediction(probabilities, classifier.class_names, key)
        st.caption(f"read and predicted in {milliseconds:.0f} ms")


def main() -> None:
    """The page."""
    run = open_page("Predict", HOW_TO_READ, needs=[runs.MODEL_FILE])
    photos = choose_photos(run)
    if not photos:
        return
    try:
        classifier = data.classifier(run)
    except UserError as error:
        st.error(str(error), icon=":material/error:")
        return
    show_results(classifier, photos)


main()
