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

from core.cache import THUMBNAILS_DIR
from core.images import PhotoError, thumbnail

THUMBNAIL_SIZE = 256
_N_THREADS = min(8, os.cpu_count() or 1)


def thumbnails(paths: Sequence[Path], root: Path) -> list[bytes | PhotoError]:
    """Small copies of photos, upright, at most `THUMBNAIL_SIZE` pixels wide and high.

    Args:
        paths: The photos.
        root: The cache's folder.

    Returns:
        A WebP file a photo, or why there is none.
    """
    found = [_read(path, root) for path in paths]
    missing = {index: place for index, place in enumerate(found) if isinstance(place, Path)}
    if missing:
        with ThreadPoolExecutor(_N_THREADS) as pool:  # Decoders let other threads run meanwhile.
            made = pool.map(_make, (paths[index] for index in missing), missing.values())
            found = [place if not isinstance(place, Path) else next(made) for place in found]
    return [content for content in found if not isinstance(content, Path)]


def _read(path: Path, root: Path) -> bytes | PhotoError | Path:
    """A thumbnail that is kept, or where it is to be kept, or why there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # The latter for a name that no file can have.
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return PhotoError("unreadable", reason or "cannot be read")
    key = f"{THUMBNAIL_SIZE}\0{path.absolute()}\0{status.st_mtime_ns}\0{status.st_size}"
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
    kept = root / THUMBNAILS_DIR / digest[:2] / f"{digest}.webp"
    try:
        return kept.read_bytes()
    except OSError:
        return kept


def _make(path: Path, kept: Path) -> bytes | PhotoError:
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
