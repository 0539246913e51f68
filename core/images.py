"""Open, orient, bound and resize photos: the only place that decodes one.

Training, `core.predict` and the dashboard all come through here, so that a photo looks the same to the network wherever
it comes from. Pillow's reducing bilinear filter is used throughout; TensorFlow's and Keras' default resizing differs
from it by up to a third of the range of values.
"""

import io
import os
import re
import stat
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from core.errors import printable, reason_of, shortened

Resize = Literal["squash", "pad", "crop"]

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif"})
PHOTO_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
# 8,000 x 8,000 pixels take 256 MB as RGB: enough for any camera phone's usual mode, and no decompression bomb. On its
# way there a photo takes up to five times as much, which a decoder and its pixels in another mode want.
MAX_PIXELS = 64_000_000
# As much as JPEG and GIF can say; what is longer is a strip of pixels and no photo.
MAX_SIDE = 65_535
MAX_BYTES = 100_000_000
# Pillow reads what is around the pixels piece by piece; a photo has some thousand pieces.
MAX_READS = 300_000
# A scan of a JPEG goes through all of its pixels, however short it is in the file; a progressive photo has about ten.
MAX_SCANNED_PIXELS = 40 * MAX_PIXELS
# Scans, tables and metadata of a JPEG.
MAX_JPEG_PARTS = 10_000
# EXIF fits into one part; Pillow joins several, each time by copying what it has.
MAX_EXIF_PARTS = 64
# Another number where the same file would be decoded or bounded differently.
DECODING_VERSION = 1

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Pixels that are brought into RGB at once, so that in between they take no multiple of the photo's memory.
_PIXELS_AT_ONCE = 1_000_000
# Any marker but those within a scan; FF that stands for itself is followed by 00.
_JPEG_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd7\xff])")
_START_OF_SCAN, _END_OF_IMAGE, _APP1 = 0xDA, 0xD9, 0xE1
# The parts that say how long they are.
_MEASURED_PARTS = frozenset([*range(0xC0, 0xD0), *range(0xDA, 0xF0), 0xFE])

# What Pillow warns of (damaged metadata, a size near its own bound) names no file and leaves the photo usable.
warnings.filterwarnings("ignore", module=r"PIL\.")


class PhotoError(Exception):
    """A photo that cannot be used.

    Attributes:
        kind: One of `empty`, `not_a_photo`, `truncated`, `too_large`, `unreadable`.
        detail: What was found, for a person.
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


def load_photo(source: Path | bytes, size: int, resize: Resize) -> NDArray[np.uint8]:
    """Read a photo as the network sees it.

    Args:
        source: A file, or the bytes of one.
        size: Width and height of the result in pixels.
        resize: `squash` ignores the aspect ratio, `pad` keeps it and fills up with black, `crop` keeps it and cuts
            what juts out.

    Returns:
        RGB, shape (size, size, 3), values 0-255.

    Raises:
        PhotoError: If the photo cannot be used.
    """
    # Twice the size, so that the decoder's own coarse reduction never decides what the resized photo looks like.
    photo = open_photo(source, at_least=2 * size)
    target = (size, size)
    if resize == "squash":
        resized = photo.resize(target, Image.Resampling.BILINEAR)
    elif resize == "pad":
        resized = ImageOps.pad(photo, target, Image.Resampling.BILINEAR)
    else:
        resized = ImageOps.fit(photo, target, Image.Resampling.BILINEAR)
    return np.asarray(resized)


def thumbnail(source: Path | bytes, size: int) -> bytes:
    """Shrink a photo to fit into `size` x `size` pixels.

    Returns:
        A WebP file, about 4 KB at 200 pixels.

    Raises:
        PhotoError: If the photo cannot be used.
    """
    photo = open_photo(source, at_least=size)
    photo.thumbnail((size, size), Image.Resampling.BILINEAR)
    out = io.BytesIO()
    photo.save(out, "WEBP", quality=80, method=2)
    return out.getvalue()


def open_photo(source: Path | bytes, at_least: int | None = None) -> Image.Image:
    """Decode a photo, upright and in RGB.

    Transparency is laid over white, 16-bit greys are scaled to 8 bits, of an animation the first frame is taken.

    Args:
        source: A file, or the bytes of one.
        at_least: Lets the JPEG decoder return a smaller picture, at least this wide and high: many times as fast.

    Raises:
        PhotoError: If the photo cannot be used.
    """
    content = source if isinstance(source, bytes) else read_photo(source)
    if not content:
        raise PhotoError("empty", "the file has 0 bytes")
    n_scans = _jpeg_parts(content).count(_START_OF_SCAN) if content.startswith(b"\xff\xd8") else 0
    try:
        photo = Image.open(_Pieces(content), formats=PHOTO_FORMATS)
    except PhotoError:
        raise
    except UnidentifiedImageError:
        raise PhotoError("not_a_photo", f"expected one of {', '.join(PHOTO_FORMATS)}, found other content") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:  # A warning under `-W error`.
        raise PhotoError("too_large", str(error)) from None
    except Exception as error:  # Decoders raise whatever a hostile header makes them raise.
        raise _decoding_error(error) from None
    _require_decodable(photo, n_scans)
    try:
        if at_least is not None:
            photo.draft("RGB", (at_least, at_least))
        photo.load()
        return _upright(_to_rgb(photo), _orientation(photo))
    except PhotoError:
        raise
    except Exception as error:  # As above: any type may come out of a decoder.
        raise _decoding_error(error) from None


class _Pieces(io.BytesIO):
    """A photo's file for Pillow, which may not ask for it in millions of pieces: that would take minutes."""

    _n_left = MAX_READS

    def read(self, size: int | None = -1, /) -> bytes:
        self._n_left -= 1
        if self._n_left < 0:
            raise PhotoError("unreadable", f"expected at most {MAX_READS:,} pieces of data, found more; save it again")
        return super().read(size)


