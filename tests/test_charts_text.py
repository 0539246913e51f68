"""Names come from files: in every chart they are shown as they are, and nothing in them means anything to plotly."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from core.comparison import CHANGES
from dashboard.charts.comparison import changes_by_class
from dashboard.charts.confidence import ranking
from dashboard.charts.dataset import class_balance
from dashboard.charts.evaluation import confusion_matrix
from dashboard.charts.map import photo_map
from dashboard.charts.photo import probabilities
from dashboard.charts.style import plain
from dashboard.charts.submission import class_mix
from dashboard.charts.training import curves

NAME = "R&amp;D <b>%{hidden}</b>"
SHOWN = "R&amp;amp;D &lt;b>%&#123;hidden}&lt;/b>"
NAMES = (NAME, "other")


def of_changes() -> go.Figure:
    counts = pd.DataFrame({"class_name": NAMES, "n_images": [1, 1]} | {change: [1, 1] for change in CHANGES})
    return changes_by_class(counts, counts, "before")


def of_ranking() -> go.Figure:
    curve = pd.DataFrame({"recall": [0.0, 1.0], "precision": [1.0, 0.5], "threshold": [0.9, 0.1]})
    return ranking({NAME: curve}, [0.75], "recall", "precision", None)


def of_balance() -> go.Figure:
    photos = pd.DataFrame({"split": ["val", "val"], "true_label": [0, 1]})
    return class_balance(photos, np.ones(2, dtype=bool), NAMES, {"val": "held out"})


def of_matrix() -> go.Figure:
    return confusion_matrix(np.eye(2, dtype=int), NAMES, "Counts")


def of_map() -> go.Figure:
    groups = {NAME: (np.ones(1, dtype=bool), "#000000")}
    return photo_map(np.zeros((1, 2)), groups, np.ones(1, dtype=bool), pd.Series([f"{NAME}.jpg"]))


def of_photo() -> go.Figure:
    return probabilities([0.5, 0.5], NAMES, true_label=0)


def of_mix() -> go.Figure:
    mix = pd.DataFrame({"n_images": [1, 1], "share": 0.5, "share_low": 0.1, "share_high": 0.9})
    return class_mix(mix, mix, NAMES, "val")


def of_curves() -> go.Figure:
    """Of a run that nobody would call so, in which each epoch is a stage of its own."""
    history = pd.DataFrame(
        {"stage": [NAME, "head"], "fold": -1, "epoch": 0, "loss": 0.5, "val_loss": 0.5, "seconds": 1}
    )
    return curves({NAME: history, "other": history}, "loss")


def of_one_curve() -> go.Figure:
    history = pd.DataFrame(
        {"stage": ["head", NAME], "fold": -1, "epoch": 0, "loss": 0.5, "val_loss": 0.5, "seconds": 1}
    )
    return curves({"run": history}, "loss")


def texts(value: object) -> Iterator[str]:
    """All texts of a figure but what clicks stand for and which traces belong together, which nobody sees."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            if key not in ("customdata", "legendgroup"):
                yield from texts(each)
    elif isinstance(value, list | tuple | np.ndarray):
        for each in value:
            yield from texts(each)


@pytest.mark.parametrize(
    "draw",
    [of_changes, of_ranking, of_balance, of_matrix, of_map, of_photo, of_mix, of_curves, of_one_curve],
)
def test_a_name_is_shown_as_it_is(draw: Callable[[], go.Figure]) -> None:
    found = [text for text in texts(draw().to_plotly_json()) if "hidden" in text]
    assert found
    assert [text for text in found if SHOWN not in text or NAME in text] == []


def test_two_names_never_look_the_same() -> None:
    assert len({plain(name) for name in ("a&b", "a&amp;b", "<", "&lt;", "%{", "%&#123;")}) == 6
