"""The dashboard's entry: `streamlit run dashboard/app.py`. Serves `navigation.py`, which is run for each visitor.

What that imports takes as long to load as the browser takes for Streamlit's own script, so both are done at once.
"""

import contextlib
import sys
from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path
from threading import Thread

import streamlit as st
from starlette.middleware import Middleware

# `streamlit run` puts this folder on the path, not the project's.
PROJECT_DIR = str(Path(__file__).resolve().parents[1])
if PROJECT_DIR not in sys.path:
    sys.path.insert(0, PROJECT_DIR)

from dashboard.doors import ClosedDoors  # noqa: E402, as the path has to be there first.


@contextlib.asynccontextmanager
async def load_ahead(_: st.App) -> AsyncIterator[None]:
    """Load what the first page imports while the server is up already."""
    Thread(target=import_module, args=("dashboard.page",), daemon=True).start()
    yield


app = st.App(Path(__file__).with_name("navigation.py"), lifespan=load_ahead, middleware=[Middleware(ClosedDoors)])
