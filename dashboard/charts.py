"""Tables in, plotly figures out; no Streamlit in here.

Colours are Okabe and Ito's, which people with colour-blindness can tell apart; where a colour carries a meaning, a
shape or a word carries it too.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999")
HIGHLIGHT = "#d55e00"

MatrixMode = Literal["Counts", "Row %"]
Cell = tuple[int, int]


def colour(index: int) -> str:
    """The colour of a class or run by its index."""
    return PALETTE[index % len(PALETTE)]


def class_balance(counts: pd.DataFrame) -> go.Figure:
    """Bars of photos per class, grouped by split.

    Args:
        counts: Rows are class names, columns splits, values photos.
    """
    figure = go.Figure()
    for index, split in enumerate(counts.columns):
        figure.add_bar(
            name=str(split),
            x=list(counts.index),
            y=counts[split].tolist(),
            text=counts[split].tolist(),
            marker_color=colour(index),
            hovertemplate="%{x}, " + str(split) + ": %{y} photos<extra></extra>",
        )
    figure.update_xaxes(type="category")  # Names that are numbers stay names.
    figure.update_layout(barmode="group", height=340, yaxis_title="photos", **_legend_on_top())
    return figure


def photo_sizes(samples: pd.DataFrame, class_names: Sequence[str]) -> go.Figure:
    """Width against height; photos of one size are one dot whose area is their number.

    Args:
        samples: Rows with `width`, `height`, `label` (missing for test photos).
        class_names: The K names in index order.
    """
    figure = go.Figure()
    groups = [(name, samples[samples["label"] == label]) for label, name in enumerate(class_names)]
    groups.append(("test", samples[samples["label"].isna()]))
    largest = max(
        (int(photos.value_counts(["width", "height"]).max()) for _, photos in groups if len(photos)), default=1
    )
    for index, (name, photos) in enumerate(groups):
        sizes = photos.value_counts(["width", "height"]).reset_index(name="count")
        figure.add_scatter(
            name=name,
            x=sizes["width"],
            y=sizes["height"],
            mode="markers",
            customdata=sizes[["count"]],
            marker={
                "color": colour(index),
                "opacity": 0.6,
                "size": sizes["count"],
                "sizemode": "area",
                "sizemin": 3,
                "sizeref": 2 * largest / 30**2,
            },
            hovertemplate="%{x} x %{y} pixels: %{customdata[0]} photos<extra>" + name + "</extra>",
        )
    figure.update_layout(height=340, xaxis_title="width, pixels", yaxis_title="height, pixels", **_legend_on_top())
    figure.update_layout(legend_itemsizing="constant")
    figure.update_xaxes(rangemode="tozero")
    figure.update_yaxes(rangemode="tozero")
    return figure


def aspect_ratios(samples: pd.DataFrame) -> go.Figure:
    """Histogram of width divided by height on a logarithmic axis: 1 is square, left of it portrait.

    Photos beyond 1:4 and 4:1 count in the outermost bars.
    """
    ratios = np.log2(samples["width"] / samples["height"]).clip(-2, 2)
    counts, edges = np.histogram(ratios, bins=np.arange(-2.0, 2.01, 0.125))
    middles = (edges[:-1] + edges[1:]) / 2
    figure = go.Figure(
        go.Bar(
            x=middles,
            y=counts,
            width=0.125,
            marker_color=colour(0),
            customdata=2**middles,
            hovertemplate="width : height about %{customdata:.2f}: %{y} photos<extra></extra>",
        )
    )
    ticks = {-2: "1:4", -1: "1:2", -0.585: "2:3", 0: "1:1", 0.585: "3:2", 1: "2:1", 2: "4:1"}
    figure.update_layout(
        height=340, bargap=0.05, xaxis_title="width : height", yaxis_title="photos", **_legend_on_top()
    )
    figure.update_xaxes(tickvals=list(ticks), ticktext=list(ticks.values()))
    return figure


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
    figure.update_layout(height=380, xaxis_title="epoch", yaxis_title=metric, hovermode="closest", **_legend_on_top())
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


def confusion_matrix(
    matrix: NDArray[np.integer[Any]], class_names: Sequence[str], mode: MatrixMode, selected: Cell | None = None
) -> go.Figure:
    """The confusion matrix as a heat map whose every cell can be clicked.

    Plotly reports no clicks on heat maps, so transparent squares lie over the cells; their `customdata` is
    (true label, predicted label).

    Args:
        matrix: Counts, shape (K, K); rows are true, columns predicted classes.
        class_names: The K names in index order.
        mode: Whether cells are coloured and labelled by counts, or by the share of their row.
        selected: Cell to frame, as (true label, predicted label).
    """
    n = len(class_names)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    values, texts = (matrix, matrix.astype(str)) if mode == "Counts" else (shares, np.char.mod("%.0f %%", 100 * shares))
    figure = go.Figure(
        go.Heatmap(
            z=values, x=list(range(n)), y=list(range(n)), text=texts, texttemplate="%{text}", textfont_size=18,
            colorscale="Blues", zmin=0, showscale=False, hoverinfo="skip", xgap=2, ygap=2,
        )
    )  # fmt: skip
    cells = [(true, predicted) for true in range(n) for predicted in range(n)]
    figure.add_scatter(
        x=[predicted for _, predicted in cells],
        y=[true for true, _ in cells],
        mode="markers",
        showlegend=False,
        marker={"symbol": "square", "size": 60, "opacity": 0},
        selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
        customdata=cells,
        text=[
            f"true: {class_names[true]}<br>predicted: {class_names[predicted]}<br>"
            f"{matrix[true, predicted]} photos, {shares[true, predicted]:.0%} of the row"
            for true, predicted in cells
        ],
        hovertemplate="%{text}<extra></extra>",
    )
    if selected is not None:
        true, predicted = selected
        figure.add_shape(
            type="rect", x0=predicted - 0.48, x1=predicted + 0.48, y0=true - 0.48, y1=true + 0.48,
            line={"color": HIGHLIGHT, "width": 4},
        )  # fmt: skip
    # Without fixed ranges the transparent squares would widen the axes; hoverdistance -1 makes all of a cell clickable.
    axis = {"tickvals": list(range(n)), "ticktext": list(class_names), "fixedrange": True, "showgrid": False}
    figure.update_xaxes(**axis, zeroline=False, range=[-0.5, n - 0.5], title="predicted")
    figure.update_yaxes(**axis, zeroline=False, range=[n - 0.5, -0.5], title="true")
    figure.update_layout(
        height=160 + 90 * n if n <= 6 else 700, dragmode=False, hovermode="closest", hoverdistance=-1, margin_t=10
    )
    return figure


def class_recall(classes: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Recall of each class with its interval.

    Args:
        classes: As `core.evaluation.per_class` gives them.
    """
    recalls = np.array([scores["recall"] for scores in classes])
    intervals = np.array([scores["recall_interval"] for scores in classes])
    figure = go.Figure(
        go.Bar(
            x=recalls,
            y=[scores["class_name"] for scores in classes],
            orientation="h",
            marker_color=colour(0),
            error_x={
                "type": "data",
                "symmetric": False,
                "array": intervals[:, 1] - recalls,
                "arrayminus": recalls - intervals[:, 0],
                "color": "#888888",
            },
            customdata=[(*scores["recall_interval"], scores["support"]) for scores in classes],
            hovertemplate="%{y}: %{x:.0%} found (95 % interval %{customdata[0]:.0%} to %{customdata[1]:.0%}), "
            "%{customdata[2]} photos<extra></extra>",
        )
    )
    figure.update_xaxes(range=[0, 1.02], tickformat=".0%", tickvals=[0, 0.25, 0.5, 0.75, 1], title="recall")
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_layout(height=110 + 50 * len(classes), margin={"t": 10, "b": 10, "r": 24})
    return figure


def probabilities(values: Sequence[float], class_names: Sequence[str], true_label: int | None = None) -> go.Figure:
    """A photo's probabilities as bars, the true class marked if it is known."""
    names = [f"{name} (true)" if label == true_label else name for label, name in enumerate(class_names)]
    best = int(np.argmax(values))
    figure = go.Figure(
        go.Bar(
            x=list(values),
            y=names,
            orientation="h",
            text=[f"{value:.1%}" for value in values],
            textposition="outside",
            textangle=0,
            cliponaxis=False,
            marker_color=[colour(0) if label == best else "#9aa5b1" for label in range(len(values))],
            hovertemplate="%{y}: %{x:.2%}<extra></extra>",
        )
    )
    # Room on the right for the figure of a full bar.
    figure.update_xaxes(range=[0, 1.18], tickvals=[0, 0.5, 1], tickformat=".0%", fixedrange=True)
    figure.update_yaxes(autorange="reversed", fixedrange=True, type="category")
    figure.update_layout(height=70 + 40 * len(values), margin={"t": 10, "b": 10})
    return figure


def _legend_on_top() -> dict[str, Any]:
    return {"legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}, "margin": {"t": 50, "b": 10}}
