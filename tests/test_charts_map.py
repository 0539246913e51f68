import numpy as np
import pandas as pd

from dashboard.charts.map import photo_map
from dashboard.selection import unit_square

PLACES = np.array([[0.0, 0.0], [1.0, 1.0], [0.5, 0.5], [np.nan, np.nan]])
NAMES = pd.Series(["a", "b", "c", "d"])
GROUPS = {
    "cats": (np.array([True, True, False, False]), "#000000"),
    "dogs": (np.array([False, False, True, True]), "#ffffff"),
}


def test_each_group_is_an_entry_of_the_legend_and_photos_without_a_place_are_left_out() -> None:
    traces = photo_map(PLACES, GROUPS, np.ones(4, dtype=bool), NAMES).data
    assert [(trace.name, list(trace.text), trace.showlegend) for trace in traces] == [
        ("cats", ["a", "b"], True),
        ("dogs", ["c"], True),
    ]


def test_photos_that_are_not_chosen_are_pale_and_below() -> None:
    below, *above = photo_map(PLACES, GROUPS, np.array([True, False, True, True]), NAMES).data
    assert list(below.text) == ["b"]
    assert not below.showlegend
    assert [list(trace.text) for trace in above] == [["a"], ["c"]]
    assert below.marker.opacity < above[0].marker.opacity


def test_many_photos_are_sent_without_their_names() -> None:
    n = 30_000
    groups = {"all": (np.ones(n, dtype=bool), "#000000")}
    (trace,) = photo_map(np.zeros((n, 2)), groups, np.ones(n, dtype=bool), pd.Series(["name"] * n)).data
    assert trace.text is None
    assert trace.hoverinfo == "skip"


def test_the_same_distance_is_as_long_both_ways() -> None:
    figure = photo_map(PLACES, GROUPS, np.ones(4, dtype=bool), NAMES)
    assert figure.layout.yaxis.scaleanchor == "x"


def test_the_area_that_is_chosen_is_drawn() -> None:
    everything = np.ones(4, dtype=bool)
    assert not photo_map(PLACES, GROUPS, everything, NAMES).layout.shapes
    (shape,) = photo_map(PLACES, GROUPS, everything, NAMES, area=((0, 0), (1, 0), (0.5, 1))).layout.shapes
    assert shape.path == "M0,0L1,0L0.5,1Z"


def test_places_fill_the_unit_square_without_being_distorted() -> None:
    places = unit_square(np.array([[-10.0, 5.0], [10.0, 15.0], [np.nan, np.nan]]))
    assert places[:2].tolist() == [[0.0, 0.25], [1.0, 0.75]]
    assert np.isnan(places[2]).all()


def test_photos_at_one_place_or_at_none_have_a_map_too() -> None:
    assert unit_square(np.array([[3.0, 3.0], [3.0, 3.0]])).tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert np.isnan(unit_square(np.full((2, 2), np.nan))).all()
