import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from core.images import PhotoError
from core.thumbnails import thumbnails
from tests.conftest import make_photo


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photos" / "a.jpg"
    make_photo(path, 0)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def only(paths: list[Path], root: Path) -> bytes:
    (content,) = thumbnails(paths, root)
    assert isinstance(content, bytes)
    return content


def test_a_thumbnail_is_a_webp_that_fits_and_stands_upright(tmp_path: Path, root: Path) -> None:
    sideways = tmp_path / "sideways.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (1000, 500), "red").save(sideways, exif=exif)
    with Image.open(io.BytesIO(only([sideways], root))) as image:
        assert (image.format, image.size) == ("WEBP", (128, 256))


def test_a_thumbnail_is_made_once_and_read_again(photo: Path, root: Path) -> None:
    first = only([photo], root)
    (kept,) = root.rglob("*.webp")
    kept.write_bytes(b"read from disk")
    assert only([photo], root) == b"read from disk"
    assert first != b"read from disk"


def test_a_photo_that_was_replaced_gets_another_one(photo: Path, root: Path) -> None:
    before = only([photo], root)
    make_photo(photo, 2)
    os.utime(photo, ns=(1, 1))
    assert only([photo], root) != before


def test_what_is_no_photo_is_told_and_the_others_are_shown(photo: Path, root: Path) -> None:
    fake = photo.with_name("fake.jpg")
    fake.write_text("no photo")
    found = thumbnails([photo, fake, photo.with_name("gone.jpg"), photo.with_name("\0.jpg")], root)
    assert [type(each) for each in found] == [bytes, PhotoError, PhotoError, PhotoError]


def test_without_a_place_to_keep_them_thumbnails_are_made_all_the_same(photo: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("where a folder is expected")
    with Image.open(io.BytesIO(only([photo], blocked))) as image:
        assert image.format == "WEBP"


def test_two_visitors_at_once_leave_whole_files(photo: Path, root: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: only([photo], root), range(40)))
    assert len(set(found)) == 1
    assert [path.suffix for path in root.rglob("*") if path.is_file()] == [".webp"]
