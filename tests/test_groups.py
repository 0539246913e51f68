import io
import random

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance

from core import cartoon
from core.groups import THRESHOLD, group_photos, groups_of, hash_distances, is_telling, perceptual_hash, place_colours
from core.quality import photo_quality
from tests.conftest import photo_pixels


def scene(seed: int, size: tuple[int, int] = (300, 200)) -> Image.Image:
    """Shapes in all sizes, which stand for a photo."""
    rng = random.Random(seed)
    photo = Image.new("RGB", size, rng.choice(["navy", "olive", "silver", "teal"]))
    draw = ImageDraw.Draw(photo)
    for _ in range(60):
        x, y, r = rng.uniform(0, size[0]), rng.uniform(0, size[1]), rng.uniform(4, 50)
        draw.ellipse((x - r, y - r, x + r, y + 2 * r), fill=tuple(rng.randrange(256) for _ in range(3)))
    return photo


def saved_again(photo: Image.Image) -> Image.Image:
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=30)
    return Image.open(file).convert("RGB")


def with_a_mask(photo: Image.Image) -> Image.Image:
    masked = photo.copy()
    ImageDraw.Draw(masked).ellipse((120, 60, 170, 100), fill="white")
    return masked


COPIES = {
    "saved again": saved_again,
    "smaller": lambda photo: photo.resize((120, 80)),
    "brighter": lambda photo: ImageEnhance.Brightness(photo).enhance(1.15),
    "cropped": lambda photo: photo.crop((3, 2, 297, 198)),
    "masked": with_a_mask,
}


def distance(a: Image.Image, b: Image.Image) -> int:
    return int(hash_distances(perceptual_hash(a)[None], perceptual_hash(b)[None])[0, 0])


def grouped(photos: list[Image.Image]) -> list[str]:
    """Groups of photos whose files differ."""
    hashes = np.array([perceptual_hash(photo) for photo in photos])
    colours = np.array([place_colours(photo) for photo in photos])
    telling = [is_telling(*photo.size, photo_quality(photo).contrast) for photo in photos]
    return group_photos([f"{n:04x}{60 * 'e'}" for n in range(len(photos))], hashes, colours, np.array(telling))


def hashes_at(*bits: int) -> NDArray[np.uint16]:
    """Hashes whose first so many bits are set."""
    rows = np.zeros((len(bits), 256), dtype=bool)
    for row, n in zip(rows, bits, strict=True):
        row[:n] = True
    return np.packbits(rows, axis=1).view(np.dtype(">u2")).astype(np.uint16)


def greys(n: int) -> NDArray[np.uint8]:
    """Colours of so many photos without any."""
    return np.full((n, 32), 128, dtype=np.uint8)


def names(sha256: list[str], hashes: NDArray[np.uint16]) -> list[str]:
    return group_photos(sha256, hashes, greys(len(sha256)), np.ones(len(sha256), dtype=bool))


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_is_in_the_group_of_its_photo(kind: str) -> None:
    photos = [scene(seed) for seed in range(8)]
    found = grouped([*photos, *map(COPIES[kind], photos)])
    assert found[:8] == found[8:]
    assert len(set(found)) == 8


def test_a_photo_is_as_far_from_itself_as_the_hashes_say() -> None:
    photo = scene(0)
    assert distance(photo, photo) == 0
    assert distance(photo, scene(1)) > THRESHOLD
    assert hash_distances(hashes_at(0, 3), hashes_at(0, 200, 256)).tolist() == [[0, 200, 256], [3, 197, 253]]


def test_photos_of_one_colour_are_not_taken_for_one_another() -> None:
    flat = [Image.new("RGB", (100, 80), (n, 100, 200)) for n in range(5)]
    assert len(set(grouped(flat))) == 5


def test_nor_are_tiny_ones() -> None:
    rng = np.random.default_rng(0)
    tiny = [Image.fromarray(rng.integers(0, 256, (n, 40, 3), dtype=np.uint8)) for n in (1, 2, 3, 4) * 5]
    assert len(set(grouped(tiny))) == 20


def test_nor_noise() -> None:
    noise = [Image.fromarray(photo_pixels(n % 3, seed=n)) for n in range(200)]
    assert len(set(grouped(noise))) == 200


def test_nor_drawn_people() -> None:
    drawn = [cartoon.draw_photo(n % 3, random.Random(n), (306, 204)) for n in range(30)]
    assert len(set(grouped(drawn))) == 30


def test_the_same_pattern_in_other_colours_is_another_photo() -> None:
    colours = greys(4)
    colours[1, ::2] += 8  # By 4 in the mean.
    colours[2, ::2] -= 9
    assert group_photos(list("abcd"), hashes_at(0, 0, 0, 1), colours, np.ones(4, dtype=bool)) == ["a", "a", "c", "a"]


def test_colours_are_those_of_a_place_whatever_their_brightness() -> None:
    photo = Image.new("RGB", (80, 40), (60, 60, 60))
    photo.paste((100, 0, 0), (40, 0, 80, 40))
    blue, red = np.moveaxis(place_colours(photo).reshape(4, 4, 2).astype(int), -1, 0)
    assert abs(blue[:, 0] - 128).max() <= 1 and abs(red[:, 0] - 128).max() <= 1
    assert red[:, 3].min() > 170 and blue[:, 3].max() < 120


def test_a_chain_of_near_ones_is_one_group_up_to_the_threshold() -> None:
    assert names(["a", "b", "c", "d"], hashes_at(0, 56, 112, 169)) == ["a", "a", "a", "d"]


def test_groups_that_a_later_photo_connects_become_one() -> None:
    assert len(set(names(list("dcba"), hashes_at(0, 224, 56, 168)))) == 2
    assert set(names(list("edcba"), hashes_at(0, 224, 56, 168, 112))) == {"a"}


def test_the_same_bytes_are_one_group_whatever_is_in_them() -> None:
    telling = np.zeros(3, dtype=bool)
    assert group_photos(["b", "a", "b"], hashes_at(0, 0, 0), greys(3), telling) == ["b", "a", "b"]


def test_the_name_of_a_group_is_the_beginning_of_its_smallest_hash_in_any_order() -> None:
    sha256 = [f"{n:02x}" + 62 * "e" for n in (9, 7, 200)]
    hashes = hashes_at(0, 5, 100)
    expected = ["07" + 10 * "e", "07" + 10 * "e", "c8" + 10 * "e"]
    assert names(sha256, hashes) == expected
    assert names(sha256[::-1], hashes[::-1]) == expected[::-1]


def test_no_photos_are_no_groups() -> None:
    assert names([], np.zeros((0, 16), dtype=np.uint16)) == []


def test_what_differs_more_is_found_among_many_too() -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**16, size=(1000, 16), dtype=np.uint16)
    hashes[777] = hashes[3] ^ 1
    found = names([f"{n:04x}{60 * 'e'}" for n in range(1000)], hashes)
    assert found[777] == found[3]
    assert len(set(found)) == 999


def test_photos_have_the_groups_of_the_table_and_unknown_ones_one_each() -> None:
    samples = pd.DataFrame({"image": ["a.jpg", "b.jpg", "c.jpg"], "group": ["07", "07", "c8"]})
    images = pd.Series(["c.jpg", "new.jpg", "a.jpg", "b.jpg", "newer.jpg"], index=[9, 7, 5, 3, 1])
    assert groups_of(images, samples) == ["c8", "new.jpg", "07", "07", "newer.jpg"]
