"""Charts that choose photos, and the photos that are chosen.

A point, bar or cell of a chart carries, in plotly's `customdata`, the part of an address that it stands for. A click
writes that into the address; a click on what is chosen already takes it out again.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from core.errors import UserError
from core.runs import Run
from dashboard import address, data
from dashboard.page import find_run
from dashboard.selection import EVERYTHING, REVIEWED, TEST_DIFFERS, Selection, matches, order, simplified

_T = TypeVar("_T")

# Every chart can be saved as a picture; nothing else is needed.
CHART_CONFIG = {"displaylogo": False, "modeBarButtons": [["toImage"]]}
LASSO_CONFIG = {"displaylogo": False, "modeBarButtons": [["lasso2d", "select2d", "pan2d", "resetScale2d", "toImage"]]}


@dataclass(frozen=True)
class Chosen:
    """A run's photos and which of them are chosen.

    Attributes:
        run: Whose photos they are.
        photos: All of them; see `dashboard.photos.photo_table`.
        selection: What is asked for.
        mask: Which photos meet it, shape (n_photos,).
        basis: What the photos rest on; see `dashboard.data.basis`.
        faults: What in the address could not be followed, a line each.
        default: What the page shows where the address asks for no photos.
        other: What another run says of photos; see `dashboard.data.changes`.
        positions: Their places on the map that the selection names; see `dashboard.data.positions`.
    """

    run: Run
    photos: pd.DataFrame
    selection: Selection
    mask: NDArray[np.bool_]
    basis: data.Basis
    faults: tuple[str, ...] = ()
    default: Selection = EVERYTHING
    other: pd.DataFrame | None = None
    positions: NDArray[np.float64] | None = None

    @property
    def held_out(self) -> pd.DataFrame:
        """Those that were held out from training."""
        return self.once("held out", lambda: self.photos[self.photos["split"] == "val"])

    def once(self, what: str, compute: Callable[[], _T], *rests_on: Hashable) -> _T:
        """What rests on these photos and on what is given besides; see `dashboard.data.once`."""
        return data.once(what, (self.basis, *rests_on), compute)

    def drawn(self, what: str, draw: Callable[[], go.Figure], *rests_on: Hashable) -> go.Figure:
        """A chart of these photos, for `show_chart` or `show_plain_chart`; see `once`."""
        return self.once(what, lambda: scrolling(draw()), *rests_on)

    @cached_property
    def choice(self) -> bytes:
        """The mask, for what rests on it."""
        return self.mask.tobytes()

    def in_order(self, by: Any) -> NDArray[np.intp]:
        """Places of the photos that are chosen, in an order of `dashboard.selection.ORDERS`."""
        return order(self.photos, self.mask, by)


def choose_photos(run: Run, default: Selection = EVERYTHING, labels: str | None = None) -> Chosen:
    """Read the selection in the address and apply it to a run's photos.

    Args:
        run: Whose photos they are.
        default: What to choose where the address asks for nothing.
        labels: Which labels photos are judged by, `reviewed` or `original`; what the selection says where it is None.
    """
    selection, faults = address.selection()
    if fault := data.test_fault(run):
        faults.append(f"Predictions of test photos are left out. {fault}")
    if selection == EVERYTHING:
        selection = default
    labels = labels or selection.labels or REVIEWED
    basis = data.basis(run, labels)
    photos = data.photos_of(basis)
    if fault := data.reviews(run).fault:
        faults.append(f"What was decided about photos is not shown. {fault}")
    positions = other = None
    if selection.map is not None:
        try:
            positions = data.positions(run, selection.map)
        except UserError as error:
            faults.append(f"The area on the map chooses no photo. {error}")
        else:
            if positions is None:
                faults.append("This run has no such map yet, so the area on it chooses no photo.")
    if selection.with_run is not None:
        try:
            before = find_run(selection.with_run)
            is_test = selection.change == TEST_DIFFERS
            other = data.test_changes(before, run) if is_test else data.changes(before, run, labels)
        except UserError as error:
            faults.append(f"{selection.with_run} cannot be compared with. {error}")
    changes = None if other is None else other["change"]
    mask = matches(selection, photos, run.class_names, positions, changes)
    return Chosen(run, photos, selection, mask, basis, tuple(faults), default, other, positions)


def show_chart(figure: go.Figure, key: str, *, alt: str) -> None:
    """Show a chart whose points choose photos.

    Args:
        figure: Its points carry in `customdata` the query that they stand for, alone or first of several values.
        key: Unique on the page.
        alt: What it shows, for a screen reader.
    """
    st.plotly_chart(
        scrolling(figure), key=key, on_select=lambda: _take_click(key), selection_mode="points", config=CHART_CONFIG,
        alt=alt,
    )  # fmt: skip


def show_map(figure: go.Figure, key: str, map_name: str, *, alt: str) -> None:
    """Show a map of photos on which an area can be drawn."""
    st.plotly_chart(
        figure, key=key, on_select=lambda: _take_area(key, map_name), selection_mode=("lasso", "box"),
        config=LASSO_CONFIG, alt=alt,
    )  # fmt: skip


def show_plain_chart(figure: go.Figure, key: str, *, alt: str) -> None:
    """Show a chart that chooses nothing."""
    st.plotly_chart(scrolling(figure), key=key, config=CHART_CONFIG, alt=alt)


def scrolling(figure: go.Figure) -> go.Figure:
    """Leave swipes over a chart to the page: a thumb on a phone must be able to get past it."""
    # One that others see too is left as it is.
    return figure if figure.layout.dragmode is False else figure.update_layout(dragmode=False)


def _take_click(key: str) -> None:
    points = st.session_state[key]["selection"]["points"]
    if not points:  # The chart was drawn anew, which lets go of what plotly has selected; the address has not changed.
        return
    query = points[-1]["customdata"]  # With the shift key the ones before are in the list too.
    toggle(dict(parse_qsl(query if isinstance(query, str) else query[0])))


def toggle(asked: dict[str, str]) -> None:
    """Add conditions to the selection, or take them away if it holds all of them."""
    now = address.params()
    is_chosen = all(now.get(param) == value for param, value in asked.items())
    conditions = [param for param in asked if param not in address.SHOWN_BESIDES]
    address.go(**(dict.fromkeys(conditions) if is_chosen else asked), page=None, photo=None)


def _take_area(key: str, map_name: str) -> None:
    event = st.session_state[key]["selection"]
    drawn = [*event["lasso"], *event["box"]]
    if not drawn:
        return
    x, y = drawn[0]["x"], drawn[0]["y"]
    if len(x) == 2:  # A box is given by two opposite corners.
        x, y = [x[0], x[1], x[1], x[0]], [y[0], y[0], y[1], y[1]]
    if len(x) >= 3:
        area = simplified(list(zip(x, y, strict=True)))
        address.select(replace(address.selection()[0], map=map_name, area=area))
