"""Which photos look alike to the network?"""

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core import runs
from core.errors import UserError
from dashboard import address, data
from dashboard.charts import map as charts
from dashboard.charts.style import NEUTRAL, RIGHT, WRONG, colour
from dashboard.filters import show_photos
from dashboard.linked import Chosen, choose_photos, show_map
from dashboard.page import escaped, open_page
from dashboard.photos import NO_LABEL, is_right, is_wrong
from dashboard.selection import SPLIT_WORDS

HOW_TO_READ = (
    "A dot a photo; the closer two dots, the more alike the network finds the photos. Draw around dots to see their "
    "photos below. Axes have no meaning of their own."
)
MAPS = {"pca": "PCA", "tsne": "t-SNE"}
COLOURS = ("true class", "predicted class", "right or wrong", "split")
# Its time grows a little faster than the number of photos: about a minute for 6,000.
MAX_TSNE = 20_000
Groups = dict[str, tuple[NDArray[np.bool_], str]]


def groups(photos: pd.DataFrame, by: str, class_names: tuple[str, ...]) -> Groups:
    """For each entry of the legend which photos it holds, and its colour."""
    if by == "right or wrong":
        right, wrong = is_right(photos).to_numpy(), is_wrong(photos).to_numpy()
        return {"right": (right, RIGHT), "wrong": (wrong, WRONG), "no label": (~right & ~wrong, NEUTRAL)}
    if by == "split":
        splits = [split for split in SPLIT_WORDS if (photos["split"] == split).any()]
        masks = {SPLIT_WORDS[split]: (photos["split"] == split).to_numpy() for split in splits}
        return {word: (mask, colour(index)) for index, (word, mask) in enumerate(masks.items())}
    labels = photos["true_label" if by == "true class" else "predicted_label"].to_numpy()
    of_classes = {name: (labels == label, colour(label)) for label, name in enumerate(class_names)}
    return of_classes | ({"not known": (labels == NO_LABEL, NEUTRAL)} if (labels == NO_LABEL).any() else {})


def choose_map() -> str:
    """Which projection to look at; an area belongs to the one that it was drawn on."""

    def choose(name: str) -> None:
        address.go(map=name, area=None, page=None, photo=None)

    shown = address.choice("map", tuple(MAPS), "pca")
    st.segmented_control(
        "Map", list(MAPS), format_func=MAPS.__getitem__, required=True, **address.bound("map", shown, choose)
    )
    return shown


def compute_tsne(view: Chosen) -> None:
    """Offer to compute the map that takes long."""
    if len(view.photos) > MAX_TSNE:
        st.info(f"t-SNE would take very long for {len(view.photos):,} photos; up to {MAX_TSNE:,} it is offered here.")
        return
    st.write("t-SNE keeps neighbours together better than PCA does. It is computed once for a run and then kept.")
    if st.button("Compute t-SNE", type="primary", icon=":material/scatter_plot:"):
        with st.status(f"Placing {len(view.photos):,} photos ...", expanded=True) as status:
            bar = st.progress(0.0)
            try:
                data.compute_tsne(view.run, bar.progress)
            except (UserError, OSError, RuntimeError) as error:
                status.update(label="The map could not be computed.", state="error")
                st.error(escaped(str(error)))
                return
            status.update(label="Done", state="complete")
        st.rerun()


def main() -> None:
    """The page."""
    run = open_page("Map", HOW_TO_READ, needs=[runs.SAMPLES_FILE, runs.PROBLEMS_FILE, runs.PROJECTION_FILE])
    view = choose_photos(run)
    with st.container(horizontal=True):
        name = choose_map()
        by = st.segmented_control(
            "Colour", COLOURS, required=True, **address.bound_choice("colour", COLOURS, COLOURS[0])
        )  # fmt: skip
    positions = data.positions(run, name)
    if positions is None:
        compute_tsne(view)
    else:
        area = view.selection.area if view.selection.map == name else None
        legend = groups(view.photos, by, run.class_names)
        figure = charts.photo_map(positions, legend, view.mask, view.photos["name"], area)
        show_map(figure, f"map-{name}", name, alt=f"Map of {len(positions):,} photos ({MAPS[name]})")
    show_photos(view)


main()
