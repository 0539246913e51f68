"""Whether a process is told from another that has its id."""

import subprocess
import sys
from typing import Any

import psutil
import pytest

from core import processes
from core.processes import identity_of, is_alive, this_process


def shift_clock(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let psutil tell times as it does once the clock has been set: both follow it."""
    create_time, boot_time = psutil.Process.create_time, psutil.boot_time()
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: create_time(self) + seconds)
    monkeypatch.setattr(psutil, "boot_time", lambda: boot_time + seconds)


def test_this_process_is_alive() -> None:
    assert is_alive(this_process())


def test_one_that_has_ended_is_not() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        identity = identity_of(process.pid)
        assert is_alive(identity)
    assert not is_alive(identity)


def test_one_that_was_given_the_id_later_is_another() -> None:
    me = this_process()
    later = {"process_started": me["process_started"] - 60, "started_after_boot": me["started_after_boot"] - 60}
    assert not is_alive(me | later)


@pytest.mark.parametrize("seconds", [-3600, 5, 3600])
@pytest.mark.skipif(this_process()["boot_id"] is None, reason="this system does not tell one start from another")
def test_a_clock_that_is_set_makes_no_process_another(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    me = this_process()
    shift_clock(monkeypatch, seconds)
    assert is_alive(me)


def test_one_of_before_the_machine_was_started_again_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_boot_id", lambda: "this start")
    assert is_alive(this_process())
    assert not is_alive(this_process() | {"boot_id": "the start before"})


@pytest.mark.parametrize("boot_id", [None, "unknown to the one who told"])
def test_where_starts_of_the_machine_are_not_told_apart_the_clock_decides(
    monkeypatch: pytest.MonkeyPatch, boot_id: str | None
) -> None:
    monkeypatch.setattr(processes, "_boot_id", lambda: boot_id)
    told = {key: value for key, value in this_process().items() if key in ("pid", "process_started", "host")}
    assert is_alive(told)
    assert not is_alive(told | {"process_started": told["process_started"] - 60})


def test_one_of_another_machine_is_believed_to_be() -> None:
    assert is_alive(this_process() | {"host": "elsewhere", "pid": 1})


@pytest.mark.parametrize(
    "spoilt", [{"pid": "1"}, {"pid": 2**70}, {"pid": -1}, {"started_after_boot": "x", "process_started": None}]
)
def test_what_is_no_identity_is_no_process(spoilt: dict[str, Any]) -> None:
    assert not is_alive(this_process() | spoilt)
