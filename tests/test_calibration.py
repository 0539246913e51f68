import numpy as np
import pytest
from numpy.typing import NDArray

from core.calibration import (
    apply_temperature,
    calibration_error_interval,
    calibration_gaps,
    cross_fit_temperatures,
    cross_fitted,
    expected_calibration_error,
    fit_temperature,
    second_half,
)
from core.intervals import resampled_sums


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def error(confidence: list[float], is_right: list[bool]) -> float:
    return float(expected_calibration_error(calibration_gaps(confidence, is_right).mean(axis=0)))


# --- temperature -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_known_temperature_is_recovered(temperature: float) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(6000, 3)) * 1.5
    labels = np.array([random.choice(3, p=row) for row in softmax(logits)])
    assert fit_temperature(softmax(logits * temperature), labels) == pytest.approx(temperature, rel=0.06)


def test_the_temperature_stays_finite_where_everything_is_right() -> None:
    assert 0.05 <= fit_temperature(np.eye(3), np.arange(3)) < 1


def test_without_photos_the_temperature_is_neutral() -> None:
    assert fit_temperature(np.empty((0, 3)), np.empty(0, int)) == 1


def test_a_temperature_divides_the_logits() -> None:
    logits = np.array([[2.0, 0.0, -1.0], [0.5, 0.0, 3.0]])
    assert apply_temperature(softmax(logits), 2.0) == pytest.approx(softmax(logits / 2))
    each = np.array([2.0, 0.5])
    assert apply_temperature(softmax(logits), each) == pytest.approx(softmax(logits / each[:, None]))


def test_the_neutral_temperature_changes_nothing() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(4), size=50)
    assert apply_temperature(probabilities, 1.0) == pytest.approx(probabilities)


def test_a_temperature_never_changes_the_predicted_class() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(4), size=200)
    for temperature in (0.05, 0.7, 4.0, 20.0):
        scaled = apply_temperature(probabilities, temperature)
        assert scaled.argmax(axis=1).tolist() == probabilities.argmax(axis=1).tolist()
        assert scaled.sum(axis=1) == pytest.approx(np.ones(200))


def test_a_probability_of_zero_stays_a_number() -> None:
    assert apply_temperature(np.array([[1.0, 0.0]]), 0.05) == pytest.approx(np.array([[1.0, 0.0]]))
    assert apply_temperature(np.empty((0, 3)), 2.0).shape == (0, 3)


# --- each photo by what the others say -------------------------------------------------------------------------------


def test_halves_keep_groups_together_and_depend_on_their_names_alone() -> None:
    groups = [f"{n // 3}" for n in range(60)]
    is_second = second_half(groups)
    assert is_second.sum() == 30
    assert all(len(set(is_second[start : start + 3])) == 1 for start in range(0, 60, 3))
    order = np.random.default_rng(0).permutation(60)
    assert second_half([groups[row] for row in order]).tolist() == is_second[order].tolist()


@pytest.mark.parametrize(("groups", "n_second"), [([], 0), (["a"], 1), (["a", "b"], 1), (["a", "a", "a"], 3)])
def test_few_groups_can_be_halved_too(groups: list[str], n_second: int) -> None:
    assert second_half(groups).sum() == n_second


def test_each_half_has_the_temperature_of_the_other() -> None:
    # The first half of the photos is always right, the other always wrong.
    probabilities, labels = np.tile([0.8, 0.2], (20, 1)), np.repeat([0, 1], 10)
    is_second = np.arange(20) >= 10
    first, second = cross_fit_temperatures(probabilities, labels, is_second)
    assert second < 0.2 < 5 < first
    scaled = cross_fitted(probabilities, (first, second), is_second)
    assert scaled[:10] == pytest.approx(apply_temperature(probabilities[:10], first))
    assert scaled[10:] == pytest.approx(apply_temperature(probabilities[10:], second))
    assert cross_fitted(probabilities, (2.0,), is_second) == pytest.approx(apply_temperature(probabilities, 2.0))


# --- expected calibration error --------------------------------------------------------------------------------------


def test_the_calibration_error_of_a_hand_made_case() -> None:
    # Two bins: 0.9 sure and half right, 0.6 sure and all right; both 0.4 off.
    assert error([0.9, 0.9, 0.6, 0.6], [True, False, True, True]) == pytest.approx(0.4)


def test_the_calibration_error_weighs_bins_by_their_photos() -> None:
    assert error([0.8] * 3 + [0.3], [True, True, True, False]) == pytest.approx(0.75 * 0.2 + 0.25 * 0.3)


def test_full_confidence_belongs_to_the_last_bin() -> None:
    assert error([1.0, 0.95], [False, True]) == pytest.approx(0.95 / 2)


@pytest.mark.parametrize(
    ("n_images", "surer_by", "least"),
    [
        (200, 3.0, 0.9),
        pytest.param(200, 1.0, 0.9, marks=pytest.mark.thorough),
        pytest.param(200, 2.0, 0.9, marks=pytest.mark.thorough),
        pytest.param(600, 1.5, 0.92, marks=pytest.mark.thorough),
    ],
)
def test_the_interval_of_the_calibration_error_holds_the_true_one(n_images: int, surer_by: float, least: float) -> None:
    random = np.random.default_rng(0)

    def draw(n: int) -> NDArray[np.float64]:
        """Gaps of a network that is surer than it may be."""
        probabilities = softmax(random.normal(size=(n, 3)) * 1.5 + [1.8, 0, 0])
        labels = (random.random(n)[:, None] > probabilities.cumsum(axis=1)).sum(axis=1)
        shown = apply_temperature(probabilities, 1 / surer_by)
        return calibration_gaps(shown.max(axis=1), shown.argmax(axis=1) == labels)

    true = float(expected_calibration_error(draw(1_000_000).mean(axis=0)))
    held = []
    for _ in range(120):
        gaps = draw(n_images)
        drawn = resampled_sums(np.column_stack([gaps, np.ones(n_images)]), np.arange(n_images))
        low, high = calibration_error_interval(gaps.mean(axis=0), drawn[:, :-1], drawn[:, -1])
        held.append(low <= true + 1e-3 and true <= high)
    assert np.mean(held) >= least
