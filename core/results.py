"""Probabilities -> the tables and figures of a run folder, and what the terminal says of them."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.markup import escape
from rich.table import Table

from core import evaluation, projection, runs
from core.config import MATRIX_CORNER
from core.dataset import TRAINING_DIR, Dataset
from core.evaluation import ScoreKind, scores_by_kind
from core.groups import groups_of
from core.intervals import share_interval
from core.label_issues import find_label_issues
from core.report import Report
from core.runs import RunWriter


def write_embeddings(run: RunWriter, dataset: Dataset, embeddings: NDArray[np.float16]) -> None:
    """Write what the photos look like to the network, and where that puts them in the plane.

    Args:
        run: Where to.
        dataset: The photos.
        embeddings: Of all samples in their order, shape (n_samples, 512).
    """
    content = io.BytesIO()  # Of a full disk NumPy only says how many numbers it has not written.
    np.save(content, embeddings, allow_pickle=False)
    run.write_file(runs.EMBEDDINGS_FILE, lambda path: path.write_bytes(content.getbuffer()))
    places = pd.DataFrame(projection.pca(embeddings), columns=["x", "y"])
    places.insert(0, "image", dataset.samples["image"])
    run.write_table(runs.PROJECTION_FILE, places)


@dataclass(frozen=True)
class Predicted:
    """What networks said.

    Attributes:
        probabilities: Of all samples in their order, by the network that is kept, shape (n_samples, K).
        out_of_fold: Of the labelled photos, each by the network of the fold that it is in, shape (n_labelled, K); None
            without folds.
        naive_split: From `score_naive_split`; None where nobody asked.
    """

    probabilities: NDArray[np.float32]
    out_of_fold: NDArray[np.float32] | None = None
    naive_split: dict[str, Any] | None = None


def write_results(
    run: RunWriter, dataset: Dataset, sides: NDArray[np.integer[Any]], predicted: Predicted
) -> dict[str, Any]:
    """Write predictions, confusion matrix, label issues, submission and metrics.

    Args:
        run: Where to.
        dataset: The photos.
        sides: The fold of each labelled photo; without folds, 1 where it is held out and 0 elsewhere.
        predicted: What networks said.

    Returns:
        The metrics.
    """
    is_labelled = (dataset.samples["folder"] == TRAINING_DIR).to_numpy()
    fitted = predicted.probabilities[is_labelled]
    if predicted.out_of_fold is None:
        splits = np.where(sides == 1, "val", "train").tolist()
        metrics = _evaluate(run, dataset, _labelled_table(dataset, splits, fitted))
    else:
        learnt = _labelled_table(dataset, ["train"] * len(fitted), fitted)
        run.write_table(runs.FITTED_PREDICTIONS_FILE, learnt)
        scored = _labelled_table(dataset, ["val"] * len(fitted), predicted.out_of_fold, sides)
        metrics = _evaluate(run, dataset, scored)
    images = dataset.samples["image"][~is_labelled].tolist()
    metrics |= _predict_test(run, dataset, images, predicted.probabilities[~is_labelled], metrics["temperature"])
    if predicted.naive_split is not None:
        metrics["naive_split"] = predicted.naive_split
    run.write_json(runs.METRICS_FILE, metrics)
    return metrics


def score_naive_split(
    labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]], groups: Sequence[str], n_leaked: int
) -> dict[str, Any]:
    """The accuracy under a split that near-identical photos came on both sides of.

    Args:
        labels: Class indices of the photos that are scored, shape (n_images,).
        probabilities: Shape (n_images, K).
        groups: What is near-identical; one name a photo.
        n_leaked: How many of these have a near-identical photo among those that were learnt from.

    Returns:
        JSON values.
    """
    is_hit = probabilities.argmax(axis=1) == labels
    return {
        "n_images": len(labels),
        "n_leaked": n_leaked,
        "accuracy": float(is_hit.mean()),
        "accuracy_interval": list(share_interval(is_hit, pd.factorize(pd.Series(groups, dtype="str"))[0])),
    }


def _labelled_table(
    dataset: Dataset,
    splits: list[str],
    probabilities: NDArray[np.float32],
    folds: NDArray[np.integer[Any]] | int = -1,
) -> pd.DataFrame:
    labelled = dataset.samples[dataset.samples["folder"] == TRAINING_DIR]
    labels = labelled["label"].to_numpy(dtype=int)
    return evaluation.predictions_table(labelled["image"].tolist(), splits, labels, probabilities, folds)


def _evaluate(run: RunWriter, dataset: Dataset, table: pd.DataFrame) -> dict[str, Any]:
    """Write predictions, confusion matrix and label issues; all but the first come from the table as it is on disk."""
    class_names = dataset.class_names
    run.write_table(runs.PREDICTIONS_FILE, table)
    table = runs.read_predictions(run.path / runs.PREDICTIONS_FILE, len(class_names))
    validation = table[table["split"] == "val"]
    matrix = evaluation.confusion_matrix(validation["true_label"], validation["predicted_label"], len(class_names))
    named = pd.DataFrame(matrix, index=pd.Index(class_names, name=MATRIX_CORNER), columns=list(class_names))
    run.write_table(runs.CONFUSION_MATRIX_FILE, named, index=True)
    run.write_table(runs.LABEL_ISSUES_FILE, find_label_issues(table, len(class_names)))
    return evaluation.summarise(validation, class_names, groups_of(validation["image"], dataset.samples))


def _predict_test(
    run: RunWriter, dataset: Dataset, images: list[str], probabilities: NDArray[np.float32], temperature: float
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
    groups = groups_of(scored["image"], dataset.samples)
    return {"test": evaluation.summarise(scored, dataset.class_names, groups, temperature)}


def report_result(metrics: dict[str, Any], report: Report) -> None:
    """Print scores of the held-out photos and, where they are known, of the test photos; honest ones first."""
    found = scores_by_kind(metrics)
    kind, first = found[0]
    title = f"{kind.title}: {kind.words(first['n_images'])}"
    table = Table("class", "precision", "recall", "F1", "photos", title=title, title_justify="left")
    for scores in first["classes"]:
        shares = (f"{scores[key]:.3f}" for key in ("precision", "recall", "f1"))
        table.add_row(escape(scores["class_name"]), *shares, str(scores["support"]))
    report.show(table)
    for kind, scores in found:
        report.say(_score_text(kind, scores))
        report.say(_calibration_text(scores))
    if naive := metrics.get("naive_split"):
        report.say(
            f"With a naive split, where {naive['n_leaked']} scored photos have a near-identical one among those learnt "
            f"from: {_figure_text(naive, 'accuracy')}, {naive['n_images']:,} photos"
        )


def _score_text(kind: ScoreKind, scores: Mapping[str, Any]) -> str:
    """The headline figures with their intervals in one line."""
    figures = ", ".join(_figure_text(scores, key) for key in ("accuracy", "macro_f1", "log_loss"))
    return f"{kind.title} ({kind.words(scores['n_images'])}): {figures}"


def _calibration_text(scores: Mapping[str, Any]) -> str:
    """How well confidence fits accuracy, before and after."""
    error = "expected_calibration_error"
    before, after = (_figure_text(each, error) for each in (scores, scores["calibrated"]))
    used = ", ".join(f"{temperature:.2f}" for temperature in scores["calibrated"]["temperatures"])
    return (
        f"  {before}; calibrated with temperature {used}, fitted on other photos: {after.removeprefix(_words(error))}"
    )


def _words(key: str) -> str:
    return key.replace("_", " ").replace("f1", "F1") + " "


def _figure_text(scores: Mapping[str, Any], key: str) -> str:
    low, high = scores[f"{key}_interval"]
    return f"{_words(key)}{scores[key]:.3f} (95 %: {low:.3f} to {high:.3f})"
