"""Which classes are taken for which, and how far can the confidence be trusted?"""

from typing import Any, cast, get_args

import pandas as pd
import streamlit as st

from core import evaluation, runs
from dashboard import address
from dashboard.charts import evaluation as charts
from dashboard.filters import show_photos
from dashboard.linked import Chosen, choose_photos, show_chart
from dashboard.page import ink, open_page

HOW_TO_READ = (
    "Photos held out from training; early stopping watched them, so the figures are a little optimistic. Click a cell "
    "or bar to see its photos below; a second click lets go."
)
MODES = get_args(charts.MatrixMode)


def selected_cell(view: Chosen) -> charts.Cell | None:
    """The cell that the selection names."""
    names, selection = view.run.class_names, view.selection
    if selection.true not in names or selection.predicted not in names:
        return None
    return names.index(selection.true), names.index(selection.predicted)


def per_class_table(classes: list[dict[str, Any]]) -> pd.DataFrame:
    """Precision, recall and F1 of each class for reading."""
    columns = {"class_name": "class", "precision": "precision", "recall": "recall", "f1": "F1", "support": "photos"}
    return pd.DataFrame(classes)[list(columns)].rename(columns=columns).round(3)


def show_matrix(view: Chosen, matrix: Any) -> None:
    """The confusion matrix."""
    st.subheader("Confusion matrix", anchor=False)
    mode = st.segmented_control(
        "Cells show", MODES, required=True, **address.bound_choice("cells", MODES, MODES[0])
    )  # fmt: skip
    figure = charts.confusion_matrix(
        matrix, view.run.class_names, cast(charts.MatrixMode, mode), selected_cell(view), ink()
    )
    show_chart(figure, "matrix", alt="Confusion matrix: rows are true, columns predicted classes")


def main() -> None:
    """The page."""
    run = open_page("Evaluation", HOW_TO_READ, needs=[runs.PREDICTIONS_FILE])
    view = choose_photos(run)
    held_out = view.photos[view.photos["split"] == "val"]
    matrix = evaluation.confusion_matrix(held_out["true_label"], held_out["predicted_label"], len(run.class_names))
    left, right = st.columns(2, gap="large")
    with left:
        show_matrix(view, matrix)
    with right:
        st.subheader("Per class", anchor=False)
        share = st.column_config.NumberColumn(format="percent")
        st.dataframe(
            per_class_table(evaluation.per_class(matrix, run.class_names)),
            hide_index=True,
            column_config=dict.fromkeys(("precision", "recall", "F1"), share),
        )
    show_photos(view)


main()
