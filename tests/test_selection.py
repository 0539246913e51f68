import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.runs import read_predictions, read_problems, read_samples, read_test_predictions
from dashboard.photos import photo_table
from dashboard.selection import Order, Selection, chips, inside, matches, order, parse, simplified, to_params
from tests.handwritten import CLASS_NAMES, write_run

FULL = Selection(
    split="val", fold=2, true="no mask & none", predicted="everybody", outcome="wrong", confidence=(0.25, 0.5),
    name="ab c", problem="duplicate", shape=(612, 408), ratio=(1.41, 1.54), map="pca",
    area=((-0.5, 0.25), (1.0, 0.0), (0.3333, 0.75)), with_run="before", change="fixed", labels="original",
    review="exclude",
)  # fmt: skip


@pytest.fixture
def photos(tmp_path: Path) -> pd.DataFrame:
    folder = write_run(tmp_path / "runs", tmp_path / "data").path
    return photo_table(
        read_samples(folder / "samples.csv"),
        read_problems(folder / "problems.csv"),
        3,
        read_predictions(folder / "predictions.csv", 3),
        read_test_predictions(folder / "test_predictions.csv", 3),
    )


def letters(photos: pd.DataFrame) -> str:
    return "".join(Path(image).stem for image in photos["image"])


def chosen(photos: pd.DataFrame, selection: Selection) -> str:
    return letters(photos[matches(selection, photos, CLASS_NAMES)])


# --- conditions ---


def test_without_conditions_every_photo_is_chosen(photos: pd.DataFrame) -> None:
    assert chosen(photos, Selection()) == "xyabcdefgz"  # Test photos, those used, and the one that was left out.


def test_outcomes_are_of_photos_whose_label_and_prediction_are_known(photos: pd.DataFrame) -> None:
    assert chosen(photos, Selection(outcome="wrong")) == "bdf"
    assert chosen(photos, Selection(outcome="right")) == "aceg"


def test_conditions_add_up(photos: pd.DataFrame) -> None:
    assert chosen(photos, Selection(outcome="wrong", split="val")) == "bd"
    assert chosen(photos, Selection(outcome="wrong", split="val", true="somebody")) == "d"
    assert chosen(photos, Selection(outcome="wrong", predicted="everybody", true="nobody")) == "b"


@pytest.mark.parametrize(
    ("split", "expected"), [("train", "efg"), ("val", "abcd"), ("test", "xy"), ("left_out", "z"), ("unknown", "")]
)
def test_every_photo_is_of_one_split(photos: pd.DataFrame, split: str, expected: str) -> None:
    assert chosen(photos, Selection(split=split)) == expected


def test_a_class_that_the_run_does_not_have_chooses_no_photo(photos: pd.DataFrame) -> None:
    assert chosen(photos, Selection(true="cats")) == ""


def test_bins_that_touch_share_no_photo_and_miss_none(photos: pd.DataFrame) -> None:
    edges = (0.0, 0.6, 0.8, 0.95, 1.0)
    bins = [chosen(photos, Selection(confidence=bounds)) for bounds in itertools.pairwise(edges)]
    assert bins == ["f", "xybg", "ac", "de"]


def test_names_are_looked_for_as_they_are_and_in_any_case(photos: pd.DataFrame) -> None:
    assert chosen(photos, Selection(name="A.JPG")) == "a"
    assert chosen(photos, Selection(name=".*")) == ""
    assert chosen(photos, Selection(name="test/")) == "xy"


def test_sizes_and_ratios_choose_photos(photos: pd.DataFrame) -> None:
    assert chosen(photos, Selection(shape=(20, 30))) == "y"
    assert chosen(photos, Selection(ratio=(0.5, 1.0))) == "y"
    assert chosen(photos, Selection(ratio=(1.4, 1.6))) == "xabcdefg"


