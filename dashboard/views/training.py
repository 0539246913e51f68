"""How does the training go, or how did it, and how do runs differ?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote, unquote

import numpy as np
import pandas as pd
import streamlit as st

from core import runs
from core.comparison import differing_options, option_text
from core.config import flag
from core.runs import Run, RunError
from dashboard import address, data
from dashboard.charts import training as charts
from dashboard.history import Summary
from dashboard.linked import show_plain_chart
from dashboard.page import (
    SECONDS_BETWEEN_LOOKS,
    escaped,
    faults_shown,
    found_runs,
    open_page,
    show_how_to_resume,
    show_progress,
)
from dashboard.progress import duration_text, end_text, stage_words

HOW_TO_READ = (
    "Loss and accuracy after each epoch, training dotted and validation solid, with a star at the epoch whose weights "
    "were kept: where dotted still falls while solid rises, the network learns photos by heart."
)
_STATE_LOOKS: Final[dict[str, tuple[Literal["blue", "green", "orange", "red"], str]]] = {
    runs.RUNNING: ("blue", ":material/model_training:"),
    runs.FINISHED: ("green", ":material/check_circle:"),
    runs.FAILED: ("red", ":material/error:"),
    runs.INTERRUPTED: ("orange", ":material/stop_circle:"),
    runs.DIED: ("red", ":material/heart_broken:"),
}
_OPENED = "opened_from_table"
_LARGEST_INTEGER = 2**53
MEAN_OF_FOLDS = (
    "Mean over the folds, each at its best epoch, of the photos that it stopped by: optimistic. The score of the "
    "photos predicted out of fold is on the Overview."
)


# --- what is asked for -----------------------------------------------------------------------------------------------


def overlaid(others: Sequence[str]) -> list[str]:
    """Names of the runs whose curves are asked for besides, of those that there are."""
    asked = [unquote(name) for name in address.params().get("overlay", "").split(",")]
    return [name for name in dict.fromkeys(asked) if name in others]


def choose_overlaid(names: Sequence[str]) -> None:
    """Ask for the curves of other runs; a comma in a name is no border between two."""
    address.go(overlay=",".join(quote(name, safe="") for name in names))


def show_controls(others: Sequence[str]) -> None:
    """What is drawn, and how."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.multiselect(
            "Overlay other runs", others, placeholder="none", width=340,
            **address.bound("overlay", overlaid(others), choose_overlaid),
        )  # fmt: skip
        st.slider(
            "Smoothing", 0, 99, format="%d %%", width=190, **address.bound_percent("smooth"),
            help="What the epochs before weigh in each point. The measured curve stays behind, faint.",
        )  # fmt: skip
        over = address.bound_choice("over", charts.OVERS, charts.OVERS[0])
        st.segmented_control("Over", charts.OVERS, required=True, **over)
        st.toggle("Logarithmic loss", **address.bound_switch("log", "log"))


# --- the run ---------------------------------------------------------------------------------------------------------


def show_status(folder: Path) -> None:
    """How the run gets on, or how it ended, and its best epoch so far."""
    with faults_shown():
        run = data.read_run(folder)
        colour, icon = _STATE_LOOKS[run.state]
        with st.container(horizontal=True, vertical_alignment="center", key="state"):
            st.badge(run.state, icon=icon, color=colour)
            st.markdown(f"**{escaped(run.name)}**", width="content")
            if run.state == runs.FINISHED and run.info.get("stage_seconds"):
                st.caption(f"trained for {duration_text(sum(run.info['stage_seconds'].values()))}", width="content")
        if run.state == runs.RUNNING:
            show_progress(run)
        elif run.state != runs.FINISHED:
            st.error(escaped(end_text(run)))
        show_how_to_resume(run)
        if found := data.history_summary(run):
            with st.container(horizontal=True):
                (show_best_of_folds if found.has_folds else show_best)(found)


def show_best(found: Summary) -> None:
    """The figures of the best epoch."""
    if not found.bests:
        st.metric("Best epoch", "none", f"of {found.epochs}", delta_color="off", delta_arrow="off", width="content")
        return
    (best,) = found.bests
    st.metric(
        "Best epoch", f"{best.number} of {found.epochs}", stage_words(best.stage), delta_color="off", delta_arrow="off",
        help="The one with the lowest validation loss; its weights are kept.", width="content",
    )  # fmt: skip
    st.metric("val_loss", loss_text(best.val_loss), width="content")
    st.metric("val_accuracy", f"{best.val_accuracy:.1%}", width="content")


