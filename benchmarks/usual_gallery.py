"""The peer of the gallery: a Streamlit page of `st.columns` with `st.image`, 60 photos a page; its folder in PHOTOS."""

import os
from pathlib import Path

import streamlit as st

N_COLUMNS, ROWS = 6, 60

photos = sorted(Path(os.environ["PHOTOS"]).iterdir())
page = int(st.number_input("Page", 1, len(photos) // ROWS, key="page"))
shown = photos[(page - 1) * ROWS : page * ROWS]
columns = st.columns(N_COLUMNS)
for number, photo in enumerate(shown):
    columns[number % N_COLUMNS].image(str(photo), caption=photo.name, width=160)
st.markdown(f"page {page} is drawn")
