"""Which classes are taken for which, and how far can the confidence be trusted?"""

from collections.abc import Mapping, Sequence
from typing import Any, cast, get_args

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core import evaluation, reliability, runs
from core.intervals import Interval, design_effect
from core.runs import Run
from dashboard import address, data
from dashboard.charts import confidence as confidence_charts
from dashboard.charts import evaluation as charts
from dashboard.data import Ranking
from dashboard.filters import show_photos
from dashboard.linked import Chosen, choose_photos, show_chart, show_plain_chart
from dashboard.page import escaped, ink, open_page, plural
from dashboard.photos import is_right
from dashboard.scores import figure_text, interval_text, say_kind
from dashboard.selection import Selection

HOW_TO_READ = (
    "Photos held out from training, with 95 % intervals. Click a cell, bar or dot to see its photos below; a second "
    "click lets go."
)
MODES = get_args(charts.MatrixMode)


def effect_of_groups(held_out: pd.DataFrame) -> float:
    """The design effect of near-identical photos on accuracy."""
    return design_effect(is_right(held_out), pd.factorize(held_out["group"])[0]) if len(held_out) else 1.0


def selected_cell(view: Chosen) -> charts.Cell | None:
    """The cell that the selection names."""
    names, selection = view.run.class_names, view.selection
    if selection.split != "val" or selection.true not in names or selection.predicted not in names:
        return None
    return names.index(selection.true), names.index(selection.predicted)


def show_matrix(view: Chosen, matrix: Any) -> None:
    """The confusion matrix."""
    st.subheader("Confusion matrix", anchor=False)
    mode = st.segmented_control(
        "Cells show", MODES, required=True, **address.bound_choice("cells", MODES, MODES[0])
    )  # fmt: skip
    shown = (cast(charts.MatrixMode, mode), selected_cell(view), ink())
    figure = view.drawn("matrix", lambda: charts.confusion_matrix(matrix, view.run.class_names, *shown), *shown)
    show_chart(figure, "matrix", alt="Confusion matrix: rows are true, columns predicted classes")


def per_class_table(classes: list[dict[str, Any]]) -> pd.DataFrame:
    """Precision, recall and F1 of each class with their 95 % intervals, for reading."""

    def text(scores: dict[str, Any], key: str) -> str:
        low, high = scores[f"{key}_interval"]
        return f"{scores[key]:.1%} ({100 * low:.0f} to {100 * high:.0f})"

    columns = {"precision": "precision (95 %)", "recall": "recall (95 %)", "f1": "F1 (95 %)"}
    return pd.DataFrame(
        {
            "class": [scores["class_name"] for scores in classes],
            **{title: [text(scores, key) for scores in classes] for key, title in columns.items()},
            "photos": [scores["support"] for scores in classes],
        }
    )


def show_classes(view: Chosen, held_out: pd.DataFrame, matrix: Any) -> None:
    """Scores of each class, and which classes are taken for which."""
    st.subheader("Per class", anchor=False)
    names = view.run.class_names
    table = view.once(
        "per class", lambda: per_class_table(evaluation.per_class(held_out, names, held_out["group"].tolist()))
    )
    st.dataframe(table, hide_index=True, alt="Scores of each class with intervals")
    st.subheader("Most confused", anchor=False)
    confused = evaluation.most_confused(matrix, names)
    if confused.empty:
        st.write("No held-out photo was got wrong.")
        return
    for row in confused.head(6).to_dict("records"):
        true, predicted, count, share = (row[key] for key in ("true", "predicted", "count", "share"))
        counted = f"{count:,} {plural(count, 'photo')}"
        st.page_link(
            "views/photos.py", label=escaped(f"{true} taken for {predicted}: {counted}, {share:.0%} of {true}"),
            icon=":material/arrow_forward:",
            query_params=address.link_to(Selection(split="val", true=true, predicted=predicted)),
        )  # fmt: skip


