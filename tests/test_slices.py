from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats

from core.intervals import unpaired_intervals, wilson_interval
from core.slices import MAX_SLICES, MIN_PHOTOS, PROPERTIES, find_slices, fisher_exact, holm, weakest
from dashboard.selection import Selection, matches, parse, to_params

COLUMNS = list(PROPERTIES)


def photos_with(**columns: Sequence[float] | NDArray[np.floating]) -> pd.DataFrame:
    """Photos of which only these properties are known."""
    n = len(next(iter(columns.values())))
    return pd.DataFrame({column: np.full(n, np.nan) for column in COLUMNS} | columns)


def slices_of(right: Sequence[bool] | NDArray[np.bool_] | None = None, **columns: Sequence[float]) -> pd.DataFrame:
    photos = photos_with(**columns)
    return find_slices(photos, np.ones(len(photos), dtype=bool) if right is None else right)


def bounds(slices: pd.DataFrame) -> list[tuple[float, float]]:
    return list(zip(slices["low"], slices["high"], strict=True))


# --- where a property is cut -----------------------------------------------------------------------------------------


def test_a_property_is_cut_into_slices_of_about_as_many_photos_each_at_short_numbers() -> None:
    slices = slices_of(brightness=[n / 1000 for n in range(1000)])
    assert bounds(slices) == [(0, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1)]
    assert slices["n_images"].tolist() == [200] * MAX_SLICES
    assert set(slices["property"]) == {"brightness"}


def test_large_numbers_are_cut_at_hundreds() -> None:
    slices = slices_of(sharpness=[float(n) for n in range(0, 10_000, 7)])
    assert bounds(slices) == [(0, 2000), (2000, 4000), (4000, 6000), (6000, 8000), (8000, 10_000)]


@pytest.mark.parametrize(("n", "n_slices"), [(0, 0), (1, 0), (49, 0), (50, 2), (75, 3), (125, 5), (10_000, 5)])
def test_each_slice_has_twenty_photos(n: int, n_slices: int) -> None:
    slices = slices_of(contrast=[(index + 0.5) / (n + 1) for index in range(n)])
    assert len(slices) == n_slices
    assert (slices["n_images"] >= MIN_PHOTOS).all()


def test_photos_that_are_alike_stay_in_one_slice() -> None:
    slices = slices_of(ratio=[0.75] * 30 + [1.5] * 500 + [1.7778] * 40)
    assert slices["n_images"].tolist() == [30, 500, 40]


def test_too_few_photos_beside_many_that_are_alike_are_no_slice_of_their_own() -> None:
    assert slices_of(ratio=[0.75] * 19 + [1.5] * 500).empty
    assert slices_of(ratio=[1.5] * 500 + [2.0] * 19).empty


def test_what_does_not_vary_has_no_slices() -> None:
    assert slices_of(megapixels=[0.25] * 500).empty
    assert slices_of(copies=[0] * 500).empty


def test_near_identical_photos_are_none_one_or_more_however_few_there_are() -> None:
    slices = slices_of(copies=[0] * 50 + [1] * 4 + [2, 3, 7])
    assert slices["n_images"].tolist() == [50, 4, 3]
    assert slices["low"].tolist() == [0, 1, 2]
    assert slices["high"].tolist()[:2] == [1, 2] and slices["high"].iloc[2] > 7


def test_photos_of_which_a_property_is_not_known_are_in_none_of_its_slices_and_not_among_the_rest() -> None:
    values = [n / 100 for n in range(100)] + [np.nan] * 50
    slices = slices_of([True] * 100 + [False] * 50, brightness=values)
    assert slices["n_images"].sum() == 100
    assert (slices["rest_accuracy"] == 1).all()


# --- a slice chooses its photos --------------------------------------------------------------------------------------


