"""What is known of a photo by its content, on disk: computed once and shared between runs.

    <cache>/features/<space>/space.json           what it holds: layer, image size, weights, ...
    <cache>/features/<space>/<writer>.records     one process's values, in the order computed
    <cache>/features/<space>/<...>.in-use         locked by a process as long as it uses the space
    <cache>/lock                                  held for the moment in which a space is opened or dropped
    <cache>/thumbnails/, <cache>/maps/            the dashboard's small pictures and t-SNE maps; counted and dropped too

A *space* is named after a hash of everything that decides a value but the photo itself. Within it every process
appends to a file of its own and reads everybody's, so two trainings at once need no lock: at worst they compute a photo
twice. A record is of fixed size and carries the photo's key and a checksum of all of it. What a killed process left
half-written is an incomplete record at the end of its file, or one whose checksum is wrong; neither is ever used.

Files are read, not mapped: a mapped file counts as memory of the process, and there may be many times as much of it.
"""

import argparse
import contextlib
import errno
import hashlib
import json
import math
import os
import re
import shutil
import sys
import uuid
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol, Self

import numpy as np
import platformdirs
from filelock import FileLock, Timeout
from numpy.typing import DTypeLike, NDArray

from core.command import run_command
from core.errors import UserError, named
from core.files import disk_fault, write_whole, writing

RECORDS_SUFFIX = ".records"
SPACE_FILE = "space.json"
IN_USE_SUFFIX = ".in-use"
_DROPPED_PREFIX = ".dropped-"
_SPACE_NAME = re.compile("[0-9a-f]{20}")
_DROPPED_NAME = re.compile(re.escape(_DROPPED_PREFIX) + "[0-9a-f]{32}")
_LOCK_FILE = "lock"
THUMBNAILS_DIR, MAPS_DIR = "thumbnails", "maps"
# What the dashboard keeps there; whatever else lies in these folders is not ours.
_PICTURE_NAMES = {
    THUMBNAILS_DIR: re.compile(r"[0-9a-f]{64}\.webp"),
    MAPS_DIR: re.compile(r"tsne-[0-9a-f]{64}\.npy"),
}
_KEY_BYTES = 32
# Checked before anything is written, so that a training does not fill the disk to its last byte.
_SPARE_BYTES = 200_000_000
_SCAN_BYTES = 16_000_000


def default_cache_dir() -> Path:
    """Where features are kept: `MASKBOARD_CACHE`, else the user's cache folder as the system has it.

    Raises:
        UserError: If the user has no home.
    """
    folder = Path(os.environ.get("MASKBOARD_CACHE") or platformdirs.user_cache_dir("maskboard", appauthor=False))
    if folder.parts[:1] == ("~",):  # The system knows of no home: a folder of that name would be made right here.
        raise UserError("Expected a home folder for the cache; this user has none. Name a folder in MASKBOARD_CACHE.")
    return folder


def require_cache(root: Path) -> None:
    """Make sure that there is a place for the cache.

    Raises:
        UserError: If there is none.
    """
    with _writing(root):
        (root / "features").mkdir(parents=True, exist_ok=True)
        with _locked(root):
            pass


def _writing(place: Path) -> contextlib.AbstractContextManager[None]:
    return writing(place, "Name another folder in MASKBOARD_CACHE, or use --no-cache.")


def photo_key(sha256: str, view: int = 0) -> bytes:
    """The key of a photo's values: its content and, for an augmented one, which view of it."""
    return hashlib.sha256(f"{sha256}:{view}".encode()).digest()


