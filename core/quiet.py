"""Keep native libraries' start-up notes off the screen, and Ctrl-C away from their start-up."""

import contextlib
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator

from core.errors import UserError


@contextlib.contextmanager
def native_stderr_hidden() -> Iterator[None]:
    """Hide what is written to stderr; show it after all if an error comes out.

    TensorFlow's build for GPUs notes on import, before its log level counts, that it found no GPU driver. The notes
    come from C++, so the file descriptor is redirected: for command lines only, not for a server with other threads.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as hidden:
        shown = os.dup(2)
        os.dup2(hidden.fileno(), 2)
        try:
            yield
        except (UserError, KeyboardInterrupt):
            raise  # Nothing that the notes could explain.
        except BaseException:
            hidden.seek(0)
            os.write(shown, hidden.read())
            raise
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
