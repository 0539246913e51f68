"""How far confidence can be trusted: histogram, reliability, coverage, and ranking curves; clicks choose photos."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboard.charts.style import (
    FADED,
    NEUTRAL,
    RIGHT,
    WRONG,
    bar,
    colour,
    figure,
    legend_on_top,
    plain,
    query,
    scatter,
)

_HEIGHT = 360
_CONFIDENCE_AXIS = {"title": "confidence", "range": [0, 1.01], "tickformat": ".0%"}


def confidence_histogram(bins: pd.DataFrame, chosen: pd.DataFrame) -> go.Figure:
    """Photos by confidence, right below wrong ones; the part that is chosen in full colour.

    Args:
        bins: As `core.reliability.confidence_histogram` gives them: `low`, `high`, `n_right`, `n_wrong`.
        chosen: The same of the photos that are chosen.
    """
    traces = []
    middles, width = (bins["low"] + bins["high"]) / 2, float(bins["high"].iloc[0] - bins["low"].iloc[0])
    for outcome, hue, pattern in (("right", RIGHT, ""), ("wrong", WRONG, "/")):
        column = f"n_{outcome}"
        for counts, opacity in ((chosen[column], 1.0), (bins[column] - chosen[column], FADED)):
            trace = bar(
                name=outcome, legendgroup=outcome, showlegend=opacity == 1, x=middles, y=counts, width=0.95 * width,
                marker={"color": hue, "opacity": opacity, "pattern": {"shape": pattern}},
                customdata=_bin_queries(bins, outcome),
                hovertemplate=f"confidence %{{customdata[1]}}: %{{y}} {outcome}<extra></extra>",
            )  # fmt: skip
            traces.append(trace)
    return figure(
        traces, xaxis=_CONFIDENCE_AXIS, yaxis={"title": "photos"}, barmode="stack", height=_HEIGHT, **legend_on_top()
    )


def _bin_queries(bins: pd.DataFrame, outcome: str | None = None) -> list[tuple[str, str]]:
    """What a click on each bin chooses, and its range in words."""
    ranges = zip(bins["low"], bins["high"], strict=True)
    return [
        (query(split="val", confidence=f"{low:g}-{high:g}", outcome=outcome), f"{low:.0%} to {high:.0%}")
        for low, high in ranges
    ]  # fmt: skip


def reliability(
    bins: pd.DataFrame, chosen: tuple[float, float] | None = None, calibrated: pd.DataFrame | None = None
) -> go.Figure:
    """Accuracy against confidence with intervals, and the number of photos behind each dot.

    Args:
        bins: As `core.reliability.reliability_bins` gives them.
        chosen: The range of confidence that is chosen.
        calibrated: The same of calibrated confidence. Its dots choose nothing: ranges that are chosen are of the other.
    """
    known = bins[bins["n_images"] > 0]
    is_chosen = [chosen == (low, high) for low, high in zip(known["low"], known["high"], strict=True)]
    photos = bar(
        name="photos", x=(bins["low"] + bins["high"]) / 2, y=bins["n_images"], yaxis="y2",
        marker={"color": NEUTRAL, "opacity": FADED}, customdata=_bin_queries(bins),
        hovertemplate="confidence %{customdata[1]}: %{y} photos<extra></extra>",
    )  # fmt: skip
    diagonal = scatter(
        name="as sure as right", x=[0, 1], y=[0, 1], mode="lines", line={"color": NEUTRAL, "dash": "dash"},
        hoverinfo="skip",
    )  # fmt: skip
    dots = scatter(
        name="accuracy", x=known["mean_confidence"], y=known["accuracy"], mode="markers+lines",
        marker={
            "color": colour(0), "size": 10,
            "line": {"color": WRONG, "width": [3 if each else 0 for each in is_chosen]},
        },
        error_y={
            "type": "data", "symmetric": False, "array": known["accuracy_high"] - known["accuracy"],
            "arrayminus": known["accuracy"] - known["accuracy_low"], "color": NEUTRAL,
        },
        customdata=[(*each, n) for each, n in zip(_bin_queries(known), known["n_images"], strict=True)],
        hovertemplate="confidence %{customdata[1]}: %{y:.0%} right of %{customdata[2]} photos<extra></extra>",
    )  # fmt: skip
    traces = [photos, diagonal, dots]
    if calibrated is not None:
        after = calibrated[calibrated["n_images"] > 0]
        dots_after = scatter(
            name="calibrated", x=after["mean_confidence"], y=after["accuracy"], mode="markers+lines", hoverinfo="skip",
            marker={"color": colour(3), "size": 8, "symbol": "diamond"}, line={"color": colour(3), "dash": "dot"},
        )  # fmt: skip
        traces.append(dots_after)
    most = max(int(bins["n_images"].max()), 1)
    return figure(
        traces,
        xaxis=_CONFIDENCE_AXIS,
        yaxis={"title": "accuracy", "range": [0, 1.02], "tickformat": ".0%"},
        # The bars stay in the lowest quarter, out of the dots' way.
        yaxis2={"overlaying": "y", "side": "right", "range": [0, 4 * most], "showgrid": False, "showticklabels": False},
        height=_HEIGHT,
        **legend_on_top(),
    )


def coverage(curve: pd.DataFrame, threshold: float) -> go.Figure:
    """Accuracy on the photos that are answered against their share, and where the threshold lies.

    Args:
        curve: As `core.reliability.coverage_curve` gives it.
        threshold: The one to mark.
    """
    known = curve[curve["n_images"] > 0]
    interval = scatter(
        x=[*known["coverage"], *known["coverage"][::-1]], y=[*known["accuracy_high"], *known["accuracy_low"][::-1]],
        fill="toself", mode="none", fillcolor="rgba(0, 114, 178, 0.15)", hoverinfo="skip", name="95 % interval",
    )  # fmt: skip
    line = scatter(
        name="accuracy", x=known["coverage"], y=known["accuracy"], mode="lines", line={"color": colour(0)},
        customdata=np.stack([known["threshold"], known["n_images"]], axis=1),
        hovertemplate="sure by %{customdata[0]:.0%}: %{x:.0%} answered, %{y:.1%} of %{customdata[1]} right"
        "<extra></extra>",
    )  # fmt: skip
    here = known[known["threshold"] >= threshold].head(1)
    mark = scatter(
        name="threshold", x=here["coverage"], y=here["accuracy"], mode="markers", hoverinfo="skip",
        marker={"symbol": "diamond", "size": 13, "color": WRONG},
    )  # fmt: skip
    return figure(
        [interval, line, mark],
        xaxis={"title": "share of photos answered", "range": [0, 1.01], "tickformat": ".0%"},
        yaxis={"title": "accuracy", "tickformat": ".0%"},
        height=_HEIGHT,
        **legend_on_top(),
    )


def ranking(
    curves: Mapping[str, pd.DataFrame], areas: Sequence[float], x: str, y: str, baseline: NDArray[np.float64] | None
) -> go.Figure:
    """A curve a class: ROC or precision and recall, one class against the rest.

    Args:
        curves: By class name, with columns x and y; empty where the class cannot be ranked.
        areas: The area under each, shown in the legend; NaN where there is none.
        x: Column along the horizontal axis.
        y: Column along the vertical axis.
        baseline: Corners of the line of pure chance, shape (2, 2); None for none.
    """
    traces = []
    if baseline is not None:
        chance = scatter(
            name="chance", x=baseline[:, 0], y=baseline[:, 1], mode="lines", hoverinfo="skip",
            line={"color": NEUTRAL, "dash": "dash"},
        )  # fmt: skip
        traces.append(chance)
    for index, ((name, curve), area) in enumerate(zip(curves.items(), areas, strict=True)):
        shown = plain(name)
        label = f"{shown} ({area:.3f})" if np.isfinite(area) else f"{shown} (none)"
        trace = scatter(
            name=label, x=curve[x], y=curve[y], mode="lines",
            line={"color": colour(index), "dash": ("solid", "dash", "dot", "dashdot")[index % 4]},
            customdata=curve[["threshold"]],
            hovertemplate=f"{shown}: %{{x:.1%}}, %{{y:.1%}} from probability %{{customdata[0]:.2f}}<extra></extra>",
        )  # fmt: skip
        traces.append(trace)
    return figure(
        traces,
        xaxis={"title": x.replace("_", " "), "range": [-0.01, 1.01], "tickformat": ".0%"},
        yaxis={"title": y.replace("_", " "), "range": [-0.01, 1.03], "tickformat": ".0%"},
        height=_HEIGHT + 40,
        **legend_on_top(),
    )
