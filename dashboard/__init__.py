"""The Streamlit dashboard: shows run folders, knows nothing of how they came about."""
