import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.config import PROJECT_DIR
from core.quiet import interrupt_held, native_notes_dropped, native_stderr_hidden

Capture = pytest.CaptureFixture[str]


def test_what_native_code_writes_is_hidden(capfd: Capture) -> None:
    with native_stderr_hidden():
        os.write(2, b"no GPU found\n")
    assert capfd.readouterr().err == ""


def test_stderr_works_again_afterwards(capfd: Capture) -> None:
    with native_stderr_hidden():
        pass
    os.write(2, b"native\n")
    print("ours", file=sys.stderr, flush=True)
    assert capfd.readouterr().err == "native\nours\n"


def test_what_was_said_before_is_not_lost(capfd: Capture) -> None:
    sys.stderr.write("before\n")
    with native_stderr_hidden():
        os.write(2, b"hidden\n")
    assert capfd.readouterr().err == "before\n"


def test_an_error_brings_everything_to_light(capfd: Capture) -> None:
    with pytest.raises(ImportError, match="libcuda"), native_stderr_hidden():
        os.write(2, b"the reason\n")
        raise ImportError("libcuda")
    assert capfd.readouterr().err == "the reason\n"


def test_stdout_is_not_touched(capfd: Capture) -> None:
    with native_stderr_hidden():
        os.write(1, b"result\n")
    assert capfd.readouterr().out == "result\n"


@pytest.mark.skipif(os.name == "nt", reason="a shell of Windows closes no streams")
def test_stderr_may_have_been_closed() -> None:
    program = "from core.quiet import native_stderr_hidden\nwith native_stderr_hidden():\n    print('result')"
    command = ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, program]
    done = subprocess.run(command, cwd=PROJECT_DIR, check=False, stdout=subprocess.PIPE, text=True)
    assert (done.returncode, done.stdout) == (0, "result\n")


def _open_files() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


def test_no_file_is_left_open() -> None:
    before = _open_files()
    for _ in range(3):
        with native_stderr_hidden():
            pass
    assert _open_files() == before


def test_of_what_a_server_says_tensorflows_notes_alone_are_dropped(capfd: Capture) -> None:
    with native_notes_dropped():
        os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n")
        os.write(2, b"I0000 00:00:1795799447.987184   32268 cudart_stub.cc:31] Could not find cuda drivers\n")
        print("a warning of ours", file=sys.stderr)
        os.write(2, b"To enable the following instructions: AVX2 FMA, rebuild TensorFlow.\n")
        os.write(2, b"2026-11-27 16:00:00.123456: W tensorflow/core/util/port.cc:153] oneDNN is on\n")
        os.write(2, b"E0000 00:00:1795799447.987184   32268 executor.cc:1] an error\n")
    os.write(2, b"later\n")
    said = capfd.readouterr().err.splitlines()
    assert said == ["a warning of ours", "E0000 00:00:1795799447.987184   32268 executor.cc:1] an error", "later"]


@pytest.fixture
def listens_to_ctrl_c() -> Iterator[None]:
    """As a command does; what ran before in this process may have set another handler."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("listens_to_ctrl_c")
def test_ctrl_c_waits_for_what_must_not_be_interrupted() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), interrupt_held():
        signal.raise_signal(signal.SIGINT)
        done.append("loaded")
    assert done == ["loaded"]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_without_ctrl_c_nothing_is_interrupted() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interrupt_held():
        pass
    assert signal.getsignal(signal.SIGINT) is before


def test_who_does_not_listen_to_ctrl_c_is_not_made_to() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupt_held():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
