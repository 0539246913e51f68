"""Small copies of photos, made once and kept on disk.

A thumbnail belongs to a file as it was: its name is a hash of the photo's path, time of change and size, so a photo
that was replaced gets another one. They lie in `thumbnails/` beside the features and can be deleted at any time.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from core.images import PhotoError, thumbnail

THUMBNAIL_SIZE = 256
THUMBNAILS_DIR = "thumbnails"
_N_THREADS = min(8, os.cpu_count() or 1)


def thumbnails(paths: Sequence[Path], root: Path) -> list[bytes | PhotoError]:
    """Small copies of photos, upright, at most `THUMBNAIL_SIZE` pixels wide and high.

    Args:
        paths: The photos.
        root: The cache's folder.

    Returns:
        A WebP file a photo, or why there is none.
    """
    if len(paths) <= 1:
        return [_thumbnail(path, root) for path in paths]
    with ThreadPoolExecutor(_N_THREADS) as pool:  # Decoders let other threads run meanwhile.
        return list(pool.map(lambda path: _thumbnail(path, root), paths))


def _thumbnail(path: Path, root: Path) -> bytes | PhotoError:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # The latter for a name that no file can have.
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return PhotoError("unreadable", reason or "cannot be read")
    key = f"{THUMBNAIL_SIZE}\0{path.absolute()}\0{status.st_mtime_ns}\0{status.st_size}"
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
    kept = root / THUMBNAILS_DIR / digest[:2] / f"{digest}.webp"
    with contextlib.suppress(OSError):
        return kept.read_bytes()
    try:
        content = thumbnail(path, THUMBNAIL_SIZE)
    except PhotoError as error:
        return error
    _keep(content, kept)
    return content


def _keep(content: bytes, path: Path) -> None:
    """Write a thumbnail whole or not at all; one that cannot be kept is made again next time."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
            try:
                part.write(content)
                part.close()
                Path(part.name).replace(path)
            except BaseException:
                Path(part.name).unlink()
                raise