def show_confidence(view: Chosen, held_out: pd.DataFrame, is_chosen: "pd.Series[bool]", effect: float) -> None:
    """How sure the network is, and how often it is right then.

    Args:
        view: The run's photos.
        held_out: Those held out.
        is_chosen: Which of these are chosen.
        effect: Design effect of their groups.
    """
    right = is_right(held_out)
    left, middle = st.columns(2, gap="large")
    with left:
        st.subheader("Confidence", anchor=False)
        figure = view.drawn("confidence", lambda: draw_confidence(held_out, right, is_chosen), view.choice)
        show_chart(figure, "confidence", alt="Histogram of the confidence of right and wrong predictions")
        st.caption("Wrong photos far to the right are the ones to look at: the network is sure of them.")
    with middle:
        st.subheader("Reliability", anchor=False)
        chosen = view.selection.confidence
        figure = view.drawn("reliability", lambda: draw_reliability(view.run, held_out, effect, chosen), chosen)
        show_chart(figure, "reliability", alt="Accuracy against confidence with intervals and numbers of photos")
        st.caption("Dots below the dashed line: surer than it is right. Bars: number of photos behind each dot.")


def draw_confidence(held_out: pd.DataFrame, right: "pd.Series[bool]", is_chosen: "pd.Series[bool]") -> go.Figure:
    """Right and wrong predictions by confidence, all of them and those that are chosen."""
    bins = reliability.confidence_histogram(held_out["confidence"], right)
    chosen = reliability.confidence_histogram(held_out["confidence"][is_chosen], right[is_chosen])
    return confidence_charts.confidence_histogram(bins, chosen)


def draw_reliability(run: Run, held_out: pd.DataFrame, effect: float, chosen: tuple[float, float] | None) -> go.Figure:
    """How often predictions are right by how sure they are, and the range of confidence that is chosen."""
    bins = reliability.reliability_bins(held_out["confidence"], is_right(held_out), effect=effect)
    return confidence_charts.reliability(bins, chosen, calibrated_bins(run))


def calibrated_bins(run: Run) -> pd.DataFrame | None:
    """How often predictions are right by how sure they are after calibration; None where the run does not say."""
    calibrated = data.calibrated_held_out(run) if run.has(runs.METRICS_FILE) else pd.DataFrame()
    return reliability.reliability_bins(calibrated["confidence"], calibrated["is_right"]) if len(calibrated) else None


def calibration_table(metrics: Mapping[str, Any]) -> pd.DataFrame:
    """What calibration does to the figures of confidence; for reading."""
    forms = {"expected_calibration_error": ("calibration error (ECE)", "{:.1%}"), "log_loss": ("log loss", "{:.3f}")}
    return pd.DataFrame(
        [
            {
                "95 % intervals": title,
                "as in the files": figure_text(metrics, key, form),
                "calibrated": figure_text(metrics["calibrated"], key, form),
            }
            for key, (title, form) in forms.items()
        ]
    )


def show_calibration(run: Run) -> None:
    """How much better confidence fits accuracy after temperature scaling."""
    metrics = data.metrics(run) if run.has(runs.METRICS_FILE) else {}
    if "calibrated" not in metrics:
        return
    st.subheader("Calibration", anchor=False)
    left, right = st.columns(2, gap="large")
    with left:
        st.dataframe(
            calibration_table(metrics), hide_index=True, alt="Calibration error and log loss before and after"
        )  # fmt: skip
    with right:
        temperature = metrics["temperature"]
        verdict = "surer than it is right" if temperature > 1 else "less sure than it is right"
        st.markdown(
            f"Temperature **{temperature:.2f}**: the network is {verdict}. Predict divides the logits by it; the files "
            "of the run, and all other figures on this page, stay as they are."
        )
        st.caption(
            "To be honest about the gain, each half of the photos (groups together) is calibrated here with the "
            "temperature that the other half gave."
        )


