"""Fit a network to photos, or to what the frozen part made of them, and write the history down epoch by epoch."""

import contextlib
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from core import runs
from core.inputs import Inputs
from core.runs import RunWriter

# Features of the head `gap` for 50,000 photos; larger ones are read from disk batch by batch.
_MAX_BYTES_IN_MEMORY = 100_000_000
# Steps of one execution cannot be interrupted.
_MAX_STEPS_PER_EXECUTION = 512
# Keras' own 2**15 overflows in the first steps of a few photos, which are then skipped.
_INITIAL_SCALE = 2.0**10
# Where nothing is learnt, larger batches are fewer steps and no other result; feature maps should not pile up, though.
_VALIDATION_FACTOR = 16
_NUMBERS_PREDICTED_AT_ONCE = 2**20
# What is said of an epoch.
_FIGURES = ("loss", "accuracy", "val_loss", "val_accuracy")
_LARGEST_FLOAT16 = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class Examples:
    """Photos with their labels, each in one or several views.

    Attributes:
        inputs: What the network sees of them.
        views: The rows of `inputs` that show a photo, the photo as it is first; shape (n_photos, n_views).
        labels: Class indices, shape (n_photos,).
    """

    inputs: Inputs
    views: NDArray[np.int64]
    labels: NDArray[np.int64]

    @classmethod
    def of(cls, inputs: Inputs, views: NDArray[np.int64], labels: NDArray[np.int64]) -> "Examples":
        """Some of many photos, without the inputs of the others."""
        return cls(inputs.take(views.ravel()), np.arange(views.size).reshape(views.shape), labels)

    def __len__(self) -> int:
        return len(self.labels)

    def originals(self) -> Inputs:
        """The photos as they are, without views."""
        return self.inputs.take(self.views[:, 0])


@dataclass(frozen=True)
class Schedule:
    """How to fit.

    Attributes:
        learning_rate: Adam's step size at the start; halved after half of `patience` without a better val_loss.
        epochs: At the most.
        batch_size: Photos a step.
        patience: Epochs without a better val_loss before it stops.
        seed: Decides the order of the photos and which view of each an epoch sees.
        scale_loss: Whether the loss is scaled, so that float16's gradients do not vanish.
        is_balanced: Whether each class weighs the same in the loss that is learnt from, however many photos it has.
        is_quick: Whether a step takes milliseconds, much of it on the way from Python to TensorFlow and back: then many
            are executed at once, if the inputs are in memory.
    """

    learning_rate: float
    epochs: int
    batch_size: int
    patience: int
    seed: int
    scale_loss: bool = False
    is_balanced: bool = False
    is_quick: bool = False


class History:
    """The rows of `history.csv`, which is rewritten whole after each epoch."""

    def __init__(self, run: RunWriter | None, say: Callable[[str], object] = lambda text: None) -> None:
        """Write into a run's folder, or nowhere; and say each epoch."""
        self.rows: list[dict[str, Any]] = []
        self._run, self._say = run, say

    def add(self, row: dict[str, Any]) -> None:
        """Add an epoch."""
        self.rows.append(row)
        figures = (f"{name} {row[name]:.4f}" for name in _FIGURES if np.isfinite(row.get(name, np.nan)))
        fold = f", fold {row['fold']}" if row["fold"] >= 0 else ""
        self._say(f"{row['stage']}{fold}, epoch {row['epoch'] + 1}: {', '.join(figures)}")
        if self._run is not None:
            self._run.write_table(runs.HISTORY_FILE, pd.DataFrame(self.rows, columns=list(runs.HISTORY_COLUMNS)))


