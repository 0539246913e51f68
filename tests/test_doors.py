"""Closed doors: which files a visitor cannot reach, whatever is asked for and whatever the tables of a run say."""

import contextlib
import http.client
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from core.config import PROJECT_DIR
from core.dataset import photo_path
from core.images import PhotoError, read_photo
from core.runs import Run
from dashboard.doors import HEADERS
from tests.conftest import make_photo
from tests.handwritten import write_run, write_whole_run
from tests.pages import open_page, texts, tiles
from tests.server import Server, dashboard_server
from tests.visitor import multipart, visit, xsrf_headers

SECRET = "secret.jpg"


# --- names of photos -------------------------------------------------------------------------------------------------


@pytest.fixture
def outside(tmp_path: Path, data: Path) -> Path:
    """A photo beside the dataset, and links to it within."""
    make_photo(tmp_path / "elsewhere" / SECRET, 2, seed=99)
    (data / "training").mkdir(parents=True, exist_ok=True)
    (data / "training" / "link.jpg").symlink_to(tmp_path / "elsewhere" / SECRET)
    (data / "training" / "linked").symlink_to(tmp_path / "elsewhere")
    return tmp_path / "elsewhere" / SECRET


def forged_names(outside: Path) -> dict[str, str]:
    """Names that lead, or would lead if they were decoded once more, to the photo outside."""
    return {
        "upwards": f"../elsewhere/{SECRET}",
        "down and up": f"training/../../elsewhere/{SECRET}",
        "absolute": str(outside),
        "twice absolute": f"/{outside}",
        "an address": outside.as_uri(),
        "by a link": "training/link.jpg",
        "by a linked folder": f"training/linked/{SECRET}",
        "encoded": f"%2e%2e/elsewhere/{SECRET}",
        "encoded twice": f"%252e%252e%252felsewhere%252f{SECRET}",
        "backslashes": f"..\\elsewhere\\{SECRET}",
        "home": f"~/../{outside}",
    }


KINDS_OF_NAMES = sorted(forged_names(Path("/x")))
# Those that a file system would follow; pages are slow to open.
KINDS_THAT_LEAD_OUT = ("upwards", "absolute", "by a link", "by a linked folder")


@pytest.mark.parametrize("kind", KINDS_OF_NAMES)
def test_a_name_leads_to_no_photo_outside_the_dataset(data: Path, outside: Path, kind: str) -> None:
    try:
        path = photo_path(data, forged_names(outside)[kind])
    except PhotoError as error:
        assert error.kind == "unreadable"
    else:
        assert not path.exists()


def test_a_loop_of_links_or_an_impossible_name_leads_nowhere(data: Path) -> None:
    (data / "training").mkdir(parents=True, exist_ok=True)
    (data / "training" / "loop.jpg").symlink_to(data / "training" / "loop.jpg")
    for name in ("training/loop.jpg", "training/\0.jpg"):
        with pytest.raises(PhotoError):
            read_photo(photo_path(data, name))


def test_the_dataset_itself_may_be_a_link(tmp_path: Path) -> None:
    make_photo(tmp_path / "disk" / "training" / "a.jpg")
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    assert photo_path(tmp_path / "data", "training/a.jpg").is_file()


# --- pages -----------------------------------------------------------------------------------------------------------


class Opened:
    """Every file that this process opens while somebody listens; Python's audit hooks cannot be taken away again."""

    def __init__(self) -> None:
        self.paths: list[str] | None = None
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.paths is not None and event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            self.paths.append(os.path.realpath(os.fsdecode(arguments[0])))

    @contextlib.contextmanager
    def listening(self) -> Iterator[list[str]]:
        """The real paths of the files that are opened meanwhile."""
        paths: list[str] = []
        self.paths = paths
        try:
            yield paths
        finally:
            self.paths = None


@pytest.fixture(scope="module")
def opened() -> Opened:
    return Opened()


@pytest.fixture
def run(runs_dir: Path, data: Path) -> Run:
    return write_whole_run(runs_dir, data)


def test_it_is_noticed_which_photos_a_page_opens(run: Run, data: Path, opened: Opened) -> None:
    with opened.listening() as paths:
        open_page("photos", photo="training/a.jpg")
    assert os.path.realpath(data / "training" / "a.jpg") in paths


@pytest.mark.parametrize("kind", KINDS_THAT_LEAD_OUT)
def test_a_forged_address_opens_no_file_outside(run: Run, outside: Path, opened: Opened, kind: str) -> None:
    name = forged_names(outside)[kind]
    with opened.listening() as paths:
        page = open_page("photos", photo=name, run=name, name=name, group=name, area=name, **{"with": name})
    assert os.path.realpath(outside) not in paths
    assert not page.exception


@pytest.mark.parametrize("kind", KINDS_THAT_LEAD_OUT)
def test_a_forged_row_opens_no_file_outside(run: Run, outside: Path, opened: Opened, kind: str) -> None:
    name = forged_names(outside)[kind]
    for table in run.path.glob("*.csv"):
        content = table.read_text()
        table.write_text(content.replace("training/d.jpg", name).replace("test/x.jpg", name))
    with opened.listening() as paths:
        gallery = open_page("photos", outcome="wrong", split="val")
        pages = [gallery, open_page("photos", photo=name), open_page("predict", source="test", test=name)]
    assert os.path.realpath(outside) not in paths
    assert not any(page.exception for page in pages)
    tile = next((tile for tile in tiles(gallery) if tile["name"] == name), None)
    assert (tile is not None and tile["fault"] and not tile["src"]) or "cannot be used" in texts(gallery)


