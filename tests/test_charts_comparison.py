from urllib.parse import parse_qsl

import pandas as pd
import pytest

from core.comparison import CHANGES, Comparison, changes_per_class
from dashboard.charts.comparison import changes_by_class
from dashboard.selection import matches, parse

NAMES = ("nobody", "every body & all", "3")
SHOWN = ["nobody", "every body &amp; all", "3"]  # As plotly takes text.
FATES = ["fixed", "fixed", "broken", "still_wrong", "still_right", "still_right", "broken"]
LABELS = [0, 1, 1, 0, 1, 1, 0]


@pytest.fixture
def photos() -> pd.DataFrame:
    return pd.DataFrame({"image": [f"{index}.jpg" for index in range(7)], "true_label": LABELS, "change": FATES})


def counts(photos: pd.DataFrame) -> pd.DataFrame:
    return changes_per_class(Comparison(photos, 0, 0, 0), NAMES)


def test_a_bar_a_class_stacks_what_has_become_of_its_photos(photos: pd.DataFrame) -> None:
    bars = [bar for bar in changes_by_class(counts(photos), counts(photos), "before").data if bar.showlegend]
    assert {bar.name: (list(bar.y), list(bar.x)) for bar in bars} == {
        "fixed": (SHOWN, [1, 1, 0]),
        "newly broken": (SHOWN, [1, 1, 0]),
        "still wrong": (SHOWN, [1, 0, 0]),
        "still right": (SHOWN, [0, 2, 0]),
    }


def test_what_is_chosen_stands_in_full_colour_and_the_rest_is_pale(photos: pd.DataFrame) -> None:
    fixed, rest, *_ = changes_by_class(counts(photos), counts(photos[:1]), "before").data
    assert (list(fixed.x), list(rest.x)) == ([1, 0, 0], [0, 1, 0])
    assert (list(fixed.text), list(rest.text)) == (["1", "", ""], ["", "", ""])
    assert fixed.marker.opacity > rest.marker.opacity


def test_every_bar_chooses_the_photos_that_it_counts(photos: pd.DataFrame) -> None:
    changes = photos.set_index("image")["change"]
    bars = [bar for bar in changes_by_class(counts(photos), counts(photos), "be&fore").data if bar.showlegend]
    for bar in bars:
        for n, (query, *_) in zip(bar.x, bar.customdata, strict=True):
            selection, faults = parse(dict(parse_qsl(query)))
            assert faults == [] and selection.with_run == "be&fore"
            assert int(matches(selection, photos, NAMES, changes=changes).sum()) == n


def test_photos_that_both_get_right_wait_in_the_legend(photos: pd.DataFrame) -> None:
    bars = changes_by_class(counts(photos), counts(photos), "before").data
    hidden = {bar.name for bar in bars if bar.visible == "legendonly"}
    assert hidden == {"still right"}
    assert len(bars) == 2 * len(CHANGES)
