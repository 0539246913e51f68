from urllib.parse import parse_qsl

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from dashboard.charts.dataset import aspect_ratios, class_balance, photo_shapes
from dashboard.selection import matches, parse

NAMES = ("nobody", "every body & all", "3")
SHOWN = ["nobody", "every body &amp; all", "3"]  # As plotly takes text.


@pytest.fixture
def photos() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image": [f"training/{index}.jpg" for index in range(7)],
            "split": ["train", "train", "val", "val", "val", "test", "left_out"],
            "true_label": [0, 1, 0, 0, 1, -1, -1],
            "width": [612, 612, 408, 612, 100, 9000, np.nan],
            "height": [408, 408, 612, 408, 100, 1000, np.nan],
            "ratio": [1.5, 1.5, 408 / 612, 1.5, 1, 9, np.nan],
        }
    )


def everything(photos: pd.DataFrame) -> NDArray[np.bool_]:
    return np.ones(len(photos), dtype=bool)


def chosen_by(customdata: object, photos: pd.DataFrame) -> int:
    """How many photos a click on a mark chooses."""
    query = customdata if isinstance(customdata, str) else customdata[0]  # type: ignore[index]
    selection, faults = parse(dict(parse_qsl(query)))
    assert faults == []
    return int(matches(selection, photos, NAMES).sum())


def test_class_balance_groups_classes_by_split(photos: pd.DataFrame) -> None:
    bars = class_balance(photos, everything(photos), NAMES, {"train": "trained on", "val": "held out"}).data
    full = [bar for bar in bars if bar.showlegend]
    assert [(bar.name, list(bar.x), list(bar.y)) for bar in full] == [
        ("trained on", SHOWN, [1, 1, 0]),
        ("held out", SHOWN, [2, 1, 0]),
    ]


def test_what_is_chosen_stands_in_full_colour_upon_which_the_rest_is_pale(photos: pd.DataFrame) -> None:
    is_chosen = (photos["image"] == "training/2.jpg").to_numpy()
    chosen, rest = class_balance(photos, is_chosen, NAMES, {"val": "held out"}).data
    assert (list(chosen.y), list(rest.y)) == ([1, 0, 0], [1, 1, 0])
    assert chosen.marker.opacity > rest.marker.opacity


def test_every_bar_of_the_class_balance_chooses_the_photos_that_it_counts(photos: pd.DataFrame) -> None:
    for bar in class_balance(photos, everything(photos), NAMES, {"train": "trained on", "val": "held out"}).data[::2]:
        for n, customdata in zip(bar.y, bar.customdata, strict=True):
            assert chosen_by(customdata, photos) == n


def test_class_names_that_are_numbers_stay_names(photos: pd.DataFrame) -> None:
    assert class_balance(photos, everything(photos), NAMES, {"val": "held out"}).layout.xaxis.type == "category"


def test_commonest_shapes_come_first_and_choose_what_they_count(photos: pd.DataFrame) -> None:
    bars = photo_shapes(photos, everything(photos), n_shapes=2).data[0]
    assert (bars.y[0], bars.x[0]) == ("612 x 408", 3)
    assert len(bars.y) == 2
    assert [chosen_by(each, photos) for each in bars.customdata] == list(bars.x)


def test_every_photo_with_a_size_is_in_one_bar_of_the_ratios_which_chooses_it(photos: pd.DataFrame) -> None:
    bars = aspect_ratios(photos, everything(photos)).data[0]
    assert sum(bars.y) == 6
    assert [chosen_by(each, photos) for each in bars.customdata] == list(bars.y)


def test_photos_beyond_four_to_one_count_in_the_outermost_bar(photos: pd.DataFrame) -> None:
    bars = aspect_ratios(photos, everything(photos)).data[0]
    assert bars.y[-1] == 1


def test_a_dataset_without_photos_has_charts_without_marks(photos: pd.DataFrame) -> None:
    empty, nothing = photos.iloc[:0], np.zeros(0, dtype=bool)
    balance, ratios = class_balance(empty, nothing, NAMES, {"val": "held out"}), aspect_ratios(empty, nothing)
    assert all(sum(bar.y) == 0 for bar in (*balance.data, *ratios.data))
    assert all(len(bar.x) == 0 for bar in photo_shapes(empty, nothing).data)
