"""Keep native libraries' start-up notes off the screen."""

import contextlib
import os
import sys
import tempfile
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
