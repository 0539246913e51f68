from urllib.parse import parse_qsl

import numpy as np
import pandas as pd
import pytest

from core import reliability as of
from dashboard.charts.confidence import confidence_histogram, coverage, ranking, reliability
from dashboard.selection import matches, parse

# Edges of bins among them: 0.15 and 0.3 are the hard ones in binary.
CONFIDENCE = np.array([0.0, 0.149, 0.15, 0.3, 0.5, 0.55, 0.95, 1.0])
IS_RIGHT = np.array([False, True, False, True, True, False, True, True])


@pytest.fixture
def photos() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "split": "val",
            "confidence": CONFIDENCE,
            "true_label": 0,
            "predicted_label": np.where(IS_RIGHT, 0, 1),
        }
    )


def chosen_by(query: str, photos: pd.DataFrame) -> int:
    selection, faults = parse(dict(parse_qsl(query)))
    assert faults == []
    return int(matches(selection, photos, ("a", "b")).sum())


def test_every_bar_of_the_histogram_chooses_the_photos_that_it_counts(photos: pd.DataFrame) -> None:
    bins = of.confidence_histogram(CONFIDENCE, IS_RIGHT)
    nothing = of.confidence_histogram(CONFIDENCE[:0], IS_RIGHT[:0])
    traces = confidence_histogram(bins, nothing).data
    shown = [trace for trace in traces if not trace.showlegend]
    assert [trace.name for trace in shown] == ["right", "wrong"]
    for trace in shown:
        assert [chosen_by(each[0], photos) for each in trace.customdata] == list(trace.y)
    assert sum(sum(trace.y) for trace in shown) == len(CONFIDENCE)


def test_what_is_chosen_stands_in_full_colour_and_the_rest_is_pale() -> None:
    bins = of.confidence_histogram(CONFIDENCE, IS_RIGHT)
    chosen = of.confidence_histogram(CONFIDENCE[-1:], IS_RIGHT[-1:])
    right, pale, *_ = confidence_histogram(bins, chosen).data
    assert (right.y[-1], pale.y[-1]) == (1, 1)
    assert right.marker.opacity > pale.marker.opacity


def test_wrong_photos_are_told_apart_without_colours() -> None:
    bins = of.confidence_histogram(CONFIDENCE, IS_RIGHT)
    patterns = {trace.name: trace.marker.pattern.shape for trace in confidence_histogram(bins, bins).data}
    assert patterns == {"right": "", "wrong": "/"}


def test_every_dot_of_the_reliability_diagram_chooses_its_photos(photos: pd.DataFrame) -> None:
    bins = of.reliability_bins(CONFIDENCE, IS_RIGHT)
    bars, diagonal, dots = reliability(bins, chosen=(0.9, 1.0)).data
    assert [chosen_by(each[0], photos) for each in bars.customdata] == list(bars.y)
    assert [chosen_by(each[0], photos) for each in dots.customdata] == [each[2] for each in dots.customdata]
    assert (list(diagonal.x), list(diagonal.y)) == ([0, 1], [0, 1])
    assert list(dots.marker.line.width)[-1] == 3
    assert sum(dots.marker.line.width) == 3


def test_dots_of_empty_bins_are_left_out() -> None:
    bins = of.reliability_bins(np.array([0.95]), np.array([True]))
    *_, dots = reliability(bins).data
    assert list(dots.x) == [0.95]


def test_coverage_marks_the_threshold() -> None:
    curve = of.coverage_curve(CONFIDENCE, IS_RIGHT)
    *_, marker = coverage(curve, 0.5).data
    assert list(marker.x) == [0.5]
    assert list(marker.y) == [0.75]


def test_coverage_beyond_every_confidence_has_no_mark() -> None:
    *_, marker = coverage(of.coverage_curve(CONFIDENCE[:3], IS_RIGHT[:3]), 0.9).data
    assert len(marker.x) == 0


def test_a_class_that_cannot_be_ranked_is_named_and_has_no_line() -> None:
    curve = pd.DataFrame({"recall": [0.0, 1.0], "precision": [1.0, 0.5], "threshold": [np.inf, 0.1]})
    known, empty = ranking({"a": curve, "b": curve.iloc[:0]}, [0.75, np.nan], "recall", "precision", None).data
    assert known.name == "a (0.750)"
    assert (empty.name, len(empty.x)) == ("b (none)", 0)
    assert known.line.dash != empty.line.dash
