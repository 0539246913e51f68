"""Did the training go well, and how do runs differ?"""

import pandas as pd
import streamlit as st

from core import runs
from core.config import default_runs_dir
from core.runs import RunError
from dashboard import data
from dashboard.charts import training as charts
from dashboard.page import escaped, open_page, progress_text

HOW_TO_READ = (
    "Loss and accuracy after each epoch: training dotted, validation solid. The star marks the epoch whose weights "
    "were kept, a dashed upright line the begin of fine-tuning. Solid rising while dotted falls means overfitting."
)


def summary(histories: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """A row a run: its best epoch and the figures there."""
    rows = []
    for name, history in histories.items():
        best = history.iloc[charts.best_epoch(history)]
        rows.append(
            {
                "run": name,
                "epochs": len(history),
                "best epoch": charts.best_epoch(history) + 1,
                "val_loss": best["val_loss"],
                "val_accuracy": best["val_accuracy"],
                "loss": best["loss"],
                "accuracy": best["accuracy"],
                "seconds": history["seconds"].sum(),
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    """The page."""
    run = open_page("Training", HOW_TO_READ)
    if run.state == runs.RUNNING:
        st.info(f"This run is training: {progress_text(run)}.", icon=":material/model_training:")
    found, _ = runs.list_runs(default_runs_dir())
    by_name = {other.name: other for other in found if other.has(runs.HISTORY_FILE)}
    others = [name for name in by_name if name != run.name]
    overlaid = st.multiselect("Overlay other runs", others, key="overlay", bind="query-params", placeholder="none")
    names = [name for name in (run.name, *overlaid) if name in by_name]
    if not names:
        st.info("This run has not finished an epoch yet.", icon=":material/hourglass_empty:")
        st.stop()
    histories = {}
    for name in names:
        try:
            histories[name] = data.history(by_name[name])
        except RunError as error:
            if name == run.name:
                raise
            st.caption(escaped(f"{name} cannot be overlaid. {error}"))
    histories = {name: history for name, history in histories.items() if len(history)}
    for column, metric in zip(st.columns(2), ("loss", "accuracy"), strict=True):
        with column:
            st.subheader(metric.capitalize(), anchor=False)
            st.plotly_chart(charts.curves(histories, "loss" if metric == "loss" else "accuracy"))
    st.dataframe(summary(histories), hide_index=True)


main()
