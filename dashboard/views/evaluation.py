"""Which classes are taken for which?"""

from functools import partial
from typing import Any, cast

import pandas as pd
import streamlit as st

from core import evaluation, runs
from dashboard import charts, data
from dashboard.gallery import show_gallery
from dashboard.page import open_page
from dashboard.selection import choose, order

HOW_TO_READ = (
    "Held-out photos: rows are true, columns predicted classes. Click a cell, or choose one, to see its photos."
)
CHART = "matrix"


def take_click(names: tuple[str, ...]) -> None:
    """Choose the cell that was clicked; a second click on it lets go."""
    points = st.session_state[CHART]["selection"]["points"]
    if not points:
        return
    true, predicted = points[0]["customdata"]
    cell = (names[true], names[predicted])
    chosen = (st.session_state.get("true"), st.session_state.get("predicted"))
    st.session_state["true"], st.session_state["predicted"] = (None, None) if cell == chosen else cell


def choose_cell(class_names: tuple[str, ...]) -> charts.Cell | None:
    """The cell in words, for the keyboard and for links."""
    with st.container(horizontal=True):
        labels = [
            st.selectbox(label, class_names, index=None, placeholder="any", key=key, bind="query-params", width=200)
            for label, key in (("True class", "true"), ("Predicted class", "predicted"))
        ]
    if None in labels:
        return None
    true, predicted = (class_names.index(cast(str, name)) for name in labels)
    return true, predicted


def per_class_table(classes: list[dict[str, Any]]) -> pd.DataFrame:
    """Precision, recall and F1 of each class for reading."""
    columns = {"class_name": "class", "precision": "precision", "recall": "recall", "f1": "F1", "support": "photos"}
    return pd.DataFrame(classes)[list(columns)].rename(columns=columns).round(3)


def main() -> None:
    """The page."""
    run = open_page("Evaluation", HOW_TO_READ, needs=[runs.PREDICTIONS_FILE])
    names = run.class_names
    predictions = data.predictions(run)
    validation = predictions[predictions["split"] == "val"]
    matrix = evaluation.confusion_matrix(validation["true_label"], validation["predicted_label"], len(names))

    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Confusion matrix", anchor=False)
        mode = st.segmented_control("Show", ["Counts", "Row %"], default="Counts", required=True, key="show")
        chart = st.container()
        cell = choose_cell(names)
        with chart:
            figure = charts.confusion_matrix(matrix, names, cast(charts.MatrixMode, mode or "Counts"), cell)
            st.plotly_chart(
                figure,
                key=CHART,
                on_select=partial(take_click, names),
                selection_mode="points",
                config={"displayModeBar": False},
            )
    with right:
        st.subheader("Per class", anchor=False)
        share = st.column_config.NumberColumn(format="percent")
        st.dataframe(
            per_class_table(evaluation.per_class(matrix, names)),
            hide_index=True,
            column_config=dict.fromkeys(("precision", "recall", "F1"), share),
        )
        st.subheader("Most confused", anchor=False)
        confused = evaluation.most_confused(matrix, names)
        if confused.empty:
            st.write("No held-out photo was got wrong.")
        else:
            st.dataframe(
                confused[["true", "predicted", "count", "share"]].round(3),
                hide_index=True,
                column_config={"share": st.column_config.NumberColumn("of the true class", format="percent")},
            )
    if cell is None:
        return
    photos = order(choose(validation, true_label=cell[0], predicted_label=cell[1]), "Highest loss")
    noun = "photo" if len(photos) == 1 else "photos"
    st.subheader(f"{len(photos)} {noun}: {names[cell[0]]}, predicted {names[cell[1]]}", anchor=False)
    show_gallery(run, photos, key="cell")


main()
