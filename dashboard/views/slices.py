"""Which photos does the network find hard: dark ones, blurred ones, small ones, those without a near-identical one?"""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core import runs
from core.slices import MIN_PHOTOS, PROPERTIES, SIGNIFICANCE, weakest
from dashboard import address, data
from dashboard.charts.slices import slice_accuracy, slice_names, slice_selection
from dashboard.filters import show_photos
from dashboard.linked import Chosen, choose_photos, show_chart
from dashboard.page import escaped, open_page
from dashboard.photos import is_right
from dashboard.selection import RANGES

HOW_TO_READ = (
    "Accuracy on the photos held out from training, cut into slices by what is known of them: dots with 95 % "
    "intervals, the dashed line is all of them. Click a dot to see its photos below; a second click lets go."
)
TITLES = {column: RANGES[column].title for column in PROPERTIES}
HELP = {
    "brightness": "Mean luminance, from 0 % (black) to 100 % (white).",
    "contrast": "Standard deviation of the luminance, from 0 % (one grey) to 50 % (half black, half white).",
    "sharpness": "Variance of the Laplacian: higher is sharper; noise raises it too.",
    "megapixels": "Width times height in millions of pixels (MP).",
    "ratio": "Width divided by height: 1 is square, below it portrait.",
    "copies": "Other photos of the dataset that look the same but for size, cut or compression.",
}
MOST_LISTED = 6
# Runs from before these were written have none.
MEASURED = ("brightness", "contrast", "sharpness")
_COLUMNS = 3


def with_names(slices: pd.DataFrame) -> pd.DataFrame:
    """Slices with their `name` in words."""
    names = [name for column in TITLES for name in slice_names(slices[slices["property"] == column])]
    return slices.assign(name=names)


def show_charts(view: Chosen, held_out: pd.DataFrame, slices: pd.DataFrame) -> None:
    """A chart a property, or why there is none."""
    overall = float(is_right(held_out).mean()) if len(held_out) else 0.0
    lowest = max(0.0, float(slices["accuracy_low"].min()) - 0.02) if len(slices) else 0.0
    for start in range(0, len(TITLES), _COLUMNS):
        for place, column in zip(
            st.columns(_COLUMNS, gap="large"), list(TITLES)[start : start + _COLUMNS], strict=True
        ):
            with place:
                st.subheader(TITLES[column], anchor=False, help=HELP[column])
                part = slices[slices["property"] == column]
                if part.empty:
                    st.caption(why_no_slices(held_out[column]))
                    continue
                figure = _drawn(view, column, part, overall, lowest)
                show_chart(figure, column, alt=f"Accuracy by {TITLES[column].lower()} with intervals")


def _drawn(view: Chosen, column: str, slices: pd.DataFrame, overall: float, lowest: float) -> go.Figure:
    chosen = getattr(view.selection, column)
    return view.drawn("slices", lambda: slice_accuracy(slices, overall, lowest, chosen), column, chosen)


def why_no_slices(values: "pd.Series[float]") -> str:
    """Why a property of the held-out photos is not cut."""
    n_known = int(values.notna().sum())
    if n_known == 0:
        return "Not known of any held-out photo."
    if values.nunique() == 1:
        return "The same for all held-out photos."
    return f"No two slices of at least {MIN_PHOTOS} photos each: {n_known} held-out photos, many of them alike."


def show_weakest(slices: pd.DataFrame) -> None:
    """The slices that do worse than the rest, each a link to its photos."""
    st.subheader("Weakest slices", anchor=False)
    if slices.empty:
        st.write("There are too few held-out photos to be cut into slices.")
        return
    listed = weakest(slices).head(MOST_LISTED)
    for row in listed.to_dict("records"):
        # Beside each other where there is room, below each other on a phone.
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.page_link(
                "views/photos.py", label=escaped(slice_text(row)), icon=":material/arrow_forward:", width="content",
                query_params=address.link_to(slice_selection(row["property"], row["low"], row["high"])),
            )  # fmt: skip
            st.caption(escaped(verdict_text(row)), width="content")
    n_sure = int((slices["p_value"][slices["difference"] < 0] < SIGNIFICANCE).sum())
    st.caption(multiplicity_text(len(slices), n_sure))
    with st.expander("Every slice"):
        st.dataframe(slice_table(slices), hide_index=True, alt="Accuracy of each slice against the rest")


def slice_text(row: Mapping[Any, Any]) -> str:
    """A slice and how it does, short enough for a phone."""
    return f"{TITLES[row['property']]} {row['name']}: {row['accuracy']:.1%} of {row['n_images']:,}"


def verdict_text(row: Mapping[Any, Any]) -> str:
    """How far a slice is below the rest, and whether that may be chance."""
    verdict = "worse than the rest" if row["p_value"] < SIGNIFICANCE else "may be chance, as so many slices are tried"
    return (
        f"{points(row['difference'])} points against the rest "
        f"(95 %: {points(row['difference_low'])} to {points(row['difference_high'])}): {verdict}"
    )


def multiplicity_text(n_slices: int, n_sure: int) -> str:
    """What comparing many slices at once means for the list."""
    found = {0: "None is", 1: "One is"}.get(n_sure, f"{n_sure} are")
    return (
        f"First comes what is worse for sure and by much. {n_slices} slices are compared at once, and some look "
        f"weak by chance: only those are called worse that still are after correction for that (Fisher's exact test, "
        f"Holm, 5 %). {found}. Near-identical photos count as fewer in intervals and tests."
    )


def slice_table(slices: pd.DataFrame) -> pd.DataFrame:
    """All slices, weakest first, for reading."""
    ranked = slices.sort_values(["difference_high", "difference"], kind="stable")
    return pd.DataFrame(
        [
            {
                "property": TITLES[row["property"]],
                "slice": row["name"],
                "photos": row["n_images"],
                "accuracy (95 %)": f"{row['accuracy']:.1%} ({row['accuracy_low']:.0%} to {row['accuracy_high']:.0%})",
                "against the rest (95 %)": f"{points(row['difference'])} points "
                f"({points(row['difference_low'])} to {points(row['difference_high'])})",
                "p, corrected": f"{row['p_value']:.3f}",
            }
            for row in ranked.to_dict("records")
        ]
    )


def points(difference: float) -> str:
    """A difference of shares with its sign, in percentage points."""
    return f"{100 * difference:+.1f}"


def main() -> None:
    """The page."""
    run = open_page("Slices", HOW_TO_READ, needs=[runs.SAMPLES_FILE, runs.PROBLEMS_FILE, runs.PREDICTIONS_FILE])
    view = choose_photos(run)
    held_out = view.held_out
    if held_out[list(MEASURED)].isna().all(axis=None):
        st.info(
            "This run was trained before brightness, contrast, sharpness and near-identical photos were written down; "
            "only exact copies are known. Size and aspect ratio are here all the same. Train again to see the others.",
            icon=":material/info:",
        )
    slices = view.once("named slices", lambda: with_names(data.slices(run)))
    show_charts(view, held_out, slices)
    show_weakest(slices)
    show_photos(view)


main()
