"""Is the file to hand in as it must be, and which of its answers are doubtful?"""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import streamlit as st

from core import runs
from core.errors import UserError
from core.runs import Run
from core.submission import Check, SubmissionDifferences, class_mix
from dashboard import data
from dashboard.charts import submission as charts
from dashboard.filters import show_photos
from dashboard.linked import Chosen, choose_photos, show_chart, toggle
from dashboard.other_run import choose_other, say_why_not
from dashboard.page import escaped, open_page
from dashboard.photos import class_name
from dashboard.selection import TEST_DIFFERS, Selection

HOW_TO_READ = (
    "The file to hand in, what it must be and what it says. Below are the test photos that the network is least sure "
    "of; click a bar or a number to see others."
)

_PERCENT = st.column_config.NumberColumn(format="%d %%")


def show_checks(run: Run) -> None:
    """The file, whether it can be handed in, and every check by itself."""
    checks = data.submission_checks(run)
    n_failed = sum(not check.is_met for check in checks)
    if n_failed:
        st.error(f"Not ready: {n_failed} of {len(checks)} checks failed.", icon=":material/error:")
    else:
        st.success(f"Ready to hand in: all {len(checks)} checks passed.", icon=":material/check_circle:")
    st.markdown("  \n".join(map(check_text, checks)))
    file = run.path / runs.SUBMISSION_FILE
    st.download_button(
        f"Download {file.name}", file.read_bytes, file.name, "text/csv", icon=":material/download:", type="primary",
        on_click="ignore",
    )  # fmt: skip


def check_text(check: Check) -> str:
    """A check in words, with its sign."""
    icon, word = (":material/check:", "passed") if check.is_met else (":material/close:", "failed")
    return f"{icon} **{word}**: {escaped(check.name)} ({escaped(check.detail)})"


def show_class_mix(view: Chosen) -> None:
    """How often each class is predicted, against how often it is a label."""
    st.subheader("Class mix", anchor=False)
    names, photos = view.run.class_names, view.photos
    split = "train" if (photos["split"] == "train").any() else "val"
    labels = photos.loc[photos["split"] == split, "true_label"]
    answers = photos.loc[photos["split"] == "test", "predicted_label"]
    selection = view.selection
    chosen = selection.predicted if selection.split == "test" else selection.true
    figure = charts.class_mix(
        class_mix(labels, len(names)), class_mix(answers, len(names)), names, split,
        (selection.split, chosen) if selection.split and chosen else None,
    )  # fmt: skip
    show_chart(figure, "mix", alt="Share of each class among labels and among predictions of test photos")
    st.caption(
        "The thin lines are 95 % intervals. Where those of a class lie apart, the test photos are another mix than the "
        "training photos, or the network takes other classes for this one or this one for others."
    )


def show_differences(view: Chosen, other: Run, changes: pd.DataFrame) -> None:
    """How two files differ, and the photos on which they do; see `dashboard.data.test_changes`."""
    run = view.run
    differing = view.photos.join(changes, on="image", how="inner")
    st.markdown(both_text(run, other, data.submission_differences(other, run)))
    asked = {"with": other.name, "change": TEST_DIFFERS}
    is_chosen = (view.selection.with_run, view.selection.change) == (other.name, TEST_DIFFERS)
    st.button(
        f"**{len(differing):,}** in another class", key="differs", on_click=toggle, args=(asked,),
        type="primary" if is_chosen else "secondary", help="Show these photos below", disabled=differing.empty,
    )  # fmt: skip
    if len(differing):
        table = difference_table(differing, run.class_names)
        st.dataframe(
            table, hide_index=True, column_config={"sure": _PERCENT, "sure ": _PERCENT},
            height="auto" if len(table) <= 6 else 250, alt="Test photos that the two files put into different classes",
        )  # fmt: skip


def both_text(run: Run, other: Run, found: SubmissionDifferences) -> str:
    """Which photos can be compared."""
    parts = [f"Test photos in both files: **{found.n_both:,}**"]
    for n, each in ((found.n_only_here, run), (found.n_only_there, other)):
        if n:
            parts.append(f"in that of {escaped(each.name)} only: {n:,}")
    return "; ".join(parts) + "."


def difference_table(differing: pd.DataFrame, class_names: Sequence[str]) -> pd.DataFrame:
    """A row a photo: its name, the class that each run puts it into, and how sure it is."""
    return pd.DataFrame(
        {
            "photo": differing["name"],
            "this run": [class_name(label, class_names) for label in differing["category"]],
            "sure": 100 * differing["confidence"].where(differing["predicted_label"] == differing["category"]),
            "other run": [class_name(label, class_names) for label in differing["predicted_other"]],
            "sure ": 100 * differing["confidence_other"],
        }
    )


def compare(view: Chosen) -> Chosen:
    """Compare with another run's file; returns the photos with what that one says of them."""
    st.subheader("Against another run's file", anchor=False)
    other = choose_other(view.run, runs.SUBMISSION_FILE)
    if other is None:
        return view
    try:
        changes = data.test_changes(other, view.run)
    except UserError as error:
        say_why_not(other, error)
        return view
    show_differences(view, other, changes)
    return view if view.other is not None else replace(view, other=changes)


def main() -> None:
    """The page."""
    needs = [runs.SAMPLES_FILE, runs.PROBLEMS_FILE, runs.SUBMISSION_FILE, runs.TEST_PREDICTIONS_FILE]
    run = open_page("Submission", HOW_TO_READ, needs)
    view = choose_photos(run, default=Selection(split="test"))
    show_checks(run)
    left, right = st.columns(2, gap="large")
    with left:
        show_class_mix(view)
    with right:
        view = compare(view)
    is_default = view.selection == view.default
    show_photos(view, "The least certain test photos" if is_default else "Photos", default_order="smallest margin")


main()
