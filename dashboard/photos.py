"""Everything that a run knows of its photos in one table, a row a photo; pandas only.

All pages choose from this table, so that a choice made on one chart means the same photos everywhere.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.dataset import PROBLEM_KINDS, TRAINING_DIR
from core.evaluation import cross_entropy, probability_columns
from core.reviews import NOTE, RELABEL, Decision
from core.runs import PREDICTIONS_FILE, SAMPLES_FILE, TEST_PREDICTIONS_FILE, RunError, check_sample_labels

# The split of files that were left out, and of photos as long as no split is known.
LEFT_OUT, UNKNOWN = "left_out", "unknown"
SPLITS = ("train", "val", "test", LEFT_OUT, UNKNOWN)
# What stands for a class that is not known.
NO_LABEL = -1
# A photo with all that is known of it, by column.
Row = dict[str, Any]


def photo_table(
    samples: pd.DataFrame,
    problems: pd.DataFrame,
    n_classes: int,
    predictions: pd.DataFrame | None = None,
    test_predictions: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Join the tables of a run.

    Args:
        samples: As in `samples.csv`.
        problems: As in `problems.csv`.
        n_classes: K.
        predictions: As in `predictions.csv`, once the run has them.
        test_predictions: As in `test_predictions.csv`, likewise.

    Returns:
        A row a photo, sorted by `image`: `image`, `name` (its last part), `split` (one of `SPLITS`), `fold`,
        `true_label` and `predicted_label` (class indices, -1 where not known), `is_relabelled` (whether the label that
        the run was trained with is another one than the dataset's), `confidence`, `margin` (between the two
        largest probabilities), `loss`, `prob_0`, ..., `width`, `height`, `bytes`, `sha256`, `original_label`, `group`,
        `brightness`, `contrast`, `sharpness`, `ratio` (width by height), `megapixels` (all missing where not known),
        `copies` (other photos of its group), `problem` (kinds with a blank between them) and `detail`.

    Raises:
        RunError: If a label is no class, or there are predictions of photos that are no samples.
    """
    check_sample_labels(samples, n_classes)
    photos = pd.concat([samples, _left_out(samples, problems)], ignore_index=True)
    photos["true_label"] = photos["label"].fillna(NO_LABEL).astype("int16")
    photos["is_relabelled"] = (photos["label"] != photos["original_label"]).fillna(False).astype(bool)
    photos = _with_predictions(photos, n_classes, predictions, test_predictions)
    photos = photos.merge(_per_photo(problems), on="image", how="left")
    photos[["problem", "detail"]] = photos[["problem", "detail"]].fillna("")
    photos["ratio"] = photos["width"] / photos["height"]
    photos["megapixels"] = photos["width"] * photos["height"] / 1e6
    photos["copies"] = photos.groupby("group")["image"].transform("size").fillna(1).astype("int32") - 1
    photos["name"] = [image.rpartition("/")[2] for image in photos["image"].tolist()]
    return photos.drop(columns=["label"]).sort_values("image", ignore_index=True)


def with_decisions(
    photos: pd.DataFrame, decisions: Mapping[str, Decision], contents: Mapping[str, str], class_names: Sequence[str]
) -> pd.DataFrame:
    """Photos with what people decided about them.

    Args:
        photos: From `photo_table`, or some of its rows.
        decisions: By content; see `core.reviews.current_decisions`.
        contents: Contents by name, for photos of which the run knows nothing else, such as excluded ones.
        class_names: The run's K names in index order.

    Returns:
        The photos with `review` (one of `core.reviews.DECISIONS`; empty where none stands), `review_class` (the name of
        the class that a photo was given, otherwise empty) and `note`; `sha256` filled up from `contents`.
    """
    sha256, is_unknown = photos["sha256"].copy(), photos["sha256"].isna()
    if is_unknown.any():  # Mostly none is, and each gallery asks.
        sha256[is_unknown] = photos.loc[is_unknown, "image"].map(dict(contents)).astype("str")
    texts = {column: np.full(len(photos), "", dtype=object) for column in ("review", "review_class", "note")}
    for row in np.flatnonzero(sha256.isin(list(decisions)).to_numpy()):
        for column, text in _decision_texts(decisions[sha256.iloc[row]], class_names).items():
            texts[column][row] = text
    return photos.assign(sha256=sha256, **{name: pd.array(values, dtype="str") for name, values in texts.items()})


def rows_with_decisions(
    photos: pd.DataFrame, decisions: Mapping[str, Decision], contents: Mapping[str, str], class_names: Sequence[str]
) -> list[Row]:
    """As `with_decisions`, row by row: for the few photos that are shown, in a tenth of the time."""
    names = photos.columns.tolist()
    columns = [photos[name].tolist() for name in names]
    rows = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
    for row in rows:
        if pd.isna(row["sha256"]):
            row["sha256"] = contents.get(row["image"])
        row |= _decision_texts(decisions.get(row["sha256"]), class_names)
    return rows


