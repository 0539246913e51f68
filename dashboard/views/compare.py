"""What is better and what is worse than in another run, photo by photo?"""

import math
from dataclasses import replace

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core import runs
from core.comparison import (
    BROKEN,
    FIXED,
    Comparison,
    PairedFigure,
    accuracy_difference,
    changes_per_class,
    config_differences,
    mcnemar,
)
from core.errors import UserError
from core.evaluation import score_kind
from core.reviews import Followed
from core.runs import Run, RunError
from core.slices import SIGNIFICANCE
from dashboard import address, data
from dashboard.charts import comparison as charts
from dashboard.charts import training
from dashboard.filters import show_photos
from dashboard.linked import Chosen, choose_photos, scrolling, show_chart, show_plain_chart, toggle
from dashboard.other_run import choose_other, say_why_not
from dashboard.page import escaped, open_page, plural
from dashboard.scores import FIGURES, change_interval_text, change_text, change_unit, verdict
from dashboard.selection import CHANGE_WORDS, EVERYTHING, MENDED, ORIGINAL, REVIEW_WORDS, REVIEWED

HOW_TO_READ = (
    "This run against another, on the photos that neither was trained on. Click a number or a bar to see its photos "
    "below; a second click lets go."
)
HOW_INTERVALS_ARE_MADE = (
    "Intervals of differences are 95 % and paired. Near-identical photos count as groups: of accuracy Agresti and "
    "Min's interval, counts divided by the design effect of the groups before; of macro F1 a bootstrap that draws "
    "groups, 2,000 times; of log loss Student's, its variance multiplied by the design effect."
)
LABELS_WORDS = {REVIEWED: "the reviewed labels", ORIGINAL: "the original labels"}


def photos_text(run: Run, other: Run, comparison: Comparison, n_replaced: int, labels: str) -> str:
    """Which photos the figures are of, by which labels, and which are left out."""
    n, here, there = comparison.n_images, escaped(run.name), escaped(other.name)
    parts = [f"Figures of the **{n:,}** {plural(n, 'photo')} held out in both **{here}** (this run) and **{there}**."]
    if not n:
        parts = [
            f"No photo was held out in both **{here}** (this run) and **{there}**, so there is nothing to tell them "
            "apart by. Train with the same photos and the same --split-seed."
        ]
    if comparison.n_only_after or comparison.n_only_before:
        parts.append(
            f"Held out in only one of them, and so not compared: {comparison.n_only_after:,} in {here}, "
            f"{comparison.n_only_before:,} in {there}."
        )
    if n_replaced:
        parts.append(f"Left out because they share their name only: {n_replaced:,}.")
    if watching := [each.name for each in (other, run) if is_optimistic(each)]:
        parts.append(f"Optimistic, because early stopping watched these photos: {escaped(', '.join(watching))}.")
    if labels == ORIGINAL and (comparison.n_relabelled or comparison.n_relabelled_after):
        parts.append(
            f"Of these, {comparison.n_relabelled_after:,} had another label in {here} and {comparison.n_relabelled:,} "
            f"in {there}; the original one counts for both."
        )
    elif comparison.n_relabelled:
        parts.append(f"{comparison.n_relabelled:,} had another label in {there}; that of {here} counts for both.")
    return " ".join(parts)


def is_optimistic(run: Run) -> bool:
    """Whether something of a run was chosen by the photos that it holds out."""
    predictions = data.predictions(run)
    return score_kind(predictions[predictions["split"] == "val"]).is_optimistic


def followed_text(followed: Followed) -> str:
    """With what reviews a run was trained."""
    n = followed.n_relabelled
    if not n and not followed.n_excluded:
        return "with none"
    return f"with {n:,} {plural(n, 'photo')} relabelled and {followed.n_excluded:,} excluded"


