from urllib.parse import parse_qsl

import numpy as np
import pandas as pd
import pytest

from core.submission import class_mix as mix_of
from dashboard.charts.submission import class_mix
from dashboard.selection import matches, parse

NAMES = ("nobody", "every body & all", "3")


@pytest.fixture
def photos() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "split": ["train"] * 4 + ["val"] + ["test"] * 3,
            "true_label": [0, 0, 1, 2, 0, -1, -1, -1],
            "predicted_label": [0, 1, 1, 2, 0, 1, 1, 0],
        }
    )


def mixes(photos: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    labelled, tested = (photos[photos["split"] == split] for split in ("train", "test"))
    return mix_of(labelled["true_label"], 3), mix_of(tested["predicted_label"], 3)


def test_labels_and_predictions_stand_side_by_side_with_their_intervals(photos: pd.DataFrame) -> None:
    labelled, predicted = class_mix(*mixes(photos), NAMES, "train").data
    assert (labelled.name, predicted.name) == ("photos trained on, as labelled", "test photos, as predicted")
    assert labelled.y.tolist() == [0.5, 0.25, 0.25]
    assert predicted.y == pytest.approx([1 / 3, 2 / 3, 0])
    low, high = predicted.y - predicted.error_y.arrayminus, predicted.y + predicted.error_y.array
    assert low == pytest.approx(mixes(photos)[1]["share_low"])
    assert high == pytest.approx(mixes(photos)[1]["share_high"])


def test_every_bar_chooses_the_photos_that_it_counts(photos: pd.DataFrame) -> None:
    for bar, mix in zip(class_mix(*mixes(photos), NAMES, "train").data, mixes(photos), strict=True):
        for n, (query, said, *_) in zip(mix["n_images"], bar.customdata, strict=True):
            selection, faults = parse(dict(parse_qsl(query)))
            assert faults == []
            assert int(matches(selection, photos, NAMES).sum()) == n == said


def test_where_every_photo_was_held_out_once_these_are_the_labels(photos: pd.DataFrame) -> None:
    labelled = class_mix(*mixes(photos), NAMES, "val").data[0]
    assert labelled.name == "photos held out, as labelled"
    assert labelled.customdata[0][0] == "split=val&true=nobody"


def test_the_bar_that_is_chosen_is_framed(photos: pd.DataFrame) -> None:
    labelled, predicted = class_mix(*mixes(photos), NAMES, "train", ("test", "3")).data
    assert np.count_nonzero(labelled.marker.line.width) == 0
    assert np.flatnonzero(predicted.marker.line.width).tolist() == [2]