def test_what_the_pixels_say_chooses_photos(photos: pd.DataFrame) -> None:
    photos["sharpness"] = np.arange(len(photos)) * 100.0
    assert chosen(photos, Selection(sharpness=(200, 400))) == "ab"
    assert chosen(photos, Selection(megapixels=(0, 1))) == "xyabcdefg"
    assert chosen(photos, Selection(brightness=(0, 1))) == ""


def test_near_identical_photos_are_chosen_by_their_group_or_by_how_many_there_are(photos: pd.DataFrame) -> None:
    assert chosen(photos, Selection(group=photos["group"].iloc[2])) == "a"
    assert chosen(photos, Selection(copies=(0, 1))) == "xyabcdefgz"
    assert chosen(photos, Selection(copies=(1, 99))) == ""


def test_a_problem_chooses_its_files_also_those_left_out(photos: pd.DataFrame) -> None:
    assert chosen(photos, Selection(problem="truncated")) == "z"
    assert chosen(photos, Selection(problem="trunc")) == ""


def test_an_area_chooses_the_photos_whose_places_lie_in_it(photos: pd.DataFrame) -> None:
    places = np.full((len(photos), 2), np.nan)
    places[3:6] = (0.5, 0.5), (0.9, 0.9), (0.4, 0.6)
    selection = Selection(map="pca", area=((0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7)))
    mask = matches(selection, photos, CLASS_NAMES, positions=places)
    assert np.flatnonzero(mask).tolist() == [3, 5]


def test_a_change_chooses_the_photos_that_changed_so(photos: pd.DataFrame) -> None:
    changes = pd.Series({"training/a.jpg": "fixed", "training/b.jpg": "broken"})
    selection = Selection(with_run="before", change="fixed")
    assert letters(photos[matches(selection, photos, CLASS_NAMES, changes=changes)]) == "a"


def test_what_cannot_be_known_chooses_no_photo(photos: pd.DataFrame) -> None:
    assert chosen(photos, Selection(map="tsne", area=((0, 0), (1, 0), (1, 1)))) == ""
    assert chosen(photos, Selection(with_run="gone", change="fixed")) == ""


# --- polygons ---