def show_threshold(view: Chosen, held_out: pd.DataFrame, effect: float) -> None:
    """What leaving out the photos that the network is unsure of would gain."""
    st.subheader("Answer only when sure", anchor=False)
    left, right = st.columns([3, 2], gap="large")
    shown, outcomes = address.percent("threshold"), is_right(held_out)
    with right:
        st.slider("Answer from confidence", 0, 99, format="%d %%", **address.bound_percent("threshold"))
        point = reliability.at_threshold(held_out["confidence"], outcomes, shown / 100, effect)
        if point.n_images:
            st.markdown(
                f"**{point.n_images:,}** of {len(held_out):,} photos answered ({point.coverage:.0%}), "
                f"**{point.accuracy:.1%}** of them right "
                f"(95 %: {point.accuracy_low:.1%} to {point.accuracy_high:.1%})."
            )
        else:
            st.markdown("No photo would be answered.")
        if shown:
            st.page_link(
                "views/photos.py", label="Look at the photos that would not be answered",
                icon=":material/arrow_forward:",
                query_params=address.link_to(Selection(split="val", confidence=(0.0, shown / 100))),
            )  # fmt: skip
    with left:
        curve = view.once(
            "coverage curve", lambda: reliability.coverage_curve(held_out["confidence"], outcomes, effect)
        )
        figure = view.drawn("coverage", lambda: confidence_charts.coverage(curve, shown / 100), shown)
        show_plain_chart(figure, "coverage", alt="Accuracy against the share of photos answered")


def show_ranking(view: Chosen) -> None:
    """ROC and precision against recall, one class against the rest."""
    st.subheader("One class against the rest", anchor=False)
    curves = data.ranking(view.run)
    left, right = st.columns(2, gap="large")
    with left:
        show_plain_chart(
            view.drawn("roc", lambda: draw_roc(curves)), "roc", alt="ROC curve of each class against the rest"
        )
        st.caption("ROC: the further to the upper left, the better. In brackets the area; 0.5 is chance, 1 perfect.")
    with right:
        figure = view.drawn("precision-recall", lambda: draw_precision_recall(curves))
        show_plain_chart(figure, "precision-recall", alt="Precision against recall of each class")
        st.caption(
            "Precision and recall: the further to the upper right, the better. In brackets the average precision."
        )
    st.dataframe(
        ranking_table(curves, view.run.class_names), hide_index=True, width="content",
        alt="Areas under the curves of each class with intervals",
    )  # fmt: skip


def draw_roc(curves: Ranking) -> go.Figure:
    """The rate of hits against that of false alarms; the diagonal is chance."""
    areas, chance = [area for area, _ in curves.roc_auc], np.array([[0, 0], [1, 1]])
    return confidence_charts.ranking(curves.roc, areas, "false_positive_rate", "true_positive_rate", chance)


def draw_precision_recall(curves: Ranking) -> go.Figure:
    """Precision against recall."""
    areas = [area for area, _ in curves.average_precision]
    return confidence_charts.ranking(curves.precision_recall, areas, "recall", "precision", None)


def ranking_table(curves: Ranking, class_names: Sequence[str]) -> pd.DataFrame:
    """Areas under the curves of each class with their 95 % intervals, for reading."""

    def texts(areas: Sequence[tuple[float, Interval]]) -> list[str]:
        return [f"{area:.3f} ({interval_text(ends, '{:.3f}')})" if area == area else "none" for area, ends in areas]

    return pd.DataFrame(
        {
            "class": list(class_names),
            "area under ROC (95 %)": texts(curves.roc_auc),
            "average precision (95 %)": texts(curves.average_precision),
        }
    )


def main() -> None:
    """The page."""
    run = open_page("Evaluation", HOW_TO_READ, needs=[runs.SAMPLES_FILE, runs.PROBLEMS_FILE, runs.PREDICTIONS_FILE])
    view = choose_photos(run)
    held_out = view.held_out
    labels, n_classes = (held_out["true_label"], held_out["predicted_label"]), len(run.class_names)
    matrix = view.once("counts", lambda: evaluation.confusion_matrix(*labels, n_classes))
    effect = view.once("design effect", lambda: effect_of_groups(held_out))
    say_kind(evaluation.score_kind(held_out), len(held_out))
    left, right = st.columns(2, gap="large")
    with left:
        show_matrix(view, matrix)
    with right:
        show_classes(view, held_out, matrix)
    show_confidence(view, held_out, pd.Series(view.mask).loc[held_out.index], effect)
    show_calibration(run)
    show_threshold(view, held_out, effect)
    show_ranking(view)
    show_photos(view)


main()
