"""How right the network is: matrix, classes, confidence; clicks choose the photos behind a mark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboard.charts.style import HIGHLIGHT, figure, plain, query, scatter

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
    n, shown = len(class_names), [plain(name) for name in class_names]
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    values, texts = _cells(matrix, shares, mode)
    colours = {
        "type": "heatmap", "z": values, "x": list(range(n)), "y": list(range(n)), "colorscale": _MATRIX_SCALE,
        "zmin": 0, "zmax": max(float(np.max(values)), 1e-9), "showscale": False, "hoverinfo": "skip",
        "xgap": 2, "ygap": 2,
    }  # fmt: skip
    cells = [(true, predicted) for true in range(n) for predicted in range(n)]
    squares = scatter(
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
            f"true: {shown[true]}<br>predicted: {shown[predicted]}<br>"
            f"{matrix[true, predicted]} photos, {shares[true, predicted]:.0%} of the row"
            for true, predicted in cells
        ],
        hovertemplate="%{hovertext}<extra></extra>",
    )
    # Without fixed ranges the transparent squares would widen the axes; hoverdistance -1 makes all of a cell clickable.
    axis = {
        "tickvals": list(range(n)), "ticktext": shown, "fixedrange": True, "showgrid": False, "zeroline": False,
    }  # fmt: skip
    return figure(
        [colours, squares],
        shapes=[_frame(selected)] if selected else [],
        xaxis={**axis, "range": [-0.5, n - 0.5], "title": "predicted"},
        yaxis={**axis, "range": [n - 0.5, -0.5], "title": "true"},
        height=160 + 90 * n if n <= 6 else 700,
        dragmode=False,
        hovermode="closest",
        hoverdistance=-1,
        margin={"t": 40},
    )


def _frame(cell: Cell) -> dict[str, Any]:
    true, predicted = cell
    return {
        "type": "rect", "x0": predicted - 0.48, "x1": predicted + 0.48, "y0": true - 0.48, "y1": true + 0.48,
        "line": {"color": HIGHLIGHT, "width": 4},
    }  # fmt: skip


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


@dataclass(frozen=True)
class Bar:
    """A share with its interval.

    Attributes:
        name: What it is of.
        share: 0..1.
        low: Lower end of the 95 % interval.
        high: Upper end.
        text: All of that in words.
        query: The part of an address that a click stands for.
        is_chosen: Whether that is chosen.
    """

    name: str
    share: float
    low: float
    high: float
    text: str
    query: str
    is_chosen: bool


def class_recall(classes: Sequence[Mapping[str, Any]], selected: str | None = None) -> list[Bar]:
    """Recall of each class with its interval; a click chooses the held-out photos of the class.

    Args:
        classes: As `core.evaluation.per_class` gives them.
        selected: Name of the class that is chosen.
    """
    return [_recall_bar(scores, scores["class_name"] == selected) for scores in classes]


def _recall_bar(scores: Mapping[str, Any], is_chosen: bool) -> Bar:
    name, recall, (low, high) = scores["class_name"], scores["recall"], scores["recall_interval"]
    text = f"{name}: {recall:.0%} found (95 % interval {low:.0%} to {high:.0%}), {scores['support']} photos"
    return Bar(name, recall, low, high, text, query(split="val", true=name), is_chosen)
