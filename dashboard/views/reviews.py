"""What was decided about photos: all of it, how to take it back, and what to do with it."""

from functools import partial

import pandas as pd
import streamlit as st

from core import runs
from core.config import PROJECT_DIR, command_line
from core.dataset import TRAINING_DIR, TRAINING_LABELS_FILE
from core.reviews import (
    EXCLUDE,
    IN_FORCE,
    NOTE,
    RELABEL,
    UNDO,
    UNSURE,
    Applied,
    Review,
    corrected_labels,
    corrections,
    review_states,
)
from core.runs import Run
from core.spreadsheet import for_spreadsheet
from dashboard import address, data
from dashboard.filters import show_photos
from dashboard.linked import Chosen, choose_photos, toggle
from dashboard.page import escaped, open_page, plural
from dashboard.photos import class_name
from dashboard.review import keep
from dashboard.selection import ANY_REVIEW, REVIEW_WORDS, Selection, matches

HOW_TO_READ = (
    "Decisions about photos, newest first; each belongs to a photo's content, so it holds in every run. None changes "
    "the dataset: a training follows them where it is told to, and Compare shows what came of it."
)
ACTION_WORDS = {RELABEL: "relabel", EXCLUDE: "exclude", UNSURE: "unsure", NOTE: "note", UNDO: "undo"}
_UNDO_CLICK, _FAILED = "reviews-undo", "reviews-failed"


def show_nothing() -> None:
    """How to begin."""
    st.subheader("Nothing reviewed yet", anchor=False)
    st.write(
        "On any page, move to a photo with Tab and the arrow keys, or open it, and press a class's number, **x** to "
        "exclude it, **u** if you are unsure, **n** for a note, **z** to take that back. Each is saved at once."
    )
    st.page_link(
        "views/photos.py", label="Begin with the held-out photos that were got wrong, worst first",
        icon=":material/image_search:", query_params=address.link_to(Selection(split="val", outcome="wrong")),
    )  # fmt: skip


def show_counts(view: Chosen) -> None:
    """How many photos of the run were decided about; a click chooses them."""
    with st.container(horizontal=True):
        for review in (RELABEL, EXCLUDE, UNSURE, NOTE):
            n = int(matches(Selection(review=review), view.photos, view.run.class_names).sum())
            st.button(
                f"**{n:,}** {REVIEW_WORDS[review]}", key=f"count-{review}", on_click=toggle,
                args=({"review": review},), type="primary" if view.selection.review == review else "secondary",
            )  # fmt: skip


def review_table(run: Run, reviews: tuple[Review, ...], samples: pd.DataFrame) -> pd.DataFrame:
    """A row a review, newest first.

    Args:
        run: Whose photos they are shown with.
        reviews: Of the log, in order.
        samples: See `dashboard.data.applied`.

    Returns:
        `time` (UTC), `photo`, `action`, `from` (its class in the dataset, where this run knows it), `to`, `note`,
        `state` (see `core.reviews.review_states`) and `undo`, what a button says, missing where there is to be none.
    """
    known = samples.dropna(subset="original_label").drop_duplicates("sha256")
    originals = dict(zip(known["sha256"], known["original_label"].astype(int), strict=True))
    rows = [
        {
            "time": review.time[:19].replace("T", " "),
            "photo": review.image,
            "action": ACTION_WORDS[review.action],
            "from": class_name(originals[review.sha256], run.class_names) if review.sha256 in originals else "",
            "to": (review.class_name or str(review.label)) if review.action == RELABEL else "",
            "note": review.note,
            "state": state,
            "undo": "Undo" if state == IN_FORCE else None,
        }
        for review, state in zip(reviews, review_states(reviews), strict=True)
    ]
    columns = ["time", "photo", "action", "from", "to", "note", "state", "undo"]
    return pd.DataFrame(rows, columns=columns).iloc[::-1].reset_index(drop=True)


def show_table(run: Run, reviews: tuple[Review, ...], samples: pd.DataFrame) -> None:
    """Every decision, with a button that takes it back, and all of them as a file."""
    table = review_table(run, reviews, samples)

    def undo() -> None:
        review = reviews[::-1][st.session_state[_UNDO_CLICK]["row"]]
        undoing = Review(review.sha256, review.image, UNDO, undoes=review.id)
        st.session_state[_FAILED] = keep(run, [undoing])

    st.dataframe(
        table, hide_index=True, key="reviews", height="auto" if len(table) <= 10 else 380, placeholder="",
        alt="Every decision, newest first",
        column_config={
            "time": "time (UTC)",
            "note": st.column_config.TextColumn("note", width="medium"),
            "undo": st.column_config.ButtonColumn("", on_click=undo, key=_UNDO_CLICK, type="tertiary"),
        },
    )  # fmt: skip
    if failed := st.session_state.pop(_FAILED, ""):
        st.error(escaped(failed), icon=":material/error:")
    st.download_button(
        "CSV", lambda: for_spreadsheet(table.drop(columns="undo")), "maskboard-reviews.csv", "text/csv",
        icon=":material/download:", help="All decisions, also those replaced or undone", on_click="ignore",
    )  # fmt: skip


