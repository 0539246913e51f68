"""Open, orient, bound and resize photos: the only place that decodes one.

Training, `core.predict` and the dashboard all come through here, so that a photo looks the same to the network wherever
it comes from. Pillow's reducing bilinear filter is used throughout; TensorFlow's and Keras' default resizing differs
from it by up to a third of the range of values.
"""

import io
import stat
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

Resize = Literal["squash", "pad", "crop"]

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif"})
PHOTO_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
# 8,000 x 8,000 pixels take 192 MB as RGB: enough for any camera phone's usual mode, and no decompression bomb.
MAX_PIXELS = 64_000_000
MAX_BYTES = 100_000_000
# Another number where the same file would be decoded or bounded differently.
DECODING_VERSION = 1

# Only the header is read before our own check of the size, so Pillow's warning at its own bound says nothing more.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)
# A damaged orientation leaves the photo as it is; the warning names no file.
warnings.filterwarnings("ignore", "Corrupt EXIF data", UserWarning)


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
    try:
        photo = Image.open(io.BytesIO(content), formats=PHOTO_FORMATS)
    except UnidentifiedImageError:
        raise PhotoError("not_a_photo", f"expected one of {', '.join(PHOTO_FORMATS)}, found other content") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:  # A warning under `-W error`.
        raise PhotoError("too_large", str(error)) from None
    except Exception as error:  # Decoders raise whatever a hostile header makes them raise.
        raise _decoding_error(error) from None
    return _decode(photo, at_least)


def _decode(photo: Image.Image, at_least: int | None) -> Image.Image:
    if photo.width * photo.height > MAX_PIXELS:
        found = f"{photo.width} x {photo.height} pixels"
        raise PhotoError("too_large", f"expected at most {MAX_PIXELS:,} pixels, found {found}; scale it down")
    try:
        if at_least is not None:
            photo.draft("RGB", (at_least, at_least))
        photo.load()
        return _to_rgb(ImageOps.exif_transpose(photo))
    except Exception as error:  # As above: any type may come out of a decoder.
        raise _decoding_error(error) from None


def _decoding_error(error: Exception) -> PhotoError:
    is_cut_off = "truncated" in str(error).lower() or isinstance(error, EOFError)
    return PhotoError("truncated" if is_cut_off else "unreadable", f"{type(error).__name__}: {error}")


def _to_rgb(photo: Image.Image) -> Image.Image:
    if photo.mode == "RGB":
        return photo
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
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # A named pipe would be waited for without an end.
            raise PhotoError("unreadable", "not a regular file")
        if status.st_size > MAX_BYTES:
            found = f"found {status.st_size:,}; scale it down"
            raise PhotoError("too_large", f"expected at most {MAX_BYTES:,} bytes, {found}")
        return path.read_bytes()
    except OSError as error:
        raise PhotoError("unreadable", error.strerror or str(error)) from None
