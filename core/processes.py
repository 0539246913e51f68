"""Which process wrote something, and whether it still runs.

A process id is given again, so when the process started belongs to it. The clock may be set meanwhile; where the system
tells one start of the machine from another, as Linux does, time is therefore counted from that start.
"""

import math
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# Both times of which the difference is taken are rounded to seconds on some systems.
_TOLERANCE = 2.0


def this_process() -> dict[str, Any]:
    """What identifies this process, as JSON values; see `identity_of`."""
    return identity_of(os.getpid())


def identity_of(pid: int) -> dict[str, Any]:
    """What identifies a process, as JSON values.

    Returns:
        `pid`; `process_started`, seconds since 1970 by the clock as it is now; `started_after_boot`, seconds from the
        machine's start; `boot_id`, another one at each start of the machine, None where the system has none; `host`.

    Raises:
        psutil.Error: If there is none, or it may not be asked.
    """
    started = psutil.Process(pid).create_time()
    return {
        "pid": pid,
        "process_started": started,
        "started_after_boot": started - psutil.boot_time(),
        "boot_id": _boot_id(),
        "host": socket.gethostname(),
    }


def is_alive(process: Mapping[str, Any]) -> bool:
    """Whether a process still runs, by what `this_process` told there; one of another machine is believed to."""
    if process.get("host") != socket.gethostname():
        return True
    pid = process.get("pid")
    if not isinstance(pid, int):
        return False
    try:
        is_same = _is_same(process, identity_of(pid))
        return is_same and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE  # Ended, but nobody has asked how.
    except (psutil.Error, ValueError, OverflowError):
        return False


def _is_same(told: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether two identities of one process id are of one process."""
    has_boot_ids = bool(told.get("boot_id") and now["boot_id"])
    if has_boot_ids and told["boot_id"] != now["boot_id"]:
        return False
    key = "started_after_boot" if has_boot_ids else "process_started"
    started = told.get(key)
    return isinstance(started, int | float) and math.isclose(started, now[key], abs_tol=_TOLERANCE)


def _boot_id() -> str | None:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip() or None
    except (OSError, ValueError):
        return None
