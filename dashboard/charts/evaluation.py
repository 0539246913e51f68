"""How right the network is: matrix, classes, confidence; clicks choose the photos behind a mark."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboard.charts.style import HIGHLIGHT, NEUTRAL, colour, query

MatrixMode = Literal["Counts", "Row %", "Errors only"]
Cell = tuple[int, int]
# Clear on white and on black: see-through where there is little.
_MATRIX_SCALE = [[0, "rgba(0, 114, 178, 0.04)"], [0.5, "rgba(0, 114, 178, 0.5)"], [1, "rgba(0, 114, 178, 0.92)"]]


def confusion_matrix(
    matrix: NDArray[np.integer[Any]],
    class_names: Sequence[str],
    mode: MatrixMode,
    selected: Cell | None = None,
    ink: str = "#1c242c",
) -> go.Figure:
    """The confusion matrix as a heat map whose every cell can be clicked.

    Plotly reports no clicks on heat maps, so transparent squares lie over the cells.

    Args:
        matrix: Counts of held-out photos, shape (K, K); rows are true, columns predicted classes.
        class_names: The K names in index order.
        mode: What cells are coloured by and hold: counts, shares of their row, or counts without the diagonal.
        selected: Cell to frame, as (true label, predicted label).
        ink: Colour of text on pale cells.
    """
    n = len(class_names)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    values, texts = _cells(matrix, shares, mode)
    figure = go.Figure(
        go.Heatmap(
            z=values, x=list(range(n)), y=list(range(n)), colorscale=_MATRIX_SCALE, zmin=0,
            zmax=max(float(np.max(values)), 1e-9), showscale=False, hoverinfo="skip", xgap=2, ygap=2,
        )
    )  # fmt: skip
    cells = [(true, predicted) for true in range(n) for predicted in range(n)]
    figure.add_scatter(
        x=[predicted for _, predicted in cells],
        y=[true for true, _ in cells],
        mode="markers+text",
        showlegend=False,
        text=[texts[cell] for cell in cells],
        textfont={"size": 18, "color": np.where(values > 0.5 * np.max(values), "#ffffff", ink).ravel().tolist()},
        marker={"symbol": "square", "size": 60, "opacity": 0},
        selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
        customdata=[
            query(split="val", true=class_names[true], predicted=class_names[predicted]) for true, predicted in cells
        ],
        hovertext=[
            f"true: {class_names[true]}<br>predicted: {class_names[predicted]}<br>"
            f"{matrix[true, predicted]} photos, {shares[true, predicted]:.0%} of the row"
            for true, predicted in cells
        ],
        hovertemplate="%{hovertext}<extra></extra>",
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
        height=160 + 90 * n if n <= 6 else 700, dragmode=False, hovermode="closest", hoverdistance=-1, margin_t=40
    )
    return figure


def _cells(
    matrix: NDArray[np.integer[Any]], shares: NDArray[np.float64], mode: MatrixMode
) -> tuple[NDArray[Any], NDArray[np.str_]]:
    """Values and texts of the cells."""
    if mode == "Row %":
        return shares, np.char.mod("%.0f %%", 100 * shares)
    if mode == "Errors only":
        is_diagonal = np.eye(len(matrix), dtype=bool)
        return np.where(is_diagonal, 0, matrix), np.where(is_diagonal, "", matrix.astype(str))
    return matrix, matrix.astype(str)


def class_recall(classes: Sequence[Mapping[str, Any]], selected: str | None = None) -> go.Figure:
    """Recall of each class with its interval; a click chooses the held-out photos of the class.

    Args:
        classes: As `core.evaluation.per_class` gives them.
        selected: Name of the class that is chosen.
    """
    recalls = np.array([scores["recall"] for scores in classes])
    intervals = np.array([scores["recall_interval"] for scores in classes])
    names = [scores["class_name"] for scores in classes]
    figure = go.Figure(
        go.Bar(
            x=recalls,
            y=names,
            orientation="h",
            marker={
                "color": colour(0),
                "line": {"color": HIGHLIGHT, "width": [4 if name == selected else 0 for name in names]},
            },
            error_x={
                "type": "data",
                "symmetric": False,
                "array": intervals[:, 1] - recalls,
                "arrayminus": recalls - intervals[:, 0],
                "color": NEUTRAL,
            },
            customdata=[
                (query(split="val", true=scores["class_name"]), *scores["recall_interval"], scores["support"])
                for scores in classes
            ],
            hovertemplate="%{y}: %{x:.0%} found (95 % interval %{customdata[1]:.0%} to %{customdata[2]:.0%}), "
            "%{customdata[3]} photos<extra></extra>",
        )
    )
    figure.update_xaxes(range=[0, 1.02], tickformat=".0%", tickvals=[0, 0.25, 0.5, 0.75, 1], title="recall")
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_layout(height=140 + 50 * len(classes), margin={"t": 40, "b": 10, "r": 24})
    return figure
