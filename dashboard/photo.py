"""A photo of the dataset, opened over the page that shows it small."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.evaluation import probability_columns
from core.images import PhotoError
from core.runs import Run, RunError
from dashboard import address, data
from dashboard.linked import Chosen
from dashboard.neighbours import Neighbours, neighbours_of_photo
from dashboard.page import escaped, faults_shown
from dashboard.photo_view import Photo, show_photo
from dashboard.photos import NO_LABEL
from dashboard.review_controls import forget_steps, show_controls
from dashboard.selection import SPLIT_WORDS


def show_opened(view: Chosen, images: "pd.Series[str]") -> None:
    """Show the photo that the address names, over the page.

    Args:
        view: The run's photos.
        images: Names of those that are chosen, in the order in which previous and next go through them.
    """
    image = address.params().get("photo")
    if image is None:
        return
    if not (view.photos["image"] == image).any():
        st.warning(f"This run has no photo {escaped(image)}.")
        return
    forget_steps()
    _show_dialog(view, images.tolist())


@st.dialog("Photo", width="large", on_dismiss=lambda: address.go(photo=None))
@faults_shown()
def _show_dialog(view: Chosen, images: list[str]) -> None:
    image = address.params().get("photo", "")
    rows = view.photos[view.photos["image"] == image]
    if rows.empty:  # Closed meanwhile in another step of the browser's history.
        return

    def place() -> int | None:
        now = address.params().get("photo", "")
        return images.index(now) if now in images else None

    def go(there: int) -> None:
        forget_steps()
        address.go(photo=images[there])

    def go_on(decided: str) -> None:
        if decided in images[:-1]:
            address.go(photo=images[images.index(decided) + 1])

    show_steps(place, len(images), go, "photo", shortcuts=True)
    show_controls(view.run, rows, lambda name: address.go(photo=name), go_on)
    show_photo(view.run, _photo(view.run, rows.iloc[0]), "photo")


def show_steps(
    place: Callable[[], int | None], n: int, go: Callable[[int], None], key: str, *, shortcuts: bool
) -> None:
    """Previous and next, round and round.

    Args:
        place: Tells the place among `n` of the photo that is shown, None where it is not among them. Asked at each
            click: one may come before the page has been drawn anew after the last.
        n: Number of photos.
        go: Called with the place of the photo to be shown.
        key: What the buttons' keys begin with.
        shortcuts: Whether the arrow keys do the same.
    """

    def step(by: int) -> None:
        here = place()
        go(0 if here is None else (here + by) % n)

    index = place()
    left, right = ("Left", "Right") if shortcuts else (None, None)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.button("Previous", shortcut=left, disabled=n < 2, key=f"{key}-previous", on_click=step, args=(-1,))
        st.markdown("not among the chosen" if index is None else f"{index + 1:,} of {n:,}", width="content")
        st.button("Next", shortcut=right, disabled=n < 2, key=f"{key}-next", on_click=step, args=(1,))


def _photo(run: Run, row: "pd.Series[Any]") -> Photo:
    image, label = row["image"], int(row["true_label"])
    is_predicted = row["predicted_label"] != NO_LABEL and np.isfinite(row["confidence"])
    probabilities = row[probability_columns(len(run.class_names))].astype(float).tolist() if is_predicted else []
    source = _source(run, image)
    return Photo(
        name=image,
        source=source,
        probabilities=probabilities,
        true_label=None if label == NO_LABEL else label,
        neighbours=_neighbours(run, image),
        facts=tuple(_facts(row)),
        size=(int(row["width"]), int(row["height"]), int(row["bytes"])) if np.isfinite(row["width"]) else None,
        path=image if isinstance(source, PhotoError) else str(source),
    )


def _source(run: Run, image: str) -> Path | PhotoError:
    try:
        return data.photo_path(run, image)
    except PhotoError as error:
        return error


def _neighbours(run: Run, image: str) -> Neighbours | str:
    try:
        return neighbours_of_photo(run, image)
    except RunError as error:
        return str(error)


def _facts(row: "pd.Series[Any]") -> Iterator[str]:
    yield SPLIT_WORDS.get(str(row["split"]), str(row["split"]))
    if np.isfinite(row["loss"]):
        yield f"loss {row['loss']:.3f}"
    if row["problem"]:
        yield f"{row['problem']}: {row['detail']}" if row["detail"] else row["problem"]
