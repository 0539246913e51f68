"""Photo files made to do harm, the same ones from the same seed: damaged, forged, huge, or oddly named.

Nothing here is a data file: seeds are drawn with Pillow, then mutated.
"""

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from core.images import MAX_EXIF_PARTS, MAX_READS

# A number that a header may hold, as the smallest, the largest, and those at which something turns over.
EXTREMES = tuple(
    struct.pack(order + kind, value)
    for order in "<>"
    for kind, values in {
        "H": (0, 1, 0x7FFF, 0x8000, 0xFFFF),
        "I": (0, 1, 60_000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF),
    }.items()
    for value in values
)


@dataclass(frozen=True)
class Case:
    """A file: what was done to which seed, for who reads a failed test, and its bytes."""

    name: str
    content: bytes


def encoded(photo: Image.Image, file_format: str, **options: Any) -> bytes:
    """A photo's file."""
    file = io.BytesIO()
    photo.save(file, file_format, **options)
    return file.getvalue()


def noise(mode: str = "RGB", width: int = 40, height: int = 30) -> Image.Image:
    """A picture of which no part is like another one, in any mode."""
    random = np.random.default_rng([width, height])
    return Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8)).convert(mode)


@cache
def seeds() -> dict[str, bytes]:
    """Sound files in all five formats and the modes and extras that each may have."""
    rgb, grey, alpha, palette = noise(), noise("L"), noise("RGB").convert("RGBA"), noise("P")
    alpha.putalpha(noise("L"))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x8298] = 6, "maker", "copyright"
    exif.get_ifd(0x8769)[0x9003] = "2026:01:02 03:04:05"
    about = PngImagePlugin.PngInfo()
    about.add_text("Title", "a photo")
    about.add_text("Comment", "c" * 2000, zip=True)
    about.add_itxt("XML:com.adobe.xmp", '<x xmlns:tiff="t" tiff:Orientation="3"/>', zip=True)
    icc = b"\0\0\2\0ADBE\2\x10\0\0mntrRGB XYZ " + bytes(500)
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    frames: dict[str, Any] = {"save_all": True, "append_images": [noise("RGB").rotate(90), rgb], "duration": 50}
    sixteen = Image.fromarray(np.arange(1200, dtype=np.uint16).reshape(30, 40) * 50)
    files = {
        "jpeg": encoded(rgb, "JPEG"),
        "jpeg-progressive": encoded(rgb, "JPEG", progressive=True),
        "jpeg-restarts": encoded(rgb, "JPEG", restart_marker_blocks=2),
        "jpeg-grey": encoded(grey, "JPEG"),
        "jpeg-cmyk": encoded(noise("CMYK"), "JPEG"),
        "jpeg-about": encoded(rgb, "JPEG", exif=exif, icc_profile=icc, xmp=xmp, comment=b"hm", progressive=True),
        "jpeg-mpo": encoded(rgb, "MPO", save_all=True, append_images=[rgb]),
        "png": encoded(rgb, "PNG"),
        "png-palette": encoded(palette, "PNG", transparency=bytes(range(256))),
        "png-palette-2": encoded(palette.quantize(4), "PNG", bits=2, transparency=1),
        "png-16": encoded(sixteen, "PNG"),
        "png-bw": encoded(noise("1"), "PNG"),
        "png-grey-alpha": encoded(alpha.convert("LA"), "PNG"),
        "png-alpha": encoded(alpha, "PNG"),
        "png-key": encoded(rgb, "PNG", transparency=(1, 2, 3)),
        "png-about": encoded(rgb, "PNG", exif=exif, icc_profile=icc, pnginfo=about),
        "png-animated": encoded(rgb, "PNG", **frames),
        "png-interlaced": png(5, 5, 8, 2, interlaced=True),
        "webp": encoded(rgb, "WEBP"),
        "webp-alpha": encoded(alpha, "WEBP"),
        "webp-lossless": encoded(alpha, "WEBP", lossless=True),
        "webp-about": encoded(rgb, "WEBP", exif=exif, icc_profile=icc, xmp=xmp),
        "webp-animated": encoded(alpha, "WEBP", **frames),
        "gif": encoded(palette, "GIF"),
        "gif-grey": encoded(grey, "GIF", transparency=3, interlace=1),
        "gif-animated": encoded(palette, "GIF", comment=b"hm", loop=0, disposal=2, **frames),
        "bmp": encoded(rgb, "BMP"),
        "bmp-alpha": encoded(alpha, "BMP"),
        "bmp-8": encoded(palette, "BMP"),
        "bmp-grey": encoded(grey, "BMP"),
        "bmp-1": encoded(noise("1"), "BMP"),
        "bmp-rle8": bmp_rle(8, 4, 8, b"".join(b"\x08" + bytes([row]) + b"\0\0" for row in range(4)) + b"\0\1"),
        "bmp-rle4": bmp_rle(8, 2, 4, b"\x08\x12\0\0\0\x04\x12\x34\0\2\4\0\0\0\0\1"),
    }
    for orientation in range(10):
        exif[0x0112] = orientation
        files[f"jpeg-orientation-{orientation}"] = encoded(rgb, "JPEG", exif=exif)
    return files


