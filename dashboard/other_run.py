"""The other run of a comparison: which one it is, or why there is none."""

import streamlit as st

from core.errors import UserError
from core.runs import Run
from dashboard import address
from dashboard.page import escaped, found_runs, previous_run, run_label


def choose_other(run: Run, needs: str) -> Run | None:
    """Show which run is compared with; the address names it, and means the run before where it names none.

    Args:
        run: The run that the page shows.
        needs: Name of a file that the other run must have.

    Returns:
        The other run; None where there is none that could be compared with, after saying why.
    """
    others = {other.name: other for other in found_runs() if other.name != run.name}
    if not others:
        st.info("This is the only run so far. Train again to have two to compare.", icon=":material/info:")
        return None
    asked = address.params().get("with")
    before = None if asked else previous_run(run)
    other = others.get(asked or "", before)
    st.selectbox(
        "Compare with", list(others), format_func=lambda name: run_label(others[name]) if name in others else name,
        index=None if other is None else 0, placeholder="choose a run", width=320,
        **address.bound("with", other.name if other else None, _choose),
    )  # fmt: skip
    if other is not None and other.has(needs):
        return other
    reason = _why_none(run, asked)
    if other is not None:
        reason = f"{other.name} has no {needs} ({other.state}), so it cannot be compared with. Choose another run."
    st.info(escaped(reason), icon=":material/info:")
    return None


def say_why_not(other: Run, error: UserError) -> None:
    """Say of a run that was chosen why it cannot be compared with after all."""
    st.info(escaped(f"{other.name} cannot be compared with. {error}"), icon=":material/error:")


def _choose(name: str | None) -> None:
    address.go(**{"with": name, "page": None, "photo": None})


def _why_none(run: Run, asked: str | None) -> str:
    if asked == run.name:
        return "A run cannot be compared with itself. Choose another one."
    if asked:
        return f"No run {asked} can be read here. Choose another one."
    return "No finished run on the same dataset is older than this one. Choose any other to compare with."
