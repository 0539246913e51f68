"""How good is this run, and is it better than the one before?"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from core import runs
from core.checks import FAILED, PASSED, SKIPPED, State
from core.comparison import Comparison, accuracy_difference, config_differences, option_text
from core.doctor import Check, counts
from core.errors import UserError
from core.evaluation import ScoreKind, scores_by_kind
from core.runs import Run, RunError
from dashboard import address, data
from dashboard.bars import show_bars
from dashboard.charts import evaluation as charts
from dashboard.filters import show_photos
from dashboard.linked import choose_photos
from dashboard.page import SECONDS_BETWEEN_LOOKS, escaped, open_page, plural, previous_run, runs_dir_option
from dashboard.scores import (
    FIGURES,
    change_interval_text,
    change_text,
    change_unit,
    figure_text,
    interval_text,
    say_kind,
    verdict,
)
from dashboard.selection import EVERYTHING, Selection

HOW_TO_READ = (
    "Figures of photos that the network did not learn from, with 95 % intervals, the most honest ones first. Click a "
    "bar to see its photos."
)


def headline(scores: Mapping[str, Any], before: Mapping[str, Any] | None) -> None:
    """The four figures that matter, each with its change from the run before.

    The changes are grey: whether they are more than chance is said by `compare`.
    """
    for column, (key, figure) in zip(st.columns(4), FIGURES.items(), strict=True):
        form = figure.form
        change = None if before is None else change_text(scores[key] - before[key], form) + change_unit(form)
        with column.container(border=True, height="stretch"):
            value = form.format(scores[key])
            st.metric(figure.title, value, change, delta_color="off", delta_arrow="off", help=figure.meaning)
            if f"{key}_interval" in scores:
                st.caption(f"95 %: {interval_text(scores[f'{key}_interval'], form)}")
            if key == "expected_calibration_error" and "calibrated" in scores:
                st.caption(f"calibrated: {figure_text(scores['calibrated'], key, form)}")


def other_scores(metrics: Mapping[str, Any]) -> list[str]:
    """The scores of a run but for the first, and that of the naive split if it has one, a line each."""
    lines = []
    for kind, scores in scores_by_kind(metrics)[1:]:
        figures = ", ".join(
            f"{_lower(figure.title)} {figure_text(scores, key, figure.form)}" for key, figure in FIGURES.items()
        )
        lines.append(f"**{kind.title}** ({kind.words(scores['n_images'])}): {figures}")
    if naive := metrics.get("naive_split"):
        lines.append(
            f"**Naive split** ({naive['n_images']:,} photos, optimistic: {naive['n_leaked']:,} of them have a "
            f"near-identical one among those learnt from): accuracy {figure_text(naive, 'accuracy', '{:.1%}')}"
        )
    return lines


def _lower(label: str) -> str:
    return label[0].lower() + label[1:]


def comparable(kind: ScoreKind, run: Run, before: "Before") -> Mapping[str, Any] | None:
    """The earlier run's scores of a kind, if they can be subtracted from this run's."""
    return dict(scores_by_kind(before.metrics)).get(kind) if same_split(run, before.run) else None


def same_split(run: Run, other: Run) -> bool:
    """Whether both held the same photos out, so that their figures can be subtracted."""
    return "split_hash" in run.info and run.info["split_hash"] == other.info.get("split_hash")


@dataclass(frozen=True)
class Before:
    """The run before: its figures, and how this run differs from it photo by photo."""

    run: Run
    metrics: dict[str, Any]
    comparison: Comparison


def read_before(run: Run) -> Before | RunError | None:
    """The run before, or why it cannot be read, or None where there is none."""
    other = previous_run(run)
    if other is None:
        return None
    try:
        return Before(other, data.metrics(other), data.comparison(other, run))
    except UserError as error:
        return RunError(f"{other.name}, the run before, cannot be compared with. {error}")


def compare(run: Run, before: Before) -> None:
    """What changed since the run before, in accuracy and in configuration."""
    st.subheader(f"Against {escaped(before.run.name)}, the run before", anchor=False)
    accuracy = accuracy_difference(before.comparison)
    if accuracy is None:
        st.write("No photo was held out in both runs, so their accuracies cannot be compared photo by photo.")
    else:
        n, form = before.comparison.n_images, FIGURES[accuracy.name].form
        st.write(
            f"On the {n:,} {plural(n, 'photo')} held out in both, accuracy differs by "
            f"**{change_text(accuracy.difference, form)} points** "
            f"(95 % interval {change_interval_text(accuracy.interval, form)}). {verdict(accuracy, before.comparison)}"
        )
    changed = config_differences({other.name: other.info["config"] for other in (before.run, run)})
    if changed.empty:
        st.caption("Both runs were configured alike.")
    else:
        st.markdown(changes_text(changed))
    st.page_link(
        "views/compare.py", label="Compare the two photo by photo", icon=":material/compare_arrows:",
        query_params=address.link_params(**{"with": before.run.name}),
    )  # fmt: skip


def changes_text(changed: pd.DataFrame) -> str:
    """The options in which runs differ; see `core.comparison.config_differences`."""
    return markdown_table(["option", *changed.columns], list(changed.itertuples(name=None)))


def config_text(run: Run) -> str:
    """Every option of a run."""
    options = [(name, option_text(value)) for name, value in run.info["config"].items()]
    return markdown_table(["option", "value"], options)


def markdown_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as text: for Streamlit's tables a browser loads 1.5 MB of script, and this is the first page."""
    lines = [list(map(escaped, titles)), ["---"] * len(titles), *(list(map(escaped, row)) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def learnt_photos(run: Run, predictions: pd.DataFrame) -> pd.DataFrame:
    """What the network that is kept says of the photos that it has learnt from; with folds these are all of them."""
    return data.fitted_predictions(run) if run.has(runs.FITTED_PREDICTIONS_FILE) else predictions


def training_text(learnt: pd.DataFrame, highest: float) -> str:
    """How much better the photos trained on do, against the highest accuracy that the others allow for.

    Args:
        learnt: From `learnt_photos`.
        highest: Upper end of the interval of the accuracy on photos that were not learnt from.
    """
    train = learnt[learnt["split"] == "train"]
    if train.empty:
        return "This run does not hold what its network says of the photos that it has learnt from."
    accuracy = float((train["true_label"] == train["predicted_label"]).mean())
    text = f"On the {len(train):,} photos that the network has learnt from, the accuracy is {accuracy:.1%}"
    if accuracy > highest:
        return f"{text}, above the interval of those that it has not: some of them were learnt by heart."
    return f"{text}, not above the interval of those that it has not."


def show_checks(run: Run) -> None:
    """Whether what the run says can be computed anew from what it is made of, and each check by itself."""
    checks = data.checks(run)
    if checks is None:
        st.fragment(wait_for_checks, run_every=SECONDS_BETWEEN_LOOKS)(run)
        return
    n = counts(checks)
    with st.expander(badge(n), expanded=n[FAILED] > 0):
        failed_first = sorted(checks, key=lambda check: check.state != FAILED)
        st.markdown("  \n".join(map(check_text, failed_first)))
        st.caption("Whether the photos are unchanged and the saved network says what the tables say is checked by:")
        st.code(f"python -m core.doctor {shlex.quote(run.name)}{runs_dir_option()}", language="bash")


def wait_for_checks(run: Run) -> None:
    """Say that the run is being checked; once it has been, the page is drawn anew."""
    if data.checks(run) is not None:
        st.rerun()
    with st.expander(":gray-badge[:material/hourglass_empty: Being checked ...]"):
        st.caption("What the run says is computed anew from its tables.")


def badge(n: Mapping[State, int]) -> str:
    """The number of checks that hold, in the colour that it deserves."""
    n_asked = n[PASSED] + n[FAILED]
    skipped = f", {n[SKIPPED]} skipped" if n[SKIPPED] else ""
    if n[FAILED]:
        return f":red-badge[:material/gpp_bad: Checked: {n[FAILED]} of {n_asked} fail{skipped}]"
    return f":green-badge[:material/verified: Checked: {n_asked} of {n_asked} hold{skipped}]"


def check_text(check: Check) -> str:
    """A check in words, with its sign."""
    sign = {PASSED: ":material/check: passed", FAILED: ":red[:material/close: **failed**]"}.get(
        check.state, f":material/remove: {check.state}"
    )
    return f"{sign}: {escaped(check.name)} ({escaped(check.detail)})"


def facts(run: Run) -> str:
    """Where and how a run was trained, in one line."""
    weights, precision = run.info.get("weights"), run.info.get("precision")
    seconds = run.info.get("stage_seconds")
    parts = [str(run.info["created"])[:16].replace("T", " ") + " UTC"]
    if isinstance(weights, dict):
        parts.append(f"weights {weights.get('name')}")
    parts.append(str(run.info.get("device", "")))
    if isinstance(precision, dict):
        parts.append(str(precision.get("name")))
    if isinstance(seconds, dict) and seconds:
        stages = ", ".join(f"{stage} {took:.0f} s" for stage, took in seconds.items())
        parts.append(f"{sum(seconds.values()):.0f} s ({stages})")
    return " · ".join(part for part in parts if part)


def main() -> None:
    """The page."""
    run = open_page("Overview", HOW_TO_READ, needs=[runs.METRICS_FILE, runs.PREDICTIONS_FILE])
    metrics = data.metrics(run)
    predictions = data.predictions(run)
    before = read_before(run)
    kind, first = scores_by_kind(metrics)[0]
    say_kind(kind, first["n_images"])
    headline(first, comparable(kind, run, before) if isinstance(before, Before) else None)
    for line in other_scores(metrics):
        st.markdown(line)
    st.caption(escaped(f"{run.name} · {facts(run)}"))
    # Filled at the end, so that checking begins once the rest of the page is there.
    checked = st.container()

    validation = predictions[predictions["split"] == "val"]
    n_wrong = int((validation["true_label"] != validation["predicted_label"]).sum())
    selection, _ = address.selection()
    left, right = st.columns(2)
    with left:
        st.subheader("How many of each class were found", anchor=False)
        bars = charts.class_recall(metrics["classes"], selection.true)
        show_bars(bars, "recall", alt="Bars of the recall of each class with 95 % intervals")
    with right:
        st.subheader("What to do next", anchor=False)
        wrong = "photo that was" if n_wrong == 1 else "photos that were"
        st.page_link(
            "views/photos.py", label=f"Look at the {n_wrong:,} held-out {wrong} got wrong",
            icon=":material/image_search:",
            query_params=address.link_to(Selection(split="val", outcome="wrong")),
        )  # fmt: skip
        if run.has(runs.LABEL_ISSUES_FILE):
            n_issues = int(data.label_issues(run)["is_issue"].sum())
            st.page_link(
                "views/labels.py", label=f"Check {n_issues:,} {plural(n_issues, 'label')} that may be wrong",
                icon=":material/rule:", query_params=address.link_params(),
            )  # fmt: skip
        st.page_link(
            "views/evaluation.py", label="See which classes are confused", icon=":material/grid_on:",
            query_params=address.link_params(),
        )  # fmt: skip
        st.write(training_text(learnt_photos(run, predictions), metrics["accuracy_interval"][1]))
    if isinstance(before, Before):
        compare(run, before)
    elif before is not None:
        st.caption(escaped(str(before)))
    with st.expander("Configuration"):
        st.markdown(config_text(run))
    if selection != EVERYTHING:  # The table of all photos takes longer to read than all of the above.
        show_photos(choose_photos(run))
    if run.state != runs.RUNNING:
        with checked:
            show_checks(run)


main()
