import pandas as pd

from dashboard.charts import training as charts


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
