"""VGG16's weights: which ones, where they lie, and fetching those learnt on ImageNet.

Keras is imported only to fetch: what is wrong with a choice can be said at once.
"""

import hashlib
import socket
from dataclasses import dataclass
from pathlib import Path

from core.errors import UserError
from core.quiet import interrupt_held

IMAGENET_FILE = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
IMAGENET_URL = f"https://storage.googleapis.com/tensorflow/keras-applications/vgg16/{IMAGENET_FILE}"
IMAGENET_MD5 = "6d6bbae143d832006294945121d1f1fc"
_DOWNLOAD_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Weights:
    """VGG16's weights: `imagenet`, `random` or a file's name; the file and its SHA-256, unless random."""

    name: str
    path: Path | None
    sha256: str | None


def find_weights(choice: str) -> Weights:
    """Find, and for `imagenet` fetch, the weights to start from.

    Args:
        choice: `imagenet`, `random` or the path of a file.

    Raises:
        UserError: If they cannot be had; nothing else is taken instead.
    """
    if choice == "random":
        return Weights("random", None, None)
    path = _fetch_imagenet() if choice == "imagenet" else Path(choice)
    if not path.is_file():
        raise UserError(f"Expected --weights to be imagenet, random or a file; there is no file {choice}.")
    name = choice if choice == "imagenet" else path.name
    try:
        with path.open("rb") as file:
            return Weights(name, path, hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as error:
        raise UserError(f"Expected to read the weights in {path}; {error.strerror}.") from None


def _fetch_imagenet() -> Path:
    with interrupt_held():
        import keras

    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_DOWNLOAD_TIMEOUT_SECONDS)  # Keras' download has none of its own.
    try:
        fetched = keras.utils.get_file(IMAGENET_FILE, IMAGENET_URL, cache_subdir="models", file_hash=IMAGENET_MD5)
        return Path(fetched)
    except Exception as error:  # Keras raises a bare Exception where a download fails.
        reason = str(error).removeprefix(f"URL fetch failure on {IMAGENET_URL}: None -- ")
        raise UserError(
            f"ImageNet weights could not be fetched from {IMAGENET_URL} ({reason}). Download that file elsewhere and "
            f"pass it with --weights {IMAGENET_FILE}, or choose --weights FILE with other VGG16 weights, or "
            "--weights random, which learns less."
        ) from None
    finally:
        socket.setdefaulttimeout(timeout)