def show_best_of_folds(found: Summary) -> None:
    """The figures of the best epoch of each fold, and how long the network that is kept has learnt."""
    numbers, losses = ([getattr(best, name) for best in found.bests] for name in ("number", "val_loss"))
    accuracies = [best.val_accuracy for best in found.bests]
    grey: dict[str, Any] = {"delta_color": "off", "delta_arrow": "off", "width": "content"}
    st.metric(
        "Best epochs of the folds", range_text(numbers, "{}"), ", ".join(map(str, numbers)), **grey,
        help="Each fold stops by photos of its own and has a best epoch of its own: the one with the lowest validation "
        "loss. Its weights predict the fold's photos.",
    )  # fmt: skip
    st.metric("val_loss", loss_text(float(np.mean(losses))), range_text(losses, "{:.3f}"), **grey, help=MEAN_OF_FOLDS)
    st.metric(
        "val_accuracy", f"{np.mean(accuracies):.1%}", range_text(accuracies, "{:.1%}"), **grey, help=MEAN_OF_FOLDS
    )  # fmt: skip
    numbers_of_stages = (f"{n} {stage_words(stage)}" for stage, n in found.final.items())
    stages = ", ".join(numbers_of_stages if len(found.final) > 1 else map(stage_words, found.final))
    st.metric(
        "Epochs of the network that is kept", "not yet" if found.kept is None else found.kept,
        stages or "after the folds", **grey,
        help="It learns from all photos, so nothing is left to stop it by: of each stage it repeats the epochs of the "
        "fold in the middle by their number.",
    )  # fmt: skip


def range_text(values: Sequence[float], form: str) -> str:
    """The lowest and the highest of some numbers."""
    low, high = form.format(min(values)), form.format(max(values))
    return low if low == high else f"{low} to {high}"


def loss_text(loss: float) -> str:
    """A loss; a tiny one in powers of ten, so that it is told apart from none."""
    return f"{loss:.3f}" if loss >= 0.001 or loss == 0 else f"{loss:.0e}"


# --- curves ----------------------------------------------------------------------------------------------------------


def show_curves_and_runs(folder: Path, others: Sequence[str]) -> None:
    """The curves of a run and of those laid over it, and all runs."""
    if st.session_state.pop(_OPENED, False):
        st.rerun()
    with faults_shown():
        show_curves(read_histories(folder, overlaid(others)))
    show_table(folder.name)


def read_histories(folder: Path, others: Sequence[str]) -> dict[str, pd.DataFrame]:
    """The epochs of a run and of others beside it; of those that have any."""
    histories = {}
    for name in (folder.name, *others):
        try:
            run = data.read_run(folder.parent / name)
            histories[name] = data.history(run) if run.has(runs.HISTORY_FILE) else pd.DataFrame()
        except RunError as error:
            if name == folder.name:
                raise
            st.caption(escaped(f"{name} cannot be overlaid. {error}"))
    return {name: history for name, history in histories.items() if len(history)}


def show_curves(histories: Mapping[str, pd.DataFrame]) -> None:
    """Loss and accuracy as the address asks for them."""
    if not histories:
        st.info("No epoch is done yet.", icon=":material/hourglass_empty:")
        return
    is_log, smoothing = address.is_on("log"), address.percent("smooth") / 100
    over = address.choice("over", charts.OVERS, charts.OVERS[0])
    for column, metric in zip(st.columns(2), charts.METRICS, strict=True):
        with column:
            st.subheader(metric.capitalize(), anchor=False)
            figure = charts.curves(histories, metric, smoothing=smoothing, log=is_log and metric == "loss", over=over)
            show_plain_chart(figure, f"curves-{metric}", alt=f"Curves of training and validation {metric}")


# --- all runs --------------------------------------------------------------------------------------------------------


