"""Curves of loss and accuracy."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.charts.style import colour, legend_on_top


def curves(histories: Mapping[str, pd.DataFrame], metric: Literal["loss", "accuracy"]) -> go.Figure:
    """A metric over epochs, a colour a run: training dotted, validation solid, the best epoch as a star.

    Args:
        histories: Tables as in `history.csv` by run name.
        metric: Which of the two.
    """
    figure = go.Figure()
    for index, (name, history) in enumerate(histories.items()):
        epochs = list(range(1, len(history) + 1))  # Counted on through the stages.
        for column, label, dash in ((metric, "train", "dot"), (f"val_{metric}", "val", "solid")):
            figure.add_scatter(
                name=f"{name}, {label}" if len(histories) > 1 else _SPLIT_WORDS[label],
                x=epochs,
                y=history[column].tolist(),
                mode="lines" if len(history) > 1 else "markers",
                line={"color": colour(index), "dash": dash},
                customdata=history["stage"].map(_STAGE_WORDS),
                hovertemplate=f"epoch %{{x}}, %{{customdata}}: {metric} %{{y:.3f}}<extra>{name}, {label}</extra>",
            )
        for start in stage_starts(history):
            figure.add_vline(
                x=start + 0.5,
                line={"color": colour(index), "dash": "dash", "width": 1},
                annotation={"text": "fine-tuning", "xanchor": "left", "yanchor": "top"},
            )
        best = best_epoch(history)
        figure.add_scatter(
            name="best epoch",
            x=[epochs[best]],
            y=[history[f"val_{metric}"].iloc[best]],
            mode="markers",
            marker={"symbol": "star", "size": 14, "color": colour(index), "line": {"color": "white", "width": 1}},
            showlegend=len(histories) == 1,
            hovertemplate=f"best epoch %{{x}}: {metric} %{{y:.3f}}<extra>{name}</extra>",
        )
    figure.update_layout(height=380, xaxis_title="epoch", yaxis_title=metric, hovermode="closest", **legend_on_top())
    if metric == "accuracy":
        figure.update_yaxes(range=[0, 1.02])
    else:
        figure.update_yaxes(rangemode="tozero")
    return figure


_SPLIT_WORDS = {"train": "training", "val": "validation"}
_STAGE_WORDS = {"head": "head", "fine_tune": "fine-tuning"}


def stage_starts(history: pd.DataFrame) -> list[int]:
    """Rows at which another stage begins than the row before."""
    stages = history["stage"].tolist()
    return [row for row in range(1, len(stages)) if stages[row] != stages[row - 1]]


def best_epoch(history: pd.DataFrame) -> int:
    """Row of the lowest `val_loss`, whose weights were kept."""
    return int(history["val_loss"].fillna(np.inf).to_numpy().argmin())
