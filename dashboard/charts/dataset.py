"""What a dataset consists of: classes, shapes; a click on a bar or dot chooses its photos."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboard.charts.style import FADED, bar, colour, figure, legend_on_top, plain, query

_RATIO_STEP = 0.125
# Photos beyond 1:4 and 4:1 count in the outermost bars.
_LARGEST_RATIO = 9999
_RATIO_TICKS = {-2: "1:4", -1: "1:2", -0.585: "2:3", 0: "1:1", 0.585: "3:2", 1: "2:1", 2: "4:1"}


def class_balance(
    photos: pd.DataFrame, is_chosen: NDArray[np.bool_], class_names: Sequence[str], splits: dict[str, str]
) -> go.Figure:
    """Bars of labelled photos per class, grouped by split; of each the part that is chosen in full colour.

    Args:
        photos: As `dashboard.photos.photo_table` gives them, n rows.
        is_chosen: Which of them are chosen, shape (n,).
        class_names: The K names in index order.
        splits: A word for each split that has a bar.
    """
    traces: list[dict[str, Any]] = []
    for index, (split, word) in enumerate(splits.items()):
        of_split = (photos["split"] == split).to_numpy()
        counts = [_counts(photos, of_split & mask, len(class_names)) for mask in (is_chosen, ~is_chosen)]
        queries = [query(split=split, true=name) for name in class_names]
        traces += _bars(word, [plain(name) for name in class_names], counts, queries, index)
    return figure(
        traces,
        xaxis={"type": "category"},  # Names that are numbers stay names.
        yaxis={"title": "photos"},
        barmode="stack",
        height=340,
        **legend_on_top(),
    )


def _counts(photos: pd.DataFrame, mask: NDArray[np.bool_], n_classes: int) -> NDArray[np.int64]:
    labels = photos["true_label"].to_numpy()[mask]
    return np.bincount(labels[labels >= 0], minlength=n_classes)


def _bars(
    name: str, x: list[str], counts: list[NDArray[np.int64]], queries: list[str], group: int
) -> Iterator[dict[str, Any]]:
    """Two bars upon each other, chosen and not; groups stand side by side."""
    total = counts[0] + counts[1]
    for values, opacity, word in zip(counts, (1.0, FADED), ("chosen", "not chosen"), strict=True):
        yield bar(
            name=name, x=x, y=values.tolist(), offsetgroup=str(group), legendgroup=name, showlegend=opacity == 1,
            marker={"color": colour(group), "opacity": opacity},
            customdata=list(zip(queries, total.tolist(), strict=True)),
            hovertemplate=f"%{{x}}, {name}: %{{customdata[1]}} photos, %{{y}} {word}<extra></extra>",
        )  # fmt: skip


def photo_shapes(photos: pd.DataFrame, is_chosen: NDArray[np.bool_], n_shapes: int = 12) -> go.Figure:
    """Bars of the commonest widths and heights.

    Args:
        photos: As `dashboard.photos.photo_table` gives them, n rows.
        is_chosen: Which of them are chosen, shape (n,).
        n_shapes: How many bars at most.
    """
    shapes = photos[["width", "height"]].astype("float")
    commonest = shapes.dropna().value_counts().head(n_shapes)
    pairs = [(int(width), int(height)) for width, height in commonest.index]
    chosen = shapes[is_chosen].dropna().value_counts().reindex(commonest.index, fill_value=0)
    counts = [chosen.to_numpy(), commonest.to_numpy() - chosen.to_numpy()]
    words = [f"{width} x {height}" for width, height in pairs]
    traces = [
        bar(
            y=words, x=values.tolist(), orientation="h", marker={"color": colour(0), "opacity": opacity},
            customdata=[query(shape=f"{width}x{height}") for width, height in pairs],
            hovertemplate=f"%{{y}} pixels: %{{x}} photos {word}<extra></extra>",
        )
        for values, opacity, word in zip(counts, (1.0, FADED), ("chosen", "not chosen"), strict=True)
    ]  # fmt: skip
    return figure(
        traces,
        xaxis={"title": "photos"},
        yaxis={"autorange": "reversed", "type": "category"},
        barmode="stack",
        height=340,
        showlegend=False,
        margin={"t": 40, "b": 10},
    )


def aspect_ratios(photos: pd.DataFrame, is_chosen: NDArray[np.bool_]) -> go.Figure:
    """Histogram of width divided by height on a logarithmic axis: 1 is square, left of it portrait.

    Args:
        photos: As `dashboard.photos.photo_table` gives them, n rows.
        is_chosen: Which of them are chosen, shape (n,).
    """
    edges = np.round(2 ** np.arange(-2.0, 2.01, _RATIO_STEP), 4)
    edges[[0, -1]] = 0, _LARGEST_RATIO
    ratios = (photos["width"] / photos["height"]).to_numpy(dtype=float)
    middles = np.arange(-2.0, 2.0, _RATIO_STEP) + _RATIO_STEP / 2
    queries = [query(ratio=f"{low:g}-{high:g}") for low, high in pairwise(edges)]
    traces = []
    for mask, opacity in ((is_chosen, 1.0), (~is_chosen, FADED)):
        known = ratios[mask & ~np.isnan(ratios)]
        trace = bar(
            x=middles, y=np.bincount(np.digitize(known, edges) - 1, minlength=len(middles))[: len(middles)].tolist(),
            width=0.95 * _RATIO_STEP, marker={"color": colour(0), "opacity": opacity},
            customdata=list(zip(queries, 2**middles, strict=True)),
            hovertemplate="width : height about %{customdata[1]:.2f}: %{y} photos<extra></extra>",
        )  # fmt: skip
        traces.append(trace)
    ticks = {"tickvals": list(_RATIO_TICKS), "ticktext": list(_RATIO_TICKS.values())}
    return figure(
        traces,
        xaxis={"title": "width : height", **ticks},
        yaxis={"title": "photos"},
        barmode="stack",
        height=340,
        showlegend=False,
        margin={"t": 40, "b": 10},
    )
