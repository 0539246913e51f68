"""The peer: this challenge solved the usual way, in plain Keras and without Maskboard.

VGG16, frozen and in float32, augmentation layers before it, a fully connected head behind it, `model.fit` through all
of it in every epoch. `python -m benchmarks.usual_way DIR` trains one epoch and prints its seconds.
"""

import argparse
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

SIZE, BATCH_SIZE, N_CLASSES = 224, 32, 3


def augmentation() -> Any:
    """The augmentation layers that such solutions have."""
    layers = [
        keras.layers.RandomFlip("horizontal"),
        keras.layers.RandomRotation(0.04),
        keras.layers.RandomZoom(0.15),
        keras.layers.RandomTranslation(0.08, 0.08),
    ]
    return keras.Sequential(layers)


def head(shape: tuple[int, ...]) -> Any:
    """Flatten, 512 hidden units, dropout, K classes; compiled with Adam at 1e-4."""
    model = keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Flatten(),
            keras.layers.Dense(512, activation="relu"),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(N_CLASSES, activation="softmax"),
        ]
    )
    return compiled(model)


def compiled(model: Any) -> Any:
    """As such solutions do it."""
    model.compile(keras.optimizers.Adam(1e-4), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def classifier(weights: str | None) -> Any:
    """The whole network, from photos to classes."""
    base = keras.applications.VGG16(include_top=False, weights=weights, input_shape=(SIZE, SIZE, 3))
    base.trainable = False
    image = keras.Input((SIZE, SIZE, 3))
    pixels = keras.applications.vgg16.preprocess_input(augmentation()(image))
    return compiled(keras.Model(image, head(base.output_shape[1:])(base(pixels, training=False))))


def photos(labels: dict[Path, int], shuffled: bool) -> Any:
    """Photos and labels in batches, decoded and resized by TensorFlow."""

    def load(path: Any, label: Any) -> Any:
        return tf.image.resize(tf.io.decode_jpeg(tf.io.read_file(path), channels=3), (SIZE, SIZE)), label

    dataset = tf.data.Dataset.from_tensor_slices((list(map(str, labels)), list(labels.values())))
    if shuffled:
        dataset = dataset.shuffle(len(labels))
    return dataset.map(load, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


def _fifth_and_rest(paths: list[Path]) -> tuple[list[Path], list[Path]]:
    return paths[: len(paths) // 5], paths[len(paths) // 5 :]


def main(argv: Sequence[str] | None = None) -> None:
    """Train one epoch on four fifths of a dataset, validate on the rest, print the seconds that `fit` took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.usual_way", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", help="file of VGG16's weights; random without")
    options = parser.parse_args(argv)
    labels = json.loads((options.data / "train_gt.json").read_text(encoding="utf-8"))
    paths = [options.data / "training" / name for name in labels]
    random.Random(0).shuffle(paths)
    held_out, learnt = ({path: labels[path.name] for path in part} for part in _fifth_and_rest(paths))
    model = classifier(options.weights)
    training, validation = photos(learnt, shuffled=True), photos(held_out, shuffled=False)
    started = time.monotonic()
    model.fit(training, validation_data=validation, epochs=1, verbose=2)
    print(f"seconds an epoch: {time.monotonic() - started:.1f}")


if __name__ == "__main__":
    main()