def _decision_texts(decision: Decision | None, class_names: Sequence[str]) -> dict[str, str]:
    """What stands of a photo, by column; see `with_decisions`."""
    if decision is None:
        return {"review": "", "review_class": "", "note": ""}
    return {
        "review": "" if decision.action == NOTE else decision.action,
        "review_class": class_given(decision, class_names),
        "note": decision.note,
    }


def class_given(decision: Decision, class_names: Sequence[str]) -> str:
    """The name of the class that a photo was given by a decision, empty where it was given none."""
    if decision.action != RELABEL:
        return ""
    return decision.class_name or class_name(int(decision.label or 0), class_names)


def with_original_labels(photos: pd.DataFrame, n_classes: int) -> pd.DataFrame:
    """Photos as if no label had been changed by a review: `true_label` and `loss` are those of `original_label`.

    Args:
        photos: From `photo_table`.
        n_classes: K.
    """
    original = photos["original_label"].fillna(NO_LABEL).astype("int16")
    rows = np.flatnonzero((original != photos["true_label"]).to_numpy())
    loss = photos["loss"].to_numpy(dtype=float, copy=True)
    probabilities = photos[probability_columns(n_classes)].iloc[rows].to_numpy(dtype=float)
    loss[rows] = cross_entropy(probabilities, original.iloc[rows].to_numpy())
    return photos.assign(true_label=original, loss=loss)


def class_name(label: int, class_names: Sequence[str]) -> str:
    """The name of a class; its number where there is no such class, as a submission changed by hand may say."""
    return class_names[label] if 0 <= label < len(class_names) else str(label)


def is_right(photos: pd.DataFrame) -> "pd.Series[bool]":
    """Whether each photo's prediction is its label; False where either is not known."""
    return (photos["true_label"] == photos["predicted_label"]) & (photos["true_label"] != NO_LABEL)


def is_wrong(photos: pd.DataFrame) -> "pd.Series[bool]":
    """Whether each photo's prediction is not its label; False where either is not known."""
    is_known = (photos["true_label"] != NO_LABEL) & (photos["predicted_label"] != NO_LABEL)
    return is_known & (photos["true_label"] != photos["predicted_label"])


def _is_absent(images: "pd.Series[str]", known: "pd.Series[str]") -> NDArray[np.bool_]:
    """Which images are not among others; `isin` takes seconds for 100,000."""
    return pd.Index(known).get_indexer(pd.Index(images)) < 0


def _left_out(samples: pd.DataFrame, problems: pd.DataFrame) -> pd.DataFrame:
    """Files that were not used, as rows of samples without facts."""
    is_left_out = [PROBLEM_KINDS.get(kind, ("", True))[1] for kind in problems["kind"]]
    images = problems.loc[is_left_out, "image"].drop_duplicates()
    images = images[_is_absent(images, samples["image"])]
    return pd.DataFrame({"image": images, "folder": LEFT_OUT}).reindex(columns=samples.columns).astype(
        {"width": "float", "height": "float", "bytes": "float", "label": "Int64"}
    )  # fmt: skip


def _with_predictions(
    photos: pd.DataFrame, n_classes: int, predictions: pd.DataFrame | None, test_predictions: pd.DataFrame | None
) -> pd.DataFrame:
    columns = ["image", "split", "fold", "predicted_label", "confidence", "loss", *probability_columns(n_classes)]
    known = [table for table in (predictions, test_predictions) if table is not None]
    table = pd.concat(known, ignore_index=True) if known else pd.DataFrame({"image": pd.Series(dtype="str")})
    if table["image"].duplicated().any():
        raise RunError(f"Expected each photo in {PREDICTIONS_FILE} or in {TEST_PREDICTIONS_FILE}; found some in both.")
    strangers = table.loc[_is_absent(table["image"], photos["image"]), "image"]
    if len(strangers):
        raise RunError(
            f"{PREDICTIONS_FILE}: expected photos of {SAMPLES_FILE}; found {len(strangers)} others, first "
            f"{strangers.iloc[0]}."
        )
    photos = photos.merge(table.reindex(columns=columns), on="image", how="left")
    of_folder = photos["folder"].map({TRAINING_DIR: UNKNOWN, LEFT_OUT: LEFT_OUT}).fillna("test")
    photos["split"] = photos["split"].astype("object").fillna(of_folder).astype("str")
    photos["fold"] = photos["fold"].astype("float").fillna(-1).astype("int16")
    photos["predicted_label"] = photos["predicted_label"].astype("float").fillna(NO_LABEL).astype("int16")
    probabilities = np.sort(photos[probability_columns(n_classes)].to_numpy(dtype=float), axis=1)
    photos["margin"] = probabilities[:, -1] - probabilities[:, -2] if n_classes > 1 else probabilities[:, -1]
    return photos.drop(columns=["folder"])


def _per_photo(problems: pd.DataFrame) -> pd.DataFrame:
    """All kinds and details of each file that has any."""
    joined = problems.groupby("image", sort=False).agg({"kind": " ".join, "detail": _listed})
    return joined.rename(columns={"kind": "problem"}).reset_index()


def _listed(details: "pd.Series[str]") -> str:
    return "; ".join(filter(None, details))
