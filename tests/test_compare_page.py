"""Two runs written by hand, compared without a browser; one photo of each change.

Of the photos held out, `a` is newly broken, `b` fixed, `c` still right and `d` still wrong.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.comparison import accuracy_difference, compare
from core.evaluation import predictions_table
from core.runs import Run
from dashboard.scores import verdict
from tests.conftest import make_photo
from tests.handwritten import predict_anew, write_run
from tests.pages import address, chips, open_page, plain, shown, texts, tiles

CHANGES = {"fixed": "b", "broken": "a", "still_wrong": "d", "still_right": "c"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def before(runs_dir: Path, data: Path) -> Run:
    return write_run(runs_dir, data, name="before")


@pytest.fixture
def run(runs_dir: Path, data: Path, before: Run) -> Run:
    """The later run."""
    run = write_run(runs_dir, data, name="later", created="2026-03-01T00:00:00+00:00")
    predict_anew(run, a=(0.4, 0.5, 0.1), b=(0.7, 0.2, 0.1), d=(0.8, 0.1, 0.1))
    return run


def rewrite(run: Run, name: str, old: str, new: str) -> None:
    text = (run.path / name).read_text()
    assert old in text
    (run.path / name).write_text(text.replace(old, new))


def add_photos(run: Run, data: Path, n: int, probabilities: str, loss: float) -> None:
    """Append photos of the first class that were held out."""
    names = [f"training/n{index:02}.jpg" for index in range(n)]
    label = 0 if probabilities.startswith("0.9") else 1
    for file, lines in (
        ("samples.csv", [f"{name},training,0,30,20,900,{index:063x}f" for index, name in enumerate(names)]),
        ("predictions.csv", [f"{name},val,-1,0,{label},0.9,{loss},{probabilities}" for name in names]),
    ):
        with (run.path / file).open("a") as table:
            table.write("\n".join(lines) + "\n")
    make_photo(data / names[0])


def buttons(app: AppTest) -> dict[str, str]:
    return {str(each.key): plain(each.label).replace("*", "") for each in app.button if each.key}


# --- which runs ------------------------------------------------------------------------------------------------------


def test_without_a_word_it_is_the_run_before(run: Run) -> None:
    app = open_page("compare")
    assert app.selectbox(key="with").value == "before"
    assert "4 photos held out in both later (this run) and before" in texts(app).replace("*", "")
    assert address(app) == {}


def test_the_address_names_another_run(run: Run, runs_dir: Path, data: Path) -> None:
    write_run(runs_dir, data, name="oldest", created="2020-01-01T00:00:00+00:00")
    app = open_page("compare", run="later")
    assert app.selectbox(key="with").value == "before"
    app.selectbox(key="with").set_value("oldest").run()
    assert address(app) == {"run": "later", "with": "oldest"}
    assert app.selectbox(key="with").value == "oldest"
    assert "(this run) and oldest" in texts(app).replace("*", "")


def test_the_only_run_has_nothing_to_be_compared_with(before: Run) -> None:
    app = open_page("compare")
    assert "This is the only run so far" in texts(app)
    assert tiles(app) == []


def test_the_oldest_run_waits_for_a_choice(run: Run) -> None:
    app = open_page("compare", run="before")
    assert app.selectbox(key="with").value is None
    assert "No finished run on the same dataset is older" in texts(app)
    app.selectbox(key="with").set_value("later").run()
    assert "4 photos held out in both before (this run) and later" in texts(app).replace("*", "")


def test_a_newer_run_can_be_swapped_with_the_one_that_is_shown(run: Run) -> None:
    app = open_page("compare", run="before", **{"with": "later"})
    app.button(key="swap").click().run()
    assert address(app) == {"run": "later", "with": "before"}
    assert "swap" not in buttons(app)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("later", "A run cannot be compared with itself"), ("gone", "No run gone can be read here")],
)
def test_a_link_to_a_run_that_cannot_be_meant_says_so(run: Run, asked: str, expected: str) -> None:
    app = open_page("compare", run="later", change="fixed", **{"with": asked})
    assert expected in texts(app)
    assert not app.metric


def test_a_run_with_other_classes_is_told(run: Run, runs_dir: Path, data: Path) -> None:
    write_run(runs_dir, data, name="pets", class_names=["cat", "dog", "fish"])
    app = open_page("compare", run="later", **{"with": "pets"})
    assert (
        "pets cannot be compared with. Expected two runs with the same classes; found cat, dog, fish in pets"
        in texts(app)
    )
    assert not app.metric


def test_a_run_without_predictions_is_told(run: Run, before: Run) -> None:
    (before.path / "predictions.csv").unlink()
    app = open_page("compare", run="later", **{"with": "before"})
    assert "before has no predictions.csv (finished)" in texts(app)


def test_a_broken_table_of_the_other_run_is_named(run: Run, before: Run) -> None:
    (before.path / "predictions.csv").write_text("image,split\n")
    app = open_page("compare")
    assert not app.exception and not app.error
    assert "before cannot be compared with. predictions.csv: expected the columns" in texts(app)


# --- figures ---------------------------------------------------------------------------------------------------------


def test_figures_come_with_the_interval_of_their_difference_and_what_it_means(run: Run) -> None:
    app = open_page("compare")
    assert {metric.label: (metric.value, metric.delta) for metric in app.metric} == {
        "Accuracy": ("50.0%", "+0.0 points"),
        "Macro F1": ("38.9%", "+0.0 points"),
        "Log loss": ("0.950", "-0.585"),
    }
    assert "difference, 95 %: -56.6 to +56.6 points" in texts(app)
    assert texts(app).count("No proof of a difference: the interval holds 0.") == 3
    assert "1 photo fixed, 1 newly broken" in texts(app).replace("*", "")
    assert "in 100.0 % of such comparisons, so chance alone may well explain this" in texts(app)


def test_a_real_difference_is_called_one(run: Run, before: Run, data: Path) -> None:
    add_photos(before, data, 30, "0.05,0.9,0.05", 2.995732)
    add_photos(run, data, 30, "0.9,0.05,0.05", 0.105361)
    words = texts(open_page("compare"))
    assert words.count("A real difference: this run is better.") == 3
    assert "31 photos fixed, 1 newly broken" in words.replace("*", "")
    assert "chance alone hardly explains this (McNemar's exact test, p < 0.001)" in words
    assert texts(open_page("compare", run="before", **{"with": "later"})).count("this run is worse.") == 3


@pytest.mark.parametrize(
    ("n_fixed", "said"),
    [(5, "by the exact test it may be chance (p = 0.062), close as it is"), (6, "A real difference")],
)
def test_of_few_photos_the_exact_test_has_the_last_word(n_fixed: int, said: str) -> None:
    before, after = (
        predictions_table(
            [f"{n}.jpg" for n in range(n_fixed)], ["val"] * n_fixed, np.zeros(n_fixed, int), np.tile(row, (n_fixed, 1))
        )
        for row in ([0.1, 0.9], [0.9, 0.1])
    )
    comparison = compare(before, after)
    figure = accuracy_difference(comparison)
    assert figure is not None and figure.interval[0] > 0
    assert said in verdict(figure, comparison)


def test_photos_held_out_in_one_run_only_are_counted_and_left_out(run: Run, before: Run) -> None:
    rewrite(before, "predictions.csv", "c.jpg,val", "c.jpg,train")
    rewrite(before, "predictions.csv", "e.jpg,train", "e.jpg,val")
    words = texts(open_page("compare")).replace("*", "")
    assert "Figures of the 3 photos" in words
    assert "Held out in only one of them, and so not compared: 1 in later, 1 in before." in words


def test_a_relabelled_photo_is_told(run: Run, before: Run) -> None:
    rewrite(before, "predictions.csv", "c.jpg,val,-1,1,", "c.jpg,val,-1,2,")
    assert "1 had another label in before; that of later counts for both." in texts(open_page("compare"))


def test_another_photo_of_the_same_name_is_not_compared(run: Run, before: Run) -> None:
    rewrite(before, "samples.csv", f"{2:064x}", f"{99:064x}")
    words = texts(open_page("compare")).replace("*", "")
    assert "Figures of the 3 photos" in words
    assert "Left out because they share their name only: 1." in words


def test_runs_without_a_common_photo_have_no_figures(run: Run, before: Run) -> None:
    table = (before.path / "predictions.csv").read_text()
    swapped = table.replace(",val,", ",?,").replace(",train,", ",val,").replace(",?,", ",train,")
    (before.path / "predictions.csv").write_text(swapped)
    app = open_page("compare")
    assert not app.exception and not app.metric
    assert "No photo was held out in both later (this run) and before" in texts(app).replace("*", "")


def test_options_that_differ_are_shown(run: Run, runs_dir: Path, data: Path) -> None:
    assert "Both runs were configured alike." in texts(open_page("compare"))
    info = json.loads((run.path / "run.json").read_text())
    info["config"]["head"] = "flatten"
    (run.path / "run.json").write_text(json.dumps(info))
    table: pd.DataFrame = open_page("compare").dataframe[0].value
    assert table.to_dict("index") == {"head": {"before": "gap", "later": "flatten"}}


def test_curves_of_both_runs_are_shown_as_far_as_there_are_any(run: Run, before: Run) -> None:
    names = [trace["name"] for trace in chart(open_page("compare"), "curves-loss")["data"]]
    assert {name.split(",")[0] for name in names} >= {"later", "before"}
    (before.path / "history.csv").unlink()
    app = open_page("compare")
    assert "before has no curves" in texts(app)
    assert chart(app, "curves-accuracy")["data"]


def chart(app: AppTest, key: str) -> Any:
    """The figure of a page's chart."""
    (found,) = (each for each in app.get("plotly_chart") if key in each.proto.id)
    return json.loads(found.proto.spec)