# --- parts of files --------------------------------------------------------------------------------------------------


def chunk(kind: bytes, content: bytes) -> bytes:
    """A part of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(
    width: int, height: int, bits: int, colour: int, extra: bytes = b"", pixels: bytes | None = None,
    *, interlaced: bool = False,
) -> bytes:  # fmt: skip
    """A PNG of zeros whatever Pillow thinks of its size; `extra` comes before its pixels."""
    if pixels is None:
        channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
        n_bytes = height * (1 + (width * bits * channels + 7) // 8) * (2 if interlaced else 1)
        packer = zlib.compressobj(1)
        pixels = b"".join([*(packer.compress(bytes(1_000_000)) for _ in range(n_bytes // 1_000_000)), b""])
        pixels += packer.compress(bytes(n_bytes % 1_000_000)) + packer.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced))
    palette = chunk(b"PLTE", bytes(range(256)) * 3) if colour == 3 else b""
    return b"\x89PNG\r\n\x1a\n" + header + palette + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def bmp_rle(width: int, height: int, bits: int, pixels: bytes) -> bytes:
    """A run-length encoded BMP, which Pillow reads and does not write."""
    n_colours = 2**bits
    offset = 54 + 4 * n_colours
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 1 if bits == 8 else 2, len(pixels), 0, 0, 0, 0)
    palette = b"".join(bytes([n % 256, 255 - n % 256, 7, 0]) for n in range(n_colours))
    return b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset) + header + palette + pixels


def segment(marker: int, content: bytes) -> bytes:
    """A part of a JPEG."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


# --- mutations -------------------------------------------------------------------------------------------------------


def mutated(n: int, seed: int = 0) -> Iterator[Case]:
    """Damaged and forged files, one after another from every seed."""
    names = list(seeds())
    for index in range(n):
        random = np.random.default_rng([seed, index])
        name = names[index % len(names)]
        content, done = bytearray(seeds()[name]), []
        for _ in range(int(random.choice([1, 1, 2, 5]))):
            mutate = MUTATIONS[int(random.integers(len(MUTATIONS)))]
            mutate(content, random)
            done.append(mutate.__name__.strip("_"))
        yield Case(f"{seed}/{index}-{name}-{'-'.join(done)}", bytes(content))


def _place(content: bytearray, random: np.random.Generator) -> int:
    """More often in the header than elsewhere: that is where most is decided."""
    bound = len(content) if random.random() < 0.5 else min(64, len(content))
    return int(random.integers(bound + 1))


def _run(content: bytearray, random: np.random.Generator) -> slice:
    start = _place(content, random)
    return slice(start, start + int(random.integers(1, 64)))


def _cut_off(content: bytearray, random: np.random.Generator) -> None:
    del content[_place(content, random) :]


def _flip_bits(content: bytearray, random: np.random.Generator) -> None:
    for _ in range(int(random.integers(1, 20)) if content else 0):
        content[min(_place(content, random), len(content) - 1)] ^= 1 << int(random.integers(8))


def _overwrite(content: bytearray, random: np.random.Generator) -> None:
    run = _run(content, random)
    content[run] = random.bytes(len(content[run]))


def _insert(content: bytearray, random: np.random.Generator) -> None:
    start = _place(content, random)
    content[start:start] = random.bytes(int(random.integers(1, 64)))


def _delete(content: bytearray, random: np.random.Generator) -> None:
    del content[_run(content, random)]


def _repeat(content: bytearray, random: np.random.Generator) -> None:
    run = _run(content, random)
    content[run] = content[run] * int(random.integers(2, 50))


def _extreme(content: bytearray, random: np.random.Generator) -> None:
    value, start = EXTREMES[int(random.integers(len(EXTREMES)))], _place(content, random)
    content[start : start + len(value)] = value


def _splice(content: bytearray, random: np.random.Generator) -> None:
    other = list(seeds().values())[int(random.integers(len(seeds())))]
    content[_place(content, random) :] = other[int(random.integers(len(other))) :]


def _checksums_mended(content: bytearray, random: np.random.Generator) -> None:
    """Change a byte of a PNG's part and mend its checksum, so that the change is not found by that."""
    if not content.startswith(b"\x89PNG"):
        return _flip_bits(content, random)
    position = 8
    while position + 12 <= len(content):
        length = int.from_bytes(content[position : position + 4], "big")
        end = position + 8 + length
        if end + 4 > len(content):
            return None
        if length and random.random() < 0.5:
            content[position + 8 + int(random.integers(length))] = int(random.integers(256))
            content[end : end + 4] = struct.pack(">I", zlib.crc32(content[position + 4 : end]))
        position = end + 4
    return None


