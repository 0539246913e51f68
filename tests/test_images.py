import io
import os
import re
import struct
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image

from core import images
from core.images import PhotoError, load_photo, open_photo, thumbnail
from tests.conftest import make_photo

RED, GREEN, BLUE, BLACK, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0), (255, 255, 255)
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")

# How an upright photo is stored so that the EXIF orientation has to bring it back.
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def encoded(photo: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    photo.save(file, file_format, **options)
    return file.getvalue()


def colours(*pixels: tuple[int, ...], mode: str = "RGB") -> Image.Image:
    """A picture one pixel high."""
    photo = Image.new(mode, (len(pixels), 1))
    photo.putdata(pixels)
    return photo


def pixels(photo: Image.Image) -> list[tuple[int, ...]]:
    return [tuple(pixel) for row in np.asarray(photo).tolist() for pixel in row]


def stripes() -> Image.Image:
    """Twice as wide as high; from left to right a quarter green, a quarter red, a quarter blue, a quarter green."""
    row = np.repeat(np.array([GREEN, RED, BLUE, GREEN], np.uint8), 10, axis=0)
    return Image.fromarray(np.tile(row, (20, 1, 1)))


def noise(width: int = 60, height: int = 40) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def fault(source: bytes | Path) -> PhotoError:
    with pytest.raises(PhotoError) as caught:
        open_photo(source)
    return caught.value


# --- formats and colour modes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("file_format", FORMATS)
def test_every_accepted_format_is_read_as_rgb(file_format: str) -> None:
    photo = open_photo(encoded(Image.new("RGB", (40, 30), RED), file_format))
    assert (photo.mode, photo.size) == ("RGB", (40, 30))
    assert np.abs(np.asarray(photo).astype(int) - RED).max() <= 3


def test_the_content_counts_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(colours(RED, BLUE), "PNG"))
    assert pixels(open_photo(path)) == [RED, BLUE]


def test_grey_becomes_rgb() -> None:
    assert pixels(open_photo(encoded(Image.new("L", (1, 1), 77)))) == [(77, 77, 77)]


def test_black_and_white_becomes_rgb() -> None:
    assert pixels(open_photo(encoded(Image.new("1", (1, 1), 1)))) == [WHITE]


def test_sixteen_bit_grey_is_scaled_not_clipped_to_white() -> None:
    grey = Image.fromarray(np.array([[0, 0x8080, 0xFFFF, 200 * 257]], dtype=np.uint16))
    assert pixels(open_photo(encoded(grey))) == [BLACK, (128, 128, 128), WHITE, (200, 200, 200)]


def test_palette_colours_are_looked_up() -> None:
    assert pixels(open_photo(encoded(colours(RED, BLUE).convert("P", palette=Image.Palette.ADAPTIVE)))) == [RED, BLUE]


def test_a_transparent_palette_colour_is_laid_over_white() -> None:
    photo = colours(RED, BLUE).convert("P", palette=Image.Palette.ADAPTIVE)
    assert pixels(open_photo(encoded(photo, transparency=photo.getpixel((0, 0))))) == [WHITE, BLUE]


def test_alpha_is_laid_over_white() -> None:
    photo = colours((255, 0, 0, 255), (255, 0, 0, 0), (0, 0, 0, 51), mode="RGBA")
    assert pixels(open_photo(encoded(photo))) == [RED, WHITE, (204, 204, 204)]


def test_grey_with_alpha_is_laid_over_white() -> None:
    assert pixels(open_photo(encoded(colours((100, 255), (100, 0), mode="LA")))) == [(100, 100, 100), WHITE]


@pytest.mark.parametrize("at_least", [None, 10])
def test_print_colours_become_rgb(at_least: int | None) -> None:
    cyan = encoded(Image.new("CMYK", (80, 80), (255, 0, 0, 0)), "JPEG")
    assert np.abs(np.asarray(open_photo(cyan, at_least)).astype(int) - (0, 255, 255)).max() <= 3


@pytest.mark.parametrize("file_format", ["GIF", "WEBP"])
def test_of_an_animation_the_first_frame_is_taken(file_format: str) -> None:
    frames = [Image.new("RGB", (24, 24), colour) for colour in (RED, BLUE)]
    animation = encoded(frames[0], file_format, save_all=True, append_images=frames[1:])
    assert Image.open(io.BytesIO(animation)).n_frames == 2  # type: ignore[attr-defined]
    assert np.abs(np.asarray(open_photo(animation)).astype(int) - RED).max() <= 5


