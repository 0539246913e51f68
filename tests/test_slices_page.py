"""The page of slices on a run written by hand, without a browser."""

import json
from pathlib import Path

import pandas as pd
import pytest

from core.runs import Run
from tests.handwritten import write_run
from tests.pages import address, open_page, plain, texts

N = 120


@pytest.fixture
def run(runs_dir: Path, tmp_path: Path) -> Run:
    """A run with 120 more photos held out: the darker half is got wrong, the others are got right."""
    run = write_run(runs_dir, tmp_path / "data")
    names = [f"training/n{n:03}.jpg" for n in range(N)]
    samples = pd.read_csv(run.path / "samples.csv").assign(brightness=None)
    more = {
        "image": names, "folder": "training", "label": 0, "width": 3000,
        "height": [1500 if n % 4 == 0 or n < 9 else 2000 for n in range(N)],
        "bytes": 900, "sha256": [f"more{n}" for n in range(N)], "brightness": [n / N for n in range(N)],
    }  # fmt: skip
    pd.concat([samples, pd.DataFrame(more)]).to_csv(run.path / "samples.csv", index=False)
    predictions = pd.read_csv(run.path / "predictions.csv")
    said = {
        "image": names, "split": "val", "fold": -1, "true_label": 0,
        "predicted_label": [int(n < N / 2) for n in range(N)],
        "confidence": 0.9, "loss": 0.1, "prob_0": 0.9, "prob_1": 0.05, "prob_2": 0.05,
    }  # fmt: skip
    pd.concat([predictions, pd.DataFrame(said)]).to_csv(run.path / "predictions.csv", index=False)
    return run


def links(run: Run, **query: str) -> list[tuple[str, dict[str, str]]]:
    """What the list of the weakest slices says and where it leads."""
    app = open_page("slices", **query)
    protos = [element.proto for element in app.main.get("page_link")]
    return [(plain(proto.label), dict(pair.split("=") for pair in proto.query_string.split("&"))) for proto in protos]


def test_each_property_has_a_chart_or_the_reason_why_it_has_none(run: Run) -> None:
    app = open_page("slices")
    assert not app.exception
    titles = [each.value for each in app.subheader]
    assert titles[:6] == ["Brightness", "Contrast", "Sharpness", "Size", "Aspect ratio", "Near-identical photos"]
    assert len(app.main.get("plotly_chart")) == 3
    assert "Not known of any held-out photo." in texts(app)
    assert "The same for all held-out photos." in texts(app)


def test_the_weakest_slices_lead_to_their_photos(run: Run) -> None:
    (first, query), *_ = links(run)
    assert first.startswith("Brightness ") and "0.0% of" in first
    assert query["split"] == "val" and "brightness" in query
    n = int(first.rpartition(" ")[2])
    app = open_page("photos", **query)
    assert f"{n} of {N + 10} photos" in texts(app).replace("*", "")


def test_the_page_says_that_many_slices_are_compared_and_which_are_worse_all_the_same(run: Run) -> None:
    said = texts(open_page("slices"))
    assert "slices are compared at once" in said and "Holm" in said
    assert "worse than the rest" in said and "may be chance" in said


def test_a_chosen_slice_is_shown_as_a_choice_and_its_photos_below(run: Run) -> None:
    _, query = links(run)[0]
    app = open_page("slices", **query)
    figure = json.loads(app.main.get("plotly_chart")[0].proto.spec)
    full, pale = figure["data"]
    assert full["opacity"] > pale["opacity"]
    assert address(app)["brightness"] == query["brightness"]
    assert sum(key is not None and "chip-brightness" in key for key in (button.key for button in app.button)) == 1


def test_a_run_from_before_pixels_were_measured_has_size_and_ratio(run: Run) -> None:
    samples = pd.read_csv(run.path / "samples.csv").drop(columns=["brightness"])
    samples.to_csv(run.path / "samples.csv", index=False)
    app = open_page("slices")
    assert "trained before brightness, contrast, sharpness" in texts(app)
    assert len(app.main.get("plotly_chart")) == 2


def test_too_few_held_out_photos_are_said_to_be_too_few(runs_dir: Path, tmp_path: Path) -> None:
    write_run(runs_dir, tmp_path / "data")
    app = open_page("slices")
    assert not app.exception
    assert "too few held-out photos" in texts(app)
    assert not app.main.get("plotly_chart")