# --- photos ----------------------------------------------------------------------------------------------------------


def test_every_change_has_its_number_and_a_click_shows_its_photos(run: Run) -> None:
    app = open_page("compare")
    labels = buttons(app)
    assert [labels[f"change-{change}"] for change in CHANGES] == [
        "1 fixed", "1 newly broken", "1 still wrong", "1 still right",
    ]  # fmt: skip
    for change, letter in CHANGES.items():
        app = open_page("compare")
        app.button(key=f"change-{change}").click().run()
        assert address(app) == {"run": "later", "with": "before", "change": change}
        assert shown(app) == letter


def test_a_second_click_lets_go_and_the_other_run_stays(run: Run) -> None:
    app = open_page("compare", run="later", change="fixed", true="nobody", **{"with": "before"})
    assert chips(app) == ["true class: nobody", "right now, wrong in before"]
    app.button(key="change-fixed").click().run()
    assert address(app) == {"run": "later", "with": "before", "true": "nobody"}
    app.button(key="chip-true").click().run()
    assert address(app) == {"run": "later", "with": "before"}


def test_the_same_link_shows_the_same_photos_on_other_pages(run: Run) -> None:
    app = open_page("photos", run="later", change="broken", **{"with": "before"})
    assert shown(app) == "a"
    assert tiles(app)[0]["detail"] == "other run: nobody 90%\nthis run: everybody 50%"


def test_tiles_say_what_both_runs_answer_where_both_can_be_asked(run: Run) -> None:
    details = {tile["name"]: tile["detail"] for tile in tiles(open_page("compare"))}
    assert details["training/b.jpg"] == "other run: everybody 60%\nthis run: nobody 70%"
    assert details["training/e.jpg"] == "99% sure · loss 0.01"


def test_bars_show_the_part_that_is_chosen(run: Run) -> None:
    traces = chart(open_page("compare", run="later", name="b.jpg"), "changes")["data"]
    counts = {(trace["name"], trace["marker"]["opacity"] == 1): trace["x"] for trace in traces}
    assert counts["fixed", True] == [1, 0, 0]
    assert counts["newly broken", True] == [0, 0, 0]
    assert counts["newly broken", False] == [1, 0, 0]


def test_the_overview_leads_here(run: Run) -> None:
    links = [each.proto for each in open_page("overview").get("page_link")]
    (link,) = (link for link in links if "photo by photo" in link.label)
    assert "with=before" in link.query_string
