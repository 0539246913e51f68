import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from core.quality import PhotoQuality, photo_quality
from tests.conftest import photo_pixels


def grey_photo(pixels: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(np.repeat(pixels[:, :, np.newaxis], 3, axis=2))


def waves(size: int) -> Image.Image:
    """One scene, in as many pixels as wanted."""
    place = (np.arange(size) + 0.5) / size
    brightness = 127 + 120 * np.sin(40 * place)[:, np.newaxis] * np.cos(40 * place)
    return grey_photo(brightness.astype(np.uint8))


def test_a_photo_of_one_grey_has_a_brightness_only() -> None:
    assert photo_quality(grey_photo(np.full((20, 30), 51, np.uint8))) == PhotoQuality(0.2, 0, 0)


@pytest.mark.parametrize(("level", "brightness"), [(0, 0.0), (255, 1.0)])
def test_brightness_goes_from_black_to_white(level: int, brightness: float) -> None:
    assert photo_quality(grey_photo(np.full((5, 5), level, np.uint8))).brightness == brightness


def test_half_black_half_white_is_the_highest_contrast() -> None:
    quality = photo_quality(grey_photo(np.array([[0, 255]] * 4, np.uint8)))
    assert (quality.brightness, quality.contrast) == (0.5, 0.5)


def test_green_is_brighter_than_blue() -> None:
    green, blue = (photo_quality(Image.new("RGB", (4, 4), name)).brightness for name in ("lime", "blue"))
    assert (green, blue) == pytest.approx((0.587, 0.114), abs=0.002)


def test_the_sharpness_of_a_hand_made_case() -> None:
    # Two pixels have four neighbours; the Laplacian is -4 * 255 at the white one and 255 beside it.
    pixels = np.zeros((3, 4), np.uint8)
    pixels[1, 1] = 255
    assert photo_quality(grey_photo(pixels)).sharpness == ((255 + 1020) / 2) ** 2


def test_a_blurred_photo_is_less_sharp() -> None:
    photo = Image.fromarray(photo_pixels(0, seed=1))
    blurred = photo.filter(ImageFilter.GaussianBlur(2))
    assert photo_quality(blurred).sharpness < 0.1 * photo_quality(photo).sharpness


def test_sharpness_depends_on_the_scene_and_not_on_the_number_of_pixels() -> None:
    assert photo_quality(waves(2048)).sharpness == pytest.approx(photo_quality(waves(1024)).sharpness, rel=0.1)


@pytest.mark.parametrize("size", [(1, 1), (2, 50), (5000, 1)])
def test_a_photo_too_narrow_for_neighbours_has_no_sharpness(size: tuple[int, int]) -> None:
    assert photo_quality(Image.new("RGB", size, "white")) == PhotoQuality(1, 0, 0)


def test_the_photo_itself_stays_as_it_is() -> None:
    photo = waves(600)
    photo_quality(photo)
    assert (photo.size, photo.mode) == ((600, 600), "RGB")