# --- addresses -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    folder = tmp_path_factory.mktemp("served")
    write_run(folder / "runs", folder / "data")
    with dashboard_server(folder / "runs") as server:
        yield server, folder


@pytest.fixture(scope="module")
def server(served: tuple[Server, Path]) -> Server:
    return served[0]


def ask(server: Server, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    """What is answered to a path that no browser has tidied up."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
    with contextlib.closing(connection):
        connection.putrequest(method, path, skip_accept_encoding=True)
        content = b"" if body is None else body
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            connection.putheader(name, value)
        connection.endheaders()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # It may answer before it has read all.
            connection.send(content)
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())


ROUTES = (
    "/",
    "/static/",
    "/app/static/",
    "/media/",
    "/component/",
    "/_stcore/bidi-components/",
    "/_stcore/upload_file/a/",
)
STEPS = {
    "plain": "../",
    "encoded dots": "%2e%2e/",
    "encoded slash": "..%2f",
    "encoded twice": "%252e%252e%252f",
    "backslash": "..%5c",
    "overlong": "%c0%ae%c0%ae/",
    "semicolon": "..;/",
    "NUL": "%00../",
}


@pytest.mark.parametrize("route", ROUTES)
def test_no_address_leads_to_a_file(served: tuple[Server, Path], route: str) -> None:
    server, folder = served
    files = {
        folder / "runs" / "first" / "run.json": b"class_names",
        folder / "runs" / "first" / "predictions.csv": b"predicted_label",
        folder / "data" / "training" / "a.jpg": (folder / "data" / "training" / "a.jpg").read_bytes()[:64],
        PROJECT_DIR / "dashboard" / ".streamlit" / "config.toml": b"allowedHosts",
        PROJECT_DIR / "dashboard" / "navigation.py": b"import streamlit",
    }
    for path, content in files.items():
        assert content in path.read_bytes()
        tail = path.as_posix().removeprefix("/")
        asked = [route + tail, f"/{route}{tail}", f"{route}/{path.as_posix()}", f"{route}{path.as_uri()}"]
        asked += [route + 12 * step + tail for step in STEPS.values()]
        for address in asked:
            _, body, _ = ask(server, "GET", address.replace(" ", "%20"))
            assert content not in body, address


@pytest.mark.parametrize("path", ["/", "/photos?photo=x", "/_stcore/health", "/_stcore/nothing", "/media/nothing"])
def test_every_answer_says_what_a_browser_may_do_with_it(server: Server, path: str) -> None:
    _, _, headers = ask(server, "GET", path)
    assert {name.lower(): value for name, value in HEADERS.items()}.items() <= {
        name.lower(): value for name, value in headers.items()
    }.items()


def test_no_page_of_another_site_may_steer_the_dashboard(server: Server) -> None:
    assert b'"allowedOrigins":[]' in ask(server, "GET", "/_stcore/host-config")[1]


def test_nobody_drives_the_dashboard_without_a_browser(server: Server) -> None:
    assert ask(server, "POST", "/_stcore/agent/interact", b"{}")[0] >= 400
    assert ask(server, "POST", "/_stcore/agent/mcp", b"{}")[0] >= 400


# --- uploads ---------------------------------------------------------------------------------------------------------

PHOTO, OF_A_FORM = multipart("a.jpg", b"private")


def test_an_upload_that_another_site_forged_is_refused(server: Server) -> None:
    with visit(server.url, "predict") as visitor:
        address = visitor.upload_address()
        assert ask(server, "PUT", address, PHOTO, **OF_A_FORM)[0] == 403
        assert ask(server, "PUT", address, PHOTO, **OF_A_FORM, **xsrf_headers(server.url))[0] == 204
        assert ask(server, "DELETE", address)[0] == 403


def test_an_upload_belongs_to_a_session_and_cannot_be_fetched(server: Server) -> None:
    with visit(server.url, "predict") as visitor:
        address = visitor.upload_address()
        assert ask(server, "PUT", address, PHOTO, **OF_A_FORM, **xsrf_headers(server.url))[0] == 204
        assert b"private" not in ask(server, "GET", address)[1]
    unknown = address.replace(address.split("/")[-2], "00000000-0000-0000-0000-000000000000")
    assert ask(server, "PUT", unknown, PHOTO, **OF_A_FORM, **xsrf_headers(server.url))[0] == 400


def test_an_upload_that_is_too_large_is_refused(server: Server) -> None:
    with visit(server.url, "predict") as visitor:
        address = visitor.upload_address()
        too_large, headers = multipart("a.jpg", bytes(102 * 1024 * 1024))
        assert ask(server, "PUT", address, too_large, **headers, **xsrf_headers(server.url))[0] == 413


# --- nonsense --------------------------------------------------------------------------------------------------------


NONSENSE = {
    "empty": b"",
    "ones": b"\xff" * 100,
    "noise": random.Random(0).randbytes(1000),
    "no length": b"\x0a\xff\xff\xff\xff\x0f",
    "text": "text",
}


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_over_the_websocket_disturbs_nobody_else(server: Server, nonsense: bytes | str) -> None:
    stream = server.url.replace("http", "ws", 1) + "/_stcore/stream"
    with visit(server.url, "") as visitor:
        visitor.ask()
        with contextlib.suppress(ConnectionClosed), connect(stream) as socket:
            for _ in range(10):
                socket.send(nonsense)
        assert visitor.ask("outcome=wrong").n_messages
