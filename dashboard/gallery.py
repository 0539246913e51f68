"""Pages of thumbnails, and the large view that a click on one opens."""

import hashlib
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.evaluation import probability_columns
from core.images import PhotoError
from core.runs import Run
from dashboard import charts, data

PAGE_SIZE = 24
_HERE = Path(__file__).parent

_grid = st.components.v2.component(
    "maskboard_gallery",
    html='<div class="grid"></div>',
    css=(_HERE / "gallery.css").read_text(encoding="utf-8"),
    js=(_HERE / "gallery.js").read_text(encoding="utf-8"),
)


def show_gallery(run: Run, photos: pd.DataFrame, key: str) -> None:
    """Show photos page by page; a click opens one large, with the arrow keys leading to the others.

    Args:
        run: Whose photos they are.
        photos: Rows with `image`; where there are any, `true_label`, `predicted_label`, `confidence`, `loss`, `prob_0`
        key: Unique on the page.
    """
    if photos.empty:
        st.info("No photo meets these conditions.", icon=":material/search_off:")
        return
    images = photos["image"].tolist()
    # With other photos it is another gallery, which begins on its first page.
    key = f"{key}-{hashlib.sha256(chr(10).join(images).encode()).hexdigest()[:12]}"
    n_pages = ceil(len(photos) / PAGE_SIZE)
    page = st.pagination(n_pages, key=f"{key}-page") if n_pages > 1 else 1
    start = (page - 1) * PAGE_SIZE
    shown = photos.iloc[start : start + PAGE_SIZE]
    items = [_item(run, row) for row in shown.to_dict("records")]
    picked = _grid(data={"items": items}, key=f"{key}-grid", on_picked_change=_nothing).picked
    if picked in images:
        st.session_state[_OPEN] = images.index(picked)
        _show_large(run, photos)


_OPEN = "gallery_open_photo"
_SPLIT_WORDS = {"train": "trained on", "val": "held out from training"}


def _nothing() -> None:
    """Streamlit reports a trigger only where it has something to call."""


def _item(run: Run, row: dict[Any, Any]) -> dict[str, str]:
    item = {"name": row["image"], "src": "", "fault": "", "mark": "", "title": Path(row["image"]).name, "detail": ""}
    try:
        item["src"] = data.thumbnail_uri(data.photo_path(run, row["image"]))
    except PhotoError as error:
        item["fault"] = error.detail
    if "predicted_label" in row:
        item["detail"] = f"{row['confidence']:.0%} sure"
        item["title"] = f"→ {run.class_names[row['predicted_label']]}"
    if "true_label" in row:
        is_right = row["true_label"] == row["predicted_label"]
        item["mark"] = "right" if is_right else "wrong"
        true, predicted = run.class_names[row["true_label"]], run.class_names[row["predicted_label"]]
        item["title"] = f"{true} ✓" if is_right else f"{true} → {predicted}"
    return item


@st.dialog("Photo", width="large")
def _show_large(run: Run, photos: pd.DataFrame) -> None:
    index = min(st.session_state[_OPEN], len(photos) - 1)
    index = _step(index, len(photos))
    st.session_state[_OPEN] = index
    row = photos.iloc[index]
    picture, words = st.columns([3, 2])
    with picture:
        show_photo(run, row["image"])
    with words:
        st.code(row["image"], language=None)
        if "predicted_label" in row:
            true_label = int(row["true_label"]) if "true_label" in row else None
            values = row[probability_columns(len(run.class_names))].tolist()
            show_prediction(values, run.class_names, "large-probabilities", true_label)
        if "loss" in row:
            st.caption(f"{_SPLIT_WORDS.get(row['split'], row['split'])}; loss {row['loss']:.3f}")


def _step(index: int, n: int) -> int:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        back = st.button("Previous", shortcut="Left", disabled=n == 1, key="gallery_previous")
        place = st.empty()
        on = st.button("Next", shortcut="Right", disabled=n == 1, key="gallery_next")
    index = (index + int(on) - int(back)) % n
    place.markdown(f"{index + 1} of {n}")
    return index


def show_photo(run: Run, image: str) -> None:
    """Show a photo of the dataset large, or why it cannot be shown."""
    try:
        st.image(data.large_photo(data.photo_path(run, image)), width="stretch", alt=image)
    except PhotoError as error:
        st.info(f"{image} cannot be shown: {error.detail}.", icon=":material/broken_image:")


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
    verdict = f"**{class_names[best]}**, {values[best]:.0%} sure"
    if true_label is not None:
        verdict += " ✓" if best == true_label else f", but labelled **{class_names[true_label]}**"
    st.markdown(verdict)
    figure = charts.probabilities(values, class_names, true_label)
    st.plotly_chart(figure, key=key, config={"displayModeBar": False})
