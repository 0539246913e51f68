"""The peer of the first page: as little as a Streamlit page can hold; one chart too where CHART says so."""

import os

import streamlit as st

st.set_page_config(layout="wide")
if os.environ.get("CHART"):
    import plotly.graph_objects as go

    st.plotly_chart(go.Figure(go.Bar(x=["a", "b", "c"], y=[1, 2, 3])))
st.markdown("page is drawn")
