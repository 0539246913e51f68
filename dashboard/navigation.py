"""Navigation and the run picker; everything else is a page. `app.py` serves it."""

from pathlib import Path

import streamlit as st

from dashboard.page import choose_run, faults_shown, link_pages

# Without an icon of its own the browser tab would fetch the page's from Google's font server. It is a file of ours
# because Streamlit looks an emoji up in a list that takes 0.1 s to load.
st.set_page_config(layout="wide", page_icon=str(Path(__file__).with_name("icon.svg")))
# Less empty space on top; a large photo leaves room for what is said of it; tables are downloaded by buttons of our
# own, because Streamlit's would hand formulas to a spreadsheet; on a phone, links and choices go on in another line;
# what is chosen is in sight as long as its photos are further down.
st.html(
    "<style>[data-testid=stMainBlockContainer] { padding-top: 3rem; }"
    "[data-testid=stImage] img { max-height: 65vh; object-fit: contain; object-position: top; }"
    "[data-testid=stMain] [data-testid=stPageLink-NavLink] :is(span, div, p) { white-space: normal; }"
    "[data-testid=stMain] [role=radiogroup] { flex-wrap: wrap; }"
    "[data-testid=stLayoutWrapper]:has(> .st-key-chips button) { position: sticky; bottom: 0; z-index: 90;"
    " backdrop-filter: blur(1rem); padding: 0.25rem 0; }"
    "[data-testid=stMain] td { overflow-wrap: anywhere; }"
    "[data-testid=stElementToolbarButton]:has([aria-label^='Download as CSV']) { display: none; }</style>"
)
PAGES = {
    "Understand": [
        st.Page("views/overview.py", title="Overview", icon=":material/dashboard:", default=True, url_path="home"),
        st.Page("views/data.py", title="Data", icon=":material/photo_library:", url_path="data"),
        st.Page("views/training.py", title="Training", icon=":material/show_chart:", url_path="training"),
    ],
    "Improve": [
        st.Page("views/evaluation.py", title="Evaluation", icon=":material/grid_on:", url_path="evaluation"),
        st.Page("views/labels.py", title="Labels", icon=":material/rule:", url_path="labels"),
        st.Page("views/slices.py", title="Slices", icon=":material/stacked_bar_chart:", url_path="slices"),
        st.Page("views/photos.py", title="Photos", icon=":material/image_search:", url_path="photos"),
        st.Page("views/map.py", title="Map", icon=":material/scatter_plot:", url_path="map"),
        st.Page("views/reviews.py", title="Reviews", icon=":material/rate_review:", url_path="reviews"),
        st.Page("views/compare.py", title="Compare", icon=":material/compare_arrows:", url_path="compare"),
    ],
    "Use": [
        st.Page("views/predict.py", title="Predict", icon=":material/add_a_photo:", url_path="predict"),
        st.Page("views/submission.py", title="Submission", icon=":material/outbox:", url_path="submission"),
    ],
}


def go_to_overview() -> None:
    """Streamlit serves the first page at the bare address only; who types its name is led there."""
    st.switch_page(PAGES["Understand"][0], query_params=dict(st.query_params))


BY_NAME = st.Page(go_to_overview, title="Overview", url_path="overview", visibility="hidden")
# The links are our own: Streamlit's would drop the selection from the address.
page = st.navigation({**PAGES, "": [BY_NAME]}, position="hidden")
choose_run()
link_pages(PAGES)
with faults_shown():
    page.run()