MUTATIONS: tuple[Callable[[bytearray, np.random.Generator], None], ...] = (
    _cut_off, _flip_bits, _overwrite, _insert, _delete, _repeat, _extreme, _extreme, _splice, _checksums_mended,
)  # fmt: skip


# --- other content ---------------------------------------------------------------------------------------------------


@cache
def strangers() -> dict[str, bytes]:
    """What is no photo, or none of the five formats, and what may stand under a photo's name all the same."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("photo.jpg", seeds()["jpeg"])
    others = {
        kind.lower(): encoded(noise(), kind)
        for kind in ("TIFF", "ICO", "PDF", "EPS", "PPM", "TGA", "PCX", "ICNS", "DIB", "JPEG2000", "SGI")
    }
    return others | {
        "nothing": b"",
        "one-byte": b"\xff",
        "text": "no photo\n".encode("utf-16"),
        "html": b"<!doctype html><script>alert(1)</script>",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "zip": archive.getvalue(),
        "psd": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 30, 40, 8, 3) + bytes(4000),
        "fli": b"\0\0\0\0\x11\xaf" + bytes(200),
        "zeros": bytes(10_000),
        "jpeg-start": b"\xff\xd8\xff",
        "png-start": b"\x89PNG\r\n\x1a\n",
        "gif-start": b"GIF89a",
        "webp-start": b"RIFF\0\0\0\0WEBPVP8X",
        "bmp-start": b"BM",
    }


# --- bombs -----------------------------------------------------------------------------------------------------------

# All small or quick to make: what they are after is in the decoder.
BOMBS: dict[str, Callable[[], bytes]] = {
    "png-60000": lambda: png(60_000, 60_000, 8, 2, pixels=zlib.compress(bytes(100_000))),
    "png-too-long": lambda: png(1_000_000, 1, 8, 0),
    "gif-65535": lambda: _with(encoded(noise("P"), "GIF"), 6, b"\xff" * 4),
    "gif-frame-65535": lambda: _with_frame(encoded(noise("P"), "GIF")),
    "bmp-2-31": lambda: _with(encoded(noise(), "BMP"), 18, b"\xff\xff\xff\x7f\xff\xff\xff\x7f"),
    "webp-canvas": lambda: _webp_of(16_777_216, 256),
    "webp-canvas-14": lambda: _webp_of(16_384, 16_384),
    "jpeg-65535": lambda: _jpeg_of(65_535, 65_535),
    "jpeg-scans": lambda: _with_scans(2_000, 2_000, 700),
    "jpeg-parts": lambda: b"\xff\xd8" + 20_000 * segment(0xFE, b"hm") + seeds()["jpeg"][2:],
    "jpeg-exif": lambda: b"\xff\xd8" + 2 * MAX_EXIF_PARTS * segment(0xE1, b"Exif\0\0" + bytes(60_000)),
    "jpeg-exif-after-end": lambda: b"\xff\xd8\xff\xd9" + 20_000 * segment(0xE1, b"Exif\0\0" + bytes(600)),
    "jpeg-junk": lambda: b"\xff\xd8\xff" + bytes(2 * MAX_READS),
    "gif-junk": lambda: b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0, 0, 0) + 2 * MAX_READS * b"\1",
    "gif-comments": lambda: b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0, 0, 0) + MAX_READS // 2 * b"!\xfe\1c\0",
    "png-parts": lambda: png(8, 8, 8, 2, extra=MAX_READS // 2 * chunk(b"prVt", b"")),
    "png-empty-pixels": lambda: png(8, 8, 8, 2, extra=MAX_READS // 2 * chunk(b"IDAT", b"")),
    "bmp-rle": lambda: bmp_rle(2_000, 2_000, 8, MAX_READS * b"\1\5"),
    "png-text": lambda: png(8, 8, 8, 2, extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(50_000_000), 9))),
    "png-texts": lambda: png(8, 8, 8, 2, extra=200 * chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1_000_000), 9))),
    "png-profile": lambda: png(8, 8, 8, 2, extra=chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(50_000_000), 9))),
    "png-exif": lambda: png(8, 8, 8, 2, extra=chunk(b"eXIf", b"MM\0*\0\0\0\x08\xff\xff" + bytes(4_000_000))),
    "exif-in-a-circle": lambda: png(8, 8, 8, 2, extra=chunk(b"eXIf", _circular_exif())),
}


def _with(content: bytes, offset: int, value: bytes) -> bytes:
    return content[:offset] + value + content[offset + len(value) :]


def _with_frame(gif: bytes) -> bytes:
    """A frame that is much larger than the screen it is to be shown on."""
    start = gif.index(b",\0\0\0\0")
    return _with(gif, start + 1, b"\xff\xff\xff\xff\xff\xff\xff\xff")


def _webp_of(width: int, height: int) -> bytes:
    content = seeds()["webp-animated"]
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return _with(content, content.index(b"VP8X") + 12, size)


def _jpeg_of(width: int, height: int) -> bytes:
    content = seeds()["jpeg"]
    return _with(content, content.index(b"\xff\xc0") + 5, struct.pack(">HH", height, width))


def _with_scans(width: int, height: int, n: int) -> bytes:
    """A progressive JPEG that says nothing about its pixels very often."""
    content = encoded(Image.new("L", (width, height)), "JPEG", progressive=True)
    start = content.rindex(b"\xff\xda")
    return content[:start] + n * content[start:-2] + content[-2:]


def _circular_exif() -> bytes:
    """An entry for a folder of entries that is the folder itself."""
    entries = [struct.pack(">HHII", tag, 4, 1, 8) for tag in (0x8769, 0x8825, 0xA005)]
    return b"MM\0*\0\0\0\x08" + struct.pack(">H", 3) + b"".join(entries) + bytes(4)


# Just within the bounds, in every way in which memory is wanted on the way to RGB: name -> a file of that many pixels.
LARGEST: dict[str, Callable[[int, int], bytes]] = {
    "jpeg": lambda width, height: encoded(Image.new("RGB", (width, height)), "JPEG"),
    "jpeg-cmyk": lambda width, height: encoded(Image.new("CMYK", (width, height)), "JPEG", progressive=True),
    "png": lambda width, height: png(width, height, 8, 2),
    "png-16": lambda width, height: png(width, height, 16, 0),
    "png-alpha-16": lambda width, height: png(width, height, 16, 6),
    "png-grey-alpha": lambda width, height: png(width, height, 8, 4),
    "png-palette": lambda width, height: png(width, height, 8, 3, extra=chunk(b"tRNS", bytes(256))),
    "webp-alpha": lambda width, height: encoded(Image.new("RGBA", (width, height)), "WEBP", method=0),
    "gif": lambda width, height: encoded(Image.new("L", (width, height)), "GIF", transparency=3),
    "bmp-8": lambda width, height: encoded(Image.new("L", (width, height)), "BMP"),
}


# --- names -----------------------------------------------------------------------------------------------------------

# Odd, and a photo's name all the same.
USABLE_NAMES = (
    "two words.jpg", " first.jpg", "trailing .jpg", "it's.jpg", 'say "hm".jpg', "a,b;c.jpg", "a&b=c#d?e.jpg",
    "%2e%2e%2fetc.jpg", "=cmd('calc').jpg", "+1.jpg", "@sum.jpg", "-rf.jpg", "--out.jpg", "<script>alert(1)<.jpg",
    "**bold** [link](x) $x^2$ :smile: `code`.jpg", "back\\slash.jpg", "[bold]rich[-bold].jpg", "NUL.jpg", "a.png.jpg",
    "e\u0301 combining.jpg", "\u00e9 composed.jpg", "\U0001f469\u200d\U0001f469\u200d\U0001f467.jpg", "عربي.jpg",
    "日本.JPEG", "\u200b.jpg", "1.0.jpg", "nan.jpg", "None.jpg", "~.jpg", "$HOME.jpg", "a" * 251 + ".jpg",
    "é" * 125 + ".jpg",
)  # fmt: skip

# What a file may be called and no line can hold.
UNPRINTABLE_NAMES = (
    "line\nbreak.jpg", "line\r\nbreak.jpg", "tab\t.jpg", "bell\a.jpg", "\x1b[2Jclear.jpg", "\x1b]0;title\a.jpg",
    "\x9b31mred.jpg", "\x7f.jpg", "line\u2028break.jpg", "\u202egpj.exe.jpg", "\u2066isolated\u2069.jpg",
    "next\x85line.jpg", "\ufeffmark.jpg",
)  # fmt: skip

NOT_UTF8 = (b"\xff.jpg", b"caf\xe9.jpg", b"\xed\xa0\x80.jpg")


def undecodable_names() -> tuple[str, ...]:
    """Names that are not UTF-8, as Python has them."""
    return tuple(os.fsdecode(name) for name in NOT_UTF8)


def write_named(folder: Path, name: str, content: bytes) -> Path | None:
    """Write a file, where the system lets one be called so."""
    try:
        (folder / name).write_bytes(content)
    except (OSError, UnicodeError):  # macOS wants UTF-8, Windows more.
        return None
    return folder / name
