"""A disk that refuses: operations that change something under a folder fail, from the k-th on or only that one.

Seen is what Python does: opening for writing, writing, syncing, renaming, making and removing. What native code writes
is not; a disk that is really full is there for that (`full_disk`).
"""

import builtins
import contextlib
import ctypes
import errno
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FAULTS = (*_FULL, errno.EACCES, errno.EROFS, errno.EIO)
FAULTS = {errno.errorcode[number]: number for number in _FAULTS}

_MAKING = {"open": 0, "os.mkdir": 0, "os.rename": 1}
# A full disk does not refuse these.
_REMOVING = {"os.remove": 0, "os.rmdir": 0, "os.utime": 0, "os.truncate": 0}
_FOR_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT

# Of Linux: CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, in the third version of `capset`.
_VERSION, _READ_AND_WRITE_ANYTHING = 0x20080522, 0b110

_real_open, _real_sync = io.open, os.fsync


class FaultyDisk:
    """What is refused, and how much was asked for.

    Attributes:
        n_asked: Operations so far.
        refused: What was refused first; None as long as nothing was.
    """

    def __init__(self, folder: Path, number: int, at: int | None, lasts: bool) -> None:
        self.n_asked = 0
        self.refused: str | None = None
        self._folder, self._number, self._at, self._lasts = os.fspath(folder), number, at, lasts

    def ask(self, operation: str, path: object, removes: bool = False) -> None:
        """Refuse an operation, if it is its turn."""
        if not self.holds(path) or (removes and self._number in _FULL):
            return
        self.n_asked += 1
        if self._at is not None and (self.n_asked == self._at or (self._lasts and self.n_asked > self._at)):
            self.refused = self.refused or f"{operation} {path!r}"
            named = (path,) if operation not in ("write", "sync") else ()
            raise OSError(self._number, os.strerror(self._number), *named)

    def holds(self, path: object) -> bool:
        """Whether something lies under the folder."""
        if not isinstance(path, str | os.PathLike):
            return False
        return Path(path).absolute().is_relative_to(self._folder)


_disks: list[FaultyDisk] = []
_is_hooked = False


def _audited(event: str, arguments: tuple[Any, ...]) -> None:
    if not _disks:
        return
    if event == "open":
        path, _, flags = arguments
        if flags & _FOR_WRITING:
            _disks[-1].ask("open", path)
    elif event in _MAKING:
        _disks[-1].ask(event, arguments[_MAKING[event]])
    elif event in _REMOVING:
        _disks[-1].ask(event, arguments[_REMOVING[event]], removes=True)


class _File(io.FileIO):
    def write(self, content: Any, /) -> int:
        for disk in _disks:
            disk.ask("write", self.name)
        return super().write(content) or 0


def _opened(file: Any, mode: str = "r", buffering: int = -1, *text: Any, **options: Any) -> Any:
    if not (set(mode) & set("wax+") and _disks and _disks[-1].holds(file)) or options.get("opener"):
        return _real_open(file, mode, buffering, *text, **options)
    raw = _File(file, mode.replace("b", "").replace("t", ""))
    if buffering == 0:
        return raw
    buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
    if "b" in mode:
        return buffered
    kinds = dict(zip(("encoding", "errors", "newline"), text, strict=False)) | options
    return io.TextIOWrapper(buffered, kinds.get("encoding"), kinds.get("errors"), kinds.get("newline"))


def _synced(descriptor: int) -> None:
    for disk in _disks:
        disk.ask("sync", _name_of(descriptor))
    _real_sync(descriptor)


def _name_of(descriptor: int) -> str | None:
    """Where that is known."""
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/self/fd/{descriptor}").readlink())
    return None


@contextlib.contextmanager
def faulty(
    folder: Path, number: int = errno.ENOSPC, at: int | None = None, lasts: bool = False
) -> Iterator[FaultyDisk]:
    """Let operations under a folder fail meanwhile.

    Args:
        folder: What the disk holds.
        number: What they fail with, of `errno`.
        at: Which of them fails, from 1; None lets them all pass and counts them.
        lasts: Whether all later ones fail too.
    """
    global _is_hooked
    if not _is_hooked:  # There is no way to take a hook away again.
        sys.addaudithook(_audited)
        _is_hooked = True
    disk = FaultyDisk(folder, number, at, lasts)
    _disks.append(disk)
    builtins.open = io.open = _opened
    os.fsync = _synced  # type: ignore[assignment]
    try:
        yield disk
    finally:
        builtins.open = io.open = _real_open
        os.fsync = _real_sync
        _disks.remove(disk)


@contextlib.contextmanager
def ordinary_user() -> Iterator[None]:
    """Let permissions count meanwhile, for this thread and those that it starts, also where tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    if not sys.platform.startswith("linux"):
        pytest.skip("to root permissions mean nothing")
    libc, header, before = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(_VERSION, 0), (ctypes.c_uint32 * 6)()
    libc.capget(header, before)
    without = (ctypes.c_uint32 * 6)(*before)
    without[0] &= ~_READ_AND_WRITE_ANYTHING
    if libc.capset(header, without):
        pytest.skip("root cannot do without its rights here")
    try:
        yield
    finally:
        libc.capset(header, before)


class FullDisk:
    """A small file system of its own, in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self, spare: int) -> None:
        """Leave that many bytes."""
        with contextlib.suppress(OSError), (self.path / "filling").open("wb", 0) as file:
            while True:
                file.write(b"x" * 4096)
        os.truncate(self.path / "filling", max(0, (self.path / "filling").stat().st_size - spare))

    def clear(self) -> None:
        """Make room again."""
        (self.path / "filling").unlink(missing_ok=True)


@contextlib.contextmanager
def full_disk(path: Path, n_bytes: int = 2_000_000) -> Iterator[FullDisk]:
    """A file system of that size; skips the test where this process may not make one."""
    path.mkdir(parents=True, exist_ok=True)
    if not sys.platform.startswith("linux") or not _run("mount", "-t", "tmpfs", "-o", f"size={n_bytes}", "tmpfs", path):
        pytest.skip("this needs the right to mount")
    try:
        yield FullDisk(path)
    finally:
        _run("umount", "-l", path)


def _run(*command: str | Path) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