def awkward_values(rng: np.random.Generator, column: str) -> NDArray[np.float64]:
    n = 700
    return {
        "brightness": rng.beta(5, 5, n),
        "contrast": rng.beta(5, 20, n).round(3),  # Ties on the bounds.
        "sharpness": rng.lognormal(6, 2, n),
        "megapixels": rng.choice([0.0123, 0.25, 0.24999, 12.0, 63.9], n),
        "ratio": rng.choice([1.5, 1.4993, 0.66667, 1e-5, 4e7], n, p=[0.5, 0.3, 0.1, 0.05, 0.05]),
        "copies": rng.poisson(0.3, n).astype(np.float64),
    }[column]


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("seed", range(5))
def test_the_address_of_a_slice_chooses_exactly_the_photos_that_it_counts(column: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    photos = photos_with(**{column: awkward_values(rng, column)}).assign(split="val")
    slices = find_slices(photos, rng.random(len(photos)) < 0.8)
    chosen = []
    for low, high in bounds(slices):
        selection = Selection(split="val", **{column: (low, high)})  # type: ignore[arg-type]
        assert parse(to_params(selection)) == (selection, [])
        chosen.append(int(matches(selection, photos, ()).sum()))
    assert len(chosen) >= 2
    assert chosen == slices["n_images"].tolist()
    assert sum(chosen) == len(photos)
    assert all(one["high"] == other["low"] for one, other in pairwise(slices.to_dict("records")))


@pytest.mark.parametrize("step", [1e-5, 1e-7])
def test_values_closer_together_than_an_address_can_tell_are_not_parted(step: float) -> None:
    values = 0.5 + step * np.arange(100)
    slices = slices_of(brightness=values.tolist())
    photos = photos_with(brightness=values)
    chosen = [matches(Selection(brightness=each), photos, ()).sum() for each in bounds(slices)]
    assert slices["n_images"].tolist() == chosen


# --- how a slice does ------------------------------------------------------------------------------------------------


def dark_ones_are_hard() -> pd.DataFrame:
    """Of 100 dark photos 60 are right, of 300 others 285."""
    brightness = np.repeat([0.1, 0.3, 0.5, 0.7], 100)
    right = np.concatenate([np.arange(100) < 60, np.arange(300) % 20 > 0])
    return slices_of(right, brightness=brightness.tolist(), ratio=np.tile([1.0, 1.5], 200).tolist())


def test_a_slice_has_its_accuracy_and_that_of_all_others_with_intervals() -> None:
    dark = dark_ones_are_hard().iloc[0]
    assert (dark["n_images"], dark["accuracy"], dark["rest_accuracy"]) == (100, 0.6, 0.95)
    assert (dark["accuracy_low"], dark["accuracy_high"]) == wilson_interval(60, 100)
    low, high = unpaired_intervals(60, 100, 285, 300)
    assert dark["difference"] == pytest.approx(-0.35)
    assert (dark["difference_low"], dark["difference_high"]) == (low, high)


def test_copies_of_photos_tell_no_more_than_the_photos() -> None:
    photos, right = photos_with(brightness=[n / 200 for n in range(200)]), np.arange(200) % 3 > 0
    copies, groups = photos.loc[np.repeat(photos.index, 4)], np.repeat(np.arange(200), 4)
    once = find_slices(photos, right)
    naive, honest = (find_slices(copies, np.repeat(right, 4), each) for each in (None, groups))
    assert honest["n_images"].tolist() == naive["n_images"].tolist() == [4 * n for n in once["n_images"]]
    for low, high in (("accuracy_low", "accuracy_high"), ("difference_low", "difference_high")):
        width, wider, narrower = ((each[high] - each[low]).mean() for each in (once, honest, naive))
        assert wider == pytest.approx(width, rel=0.05) and narrower < 0.6 * width


def test_p_values_are_corrected_for_all_slices_of_all_properties() -> None:
    slices = dark_ones_are_hard()
    n_slices = len(slices)
    raw = stats.fisher_exact([[60, 40], [285, 15]]).pvalue
    assert n_slices == 6
    assert slices["p_value"].iloc[0] == pytest.approx(n_slices * raw)


def test_without_a_real_difference_hardly_any_set_of_slices_holds_one() -> None:
    n_found = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        slices = slices_of(rng.random(400) < 0.85, **{column: rng.random(400).tolist() for column in COLUMNS[:5]})
        n_found += bool((slices["p_value"] < 0.05).any())
    assert n_found <= 8


def test_the_weakest_slice_is_the_one_that_is_worse_for_sure() -> None:
    slices = pd.DataFrame(
        {
            "property": ["few", "many", "better", "chance"],
            "difference": [-0.3, -0.2, 0.1, -0.01],
            "difference_high": [-0.02, -0.15, 0.2, 0.05],
        }
    )
    assert weakest(slices)["property"].tolist() == ["many", "few", "chance"]


def test_of_no_photos_there_is_nothing_to_say() -> None:
    slices = slices_of(brightness=[])
    assert slices.empty
    assert weakest(slices).empty


# --- the test --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "table", [(0, 20, 50, 50), (3, 10, 5, 9), (20, 20, 100, 100), (0, 5, 0, 7), (60, 100, 285, 300), (900, 999, 1, 9)]
)
def test_fishers_exact_test_agrees_with_scipys(table: tuple[int, int, int, int]) -> None:
    hits, n, other_hits, other_n = table
    expected = stats.fisher_exact([[hits, n - hits], [other_hits, other_n - other_hits]]).pvalue
    assert fisher_exact([hits], [n], [other_hits], [other_n]) == pytest.approx([expected])


def test_holms_correction_agrees_with_a_worked_example() -> None:
    # S. Holm's rule on four tests: 4 x 0.01, 3 x 0.02, then never below the one before: 2 x 0.03 is, 1 x 0.04 is not.
    assert holm(np.array([0.04, 0.01, 0.03, 0.02])) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]
    assert len(holm(np.array([]))) == 0