def test_points_are_inside_a_polygon_with_a_dent() -> None:
    arrow = ((0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (2.0, 1.0), (0.0, 4.0))
    points = np.array([(2.0, 0.5), (2.0, 2.0), (0.5, 2.0), (5.0, 1.0), (np.nan, 1.0)])
    assert inside(arrow, points).tolist() == [True, False, True, False, False]


def test_a_drawn_line_keeps_its_shape_with_few_corners() -> None:
    angles = np.linspace(0, 2 * np.pi, 500, endpoint=False)
    circle = [(float(x), float(y)) for x, y in zip(0.5 + 0.4 * np.cos(angles), 0.5 + 0.4 * np.sin(angles), strict=True)]
    polygon = simplified(circle)
    points = np.random.default_rng(0).uniform(0, 1, (4000, 2))
    is_within = np.hypot(*(points - 0.5).T) < 0.4
    assert len(polygon) == 30
    assert (inside(polygon, points) == is_within).mean() > 0.99


def test_a_simplified_polygon_stands_in_an_address_as_it_is() -> None:
    selection = Selection(map="pca", area=simplified([(1 / 3, 1e-7), (2 / 3, -1e-7), (0.5, 0.123456)]))
    assert parse(to_params(selection)) == (selection, [])


# --- addresses ---


def test_an_address_holds_a_selection_and_gives_it_back() -> None:
    assert parse(to_params(FULL)) == (FULL, [])
    assert parse(to_params(Selection())) == (Selection(), [])


def test_an_address_is_read_by_people() -> None:
    assert to_params(FULL) == {
        "split": "val",
        "fold": "2",
        "true": "no mask & none",
        "predicted": "everybody",
        "outcome": "wrong",
        "confidence": "0.25-0.5",
        "name": "ab c",
        "problem": "duplicate",
        "shape": "612x408",
        "ratio": "1.41-1.54",
        "map": "pca",
        "area": "-0.5,0.25;1,0;0.3333,0.75",
        "with": "before",
        "change": "fixed",
        "labels": "original",
        "review": "exclude",
    }


@pytest.mark.parametrize(
    "param",
    [
        {"split": "everything"},
        {"fold": "-1"},
        {"fold": "1e3"},
        {"outcome": "maybe"},
        {"confidence": "0.5"},
        {"confidence": "0.9-0.1"},
        {"confidence": "nan-inf"},
        {"confidence": "5-6"},
        {"shape": "612"},
        {"ratio": "a-b"},
        {"map": "umap"},
        {"map": "pca", "area": "0,0;1,1"},
        {"map": "pca", "area": ";".join(["0,0"] * 31)},
        {"with": "other", "change": "better"},
    ],
)
def test_what_means_nothing_is_left_out_and_told(param: dict[str, str]) -> None:
    selection, faults = parse(param)
    assert selection == Selection()
    assert len(faults) == 1
    assert "means nothing" in faults[0]


def test_other_parameters_are_passed_over() -> None:
    assert parse({"run": "a", "page": "3", "photo": "x"}) == (Selection(), [])


@pytest.mark.parametrize("param", [{"area": "0,0;1,0;1,1"}, {"change": "fixed"}])
def test_a_condition_without_what_it_is_about_is_left_out_and_told(param: dict[str, str]) -> None:
    selection, faults = parse(param)
    assert selection == Selection()
    assert "means nothing without" in faults[0]


def test_a_map_or_a_run_without_its_condition_chooses_nothing() -> None:
    assert parse({"map": "pca", "with": "before"}) == (Selection(), [])


def test_taking_a_condition_away_takes_what_only_serves_it() -> None:
    rest = FULL.without("area").without("change")
    assert (rest.map, rest.area, rest.with_run, rest.change) == (None,) * 4
    assert rest.true == FULL.true


@pytest.mark.parametrize(
    ("copies", "words"), [((0, 1), "0"), ((1, 2), "1"), ((1, 1.1), "1"), ((2, 7.1), "2 to 7"), ((2, 8), "2 to 7")]
)
def test_numbers_of_near_identical_photos_are_whole(copies: tuple[float, float], words: str) -> None:
    assert chips(Selection(copies=copies)) == {"copies": f"near-identical photos: {words}"}


def test_each_condition_has_a_chip_that_says_it() -> None:
    assert chips(Selection()) == {}
    assert chips(FULL) == {
        "split": "held out",
        "fold": "fold 2",
        "true": "true class: no mask & none",
        "predicted": "predicted: everybody",
        "outcome": "wrong",
        "confidence": "confidence 25 to 50 %",
        "name": "name has ab c",
        "problem": "problem: duplicate",
        "shape": "612 x 408 pixels",
        "ratio": "aspect ratio 1.41 to 1.54",
        "area": "an area of the PCA map",
        "change": "right now, wrong in before, by the original labels",
        "review": "excluded",
    }


def test_bounds_have_as_few_decimals_as_tell_them_apart() -> None:
    assert chips(Selection(megapixels=(0.0903, 0.2497))) == {"megapixels": "size 0.09 to 0.25 MP"}
    assert chips(Selection(brightness=(0.321, 0.324))) == {"brightness": "brightness 32.1 to 32.4 %"}
    assert chips(Selection(sharpness=(1500, 1500))) == {"sharpness": "sharpness 1,500 to 1,500"}


# --- order ---


def test_photos_are_ordered_with_ties_by_name_and_unknown_values_last(photos: pd.DataFrame) -> None:
    def in_order(by: Order) -> str:
        return letters(photos.iloc[order(photos, np.ones(len(photos), dtype=bool), by)])

    assert in_order("highest loss") == "dbfgcaexyz"
    assert in_order("lowest loss") == "eacgfbdxyz"
    assert in_order("most confident") == "edacxgybfz"
    assert in_order("smallest margin").startswith("f")
    assert in_order("name") == "xyabcdefgz"
