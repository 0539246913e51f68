"""Predict photos with a saved run: `python -m core.predict RUN PHOTO_OR_FOLDER... [--out FILE.csv]`.

What it says is calibrated, as what the Predict page says is; the files of a run hold uncalibrated probabilities. Its
table is for people and spreadsheets: a name that would be a formula there has an apostrophe before it.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core import runs
from core.calibration import apply_temperature
from core.command import run_command
from core.config import default_runs_dir
from core.errors import UserError, printable
from core.evaluation import probability_table
from core.files import write_whole, writing
from core.images import PHOTO_SUFFIXES, PhotoError, Resize, load_photo
from core.quiet import interrupt_held, native_stderr_hidden
from core.spreadsheet import for_spreadsheet

BATCH_SIZE = 16
# What is said instead of a class that is not confident enough.
NOT_SURE = "not sure"
# VGG16's last feature map; its mean over places is a photo's embedding.
_EMBEDDED_LAYER = "block5_pool"


@dataclass(frozen=True)
class Classifier:
    """A trained network and what has to be known to use it.

    Attributes:
        model: From RGB 0-255, shape (n, image_size, image_size, 3), to probabilities, shape (n, K).
        class_names: The K names in index order.
        image_size: Width and height in pixels.
        resize: How photos were brought to that size in training.
        temperature: What the run's held-out photos were calibrated with; 1 where that is not known.
    """

    model: Any
    class_names: tuple[str, ...]
    image_size: int
    resize: Resize
    temperature: float = 1.0

    def load(self, source: Path | bytes) -> NDArray[np.uint8]:
        """Read a photo as this network wants it.

        Raises:
            PhotoError: If the photo cannot be used.
        """
        return load_photo(source, self.image_size, self.resize)

    def calibrated(self, probabilities: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """What to say of other photos: probabilities that are as high as they proved right on photos held out.

        Args:
            probabilities: From this network, shape (n_photos, K).
        """
        return apply_temperature(probabilities, self.temperature)

    def predict(self, photos: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Uncalibrated probabilities of photos from `load`, shape (n_photos, K)."""
        probabilities = self.model.predict_on_batch(np.stack(photos).astype(np.float32))
        return cast("NDArray[np.float32]", probabilities)

    def predict_and_embed(self, photos: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Uncalibrated probabilities and embeddings of photos from `load` in one pass.

        Returns:
            Shapes (n_photos, K) and (n_photos, 512); embeddings are as in a run's `embeddings.npy`.

        Raises:
            UserError: If the network is not built as `core.model` builds it.
        """
        probabilities, embeddings = self._compiled(np.stack(photos).astype(np.float32))
        return probabilities.numpy(), embeddings.numpy()

    def prepare(self) -> None:
        """Compile what `predict_and_embed` runs, so that the first photo does not wait for it.

        Raises:
            UserError: As there.
        """
        _ = self._compiled

    @cached_property
    def _compiled(self) -> Callable[[NDArray[np.float32]], tuple[Any, Any]]:
        """A function from photos, shape (n, image_size, image_size, 3), to tensors; compiled for every n at once."""
        import keras
        import tensorflow as tf

        if _EMBEDDED_LAYER not in [layer.name for layer in self.model.layers]:
            raise UserError(
                f"Expected a network with VGG16's layer {_EMBEDDED_LAYER}, as train.py saves it; found none. Train "
                "again."
            )
        feature_map = self.model.get_layer(_EMBEDDED_LAYER).output
        network = keras.Model(self.model.input, [self.model.output, keras.ops.mean(feature_map, axis=(1, 2))])
        compiled: Callable[[NDArray[np.float32]], tuple[Any, Any]] = tf.function(
            lambda photos: network(photos, training=False), autograph=False
        ).get_concrete_function(tf.TensorSpec((None, *self.model.input_shape[1:]), tf.float32))
        return compiled


def load_classifier(run: runs.Run) -> Classifier:
    """Load a run's network; takes seconds, because it brings TensorFlow.

    Raises:
        UserError: If the run has none.
    """
    with interrupt_held():
        from core.model import load_model

    model = load_model(run.path / runs.MODEL_FILE)
    shape = model.input_shape
    if not (isinstance(shape, tuple) and len(shape) == 4 and shape[1] == shape[2] and shape[3] == 3):
        raise UserError(f"Expected the network of run {run.name} to take square photos in colour; it takes {shape}.")
    if len(run.class_names) != model.output_shape[-1]:
        raise UserError(
            f"Expected {model.output_shape[-1]} class names for the network of run {run.name}; "
            f"found {len(run.class_names)} in {runs.RUN_FILE}."
        )
    resize = run.info["config"].get("resize", "squash")
    if resize not in get_args(Resize):
        raise UserError(f"Expected run {run.name} to say squash, pad or crop for resize; found {resize!r}.")
    # The metrics come after the network; a run that still trains may have none yet.
    metrics = runs.read_metrics(run.path / runs.METRICS_FILE) if run.has(runs.METRICS_FILE) else {}
    return Classifier(
        model,
        run.class_names,
        int(model.input_shape[1]),
        cast(Resize, resize),
        float(metrics.get("temperature", 1.0)),
    )


def find_photos(paths: Iterable[Path]) -> list[Path]:
    """The photos among files and, one level deep, in folders, in the order given; folders sorted by name.

    Links are followed, wherever they lead: nothing of a photo but its classes is told.

    Raises:
        UserError: If a path does not exist or no photo is found.
    """
    photos: list[Path] = []
    for path in paths:
        if path.is_dir():
            photos += sorted(entry for entry in path.iterdir() if entry.suffix.lower() in PHOTO_SUFFIXES)
        elif path.exists():
            photos.append(path)
        else:
            raise UserError(f"Expected a photo or a folder of photos; there is no {path}.")
    if not photos:
        raise UserError(f"Expected photos ({', '.join(sorted(PHOTO_SUFFIXES))}); found none.")
    return photos


def predict_photos(classifier: Classifier, photos: Sequence[Path]) -> tuple[pd.DataFrame, dict[Path, PhotoError]]:
    """Predict photos from disk.

    Returns:
        A row a readable photo: `image` (the path as given, in printable letters), `predicted_label`, `predicted_class`,
        `confidence`, `prob_0`, ..., calibrated; and why the others could not be read.
    """
    faults: dict[Path, PhotoError] = {}
    images: list[str] = []
    probabilities: list[NDArray[np.float32]] = [np.empty((0, len(classifier.class_names)), np.float32)]
    for batch in _readable_batches(classifier, photos, faults):
        # What no line can hold is spelt out, here as on the terminal.
        images += [printable(str(path)) for path, _ in batch]
        probabilities.append(classifier.predict([photo for _, photo in batch]))
    table = probability_table(classifier.calibrated(np.concatenate(probabilities)))
    table.insert(0, "image", images)
    table.insert(2, "predicted_class", [classifier.class_names[label] for label in table["predicted_label"]])
    return table, faults


def calibration_text(temperature: float) -> str:
    """Whether probabilities are calibrated, in a sentence.

    Args:
        temperature: Of a `Classifier`.
    """
    if temperature == 1:
        return "probabilities are not calibrated: this run has no temperature to do it with"
    return f"probabilities are calibrated with temperature {temperature:.2f}; the files of the run are not"


def _readable_batches(
    classifier: Classifier, photos: Sequence[Path], faults: dict[Path, PhotoError]
) -> Iterator[list[tuple[Path, NDArray[np.uint8]]]]:
    batch: list[tuple[Path, NDArray[np.uint8]]] = []
    for path in photos:
        try:
            batch.append((path, classifier.load(path)))
        except PhotoError as error:
            faults[path] = error
        if len(batch) == BATCH_SIZE:
            yield batch
            batch = []
    if batch:
        yield batch


def build_parser() -> argparse.ArgumentParser:
    """The command line of `python -m core.predict`."""
    parser = argparse.ArgumentParser(prog="python -m core.predict", description="Predict photos with a saved run.")
    parser.add_argument("run", metavar="RUN", help="a run's folder or name")
    parser.add_argument("photos", metavar="PHOTO_OR_FOLDER", nargs="+", type=Path)
    parser.add_argument("--out", metavar="FILE.csv", type=Path, help="write the table there instead of printing it")
    parser.add_argument(
        "--sure", metavar="PERCENT", type=float, default=None,
        help=f"also give an answer: the class, or {NOT_SURE!r} below that calibrated confidence",
    )  # fmt: skip
    parser.add_argument("--runs-dir", metavar="DIR", type=Path, default=None, help="where runs are, for a RUN by name")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Predict as the command line asks.

    Returns:
        The exit code: 0, or 2 where something is wrong that the user can mend, an unreadable photo included; the
        others are predicted all the same.
    """
    options = build_parser().parse_args(argv)
    return run_command("core.predict", lambda: _predict(options))


def _predict(options: argparse.Namespace) -> int:
    if options.sure is not None and not 0 <= options.sure <= 100:
        raise UserError(f"Expected --sure to be 0 to 100 per cent; found {options.sure:g}.")
    run = runs.find_run(options.run, options.runs_dir or default_runs_dir())
    photos = find_photos(options.photos)
    with native_stderr_hidden():
        classifier = load_classifier(run)
    table, faults = predict_photos(classifier, photos)
    if options.sure is not None:
        is_sure = table["confidence"] >= options.sure / 100
        table.insert(1, "answer", table["predicted_class"].where(is_sure, NOT_SURE))
    _write(for_spreadsheet(table), options.out)
    for path, fault in faults.items():
        print(f"core.predict: {printable(str(path))}: {fault.kind}: {fault.detail}", file=sys.stderr)
    written = f"; written to {printable(str(options.out))}" if options.out else ""
    print(f"core.predict: {calibration_text(classifier.temperature)}", file=sys.stderr)
    print(f"core.predict: {len(table)} photos predicted, {len(faults)} left out{written}", file=sys.stderr)
    return 2 if faults else 0


def _write(text: str, path: Path | None) -> None:
    def write(unfinished: Path) -> None:
        unfinished.write_text(text, encoding="utf-8", newline="")

    if path is None:
        sys.stdout.write(text)
    elif path.is_file() or not path.exists():
        write_whole(path.resolve(), write)
    else:  # A pipe or a terminal is not replaced.
        with writing(path):
            write(path)


if __name__ == "__main__":
    sys.exit(main())
