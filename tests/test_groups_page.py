"""The groups of near-identical photos on the Data page, on a run written by hand, without a browser."""

from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.runs import Run
from dashboard.groups import group_table, leak_text
from tests.handwritten import write_run
from tests.pages import address, open_page, plain, shown, texts, tiles

# By letter; the labels of a and b are the same, those of c and d differ, x is a test photo.
GROUPS = {"a": "first", "b": "first", "c": "second", "d": "second", "e": "third", "x": "third"}


def write_grouped_run(runs_dir: Path, data: Path, groups: dict[str, str], name: str = "first") -> Run:
    run = write_run(runs_dir, data, name, leak={"n_images": 4, "n_leaked": 1})
    path = run.path / "samples.csv"
    samples = pd.read_csv(path, dtype={"label": "Int64"})
    letters = samples["image"].str[-5]
    samples["group"] = [groups.get(letter, letter) for letter in letters]
    samples.to_csv(path, index=False)
    return run


@pytest.fixture
def run(runs_dir: Path, tmp_path: Path) -> Run:
    return write_grouped_run(runs_dir, tmp_path / "data", GROUPS)


def lines(app: AppTest) -> list[str]:
    return [button.label for button in app.button if str(button.key).startswith("group-")]


def pictures(app: AppTest) -> str:
    """The photos of the list by their letters, without those of the gallery, which comes after it."""
    return shown(app)[: len(shown(app)) - int(texts(app).replace("*", "").partition(" of 10 photo")[0].split()[-1])]


def test_conflicts_come_first_and_then_pairs_of_training_and_test(run: Run) -> None:
    app = open_page("data")
    assert lines(app) == ["2 photos · labels differ", "2 photos · training and test", "2 photos"]
    assert pictures(app) == "cdexab"
    assert tiles(app)[0]["detail"].endswith("c.jpg")


def test_the_page_says_how_many_there_are_and_how_many_would_have_leaked(run: Run) -> None:
    page = texts(open_page("data"))
    assert "6 photos are in 3 groups of near-identical ones; labels differ within 1" in page
    assert "1 of 4 scored photos would have had a near-identical one among those learnt from" in page


def test_a_line_chooses_its_photos_and_lets_go_of_them(run: Run) -> None:
    app = open_page("data")
    app.button(key="group-second").click().run()
    assert address(app)["group"] == "second"
    assert shown(app) == "cdexabcd"
    assert "2 of 10 photos" in texts(app).replace("*", "")
    app.button(key="group-second").click().run()
    assert "group" not in address(app)


def test_a_kind_can_be_shown_alone(run: Run) -> None:
    app = open_page("data", groups="across")
    assert lines(app) == ["2 photos · training and test"]
    assert pictures(app) == "ex"
    assert lines(open_page("data", groups="nonsense")) == lines(open_page("data"))


def test_without_any_it_says_so(runs_dir: Path, tmp_path: Path) -> None:
    write_grouped_run(runs_dir, tmp_path / "data", {})
    app = open_page("data")
    assert "None: no two photos look the same." in texts(app)
    assert lines(app) == []


def test_many_photos_of_one_group_do_not_fill_the_page(runs_dir: Path, tmp_path: Path) -> None:
    write_grouped_run(runs_dir, tmp_path / "data", dict.fromkeys("abcdefg", "one"))
    app = open_page("data")
    assert lines(app) == ["7 photos · labels differ"]
    assert pictures(app) == "abcdef"


def test_a_group_is_listed_by_what_is_in_it() -> None:
    photos = pd.DataFrame(
        {
            "image": list("abcdefgh"),
            "group": ["1", "1", "2", "2", "3", "3", "4", None],
            "copies": [1, 1, 1, 1, 1, 1, 0, 0],
            "true_label": [0, 0, 1, 2, -1, -1, 0, -1],
            "split": ["val", "train", "val", "val", "test", "test", "val", "left_out"],
        }
    )
    table = group_table(photos)
    assert table["group"].tolist() == ["2", "1", "3"]
    assert table["conflicts"].tolist() == [True, False, False]
    assert not table["across"].any(), "two test photos are no pair across"
    photos.loc[4, "split"] = "val"
    assert group_table(photos)["across"].tolist() == [False, True, False]


SCORES = {"accuracy": 0.8, "accuracy_interval": [0.7, 0.9]}


def test_a_naive_split_that_was_scored_is_told_beside_the_honest_one() -> None:
    naive = {"accuracy": 0.9, "accuracy_interval": [0.85, 0.95]}
    text = leak_text({"leak": {"n_images": 100, "n_leaked": 22}}, SCORES | {"naive_split": naive})
    assert text.endswith("been 90.0% (95 % interval 85.0% to 95.0%) instead of 80.0% (95 % interval 70.0% to 90.0%).")


@pytest.mark.parametrize("leak", [None, [], {}, {"n_images": "many"}, {"n_images": 0, "n_leaked": 0}])
def test_a_run_that_does_not_tell_what_would_have_leaked_says_nothing(leak: object) -> None:
    assert leak_text({"leak": leak}, SCORES) == ""


@pytest.mark.parametrize("naive", ["", {}, {"accuracy": 1}, {"accuracy": None, "accuracy_interval": [0, 1]}])
def test_a_naive_split_that_cannot_be_read_is_passed_over(naive: object) -> None:
    assert leak_text({"leak": {"n_images": 2, "n_leaked": 1}}, SCORES | {"naive_split": naive}).endswith("learnt from.")


def test_names_are_never_markup(runs_dir: Path, tmp_path: Path) -> None:
    write_grouped_run(runs_dir, tmp_path / "data", dict.fromkeys("ab", "**x**"))
    assert not any("**x**" in plain(line) for line in lines(open_page("data")))
