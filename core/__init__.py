"""Train, evaluate and read back photo classifiers; knows nothing of the dashboard.

The environment is settled here because it must be before anything imports Keras: the backend (a user's `keras.json` may
name another one) and TensorFlow's log level (its start-up notes bury our own lines). So are the standard streams,
before anything opens a file that it keeps.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def _open_closed_streams() -> None:
    """Let standard streams that were closed before we began lead nowhere.

    Their file descriptors too: the next file to be opened would get the number of one, and what is written to it.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            # Like Python's own they are never closed; of others it would complain at its end.
            setattr(sys, name, os.fdopen(nowhere, "w", encoding="utf-8", errors="backslashreplace", closefd=False))


_open_closed_streams()
