"""How our commands end: 0, done; 1, our fault; 2, what the user can mend; 130, interrupted; all said in one line."""

import contextlib
import os
import sys
import traceback
from collections.abc import Callable
from typing import TextIO

from core.errors import UserError, printable
from core.files import disk_fault

INTERRUPTED = 130
OUR_FAULT = 1
USERS_FAULT = 2


def run_command(name: str, command: Callable[[], int], verbose: bool = False) -> int:
    """Run a command and say in a line what went wrong; of what is our fault the traceback is kept or printed.

    Args:
        name: What the line begins with.
        command: Returns the exit code. A note on an exception says where its traceback is kept.
        verbose: Print the traceback also where it is kept.

    Returns:
        The exit code.
    """
    code = USERS_FAULT
    try:
        done = command()
        sys.stdout.flush()
        return done
    except KeyboardInterrupt as error:
        text, code = ". ".join(["interrupted", *getattr(error, "__notes__", [])]), INTERRUPTED
    except BrokenPipeError:  # Whoever read our output has read enough. Python would flush what is left at its end.
        _takes_more(sys.stdout)
        return code
    except UserError as error:
        text = str(error)
    except OSError as error:  # The disk, permissions, names: nothing that our code could mend.
        text = disk_fault(error, None if _takes_more(sys.stdout) else "standard output")
    except Exception as error:
        notes = getattr(error, "__notes__", [])
        if verbose or not notes:
            traceback.print_exception(error)
        line = f"{type(error).__name__}: {error}".replace("\n", " ")
        text, code = " ".join([f"a fault of Maskboard's, {line}", *notes]), OUR_FAULT
    with contextlib.suppress(OSError):  # The code says it as well.
        print(f"{name}: {printable(text)}", file=sys.stderr)
    _takes_more(sys.stderr)
    return code


def _takes_more(stream: TextIO) -> bool:
    """Whether what was printed comes through; if not, the rest goes nowhere, or Python would fail of it at its end."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return False
    return True
