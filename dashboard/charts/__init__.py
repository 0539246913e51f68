"""Tables in, plotly figures out, a module a topic; no Streamlit in here."""