def scores_by_labels(run: Run, other: Run) -> pd.DataFrame:
    """The accuracies of two runs under either kind of labels; no rows where no photo was held out in both."""
    rows = []
    for labels, words in LABELS_WORDS.items():
        accuracy = accuracy_difference(data.comparison(other, run, labels))
        if accuracy is not None:
            form = FIGURES[accuracy.name].form
            rows.append(
                {
                    "accuracy by": words,
                    other.name: form.format(accuracy.before),
                    f"{run.name} (this run)": form.format(accuracy.after),
                    "difference in points": change_text(accuracy.difference, form),
                    "95 % interval": change_interval_text(accuracy.interval, form),
                }
            )
    return pd.DataFrame(rows)


def show_reviews(view: Chosen, other: Run, labels: str) -> None:
    """What reviews the two runs were trained with, and by which labels both are judged."""
    here, there = data.followed(view.run), data.followed(other)
    if here == there == Followed(0, 0) and labels == REVIEWED:
        return
    st.markdown(
        f"Reviews: **{escaped(view.run.name)}** was trained {followed_text(here)}, **{escaped(other.name)}** "
        f"{followed_text(there)}."
    )
    if here.n_relabelled:
        st.dataframe(
            scores_by_labels(view.run, other), hide_index=True, height="content",
            alt="Accuracy of both runs under the reviewed and under the original labels",
        )  # fmt: skip
    elif labels == REVIEWED:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "Judge both by", LABELS_WORDS, format_func=LABELS_WORDS.__getitem__, required=True,
            **address.bound_choice("labels", tuple(LABELS_WORDS), REVIEWED),
        )  # fmt: skip
        if here.n_relabelled:
            st.button(
                f"**{here.n_relabelled:,}** {REVIEW_WORDS[MENDED]}", key="mended", on_click=toggle,
                args=({"review": MENDED},), type="primary" if view.selection.review == MENDED else "secondary",
            )  # fmt: skip


def show_figures(figures: list[PairedFigure], comparison: Comparison, other: Run) -> None:
    """Each figure of both runs, and whether they differ by more than chance."""
    for column, figure in zip(st.columns(len(figures)), figures, strict=True):
        title, form, _, meaning = FIGURES[figure.name]
        with column.container(border=True, height="stretch"):
            difference = change_text(figure.difference, form) + change_unit(form)
            st.metric(
                title, form.format(figure.after), difference, delta_color="off", delta_arrow="off", help=meaning
            )  # fmt: skip
            interval = f"difference, 95 %: {change_interval_text(figure.interval, form)}{change_unit(form)}"
            if math.isinf(figure.interval[0]):
                interval = "one group of photos is too few for an interval"
            st.caption(f"{escaped(other.name)}: {form.format(figure.before)}  \n{interval}")
            st.markdown(verdict(figure, comparison))


def chance_text(comparison: Comparison) -> str:
    """McNemar's exact test in words."""
    n_fixed, n_broken = (comparison.counts[change] for change in (FIXED, BROKEN))
    if not n_fixed + n_broken:
        return "No photo went from wrong to right or back."
    p = mcnemar(comparison)
    share = "less than 0.1 %" if p < 0.001 else f"{100 * p:.1f} %"
    meaning = "chance alone hardly explains this" if p < SIGNIFICANCE else "chance alone may well explain this"
    return (
        f"**{n_fixed:,}** {plural(n_fixed, 'photo')} fixed, **{n_broken:,}** newly broken. Were both runs equally "
        f"good, numbers at least as uneven would come about in {share} of such comparisons, so {meaning} "
        f"(McNemar's exact test, p {'< 0.001' if p < 0.001 else f'= {p:.3f}'})."
    )


def show_config(run: Run, other: Run) -> None:
    """The options in which the runs differ."""
    st.subheader("Configuration", anchor=False)
    changed = config_differences({each.name: each.info["config"] for each in (other, run)})
    if changed.empty:
        st.write("Both runs were configured alike.")
    else:
        st.dataframe(changed, alt="Options in which the two runs differ")


