"""The map of a run's photos: what looks alike to the network lies close together."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboard.charts.style import HIGHLIGHT, figure, legend_on_top, plain, scatter

# Beyond, names would make the message larger than the places.
_MAX_NAMED = 20_000
_OPACITY, _FADED = 0.8, 0.12


def photo_map(
    positions: NDArray[np.float64],
    groups: Mapping[str, tuple[NDArray[np.bool_], str]],
    is_chosen: NDArray[np.bool_],
    names: "pd.Series[str]",
    area: Sequence[tuple[float, float]] | None = None,
) -> go.Figure:
    """A dot a photo; those that are not chosen are pale.

    Args:
        positions: Places in the unit square, shape (n, 2); missing ones are left out.
        groups: For each entry of the legend which photos it holds, shape (n,), and its colour.
        is_chosen: Which photos are chosen, shape (n,).
        names: What to show of a photo under the pointer, n of them.
        area: Corners of the area that is chosen.
    """
    traces = []
    is_placed = ~np.isnan(positions).any(axis=1)
    texts = np.array([plain(name) for name in names], dtype=object) if len(positions) <= _MAX_NAMED else None
    places = positions.astype(np.float32)  # Finer than any screen, and half the message.
    for mask, opacity in ((~is_chosen, _FADED), (is_chosen, _OPACITY)):
        for name, (members, hue) in groups.items():
            rows = np.flatnonzero(members & mask & is_placed)
            if not len(rows) and opacity == _FADED:
                continue
            trace = scatter(
                type="scattergl", name=plain(name), legendgroup=name, showlegend=opacity == _OPACITY,
                x=places[rows, 0], y=places[rows, 1], mode="markers",
                marker={"color": hue, "size": 6, "opacity": opacity},
                text=None if texts is None else texts[rows],
                hovertemplate=None if texts is None else f"%{{text}}<extra>{plain(name)}</extra>",
                hoverinfo="skip" if texts is None else None,
            )  # fmt: skip
            traces.append(trace)
    border = {
        "type": "path",
        "path": "M" + "L".join(f"{x},{y}" for x, y in area or ()) + "Z",
        "line": {"color": HIGHLIGHT, "width": 2},
        "layer": "below",
    }
    (left, right), (low, high) = (_extent(positions[is_placed, column]) for column in (0, 1))
    axis = {"showticklabels": False, "zeroline": False, "showgrid": False, "constrain": "domain"}
    return figure(
        traces,
        xaxis={**axis, "range": [left, right]},
        # The same unit both ways, else distances would mean different things.
        yaxis={**axis, "range": [low, high], "scaleanchor": "x"},
        shapes=[border] if area else [],
        height=620,
        dragmode="lasso",
        hovermode="closest",
        uirevision="map",
        **legend_on_top(),
    )


def _extent(values: NDArray[np.float64]) -> tuple[float, float]:
    """From the lowest to the highest with some air around."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    air = 0.03 + 0.02 * (high - low)
    return low - air, high + air
