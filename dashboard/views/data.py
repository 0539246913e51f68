"""What is in the dataset, and what is wrong with it?"""

import pandas as pd
import streamlit as st

from core import runs
from core.dataset import PROBLEM_KINDS
from core.runs import Run
from dashboard import charts, data
from dashboard.gallery import show_gallery
from dashboard.page import open_page

HOW_TO_READ = (
    "The photos that this run was trained, validated and tested on, and every file that was left out or is odd."
)


def counts_by_split(run: Run, samples: pd.DataFrame) -> pd.DataFrame:
    """Photos per class (rows) and split (columns); before there are predictions the split is not known."""
    labelled = samples[samples["folder"] == "training"]
    if run.has(runs.PREDICTIONS_FILE):
        splits = data.predictions(run).set_index("image")["split"].map({"train": "training", "val": "validation"})
        split = labelled["image"].map(splits).fillna("not used")
    else:
        split = pd.Series("training or validation", index=labelled.index)
    table = pd.crosstab(labelled["label"].astype("int64"), split).reindex(range(len(run.class_names)), fill_value=0)
    table.index = pd.Index(run.class_names)
    return table


def show_problems(problems: pd.DataFrame) -> None:
    """The list of problems, most frequent kind first, each with its meaning."""
    st.subheader("Problems", anchor=False)
    if problems.empty:
        st.write("None: every photo has a label and can be read.")
        return
    known = problems["kind"].map(lambda kind: PROBLEM_KINDS.get(kind, (kind, True)))
    table = pd.DataFrame(
        {
            "file": problems["image"],
            "problem": known.str[0],
            "used": known.str[1].map({True: "left out", False: "used"}),
            "detail": problems["detail"],
        }
    )
    n_left_out = int((table["used"] == "left out").sum())
    st.write(f"{n_left_out} files were left out, {len(table) - n_left_out} are odd but were used.")
    st.dataframe(table, hide_index=True, height="auto" if len(table) <= 10 else 380)


def show_samples(run: Run, samples: pd.DataFrame) -> None:
    """A few photos of one class at a time; another draw shows others."""
    st.subheader("A look at the photos", anchor=False)
    folders = [*run.class_names, *(["test"] if (samples["folder"] == "test").any() else [])]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.segmented_control(
            "Class", folders, default=folders[0], required=True, key="class", bind="query-params"
        )
        draw = st.number_input("Draw", min_value=0, step=1, help="Another number shows other photos.", width=140)
    chosen = chosen or folders[0]
    label = samples["label"]
    photos = samples[label.isna() if chosen == "test" else (label == run.class_names.index(chosen)).fillna(False)]
    drawn = photos.sample(min(12, len(photos)), random_state=int(draw)) if len(photos) else photos
    show_gallery(run, drawn[["image"]], key="data")


def main() -> None:
    """The page."""
    run = open_page("Data", HOW_TO_READ, needs=[runs.SAMPLES_FILE, runs.PROBLEMS_FILE])
    samples = data.samples(run)
    n_test = int((samples["folder"] == "test").sum())
    st.write(f"{len(samples) - n_test} labelled photos and {n_test} test photos in `{run.dataset_dir}`.")
    left, middle, right = st.columns(3)
    with left:
        st.subheader("Class balance", anchor=False)
        st.plotly_chart(charts.class_balance(counts_by_split(run, samples)))
    with middle:
        st.subheader("Sizes", anchor=False)
        st.plotly_chart(charts.photo_sizes(samples, run.class_names))
    with right:
        st.subheader("Aspect ratios", anchor=False)
        st.plotly_chart(charts.aspect_ratios(samples))
    show_problems(data.problems(run))
    show_samples(run, samples)


main()
