"""A run folder written by hand: the contract between training and dashboard, spelt out."""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core import evaluation
from core.dataset import fingerprint
from core.label_issues import find_label_issues
from core.runs import LATER_SAMPLE_COLUMNS, Run, read_predictions, read_run, read_samples
from core.splits import split_hash
from tests.conftest import make_photo, write_labels

CLASS_NAMES = ("nobody", "everybody", "somebody")

# image, split, true label, predicted label, probabilities
PREDICTIONS = (
    ("training/a.jpg", "val", 0, 0, (0.90, 0.06, 0.04)),
    ("training/b.jpg", "val", 0, 1, (0.30, 0.60, 0.10)),
    ("training/c.jpg", "val", 1, 1, (0.10, 0.80, 0.10)),
    ("training/d.jpg", "val", 2, 1, (0.04, 0.95, 0.01)),
    ("training/e.jpg", "train", 0, 0, (0.99, 0.01, 0.00)),
    ("training/f.jpg", "train", 1, 2, (0.20, 0.35, 0.45)),
    ("training/g.jpg", "train", 2, 2, (0.10, 0.20, 0.70)),
)
LOSSES = {"a": 0.105361, "b": 1.203973, "c": 0.223144, "d": 4.605170, "e": 0.010050, "f": 1.049822, "g": 0.356675}


def write_run(runs_dir: Path, data: Path, name: str = "first", **info: Any) -> Run:
    """Write a finished run of seven labelled photos (four of them held out) and two test photos.

    Args:
        runs_dir: Where the run folder is made.
        data: Where the photos are drawn.
        name: The run's name.
        info: What `run.json` says besides or instead.
    """
    folder = runs_dir / name
    folder.mkdir(parents=True)
    for index, (image, _, label, *_) in enumerate(PREDICTIONS):
        make_photo(data / image, label, seed=index)
    for index, image in enumerate(("test/x.jpg", "test/y.jpg")):
        make_photo(data / image, index, seed=50 + index)
    (folder / "run.json").write_text(json.dumps(_run_json(name, data) | info))
    (folder / "samples.csv").write_text(_samples())
    (folder / "problems.csv").write_text("image,kind,detail\ntraining/z.jpg,truncated,the file ends too early\n")
    (folder / "history.csv").write_text(
        "stage,fold,epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds\n"
        "head,-1,0,1.2,0.4,1.1,0.25,0.001,0.5\n"
        "head,-1,1,0.8,0.6,0.9,0.5,0.001,0.3\n"
        "head,-1,2,0.5,0.8,1.0,0.5,0.001,0.3\n"
    )
    (folder / "predictions.csv").write_text(_predictions())
    (folder / "test_predictions.csv").write_text(
        "image,predicted_label,confidence,prob_0,prob_1,prob_2\n"
        "test/x.jpg,0,0.7,0.7,0.2,0.1\ntest/y.jpg,1,0.6,0.3,0.6,0.1\n"
    )
    (folder / "submission.csv").write_text("Id,Category\nx.jpg,0\ny.jpg,1\n")
    (folder / "metrics.json").write_text(json.dumps(_metrics()))
    (folder / "label_issues.csv").write_text(
        "image,label,suggested_label,self_confidence,is_issue\n"
        "training/d.jpg,2,1,0.01,True\ntraining/b.jpg,0,1,0.3,True\n"
        "training/c.jpg,1,1,0.8,False\ntraining/a.jpg,0,0,0.9,False\n"
    )
    return read_run(folder)


def write_folds(run: Run) -> None:
    """Make a run one with folds: each labelled photo predicted out of fold, a last network that learnt from all."""
    folder, n_classes = run.path, len(CLASS_NAMES)
    table = pd.read_csv(folder / "predictions.csv")
    table.assign(split="train").to_csv(folder / "fitted_predictions.csv", index=False)
    table = table.assign(split="val", fold=[row % 2 for row in range(len(table))])
    table.to_csv(folder / "predictions.csv", index=False)
    (folder / "history.csv").write_text(
        "stage,fold,epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds\n"
        "head,0,0,1.2,0.4,1.1,0.25,0.001,0.5\n"
        "head,0,1,0.8,0.6,0.9,0.5,0.001,0.3\n"
        "head,1,0,0.5,0.8,0.7,0.75,0.001,0.3\n"
        "head,-1,0,0.5,0.8,,,0.001,0.3\n"
    )
    (folder / "metrics.json").write_text(json.dumps(evaluation.summarise(table, CLASS_NAMES, table["image"].tolist())))
    issues = find_label_issues(table, n_classes)
    issues.to_csv(folder / "label_issues.csv", index=False)


def predict_anew(run: Run, **probabilities: tuple[float, float, float]) -> None:
    """Replace what a run says of photos, named by their letters, as if it had been trained otherwise."""
    for name in ("predictions.csv", "test_predictions.csv", "submission.csv"):
        table = pd.read_csv(run.path / name, dtype={"predicted_label": int})
        names = table["Id" if name == "submission.csv" else "image"]
        for letter, values in probabilities.items():
            is_it = names.str.endswith(f"{letter}.jpg")
            label = int(np.argmax(values))
            if name == "submission.csv":
                table.loc[is_it, "Category"] = label
            else:
                table.loc[is_it, ["predicted_label", "confidence"]] = label, max(values)
                table.loc[is_it, ["prob_0", "prob_1", "prob_2"]] = values
            if name == "predictions.csv":
                table.loc[is_it, "loss"] = [-np.log(values[true]) for true in table.loc[is_it, "true_label"]]
        table.to_csv(run.path / name, index=False)


