"""What is chosen, in words that can be taken away one by one, and the controls that choose."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.spreadsheet import for_spreadsheet
from dashboard import address
from dashboard.gallery import DEFAULT_ROWS, DEFAULT_TILES, ROWS, TILES, show_gallery
from dashboard.linked import Chosen
from dashboard.page import escaped, plural
from dashboard.photo import show_opened
from dashboard.selection import (
    ANY_SPLIT,
    EVERYTHING,
    ORDERS,
    OUTCOMES,
    REVIEW_WORDS,
    REVIEWS,
    SPLIT_WORDS,
    Order,
    Selection,
    chips,
    matches,
)

# No class can be called that.
ANY = ""


def show_photos(view: Chosen, title: str = "Photos", default_order: Order = "highest loss") -> None:
    """The photos that are chosen: what is asked for, how many there are, and the gallery; the same on every page."""
    st.subheader(title, anchor=False)
    show_bar(view)
    by = address.choice("sort", ORDERS, default_order)
    places = view.in_order(by)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.popover("Filter", icon=":material/tune:"):
            _show_filters(view)
        st.selectbox("Sort by", ORDERS, width=190, **address.bound_choice("sort", ORDERS, default_order))
        st.segmented_control(
            "Size", TILES, required=True, **address.bound_choice("tiles", TILES, DEFAULT_TILES)
        )  # fmt: skip
        st.segmented_control("A page", ROWS, required=True, **address.bound_choice("rows", ROWS, DEFAULT_ROWS))
        st.download_button(
            "CSV", lambda: _csv(view.photos.iloc[places], view.other), "maskboard-photos.csv", "text/csv",
            icon=":material/download:", help="The photos that are chosen, in this order", on_click="ignore",
        )  # fmt: skip
    show_gallery(view.run, view.photos, places, other=view.other)
    show_opened(view, view.photos["image"].iloc[places])


def _csv(photos: pd.DataFrame, other: pd.DataFrame | None) -> str:
    return for_spreadsheet(photos if other is None else photos.join(other, on="image"))


def show_bar(view: Chosen) -> None:
    """Chips, each of which takes its condition away, and how many photos meet them all.

    What the page shows by itself is no choice that could be taken back, so it has no chips.
    """
    for fault in view.faults:
        st.warning(escaped(fault))
    selection, n = view.selection, int(view.mask.sum())
    words = {} if selection == view.default else chips(selection)
    n_all = len(view.photos)
    with st.container(horizontal=True, vertical_alignment="center", key="chips"):
        # First, so that it stays in its place while chips come and go.
        by_itself = "".join(f" ({text})" for text in chips(view.default).values() if selection == view.default)
        st.markdown(f"**{n:,}** of {n_all:,} {plural(n_all, 'photo')}{escaped(by_itself)}", width="content")
        for field, text in words.items():
            st.button(
                f"{escaped(text)} ✕", key=f"chip-{field}",
                on_click=_take_away, args=(view, field),
            )  # fmt: skip
        if len(words) > 1:
            st.button(
                "Clear all", key="chip-all", type="tertiary", on_click=address.select, args=(Selection(),)
            )  # fmt: skip


def _show_filters(view: Chosen) -> None:
    """A control for each property that has no chart of its own on every page."""
    selection = view.selection
    present = view.photos["split"].unique()
    splits = [split for split in SPLIT_WORDS if split in present]
    _choose(view, "split", "Split", splits, lambda split: SPLIT_WORDS.get(split, split))
    folds = sorted(int(fold) for fold in view.photos["fold"].unique() if fold >= 0)
    if folds:
        _choose(view, "fold", "Fold", folds, str)
    _choose(view, "outcome", "Prediction", OUTCOMES, str)
    _choose(view, "review", "Review", REVIEWS, lambda review: REVIEW_WORDS.get(review, review))
    for field, label in (("true", "True class"), ("predicted", "Predicted class")):
        _choose(view, field, label, view.run.class_names, _counted(view, field))
    bounds = selection.confidence or (0.0, 1.0)
    percent = (round(100 * bounds[0]), min(round(100 * bounds[1]), 100))
    st.slider(
        "Confidence", 0, 100, format="%d %%",
        **address.bound("filter-confidence", percent, lambda percent: _choose_confidence(view, percent)),
    )  # fmt: skip
    st.text_input(
        "Name contains",
        **address.bound("filter-name", selection.name or "", lambda text: _set(view, "name", text.strip())),
    )


def _choose(view: Chosen, field: str, label: str, options: Sequence[Any], words: Any) -> None:
    chosen = getattr(view.selection, field)
    chosen = None if field == "split" and chosen == ANY_SPLIT else chosen
    offered = [ANY, *options, *([chosen] if chosen is not None and chosen not in options else [])]
    st.pills(
        label, offered, required=True, format_func=lambda value: "any" if value == ANY else escaped(words(value)),
        **address.bound(f"filter-{field}", ANY if chosen is None else chosen, lambda value: _set(view, field, value)),
    )  # fmt: skip


def _counted(view: Chosen, field: str) -> Any:
    """A class with the number of photos that choosing it would show."""
    others = replace(view.selection, **{field: None})
    changes = None if view.other is None else view.other["change"]
    mask = matches(others, view.photos, view.run.class_names, view.positions, changes)
    column = view.photos["true_label" if field == "true" else "predicted_label"].to_numpy()[mask]
    counts = np.bincount(column[column >= 0], minlength=len(view.run.class_names))
    numbers = dict(zip(view.run.class_names, counts, strict=True))
    return lambda name: f"{name} · {numbers[name]:,}" if name in numbers else name


def _set(view: Chosen, field: str, value: Any) -> None:
    asked = replace(_selection_now(view), **{field: None if value in (ANY, None) else value})
    is_all = asked == EVERYTHING != view.default  # A bare address would lead back.
    address.select(replace(asked, split=ANY_SPLIT) if is_all else asked)


def _take_away(view: Chosen, field: str) -> None:
    address.select(_selection_now(view).without(field))


def _selection_now(view: Chosen) -> Selection:
    """What the address says at the time of a click: another one may have come before the page was drawn anew."""
    now = address.selection()[0]
    return view.default if now == EVERYTHING else now


def _choose_confidence(view: Chosen, percent: tuple[int, int]) -> None:
    _set(view, "confidence", None if percent == (0, 100) else (percent[0] / 100, percent[1] / 100))
