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
from dashboard.page import escaped
from dashboard.review import N_KEYS, decision_text, review_of, undoes, why_not

# Whether a decision goes on to the next photo, in the address.
GO_ON = "next"
# What the session keeps: decisions made since the last step by hand, and why the last one failed.
_MADE, _FAILED = "review-made", "review-failed"
_NOTE_FIELD = "review-note"

_note_key = st.components.v2.component(
    "maskboard_note_key", js=(Path(__file__).parent / "note_key.js").read_text(encoding="utf-8")
)


def show_controls(run: Run, photo: pd.DataFrame, go: Callable[[str], object], go_on: Callable[[], object]) -> None:
    """Show what can be decided about a photo and what stands.

    Args:
        run: Whose photo it is.
        photo: Its row of `dashboard.data.photos`, perhaps of some time ago.
        go: Called with the name of a photo to be shown in the place of this one.
        go_on: Called where the next one is to be shown.
    """
    row = data.decided(run, photo).iloc[0]
    if reason := why_not(row.to_dict()):
        st.caption(escaped(reason))
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="review"):
        _show_buttons(run, row, go, go_on)
    _show_other_classes(run, row, go_on)
    with st.container(horizontal=True, vertical_alignment="center", key="reviewed"):
        st.markdown(_stands(run, row), width="content")
        _show_note(run, row)
    if failed := st.session_state.pop(_FAILED, None):
        st.error(escaped(failed), icon=":material/error:")


def forget_steps() -> None:
    """Begin anew: what was decided before is no longer what an undo means."""
    st.session_state[_MADE] = []


def _show_buttons(run: Run, row: "pd.Series[Any]", go: Callable[[str], object], go_on: Callable[[], object]) -> None:
    """A button a decision; the one that stands is filled."""

    def button(words: str, shortcut: str, stands: bool, decide: Callable[..., None], *args: object) -> None:
        # The photo is part of the key: one that is pressed while the next photo is drawn decides nothing about that.
        st.button(
            escaped(words), shortcut=shortcut, key=f"review-{row['image']}-{shortcut}", on_click=decide, args=args,
            type="primary" if stands else "secondary",
        )  # fmt: skip

    for label, name in enumerate(run.class_names[:N_KEYS]):
        asked = {"action": RELABEL, "label": label}
        button(name, str(label), row["review_class"] == name, _decide, run, row, asked, go_on)
    for words, shortcut, action in (("Exclude", "x", EXCLUDE), ("Unsure", "u", UNSURE)):
        button(words, shortcut, row["review"] == action, _decide, run, row, {"action": action}, go_on)
    button("Undo", "z", False, _undo, run, row, go)
    is_on = address.params().get(GO_ON) == "1"
    st.button(
        "Go on after each: on" if is_on else "Go on after each: off", shortcut="g", key="review-go-on", type="tertiary",
        on_click=address.go, kwargs={GO_ON: None if is_on else "1"}, help="Whether a decision shows the next photo.",
    )  # fmt: skip


def _show_other_classes(run: Run, row: "pd.Series[Any]", go_on: Callable[[], object]) -> None:
    """The classes that there are no keys for."""
    names = run.class_names[N_KEYS:]
    if not names:
        return

    def choose(name: str) -> None:
        _decide(run, row, {"action": RELABEL, "label": run.class_names.index(name)}, go_on)

    given = row["review_class"] if row["review_class"] in names else None
    st.selectbox("Another class", names, index=None, **address.bound("review-class", given, choose))


def _show_note(run: Run, row: "pd.Series[Any]") -> None:
    def keep(text: str) -> None:
        _decide(run, row, {"action": NOTE, "note": text.strip()}, None)

    st.text_input(
        "Note", max_chars=MAX_NOTE, placeholder="Note: n, then Enter", label_visibility="collapsed",
        **address.bound(_NOTE_FIELD, row["note"], keep),
    )  # fmt: skip
    _note_key(data={"field": _NOTE_FIELD}, key="review-note-key")


def _stands(run: Run, row: "pd.Series[Any]") -> str:
    text = decision_text(data.reviews(run).decisions.get(row["sha256"]), run.class_names)
    return f"Reviewed: **{escaped(text)}**" if text else "Not reviewed"


def _decide(run: Run, row: "pd.Series[Any]", asked: dict[str, Any], go_on: Callable[[], object] | None) -> None:
    if not _add(run, row, asked):
        return
    st.session_state.setdefault(_MADE, []).append((row, undoes(run, row["sha256"])))
    if go_on is not None and address.params().get(GO_ON) == "1":
        go_on()


def _undo(run: Run, row: "pd.Series[Any]", go: Callable[[str], object]) -> None:
    """Take back what was decided last, as long as nobody stepped aside since; else what stands of this photo."""
    if made := st.session_state.get(_MADE):
        of, review = made.pop()
        if _add(run, of, {"action": UNDO, "undoes": review}):
            go(of["image"])
    else:
        _add(run, row, {"action": UNDO, "undoes": undoes(run, row["sha256"])})


def _add(run: Run, row: "pd.Series[Any]", asked: dict[str, Any]) -> bool:
    try:
        data.add_reviews(run, [review_of(run, row.to_dict(), asked)])
    except UserError as error:
        st.session_state[_FAILED] = str(error)
        return False
    return True
