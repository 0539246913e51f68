import math

import numpy as np
import pandas as pd
import pytest

from dashboard.history import Epoch, best_row, epoch_numbers, smoothed, stage_starts, summary


def history(*rows: tuple[str, int, float]) -> pd.DataFrame:
    """Epochs by stage, fold and val_loss; each took two seconds."""
    table = pd.DataFrame(rows, columns=["stage", "fold", "val_loss"]).astype({"fold": int, "val_loss": float})
    return table.assign(val_accuracy=1 - table["val_loss"] / 2, seconds=2.0)


def test_epochs_are_counted_on_through_the_stages_and_anew_in_each_fold() -> None:
    table = history(("head", 0, 1), ("fine_tune", 0, 1), ("head", 1, 1), ("head", 1, 1), ("fine_tune", 1, 1))
    assert epoch_numbers(table).tolist() == [1, 2, 1, 2, 3]


def test_the_best_row_has_the_lowest_loss_that_is_a_number() -> None:
    assert best_row([0.9, math.nan, 0.5, 0.5, math.inf]) == 2
    assert best_row([math.nan]) is None
    assert best_row([]) is None


def test_a_stage_starts_where_its_name_first_stands() -> None:
    assert stage_starts(["head", "head", "fine_tune"]) == [2]
    assert stage_starts(["head"]) == stage_starts([]) == []


def test_a_summary_names_the_best_epoch_and_its_stage() -> None:
    found = summary(history(("head", -1, 0.8), ("head", -1, 0.6), ("fine_tune", -1, 0.4)))
    assert (found.epochs, found.seconds) == (3, 6.0)
    assert found.bests == (Epoch(number=3, stage="fine_tune", fold=-1, val_loss=0.4, val_accuracy=0.8),)
    assert (found.has_folds, found.kept, found.final) == (False, 3, {})


def test_each_fold_has_a_best_epoch_and_the_network_that_is_kept_its_own_number() -> None:
    folds = (("head", 0, 0.5), ("head", 0, 0.7), ("head", 1, 0.9), ("head", 1, 0.7), ("fine_tune", 1, 0.3))
    final = [("head", -1, math.nan)] * 2 + [("fine_tune", -1, math.nan)]
    found = summary(history(*folds, *final))
    assert [(best.fold, best.number, best.stage) for best in found.bests] == [(0, 1, "head"), (1, 3, "fine_tune")]
    assert (found.has_folds, found.kept, found.final) == (True, 3, {"head": 2, "fine_tune": 1})
    assert found.mean_best("val_loss") == pytest.approx(0.4)
    assert found.mean_best("val_accuracy") == pytest.approx(0.8)


def test_as_long_as_folds_are_trained_nobody_knows_how_long_the_last_network_learns() -> None:
    found = summary(history(("head", 0, 0.5), ("head", 1, 0.4)))
    assert (found.has_folds, found.kept, len(found.bests)) == (True, None, 2)


def test_without_a_loss_that_is_a_number_there_is_no_best_epoch() -> None:
    found = summary(history(("head", -1, math.nan)))
    assert (found.bests, found.kept, found.mean_best("val_loss")) == ((), None, None)
    assert summary(history()).epochs == 0


# --- smoothing -------------------------------------------------------------------------------------------------------


def test_a_constant_stays_what_it_is() -> None:
    assert smoothed(np.full(7, 3.0), 0.9) == pytest.approx(np.full(7, 3.0))


def test_the_first_point_is_not_pulled_towards_zero() -> None:
    values = np.array([4.0, 2.0, 0.0, 0.0, 0.0])
    # (0.5 * 0.5 * 4 + 0.5 * 2) / (1 - 0.5 ** 2)
    assert smoothed(values, 0.5)[:2] == pytest.approx([4.0, 2 + 2 / 3])


def test_a_heavier_past_makes_it_smoother() -> None:
    zigzag = np.array([0.0, 1.0] * 10)
    assert np.std(smoothed(zigzag, 0.9)) < np.std(smoothed(zigzag, 0.5)) < np.std(zigzag)


def test_what_is_no_number_stays_so_and_leaves_the_rest_alone() -> None:
    gap = np.array([1.0, 1.0, math.nan, 1.0, 1.0, 1.0])
    assert smoothed(gap, 0.5) == pytest.approx(gap, nan_ok=True)


def test_few_points_and_no_weight_leave_the_curve_alone() -> None:
    assert smoothed(np.array([1.0, 0.0, 1.0, 0.0]), 0.9).tolist() == [1.0, 0.0, 1.0, 0.0]
    assert smoothed(np.array([1.0, 0.0] * 5), 0.0).tolist() == [1.0, 0.0] * 5
