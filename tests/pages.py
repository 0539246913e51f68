"""Opening the dashboard's pages without a browser, and reading what they show."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.scriptrunner import script_runner
from streamlit.testing.v1 import AppTest

from core.config import PROJECT_DIR

# Each rerun of an `AppTest` looks through all installed packages for components: half of what it takes.
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)
# And once another test has loaded Keras, each clears its session afterwards; see `dashboard.data._keep_session`.
what_streamlit_does_after_each_page = script_runner._clean_problem_modules
script_runner._clean_problem_modules = lambda: None


def open_page(name: str, /, **query: str) -> AppTest:
    """Open a page of the dashboard on the runs that the environment names.

    Args:
        name: Its file in `dashboard/views`.
        query: Parameters of its address.
    """
    app = AppTest.from_file(str(PROJECT_DIR / "dashboard" / "navigation.py"), default_timeout=300)
    if name != "overview":
        app.switch_page(f"views/{name}.py")
    for key, value in query.items():
        app.query_params[key] = value
    return app.run()


def texts(app: AppTest) -> str:
    """All that a page says in words."""
    kinds = (app.header, app.subheader, app.markdown, app.caption, app.info, app.error, app.text, app.code, app.warning)
    bars = [element.proto.text for element in app.get("progress")]  # AppTest knows no bars.
    return plain("\n".join([*(str(element.value) for kind in kinds for element in kind), *bars]))


def plain(markdown: str) -> str:
    """Text as it is shown: without the signs that keep it from being taken for Markdown."""
    return markdown.replace("\\", "")


def tiles(app: AppTest) -> list[dict[str, str]]:
    """What the galleries of a page were told to show."""
    protos = [element.proto for element in app.main if element.type == "bidi_component"]
    return [item for proto in protos for item in json.loads(proto.json).get("items", [])]


def neighbours(app: AppTest) -> list[dict[str, str]]:
    """The training photos that a page shows as the nearest of the one that is shown large."""
    return [item for data in _components(app, "-neighbours") for item in data["items"]]


def heat_maps(app: AppTest) -> list[dict[str, str]]:
    """The classes whose heat maps a page was told to show over a photo."""
    return [panel for data in _components(app, "-heat") for panel in data["panels"]]


def _components(app: AppTest, key: str) -> list[dict[str, Any]]:
    """What components were told, in dialogs too, by the end of their key."""
    return [json.loads(each.proto.json) for each in app.get("bidi_component") if each.proto.id.endswith(key)]


def opened(app: AppTest) -> str:
    """The path of the photo that is shown large."""
    (code,) = app.code
    return str(code.value)


def shown(app: AppTest) -> str:
    """The photos of the galleries by the letters that they are named with."""
    return "".join(Path(tile["name"]).stem for tile in tiles(app))


def address(app: AppTest) -> dict[str, str]:
    """The parameters of a page's address."""
    return {key: values[0] if isinstance(values, list) else values for key, values in app.query_params.items()}


def chips(app: AppTest) -> list[str]:
    """The conditions that a page shows."""
    found = [button for button in app.button if str(button.key).startswith("chip-") and button.key != "chip-all"]
    return [plain(button.label).removesuffix(" ✕") for button in found]
