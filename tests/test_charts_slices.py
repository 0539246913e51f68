from urllib.parse import parse_qsl

import numpy as np
import pandas as pd
import pytest

from core.slices import PROPERTIES, find_slices
from dashboard.charts.slices import slice_accuracy, slice_names
from dashboard.selection import matches, parse


def photos_with(column: str, values: list[float]) -> pd.DataFrame:
    unknown = dict.fromkeys(PROPERTIES, np.nan)
    return pd.DataFrame({"split": ["val"] * len(values)} | unknown | {column: values})


def slices_of(column: str, values: list[float]) -> pd.DataFrame:
    return find_slices(photos_with(column, values), np.arange(len(values)) % 4 > 0)


@pytest.mark.parametrize(
    ("column", "factor", "names"),
    [
        ("brightness", 0.005, ["below 15 %", "15 to 30 %", "30 % or more"]),
        ("sharpness", 50.0, ["below 1,500", "1,500 to 3,000", "3,000 or more"]),
        ("megapixels", 0.1, ["below 3 MP", "3 to 6 MP", "6 MP or more"]),
        ("ratio", 0.05, ["below 1.5", "1.5 to 3", "3 or more"]),
    ],
)
def test_slices_are_named_by_their_range_in_a_unit_that_people_use(
    column: str, factor: float, names: list[str]
) -> None:
    assert slice_names(slices_of(column, [factor * n for n in range(90)])) == names


def test_slices_are_named_in_as_few_decimals_as_tell_their_bounds_apart() -> None:
    for edges, names in (
        ([0.01, 0.0903, 0.2497, 1.0], ["below 0.09 MP", "0.09 to 0.25 MP", "0.25 MP or more"]),
        ([0.01, 0.2497, 0.2503, 1.0], ["below 0.2497 MP", "0.2497 to 0.2503 MP", "0.2503 MP or more"]),
    ):
        assert slice_names(pd.DataFrame({"property": "megapixels", "low": edges[:-1], "high": edges[1:]})) == names


def test_numbers_of_near_identical_photos_are_named_as_such() -> None:
    assert slice_names(slices_of("copies", [0.0] * 9 + [1.0] * 3 + [2.0, 5.0])) == ["none", "1", "2 or more"]
    assert slice_names(slices_of("copies", [0.0] * 9 + [1.0] * 3)) == ["none", "1"]


def test_each_dot_has_its_accuracy_interval_and_number_of_photos() -> None:
    slices = slices_of("brightness", [n / 100 for n in range(100)])
    figure = slice_accuracy(slices, overall=0.75, lowest=0.4)
    (dots,) = [trace for trace in figure.data if len(trace.x)]
    assert list(dots.x) == slices["accuracy"].tolist()
    assert list(dots.x + dots.error_x.array) == pytest.approx(slices["accuracy_high"].tolist())
    assert list(dots.x - dots.error_x.arrayminus) == pytest.approx(slices["accuracy_low"].tolist())
    assert [each[3] for each in dots.customdata] == slices["n_images"].tolist()
    assert all("25 photos" in label for label in dots.y)
    assert figure.layout.shapes[0].x0 == 0.75
    assert figure.layout.xaxis.range[0] == 0.4


def test_a_click_on_a_dot_chooses_the_held_out_photos_that_it_counts() -> None:
    photos = photos_with("contrast", [n / 200 for n in range(100)])
    slices = find_slices(photos, np.ones(100, dtype=bool))
    dots = slice_accuracy(slices, overall=1.0).data[0]
    photos.loc[::2, "split"] = "train"
    for query, *_, n in dots.customdata:
        selection, faults = parse(dict(parse_qsl(query)))
        assert (faults, selection.split) == ([], "val")
        assert matches(selection, photos.assign(split="val"), ()).sum() == n
        assert matches(selection, photos, ()).sum() < n


def test_the_slice_that_is_chosen_is_framed_and_the_others_are_pale() -> None:
    slices = slices_of("brightness", [n / 100 for n in range(100)])
    chosen = (slices["low"].iloc[1], slices["high"].iloc[1])
    full, pale = slice_accuracy(slices, overall=0.75, chosen=chosen).data
    assert list(full.x) == [slices["accuracy"].iloc[1]]
    assert len(pale.x) == len(slices) - 1
    assert full.marker.line.width > 0 and full.opacity > pale.opacity
