"""How photos do slice by slice of what is known of them; a click on a slice chooses its photos."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.charts.style import FADED, HIGHLIGHT, NEUTRAL, colour, figure, query, scatter, vertical_line
from dashboard.selection import RANGES, Selection, bound_texts, to_params

_ROW, _BESIDE_ROWS = 46, 100


def slice_names(slices: pd.DataFrame) -> list[str]:
    """What each slice of one property holds, in words; the outermost ones are open.

    Args:
        slices: Those of one property, at least two or none, in the order of its values; see
            `core.slices.find_slices`.
    """
    lows = slices["low"].tolist()
    if not lows:
        return []
    column = slices["property"].iloc[0]
    if column == "copies":
        return [_number_of_copies(low, high) for low, high in zip(lows, slices["high"], strict=True)]
    unit, cuts = RANGES[column].unit, bound_texts(column, lows[1:])
    between = [f"{low} to {high}{unit}" for low, high in pairwise(cuts)]
    return [f"below {cuts[0]}{unit}", *between, f"{cuts[-1]}{unit} or more"]


def _number_of_copies(low: float, high: float) -> str:
    if high <= 1:
        return "none"
    return "1" if high <= 2 else f"{low:.0f} or more"


def slice_accuracy(
    slices: pd.DataFrame, overall: float, lowest: float = 0.0, chosen: tuple[float, float] | None = None
) -> go.Figure:
    """Accuracy of each slice of one property with its interval, and that of all photos as a line.

    Args:
        slices: Those of one property, in the order of its values; see `core.slices.find_slices`.
        overall: Accuracy of all held-out photos.
        lowest: Where the axis begins; charts beside each other share it.
        chosen: The range of the property that is chosen; the other slices are pale.
    """
    labels = [f"{name}<br>{n:,} photos" for name, n in zip(slice_names(slices), slices["n_images"], strict=True)]
    bounds = list(zip(slices["low"], slices["high"], strict=True))
    is_full = np.array([chosen is None or chosen == each for each in bounds], dtype=bool)
    traces = []
    for mask, opacity in ((is_full, 1.0), (~is_full, FADED)):
        part = slices[mask]
        trace = scatter(
            x=part["accuracy"], y=np.array(labels)[mask], mode="markers", opacity=opacity,
            marker={
                "color": colour(0), "size": 14,
                "line": {"color": HIGHLIGHT, "width": 0 if chosen is None or opacity < 1 else 3},
            },
            error_x={
                "type": "data", "symmetric": False, "array": part["accuracy_high"] - part["accuracy"],
                "arrayminus": part["accuracy"] - part["accuracy_low"], "color": NEUTRAL,
            },
            customdata=_queries(part),
            hovertemplate="%{x:.1%} right (95 % interval %{customdata[1]:.1%} to %{customdata[2]:.1%}) of "
            "%{customdata[3]:,} photos<extra></extra>",
        )  # fmt: skip
        traces.append(trace)
    return figure(
        traces,
        shapes=[vertical_line(overall, layer="below", line={"color": NEUTRAL, "dash": "dash"})],
        xaxis={"range": [lowest, 1.02], "tickformat": ".0%", "title": "accuracy", "fixedrange": True},
        yaxis={
            "autorange": "reversed", "type": "category", "categoryorder": "array", "categoryarray": labels,
            "fixedrange": True,
        },
        height=_BESIDE_ROWS + _ROW * len(slices),
        showlegend=False,
        hovermode="closest",
        hoverdistance=-1,  # A click beside a dot finds it, too.
        margin={"t": 30, "b": 10, "r": 16},
    )  # fmt: skip


def _queries(slices: pd.DataFrame) -> list[tuple[str, float, float, int]]:
    """What a click on each slice chooses, its interval and its number of photos."""
    columns = ["property", "low", "high", "accuracy_low", "accuracy_high", "n_images"]
    return [
        (query(**to_params(slice_selection(column, low, high))), *numbers)
        for column, low, high, *numbers in slices[columns].itertuples(index=False)
    ]


def slice_selection(column: str, low: float, high: float) -> Selection:
    """What chooses the photos of a slice."""
    return replace(Selection(split="val"), **{column: (low, high)})  # type: ignore[arg-type]
