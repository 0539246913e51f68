"""Deciding about photos: what can be decided, in words, and writing it down."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from core.errors import UserError
from core.reviews import ACTIONS, EXCLUDE, MAX_NOTE, NOTE, RELABEL, UNDO, UNSURE, Decision, Review
from core.runs import Run
from dashboard import data
from dashboard.photos import class_given

# What stands on a photo that was decided about; that of a class is followed by its name.
SIGNS = {RELABEL: "✎ ", EXCLUDE: "✕ excluded", UNSURE: "? unsure", NOTE: "✎ note"}
# Keys 0 to 9 mean classes.
N_KEYS = 10
# A browser is told the last so many reviews of the log, so that it knows that its own have arrived.
_N_TOLD = 200


def badge(row: Mapping[Any, Any]) -> str:
    """What was decided about a photo, in a word or two; empty where nothing was.

    Args:
        row: Of `dashboard.data.decided`.
    """
    if row["review"] == RELABEL:
        return SIGNS[RELABEL] + str(row["review_class"])
    return SIGNS[row["review"]] if row["review"] else SIGNS[NOTE] * bool(row["note"])


def decision_text(decision: Decision | None, class_names: Sequence[str]) -> str:
    """What was decided about a photo, in a few words; empty where nothing was."""
    if decision is None or decision.action == NOTE:
        return ""
    if decision.action == RELABEL:
        return f"relabelled {class_given(decision, class_names)}"
    return {EXCLUDE: "excluded from training", UNSURE: "unsure; it keeps its label"}[decision.action]


def why_not(row: Mapping[Any, Any]) -> str:
    """Why a photo cannot be decided about; empty where it can.

    Args:
        row: Of `dashboard.data.decided`.
    """
    if row["split"] == "test":
        return "A test photo has no label that could be mended."
    if pd.isna(row["sha256"]):
        return "This file was left out of the run, so there is nothing to decide about it."
    return ""


def review_of(run: Run, row: Mapping[Any, Any], asked: Mapping[str, Any]) -> Review:
    """A decision about a photo.

    Args:
        run: Whose photo it is.
        row: Of `dashboard.data.decided`.
        asked: Its `action`, and what belongs to that: a `label`, a `note`, the id of the review that it `undoes`; its
            own `id` where it has one already.

    Raises:
        UserError: If the photo cannot be decided about so.
    """
    action, label = str(asked.get("action")), asked.get("label")
    is_class = type(label) is int and 0 <= label < len(run.class_names)
    if action not in ACTIONS or (action == RELABEL and not is_class):
        raise UserError(f"Expected a decision about {row['image']}; found {action[:20]} {str(label)[:20]}.")
    if reason := why_not(row):
        raise UserError(reason)
    if action == UNDO and not asked.get("undoes"):
        raise UserError(f"There is nothing to take back of {row['image']}.")
    texts = {key: str(asked[key])[:MAX_NOTE] for key in ("note", "undoes", "id") if asked.get(key)}
    given = label if action == RELABEL else None
    class_name = None if given is None else run.class_names[given]
    return Review(row["sha256"], row["image"], action, given, class_name, **texts)


def undoes(run: Run, sha256: object) -> str | None:
    """The review that an undo of a photo's takes back; None where nothing stands."""
    decision = data.reviews(run).decisions.get(str(sha256))
    return decision.last if decision else None


def take(run: Run, asked: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Write down what a browser asks for; what is in the log already is not written again.

    Args:
        run: Whose photos they are.
        asked: As `review_of` takes it, each with an `id` and the `name` of its photo.

    Returns:
        Why those that could not be written were not, by id.
    """
    try:
        photos = data.photos(run)
    except UserError as error:
        return {str(each["id"]): str(error) for each in asked}
    refused: dict[str, str] = {}
    fresh: list[Review] = []
    rows = photos[photos["image"].isin([each["name"] for each in asked])]
    by_name = {row["image"]: row for row in data.decided(run, rows)}
    for each in asked:
        try:
            if each["name"] not in by_name:
                raise UserError(f"{run.name} has no photo {each['name']} any more; nothing was decided about it.")
            fresh.append(review_of(run, by_name[each["name"]], each))
        except UserError as error:
            refused[str(each["id"])] = str(error)
    if failed := keep(run, fresh):
        refused |= dict.fromkeys([review.id for review in fresh], failed)
    return refused


def keep(run: Run, reviews: Sequence[Review]) -> str:
    """Write decisions down.

    Returns:
        Why that was not possible; empty where it was.
    """
    try:
        data.add_reviews(run, reviews)
    except UserError as error:
        return str(error)
    return ""


def told(run: Run) -> list[str]:
    """The ids that a browser is told; see `_N_TOLD`."""
    return [review.id for review in data.reviews(run).log.reviews[-_N_TOLD:]]
