from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from core import fitting
from core.cache import Features
from core.errors import UserError
from core.fitting import Examples, History, Schedule, fit, predict, predict_and_embed, refit
from core.runs import RunWriter, read_history
from tests.conftest import tiny_config

N, K = 40, 3
SCHEDULE = Schedule(learning_rate=0.01, epochs=4, batch_size=8, patience=10, seed=0)


class Seen(keras.layers.Layer):
    """Passes inputs on and remembers the first number of each that it saw in training."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[int] = []

    def call(self, inputs: Any, training: bool = False) -> Any:
        import tensorflow as tf

        if training:
            tf.numpy_function(lambda values: self.rows.extend(values[:, 0].astype(int).tolist()), (inputs,), ())
        return inputs


def network(seen: Seen | None = None) -> Any:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(K, activation="softmax")((seen or Seen())(inputs))
    return keras.Model(inputs, outputs)


def features(n: int = N) -> Features:
    """Each photo's first number is its row; the second one tells its class."""
    values = np.zeros((n, 4), np.float32)
    values[:, 0] = np.arange(n)
    values[np.arange(n), 1 + np.arange(n) % K] = 1
    return Features.of(values)


def examples(n: int = N, n_views: int = 1) -> Examples:
    """View v of photo p is row p + v * n, and looks like it but for the row."""
    inputs = features(n * n_views)
    views = np.arange(n)[:, None] + n * np.arange(n_views)
    return Examples(inputs, views, np.arange(n, dtype=np.int64) % K)


@pytest.fixture
def run(tmp_path: Path) -> Any:
    with RunWriter.create(tiny_config(tmp_path, tmp_path / "runs", "run")) as writer:
        yield writer


def epochs_seen(run: RunWriter, n_views: int = 1, schedule: Schedule = SCHEDULE) -> list[list[int]]:
    """The rows that each epoch saw."""
    seen = Seen()
    fit(network(seen), examples(n_views=n_views), examples(), schedule, "head", History(run), [])
    # The network is built by a look at a batch, or a few of them, before the first epoch.
    rows = seen.rows[-N * schedule.epochs :]
    return [rows[start : start + N] for start in range(0, len(rows), N)]


