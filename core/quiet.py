"""Keep native libraries' start-up notes off the screen, and Ctrl-C away from their start-up."""

import contextlib
import os
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import IO

from core.errors import UserError

# As TensorFlow and absl write them; errors (`E`, `F`) are no notes.
_NOTE = re.compile(
    rb"[IW]\d{4} \d\d:\d\d:|\d{4}-\d\d-\d\d [\d:.]+: [IW] "
    rb"|WARNING: All log messages before absl::InitializeLog\(\)|To enable the following instructions: "
)
_one_at_a_time = threading.Lock()


@contextlib.contextmanager
def native_stderr_hidden() -> Iterator[None]:
    """Hide what is written to stderr; show it after all if an error comes out.

    TensorFlow's build for GPUs notes on import, before its log level counts, that it found no GPU driver. The notes
    come from C++, so the file descriptor is redirected: for command lines only, not for a server with other threads.
    """
    with _stderr_held() as (held, shown):
        try:
            yield
        except (UserError, KeyboardInterrupt):
            raise  # Nothing that the notes could explain.
        except BaseException:
            held.seek(0)
            os.write(shown, held.read())
            raise


@contextlib.contextmanager
def native_notes_dropped() -> Iterator[None]:
    """Hold back what is written to stderr, then let through all but TensorFlow's notes.

    For a server: what its other threads say meanwhile comes a few seconds late, and nothing of it is lost.
    """
    with _one_at_a_time, _stderr_held() as (held, shown):
        try:
            yield
        finally:
            sys.stderr.flush()
            held.seek(0)
            os.write(shown, b"".join(line for line in held if not _NOTE.match(line)))


@contextlib.contextmanager
def _stderr_held() -> Iterator[tuple[IO[bytes], int]]:
    """Redirect the file descriptor of stderr into a file; yields that and a descriptor of what stderr was before."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        shown = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield held, shown
        finally:
            sys.stderr.flush()
            os.dup2(shown, 2)
            os.close(shown)


@contextlib.contextmanager
def interrupt_held() -> Iterator[None]:
    """Let Ctrl-C wait: TensorFlow, interrupted while it is loaded, aborts the process without a word."""
    is_ours = threading.current_thread() is threading.main_thread()
    if not is_ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    pressed = False

    def remember(number: int, frame: object) -> None:
        nonlocal pressed
        pressed = True

    signal.signal(signal.SIGINT, remember)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if pressed:
        raise KeyboardInterrupt