def show_faults(run: Run, applied: Applied) -> None:
    """Lines of the log that cannot be used, and decisions that mean nothing for the run's photos."""
    faults = data.reviews(run).log.faults
    if faults:
        lines = f"{len(faults):,} {plural(len(faults), 'line')}"
        with st.expander(f"{lines} of {runs.REVIEWS_FILE} cannot be used", icon=":material/warning:"):
            st.dataframe(pd.DataFrame([vars(fault) for fault in faults]), hide_index=True)
    if applied.not_applied:
        noun = "decision means" if len(applied.not_applied) == 1 else "decisions mean"
        with st.expander(f"{len(applied.not_applied):,} {noun} nothing for this run's photos"):
            rows = [(each.decision.image, each.decision.action, each.reason) for each in applied.not_applied]
            st.dataframe(pd.DataFrame(rows, columns=["photo", "action", "reason"]), hide_index=True)


def training_text(run: Run, sha256: str) -> str:
    """Whether the run that is shown was trained with these decisions."""
    used = run.info.get("reviews")
    if not isinstance(used, dict):
        return "This run was trained without any."
    if used.get("sha256") == sha256:
        return "This run was trained with exactly these."
    return "This run was trained with others, or before some of these were made."


def training_command(run: Run) -> str:
    """The command that trains as this run was, with the reviews."""
    folder = run.path.parent.resolve()
    asked = {"name": None, "quiet": False, "runs_dir": str(folder), "reviews": str(folder / runs.REVIEWS_FILE)}
    return command_line(run.info["config"] | asked)


def show_training(run: Run) -> None:
    """How to train with the decisions."""
    st.subheader("Train with them", anchor=False)
    st.write(f"{training_text(run, data.reviews(run).log.sha256)} With the same options and all decisions of now:")
    st.code(training_command(run), language="bash", wrap_lines=True)
    st.caption(f"In a terminal, in {escaped(str(PROJECT_DIR))}. Then look at the new run on the page Compare.")


def show_export(run: Run, applied: Applied) -> None:
    """The labels as reviewed, as a file."""
    st.subheader("Take them to the dataset", anchor=False)
    n_changed, n_excluded = applied.counts["relabelled"], applied.counts["excluded"]
    if _has_label_file(applied.samples):
        st.write(
            f"{TRAINING_LABELS_FILE} with **{n_changed:,}** labels changed and **{n_excluded:,}** excluded photos left "
            f"out. {_origin_text(run)}; whoever puts this in its place needs no reviews any more."
        )
        st.download_button(
            f"Corrected {TRAINING_LABELS_FILE}", partial(label_file, run, applied), TRAINING_LABELS_FILE,
            "application/json", icon=":material/download:", on_click="ignore",
        )  # fmt: skip
    else:
        st.write(
            f"The labels of this dataset are its folders, one a class: **{n_changed:,}** photos belong into another "
            f"one and **{n_excluded:,}** into none. Nothing is moved; the list says which."
        )
        st.download_button(
            "corrections.csv", lambda: for_spreadsheet(corrections(applied, run.class_names)), "corrections.csv",
            "text/csv", icon=":material/download:", on_click="ignore",
            help="image, original_class, corrected_class; the latter is empty where a photo is excluded",
        )  # fmt: skip


def _origin_text(run: Run) -> str:
    if data.dataset_labels(run):
        return "The one in the dataset stays as it is"
    return "The one in the dataset cannot be read here, so this one names the photos of this run and no others"


def _has_label_file(samples: pd.DataFrame) -> bool:
    labelled = samples.loc[samples["folder"] == TRAINING_DIR, "image"]
    return bool(labelled.str.startswith(f"{TRAINING_DIR}/").all())


def label_file(run: Run, applied: Applied) -> str:
    """The label file as it is now with the decisions followed; from the run's own labels where there is none."""
    values = data.dataset_labels(run)
    if not values:
        labelled = applied.samples[applied.samples["folder"] == TRAINING_DIR].dropna(subset="label")
        names = labelled["image"].str.removeprefix(f"{TRAINING_DIR}/")
        values = {name: [int(label)] for name, label in zip(names, labelled["label"], strict=True)}
    return corrected_labels(values, applied)


def main() -> None:
    """The page."""
    run = open_page("Reviews", HOW_TO_READ, needs=[runs.SAMPLES_FILE, runs.PROBLEMS_FILE])
    view = choose_photos(run, Selection(review=ANY_REVIEW))
    now = data.reviews(run)
    if now.log.reviews or now.log.faults:
        applied = data.applied(run)
        show_counts(view)
        show_table(run, now.log.reviews, applied.samples)
        show_faults(run, applied)
        left, right = st.columns(2, gap="large")
        with left:
            show_training(run)
        with right:
            show_export(run, applied)
    elif not now.fault:
        show_nothing()
        return
    show_photos(view)


main()
