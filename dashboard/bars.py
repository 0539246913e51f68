"""Bars with intervals, drawn by a script of a few lines: the first page need not wait for plotly's 4.7 MB of it."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qsl

import streamlit as st

from dashboard.charts.evaluation import Bar
from dashboard.charts.style import HIGHLIGHT, NEUTRAL, PALETTE
from dashboard.linked import toggle

_HERE = Path(__file__).parent

_chart = st.components.v2.component(
    "maskboard_bars",
    html='<div class="chart"></div><a class="save" href="#">Save picture</a>',
    css=(_HERE / "bars.css").read_text(encoding="utf-8"),
    js=(_HERE / "bars.js").read_text(encoding="utf-8"),
)


def show_bars(bars: Sequence[Bar], key: str, *, alt: str) -> None:
    """Show bars whose clicks, or Enter on them, choose photos; a second one lets go.

    Args:
        bars: From top to bottom.
        key: Unique on the page.
        alt: What they show, for a screen reader.
    """
    colours = {"bar": PALETTE[0], "ticks": NEUTRAL, "chosen": HIGHLIGHT}
    _chart(
        data={"bars": [vars(bar) for bar in bars], "alt": alt, "file": f"{key}.svg", "colours": colours},
        key=key,
        on_picked_change=lambda: toggle(dict(parse_qsl(st.session_state[key].picked))),
    )