def test_an_epoch_sees_each_photo_once_in_an_order_of_its_own(run: RunWriter) -> None:
    epochs = epochs_seen(run)
    assert all(sorted(epoch) == list(range(N)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_the_order_is_decided_by_the_seed(run: RunWriter) -> None:
    assert epochs_seen(run) == epochs_seen(run)
    assert epochs_seen(run) != epochs_seen(run, schedule=Schedule(0.01, 4, 8, 10, seed=1))


def test_an_epoch_sees_each_photo_in_one_of_its_views(run: RunWriter) -> None:
    epochs = epochs_seen(run, n_views=3)
    assert all(sorted(row % N for row in epoch) == list(range(N)) for epoch in epochs)
    views = {row // N for epoch in epochs for row in epoch}
    assert views == {0, 1, 2}


def test_inputs_read_from_disk_train_to_the_same_bits(run: RunWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    def weights() -> Any:
        trained = network()
        fit(trained, examples(), examples(), SCHEDULE, "head", History(run), [])
        return trained.get_weights()

    in_memory = weights()
    monkeypatch.setattr(fitting, "_MAX_BYTES_IN_MEMORY", 0)
    assert all(np.array_equal(a, b) for a, b in zip(weights(), in_memory, strict=True))


def test_two_stages_stand_in_one_history(run: RunWriter) -> None:
    history = History(run)
    fit(network(), examples(), examples(), SCHEDULE, "head", history, [])
    kept = fit(network(), examples(), examples(), Schedule(1e-3, 2, 8, 10, 0), "fine_tune", history, [])
    assert kept is not None
    table = read_history(run.path / "history.csv")
    assert table["stage"].tolist() == ["head"] * 4 + ["fine_tune"] * 2
    assert table["epoch"].tolist() == [0, 1, 2, 3, 0, 1]
    assert kept["stage"] == "fine_tune"
    assert kept["val_loss"] == table["val_loss"][4:].min()


def test_the_weights_of_the_best_epoch_are_kept(run: RunWriter) -> None:
    trained, inputs = network(), examples().inputs
    labels = np.random.default_rng(0).integers(0, K, N)  # Nothing to be learnt: it soon gets worse.
    validation = Examples(inputs, np.arange(N)[:, None], labels)
    kept = fit(trained, examples(), validation, Schedule(0.3, 12, 8, 3, 0), "head", History(run), [])
    assert kept is not None
    table = read_history(run.path / "history.csv")
    loss = -np.log(predict(trained, inputs)[np.arange(N), labels]).mean()
    assert loss == pytest.approx(kept["val_loss"], rel=1e-3)
    assert kept["val_loss"] == table["val_loss"].min() < table["val_loss"].iloc[-1]


def test_where_the_loss_is_no_number_in_any_epoch_none_is_kept(run: RunWriter) -> None:
    assert fit(network(), examples(), examples(), Schedule(1e38, 4, 8, 10, 0), "head", History(run), []) is None


def test_an_epoch_whose_loss_is_no_number_is_not_the_one_that_is_kept(run: RunWriter) -> None:
    class Poison(keras.callbacks.Callback):
        """Spoils the weights before the third epoch."""

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                self.model.set_weights([weight * np.nan for weight in self.model.get_weights()])

    trained = network()
    kept = fit(trained, examples(), examples(), SCHEDULE, "head", History(run), [Poison()])
    assert kept is not None and kept["epoch"] == 1
    assert all(np.isfinite(weight).all() for weight in trained.get_weights())
    assert len(read_history(run.path / "history.csv")) == 3


class Unreadable:
    """Inputs whose photos went away; too many to be held in memory."""

    shape, n_bytes = (4,), 10**12

    def __len__(self) -> int:
        return N

    def __getitem__(self, photos: Any) -> Any:
        raise UserError("Expected 7.jpg to stay readable during the training.")

    def take(self, photos: Any) -> "Unreadable":
        return self

    def batches(self, size: int) -> Any:
        return iter([self[:]])


def test_inputs_that_cannot_be_read_say_why_in_their_own_words(run: RunWriter) -> None:
    unreadable = Examples(Unreadable(), np.arange(N)[:, None], np.arange(N, dtype=np.int64) % K)
    with pytest.raises(UserError, match=r"^Expected 7\.jpg to stay readable"):
        fit(network(), unreadable, examples(), SCHEDULE, "head", History(run), [])


@pytest.mark.parametrize("is_quick", [False, True])
def test_many_steps_at_once_learn_the_same(run: RunWriter, is_quick: bool) -> None:
    schedule = Schedule(0.01, 4, 8, 10, 0, is_quick=is_quick)
    trained, expected = network(), network()
    fit(trained, examples(), examples(N - 10), schedule, "head", History(run), [])
    fit(expected, examples(), examples(N - 10), SCHEDULE, "head", History(run), [])
    pairs = zip(trained.get_weights(), expected.get_weights(), strict=True)
    assert all(a == pytest.approx(b, abs=1e-6) for a, b in pairs)


def test_a_scaled_loss_learns_the_same(run: RunWriter) -> None:
    scaled = Schedule(0.01, 4, 8, 10, 0, scale_loss=True)
    plain = fit(network(), examples(), examples(), SCHEDULE, "head", History(run), [])
    found = fit(network(), examples(), examples(), scaled, "head", History(run), [])
    assert found is not None and plain is not None
    assert found["val_loss"] == pytest.approx(plain["val_loss"], rel=1e-3)


def test_predictions_stand_in_the_order_of_the_inputs() -> None:
    trained = network()
    inputs = features()
    assert predict(trained, inputs) == pytest.approx(np.asarray(trained(inputs[:])), abs=1e-6)
    assert predict(trained, inputs.take(np.array([], dtype=np.int64))).shape == (0, K)


# --- embeddings ------------------------------------------------------------------------------------------------------


def two_outputs(features: Any) -> Any:
    """A network with probabilities and the features that its head sees."""
    inputs = keras.Input(features.shape)
    seen = keras.layers.Rescaling(2.0)(inputs)
    probabilities = keras.layers.Dense(K, activation="softmax")(keras.layers.Flatten()(seen))
    return keras.Model(inputs, [probabilities, seen])


@pytest.mark.parametrize("shape", [(5,), (2, 3, 5)], ids=str)
def test_embeddings_are_the_mean_over_places_of_what_the_head_sees(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]
) -> None:
    inputs = Features.of(np.random.default_rng(0).random((N, *shape), dtype=np.float32))
    trained = two_outputs(inputs)
    steps: list[int] = []
    monkeypatch.setattr(fitting, "_NUMBERS_PREDICTED_AT_ONCE", 7 * np.prod(shape))
    probabilities, embeddings = predict_and_embed(trained, inputs, steps.append)
    assert probabilities == pytest.approx(np.asarray(trained(inputs[:])[0]), abs=1e-6)
    assert embeddings.dtype == np.float16
    assert embeddings == pytest.approx(2 * inputs[:].reshape(N, -1, 5).mean(axis=1), rel=1e-3)
    assert steps == [7, 7, 7, 7, 7, 5], "each photo once"


def test_features_beyond_half_precision_are_its_largest_number() -> None:
    inputs = Features.of(np.array([[1e6, 1.0]], np.float32))
    assert predict_and_embed(two_outputs(inputs), inputs, lambda n: None)[1].tolist() == [[65504, 2]]


def test_without_photos_there_are_no_embeddings() -> None:
    inputs = features().take(np.array([], dtype=np.int64))
    probabilities, embeddings = predict_and_embed(two_outputs(inputs), inputs, lambda n: None)
    assert (probabilities.shape, embeddings.shape) == ((0, K), (0, 4))


def test_balanced_classes_weigh_the_same_in_the_loss_that_is_learnt_from(run: RunWriter) -> None:
    labels = np.array([0] * 30 + [1] * 8 + [2] * 2)
    unbalanced = Examples(features(40), np.arange(40)[:, None], labels)
    weights = fitting._class_weights(unbalanced)
    assert [weights[label] * count for label, count in enumerate((30, 8, 2))] == pytest.approx([40 / 3] * 3)

    def first_loss(is_balanced: bool) -> float:
        schedule = replace(SCHEDULE, epochs=1, learning_rate=1e-12, is_balanced=is_balanced)
        row = fit(network(), unbalanced, unbalanced, schedule, "head", History(run), [])
        assert row is not None
        return float(row["loss"])

    probabilities = predict(network(), features(40))
    losses = -np.log(probabilities[np.arange(40), labels])
    assert first_loss(is_balanced=False) == pytest.approx(losses.mean(), rel=1e-3)
    by_class = [losses[labels == label].mean() for label in range(K)]
    assert first_loss(is_balanced=True) == pytest.approx(np.mean(by_class), rel=1e-3)


def test_a_network_is_fitted_to_all_photos_at_given_learning_rates(run: RunWriter) -> None:
    history = History(run)
    assert refit(network(), examples(), [0.01, 0.005, 0.0025], SCHEDULE, "head", history, [])
    rows = read_history(run.path / "history.csv")
    assert rows["learning_rate"].tolist() == pytest.approx([0.01, 0.005, 0.0025])
    assert rows["loss"].is_monotonic_decreasing
    assert rows["val_loss"].isna().all()


def test_a_fit_to_all_photos_tells_where_the_loss_is_no_number(run: RunWriter) -> None:
    assert not refit(network(), examples(), [float("inf")] * 2, SCHEDULE, "head", History(run), [])