def run_table(found: Sequence[Run]) -> pd.DataFrame:
    """A row a run: its state, its best epoch, what it took, and the options in which the runs differ."""
    summaries, scores = [data.history_summary(run) for run in found], [data.first_score(run) for run in found]
    return pd.DataFrame(
        {
            "run": [run.name for run in found],
            "state": [run.state for run in found],
            "created": pd.to_datetime(
                [run.info["created"] for run in found], format="ISO8601", utc=True, errors="coerce"
            ),
            "accuracy": [score[1] if score else None for score in scores],
            "of": [score[0].title.lower() if score else None for score in scores],
            "best epoch": pd.array([summary.kept if summary else None for summary in summaries], dtype="Int64"),
            "val_loss": [summary.mean_best("val_loss") if summary else None for summary in summaries],
            "val_accuracy": [summary.mean_best("val_accuracy") if summary else None for summary in summaries],
            "epochs": pd.array([summary.epochs if summary else None for summary in summaries], dtype="Int64"),
            "seconds": [round(summary.seconds, 1) if summary else None for summary in summaries],
            **option_columns([run.info["config"] for run in found]),
        }
    )


def option_columns(configs: Sequence[Mapping[str, object]]) -> dict[str, list[object]]:
    """The options in which runs differ, spelt as on the command line: the value of each run.

    What is a number in every run stays one, so that it is sorted as one; the rest is text.
    """
    return {
        flag(option): values if all(map(_is_number, values)) else list(map(option_text, values))
        for option, values in differing_options(configs).items()
    }


def _is_number(value: object) -> bool:
    """Whether the browser can show a value as a number; it knows no larger integers to the last digit."""
    return type(value) is float or (type(value) is int and abs(value) <= _LARGEST_INTEGER)


def show_table(shown: str) -> None:
    """All runs, as they are by now; a click on one opens it."""
    found, _ = data.list_runs()
    names = [run.name for run in found]

    def open_run(state: Any) -> None:
        rows = state["selection"]["rows"]
        if rows and rows[0] < len(names):
            address.go(run=names[rows[0]])
            st.session_state[_OPENED] = True

    chosen = {"selection": {"rows": [names.index(shown)] if shown in names else []}}
    # A table of other runs is another table: a click on the one before must not open the run in the same line of this.
    bound = address.bound(f"runs-{hash(tuple(names))}", chosen, open_run)
    st.subheader("All runs", anchor=False)
    st.dataframe(
        run_table(found), hide_index=True, height="auto" if len(found) <= 10 else 388,
        key=bound["key"], on_select=bound["on_change"], selection_mode="single-row",
        alt="Runs with their state, best epoch and the options in which they differ",
        column_config={
            "run": st.column_config.TextColumn(pinned=True),
            "created": st.column_config.DatetimeColumn("created (UTC)", format="YYYY-MM-DD HH:mm"),
            "accuracy": st.column_config.NumberColumn(
                format="percent", help="As on the Overview: the most honest one that the run has."
            ),
            "of": st.column_config.TextColumn(help="Which photos it is of; validation is optimistic."),
            "best epoch": st.column_config.NumberColumn(
                help="Whose weights were kept; with folds, how many epochs the network that is kept learnt."
            ),
            "val_loss": st.column_config.NumberColumn(format="%.4g", help="At the best epoch; with folds their mean."),
            "val_accuracy": st.column_config.NumberColumn(
                format="percent", help="At the best epoch; with folds their mean. Optimistic: training stopped by it."
            ),
            "seconds": st.column_config.NumberColumn(format="%.1f", help="Of all epochs; features do not count."),
            "--data": st.column_config.TextColumn(width="small"),
            "--weights": st.column_config.TextColumn(width="small"),
        },
    )  # fmt: skip
    # Below, since a phone shows the table's buttons above it.
    st.caption("A column's menu sorts by it; the box before a run opens it.")


def main() -> None:
    """The page."""
    run = open_page("Training", HOW_TO_READ)
    states = {other.name: other.state for other in found_runs() if other.has(runs.HISTORY_FILE)}
    others = [name for name in states if name != run.name]
    is_live = runs.RUNNING in (run.state, *(states[name] for name in overlaid(others)))
    every = SECONDS_BETWEEN_LOOKS if is_live else None
    st.fragment(show_status, run_every=every)(run.path)
    show_controls(others)
    st.fragment(show_curves_and_runs, run_every=every)(run.path, others)


main()
