"""How good is this run, and is it better than the one before?"""

from typing import Any

import pandas as pd
import streamlit as st

from core import runs
from core.evaluation import paired_difference
from core.runs import Run
from dashboard import charts, data
from dashboard.page import open_page, previous_run

HOW_TO_READ = (
    "Figures of the photos held out from training, with 95 % intervals; early stopping watched these photos, so they "
    "are a little optimistic."
)


# Title, key in metrics.json, format, what it means.
FIGURES = (
    ("Accuracy", "accuracy", "{:.1%}", "Share of photos whose class was predicted."),
    ("Macro F1", "macro_f1", "{:.1%}", "Mean of the classes' F1: each class counts the same."),
    ("Log loss", "log_loss", "{:.3f}", "Mean of -log(probability of the true class); lower is better."),
    (
        "Calibration error",
        "expected_calibration_error",
        "{:.1%}",
        "Mean gap between confidence and accuracy (ECE, 15 bins); lower is better.",
    ),
)


def headline(metrics: dict[str, Any], before: dict[str, Any] | None) -> None:
    """The four figures that matter, each with its change from the run before.

    The changes are grey: whether they are more than chance is said by `compare`.
    """
    for column, (label, key, form, help_text) in zip(st.columns(4), FIGURES, strict=True):
        change = None if before is None else change_text(metrics[key] - before[key], form)
        column.metric(label, form.format(metrics[key]), change, delta_color="off", help=help_text, border=True)
        interval = metrics.get(f"{key}_interval")
        column.caption(f"95 %: {interval[0]:.1%} to {interval[1]:.1%}" if interval else "\u00a0")


def change_text(change: float, form: str) -> str:
    """A change with its sign; that of a share in percentage points."""
    return f"{100 * change:+.1f} points" if "%" in form else f"{change:+.3f}"


def compare(run: Run, other: Run) -> None:
    """What changed since the run before, in accuracy and in configuration."""
    st.subheader(f"Against {other.name}, the run before", anchor=False)
    paired = (
        paired_difference(data.predictions(run), data.predictions(other))
        if other.has(runs.PREDICTIONS_FILE) and other.class_names == run.class_names
        else None
    )
    if paired is None:
        st.write("No photo was held out in both runs, so their accuracies cannot be compared photo by photo.")
    else:
        low, high = paired.interval
        verdict = "a real difference" if low > 0 or high < 0 else "no proof of a difference: the interval holds 0"
        st.write(
            f"On the {paired.n_images} photos held out in both, accuracy differs by "
            f"**{100 * paired.difference:+.1f} points** "
            f"(95 % interval {100 * low:+.1f} to {100 * high:+.1f}): {verdict}."
        )
    changed = config_changes(run, other)
    if changed.empty:
        st.caption("Both runs were configured alike.")
    else:
        st.dataframe(changed, hide_index=True)


def config_changes(run: Run, other: Run) -> pd.DataFrame:
    """Options that differ, a row an option; the name of the run is none."""
    ours, theirs = run.info["config"], other.info["config"]
    options = [name for name in ours if name not in ("name", "quiet") and ours[name] != theirs.get(name)]
    rows = [(name, _text(theirs.get(name)), _text(ours[name])) for name in options]
    return pd.DataFrame(rows, columns=["option", other.name, run.name])


def config_table(run: Run) -> pd.DataFrame:
    """Every option of a run."""
    return pd.DataFrame(
        [(name, _text(value)) for name, value in run.info["config"].items()], columns=["option", "value"]
    )


def _text(value: object) -> str:
    if value is None:
        return "default"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def facts(run: Run) -> str:
    """Where and how a run was trained, in one line."""
    weights = run.info.get("weights")
    seconds = run.info.get("stage_seconds")
    parts = [str(run.info["created"])[:16].replace("T", " ") + " UTC"]
    if isinstance(weights, dict):
        parts.append(f"weights {weights.get('name')}")
    parts.append(str(run.info.get("device", "")))
    if isinstance(seconds, dict) and seconds:
        stages = ", ".join(f"{stage} {took:.0f} s" for stage, took in seconds.items())
        parts.append(f"{sum(seconds.values()):.0f} s ({stages})")
    return " · ".join(part for part in parts if part)


def main() -> None:
    """The page."""
    run = open_page("Overview", HOW_TO_READ, needs=[runs.METRICS_FILE, runs.PREDICTIONS_FILE])
    metrics = data.metrics(run)
    predictions = data.predictions(run)
    other = previous_run(run)
    has_before = other is not None and other.has(runs.METRICS_FILE)
    headline(metrics, data.metrics(other) if other is not None and has_before else None)
    st.caption(f"{run.name} · {facts(run)}")

    validation = predictions[predictions["split"] == "val"]
    n_wrong = int((validation["true_label"] != validation["predicted_label"]).sum())
    left, right = st.columns(2)
    with left:
        st.subheader("How many of each class were found", anchor=False)
        st.plotly_chart(charts.class_recall(metrics["classes"]), config={"displayModeBar": False})
    with right:
        st.subheader("What to do next", anchor=False)
        st.page_link(
            "views/errors.py",
            label=f"Look at the {n_wrong} held-out photos that were got wrong",
            icon=":material/image_search:",
            query_params={"run": run.name},
        )
        st.page_link(
            "views/evaluation.py", label="See which classes are confused", icon=":material/grid_on:",
            query_params={"run": run.name},
        )  # fmt: skip
        train = predictions[predictions["split"] == "train"]
        on_train = float((train["true_label"] == train["predicted_label"]).mean()) if len(train) else 0.0
        st.write(
            f"On the {len(train)} training photos the accuracy is {on_train:.1%}; far above the held-out "
            f"{metrics['accuracy']:.1%} means that the network learns photos by heart."
        )
        if "test" in metrics:
            low, high = metrics["test"]["accuracy_interval"]
            st.write(
                f"On the {metrics['test']['n_images']} test photos, which nothing was fitted to, it is "
                f"**{metrics['test']['accuracy']:.1%}** (95 %: {low:.1%} to {high:.1%})."
            )
    if other is not None:
        compare(run, other)
    with st.expander("Configuration"):
        st.dataframe(config_table(run), hide_index=True)


main()
