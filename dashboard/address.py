"""What a page shows stands in its address and nowhere else.

Widgets show what the address says and write into it what is chosen with them; charts likewise. So a copied link opens
the same view in another browser, a reload keeps it, and the browser's back button undoes one choice at a time:
Streamlit adds an entry to the browser's history whenever the parameters change, and runs the page again when one of
them comes back.
"""

import re
from collections.abc import Callable
from typing import Any, TypeVar

import streamlit as st

from dashboard.selection import PARAMS, Selection, parse, to_params

# How photos are shown, whichever they are.
VIEW_PARAMS = ("sort", "tiles", "rows")
# Which map, which other run and which labels a page shows: no condition by itself, so it stays when conditions are
# taken away.
SHOWN_BESIDES = ("map", "with", "labels")
_Word = TypeVar("_Word", bound=str)
_SHOWN_RUN, _NEWEST_RUN = "shown_run", "newest_run"


def params() -> dict[str, str]:
    """The address' parameters."""
    return dict(st.query_params.to_dict())


def remember_run(shown: str, newest: str) -> None:
    """Note which run is shown, so that an address that holds a choice can name it."""
    st.session_state[_SHOWN_RUN], st.session_state[_NEWEST_RUN] = shown, newest


def go(**changes: str | None) -> None:
    """Change parameters of the address, all in one step of the browser's history; None takes one away.

    A bare address follows the newest run, so that training again and refreshing shows the new one. One that holds a
    choice names its run, so that a copied link opens the same photos after another training.
    """
    st.query_params.from_dict(_pinned(params() | changes))


def select(selection: Selection) -> None:
    """Choose photos; the gallery begins on its first page."""
    kept = {param: value for param, value in params().items() if param in SHOWN_BESIDES}
    go(**(dict.fromkeys(PARAMS) | kept | to_params(selection)), page=None, photo=None)


def selection() -> tuple[Selection, list[str]]:
    """The selection in the address, and what in it means nothing; see `dashboard.selection.parse`."""
    return parse(params())


def link_params(**changes: str | None) -> dict[str, str]:
    """Parameters of a link to another page: the selection goes along, changed where that is asked for."""
    kept = {key: value for key, value in params().items() if key in (*PARAMS, *VIEW_PARAMS, "run")}
    return _pinned(kept | changes)


def link_to(selection: Selection) -> dict[str, str]:
    """Parameters of a link to another page that shows other photos."""
    return link_params(**(dict.fromkeys(PARAMS) | to_params(selection)))


def _pinned(asked: dict[str, Any]) -> dict[str, str]:
    kept = {key: str(value) for key, value in asked.items() if value not in (None, "")}
    run = kept.pop("run", None) or st.session_state.get(_SHOWN_RUN)
    if run and (kept or run != st.session_state.get(_NEWEST_RUN)):
        kept["run"] = run
    return kept


def bound(key: str, shown: Any, choose: Callable[[Any], None]) -> dict[str, Any]:
    """Arguments for a widget that shows a value of the address and writes another one into it.

    Args:
        key: The widget's key.
        shown: What the address says, as the widget has it.
        choose: Called with what was chosen.
    """
    st.session_state[key] = shown

    def on_change() -> None:
        choose(st.session_state[key])

    return {"key": key, "on_change": on_change}


def choice(param: str, options: tuple[_Word, ...], default: _Word) -> _Word:
    """Which of a few words the address holds; the default for another one or none."""
    asked = params().get(param)
    return next((option for option in options if option == asked), default)


def bound_choice(param: str, options: tuple[_Word, ...], default: _Word) -> dict[str, Any]:
    """Arguments for a widget that chooses one of a few words that an address may hold as they are."""

    def choose(value: str | None) -> None:
        go(**{param: None if value == default else value, "page": None})

    return bound(f"choice-{param}", choice(param, options, default), choose)


def is_on(param: str) -> bool:
    """Whether the address holds a switch that is on."""
    return params().get(param) == "1"


def bound_switch(param: str, key: str) -> dict[str, Any]:
    """Arguments for a switch that an address holds as 1, or not at all where it is off."""
    return bound(key, is_on(param), lambda now: go(**{param: "1" if now else None}))


def percent(param: str) -> int:
    """A number of per cent, 0 to 99; 0 where the address holds none."""
    asked = params().get(param, "")
    return int(asked) if re.fullmatch("[0-9]{1,2}", asked) else 0


def bound_percent(param: str) -> dict[str, Any]:
    """Arguments for a slider from 0 to 99 per cent; 0 is not written into the address."""
    return bound(param, percent(param), lambda value: go(**{param: str(value) if value else None}))


def page_asked(param: str = "page") -> int:
    """Which page of many photos or groups the address asks for, from 1; there need not be so many."""
    asked = params().get(param, "1")
    return max(int(asked), 1) if re.fullmatch("[0-9]{1,7}", asked) else 1


def go_to_page(page: int, param: str = "page") -> None:
    """Turn to a page; the first one is not written into the address."""
    go(**{param: str(page) if page > 1 else None})
