"""Files that are written whole or not at all, and one line for a disk that refuses."""

import contextlib
import errno
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from core.errors import UserError

# What a process that is killed may leave behind.
UNFINISHED = ".unfinished-"

_NO_ROOM = "Free some disk there."
_NO_RIGHT = "Get the right to it."
_GONE = "Something in that path was removed or replaced meanwhile."
_NO_FOLDER = "Make the folder where there is none; something in that path may have been removed or replaced meanwhile."
_BROKEN = "The disk or the connection to it may be broken."
_WHAT_TO_DO = {
    errno.ENOSPC: _NO_ROOM,
    errno.EDQUOT: _NO_ROOM,
    errno.EFBIG: _NO_ROOM,
    errno.EACCES: _NO_RIGHT,
    errno.EPERM: _NO_RIGHT,
    errno.EROFS: "Mount it for writing.",
    errno.ENOENT: _NO_FOLDER,
    errno.ENOTDIR: _NO_FOLDER,
    errno.ESTALE: _GONE,
    errno.EIO: _BROKEN,
}


def disk_fault(error: OSError, place: Path | str | None = None) -> str:
    """What a disk refused, in a line: where, why, and what to do, where that is known.

    Args:
        error: What it was reported by.
        place: What was to be used, where the error names nothing.
    """
    where = error.filename or place
    text = f"{os.fspath(where)}: " if where else ""
    return f"{text}{error.strerror or error}. {_WHAT_TO_DO.get(error.errno or 0, '')}".strip()


@contextlib.contextmanager
def writing(place: Path, then: str = "") -> Iterator[None]:
    """Say what a disk refuses in one line, also where a library has made another error of it.

    Args:
        place: What is written, for the line.
        then: What can be done when the fault is mended.

    Raises:
        UserError: If the disk refuses.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        refused = _refusal(error)
        if refused is None:
            raise
        where = "" if refused.filename is None or _is_beside(refused.filename, place) else f"{refused.filename}: "
        what_to_do = " ".join(filter(None, (_WHAT_TO_DO.get(refused.errno or 0, ""), then)))
        raise UserError(
            f"Expected to write {place}; {where}{refused.strerror or refused}. {what_to_do}".strip()
        ) from error


def _refusal(error: BaseException | None) -> OSError | None:
    """The system's own word for what went wrong; zipfile, for example, complains of what follows from it."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error


def _is_beside(name: object, place: Path) -> bool:
    """Whether an error names the file itself, or that under whose name it is written."""
    return isinstance(name, str | os.PathLike) and Path(name).parent in (place.parent, place)


def write_whole(path: Path, save: Callable[[Path], object], then: str = "") -> None:
    """Let `save` write a file under another name, of the same suffix, and rename it: readers see a whole one or none.

    Args:
        path: Its name in the end.
        save: Writes to the path that it is given.
        then: As in `writing`.

    Raises:
        UserError: If the disk refuses.
    """
    unfinished = path.with_name(f"{UNFINISHED}{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        with writing(path, then):
            save(unfinished)
            unfinished.replace(path)
    finally:
        with contextlib.suppress(OSError):  # A disk that refuses this too has been told of.
            unfinished.unlink(missing_ok=True)
