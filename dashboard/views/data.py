"""What is in the dataset, and what is wrong with it?"""

import pandas as pd
import streamlit as st

from core import runs
from core.dataset import PROBLEM_KINDS
from dashboard import address, data
from dashboard.charts import dataset as charts
from dashboard.filters import show_photos
from dashboard.groups import show_groups
from dashboard.linked import Chosen, choose_photos, show_chart
from dashboard.page import escaped, open_page
from dashboard.selection import SPLIT_WORDS

HOW_TO_READ = (
    "All photos of this run and every file that was left out or is odd. Click a bar or tick a problem to see its "
    "photos below; full colour is what is chosen."
)


def show_charts(view: Chosen) -> None:
    """Classes, shapes and ratios."""
    photos, names = view.photos, view.run.class_names
    present = photos.loc[photos["true_label"] >= 0, "split"].unique()
    splits = {split: word for split, word in SPLIT_WORDS.items() if split in present}
    left, middle, right = st.columns(3)
    with left:
        st.subheader("Class balance", anchor=False)
        figure = view.drawn(
            "class balance", lambda: charts.class_balance(photos, view.mask, names, splits), view.choice
        )
        show_chart(figure, "balance", alt="Bars of photos per class and split")
    with middle:
        st.subheader("Width and height", anchor=False)
        figure = view.drawn("shapes", lambda: charts.photo_shapes(photos, view.mask), view.choice)
        show_chart(figure, "shapes", alt="Bars of the commonest sizes of photos")
    with right:
        st.subheader("Aspect ratio", anchor=False)
        figure = view.drawn("ratios", lambda: charts.aspect_ratios(photos, view.mask), view.choice)
        show_chart(figure, "ratios", alt="Histogram of width divided by height")


def problem_table(problems: pd.DataFrame) -> pd.DataFrame:
    """A row a kind of problem: kind, its meaning, what became of the files, their number; commonest first."""
    counts = problems["kind"].value_counts()
    known = [PROBLEM_KINDS.get(kind, (kind, True)) for kind in counts.index]
    return pd.DataFrame(
        {
            "kind": counts.index,
            "problem": [meaning for meaning, _ in known],
            "files": counts.to_numpy(),
            "used": ["left out" if is_left_out else "used" for _, is_left_out in known],
        }
    )


def show_problems(view: Chosen, problems: pd.DataFrame) -> None:
    """The list of problems; a line chooses its files."""
    st.subheader("Problems", anchor=False)
    if problems.empty:
        st.write("None: every photo has a label and can be read.")
        return
    table = problem_table(problems)
    kinds, asked = table["kind"].tolist(), view.selection.problem
    key = f"problems-{asked}"  # Another choice is another widget: it shows what the address says.
    left_out = table.loc[table["used"] == "left out", "kind"]
    n_left_out = problems.loc[problems["kind"].isin(left_out), "image"].nunique()
    st.write(f"{n_left_out:,} left out, {problems['image'].nunique() - n_left_out:,} odd but used.")

    def take_line() -> None:
        rows = st.session_state[key]["selection"]["rows"]
        address.go(problem=kinds[rows[0]] if rows and rows[0] < len(kinds) else None, page=None, photo=None)

    st.dataframe(
        table, hide_index=True, key=key, on_select=take_line, selection_mode="single-row",
        selection_default={"selection": {"rows": [kinds.index(asked)] if asked in kinds else []}},
        alt="Kinds of problems with the number of files of each",
    )  # fmt: skip
    with st.expander("Every file"):
        st.dataframe(problems, hide_index=True, height="auto" if len(problems) <= 10 else 380)


def main() -> None:
    """The page."""
    run = open_page("Data", HOW_TO_READ, needs=[runs.SAMPLES_FILE, runs.PROBLEMS_FILE])
    view = choose_photos(run)
    n_labelled = int((view.photos["split"].isin(["train", "val", "unknown"])).sum())
    n_test = int((view.photos["split"] == "test").sum())
    st.markdown(f"{n_labelled:,} labelled photos and {n_test:,} test photos in {escaped(str(run.dataset_dir))}.")
    show_charts(view)
    show_groups(view)
    show_problems(view, data.problems(run))
    show_photos(view, default_order="name")


main()
