"""The page Map on a run written by hand, without a browser."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.runs import PROJECTION_FILE, Run
from tests.handwritten import write_embeddings, write_run
from tests.pages import address, open_page, shown, texts

# Where the photos lie, by their letters: in a row from left to right.
PLACES = {letter: (index, 0.0) for index, letter in enumerate("abcdefgxy")}


@pytest.fixture
def run(runs_dir: Path, tmp_path: Path) -> Run:
    run = write_run(runs_dir, tmp_path / "data")
    images = pd.read_csv(run.path / "samples.csv")["image"]
    places = np.array([PLACES[image[-5]] for image in images])
    table = pd.DataFrame({"image": images, "x": places[:, 0], "y": places[:, 1]})
    table.to_csv(run.path / PROJECTION_FILE, index=False)
    return run


@pytest.fixture(autouse=True)
def cache_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("MASKBOARD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def traces(app: AppTest) -> dict[str, Any]:
    """The dots of the map by their entry in the legend, those in full colour."""
    (chart,) = app.get("plotly_chart")
    found = json.loads(chart.proto.spec)["data"]
    return {trace["name"]: trace["text"] for trace in found if trace["showlegend"]}


def test_every_photo_with_a_place_is_a_dot_of_its_true_class(run: Run) -> None:
    assert traces(open_page("map")) == {
        "nobody": ["a.jpg", "b.jpg", "e.jpg"],
        "everybody": ["c.jpg", "f.jpg"],
        "somebody": ["d.jpg", "g.jpg"],
        "not known": ["x.jpg", "y.jpg"],
    }


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("right or wrong", {"right": "aceg", "wrong": "bdf", "no label": "xy"}),
        ("split", {"trained on": "efg", "held out": "abcd", "test": "xy", "left out": ""}),
    ],
)
def test_dots_are_coloured_as_the_address_asks(run: Run, by: str, expected: dict[str, str]) -> None:
    letters = {name: "".join(text[0] for text in texts) for name, texts in traces(open_page("map", colour=by)).items()}
    assert letters == expected


def test_an_area_of_the_address_chooses_the_photos_in_it(run: Run) -> None:
    area = "0.3,0.4;0.7,0.4;0.7,0.6;0.3,0.6"  # From the fourth to the sixth of nine in the unit square.
    app = open_page("map", map="pca", area=area)
    assert sorted(shown(app)) == list("def")
    assert "".join(text[0] for texts in traces(app).values() for text in texts) == "efd"


def test_t_sne_is_computed_when_it_is_asked_for_and_kept(run: Run, cache_dir: Path) -> None:
    write_embeddings(run, dict(zip("abc", (10.0, 80.0, 200.0), strict=True)))
    app = open_page("map", map="tsne")
    assert not app.get("plotly_chart")
    assert [button.label for button in app.main.button if button.label == "Compute t-SNE"]
    next(button for button in app.main.button if button.label == "Compute t-SNE").click().run()
    assert not app.exception and not app.error
    assert sum(map(len, traces(app).values())) == 9
    assert len(list((cache_dir / "maps").iterdir())) == 1
    assert open_page("map", map="tsne").get("plotly_chart"), "another visitor finds it"


def test_without_embeddings_t_sne_says_what_is_missing(run: Run) -> None:
    app = open_page("map", map="tsne")
    next(button for button in app.main.button if button.label == "Compute t-SNE").click().run()
    assert "embeddings.npy" in texts(app)
    assert not app.exception


def test_a_run_without_a_projection_says_so(run: Run) -> None:
    (run.path / PROJECTION_FILE).unlink()
    assert "This run has no projection.csv" in texts(open_page("map"))


def test_the_choice_of_the_map_stands_in_the_address(run: Run) -> None:
    app = open_page("map")
    app.segmented_control(key="choice-colour").set_value("split").run()
    assert address(app)["colour"] == "split"
