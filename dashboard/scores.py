"""Figures of a run in words: what they are of, how far they can be believed, and within which intervals they lie."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import streamlit as st

from core.comparison import Comparison, PairedFigure, mcnemar
from core.evaluation import ScoreKind
from core.slices import SIGNIFICANCE

HOW_INTERVALS_ARE_MADE = (
    "All intervals are 95 %. Near-identical photos are no independent evidence, so they count as groups: of shares "
    "(accuracy, precision, recall, F1) Wilson's interval, counts divided by the design effect of the groups before; of "
    "the rest a bootstrap that draws groups, 2,000 times."
)


class Figure(NamedTuple):
    """How a figure is shown.

    Attributes:
        title: What it is called.
        form: For its numbers, as `str.format` takes it.
        more_is_better: Whether the higher of two is the better one.
        meaning: What it is, in a sentence.
    """

    title: str
    form: str
    more_is_better: bool
    meaning: str


# By name, as in `metrics.json`.
FIGURES = {
    "accuracy": Figure("Accuracy", "{:.1%}", True, "Share of photos whose class was predicted."),
    "macro_f1": Figure("Macro F1", "{:.1%}", True, "Mean of the classes' F1: each class counts the same."),
    "log_loss": Figure("Log loss", "{:.3f}", False, "Mean of -log(probability of the true class); lower is better."),
    "expected_calibration_error": Figure(
        "Calibration error",
        "{:.1%}",
        False,
        "Mean gap between confidence and accuracy (ECE, 15 bins); lower is better.",
    ),
}


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


def change_text(change: float, form: str) -> str:
    """A change with its sign; that of a share in percentage points."""
    return f"{100 * change:+.1f}" if "%" in form else f"{change:+.3f}"


def change_interval_text(interval: tuple[float, float], form: str) -> str:
    """Both ends of an interval of a change."""
    return " to ".join(change_text(end, form) for end in interval)


def change_unit(form: str) -> str:
    """What follows a change, or an interval of one."""
    return " points" if "%" in form else ""


def verdict(figure: PairedFigure, comparison: Comparison) -> str:
    """What the interval of a difference says, and of accuracies the exact test: of few photos both must agree.

    Args:
        figure: From `comparison`.
        comparison: The two runs.
    """
    low, high = figure.interval
    if low <= 0 <= high:
        return "No proof of a difference: the interval holds 0."
    if figure.name == "accuracy" and (p_value := mcnemar(comparison)) >= SIGNIFICANCE:
        return f"No proof of a difference: by the exact test it may be chance (p = {p_value:.3f}), close as it is."
    is_better = (low > 0) == FIGURES[figure.name].more_is_better
    return f"A real difference: this run is {'better' if is_better else 'worse'}."


def say_kind(kind: ScoreKind, n_images: int) -> None:
    """Say which photos the figures of a page are of, and mark them where something was chosen by these photos."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="kind"):
        if kind.is_optimistic:
            st.badge("optimistic", icon=":material/trending_up:", color="orange")
        else:
            st.badge(kind.title.lower(), icon=":material/verified:", color="green")
        st.caption(f"Figures of {kind.words(n_images)}.", width="content", help=HOW_INTERVALS_ARE_MADE)
