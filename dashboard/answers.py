"""What the network says of a visitor's own photos, calibrated.

Photos and answers stay in the visitor's session: none of them is written or kept for others.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from streamlit.runtime.uploaded_file_manager import UploadedFile

from core.errors import printable
from core.evaluation import probability_columns, probability_table
from core.images import PhotoError, read_photo
from core.predict import BATCH_SIZE, NOT_SURE, Classifier
from core.runs import Run, RunError
from dashboard import data
from dashboard.neighbours import Neighbours, neighbours_of_embedding

UNLIKE = "unlike the training photos"
_ANSWERS, _HASHES = "answers", "hashes"


@dataclass(frozen=True)
class OwnPhoto:
    """A visitor's photo: a name for the screen, its file's bytes and their hash; a path where it has one here."""

    name: str
    content: bytes
    sha256: str
    path: str = ""


@dataclass(frozen=True)
class Answer:
    """What the network says of a photo.

    Attributes:
        probabilities: A number a class, calibrated; none where the file is no photo that can be used.
        neighbours: The training photos that it is like, or why that is not known.
        fault: Why the file cannot be used; empty where it can.
    """

    probabilities: tuple[float, ...] = ()
    neighbours: Neighbours | str = ""
    fault: str = ""

    def is_sure(self, sure_from: float) -> bool:
        """Whether its confidence is at least so high, 0 to 1."""
        return max(self.probabilities, default=0.0) >= sure_from

    @property
    def note(self) -> str:
        """What one should know before relying on it; empty where there is nothing."""
        is_unlike = isinstance(self.neighbours, Neighbours) and self.neighbours.is_unlike
        return self.fault or (UNLIKE if is_unlike else "")


def own_photo(upload: UploadedFile) -> OwnPhoto:
    """A photo as it was uploaded. It is hashed once, and not whenever the page is drawn anew."""
    hashes = st.session_state.setdefault(_HASHES, {})
    if upload.file_id not in hashes:
        hashes[upload.file_id] = hashlib.sha256(upload.getvalue()).hexdigest()
    # What makes letters run the other way would disguise what the file is; it is spelt out as by `core.predict`.
    return OwnPhoto(printable(upload.name), upload.getvalue(), hashes[upload.file_id])


def file_photo(name: str, path: Path) -> OwnPhoto:
    """A photo from a file on this machine.

    Raises:
        PhotoError: If the file cannot be read.
    """
    content = read_photo(path)
    return OwnPhoto(name, content, hashlib.sha256(content).hexdigest(), str(path))


def ask(run: Run, photos: Sequence[OwnPhoto], say_progress: Callable[[int, int], None]) -> list[Answer]:
    """Predict photos, those that are new in this session and to this network.

    Args:
        run: Whose network is asked.
        photos: The photos.
        say_progress: Called after each batch with the number of photos that are done and that are to be done.

    Returns:
        An answer a photo.

    Raises:
        UserError: If the run has no network that can be used.
    """
    known = st.session_state.setdefault(_ANSWERS, {}).setdefault(data.network_stamps(run), {})
    new = list({photo.sha256: photo for photo in photos if photo.sha256 not in known}.values())
    for start in range(0, len(new), BATCH_SIZE):
        batch = new[start : start + BATCH_SIZE]
        known.update(_predict(run, data.classifier(run), batch))
        say_progress(start + len(batch), len(new))
    return [known[photo.sha256] for photo in photos]


def answer_table(
    photos: Sequence[OwnPhoto], answers: Sequence[Answer], class_names: Sequence[str], sure_from: float = 0.0
) -> pd.DataFrame:
    """Answers as `core.predict` writes them, and what is to be said of them.

    Args:
        photos: The photos.
        answers: One a photo.
        class_names: The K names in index order.
        sure_from: The lowest confidence with which a class is given as the answer.

    Returns:
        A row a photo: `image`, `answer` (a class or "not sure"), `predicted_label`, `predicted_class`, `confidence`,
        `prob_0`, ..., all missing where it could not be predicted; `nearest_distance` to a training photo, missing
        where that is not known; `note`.
    """
    nothing = (np.nan,) * len(class_names)
    table = probability_table(np.array([answer.probabilities or nothing for answer in answers], dtype=np.float64))
    is_known = table["confidence"].notna()
    table["predicted_label"] = table["predicted_label"].where(is_known).astype("Int64")
    table.insert(0, "image", [photo.name for photo in photos])
    names = [None if pd.isna(label) else class_names[label] for label in table["predicted_label"]]
    table.insert(2, "predicted_class", names)
    said = zip(names, answers, strict=True)
    table.insert(
        1, "answer", [name if name is None or answer.is_sure(sure_from) else NOT_SURE for name, answer in said]
    )
    table["nearest_distance"] = [_nearest_distance(answer) for answer in answers]
    table["note"] = [answer.note for answer in answers]
    return table


def show_table(table: pd.DataFrame, class_names: Sequence[str], key: str) -> int:
    """Show answers as a table.

    Returns:
        The row that was picked; the first at the beginning.
    """
    columns = dict(zip(probability_columns(len(class_names)), class_names, strict=True))
    notes = ["note"] if table["note"].any() else []
    # Where all answers are classes, they are the predicted ones.
    classes = ["answer", "predicted_class"] if (table["answer"] == NOT_SURE).any() else ["answer"]
    shown = table[["image", *classes, "confidence", *notes, *columns]]
    event = st.dataframe(
        shown.assign(**{column: 100 * shown[column] for column in ("confidence", *columns)}),
        key=key, hide_index=True, placeholder="", on_select="rerun", selection_mode="single-row-required",
        column_config={
            "image": "photo",
            "predicted_class": "most probable class",
            "note": st.column_config.TextColumn(width="medium"),
            "confidence": st.column_config.ProgressColumn(format="%.1f %%", min_value=0, max_value=100),
            **{column: st.column_config.NumberColumn(name, format="%.1f %%") for column, name in columns.items()},
        },
    )  # fmt: skip
    rows = event["selection"]["rows"]
    return rows[0] if rows and rows[0] < len(table) else 0


def _predict(run: Run, classifier: Classifier, batch: Sequence[OwnPhoto]) -> dict[str, Answer]:
    """Answers by hash."""
    loaded, found = {}, {}
    for photo in batch:
        try:
            loaded[photo.sha256] = classifier.load(photo.content)
        except PhotoError as error:
            found[photo.sha256] = Answer(fault=error.detail)
    if loaded:
        probabilities, embeddings = classifier.predict_and_embed(list(loaded.values()))
        calibrated = classifier.calibrated(probabilities).tolist()
        for sha256, values, embedding in zip(loaded, calibrated, embeddings, strict=True):
            found[sha256] = Answer(tuple(values), _neighbours(run, embedding))
    return found


def _neighbours(run: Run, embedding: NDArray[np.float32]) -> Neighbours | str:
    try:
        return neighbours_of_embedding(run, embedding)
    except RunError as error:
        return str(error)


def _nearest_distance(answer: Answer) -> float:
    known = answer.neighbours.distances if isinstance(answer.neighbours, Neighbours) else ()
    return known[0] if known else np.nan