@pytest.mark.parametrize("orientation", STORED)
def test_exif_orientation_is_applied(orientation: int) -> None:
    upright = noise()
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = encoded(upright.transpose(STORED[orientation]), exif=exif)
    assert pixels(open_photo(stored)) == pixels(upright)


# --- what is refused -------------------------------------------------------------------------------------------------


def test_an_empty_file_is_refused() -> None:
    assert fault(b"").kind == "empty"


@pytest.mark.parametrize("content", [b"not a photo", b"\0" * 1000, encoded(noise(), "TIFF"), encoded(noise(), "ICO")])
def test_other_content_is_no_photo(content: bytes) -> None:
    error = fault(content)
    assert error.kind == "not_a_photo"
    assert all(name in error.detail for name in FORMATS)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "BMP", "GIF"])
@pytest.mark.parametrize("keep", [0.5, 0.95])
def test_a_file_that_is_cut_off_is_truncated(file_format: str, keep: float) -> None:
    content = encoded(noise(), file_format)
    assert fault(content[: int(keep * len(content))]).kind == "truncated"


def test_a_file_that_is_cut_off_in_its_header_is_truncated() -> None:
    assert fault(encoded(noise(), "JPEG")[:100]).kind == "truncated"


def test_what_a_decoder_says_is_told_without_pythons_name_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded(noise(), "JPEG")
    assert re.fullmatch(r"image file is truncated \(\d+ bytes not processed\)", fault(content[:-100]).detail)

    def say_nothing(photo: Image.Image) -> None:
        raise EOFError

    monkeypatch.setattr(images, "_to_rgb", say_nothing)
    error = fault(content)
    assert (error.kind, error.detail) == ("truncated", "EOFError"), "where there is no more to tell"


def test_a_webp_that_is_cut_off_is_refused() -> None:
    assert fault(encoded(noise(), "WEBP")[:-100]).kind == "unreadable"


@pytest.mark.parametrize("width", [8_001, 10_000, 20_000])  # Pillow warns at 9,460 squared, and gives up at 13,400.
def test_a_huge_picture_is_refused_without_decoding_it(width: int) -> None:
    error = fault(png_that_claims(width, width))  # It holds one byte of pixels: decoding would find it truncated.
    assert error.kind == "too_large"


def test_a_picture_within_the_bound_is_decoded() -> None:
    assert fault(png_that_claims(40, 40)).kind == "truncated"


def test_a_huge_file_is_refused_without_reading_it(tmp_path: Path) -> None:
    with (tmp_path / "photo.jpg").open("wb") as file:
        file.truncate(10**12)  # Takes no room on the disk, and more than there is in memory.
    assert fault(tmp_path / "photo.jpg").kind == "too_large"


def test_a_strip_of_pixels_is_no_photo() -> None:
    assert "at most 65,535 pixels a side" in fault(png_that_claims(65_536, 1)).detail


def test_a_jpeg_that_goes_through_its_pixels_too_often_is_refused() -> None:
    content = encoded(Image.new("L", (2000, 2000)), "JPEG", progressive=True)
    start = content.rindex(b"\xff\xda")
    assert open_photo(content[:start] + 9 * content[start:-2] + content[-2:]).size == (2000, 2000)
    error = fault(content[:start] + 2000 * content[start:-2] + content[-2:])
    assert (error.kind, "found 2005; save it again" in error.detail) == ("too_large", True)


def test_scans_of_the_small_photo_within_a_jpegs_metadata_do_not_count() -> None:
    scans = b"\xff\xe5" + struct.pack(">H", 60_002) + 30_000 * b"\xff\xda"
    content = encoded(Image.new("L", (2000, 2000)), "JPEG")
    assert open_photo(content[:2] + scans + content[2:]).size == (2000, 2000)


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xd8" + 65 * (b"\xff\xe1\x00\x0aExif\0\0ab"),  # Pillow joins them, copying what it has each time.
        b"\xff\xd8" + 10_001 * b"\xff\xfe\x00\x02",
        b"\xff\xd8\xff" + bytes(images.MAX_READS),
        b"GIF89a" + bytes(7) + images.MAX_READS * b"\1",
    ],
    ids=["EXIF", "comments", "JPEG of junk", "GIF of junk"],
)
def test_a_file_in_very_many_pieces_is_refused(content: bytes) -> None:
    error = fault(content)
    assert (error.kind, "found more; save it again" in error.detail) == ("unreadable", True)


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0no TIFF header", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"])
def test_damaged_exif_leaves_a_photo_as_it_is(exif: bytes) -> None:
    assert pixels(open_photo(encoded(noise(), "PNG", exif=exif))) == pixels(noise())


