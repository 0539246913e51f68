"""What a submission says as a whole; a click on a bar chooses its photos."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from dashboard.charts.style import HIGHLIGHT, NEUTRAL, bar, colour, figure, legend_on_top, plain, query


def class_mix(
    labelled: pd.DataFrame,
    predicted: pd.DataFrame,
    class_names: Sequence[str],
    split: str,
    chosen: tuple[str, str] | None = None,
) -> go.Figure:
    """Share of each class among photos with labels and among test photos as predicted, with 95 % intervals.

    Args:
        labelled: As `core.submission.class_mix` gives it.
        predicted: Likewise, of the test photos.
        class_names: The K names in index order.
        split: Which photos with labels these are; `train` or `val`.
        chosen: Split and class name that are chosen.
    """
    traces = []
    word = {"train": "photos trained on", "val": "photos held out"}[split]
    bars = (
        (f"{word}, as labelled", labelled, split, "true"),
        ("test photos, as predicted", predicted, "test", "predicted"),
    )
    for index, (name, mix, of_split, field) in enumerate(bars):
        trace = bar(
            name=name, x=[plain(name) for name in class_names], y=mix["share"],
            marker={
                "color": colour((0, 4)[index]),
                "line": {"color": HIGHLIGHT, "width": [4 if chosen == (of_split, each) else 0 for each in class_names]},
            },
            error_y={
                "type": "data", "symmetric": False, "array": mix["share_high"] - mix["share"],
                "arrayminus": mix["share"] - mix["share_low"], "color": NEUTRAL,
            },
            customdata=[
                (query(split=of_split, **{field: each}), *values)
                for each, *values in zip(class_names, mix["n_images"], mix["share_low"], mix["share_high"], strict=True)
            ],
            hovertemplate=f"%{{x}}, {name}: %{{customdata[1]:,}} photos, %{{y:.1%}} (95 % interval "
            "%{customdata[2]:.1%} to %{customdata[3]:.1%})<extra></extra>",
        )  # fmt: skip
        traces.append(trace)
    return figure(
        traces,
        xaxis={"type": "category"},
        yaxis={"title": "share of the photos", "tickformat": ".0%", "rangemode": "tozero"},
        barmode="group",
        height=340,
        **legend_on_top(),
    )
