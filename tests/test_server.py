"""How the dashboard starts, and what it answers to whom."""

import shutil
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from core.config import PROJECT_DIR
from tests.handwritten import write_run
from tests.server import COMMAND, Server, dashboard_server
from tests.visitor import visit


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("served")
    write_run(folder / "runs", folder / "data")
    with dashboard_server(folder / "runs") as running:
        yield running


def status(url: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_readme_names_the_command_that_is_tested() -> None:
    assert COMMAND in (PROJECT_DIR / "README.md").read_text(encoding="utf-8")


@pytest.mark.skipif(
    not hasattr(psutil.Process, "memory_maps"), reason="this system does not tell a process's libraries"
)
def test_it_starts_without_tensorflow(server: Server) -> None:
    assert not server.has_tensorflow()


def test_it_listens_on_this_machine_only(server: Server) -> None:
    listening = {
        connection.laddr.ip for connection in server.process.net_connections() if connection.status == "LISTEN"
    }
    assert listening == {"127.0.0.1"}


def websocket_answer(server: Server, host: str, origin: str) -> int:
    """The status that a browser gets which was told another name for this machine, or sent by another site."""
    port = int(server.url.rsplit(":", 1)[1])
    request = (
        f"GET /_stcore/stream HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: bWFza2JvYXJkIHRlc3Qxcg==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request.encode())
        return int(connection.recv(64).split()[1])


def test_it_talks_to_its_own_pages(server: Server) -> None:
    assert websocket_answer(server, server.url.removeprefix("http://"), server.url) == 101


def test_it_refuses_another_sites_pages(server: Server) -> None:
    assert websocket_answer(server, server.url.removeprefix("http://"), "http://evil.example") == 403


def test_it_refuses_a_foreign_host_name(server: Server) -> None:
    assert websocket_answer(server, "evil.example", "http://evil.example") == 403


def test_the_safe_settings_hold_from_another_folder(tmp_path: Path) -> None:
    command = f"streamlit run {PROJECT_DIR / 'dashboard' / 'app.py'}"
    with dashboard_server(tmp_path / "runs", cwd=tmp_path, command=command) as server:
        assert status(f"{server.url}/_stcore/health") == 200
        assert websocket_answer(server, "evil.example", "http://evil.example") == 403
        assert {c.laddr.ip for c in server.process.net_connections() if c.status == "LISTEN"} == {"127.0.0.1"}


def test_a_page_that_crashes_leaves_its_traceback_in_the_log_without_colours(tmp_path: Path) -> None:
    settings = tmp_path / ".streamlit" / "config.toml"
    settings.parent.mkdir()
    shutil.copy(PROJECT_DIR / "dashboard" / ".streamlit" / "config.toml", settings)
    (tmp_path / "app.py").write_text("raise ArithmeticError('nothing adds up')")
    log = tmp_path / "log"
    command = f"streamlit run {tmp_path / 'app.py'}"
    with (
        log.open("wb") as stderr,
        dashboard_server(tmp_path, command=command, stderr=stderr) as server,
        visit(server.url, "") as visitor,
        pytest.raises(RuntimeError) as shown,
    ):
        visitor.ask()
    assert "nothing adds up" not in str(shown.value)
    assert "Traceback" in log.read_text()
    assert "ArithmeticError: nothing adds up\n" in log.read_text()
    assert "\x1b" not in log.read_text()
