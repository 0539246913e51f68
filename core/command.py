"""How our command lines end: 0, done; 2, something that the user can mend, in one line; 130, interrupted."""

import os
import sys
from collections.abc import Callable

from core.errors import UserError

INTERRUPTED = 130
USERS_FAULT = 2


def run_command(name: str, command: Callable[[], int]) -> int:
    """Run a command and say in a line what its user can mend; what is our fault keeps its traceback.

    Args:
        name: What the line begins with.
        command: Returns the exit code.

    Returns:
        The exit code.
    """
    try:
        code = command()
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # Whoever read our output has read enough. Python would flush what is left at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return USERS_FAULT
    except UserError as error:
        text = str(error)
    except OSError as error:  # The disk, permissions, names: nothing that our code could mend.
        text = (
            f"{error.filename}: {error.strerror}" if error.filename and error.strerror else error.strerror or str(error)
        )
    print(f"{name}: {text}", file=sys.stderr)
    return USERS_FAULT
