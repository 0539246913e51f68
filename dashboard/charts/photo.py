"""Charts about one photo."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from dashboard.charts.style import bar, colour, figure, plain


def probabilities(values: Sequence[float], class_names: Sequence[str], true_label: int | None = None) -> go.Figure:
    """A photo's probabilities as bars, the true class marked if it is known."""
    names = [plain(name) + " (true)" * (label == true_label) for label, name in enumerate(class_names)]
    best = int(np.argmax(values))
    bars = bar(
        x=list(values), y=names, orientation="h", text=[f"{value:.1%}" for value in values],
        textposition="outside", textangle=0, cliponaxis=False,
        marker={"color": [colour(0) if label == best else "#9aa5b1" for label in range(len(values))]},
        hovertemplate="%{y}: %{x:.2%}<extra></extra>",
    )  # fmt: skip
    return figure(
        [bars],
        # Room on the right for the figure of a full bar.
        xaxis={"range": [0, 1.18], "tickvals": [0, 0.5, 1], "tickformat": ".0%", "fixedrange": True},
        yaxis={"autorange": "reversed", "fixedrange": True, "type": "category"},
        height=70 + 40 * len(values),
        margin={"t": 10, "b": 10},
    )
