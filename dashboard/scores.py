"""Figures of a run in words: what they are of, how far they can be believed, and within which intervals they lie."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from core.evaluation import ScoreKind

HOW_INTERVALS_ARE_MADE = (
    "All intervals are 95 %. Near-identical photos are no independent evidence, so they count as groups: of shares "
    "(accuracy, precision, recall, F1) Wilson's interval, counts divided by the design effect of the groups before; of "
    "the rest a bootstrap that draws groups, 2,000 times."
)


def figure_text(scores: Mapping[str, Any], key: str, form: str) -> str:
    """A figure with its interval, as far as the run has one.

    Args:
        scores: As `core.evaluation.summarise` gives them, or a part of them.
        key: The figure's.
        form: For its numbers, as `str.format` takes it.
    """
    if f"{key}_interval" not in scores:
        return form.format(scores[key])
    return f"{form.format(scores[key])} ({interval_text(scores[f'{key}_interval'], form)})"


def interval_text(interval: tuple[float, float] | list[float], form: str) -> str:
    """Both ends of an interval."""
    low, high = interval
    return f"{form.format(low)} to {form.format(high)}"


def say_kind(kind: ScoreKind, n_images: int) -> None:
    """Say which photos the figures of a page are of, and mark them where something was chosen by these photos."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="kind"):
        if kind.is_optimistic:
            st.badge("optimistic", icon=":material/trending_up:", color="orange")
        else:
            st.badge(kind.title.lower(), icon=":material/verified:", color="green")
        st.caption(f"Figures of {kind.words(n_images)}.", width="content", help=HOW_INTERVALS_ARE_MADE)
