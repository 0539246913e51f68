"""How our commands end: 0, done; 1, our fault; 2, what the user can mend; 130, interrupted; all said in one line."""

import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any, TextIO, cast

from core.errors import UserError, printable
from core.files import disk_fault

INTERRUPTED = 130
OUR_FAULT = 1
USERS_FAULT = 2


def run_command(name: str, command: Callable[[], int], verbose: bool = False, is_for_reader: bool = True) -> int:
    """Run a command and say in a line what went wrong; of what is our fault the traceback is kept or printed.

    Args:
        name: What the line begins with.
        command: Returns the exit code. A note on an exception says where its traceback is kept.
        verbose: Print the traceback also where it is kept.
        is_for_reader: Whether it ends when nobody reads on; else it goes on in silence.

    Returns:
        The exit code.
    """
    text, code = "", USERS_FAULT
    try:
        with _streams_named(is_for_reader):
            done = command()
            sys.stdout.flush()
        code = done
    except KeyboardInterrupt as error:
        text, code = ". ".join(["interrupted", *getattr(error, "__notes__", [])]), INTERRUPTED
    except BrokenPipeError:  # Whoever read our output has read enough.
        pass
    except UserError as error:
        text = str(error)
    except OSError as error:  # The disk, permissions, names: nothing that our code could mend.
        text = disk_fault(error)
    except Exception as error:
        notes = getattr(error, "__notes__", [])
        if verbose or not notes:
            traceback.print_exception(error)
        line = f"{type(error).__name__}: {error}".replace("\n", " ")
        text, code = " ".join([f"a fault of Maskboard's, {line}", *notes]), OUR_FAULT
    _flush(sys.stdout)
    with contextlib.suppress(OSError):  # The code says it as well.
        if text:
            print(f"{name}: {printable(text)}", file=sys.stderr)
    _flush(sys.stderr)
    return code


def _flush(stream: TextIO) -> None:
    """Let what was printed come through, or go nowhere: Python would fail of it at its end."""
    try:
        stream.flush()
    except OSError:
        _lead_nowhere(stream)


def _lead_nowhere(stream: TextIO) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


@contextlib.contextmanager
def _streams_named(is_for_reader: bool) -> Iterator[None]:
    out = _Named(sys.stdout, "standard output", is_for_reader)
    err = _Named(sys.stderr, "standard error", is_for_reader)
    with contextlib.redirect_stdout(cast(TextIO, out)), contextlib.redirect_stderr(cast(TextIO, err)):
        yield


class _Named:
    """A standard stream whose faults name it; the system's do not, and a full disk may be any.

    Args:
        stream: What it writes to.
        name: What its faults name.
        is_for_reader: Whether it is a fault that nobody reads on; else what is written then goes nowhere.
    """

    def __init__(self, stream: TextIO, name: str, is_for_reader: bool) -> None:
        self._stream, self._name, self._is_for_reader = stream, name, is_for_reader
        self._is_terminal = stream.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._faults_named():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._faults_named():
            self._stream.flush()

    @contextlib.contextmanager
    def _faults_named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # The latter is how a terminal fails that was closed; it says no longer that it is one.
            is_unread = isinstance(error, BrokenPipeError) or (error.errno == errno.EIO and self._is_terminal)
            if not is_unread:
                error.filename = self._name
                raise
            if self._is_for_reader:
                raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE), self._name) from error
            _lead_nowhere(self._stream)
