import math

import pandas as pd
import plotly.graph_objects as go
import pytest

from dashboard.charts import training as charts


def history(val_losses: list[float], stage: str = "head", fold: int = -1) -> pd.DataFrame:
    n = len(val_losses)
    return pd.DataFrame(
        {
            "stage": stage,
            "fold": fold,
            "epoch": range(n),
            "loss": [1.0 - 0.1 * epoch for epoch in range(n)],
            "accuracy": [0.1 * epoch for epoch in range(n)],
            "val_loss": val_losses,
            "val_accuracy": [0.5] * n,
            "seconds": [2.0] * n,
        }
    )


def joined(*parts: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True)


def legend(figure: go.Figure) -> list[str]:
    return [trace.name for trace in figure.data if trace.showlegend is not False]


def test_curves_count_epochs_from_one_and_mark_the_lowest_val_loss() -> None:
    train, validation, best = charts.curves({"run": history([0.9, 0.7, 0.8])}, "loss").data
    assert train.x.tolist() == [1, 2, 3]
    assert validation.y.tolist() == [0.9, 0.7, 0.8]
    assert (best.x.tolist(), best.y.tolist()) == ([2], [0.7])


def test_training_is_dotted_and_validation_solid_so_that_no_colour_is_needed() -> None:
    train, validation, _ = charts.curves({"run": history([0.9, 0.7])}, "accuracy").data
    assert (train.name, train.line.dash, train.y.tolist()) == ("training", "dot", [0.0, 0.1])
    assert (validation.name, validation.line.dash, validation.y.tolist()) == ("validation", "solid", [0.5, 0.5])


def test_best_epoch_of_the_accuracy_is_that_of_the_val_loss() -> None:
    *_, best = charts.curves({"run": history([0.9, 0.7, 0.8])}, "accuracy").data
    assert (best.x.tolist(), best.y.tolist()) == ([2], [0.5])


def test_without_a_loss_that_is_a_number_no_epoch_is_the_best() -> None:
    figure = charts.curves({"run": history([math.nan, math.inf])}, "loss")
    assert [trace.name for trace in figure.data] == ["training", "validation"]


def test_a_single_epoch_is_a_dot() -> None:
    assert charts.curves({"run": history([0.9])}, "loss").data[0].mode == "markers"


# --- stages and folds ------------------------------------------------------------------------------------------------


def test_a_line_marks_where_fine_tuning_begins() -> None:
    table = joined(history([0.9, 0.7]), history([0.6, 0.5], "fine_tune"))
    figure = charts.curves({"run": table}, "loss")
    (line,) = figure.layout.shapes
    assert line.x0 == line.x1 == 2.5
    assert figure.layout.annotations[0].text == "fine-tuning"
    assert figure.data[0].x.tolist() == [1, 2, 3, 4]
    assert figure.data[0].text == ("training the head", "training the head", "fine-tuning", "fine-tuning")
    assert not charts.curves({"run": history([0.9, 0.7])}, "loss").layout.shapes


def test_folds_begin_at_one_and_have_a_colour_each() -> None:
    table = joined(history([0.9, 0.8], fold=0), history([0.7, 0.6, 0.5], fold=1), history([0.4], fold=-1))
    figure = charts.curves({"run": table}, "loss")
    solid = {trace.name: trace for trace in figure.data if trace.line.dash == "solid"}
    assert list(solid) == ["fold 0", "fold 1", "final fit"] == legend(figure)
    assert [trace.x.tolist() for trace in solid.values()] == [[1, 2], [1, 2, 3], [1]]
    assert len({trace.line.color for trace in solid.values()}) == 3


def test_a_run_without_folds_speaks_of_none() -> None:
    assert legend(charts.curves({"run": history([0.9, 0.8])}, "loss")) == ["training", "validation", "best epoch"]


# --- several runs ----------------------------------------------------------------------------------------------------


def test_overlaid_runs_have_a_colour_and_a_name_in_the_legend_each() -> None:
    figure = charts.curves({"a": history([1.0, 0.9]), "b": history([0.8, 0.7])}, "loss")
    colours = {trace.name: trace.line.color for trace in figure.data if trace.mode == "lines"}
    assert colours["a, training"] == colours["a"] != colours["b"]
    assert legend(figure) == ["a", "b"]


def test_folds_of_overlaid_runs_go_by_the_run_in_the_legend_and_by_the_fold_under_the_pointer() -> None:
    folded = joined(history([0.9, 0.8], fold=0), history([0.7, 0.6], fold=1))
    figure = charts.curves({"a": folded, "b": history([0.8, 0.7])}, "loss")
    assert legend(figure) == ["a, fold 0", "b"]
    assert {trace.legendgroup for trace in figure.data} == {"a", "b"}
    assert any("<extra>a, fold 1, validation</extra>" in trace.hovertemplate for trace in figure.data)


# --- how they are drawn ----------------------------------------------------------------------------------------------


def test_a_smooth_curve_has_the_measured_one_behind_it() -> None:
    losses = [1.0, 0.0, 1.0, 0.0, 1.0]
    figure = charts.curves({"run": history(losses)}, "loss", smoothing=0.5)
    behind = next(trace for trace in figure.data if trace.name == "validation, measured")
    smooth = next(trace for trace in figure.data if trace.name == "validation")
    assert behind.y.tolist() == losses == smooth.customdata.tolist()
    assert behind.opacity < 0.5 and behind.showlegend is False and behind.hoverinfo == "skip"
    assert smooth.y[0] == 1.0 and 0 < smooth.y[1] < 1
    assert list(figure.data).index(behind) < list(figure.data).index(smooth)


def test_the_star_stays_at_what_was_measured() -> None:
    *_, best = charts.curves({"run": history([0.9, 0.9, 0.2, 0.9, 0.9])}, "loss", smoothing=0.9).data
    assert (best.x.tolist(), best.y.tolist()) == ([3], [0.2])


def test_fewer_than_five_points_are_not_smoothed() -> None:
    figure = charts.curves({"run": history([1.0, 0.0, 1.0, 0.0])}, "loss", smoothing=0.9)
    assert [trace.name for trace in figure.data] == ["training", "validation", "best epoch"]
    assert figure.data[1].y.tolist() == [1.0, 0.0, 1.0, 0.0]


def test_smoothing_does_not_reach_from_one_stage_into_the_next() -> None:
    table = joined(history([1.0] * 5), history([0.0] * 5, "fine_tune"))
    smooth = next(trace for trace in charts.curves({"run": table}, "loss", smoothing=0.9).data if trace.mode == "lines")
    validation = charts.curves({"run": table}, "loss", smoothing=0.9).data[-2]
    assert smooth.x.tolist() == list(range(1, 11))
    assert validation.y.tolist() == pytest.approx([1.0] * 5 + [0.0] * 5)


def test_the_loss_can_be_shown_in_powers_of_ten() -> None:
    assert charts.curves({"run": history([0.9])}, "loss", log=True).layout.yaxis.type == "log"
    assert charts.curves({"run": history([0.9])}, "loss").layout.yaxis.rangemode == "tozero"


def test_curves_can_run_over_seconds_instead_of_epochs() -> None:
    table = joined(history([0.9, 0.7]), history([0.6], "fine_tune"))
    figure = charts.curves({"run": table}, "loss", over="seconds")
    assert figure.data[0].x.tolist() == [2.0, 4.0, 6.0]
    assert figure.layout.shapes[0].x0 == 4.0
    assert figure.layout.xaxis.title.text == "seconds of training"