def show_curves(run: Run, other: Run) -> None:
    """Loss and accuracy of both runs over their epochs."""
    st.subheader("Curves", anchor=False)
    histories, bases = {}, []
    for each in (run, other):
        try:
            basis, history = data.history_basis(each), data.history(each)
        except RunError as error:
            st.caption(escaped(f"{each.name} has no curves. {error}"))
            continue
        if len(history):
            histories[each.name] = history
            bases.append(basis)
    if not histories:
        return

    def draw(metric: training.Metric) -> go.Figure:
        return data.once("curves", (metric, *bases), lambda: scrolling(training.curves(histories, metric)))

    left, right = st.columns(2, gap="large")
    with left:
        show_plain_chart(draw("loss"), "curves-loss", alt="Loss of both runs over epochs")
    with right:
        show_plain_chart(draw("accuracy"), "curves-accuracy", alt="Accuracy of both runs over epochs")
    st.caption("Training dotted, validation solid. The star marks the epoch whose weights were kept.")


def show_changes(view: Chosen, other: Run, comparison: Comparison, labels: str) -> None:
    """Photos by what has become of them, as numbers and by class; a click chooses them."""
    st.subheader("What has become of the photos", anchor=False)
    with st.container(horizontal=True):
        for change, n in comparison.counts.items():
            asked = {"with": other.name, "change": change}
            is_chosen = view.selection.change == change and view.selection.with_run == other.name
            st.button(
                f"**{n:,}** {charts.CHANGE_NAMES[change]}", key=f"change-{change}", on_click=toggle, args=(asked,),
                help=f"{CHANGE_WORDS[change]} {escaped(other.name)}", type="primary" if is_chosen else "secondary",
            )  # fmt: skip
    # Looking names up in an index that is kept is many times as fast as comparing them.
    rows = data.changes(other, view.run, labels).index.get_indexer(pd.Index(view.photos["image"])[view.mask])
    chosen = replace(comparison, photos=comparison.photos.iloc[rows[rows >= 0]])
    names = view.run.class_names
    figure = charts.changes_by_class(
        changes_per_class(comparison, names), changes_per_class(chosen, names), other.name
    )  # fmt: skip
    show_chart(figure, "changes", alt="Bars of photos fixed, newly broken and still wrong, by true class")
    st.caption("By true class. A click on “still right” in the legend adds the photos that both runs get right.")


def show_comparison(view: Chosen, other: Run, comparison: Comparison, labels: str) -> None:
    """All that two runs can be told apart by."""
    run = view.run
    show_reviews(view, other, labels)
    n_replaced = len(data.replaced_images(other, run))
    st.markdown(photos_text(run, other, comparison, n_replaced, labels), help=HOW_INTERVALS_ARE_MADE)
    if comparison.n_images:
        show_figures(data.paired_figures(other, run, labels), comparison, other)
        st.markdown(chance_text(comparison))
    show_config(run, other)
    show_curves(run, other)
    if comparison.n_images:
        show_changes(view, other, comparison, labels)


def read_comparison(run: Run, other: Run, labels: str) -> Comparison | None:
    """Both runs photo by photo; None where the other one's files cannot be used, after saying so."""
    try:
        data.followed(other)
        return data.comparison(other, run, labels)
    except UserError as error:
        say_why_not(other, error)
        return None


def offer_to_swap(run: Run, other: Run) -> None:
    """The older run is better looked at as the one before."""
    if other.info["created"] > run.info["created"]:
        st.button(
            f"{escaped(other.name)} is the newer one: swap the two", icon=":material/swap_horiz:", key="swap",
            on_click=address.go, kwargs={"run": other.name, "with": run.name, "page": None, "photo": None},
        )  # fmt: skip


def main() -> None:
    """The page."""
    run = open_page("Compare", HOW_TO_READ, needs=[runs.SAMPLES_FILE, runs.PROBLEMS_FILE, runs.PREDICTIONS_FILE])
    labels = address.choice("labels", tuple(LABELS_WORDS), REVIEWED)
    view = choose_photos(run, labels=labels)
    other = choose_other(run, runs.PREDICTIONS_FILE)
    comparison = None if other is None else read_comparison(run, other, labels)
    if other is not None and comparison is not None:
        offer_to_swap(run, other)
        show_comparison(view, other, comparison, labels)
        view = view if view.other is not None else replace(view, other=data.changes(other, run, labels))
    if comparison is not None or view.selection != EVERYTHING:
        show_photos(view)


main()
