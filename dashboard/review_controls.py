"""Buttons and keys that decide about the photo that is open, and what has been decided about it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import UserError
from core.reviews import EXCLUDE, MAX_NOTE, NOTE, RELABEL, UNDO, UNSURE
from core.runs import Run
from dashboard import address, data
from dashboard.page import escaped, faults_shown
from dashboard.photos import Row
from dashboard.review import N_KEYS, decision_text, keep, review_of, undoes, why_not

# Whether a decision goes on to the next photo, in the address.
GO_ON = "next"
# What the session keeps: decisions made since the last step by hand, why the last one failed, how often this was drawn.
_MADE, _FAILED, _TURN = "review-made", "review-failed", "review-turn"
_NOTE_FIELD, _KEYS = "review-note", "review-keys"
_UNDO, _GO_ON_KEY = "z", "g"

_keys = st.components.v2.component(
    "maskboard_review_keys", js=(Path(__file__).parent / "review_keys.js").read_text(encoding="utf-8")
)


def show_controls(run: Run, photo: pd.DataFrame, go: Callable[[str], object], go_on: Callable[[str], object]) -> None:
    """Show what can be decided about a photo and what stands.

    Args:
        run: Whose photo it is.
        photo: Its row of `dashboard.data.photos`, perhaps of some time ago.
        go: Called with the name of a photo to be shown in the place of this one.
        go_on: Called with the name of a photo after which the next one is to be shown.
    """
    (row,) = data.decided(run, photo)
    if reason := why_not(row):
        st.caption(escaped(reason))
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="review"):
        _show_buttons(run, row, go, go_on)
    _show_other_classes(run, row, go_on)
    with st.container(horizontal=True, vertical_alignment="center", key="reviewed"):
        st.markdown(_stands(run, row), width="content")
        _show_note(run, row)
        _take_keys(run, row, go, go_on)
    if failed := st.session_state.pop(_FAILED, None):
        st.error(escaped(failed), icon=":material/error:")


def forget_steps() -> None:
    """Begin anew: what was decided before is no longer what an undo means."""
    st.session_state[_MADE] = []


def _show_buttons(run: Run, row: Row, go: Callable[[str], object], go_on: Callable[[str], object]) -> None:
    """A button a decision, with its key; the one that stands is filled."""

    def button(key: str, words: str, stands: bool, act: Callable[..., None], *args: object) -> None:
        # The photo is part of the name: one that is clicked while the next photo is drawn decides nothing about that.
        st.button(
            f"{escaped(words)} {key if stands else f':gray[{key}]'}", key=f"review-{row['image']}-{key}", on_click=act,
            args=args, type="primary" if stands else "secondary",
        )  # fmt: skip

    for key, (words, asked) in _decisions(run).items():
        stands = row["review"] == asked["action"] and (asked["action"] != RELABEL or row["review_class"] == words)
        button(key, words, stands, _decide, run, row, asked, go_on)
    button(_UNDO, "Undo", False, _undo, run, row, go)
    st.button(
        f"Go on after each: {'on' if _goes_on() else 'off'} :gray[{_GO_ON_KEY}]", key="review-go-on", type="tertiary",
        on_click=_switch_go_on, help="Whether a decision shows the next photo.",
    )  # fmt: skip


def _decisions(run: Run) -> dict[str, tuple[str, dict[str, Any]]]:
    """What each key decides: in words, and as `dashboard.review.review_of` takes it."""
    classes = {
        str(label): (name, {"action": RELABEL, "label": label}) for label, name in enumerate(run.class_names[:N_KEYS])
    }
    return classes | {"x": ("Exclude", {"action": EXCLUDE}), "u": ("Unsure", {"action": UNSURE})}


def _take_keys(run: Run, row: Row, go: Callable[[str], object], go_on: Callable[[str], object]) -> None:
    decisions = _decisions(run)
    turn = st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1

    @faults_shown()
    def press() -> None:
        pressed = st.session_state[_KEYS].pressed
        # The photo that was seen is not always the one that was drawn last.
        seen = row if pressed["image"] == row["image"] else _row_of(run, pressed["image"])
        if pressed["key"] == _UNDO:
            _undo(run, seen, go)
        elif pressed["key"] == _GO_ON_KEY:
            _switch_go_on()
        else:
            _decide(run, seen, decisions[pressed["key"]][1], go_on)

    _keys(
        data={
            "field": _NOTE_FIELD, "image": row["image"], "decisions": list(decisions), "others": [_UNDO, _GO_ON_KEY],
            "turn": turn,
        },
        key=_KEYS, on_pressed_change=press,
    )  # fmt: skip


def _row_of(run: Run, image: str) -> Row:
    photos = data.photos(run)
    (row,) = data.decided(run, photos[photos["image"] == image])
    return row


def _goes_on() -> bool:
    return address.params().get(GO_ON) == "1"


def _switch_go_on() -> None:
    address.go(**{GO_ON: None if _goes_on() else "1"})


def _show_other_classes(run: Run, row: Row, go_on: Callable[[str], object]) -> None:
    """The classes that there are no keys for."""
    names = run.class_names[N_KEYS:]
    if not names:
        return

    def choose(name: str | None) -> None:
        if name is not None:  # A box that is emptied decides nothing: Undo takes a class back.
            _decide(run, row, {"action": RELABEL, "label": run.class_names.index(name)}, go_on)

    given = row["review_class"] if row["review_class"] in names else None
    st.selectbox("Another class", names, index=None, **address.bound("review-class", given, choose))


def _show_note(run: Run, row: Row) -> None:
    def take(text: str) -> None:
        _decide(run, row, {"action": NOTE, "note": text.strip()}, None)

    st.text_input(
        "Note", max_chars=MAX_NOTE, placeholder="Note: n, then Enter", label_visibility="collapsed",
        **address.bound(_NOTE_FIELD, row["note"], take),
    )  # fmt: skip


def _stands(run: Run, row: Row) -> str:
    text = decision_text(data.reviews(run).decisions.get(row["sha256"]), run.class_names)
    return f"Reviewed: **{escaped(text)}**" if text else "Not reviewed"


def _decide(run: Run, row: Row, asked: dict[str, Any], go_on: Callable[[str], object] | None) -> None:
    if not _add(run, row, asked):
        return
    st.session_state.setdefault(_MADE, []).append((row, undoes(run, row["sha256"])))
    if go_on is not None and _goes_on():
        go_on(row["image"])


def _undo(run: Run, row: Row, go: Callable[[str], object]) -> None:
    """Take back what was decided last, as long as nobody stepped aside since; else what stands of this photo."""
    if made := st.session_state.get(_MADE):
        of, review = made.pop()
        if _add(run, of, {"action": UNDO, "undoes": review}):
            go(of["image"])
    else:
        _add(run, row, {"action": UNDO, "undoes": undoes(run, row["sha256"])})


def _add(run: Run, row: Row, asked: dict[str, Any]) -> bool:
    try:
        failed = keep(run, [review_of(run, row, asked)])
    except UserError as error:
        failed = str(error)
    st.session_state[_FAILED] = failed
    return not failed
