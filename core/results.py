"""Probabilities -> the tables and figures of a run folder, and what the terminal says of them."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.markup import escape
from rich.table import Table

from core import evaluation, projection, runs
from core.dataset import TRAINING_DIR, Dataset
from core.report import Report
from core.runs import RunWriter


def write_embeddings(run: RunWriter, dataset: Dataset, embeddings: NDArray[np.float16]) -> None:
    """Write what the photos look like to the network, and where that puts them in the plane.

    Args:
        run: Where to.
        dataset: The photos.
        embeddings: Of all samples in their order, shape (n_samples, 512).
    """
    run.write_file(runs.EMBEDDINGS_FILE, lambda path: np.save(path, embeddings, allow_pickle=False))
    places = pd.DataFrame(projection.pca(embeddings), columns=["x", "y"])
    places.insert(0, "image", dataset.samples["image"])
    run.write_table(runs.PROJECTION_FILE, places)


def write_results(
    run: RunWriter, dataset: Dataset, is_validation: NDArray[np.bool_], probabilities: NDArray[np.float32]
) -> dict[str, Any]:
    """Write predictions, confusion matrix, submission and metrics.

    Args:
        run: Where to.
        dataset: The photos.
        is_validation: Whether a labelled photo is held out, shape (n_labelled,).
        probabilities: Of all samples in their order, shape (n_samples, K).

    Returns:
        The metrics.
    """
    is_labelled = (dataset.samples["folder"] == TRAINING_DIR).to_numpy()
    metrics = _evaluate(run, dataset, is_validation, probabilities[is_labelled])
    images = dataset.samples["image"][~is_labelled].tolist()
    metrics |= _predict_test(run, dataset, images, probabilities[~is_labelled])
    run.write_json(runs.METRICS_FILE, metrics)
    return metrics


def _evaluate(
    run: RunWriter, dataset: Dataset, is_validation: NDArray[np.bool_], probabilities: NDArray[np.float32]
) -> dict[str, Any]:
    """Write predictions and confusion matrix; the metrics come from the table as it stands on disk."""
    class_names = dataset.class_names
    labelled = dataset.samples[dataset.samples["folder"] == TRAINING_DIR]
    splits = np.where(is_validation, "val", "train").tolist()
    labels = labelled["label"].to_numpy(dtype=int)
    table = evaluation.predictions_table(labelled["image"].tolist(), splits, labels, probabilities)
    run.write_table(runs.PREDICTIONS_FILE, table)
    table = runs.read_predictions(run.path / runs.PREDICTIONS_FILE, len(class_names))
    validation = table[table["split"] == "val"]
    matrix = evaluation.confusion_matrix(validation["true_label"], validation["predicted_label"], len(class_names))
    named = pd.DataFrame(matrix, index=pd.Index(class_names, name=runs.MATRIX_CORNER), columns=list(class_names))
    run.write_table(runs.CONFUSION_MATRIX_FILE, named, index=True)
    return evaluation.summarise(validation, class_names)


def _predict_test(
    run: RunWriter, dataset: Dataset, images: list[str], probabilities: NDArray[np.float32]
) -> dict[str, Any]:
    """Write the submission; returns the metrics of the test photos whose labels are known, if any."""
    if not images and not dataset.unusable_test:
        return {}
    table = evaluation.probability_table(probabilities)
    table.insert(0, "image", images)
    commonest = int(dataset.samples["label"].mode().iloc[0])
    unreadable = pd.DataFrame({"image": dataset.unusable_test, "predicted_label": commonest})
    everything = pd.concat([table, unreadable]).sort_values("image", ignore_index=True)
    run.write_table(runs.TEST_PREDICTIONS_FILE, everything)
    names = everything["image"].str.rsplit("/", n=1).str[-1]
    run.write_table(runs.SUBMISSION_FILE, pd.DataFrame({"Id": names, "Category": everything["predicted_label"]}))
    if not dataset.test_labels:
        return {}
    known = table["image"].isin(dataset.test_labels).to_numpy()
    scored = table[known]
    labels = scored["image"].map(dataset.test_labels).to_numpy(dtype=int)
    scored = evaluation.predictions_table(
        scored["image"].tolist(), ["test"] * len(scored), labels, probabilities[known]
    )
    return {"test": evaluation.summarise(scored, dataset.class_names)}


def report_result(metrics: dict[str, Any], report: Report) -> None:
    """Print scores of the held-out photos and, where they are known, of the test photos."""
    title = f"Validation: {metrics['n_images']} photos held out (optimistic: early stopping watched them)"
    table = Table("class", "precision", "recall", "F1", "photos", title=title, title_justify="left")
    for scores in metrics["classes"]:
        shares = (f"{scores[key]:.3f}" for key in ("precision", "recall", "f1"))
        table.add_row(escape(scores["class_name"]), *shares, str(scores["support"]))
    report.show(table)
    for what, figures in (("Validation", metrics), ("Test", metrics.get("test"))):
        if figures:
            low, high = figures["accuracy_interval"]
            report.say(
                f"{what} accuracy {figures['accuracy']:.3f} (95 % interval {low:.3f} to {high:.3f}), "
                f"macro F1 {figures['macro_f1']:.3f}, {figures['n_images']} photos"
            )