def fit(
    network: keras.Model,
    training: Examples,
    validation: Examples,
    schedule: Schedule,
    stage: str,
    history: History,
    callbacks: list[keras.callbacks.Callback],
    fold: int = -1,
) -> dict[str, Any] | None:
    """Fit a network; it is left with the weights of the epoch with the lowest val_loss.

    An epoch sees each photo once, in one of its views.

    Args:
        network: From inputs to K probabilities.
        training: What it learns from.
        validation: What decides when to stop and which weights to keep.
        schedule: How to fit.
        stage: As it stands in the history.
        history: Gets a row an epoch.
        callbacks: Called as well.
        fold: As it stands in the history; -1 for none.

    Returns:
        The history's row of the epoch that was kept; None if no epoch had losses that are numbers.

    Raises:
        UserError: If inputs cannot be read.
    """
    at_once = _compile(network, training, schedule)
    validation_batch = schedule.batch_size * (_VALIDATION_FACTOR if at_once else 1)
    writer = _HistoryWriter(stage, fold, history)
    readers = [_Reader(examples.inputs) for examples in (training, validation)]
    with _first_error_of(readers):
        network.fit(
            _batches(training, readers[0], schedule.batch_size, schedule.seed),
            validation_data=_batches(validation, readers[1], validation_batch, None),
            epochs=schedule.epochs,
            class_weight=_class_weights(training) if schedule.is_balanced else None,
            shuffle=False,  # `_batches` does.
            verbose=0,
            callbacks=[
                keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=max(1, schedule.patience // 2), min_delta=0),
                keras.callbacks.EarlyStopping(patience=schedule.patience, restore_best_weights=True),
                _StopOnNaN(),
                writer,
                *callbacks,
            ],
        )
    finite = [row for row in writer.rows if math.isfinite(row["loss"]) and math.isfinite(row["val_loss"])]
    return min(finite, key=lambda row: row["val_loss"], default=None)


def refit(
    network: keras.Model,
    training: Examples,
    learning_rates: Sequence[float],
    schedule: Schedule,
    stage: str,
    history: History,
    callbacks: list[keras.callbacks.Callback],
) -> bool:
    """Fit a network to all photos there are, an epoch a learning rate; no other photo says when to stop.

    Args:
        network: From inputs to K probabilities.
        training: What it learns from.
        learning_rates: That of each epoch; how many, and which, is known from fitting others to parts of the photos.
        schedule: How to fit; its epochs, learning rate and patience do not count.
        stage: As it stands in the history.
        history: Gets a row an epoch, without validation.
        callbacks: Called as well.

    Returns:
        Whether the losses were numbers to the end.

    Raises:
        UserError: If inputs cannot be read.
    """
    _compile(network, training, schedule)
    writer, reader = _HistoryWriter(stage, -1, history), _Reader(training.inputs)
    rate = keras.callbacks.LearningRateScheduler(lambda epoch, _: learning_rates[epoch])
    with _first_error_of([reader]):
        network.fit(
            _batches(training, reader, schedule.batch_size, schedule.seed),
            epochs=len(learning_rates),
            class_weight=_class_weights(training) if schedule.is_balanced else None,
            shuffle=False,  # `_batches` does.
            verbose=0,
            callbacks=[rate, _StopOnNaN(), writer, *callbacks],
        )
    return all(math.isfinite(row["loss"]) for row in writer.rows)


def _compile(network: keras.Model, training: Examples, schedule: Schedule) -> bool:
    """Make a network ready to be fitted; returns whether many steps are executed at once."""
    at_once = schedule.is_quick and _fits_in_memory(training.inputs)
    adam = keras.optimizers.Adam(schedule.learning_rate)
    n_steps = -(-len(training) // schedule.batch_size)
    network.compile(
        optimizer=keras.optimizers.LossScaleOptimizer(adam, initial_scale=_INITIAL_SCALE)
        if schedule.scale_loss
        else adam,
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=min(n_steps, _MAX_STEPS_PER_EXECUTION) if at_once else 1,
        auto_scale_loss=False,
    )
    return at_once


def _class_weights(training: Examples) -> dict[int, float]:
    """What a photo of each class weighs, 1 on average over the photos (G. King, L. Zeng, 2001)."""
    labels, counts = np.unique(training.labels, return_counts=True)
    weights = len(training) / (len(labels) * counts)
    return dict(zip(labels.tolist(), weights.tolist(), strict=True))


def _fits_in_memory(inputs: Inputs) -> bool:
    return inputs.n_bytes <= _MAX_BYTES_IN_MEMORY


def _batches(
    examples: Examples, read: Callable[[tf.Tensor], tf.Tensor], size: int, seed: int | None
) -> tf.data.Dataset:
    """Inputs and labels, a batch at a time.

    Args:
        examples: The photos.
        read: From rows to inputs.
        size: Photos a batch.
        seed: Decides the order and the views, others in each epoch; None leaves the photos as they are.
    """
    epochs = itertools.count()

    def one_epoch() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        n_photos, n_views = examples.views.shape
        if seed is None:
            return examples.views[:, 0], examples.labels
        random = np.random.default_rng([seed, next(epochs)])
        order = random.permutation(n_photos)
        return examples.views[order, random.integers(n_views, size=n_photos)], examples.labels[order]

    def rows_and_labels(_: tf.Tensor) -> tf.data.Dataset:
        rows, labels = tf.numpy_function(one_epoch, (), (tf.int64, tf.int64))
        return tf.data.Dataset.from_tensor_slices((tf.ensure_shape(rows, [None]), tf.ensure_shape(labels, [None])))

    dataset = tf.data.Dataset.range(1).flat_map(rows_and_labels).batch(size)
    dataset = dataset.map(lambda rows, labels: (read(rows), labels)).prefetch(2)
    return dataset.apply(tf.data.experimental.assert_cardinality(-(-len(examples) // size)))


class _Reader:
    """From rows to inputs: within TensorFlow if they are few, otherwise from disk.

    TensorFlow passes an error on as one of its own, without its type: the reader remembers the first.
    """

    def __init__(self, inputs: Inputs) -> None:
        self.error: Exception | None = None
        self._inputs = inputs
        self._table = tf.constant(inputs[np.arange(len(inputs))]) if _fits_in_memory(inputs) else None

    def __call__(self, rows: tf.Tensor) -> tf.Tensor:
        if self._table is not None:
            return tf.gather(self._table, rows)
        return tf.ensure_shape(tf.numpy_function(self._read, (rows,), tf.float32), [None, *self._inputs.shape])

    def _read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        try:
            return self._inputs[rows]
        except Exception as error:
            self.error = self.error or error
            raise


@contextlib.contextmanager
def _first_error_of(readers: list[_Reader]) -> Iterator[None]:
    try:
        yield
    except tf.errors.OpError:
        for reader in readers:
            if reader.error is not None:
                raise reader.error from None
        raise


class _StopOnNaN(keras.callbacks.Callback):
    """As Keras' TerminateOnNaN, but without a word: the caller finds better ones."""

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if not math.isfinite((logs or {}).get("loss", 0.0)):
            self.model.stop_training = True


class _HistoryWriter(keras.callbacks.Callback):
    def __init__(self, stage: str, fold: int, history: History) -> None:
        super().__init__()
        self.rows: list[dict[str, Any]] = []
        self._stage, self._fold, self._history = stage, fold, history
        self._started = self._learning_rate = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._started = time.monotonic()
        self._learning_rate = float(self.model.optimizer.learning_rate)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        seconds = round(time.monotonic() - self._started, 4)
        row = {"stage": self._stage, "fold": self._fold, "epoch": epoch}
        row |= {key: (logs or {}).get(key, math.nan) for key in ("loss", "accuracy", "val_loss", "val_accuracy")}
        row |= {"learning_rate": self._learning_rate, "seconds": seconds}
        self.rows.append(row)
        self._history.add(row)


def predict(network: keras.Model, inputs: Inputs) -> NDArray[np.float32]:
    """Probabilities, shape (n_photos, K)."""
    batches = [network.predict_on_batch(batch) for batch in inputs.batches(_n_predicted_at_once(inputs))]
    return np.concatenate([np.empty((0, network.output_shape[-1]), np.float32), *batches])


def predict_and_embed(
    network: keras.Model, inputs: Inputs, advance: Callable[[int], None]
) -> tuple[NDArray[np.float32], NDArray[np.float16]]:
    """Probabilities and embeddings from one pass over the photos.

    Args:
        network: Has two outputs: K probabilities, and the features that its head sees, shape (512,) or (s, s, 512).
        inputs: Those of the photos.
        advance: Called with the number of photos done since the last call.

    Returns:
        Probabilities, shape (n_photos, K), and embeddings, the features' mean over places, shape (n_photos, 512).
    """
    n_classes, n_channels = (shape[-1] for shape in network.output_shape)
    probabilities = np.empty((len(inputs), n_classes), np.float32)
    embeddings = np.empty((len(inputs), n_channels), np.float16)
    done = 0
    for batch in inputs.batches(_n_predicted_at_once(inputs)):
        rows = slice(done, done + len(batch))
        probabilities[rows], features = network.predict_on_batch(batch)
        means = features.astype(np.float32).reshape(len(batch), -1, n_channels).mean(axis=1)
        embeddings[rows] = means.clip(max=_LARGEST_FLOAT16)
        done += len(batch)
        advance(len(batch))
    return probabilities, embeddings


def _n_predicted_at_once(inputs: Inputs) -> int:
    return max(1, _NUMBERS_PREDICTED_AT_ONCE // math.prod(inputs.shape))
