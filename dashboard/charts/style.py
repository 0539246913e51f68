"""Colours and layouts that charts share.

Colours are Okabe and Ito's, which people with colour-blindness can tell apart; where a colour carries a meaning, a
shape or a word carries it too. They are meant for light and dark pages alike.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import plotly.graph_objects as go

PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999")
RIGHT, WRONG = "#009e73", "#d55e00"
NEUTRAL = "#8a949e"
# The frame of what is chosen, and how much is left of what is not.
HIGHLIGHT = "#d55e00"
FADED = 0.25


def colour(index: int) -> str:
    """The colour of a class or run by its index."""
    return PALETTE[index % len(PALETTE)]


def query(**conditions: object) -> str:
    """The part of an address that a click on a mark stands for."""
    return urlencode({key: value for key, value in conditions.items() if value is not None})


def plain(text: str) -> str:
    """Text from outside, so that plotly shows it as it is: it takes `<b>` and `&amp;` for HTML, `%{x}` for a value."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("%{", "%&#123;")


def figure(traces: Sequence[Mapping[str, Any]], **layout: Any) -> go.Figure:
    """A chart of its traces and its layout, all at once: bit by bit takes plotly four times as long."""
    return go.Figure({"data": traces, "layout": layout})


def bar(**properties: Any) -> dict[str, Any]:
    """A trace of bars, for `figure`."""
    return {"type": "bar", **properties}


def scatter(**properties: Any) -> dict[str, Any]:
    """A trace of dots or lines, for `figure`."""
    return {"type": "scatter", **properties}


def vertical_line(x: float, **look: Any) -> dict[str, Any]:
    """A line from the bottom to the top of a chart, one of the `shapes` of a layout."""
    return {"type": "line", "x0": x, "x1": x, "xref": "x", "y0": 0, "y1": 1, "yref": "y domain", **look}


def legend_on_top() -> dict[str, Any]:
    """Layout of a figure with its legend above, below the toolbar."""
    return {"legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}, "margin": {"t": 60, "b": 10}}
