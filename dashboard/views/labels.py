"""Which labels may be wrong? The most suspicious first, each a click to its photo."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core import runs
from core.evaluation import score_kind
from core.runs import Run
from core.spreadsheet import for_spreadsheet
from dashboard import address, data
from dashboard.filters import show_bar
from dashboard.gallery import show_gallery
from dashboard.linked import choose_photos
from dashboard.page import open_page
from dashboard.photo import show_opened
from dashboard.review import badge
from dashboard.selection import EVERYTHING

HOW_TO_READ = (
    "Photos whose label the network doubts although it did not learn from it, the most suspicious first. The box "
    "before a line opens its photo; in the gallery, digits give a label, as on Photos."
)
SUSPECTED, ALL = "suspected", "all"


def ranked_photos(photos: pd.DataFrame, issues: pd.DataFrame) -> pd.DataFrame:
    """Photos in the order of their suspicion; those that were not ranked are left out.

    Args:
        photos: Rows of `dashboard.data.photos`.
        issues: As in `label_issues.csv`.

    Returns:
        The rows with `label`, `suggested_label`, `self_confidence` and `is_issue` besides.
    """
    return issues.merge(photos, on="image", validate="one_to_one")


def issue_table(ranked: pd.DataFrame, class_names: tuple[str, ...]) -> pd.DataFrame:
    """A row a photo, for reading.

    Args:
        ranked: From `ranked_photos`.
        class_names: The K names in index order.
    """
    names = np.array(class_names, dtype=object)
    return pd.DataFrame(
        {
            "photo": ranked["name"],
            "label": names[ranked["label"]],
            "suggested": names[ranked["suggested_label"]],
            "self-confidence": ranked["self_confidence"],
            "suspected": ranked["is_issue"],
            "decided": _badges(ranked),
        }
    )


def _badges(ranked: pd.DataFrame) -> NDArray[np.object_]:
    """What was decided about each photo; of a hundred thousand, few were decided about."""
    badges = np.full(len(ranked), "", dtype=object)
    rows = np.flatnonzero((ranked["review"] != "") | (ranked["note"] != ""))
    decided = ranked[["review", "review_class", "note"]].iloc[rows].to_dict("records")
    badges[rows] = [badge(row) for row in decided]
    return badges


def captions(ranked: pd.DataFrame) -> list[str]:
    """What to write under each photo; its title says the label and the suggested one."""
    return [f"its label: {sure:.1%}" for sure in ranked["self_confidence"]]


def explain(run: Run, issues: pd.DataFrame) -> None:
    """How many labels are suspected among how many, and where these probabilities come from."""
    held_out = data.predictions(run).query("split == 'val'")
    kind, n_suspected = score_kind(held_out), int(issues["is_issue"].sum())
    st.markdown(
        f"**{n_suspected:,}** of {len(issues):,} labels are suspected, by what networks that did not learn from the "
        f"photo say of it ({kind.photos}).",
        help="Confident learning (cleanlab): from labels and probabilities it estimates how many photos of each class "
        "carry the label of each other class, and which these are. Self-confidence: probability of the label that the "
        "photo has, as in the run's files. Many of those suspected are hard, not wrong: look at each.",
    )  # fmt: skip
    if kind.is_optimistic:
        st.caption("Only photos held out were ranked. With --folds 5 every labelled photo is.")


def show_table(table: pd.DataFrame, images: list[str]) -> None:
    """The list; the box before a line opens its photo: cells would be chosen by passing over them with the keyboard.

    Args:
        table: From `issue_table`.
        images: The name of each photo in it.
    """
    asked = address.params().get("photo")
    if table["suspected"].all():
        table = table.drop(columns="suspected")

    def open_photo(state: Any) -> None:
        rows = state["selection"]["rows"]
        address.go(photo=images[rows[0]] if rows and rows[0] < len(images) else None)

    picked = {"rows": [images.index(asked)] if asked in images else []}
    bound = address.bound("label-issues", {"selection": picked}, open_photo)
    st.dataframe(
        table.assign(**{"self-confidence": 100 * table["self-confidence"]}), hide_index=True,
        height="auto" if len(table) <= 8 else 320, key=bound["key"], on_select=bound["on_change"],
        selection_mode="single-row", alt="Photos with their label and the suggested one",
        column_config={
            "photo": st.column_config.TextColumn(pinned=True),
            "self-confidence": st.column_config.ProgressColumn(
                format="%.1f %%", min_value=0, max_value=100, help="Probability of the label that the photo has."
            ),
        },
    )  # fmt: skip


def show_controls(table: pd.DataFrame, images: list[str]) -> None:
    """Which part of the list is shown, and the list as a file; see `show_table`."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "Labels", (SUSPECTED, ALL), required=True, **address.bound_choice("issues", (SUSPECTED, ALL), SUSPECTED)
        )  # fmt: skip
        columns = ["image", "suspected", "label", "suggested", "self-confidence", "decided"]
        st.download_button(
            "CSV", lambda: for_spreadsheet(table.assign(image=images)[columns]), "maskboard-label-issues.csv",
            "text/csv", icon=":material/download:", help="The list, in this order", on_click="ignore",
        )  # fmt: skip


def main() -> None:
    """The page."""
    needs = [runs.SAMPLES_FILE, runs.PROBLEMS_FILE, runs.PREDICTIONS_FILE, runs.LABEL_ISSUES_FILE]
    run = open_page("Labels", HOW_TO_READ, needs=needs)
    issues, view = data.label_issues(run), choose_photos(run)
    explain(run, issues)
    ranked = ranked_photos(view.photos[view.mask], issues)
    are_all_asked = address.choice("issues", (SUSPECTED, ALL), SUSPECTED) == ALL
    if not are_all_asked:
        ranked = ranked[ranked["is_issue"]].reset_index(drop=True)
    table, images = issue_table(ranked, run.class_names), ranked["image"].tolist()
    show_controls(table, images)
    if view.selection != EVERYTHING or view.faults:
        show_bar(view)
    if ranked.empty:
        nothing = "None is ranked" if are_all_asked else "No label is suspected"
        st.write(f"{nothing} among the photos that are chosen.")
    else:
        show_table(table, images)
        show_gallery(run, ranked, np.arange(len(ranked)), captions=captions(ranked))
    show_opened(view, ranked["image"])


main()
