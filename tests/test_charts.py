import numpy as np
import pandas as pd
import pytest

from dashboard import charts

NAMES = ("nobody", "everybody", "somebody")
MATRIX = np.array([[5, 1, 0], [2, 6, 2], [0, 0, 0]])


def history(val_losses: list[float]) -> pd.DataFrame:
    n = len(val_losses)
    return pd.DataFrame(
        {
            "stage": "head",
            "epoch": range(n),
            "loss": [1.0 - 0.1 * epoch for epoch in range(n)],
            "accuracy": [0.1 * epoch for epoch in range(n)],
            "val_loss": val_losses,
            "val_accuracy": [0.5] * n,
        }
    )


def test_matrix_shows_counts_in_true_rows() -> None:
    heat_map = charts.confusion_matrix(MATRIX, NAMES, "Counts").data[0]
    assert np.array_equal(heat_map.z, MATRIX)
    assert heat_map.text[1][2] == "2"


def test_matrix_shows_shares_of_rows_and_an_absent_class_as_zero() -> None:
    heat_map = charts.confusion_matrix(MATRIX, NAMES, "Row %").data[0]
    assert heat_map.z[1].tolist() == [0.2, 0.6, 0.2]
    assert heat_map.text[1].tolist() == ["20 %", "60 %", "20 %"]
    assert heat_map.z[2].tolist() == [0, 0, 0]


def test_every_cell_of_the_matrix_can_be_clicked() -> None:
    squares = charts.confusion_matrix(MATRIX, NAMES, "Counts").data[1]
    cells = {(x, y): tuple(cell) for x, y, cell in zip(squares.x, squares.y, squares.customdata, strict=True)}
    assert len(cells) == 9
    assert cells[2, 1] == (1, 2)  # x is the predicted class, y the true one; a cell is (true, predicted).


def test_axes_of_the_matrix_name_the_classes_with_the_first_on_top() -> None:
    figure = charts.confusion_matrix(MATRIX, NAMES, "Counts")
    assert figure.layout.yaxis.ticktext == NAMES
    assert figure.layout.yaxis.range == (2.5, -0.5)


def test_chosen_cell_is_framed() -> None:
    assert not charts.confusion_matrix(MATRIX, NAMES, "Counts").layout.shapes
    (frame,) = charts.confusion_matrix(MATRIX, NAMES, "Counts", selected=(1, 2)).layout.shapes
    assert (frame.x0 + frame.x1) / 2 == pytest.approx(2)
    assert (frame.y0 + frame.y1) / 2 == pytest.approx(1)


def test_curves_count_epochs_from_one_and_mark_the_lowest_val_loss() -> None:
    train, validation, best = charts.curves({"run": history([0.9, 0.7, 0.8])}, "loss").data
    assert train.x == (1, 2, 3)
    assert validation.y == (0.9, 0.7, 0.8)
    assert (best.x, best.y) == ((2,), (0.7,))


def test_a_line_marks_where_fine_tuning_begins() -> None:
    table = history([0.9, 0.7, 0.6]).assign(stage=["head", "head", "fine_tune"])
    figure = charts.curves({"run": table}, "loss")
    (line,) = figure.layout.shapes
    assert line.x0 == line.x1 == 2.5
    assert figure.layout.annotations[0].text == "fine-tuning"
    assert not charts.curves({"run": history([0.9, 0.7])}, "loss").layout.shapes


def test_best_epoch_of_the_accuracy_is_that_of_the_val_loss() -> None:
    *_, best = charts.curves({"run": history([0.9, 0.7, 0.8])}, "accuracy").data
    assert (best.x, best.y) == ((2,), (0.5,))


def test_overlaid_runs_have_a_colour_each() -> None:
    traces = charts.curves({"a": history([1.0, 0.9]), "b": history([0.8, 0.7])}, "loss").data
    colours = {trace.name: trace.line.color for trace in traces if trace.mode == "lines"}
    assert colours["a, train"] == colours["a, val"] != colours["b, train"]


def test_a_single_epoch_is_a_dot() -> None:
    assert charts.curves({"run": history([0.9])}, "loss").data[0].mode == "markers"


def test_class_balance_has_a_bar_a_class_and_split() -> None:
    counts = pd.DataFrame({"training": [8, 7], "validation": [2, 3]}, index=["nobody", "everybody"])
    bars = charts.class_balance(counts).data
    assert [(bar.name, bar.x, bar.y) for bar in bars] == [
        ("training", ("nobody", "everybody"), (8, 7)),
        ("validation", ("nobody", "everybody"), (2, 3)),
    ]


@pytest.fixture
def samples() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "label": pd.array([0, 0, 1, None], dtype="Int64"),
            "width": [612, 612, 408, 100],
            "height": [408, 408, 612, 100],
        }
    )


def test_photos_of_one_size_are_one_dot(samples: pd.DataFrame) -> None:
    traces = {trace.name: trace for trace in charts.photo_sizes(samples, NAMES).data}
    assert (traces["nobody"].x, traces["nobody"].y) == ((612,), (408,))
    assert traces["nobody"].customdata.tolist() == [[2]]
    assert (traces["test"].x, traces["test"].y) == ((100,), (100,))


def test_every_photo_is_in_the_histogram_of_aspect_ratios(samples: pd.DataFrame) -> None:
    extreme = pd.DataFrame({"width": [4000, 10], "height": [10, 4000]})
    assert sum(charts.aspect_ratios(samples).data[0].y) == 4
    assert sum(charts.aspect_ratios(extreme).data[0].y) == 2


def test_recall_carries_its_interval() -> None:
    classes = [{"class_name": "nobody", "recall": 0.8, "recall_interval": [0.6, 0.9], "support": 10}]
    (bar,) = charts.class_recall(classes).data
    assert bar.x == (0.8,)
    assert bar.error_x.array == pytest.approx([0.1])
    assert bar.error_x.arrayminus == pytest.approx([0.2])


def test_probabilities_mark_the_true_class_and_stress_the_predicted_one() -> None:
    (bar,) = charts.probabilities([0.2, 0.7, 0.1], NAMES, true_label=2).data
    assert bar.y == ("nobody", "everybody", "somebody (true)")
    assert bar.text == ("20.0%", "70.0%", "10.0%")
    assert bar.marker.color[1] != bar.marker.color[0] == bar.marker.color[2]


def test_class_names_that_are_numbers_stay_names() -> None:
    counts = pd.DataFrame({"training": [8, 7]}, index=["1", "10"])
    classes = [{"class_name": name, "recall": 0.5, "recall_interval": [0.1, 0.9], "support": 2} for name in ("1", "10")]
    assert charts.class_balance(counts).layout.xaxis.type == "category"
    assert charts.class_recall(classes).layout.yaxis.type == "category"
    assert charts.probabilities([0.5, 0.5], ("1", "10")).layout.yaxis.type == "category"
