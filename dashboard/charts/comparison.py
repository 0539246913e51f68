"""What has changed from one run to another; a click on a bar chooses its photos."""

import pandas as pd
import plotly.graph_objects as go

from dashboard.charts.style import FADED, NEUTRAL, RIGHT, WRONG, bar, colour, figure, legend_on_top, plain, query

CHANGE_NAMES = {
    "fixed": "fixed",
    "broken": "newly broken",
    "still_wrong": "still wrong",
    "still_right": "still right",
}
# Colour and pattern of each.
_LOOKS = {
    "fixed": (RIGHT, ""),
    "broken": (WRONG, "/"),
    "still_wrong": (NEUTRAL, "x"),
    "still_right": (colour(4), "."),
}


def changes_by_class(counts: pd.DataFrame, chosen: pd.DataFrame, other: str) -> go.Figure:
    """Bars of photos by what has become of them, a bar a class; the part that is chosen in full colour.

    Those that both runs get right are many and would dwarf the others: a click on their name in the legend adds them.

    Args:
        counts: As `core.comparison.changes_per_class` gives them.
        chosen: The same of the photos that are chosen.
        other: Name of the run that this one is compared with.
    """
    traces = []
    names = counts["class_name"].tolist()
    shown = [plain(name) for name in names]
    for change, (hue, pattern) in _LOOKS.items():
        queries = [query(**{"with": other}, change=change, true=name) for name in names]
        for values, opacity in ((chosen[change], 1.0), (counts[change] - chosen[change], FADED)):
            is_full = opacity == 1
            trace = bar(
                name=CHANGE_NAMES[change], legendgroup=change, showlegend=is_full, orientation="h",
                x=values.tolist(), y=shown, text=[f"{value:,}" if value and is_full else "" for value in values],
                textposition="inside", insidetextanchor="middle", textangle=0,
                visible="legendonly" if change == "still_right" else True,
                marker={
                    "color": hue, "opacity": opacity,
                    "pattern": {"shape": pattern, "fillmode": "overlay", "fgopacity": 0.25},
                },
                customdata=list(zip(queries, counts[change].tolist(), counts["n_images"].tolist(), strict=True)),
                hovertemplate=f"%{{y}}: %{{customdata[1]:,}} of %{{customdata[2]:,}} photos {CHANGE_NAMES[change]}"
                "<extra></extra>",
            )  # fmt: skip
            traces.append(trace)
    return figure(
        traces,
        xaxis={"title": "photos", "rangemode": "tozero", "dtick": 1 if counts["n_images"].max() < 6 else None},
        yaxis={"autorange": "reversed", "type": "category"},
        barmode="stack",
        height=150 + 50 * len(names),
        **legend_on_top(),
    )
