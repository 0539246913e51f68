"""Which process wrote something, and whether it still runs."""

import math
import socket
from collections.abc import Mapping
from typing import Any

import psutil


def this_process() -> dict[str, Any]:
    """What identifies this process, as JSON values: its id, when it started, the machine it runs on."""
    process = psutil.Process()
    return {"pid": process.pid, "process_started": process.create_time(), "host": socket.gethostname()}


def is_alive(process: Mapping[str, Any]) -> bool:
    """Whether a process still runs, by what `this_process` told there; one of another machine is believed to."""
    if process.get("host") != socket.gethostname():
        return True
    pid, started = process.get("pid"), process.get("process_started")
    if not isinstance(pid, int) or not isinstance(started, int | float):
        return False
    try:
        found = psutil.Process(pid)
        is_same = math.isclose(found.create_time(), started, abs_tol=1.0)  # Else the id was given again.
        return is_same and found.status() != psutil.STATUS_ZOMBIE  # Ended, but nobody has asked how.
    except (psutil.Error, ValueError, OverflowError):
        return False
