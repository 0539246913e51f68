"""The page Evaluation on a run written by hand, without a browser."""

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.runs import Run
from tests.handwritten import write_run
from tests.pages import address, open_page, plain, texts


@pytest.fixture
def run(runs_dir: Path, tmp_path: Path) -> Run:
    return write_run(runs_dir, tmp_path / "data")


def figure(app: AppTest, key: str) -> dict[str, Any]:
    """A chart as plotly was told to draw it."""
    (chart,) = [chart for chart in app.get("plotly_chart") if chart.proto.id.endswith(f"-{key}")]
    found: dict[str, Any] = json.loads(chart.proto.spec)
    return found


@pytest.mark.parametrize(
    ("mode", "first_row"),
    [("Counts", ["1", "1", "0"]), ("Row %", ["50 %", "50 %", "0 %"]), ("Errors only", ["", "1", "0"])],
)
def test_the_matrix_shows_what_the_address_asks_for(run: Run, mode: str, first_row: list[str]) -> None:
    matrix = figure(open_page("evaluation", cells=mode), "matrix")
    cells = next(trace["text"] for trace in matrix["data"] if trace.get("text"))
    assert cells[:3] == first_row


def test_each_class_has_its_scores_with_intervals(run: Run) -> None:
    table = open_page("evaluation").dataframe[0].value
    assert table["class"].tolist() == ["nobody", "everybody", "somebody"]
    assert table["photos"].tolist() == [2, 1, 1]
    assert table["recall (95 %)"].str.match(r"\d+\.\d% \(\d+ to \d+\)").all()


def test_the_commonest_errors_lead_to_their_photos(run: Run) -> None:
    links = [plain(link.proto.label) for link in open_page("evaluation").get("page_link")]
    assert "nobody taken for everybody: 1 photo, 50% of nobody" in links
    assert "somebody taken for everybody: 1 photo, 100% of somebody" in links


def test_answering_only_when_sure_tells_coverage_and_accuracy(run: Run) -> None:
    app = open_page("evaluation")
    assert "**4** of 4 photos answered (100%), **50.0%** of them right" in texts(app)
    app.slider(key="threshold").set_value(85).run()
    assert address(app)["threshold"] == "85"
    assert "**2** of 4 photos answered (50%), **50.0%** of them right" in texts(app)
    links = [link.proto.label for link in app.get("page_link")]
    assert "Look at the photos that would not be answered" in links


def test_every_chart_says_what_it_shows_and_can_be_saved(run: Run) -> None:
    charts = open_page("evaluation").get("plotly_chart")
    assert len(charts) == 6
    assert all(chart.proto.alt for chart in charts)
    assert all("toImage" in chart.proto.config for chart in charts)