def write_embeddings(run: Run, angles: dict[str, float]) -> None:
    """Write what the photos look like to the network: directions in a plane.

    Args:
        run: From `write_run`.
        angles: In degrees by the letters that the photos are named with; 0 for the others.
    """
    radians = np.radians([angles.get(letter, 0.0) for letter in "abcdefgxy"])
    np.save(run.path / "embeddings.npy", np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float16))


def write_whole_run(runs_dir: Path, data: Path, name: str = "first") -> Run:
    """The run of `write_run` with all files of a finished one, as training writes them, and its dataset."""
    run = write_run(runs_dir, data, name)
    write_labels(data, {Path(image).name: label for image, _, label, *_ in PREDICTIONS})
    (data / "test_gt.json").write_text('{"x.jpg": 0, "y.jpg": 2}')
    samples = read_samples(run.path / "samples.csv").drop(columns=list(LATER_SAMPLE_COLUMNS))
    samples.assign(sha256=[sha256(data / image) for image in samples["image"]]).to_csv(
        run.path / "samples.csv", index=False
    )
    write_embeddings(run, {})
    pd.DataFrame({"image": samples["image"], "x": 0.5, "y": 0.5}).to_csv(run.path / "projection.csv", index=False)
    with zipfile.ZipFile(run.path / "model.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    (run.path / "tensorboard").mkdir()
    (run.path / "tensorboard" / "events.out").write_bytes((5).to_bytes(8, "little") + b"sum." + b"event" + b"sum.")
    write_what_follows(run)
    return read_run(run.path)


def write_what_follows(run: Run) -> None:
    """Write scores, matrix and fingerprints of a run from `write_whole_run` as they follow from its tables."""
    table = read_predictions(run.path / "predictions.csv", 3)
    held_out = table[table["split"] == "val"]
    tested = pd.read_csv(run.path / "test_predictions.csv")
    scored = evaluation.predictions_table(
        tested["image"].tolist(), ["test"] * 2, np.array([0, 2]), tested[["prob_0", "prob_1", "prob_2"]].to_numpy()
    )
    groups = read_samples(run.path / "samples.csv").set_index("image")["group"]
    metrics = evaluation.summarise(held_out, CLASS_NAMES, groups[held_out["image"]].tolist())
    temperature = metrics["temperature"]
    metrics["test"] = evaluation.summarise(scored, CLASS_NAMES, groups[scored["image"]].tolist(), temperature)
    (run.path / "metrics.json").write_text(json.dumps(metrics))
    matrix = evaluation.confusion_matrix(held_out["true_label"], held_out["predicted_label"], 3)
    index = pd.Index(CLASS_NAMES, name="true \\ predicted")
    pd.DataFrame(matrix, index=index, columns=list(CLASS_NAMES)).to_csv(run.path / "confusion_matrix.csv")
    has_folds = (table["fold"] >= 0).any()
    sides = (table["fold"] if has_folds else table["split"] == "val").to_numpy()
    info = json.loads((run.path / "run.json").read_text())
    info["dataset_fingerprint"] = fingerprint(read_samples(run.path / "samples.csv"))
    info["split_hash"] = split_hash(table["image"].tolist(), sides)
    (run.path / "run.json").write_text(json.dumps(info))


def sha256(path: Path) -> str:
    """The hash of a file's content, as tables have it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _run_json(name: str, data: Path) -> dict[str, Any]:
    return {
        "format_version": 1,
        "name": name,
        "state": "finished",
        "created": "2026-01-02T03:04:05.000+00:00",
        "updated": "2026-01-02T03:05:05.000+00:00",
        "config": {"data": str(data), "name": name, "image_size": 32, "resize": "squash", "head": "gap"},
        "class_names": list(CLASS_NAMES),
        "notices": [],
    }


def _samples() -> str:
    rows = [
        f"{image},training,{label},30,20,900,{index:064x}" for index, (image, _, label, *_) in enumerate(PREDICTIONS)
    ]
    rows += ["test/x.jpg,test,,30,20,900,aa", "test/y.jpg,test,,20,30,900,bb"]
    return "\n".join(["image,folder,label,width,height,bytes,sha256", *rows]) + "\n"


def _predictions() -> str:
    rows = [
        f"{image},{split},-1,{true},{predicted},{max(probs)},{LOSSES[image[-5]]},{','.join(map(str, probs))}"
        for image, split, true, predicted, probs in PREDICTIONS
    ]
    header = "image,split,fold,true_label,predicted_label,confidence,loss,prob_0,prob_1,prob_2"
    return "\n".join([header, *rows]) + "\n"


def _metrics() -> dict[str, Any]:
    recalls = ((0.5, 1.0, 2), (1.0, 1 / 3, 1), (0.0, 0.0, 1))
    classes = [
        {
            "label": label,
            "class_name": name,
            "precision": precision,
            "precision_interval": [0.0, 1.0],
            "recall": recall,
            "recall_interval": [0.0, 1.0],
            "f1": 0.5,
            "support": support,
        }
        for label, (name, (recall, precision, support)) in enumerate(zip(CLASS_NAMES, recalls, strict=True))
    ]
    return {
        "n_images": 4,
        "accuracy": 0.5,
        "accuracy_interval": [0.15, 0.85],
        "macro_f1": 0.39,
        "macro_f1_interval": [0.1, 0.8],
        "log_loss": 1.534,
        "expected_calibration_error": 0.4,
        "temperature": 1.3,
        "classes": classes,
    }
