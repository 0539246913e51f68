"""The grid of thumbnails: one message to the browser a page, whatever the number of photos on it."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.images import PhotoError
from core.reviews import MAX_NOTE, Decision
from core.runs import Run
from dashboard import address, data
from dashboard.page import escaped, faults_shown
from dashboard.photos import NO_LABEL, Row, class_name
from dashboard.review import SIGNS, badge, take, told, why_not

ROWS = ("24", "60", "120")
DEFAULT_ROWS = "60"
TILES = ("small", "medium", "large")
DEFAULT_TILES = "medium"
_HERE = Path(__file__).parent
# What a tile says besides what was decided; the table of photos holds three times as much.
_TOLD = [
    "image", "name", "split", "true_label", "predicted_label", "confidence", "loss", "detail", "sha256",
    "predicted_other", "confidence_other", "category",
]  # fmt: skip
# What `gallery.js` draws a photo from.
Tile = dict[str, str]

_grid = st.components.v2.component(
    "maskboard_gallery",
    html=(
        '<div class="frame"><p class="keys"></p><div class="grid" role="group"></div>'
        f'<form hidden><input maxlength="{MAX_NOTE}" placeholder="Note, then Enter"></form></div>'
        '<p class="said" role="status"></p>'
    ),
    css=(_HERE / "gallery.css").read_text(encoding="utf-8"),
    js=(_HERE / "gallery.js").read_text(encoding="utf-8"),
)


@st.fragment
@faults_shown()
def show_gallery(
    run: Run,
    photos: pd.DataFrame,
    places: NDArray[np.intp],
    key: str = "gallery",
    captions: Sequence[str] | None = None,
    other: pd.DataFrame | None = None,
) -> None:
    """Show photos page by page; the keyboard moves among them and turns pages, a click opens one large.

    Keys decide about the photo that the keyboard is on. Turning a page or deciding runs this fragment alone, so photos
    stay where they are while one goes through them, also where they no longer are what was chosen.

    Args:
        run: Whose photos they are.
        photos: Rows of `dashboard.photos.photo_table`.
        places: Which of them are shown, in this order.
        key: Unique on the page.
        captions: What to write under each photo that is shown instead of its confidence and loss.
        other: What another run says of some of them, which is written under these; see `dashboard.data.changes`.
    """
    if not len(places):
        st.info("No photo meets all of these conditions. Take one away.", icon=":material/search_off:")
        return
    rows = int(address.choice("rows", ROWS, DEFAULT_ROWS))
    n_pages = ceil(len(places) / rows)
    page = min(address.page_asked(), n_pages)
    start = (page - 1) * rows
    shown = photos.iloc[places[start : start + rows]]
    if other is not None:
        shown = shown.assign(**other.reindex(shown["image"]).set_index(shown.index))
    refused: dict[str, str] = st.session_state.get(f"{key}-refused", {})
    event = _grid(
        data={
            "items": tiles_of(run, shown, None if captions is None else captions[start : start + rows]),
            "tiles": address.choice("tiles", TILES, DEFAULT_TILES),
            "page": page,
            "pages": n_pages,
            "review": {"classes": run.class_names, "words": SIGNS, "known": [*told(run), *refused]},
        },
        key=key,
        on_picked_change=_nothing,
        on_turned_change=lambda: _turn(key, n_pages),
        on_pending_change=lambda: _take_pending(run, key),
    )
    for reason in dict.fromkeys(refused.values()):
        st.error(escaped(reason), icon=":material/error:")
    if n_pages > 1:
        with st.container(horizontal=True, horizontal_alignment="center"):
            st.pagination(n_pages, **address.bound(f"{key}-page", page, address.go_to_page))
    if event.picked is not None and (photos["image"].iloc[places] == event.picked).any():
        address.go(photo=event.picked)
        st.rerun()


def show_row(tiles: Sequence[Tile], key: str) -> None:
    """Show a few photos, all at once; a click opens one large.

    Args:
        tiles: From `tiles_of`.
        key: Unique on the page.
    """
    _grid(
        data={"items": tiles, "tiles": "small", "page": 1, "pages": 1},
        key=key,
        on_picked_change=lambda: address.go(photo=st.session_state[key].picked),
        on_turned_change=_nothing,
    )


def _nothing() -> None:
    """Streamlit reports a trigger only where it has something to call."""


def _take_pending(run: Run, key: str) -> None:
    """Write down what was decided with keys; a message holds all that the browser has not seen in the log yet."""
    st.session_state[f"{key}-refused"] = take(run, st.session_state[key].pending or [])


def _turn(key: str, n_pages: int) -> None:
    turned = cast(int, st.session_state[key].turned)
    address.go_to_page(min(max(min(address.page_asked(), n_pages) + turned, 1), n_pages))


def tiles_of(run: Run, photos: pd.DataFrame, captions: Sequence[str] | None = None) -> list[Tile]:
    """What tiles show of photos.

    Args:
        run: Whose photos they are.
        photos: Rows of `dashboard.photos.photo_table`.
        captions: What to write under each photo instead of its confidence and loss.
    """
    sources = data.thumbnail_uris(run, photos["image"].tolist())
    rows = data.decided(run, photos[[name for name in _TOLD if name in photos]])
    decisions = data.reviews(run).decisions
    tiles = [
        _tile(run, row, source) | _review_part(row, decisions.get(row["sha256"]))
        for row, source in zip(rows, sources, strict=True)
    ]
    for tile, caption in zip(tiles, captions or (), strict=False):
        tile["detail"] = caption
    return tiles


def _tile(run: Run, row: Row, source: str | PhotoError) -> Tile:
    true, predicted = row["true_label"], row["predicted_label"]
    names = run.class_names
    tile = {"name": row["image"], "src": "", "fault": "", "mark": "", "title": row["name"], "detail": row["detail"]}
    if isinstance(source, PhotoError):
        tile["fault"] = source.detail
    else:
        tile["src"] = source
    if true != NO_LABEL:
        tile["title"] = names[true]
    if predicted != NO_LABEL:
        tile["detail"] = f"{row['confidence']:.0%} sure" if row["confidence"] == row["confidence"] else "not read"
        tile["title"] = f"→ {names[predicted]}"
    if true != NO_LABEL and predicted != NO_LABEL:
        tile["mark"] = "right" if true == predicted else "wrong"
        tile["title"] = f"{names[true]} ✓" if true == predicted else f"{names[true]} → {names[predicted]}"
        tile["detail"] += f" · loss {row['loss']:.2f}"
    if "predicted_other" in row and pd.notna(row["predicted_other"]):
        tile["detail"] = _both_answers(row, names)
    return tile


def _both_answers(row: Row, names: Sequence[str]) -> str:
    """What another run says of a photo and what this one does; where files were compared, what stands in the file."""
    other = _answer(class_name(int(row["predicted_other"]), names), row["confidence_other"])
    this = _answer(class_name(int(row["predicted_label"]), names), row["confidence"])
    in_file = row["category"] if "category" in row else row["predicted_label"]
    if in_file != row["predicted_label"]:
        this = f"{class_name(int(in_file), names)} in the file, {this} predicted"
    return f"other run: {other}\nthis run: {this}"


def _review_part(row: Row, decision: Decision | None) -> Tile:
    """What was decided about a photo: in words, as an action, the review that an undo means; why nothing can be."""
    return {
        "badge": badge(row),
        "review": row["review"],
        "note": row["note"],
        "decision": decision.last if decision else "",
        "locked": why_not(row),
    }


def _answer(name: str, confidence: float) -> str:
    """A class and how sure a run is of it, if it says that."""
    return f"{name} {confidence:.0%}" if confidence == confidence else name
