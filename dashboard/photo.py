"""One photo, large: what it is, what the network says of it and why."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.evaluation import probability_columns
from core.images import PhotoError
from core.runs import Run
from dashboard import address, data
from dashboard.charts import photo as charts
from dashboard.linked import Chosen
from dashboard.page import escaped
from dashboard.photos import NO_LABEL
from dashboard.selection import SPLIT_WORDS


def show_opened(view: Chosen, photos: pd.DataFrame) -> None:
    """Show the photo that the address names, over the page.

    Args:
        view: The run's photos.
        photos: Those that are chosen, in the order in which previous and next go through them.
    """
    image = address.params().get("photo")
    if image is None:
        return
    if not (view.photos["image"] == image).any():
        st.warning(f"This run has no photo {escaped(image)}.")
        return
    _show_dialog(view, photos["image"].to_numpy())


@st.dialog("Photo", width="large", on_dismiss=lambda: address.go(photo=None))
def _show_dialog(view: Chosen, images: NDArray[np.object_]) -> None:
    image = address.params().get("photo", "")
    rows = view.photos[view.photos["image"] == image]
    if rows.empty:  # Closed meanwhile in another step of the browser's history.
        return
    _show_steps(images, image)
    picture, words = st.columns([3, 2])
    with picture:
        show_large(view.run, image)
    with words:
        _show_facts(view.run, rows.iloc[0])


def _show_steps(images: NDArray[np.object_], image: str) -> None:
    """Previous and next among the photos that are chosen."""
    found = np.flatnonzero(images == image)
    n = len(images)
    index = int(found[0]) if len(found) else None

    def step(by: int) -> None:
        address.go(photo=str(images[0 if index is None else (index + by) % n]))

    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.button("Previous", shortcut="Left", disabled=n < 2, key="photo-previous", on_click=step, args=(-1,))
        st.markdown("not among the chosen" if index is None else f"{index + 1:,} of {n:,}", width="content")
        st.button("Next", shortcut="Right", disabled=n < 2, key="photo-next", on_click=step, args=(1,))


def _show_facts(run: Run, row: "pd.Series[Any]") -> None:
    st.code(row["image"], language=None)
    label = int(row["true_label"])
    true_label = None if label == NO_LABEL else label
    if row["predicted_label"] != NO_LABEL and np.isfinite(row["confidence"]):
        values = row[probability_columns(len(run.class_names))].astype(float).tolist()
        show_prediction(values, run.class_names, "photo-probabilities", true_label)
    elif true_label is not None:
        st.markdown(f"labelled **{escaped(run.class_names[true_label])}**")
    facts = [SPLIT_WORDS.get(str(row["split"]), str(row["split"]))]
    if np.isfinite(row["loss"]):
        facts.append(f"loss {row['loss']:.3f}")
    if np.isfinite(row["width"]):
        facts.append(f"{row['width']:.0f} x {row['height']:.0f} pixels, {row['bytes'] / 1000:,.0f} kB")
    if row["problem"]:
        facts.append(f"{row['problem']}: {row['detail']}")
    st.caption(escaped(" · ".join(facts)))


def show_large(run: Run, image: str) -> None:
    """Show a photo of the dataset large, or why it cannot be shown."""
    try:
        st.image(data.large_photo(data.photo_path(run, image)), width="stretch", alt=image)
    except PhotoError as error:
        st.info(f"{escaped(image)} cannot be shown: {escaped(error.detail)}.", icon=":material/broken_image:")


def show_prediction(
    values: Sequence[float], class_names: Sequence[str], key: str, true_label: int | None = None
) -> None:
    """Say what the network thinks of a photo, in words and as bars.

    Args:
        values: A probability a class.
        class_names: The K names in index order.
        key: Unique on the page.
        true_label: The photo's class, if it is known.
    """
    best = max(range(len(values)), key=values.__getitem__)
    verdict = f"**{escaped(class_names[best])}**, {values[best]:.0%} sure"
    if true_label is not None:
        verdict += " ✓" if best == true_label else f", but labelled **{escaped(class_names[true_label])}**"
    st.markdown(verdict)
    figure = charts.probabilities(values, class_names, true_label)
    st.plotly_chart(figure, key=key, config={"displayModeBar": False}, alt=f"Probabilities: {verdict}")