def test_exif_that_pillow_cannot_write_again_does_not_keep_a_photo_from_standing_upright() -> None:
    maker_as_a_fraction = struct.pack(">HHII", 0x010F, 5, 1, 38)
    entries = struct.pack(">H", 2) + maker_as_a_fraction + struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0) + bytes(4)
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + entries + struct.pack(">II", 1, 2)
    assert open_photo(encoded(noise(60, 40), "PNG", exif=exif)).size == (40, 60)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_a_large_photo_comes_into_rgb_row_by_row_as_in_one_go(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    grey = np.arange(2400, dtype=np.uint16).reshape(40, 60) * 27
    content = encoded(Image.fromarray(grey) if mode == "I;16" else noise().convert(mode), "PNG")
    whole = pixels(open_photo(content))
    monkeypatch.setattr(images, "_PIXELS_AT_ONCE", 130)
    assert pixels(open_photo(content)) == whole


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes in folders")
def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "photo.jpg")
    assert fault(tmp_path / "photo.jpg").detail == "not a regular file"


def test_a_file_that_is_gone_is_unreadable(tmp_path: Path) -> None:
    error = fault(tmp_path / "absent.jpg")
    assert (error.kind, error.detail) == ("unreadable", "No such file or directory")


# --- resizing --------------------------------------------------------------------------------------------------------


def test_squash_shows_the_whole_photo_in_the_whole_square() -> None:
    row = load_photo(encoded(stripes()), 40, "squash")[20]
    assert [tuple(row[column].tolist()) for column in (3, 15, 25, 36)] == [GREEN, RED, BLUE, GREEN]


def test_pad_keeps_the_aspect_ratio_between_black_borders() -> None:
    photo = load_photo(encoded(stripes()), 40, "pad")
    assert not photo[:9].any() and not photo[31:].any()
    assert [tuple(photo[20, column].tolist()) for column in (3, 15, 25, 36)] == [GREEN, RED, BLUE, GREEN]


def test_crop_keeps_the_aspect_ratio_and_cuts_the_longer_side() -> None:
    photo = load_photo(encoded(stripes()), 40, "crop")
    assert tuple(photo[20, 5].tolist()) == RED
    assert tuple(photo[20, 35].tolist()) == BLUE
    assert photo[:, :, 1].max() < 100, "the green ends are cut off"


@pytest.mark.parametrize("resize", ["squash", "pad", "crop"])
@pytest.mark.parametrize("size", [(1, 1000), (1000, 1), (1, 1), (3, 200), (32, 32)])
def test_any_shape_of_photo_fits(resize: Literal["squash", "pad", "crop"], size: tuple[int, int]) -> None:
    photo = load_photo(encoded(Image.new("RGB", size, RED)), 32, resize)
    assert photo.shape == (32, 32, 3)
    assert photo.dtype == np.uint8


def test_resizing_is_pillows_reducing_bilinear() -> None:
    expected = np.asarray(noise(100, 80).resize((32, 32), Image.Resampling.BILINEAR))
    assert np.array_equal(load_photo(encoded(noise(100, 80)), 32, "squash"), expected)


def test_the_decoders_own_reduction_hardly_shows() -> None:
    content = encoded(noise(60, 40).resize((240, 160), Image.Resampling.BICUBIC), "JPEG")
    assert open_photo(content, at_least=64).size == (120, 80), "it is in use"
    exact = np.asarray(open_photo(content).resize((32, 32), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(load_photo(content, 32, "squash") - exact).mean() < 2


def test_bytes_and_file_give_the_same_pixels(tmp_path: Path) -> None:
    path = make_photo(tmp_path / "photo.jpg")
    assert np.array_equal(load_photo(path, 32, "squash"), load_photo(path.read_bytes(), 32, "squash"))


def test_a_thumbnail_is_a_small_webp_of_the_same_aspect_ratio() -> None:
    small = Image.open(io.BytesIO(thumbnail(encoded(noise(400, 200), "JPEG"), 100)))
    assert (small.format, small.size) == ("WEBP", (100, 50))


def test_a_thumbnail_is_never_larger_than_its_photo() -> None:
    assert Image.open(io.BytesIO(thumbnail(encoded(noise(30, 20)), 100))).size == (30, 20)


def test_a_thumbnail_is_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert Image.open(io.BytesIO(thumbnail(encoded(noise(60, 40), "JPEG", exif=exif), 30))).size == (20, 30)
