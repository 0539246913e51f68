"""Files that are written whole or not at all."""

import errno
import os
import zipfile
from pathlib import Path

import pytest

from core.errors import UserError
from core.files import disk_fault, write_whole
from tests.faulty_disk import faulty


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_whatever_step_fails_the_file_stays_as_it_was(tmp_path: Path, turn: int) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    with (
        faulty(tmp_path, errno.EIO, at=turn),
        pytest.raises(UserError, match=r"Expected to write .*table\.csv; ") as told,
    ):
        write_whole(path, lambda unfinished: unfinished.write_text("new"), then="Then: again.")
    assert str(told.value).endswith(
        f"{os.strerror(errno.EIO)}. The disk or the connection to it may be broken. Then: again."
    )
    assert [each.read_text() for each in tmp_path.iterdir()] == ["old"]


def test_what_a_library_makes_of_a_full_disk_is_still_a_full_disk(tmp_path: Path) -> None:
    def save(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive, archive.open("part", "w") as part:
            try:
                raise OSError(errno.ENOSPC, "No space left on device")
            finally:
                archive.close()  # "Can't close the ZIP file while there is an open writing handle on it."
            part.write(b"")

    with pytest.raises(UserError, match=r"No space left on device\. Free some disk there"):
        write_whole(tmp_path / "model.keras", save)
    assert not list(tmp_path.iterdir())


def test_another_file_that_is_refused_is_named_too(tmp_path: Path) -> None:
    def save(path: Path) -> None:
        (tmp_path / "temp" / "assets").mkdir()

    with pytest.raises(UserError, match=r"model\.keras; .*assets: No such file or directory"):
        write_whole(tmp_path / "model.keras", save)


@pytest.mark.parametrize("is_file", [False, True])
def test_a_folder_that_never_was_is_to_be_made(tmp_path: Path, is_file: bool) -> None:
    path = tmp_path / "folder" / "table.csv"
    if is_file:
        path.parent.write_text("")
    with pytest.raises(UserError) as told:
        write_whole(path, lambda unfinished: unfinished.write_text("new"))
    assert str(told.value) == (
        f"Expected to write {path}; {os.strerror(errno.ENOTDIR if is_file else errno.ENOENT)}. Make the folder where "
        "there is none; something in that path may have been removed or replaced meanwhile."
    )


def test_what_is_our_fault_stays_ours(tmp_path: Path) -> None:
    def save(path: Path) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_whole(tmp_path / "model.keras", save)


def test_a_fault_that_names_nothing_says_what_is_known() -> None:
    assert disk_fault(OSError("short")) == "short."
    assert disk_fault(OSError(errno.EROFS, "Read-only file system"), "here") == (
        "here: Read-only file system. Mount it for writing."
    )