class _Values(Protocol):
    def read(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """The values of some records, shape (n_rows, *shape)."""
        ...


@dataclass(frozen=True)
class _InMemory:
    values: NDArray[np.float32]

    def read(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        return self.values[rows]


@dataclass(frozen=True)
class _RecordFile:
    """One process's records; opened for each reading, since several threads may read at once."""

    path: Path
    record: np.dtype[Any]

    def read(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        size = self.record.itemsize
        content = np.empty((len(rows), size), dtype=np.uint8)
        with self.path.open("rb", buffering=0) as file:
            for place, row in zip(content, rows.tolist(), strict=True):
                file.seek(row * size)
                if file.readinto(place.data) != size:
                    raise OSError(
                        errno.EIO, "features were cut off while they were in use; train again", str(self.path)
                    )
        values: NDArray[Any] = content.view(self.record)[:, 0]["values"]
        return values

    def whole_keys(self) -> Iterator[tuple[int, bytes]]:
        """Row and key of each record that is whole."""
        at_once = max(1, _SCAN_BYTES // self.record.itemsize)
        with self.path.open("rb") as file:
            row = 0
            while len(records := np.fromfile(file, self.record, at_once)):
                for record in records:
                    if int(record["crc32"]) == _checksum(record):
                        yield row, record["key"].tobytes()
                    row += 1


@dataclass(frozen=True)
class Features:
    """What is known of some photos, read when it is asked for.

    Attributes:
        shape: Of one photo's features.
    """

    shape: tuple[int, ...]
    _sources: tuple[_Values, ...]
    _places: NDArray[np.int64]  # (source, record) a photo, shape (n_photos, 2).

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, photos: NDArray[np.integer[Any]] | slice) -> NDArray[np.float32]:
        """Features of some of the photos, shape (n, *shape)."""
        places = self._places[photos]
        features = np.empty((len(places), *self.shape), dtype=np.float32)
        for index in np.unique(places[:, 0]):
            here = places[:, 0] == index
            features[here] = self._sources[index].read(places[here, 1])
        return features

    @property
    def n_bytes(self) -> int:
        """What all of them take in memory."""
        return len(self) * 4 * math.prod(self.shape)

    def take(self, photos: NDArray[np.integer[Any]]) -> "Features":
        """Those of some of the photos, still unread."""
        return Features(self.shape, self._sources, self._places[photos])

    @classmethod
    def of(cls, values: NDArray[np.float32]) -> "Features":
        """Features that are in memory, shape (n_photos, *shape)."""
        places = np.column_stack([np.zeros(len(values), np.int64), np.arange(len(values))])
        return cls(values.shape[1:], (_InMemory(values),), places)

    def batches(self, size: int) -> Iterator[NDArray[np.float32]]:
        """All of them, in order, `size` photos at a time."""
        for start in range(0, len(self), size):
            yield self[start : start + size]


class PhotoCache:
    """One space of the cache, for as long as it is open.

    Args:
        root: The cache's folder.
        space: JSON values that decide a photo's values, apart from the photo.
        shape: Of one photo's values.
        dtype: How they are kept.
    """

    def __init__(
        self, root: Path, space: dict[str, Any], shape: tuple[int, ...], dtype: DTypeLike = np.float32
    ) -> None:
        description = space | {"shape": list(shape), "dtype": np.dtype(dtype).name}
        name = hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()[:20]
        self.path = root / "features" / name
        self.shape = shape
        self._root = root
        self._record = np.dtype([("crc32", "<u4"), ("key", "u1", _KEY_BYTES), ("values", dtype, shape)])
        self._description = description
        self._mine = self.path / f"{uuid.uuid4().hex}{RECORDS_SUFFIX}"
        self._writer: BinaryIO | None = None
        self._n_written = 0
        # The system unlocks it when the process ends, however that comes about.
        self._in_use = FileLock(self.path / f"{uuid.uuid4().hex}{IN_USE_SUFFIX}")
        self._files: list[_RecordFile] = []
        self._places: dict[bytes, tuple[int, int]] = {}

    def __enter__(self) -> Self:
        with _writing(self.path):
            with _locked(self._root):  # From here on `shrink` leaves this space alone.
                self.path.mkdir(parents=True, exist_ok=True)
                self._in_use.acquire()
            try:
                self._open()
            except BaseException:
                self._leave()
                raise
        return self

    def _open(self) -> None:
        if not (self.path / SPACE_FILE).exists():
            text = json.dumps(self._description, indent=1)
            write_whole(self.path / SPACE_FILE, lambda unfinished: unfinished.write_text(text, encoding="utf-8"))
        self._read_keys()

    def _leave(self) -> None:
        with contextlib.suppress(OSError):  # The folder is gone, or may not be written any more.
            self._in_use.release()
            Path(self._in_use.lock_file).unlink(missing_ok=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # What a full disk refused was reported when it was appended.
            if self._writer is not None:
                self._writer.close()
        self._leave()

    def find(self, keys: Sequence[bytes]) -> tuple[Features, NDArray[np.bool_]]:
        """Look photos up, among what was there when the space was opened and what was appended since.

        Args:
            keys: As from `photo_key`, one a photo.

        Returns:
            The values, and whether each photo has whole ones; those of the others must not be read.
        """
        found = np.array([self._places.get(key, (-1, -1)) for key in keys], dtype=np.int64).reshape(-1, 2)
        return Features(self.shape, tuple(self._files), found), found[:, 0] >= 0

    def everything(self) -> dict[bytes, NDArray[np.float32]]:
        """All values by key; for spaces whose values are small."""
        keys = list(self._places)
        return dict(zip(keys, self.find(keys)[0][:], strict=True))

    def require_space(self, n_photos: int) -> None:
        """Make sure that the disk has room for the values of that many photos.

        Raises:
            UserError: If it has not.
        """
        needed = n_photos * self._record.itemsize
        free = shutil.disk_usage(self.path).free
        if needed and needed + _SPARE_BYTES > free:
            raise UserError(
                f"Expected {size_text(needed + _SPARE_BYTES)} of free disk for features in {self.path.parent}; found "
                f"{size_text(free)}. Free some, run `python -m core.cache --clear`, or name another place in "
                "MASKBOARD_CACHE (with --no-cache: in --runs-dir)."
            )

    def append(self, keys: Sequence[bytes], values: NDArray[Any]) -> None:
        """Keep the values of some photos.

        Raises:
            UserError: If they cannot be written.
        """
        records = np.zeros(len(keys), dtype=self._record)
        records["key"] = np.frombuffer(b"".join(keys), dtype="u1").reshape(-1, _KEY_BYTES)
        records["values"] = values
        records["crc32"] = [_checksum(record) for record in records]
        with writing(self.path, "What was written so far stays usable."):
            if self._writer is None:
                self._writer = self._mine.open("ab")
                self._files.append(_RecordFile(self._mine, self._record))
            self._writer.write(records.tobytes())
            self._writer.flush()
        for row, key in enumerate(keys, start=self._n_written):
            self._places[key] = (len(self._files) - 1, row)
        self._n_written += len(keys)

    def _read_keys(self) -> None:
        for path in sorted(self.path.glob(f"*{RECORDS_SUFFIX}")):
            file = _RecordFile(path, self._record)
            for row, key in file.whole_keys():
                self._places.setdefault(key, (len(self._files), row))
            self._files.append(file)
            with contextlib.suppress(OSError):
                os.utime(path)  # What is used stays; see `shrink`.


def _checksum(record: Any) -> int:
    return zlib.crc32(record["values"].tobytes(), zlib.crc32(record["key"].tobytes()))


# --- upkeep ----------------------------------------------------------------------------------------------------------


def cache_size(root: Path) -> int:
    """Bytes that the cache takes."""
    return sum(map(_folder_size, _spaces(root))) + sum(size for size, _ in _pictures(root).values())


def _spaces(root: Path, pattern: re.Pattern[str] = _SPACE_NAME) -> list[Path]:
    """The folders of spaces; whatever else lies there is not ours."""
    try:
        return [path for path in (root / "features").iterdir() if pattern.fullmatch(path.name) and path.is_dir()]
    except FileNotFoundError:
        return []


def _pictures(root: Path) -> dict[Path, tuple[int, float]]:
    """The dashboard's files: size in bytes and when each was made."""
    found = {}
    for folder, name_of_ours in _PICTURE_NAMES.items():
        for parent, _, names in os.walk(root / folder):
            for path in (Path(parent, name) for name in names if name_of_ours.fullmatch(name)):
                with contextlib.suppress(FileNotFoundError):
                    status = path.stat()
                    found[path] = status.st_size, status.st_mtime
    return found


def _folder_size(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):  # Passes over folders that another process clears meanwhile.
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += Path(parent, name).stat().st_size
    return total


def shrink(root: Path, limit: int) -> int:
    """Remove what was not used for longest until the rest fits; a space that is in use stays.

    The dashboard's files go by when they were made: a look at one is not written down.

    Args:
        root: The cache's folder.
        limit: Bytes that may stay.

    Returns:
        Bytes that were removed.
    """
    spaces = {path: (_folder_size(path), _last_used(path)) for path in _spaces(root)}
    everything = spaces | _pictures(root)
    excess = sum(size for size, _ in everything.values()) - limit
    removed = 0
    for path, (size, _) in sorted(everything.items(), key=lambda item: item[1][1]):
        if removed >= excess:
            break
        if _set_aside(root, path) if path in spaces else _unlink(path):
            removed += size
    for path in _spaces(root, _DROPPED_NAME):
        shutil.rmtree(path, ignore_errors=True)  # A training must not fail for what it leaves lying about.
    return removed


def _unused(root: Path) -> list[Path]:
    """What `shrink` removes if it may."""
    spaces = [path for path in _spaces(root) if not _is_in_use(path)]
    return [*spaces, *_spaces(root, _DROPPED_NAME), *_pictures(root)]


def _unlink(path: Path) -> bool:
    """Remove a file that the dashboard makes again when it needs it."""
    with contextlib.suppress(OSError):  # As below.
        path.unlink()
        return True
    return False


def _set_aside(root: Path, space: Path) -> bool:
    """Take a space out of the cache, so that nobody opens it any more; not one that is in use."""
    with _locked(root):
        if _is_in_use(space):
            return False
        with contextlib.suppress(OSError):  # Another process was faster, or has a file of it open on Windows.
            space.replace(space.with_name(f"{_DROPPED_PREFIX}{uuid.uuid4().hex}"))
            return True
    return False


def _locked(root: Path) -> FileLock:
    root.mkdir(parents=True, exist_ok=True)
    return FileLock(root / _LOCK_FILE)


def _last_used(space: Path) -> float:
    try:
        return max((path.stat().st_mtime for path in space.iterdir()), default=0.0)
    except FileNotFoundError:  # As above.
        return 0.0


def _is_in_use(space: Path) -> bool:
    for marker in space.glob(f"*{IN_USE_SUFFIX}"):
        try:
            with FileLock(marker, blocking=False):
                pass
        except Timeout:
            return True
    return False


def size_text(n_bytes: int) -> str:
    """A size for a person: 1.2 GB, 3.4 MB."""
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:,.1f} MB"


def build_parser() -> argparse.ArgumentParser:
    """The command line of `python -m core.cache`."""
    parser = argparse.ArgumentParser(prog="python -m core.cache", description="Show or clear the cache of features.")
    parser.add_argument("--clear", action="store_true", help="remove what no training is using")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Show how large the cache is, after clearing it if asked to.

    Returns:
        The exit code: 0, or 2 where it cannot be cleared.
    """
    options = build_parser().parse_args(argv)
    return run_command("core.cache", lambda: _show(options.clear))


def _show(clear: bool) -> int:
    root = default_cache_dir()
    try:
        removed = shrink(root, 0) if clear else None
        size = cache_size(root)
        left = _unused(root) if clear else []
    except OSError as error:
        raise UserError(f"Expected the cache in {root} (MASKBOARD_CACHE); {disk_fault(error)}") from None
    if left:
        raise UserError(f"Expected to remove all that no training is using; could not remove {named(left)}.")
    if removed is not None:
        print(f"Removed {size_text(removed)}")
    print(f"{size_text(size)} in {root}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
