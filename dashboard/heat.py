"""A photo under the heat map of each class, side by side; how strong the maps are is up to the visitor's browser."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent

_panels = st.components.v2.component(
    "maskboard_heat",
    html="""
    <label>Heat map <input type="range" min="0" max="100" step="5" value="50"><output></output></label>
    <div class="panels"></div>""",
    css=(_HERE / "heat.css").read_text(encoding="utf-8"),
    js=(_HERE / "heat.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Panel:
    """One class: its name, how likely it is, its heat map as a `data:` address, and what that shows for who cannot."""

    title: str
    detail: str
    heat: str
    alt: str


def show_heat(photo: str, panels: Sequence[Panel], key: str) -> None:
    """Show heat maps over a photo.

    The photo is sent once, and moving the slider sends nothing.

    Args:
        photo: As a `data:` address.
        panels: A class each, in the order to be shown.
        key: Unique on the page.
    """
    _panels(data={"photo": photo, "panels": [vars(panel) for panel in panels]}, key=key)
