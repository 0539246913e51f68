"""Which photos are got wrong? The heart of the dashboard."""

import pandas as pd
import streamlit as st

from core import runs
from core.runs import Run
from dashboard import data
from dashboard.gallery import show_gallery
from dashboard.page import open_page
from dashboard.selection import ORDERS, OUTCOMES, choose, count_by, order

HOW_TO_READ = (
    "Photos whose predicted class is not their label, worst first. Click one to see it large; arrow keys go on."
)
ANY = ""
SPLITS = {"held out": "val", "training": "train", "both": None}


def choose_photos(run: Run, predictions: pd.DataFrame) -> pd.DataFrame:
    """The filters, how much passes them, and what."""
    names = run.class_names
    with st.container(horizontal=True):
        outcome = st.segmented_control(
            "Show", OUTCOMES, default="Errors", required=True, key="outcome", bind="query-params"
        )
        split = st.segmented_control(
            "Photos", list(SPLITS), default="held out", required=True, key="split", bind="query-params"
        )
        by = st.selectbox("Sort by", ORDERS, key="sort", bind="query-params", width=200)
        confidence = st.slider(
            "Confidence", 0, 100, (0, 100), format="%d %%", key="confidence", bind="query-params", width=240
        )
    bounds = (confidence[0] / 100, confidence[1] / 100)
    pool = choose(
        predictions,
        outcome=outcome or "Errors",
        split=SPLITS[split or "held out"],
        confidence=bounds,
    )
    true = _choose_class("True class", "true", names, count_by(pool, "true_label", names))
    pool = choose(pool, true_label=true)
    predicted = _choose_class("Predicted class", "predicted", names, count_by(pool, "predicted_label", names))
    photos = choose(pool, predicted_label=predicted)
    of = choose(predictions, split=SPLITS[split or "held out"])
    share = f" ({len(photos) / len(of):.1%})" if len(of) else ""
    st.caption(f"{len(photos)} of {len(of)} {'photos' if split == 'both' else f'{split} photos'}{share}")
    return order(photos, by)


def _choose_class(label: str, key: str, names: tuple[str, ...], counts: dict[str, int]) -> int | None:
    """One class or any, each with the number of photos that it would show; the address holds the choice.

    Streamlit's own binding would write the changing numbers into the address.
    """
    linked = st.query_params.get(key, ANY)
    chosen = st.pills(
        label,
        [ANY, *names],
        default=linked if linked in names else ANY,
        required=True,
        format_func=lambda name: f"{name} · {counts[name]}" if name else f"any · {sum(counts.values())}",
        key=key,
    )
    if not chosen:
        st.query_params.pop(key, None)
        return None
    st.query_params[key] = chosen
    return names.index(chosen)


def main() -> None:
    """The page."""
    run = open_page("Errors", HOW_TO_READ, needs=[runs.PREDICTIONS_FILE])
    predictions = data.predictions(run)
    photos = choose_photos(run, predictions)
    show_gallery(run, photos, key="errors")


main()