def _require_decodable(photo: Image.Image, n_scans: int) -> None:
    """Refuse what would take too much memory or time; asked before a pixel is decoded."""
    found = f"found {photo.width} x {photo.height} pixels; scale it down"
    if photo.width * photo.height > MAX_PIXELS:
        raise PhotoError("too_large", f"expected at most {MAX_PIXELS:,} pixels, {found}")
    if max(photo.size) > MAX_SIDE:
        raise PhotoError("too_large", f"expected at most {MAX_SIDE:,} pixels a side, {found}")
    if n_scans * photo.width * photo.height > MAX_SCANNED_PIXELS:
        raise PhotoError("too_large", f"expected about ten scans of a progressive JPEG, found {n_scans}; save it again")


def _jpeg_parts(content: bytes) -> list[int]:
    """The markers of a JPEG up to its end, as Pillow and libjpeg go through them.

    Raises:
        PhotoError: If there are too many.
    """
    parts: list[int] = []
    n_exif = 0
    position = 0
    while found := _JPEG_MARKER.search(content, position):
        kind, position = found[1][0], found.end()
        if kind == _END_OF_IMAGE and _START_OF_SCAN in parts:
            break
        n_exif += kind == _APP1 and content.startswith(b"Exif\0\0", position + 2)
        parts.append(kind)
        if len(parts) > MAX_JPEG_PARTS or n_exif > MAX_EXIF_PARTS:
            limits = f"{MAX_JPEG_PARTS:,} parts and {MAX_EXIF_PARTS} of EXIF"
            raise PhotoError("unreadable", f"expected at most {limits}, found more; save it again")
        if kind in _MEASURED_PARTS:
            position += max(2, int.from_bytes(content[position : position + 2], "big"))
    return parts


def _decoding_error(error: Exception) -> PhotoError:
    is_cut_off = "truncated" in str(error).lower() or isinstance(error, EOFError)
    return PhotoError("truncated" if is_cut_off else "unreadable", printable(shortened(reason_of(error))))


def _orientation(photo: Image.Image) -> Image.Transpose | None:
    """What stands the photo upright; damaged EXIF leaves it as it is."""
    try:
        return _UPRIGHT.get(photo.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # As above.
        return None


def _upright(photo: Image.Image, transposition: Image.Transpose | None) -> Image.Image:
    return photo if transposition is None else photo.transpose(transposition)


def _to_rgb(photo: Image.Image) -> Image.Image:
    if photo.mode == "RGB":
        return photo
    rgb = Image.new("RGB", photo.size)
    n_rows = max(1, _PIXELS_AT_ONCE // photo.width)
    for top in range(0, photo.height, n_rows):
        rows = photo.crop((0, top, photo.width, min(top + n_rows, photo.height)))
        rgb.paste(_rows_to_rgb(rows), (0, top))
    return rgb


def _rows_to_rgb(photo: Image.Image) -> Image.Image:
    if photo.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion would clip it to white.
        grey = np.asarray(photo, dtype=np.float64) / 257.0
        return Image.fromarray(grey.clip(0, 255).round().astype(np.uint8)).convert("RGB")
    if photo.has_transparency_data:
        rgba = photo.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return photo.convert("RGB")


def read_photo(path: Path) -> bytes:
    """Read the bytes of a photo's file, within the bound on its size.

    Raises:
        PhotoError: If the file cannot be read or is too large.
    """
    try:
        # One file is opened, asked and read, whatever takes its name meanwhile. Opening a named pipe waits for nothing.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise PhotoError("unreadable", "not a regular file")
            if status.st_size > MAX_BYTES:
                found = f"found {status.st_size:,}; scale it down"
                raise PhotoError("too_large", f"expected at most {MAX_BYTES:,} bytes, {found}")
            return file.read(MAX_BYTES)
    except OSError as error:
        raise PhotoError("unreadable", error.strerror or str(error)) from None
