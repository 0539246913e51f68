"""The real dashboard in a process of its own, for the tests that need one."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from core.config import PROJECT_DIR

# The README's command, to the letter.
COMMAND = "streamlit run dashboard/app.py"


@dataclass(frozen=True)
class Server:
    """A running dashboard: its address and its process."""

    url: str
    process: psutil.Process

    def has_tensorflow(self) -> bool:
        """Whether TensorFlow's library is in the process."""
        return any("tensorflow" in region.path for region in self.process.memory_maps())


@contextlib.contextmanager
def dashboard_server(
    runs_dir: Path, cwd: Path = PROJECT_DIR, command: str = COMMAND, stderr: IO[bytes] | None = None, port: int = 0
) -> Iterator[Server]:
    """Start the dashboard and end it afterwards.

    Args:
        runs_dir: The runs it shows.
        cwd: Folder to start it from.
        command: Command line.
        stderr: Where its complaints are written to; by default where ours are.
        port: Where it listens; by default where nobody does.
    """
    port = port or _free_port()
    environment = os.environ | {
        "MASKBOARD_RUNS": str(runs_dir),
        "STREAMLIT_SERVER_PORT": str(port),
        "STREAMLIT_SERVER_HEADLESS": "true",  # Else it would open a browser on a developer's desktop.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    with subprocess.Popen(
        command.split(), cwd=cwd, env=environment, stdout=subprocess.DEVNULL, stderr=stderr
    ) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_healthy(url, process)
            yield Server(url, psutil.Process(process.pid))
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_until_healthy(url: str, process: "subprocess.Popen[bytes]", seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/_stcore/health", timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise AssertionError(f"The dashboard at {url} did not start within {seconds} s (exit code {process.poll()}).")
